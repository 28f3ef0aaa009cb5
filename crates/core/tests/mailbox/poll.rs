//! A device without a WebSocket takes its messages by polling.

use super::desk::{Desk, message, message_from};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// What a poll takes: payload and attempt.
fn poll(desk: &mut Desk, limit: u32) -> Vec<String> {
    let (taken, _) = desk.event(|mailbox, now| mailbox.poll(limit, now));
    let words = |(message, attempt): &(tagpost_core::message::Message, u32)| {
        format!("{} {attempt}", message.payload.get().trim_matches('"'))
    };
    taken.iter().map(words).collect()
}

#[test]
fn a_poll_takes_the_oldest_and_counts_as_an_attempt() {
    let mut desk = Desk::new();
    (1..=3).for_each(|n| drop(desk.deliver(&message(n, TEXT), 0)));
    assert_eq!(poll(&mut desk, 2), ["body 1 1", "body 2 1"]);
    assert_eq!(poll(&mut desk, 2), ["body 3 1"]);
    assert_eq!(poll(&mut desk, 2), [""; 0]);
    assert_eq!(desk.alarm, Some(30_000));
}

#[test]
fn what_is_not_acknowledged_in_time_comes_again() {
    let mut desk = Desk::new();
    desk.deliver(&message(1, TEXT), 0);
    poll(&mut desk, 1);
    assert_eq!(desk.at(30_000).ring(), ["ready"]);
    assert_eq!(poll(&mut desk, 1), ["body 1 2"]);
}

#[test]
fn what_is_acknowledged_does_not() {
    let mut desk = Desk::new();
    let message = message(1, TEXT);
    desk.deliver(&message, 0);
    poll(&mut desk, 1);
    assert_eq!(desk.ack(message.id), ["door: receipts delivered 1"]);
    desk.at(30_000).ring();
    assert_eq!(poll(&mut desk, 1), [""; 0]);
}

#[test]
fn after_the_last_attempt_it_is_undeliverable() {
    let mut desk = Desk::with(|limits| limits.max_attempts = 1);
    desk.deliver(&message(1, TEXT), 0);
    poll(&mut desk, 1);
    assert_eq!(desk.at(30_000).ring(), ["door: receipts undeliverable 1"]);
}

#[test]
fn what_is_on_a_socket_is_not_taken_by_a_poll() {
    let mut desk = Desk::with(|limits| limits.max_in_flight = 1);
    desk.deliver(&message(1, TEXT), 0);
    desk.deliver(&message(2, TEXT), 0);
    desk.connect(1);
    assert_eq!(poll(&mut desk, 2), ["body 2 1"]);
}

#[test]
fn what_a_poll_took_goes_over_a_new_socket_as_the_next_attempt() {
    let mut desk = Desk::new();
    desk.deliver(&message(1, TEXT), 0);
    poll(&mut desk, 1);
    assert_eq!(desk.connect(1)[1..], ["1 <- body 1, attempt 2"]);
}

#[test]
fn what_a_poll_took_beside_a_socket_has_its_time_before_it_goes_over_that() {
    let mut desk = Desk::with(|limits| limits.max_in_flight = 1);
    desk.connect(1);
    let (first, second) = (message(1, TEXT), message(2, TEXT));
    desk.deliver(&first, 0);
    desk.deliver(&second, 0);
    assert_eq!(poll(&mut desk, 1), ["body 2 1"]);
    assert_eq!(desk.ack(first.id), ["door: receipts delivered 1"]);
    assert_eq!(desk.at(30_000).ring(), ["ready", "1 <- body 2, attempt 2"]);
}

#[test]
fn nothing_expired_is_taken() {
    let mut desk = Desk::new();
    desk.deliver(&message(1, &[("TTL", "5")]), 0);
    desk.at(5_000);
    assert_eq!(poll(&mut desk, 1), [""; 0]);
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
fn a_poll_is_bounded_by_what_its_answer_takes_and_counts_only_what_it_answers() {
    let mut desk = Desk::new();
    let quarter = 256 << 10;
    (1..=16).for_each(|n| drop(desk.deliver(&escaped(n, quarter), 0)));
    let taken = desk.event(|mailbox, now| mailbox.poll(16, now)).0;
    assert_eq!(taken.len(), 2, "of one and a half megabytes each");
    let status = desk.event(|mailbox, now| mailbox.status(now)).0;
    assert_eq!((status.held, status.in_flight), (14, 2));
}

#[test]
fn a_suspect_is_polled_alone_and_is_none_when_its_time_is_over() {
    let mut desk = Desk::new();
    (1..=2).for_each(|n| drop(desk.deliver(&message(n, TEXT), 0)));
    for connection in 1..=3 {
        desk.connect(connection);
        desk.closed(connection);
    }
    assert_eq!(poll(&mut desk, 10), ["body 1 4"]);
    assert_eq!(poll(&mut desk, 10), [""; 0], "the other waits behind it");
    desk.at(30_000).ring();
    assert_eq!(poll(&mut desk, 10), ["body 1 5"]);
}

/// Connections that each end with all that waits in flight.
fn flap(desk: &mut Desk, connections: std::ops::RangeInclusive<u32>) {
    for connection in connections {
        desk.connect(connection);
        desk.closed(connection);
    }
}

#[test]
fn a_suspect_that_pauses_does_not_starve_a_poll_for_one_message() {
    let mut desk = Desk::new();
    desk.deliver(&message(1, TEXT), 0);
    flap(&mut desk, 1..=4);
    desk.deliver(&message_from("gate", 2, TEXT), 0);
    flap(&mut desk, 5..=5);
    assert_eq!(poll(&mut desk, 1), ["body 2 2"]);
}

#[test]
fn many_that_wait_behind_a_suspect_do_not_starve_a_poll() {
    let mut desk = Desk::with(|limits| limits.max_in_flight = 1);
    (1..=300).for_each(|n| drop(desk.deliver(&message(n, TEXT), 0)));
    desk.deliver(&message_from("gate", 301, TEXT), 0);
    assert_eq!(poll(&mut desk, 301).len(), 301);
    desk.at(30_000).ring();
    flap(&mut desk, 1..=4);
    assert_eq!(poll(&mut desk, 1), ["body 301 2"]);
}

#[test]
fn a_suspect_that_a_poll_has_does_not_hide_another_sender_s() {
    let mut desk = Desk::new();
    desk.deliver(&message(1, TEXT), 0);
    desk.deliver(&message_from("gate", 2, TEXT), 0);
    flap(&mut desk, 1..=3);
    assert_eq!(poll(&mut desk, 10), ["body 1 4"]);
    assert_eq!(poll(&mut desk, 10), ["body 2 4"]);
    assert_eq!(poll(&mut desk, 10), [""; 0]);
}

#[test]
fn a_poll_that_waits_is_told_when_a_suspect_is_due() {
    let mut desk = Desk::new();
    desk.deliver(&message(1, TEXT), 0);
    flap(&mut desk, 1..=4);
    desk.alarm = None;
    desk.sleep();
    assert_eq!(poll(&mut desk, 1), [""; 0]);
    assert_eq!(desk.alarm, Some(2_000));
    assert_eq!(desk.at(2_000).ring(), ["ready"]);
    assert_eq!(poll(&mut desk, 1), ["body 1 5"]);
}
