//! A device that is online gets a message before it is stored.

use tagpost_core::id::MessageId;
use tagpost_core::message::Message;

use super::harness::{Harness, START, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

#[test]
fn a_message_acknowledged_in_time_is_never_stored() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    assert_eq!(
        harness.at(10).deliver(&message, 1_000),
        ["waits until 1010", "1 <- body 1, attempt 1"]
    );
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(harness.at(20).ack(message.id), ["answers delivered 1 (#1)"]);
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(harness.alarm, None, "nothing is due");
}

#[test]
fn a_message_not_acknowledged_in_time_is_stored_before_anyone_is_told() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.at(10).deliver(&message, 1_000);
    assert_eq!(harness.at(1_010).end_wait(message.id), ["sent 1"]);
    assert_eq!(harness.rows(), "account 1, inbox 1");
    assert_eq!(harness.alarm, Some(30_010), "30 s after it was sent");
}

#[test]
fn a_message_that_nobody_waits_for_is_stored_at_once() {
    let mut harness = Harness::new();
    harness.connect(1);
    assert_eq!(
        harness.deliver(&message(1, TEXT), 0),
        ["sent 1", "1 <- body 1, attempt 1"]
    );
    assert_eq!(harness.rows(), "account 1, inbox 1");
}

#[test]
fn a_message_on_a_socket_that_breaks_is_stored_and_held() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 1_000);
    assert_eq!(harness.at(5).closed(1), ["answers held 1 (#1)"]);
    assert_eq!(harness.rows(), "account 1, inbox 1");
    assert_eq!(
        harness.connect(2),
        ["2 <- welcome, 1 held", "2 <- body 1, attempt 2"]
    );
}

#[test]
fn a_message_to_an_offline_device_is_held() {
    let mut harness = Harness::new();
    assert_eq!(
        harness.deliver(&message(1, &[("TTL", "60")]), 1_000),
        ["held 0"]
    );
    assert_eq!(harness.rows(), "account 1, inbox 1");
    assert_eq!(harness.alarm, Some(60_000), "its expiry");
}

#[test]
fn a_repeated_call_finds_the_message_wherever_it_is() {
    let mut harness = Harness::new();
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    assert_eq!(harness.deliver(&message, 0), ["held 0"]);
    harness.connect(1);
    assert_eq!(harness.deliver(&message, 0), ["sent 1"]);
    harness.ack(message.id);
    assert_eq!(harness.deliver(&message, 0), ["delivered 1"]);
}

#[test]
fn a_repeated_call_while_the_first_waits_waits_too() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 1_000);
    assert_eq!(harness.at(500).deliver(&message, 0), ["waits until 500"]);
    assert_eq!(harness.end_wait(message.id), ["sent 1"]);
}

#[test]
fn a_call_that_arrives_too_late_changes_nothing() {
    let mut harness = Harness::new();
    assert_eq!(
        harness
            .at(101)
            .deliver_on(&message(1, TEXT), 0, None, START + 100),
        ["OutOfOrder"]
    );
    assert_eq!(harness.rows(), "account 1");
}

fn deliver_after(harness: &mut Harness, first: MessageId, message: &Message) -> Vec<String> {
    harness.deliver_on(message, 0, Some(first), i64::MAX)
}

#[test]
fn a_message_does_not_overtake_its_predecessor() {
    let mut harness = Harness::new();
    let (first, second) = (message(1, TEXT), message(2, TEXT));
    assert_eq!(
        deliver_after(&mut harness, first.id, &second),
        ["again at 100"]
    );
    assert_eq!(harness.at(99).tick(), [""; 0]);
    assert_eq!(harness.at(100).tick(), ["answers OutOfOrder (#1)"]);
    assert_eq!(
        deliver_after(&mut harness, first.id, &second),
        ["again at 200"]
    );
    assert_eq!(harness.at(150).deliver(&first, 0), ["held 0"]);
    assert_eq!(harness.tick(), ["answers held 0 (#1)"]);
}

#[test]
fn messages_that_overtook_each_other_are_delivered_in_their_order() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 4);
    harness.connect(1);
    let all: Vec<Message> = (1..=4).map(|n| message(n, TEXT)).collect();
    for pair in all.windows(2).rev() {
        let [before, message] = pair else { continue };
        assert_eq!(
            harness.deliver_on(message, 1_000, Some(before.id), i64::MAX),
            ["again at 100"]
        );
    }
    let mut sent = harness.deliver(&all[0], 1_000);
    for _ in 1..4 {
        sent.extend(harness.tick());
    }
    assert_eq!(
        sent,
        [
            "waits until 1000",
            "1 <- body 1, attempt 1",
            "1 <- body 2, attempt 1",
            "1 <- body 3, attempt 1",
            "1 <- body 4, attempt 1"
        ]
    );
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_message_does_not_overtake_an_unsent_one_that_may_be_retried() {
    let mut harness = Harness::new();
    let (first, second) = (message(1, &[("TTL", "0")]), message(2, TEXT));
    assert_eq!(harness.deliver(&first, 0), ["expired 0"]);
    assert_eq!(
        deliver_after(&mut harness, first.id, &second),
        ["OutOfOrder"]
    );
}

#[test]
fn a_ttl_0_message_is_not_kept_by_a_clock_that_is_behind() {
    let mut harness = Harness::new();
    harness.at(-1_500).connect(1);
    let message = message(1, &[("TTL", "0")]);
    harness.deliver(&message, 1_000);
    assert_eq!(harness.at(-500).end_wait(message.id)[0], "expired 1");
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_repeated_call_stores_its_message_once() {
    let mut harness = Harness::new();
    let message = message(1, TEXT);
    assert_eq!(harness.deliver(&message, 0), ["held 0"]);
    assert_eq!(harness.deliver(&message, 0), ["held 0"]);
    assert_eq!(harness.connect(1)[0], "1 <- welcome, 1 held");
}

#[test]
fn the_messages_before_a_stored_message_are_stored_too() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 1_000);
    harness.deliver(&message(2, TEXT), 0);
    harness.crash();
    let sent = harness.at(100).connect(2);
    assert_eq!(
        sent[1..],
        ["2 <- body 1, attempt 2", "2 <- body 2, attempt 2"]
    );
}

#[test]
fn an_earlier_message_of_another_urgency_is_stored_too() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 1_000);
    let high = [TEXT, &[("Urgency", "high")]].concat();
    harness.deliver(&message(2, &high), 0);
    harness.crash();
    let sent = harness.at(100).connect(2);
    assert_eq!(
        sent[1..],
        ["2 <- body 2, attempt 2", "2 <- body 1, attempt 2"],
        "their sender's next call names only the last as its predecessor"
    );
}

#[test]
fn messages_sent_before_a_stored_one_are_sent_first_after_a_crash() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    harness.connect(1);
    harness.deliver(&message(2, TEXT), 0);
    harness.crash();
    let sent = harness.at(100).connect(2);
    assert_eq!(
        sent[1..],
        ["2 <- body 1, attempt 1", "2 <- body 2, attempt 2"],
        "an attempt that only the connection knew is forgotten"
    );
}

#[test]
fn a_call_whose_message_is_stored_meanwhile_is_answered_at_the_acknowledgement() {
    let mut harness = Harness::new();
    harness.connect(1);
    let first = message(1, TEXT);
    harness.deliver(&first, 1_000);
    harness.deliver(&message(2, TEXT), 0);
    assert_eq!(
        harness.at(10).ack(first.id),
        ["tick 110", "answers delivered 1 (#1)"]
    );
    // The answer is there first, or the report would be refused.
    assert_eq!(harness.at(110).tick(), ["door: receipts delivered 1"]);
    assert_eq!(harness.at(1_000).tick(), [""; 0], "once");
}

#[test]
fn a_call_whose_message_is_stored_meanwhile_is_answered_when_the_connection_is_gone() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 1_000);
    harness.deliver(&message(2, TEXT), 0);
    assert_eq!(harness.closed(1), ["answers held 1 (#1)"]);
}
