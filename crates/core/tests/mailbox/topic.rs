//! A message with a topic replaces an undelivered one of the same sender and topic.

use tagpost_core::protocol::Frame;

use super::harness::{Harness, message, message_from};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];
const TOPIC: &[(&str, &str)] = &[("Topic", "t"), ("Content-Type", "text/plain")];

#[test]
fn a_newer_message_replaces_a_held_one() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TOPIC), 0);
    assert_eq!(
        harness.deliver(&message(2, TOPIC), 0),
        ["held 0", "door: receipts replaced 0"]
    );
    assert_eq!(harness.connect(1)[1..], ["1 <- body 2, attempt 1"]);
}

#[test]
fn a_newer_message_replaces_one_in_flight() {
    let mut harness = Harness::new();
    harness.connect(1);
    let (stored, unstored) = (message(1, TOPIC), message(2, TOPIC));
    harness.deliver(&stored, 0);
    let effects = harness.deliver(&unstored, 1_000);
    assert_eq!(
        effects,
        [
            "waits until 1000",
            "1 <- withdrawn replaced",
            "door: receipts replaced 1",
            "1 <- body 2, attempt 1"
        ]
    );
    let effects = harness.deliver(&message(3, TOPIC), 0);
    assert_eq!(
        effects,
        [
            "sent 1",
            "1 <- withdrawn replaced",
            "answers replaced 1 (#2)",
            "1 <- body 3, attempt 1"
        ]
    );
}

#[test]
fn a_replaced_message_is_never_sent_after_its_replacement() {
    for window in [1, 2] {
        let mut harness = Harness::with(|limits| limits.max_in_flight = window);
        harness.connect(1);
        harness.deliver(&message(1, TEXT), 60_000);
        // With a window of one it waits for room, else it is in flight.
        harness.deliver(&message(2, TOPIC), 60_000);
        harness.deliver(&message(3, TOPIC), 60_000);
        // The answers are lost, and the mailbox forgets what it has not written down.
        harness.crash();
        assert_eq!(
            harness.at(5_000).deliver(&message(2, TOPIC), 1_000)[0][..8],
            *"replaced",
            "window {window}"
        );
    }
}

#[test]
fn a_message_that_comes_after_its_replacement_stays_replaced() {
    let mut harness = Harness::new();
    let (late, newer) = (message(1, TOPIC), message(2, TOPIC));
    harness.deliver(&newer, 0);
    assert_eq!(harness.deliver(&late, 0), ["replaced 0"]);
    harness.connect(1);
    harness.ack(newer.id);
    harness.crash();
    assert_eq!(harness.at(5_000).deliver(&late, 0)[0], "replaced 0");
}

#[test]
fn a_ttl_0_message_that_is_replaced_leaves_no_row() {
    let mut harness = Harness::new();
    harness.connect(1);
    let now_or_never = [("Topic", "t"), ("Content-Type", "text/plain"), ("TTL", "0")];
    harness.deliver(&message(1, &now_or_never), 1_000);
    assert!(
        harness
            .deliver(&message(2, TOPIC), 1_000)
            .contains(&"answers replaced 1 (#1)".to_owned())
    );
    assert_eq!(harness.rows(), "account 1");
}

/// A device with a window of two: as many messages are in flight, another with a topic waits behind them.
fn harness_with_one_waiting() -> Harness {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 2);
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 0);
    harness.deliver(&message(2, TEXT), 0);
    harness.deliver(&message(3, TOPIC), 0);
    harness
}

/// The device acknowledges the first message, and may have more to say.
fn ack_first(harness: &mut Harness) {
    let ack = format!(r#"{{"type":"ack","id":"{}"}}"#, message(1, TEXT).id);
    assert_eq!(harness.begin_frames(&[(1, Frame::Text(ack))]), [""; 0]);
}

#[test]
fn a_message_replaced_in_the_event_that_makes_room_for_it_is_not_sent() {
    let now_or_never: &[_] = &[TOPIC, &[("TTL", "0")]].concat();
    for (headers, answer) in [(TOPIC, "sent 1"), (now_or_never, "waits until 1000")] {
        let mut harness = harness_with_one_waiting();
        ack_first(&mut harness);
        assert_eq!(
            harness.deliver(&message(4, headers), 0),
            [
                answer,
                "door: receipts delivered 1",
                "1 <- body 4, attempt 1"
            ]
        );
    }
}

#[test]
fn a_ttl_0_message_without_room_replaces_nothing() {
    let mut harness = harness_with_one_waiting();
    harness.deliver(&message(4, TEXT), 0);
    let now_or_never = message(5, &[("Topic", "t"), ("TTL", "0")]);
    ack_first(&mut harness);
    assert_eq!(
        harness.deliver(&now_or_never, 0),
        [
            "expired 0",
            "door: receipts delivered 1",
            "1 <- body 3, attempt 1"
        ]
    );
    assert_eq!(
        harness.ack(message(3, TOPIC).id),
        ["1 <- body 4, attempt 1"]
    );
}

#[test]
fn messages_of_another_topic_or_sender_are_not_replaced() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TOPIC), 0);
    assert_eq!(
        harness.deliver(&message(2, &[("Topic", "u")]), 0),
        ["held 0"]
    );
    assert_eq!(harness.deliver(&message(3, &[]), 0), ["held 0"]);
    assert_eq!(
        harness.deliver(&message_from("gate", 4, TOPIC), 0),
        ["held 0"]
    );
}

#[test]
fn an_acknowledged_message_is_not_replaced() {
    let mut harness = Harness::new();
    harness.connect(1);
    let first = message(1, TOPIC);
    harness.deliver(&first, 0);
    harness.ack(first.id);
    assert_eq!(
        harness.deliver(&message(2, TOPIC), 0),
        ["sent 1", "1 <- body 2, attempt 1"]
    );
    assert_eq!(harness.deliver(&first, 0), ["delivered 1"]);
}

#[test]
fn an_older_message_does_not_replace_a_newer_one() {
    let mut harness = Harness::new();
    harness.deliver(&message(2, TOPIC), 0);
    assert_eq!(harness.deliver(&message(1, TOPIC), 0), ["replaced 0"]);
    assert_eq!(harness.connect(1)[1..], ["1 <- body 2, attempt 1"]);
}

#[test]
fn a_refused_message_replaces_nothing() {
    let mut harness = Harness::with(|limits| limits.max_held_bytes = 10);
    harness.deliver(&message(1, TOPIC), 0);
    assert_eq!(
        harness.deliver(&message(100_000, TOPIC), 0),
        ["refused 0 (queue_full)"]
    );
    let now_or_never = message(2, &[("Topic", "t"), ("TTL", "0")]);
    assert_eq!(harness.deliver(&now_or_never, 0), ["expired 0"]);
    assert_eq!(harness.connect(1)[1..], ["1 <- body 1, attempt 1"]);
}

#[test]
fn a_full_queue_has_room_for_a_replacement() {
    let mut harness = Harness::with(|limits| limits.max_held_messages = 1);
    harness.deliver(&message(1, TOPIC), 0);
    assert_eq!(harness.deliver(&message(2, TOPIC), 0)[0], "held 0");
}

#[test]
fn a_ttl_0_message_replaces_nothing_when_too_much_is_unstored() {
    let large = |n, bytes, headers: &[(&str, &str)]| {
        let payload = format!("{:?}", "x".repeat(bytes));
        tagpost_core::message::Message {
            payload: serde_json::value::RawValue::from_string(payload).unwrap(),
            ..message(n, headers)
        }
    };
    let mut harness = Harness::new();
    harness.connect(1);
    harness.deliver(&message(1, TOPIC), 60_000);
    harness.deliver(&large(2, 2_000_000, TEXT), 60_000);
    let now_or_never = large(3, 500_000, &[("Topic", "t"), ("TTL", "0")]);
    assert_eq!(harness.deliver(&now_or_never, 1_000), ["expired 0"]);
    assert_eq!(
        harness.ack(message(1, TOPIC).id),
        ["answers delivered 1 (#1)"]
    );
}
