//! A device without a WebSocket takes its messages by polling.

use tagpost_core::call::Call;
use tagpost_core::mailbox::Reply;

use super::harness::{Harness, message, message_from};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// What a poll takes: payload and attempt.
fn poll(harness: &mut Harness, limit: u32) -> Vec<String> {
    let taken = harness.poll(limit);
    let words = |(message, attempt): &(tagpost_core::message::Message, u32)| {
        format!("{} {attempt}", message.payload.get().trim_matches('"'))
    };
    taken.iter().map(words).collect()
}

#[test]
fn a_poll_takes_the_oldest_and_counts_as_an_attempt() {
    let mut harness = Harness::new();
    (1..=3).for_each(|n| drop(harness.deliver(&message(n, TEXT), 0)));
    assert_eq!(poll(&mut harness, 2), ["body 1 1", "body 2 1"]);
    assert_eq!(poll(&mut harness, 2), ["body 3 1"]);
    assert_eq!(poll(&mut harness, 2), [""; 0]);
    assert_eq!(harness.alarm, Some(30_000));
}

#[test]
fn a_polled_message_that_times_out_is_sent_again() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    poll(&mut harness, 1);
    assert_eq!(harness.at(30_000).ring(), [""; 0]);
    assert_eq!(poll(&mut harness, 1), ["body 1 2"]);
}

#[test]
fn an_acknowledged_message_is_not_polled_again() {
    let mut harness = Harness::new();
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    poll(&mut harness, 1);
    assert_eq!(harness.ack(message.id), ["door: receipts delivered 1"]);
    harness.at(30_000).ring();
    assert_eq!(poll(&mut harness, 1), [""; 0]);
}

#[test]
fn after_the_last_attempt_it_is_undeliverable() {
    let mut harness = Harness::with(|limits| limits.max_attempts = 1);
    harness.deliver(&message(1, TEXT), 0);
    poll(&mut harness, 1);
    assert_eq!(
        harness.at(30_000).ring(),
        ["door: receipts undeliverable 1"]
    );
}

#[test]
fn a_message_in_flight_on_a_socket_is_not_polled() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    harness.deliver(&message(1, TEXT), 0);
    harness.deliver(&message(2, TEXT), 0);
    harness.connect(1);
    assert_eq!(poll(&mut harness, 2), ["body 2 1"]);
}

#[test]
fn a_polled_message_is_sent_over_a_new_socket_as_the_next_attempt() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    poll(&mut harness, 1);
    assert_eq!(harness.connect(1)[1..], ["1 <- body 1, attempt 2"]);
}

#[test]
fn a_message_polled_beside_a_socket_is_sent_over_it_only_after_its_lease() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    harness.connect(1);
    let (first, second) = (message(1, TEXT), message(2, TEXT));
    harness.deliver(&first, 0);
    harness.deliver(&second, 0);
    assert_eq!(poll(&mut harness, 1), ["body 2 1"]);
    assert_eq!(harness.ack(first.id), ["door: receipts delivered 1"]);
    assert_eq!(harness.at(30_000).ring(), ["1 <- body 2, attempt 2"]);
}

#[test]
fn a_user_agent_ends_no_lease() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    poll(&mut harness, 1);
    harness.hello(1, None);
    let state = |harness: &mut Harness| {
        let page = serde_json::to_value(harness.list_waiting(10, None, false).0).unwrap();
        let status = match harness.ask(Call::Status).0 {
            Ok(Reply::Status(status)) => status,
            other => panic!("{other:?}"),
        };
        let state = page["messages"][0]["state"].as_str().unwrap().to_owned();
        (state, status.in_flight, status.held)
    };
    assert_eq!(state(&mut harness), ("sent".to_owned(), 1, 0));
    harness.at(30_000).ring();
    assert_eq!(state(&mut harness), ("held".to_owned(), 0, 1));
    assert_eq!(poll(&mut harness, 1), ["body 1 2"]);
}

#[test]
fn no_expired_message_is_polled() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, &[("TTL", "5")]), 0);
    harness.at(5_000);
    assert_eq!(poll(&mut harness, 1), [""; 0]);
}

/// A text of NULs, each of which takes six bytes in JSON.
fn escaped(n: u64, bytes: usize) -> tagpost_core::message::Message {
    let payload = format!("\"{}\"", "\\u0000".repeat(bytes));
    tagpost_core::message::Message {
        payload: serde_json::value::RawValue::from_string(payload).unwrap(),
        size: bytes as u32,
        ..message(n, TEXT)
    }
}

#[test]
fn a_poll_is_bounded_by_its_answer_and_counts_only_messages_in_it() {
    let mut harness = Harness::new();
    let quarter = 256 << 10;
    (1..=16).for_each(|n| drop(harness.deliver(&escaped(n, quarter), 0)));
    let taken = harness.poll(16);
    assert_eq!(taken.len(), 2, "of one and a half megabytes each");
    let status = harness.status();
    assert_eq!((status.held, status.in_flight), (14, 2));
}

#[test]
fn a_suspect_is_polled_alone_until_its_lease_runs_out() {
    let mut harness = Harness::new();
    (1..=2).for_each(|n| drop(harness.deliver(&message(n, TEXT), 0)));
    for connection in 1..=3 {
        harness.connect(connection);
        harness.closed(connection);
    }
    assert_eq!(poll(&mut harness, 10), ["body 1 4"]);
    assert_eq!(poll(&mut harness, 10), [""; 0], "the other waits behind it");
    harness.at(30_000).ring();
    assert_eq!(poll(&mut harness, 10), ["body 1 5"]);
}

/// Connections that each end with all that waits in flight.
fn flap(harness: &mut Harness, connections: std::ops::RangeInclusive<u32>) {
    for connection in connections {
        harness.connect(connection);
        harness.closed(connection);
    }
}

#[test]
fn a_suspect_that_pauses_does_not_starve_a_poll_for_one_message() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    flap(&mut harness, 1..=4);
    harness.deliver(&message_from("gate", 2, TEXT), 0);
    flap(&mut harness, 5..=5);
    assert_eq!(poll(&mut harness, 1), ["body 2 2"]);
}

#[test]
fn many_that_wait_behind_a_suspect_do_not_starve_a_poll() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    (1..=300).for_each(|n| drop(harness.deliver(&message(n, TEXT), 0)));
    harness.deliver(&message_from("gate", 301, TEXT), 0);
    assert_eq!(poll(&mut harness, 301).len(), 301);
    harness.at(30_000).ring();
    flap(&mut harness, 1..=4);
    assert_eq!(poll(&mut harness, 1), ["body 301 2"]);
}

#[test]
fn a_suspect_that_a_poll_has_does_not_hide_another_sender_s() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    harness.deliver(&message_from("gate", 2, TEXT), 0);
    flap(&mut harness, 1..=3);
    assert_eq!(poll(&mut harness, 10), ["body 1 4"]);
    assert_eq!(poll(&mut harness, 10), ["body 2 4"]);
    assert_eq!(poll(&mut harness, 10), [""; 0]);
}

#[test]
fn a_waiting_poll_is_woken_when_a_suspect_is_due() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    flap(&mut harness, 1..=4);
    harness.alarm = None;
    harness.sleep();
    assert_eq!(poll(&mut harness, 1), [""; 0]);
    assert_eq!(harness.alarm, Some(2_000));
    assert_eq!(harness.at(2_000).ring(), [""; 0]);
    assert_eq!(poll(&mut harness, 1), ["body 1 5"]);
}
