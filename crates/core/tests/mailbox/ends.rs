//! The terminal states: expired, rejected, refused, and the words that go with them.

use tagpost_core::delivery::State;
use tagpost_core::mailbox::CallPurpose;

use super::harness::{Harness, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

#[test]
fn a_held_message_expires_and_its_sender_is_told() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, &[("TTL", "5")]), 0);
    assert_eq!(harness.at(5_000).ring(), ["door: receipts expired 0"]);
    assert_eq!(
        harness.rows(),
        "account 1, inbox 1",
        "it is kept until the sender's mailbox has it"
    );
    assert_eq!(harness.reported("door", true), [""; 0]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn an_expired_message_is_not_sent_on_connect() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, &[("TTL", "5")]), 0);
    assert_eq!(
        harness.at(5_000).connect(1),
        ["1 <- welcome, 1 held", "door: receipts expired 0"]
    );
}

#[test]
fn a_message_that_arrives_expired_is_not_taken() {
    let mut harness = Harness::new();
    assert_eq!(
        harness.at(5_000).deliver(&message(1, &[("TTL", "5")]), 0),
        ["expired 0"]
    );
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn ttl_0_is_now_if_the_device_is_online() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, &[("TTL", "0"), ("Content-Type", "text/plain")]);
    assert_eq!(
        harness.deliver(&message, 0),
        ["waits until 1000", "1 <- body 1, attempt 1"]
    );
    assert_eq!(
        harness.at(900).ack(message.id),
        ["answers delivered 1 (#1)"]
    );
}

#[test]
fn ttl_0_is_never_if_the_device_is_offline_or_silent() {
    let mut harness = Harness::new();
    let (first, second) = (message(1, &[("TTL", "0")]), message(2, &[("TTL", "0")]));
    assert_eq!(harness.deliver(&first, 0), ["expired 0"]);
    harness.connect(1);
    harness.deliver(&second, 0);
    assert_eq!(harness.at(1_000).end_wait(second.id)[0], "expired 1");
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_rejection_carries_its_reason_to_the_sender() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    let nack = format!(
        r#"{{"type":"nack","id":"{}","reason":"not now"}}"#,
        message.id
    );
    assert_eq!(
        harness.frame(1, &nack),
        ["door: receipts rejected 1 (not now)"]
    );
}

#[test]
fn a_reply_is_kept_as_it_was_written() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.frame(
        1,
        &format!(
            r#"{{"type":"ack","id":"{}","reply":{{"a":  [1.0, null]}}}}"#,
            message.id
        ),
    );
    let settled = harness.query("SELECT settled FROM inbox").text().unwrap();
    assert!(
        settled.contains(r#""reply":{"a":  [1.0, null]}"#),
        "{settled}"
    );
}

#[test]
fn a_second_acknowledgement_changes_nothing() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.ack(message.id);
    assert_eq!(harness.ack(message.id), [""; 0]);
    let nack = format!(r#"{{"type":"nack","id":"{}"}}"#, message.id);
    assert_eq!(harness.frame(1, &nack), [""; 0]);
    assert_eq!(harness.deliver(&message, 0), ["delivered 1"]);
}

#[test]
fn a_full_queue_refuses_and_says_why() {
    let mut harness = Harness::with(|limits| limits.max_held_messages = 1);
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(
        harness.deliver(&message(2, TEXT), 0),
        ["refused 0 (queue_full)"]
    );
    assert_eq!(harness.rows(), "account 1, inbox 1");
}

#[test]
fn a_queue_is_full_by_bytes_too() {
    let mut harness = Harness::with(|limits| limits.max_held_bytes = 11);
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(
        harness.deliver(&message(2, TEXT), 0),
        ["refused 0 (queue_full)"]
    );
    harness.connect(1);
    harness.ack(message(1, TEXT).id);
    assert_eq!(
        harness.deliver(&message(3, TEXT), 0),
        ["sent 1", "1 <- body 3, attempt 1"]
    );
}

#[test]
fn a_report_that_was_not_taken_is_repeated() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    assert_eq!(harness.ack(message.id), ["door: receipts delivered 1"]);
    assert_eq!(harness.at(10).reported("door", false), [""; 0]);
    assert_eq!(harness.alarm, Some(2_010));
    assert_eq!(harness.at(2_010).ring(), ["door: receipts delivered 1"]);
}

#[test]
fn a_report_with_an_unknown_answer_is_repeated() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.ack(message.id);
    let answer = Some(r#"{"unheard_of":{}}"#);
    harness.returned_text("door", CallPurpose::Report, answer);
    assert_eq!(harness.rows(), "account 1, inbox 1", "the delivery stays");
    assert_eq!(harness.at(2_000).ring(), ["door: receipts delivered 1"]);
    harness.reported("door", true);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_mailbox_reports_settled_messages_when_it_opens_after_a_crash() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.ack(message.id);
    assert!(harness.alarm.is_some(), "or nothing would wake it");
    harness.crash();
    assert_eq!(harness.at(60_000).ring(), ["door: receipts delivered 1"]);
}

#[test]
fn nothing_follows_a_terminal_state() {
    for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
        let mut harness = Harness::new();
        let (id, _) = harness.publish(&["a"], TEXT, "x").unwrap();
        harness.returned("a", id, super::harness::known("a", State::Held));
        harness
            .report(id, super::harness::delivery("a", state))
            .unwrap();
        let before = harness.trace(id).unwrap();
        for other in State::ALL {
            assert_eq!(
                harness.report(id, super::harness::delivery("a", other)),
                Ok(vec![]),
                "{state:?}, then {other:?}"
            );
        }
        assert_eq!(harness.trace(id).unwrap(), before);
    }
}
