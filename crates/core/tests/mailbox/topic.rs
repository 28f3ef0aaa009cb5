//! A message with a topic replaces an undelivered one of the same sender and topic.

use super::desk::{Desk, message, message_from};

const TOPIC: &[(&str, &str)] = &[("Topic", "t"), ("Content-Type", "text/plain")];

#[test]
fn a_newer_message_replaces_a_held_one() {
    let mut desk = Desk::new();
    desk.deliver(&message(1, TOPIC), 0);
    assert_eq!(
        desk.deliver(&message(2, TOPIC), 0),
        ["held 0", "door: receipts replaced 0", "ready"]
    );
    assert_eq!(desk.connect(1)[1..], ["1 <- body 2, attempt 1"]);
}

#[test]
fn a_newer_message_replaces_one_on_the_wire() {
    let mut desk = Desk::new();
    desk.connect(1);
    let (stored, unstored) = (message(1, TOPIC), message(2, TOPIC));
    desk.deliver(&stored, 0);
    let effects = desk.deliver(&unstored, 1_000);
    assert_eq!(
        effects,
        [
            "waits until 1000",
            "door: receipts replaced 1",
            "1 <- body 2, attempt 1"
        ]
    );
    let effects = desk.deliver(&message(3, TOPIC), 0);
    assert_eq!(
        effects,
        ["sent 1", "answers replaced 1", "1 <- body 3, attempt 1"]
    );
}

#[test]
fn another_topic_or_sender_is_left_alone() {
    let mut desk = Desk::new();
    desk.deliver(&message(1, TOPIC), 0);
    assert_eq!(
        desk.deliver(&message(2, &[("Topic", "u")]), 0),
        ["held 0", "ready"]
    );
    assert_eq!(desk.deliver(&message(3, &[]), 0), ["held 0", "ready"]);
    assert_eq!(
        desk.deliver(&message_from("gate", 4, TOPIC), 0),
        ["held 0", "ready"]
    );
}

#[test]
fn an_older_message_does_not_replace_a_newer_one() {
    let mut desk = Desk::new();
    desk.deliver(&message(2, TOPIC), 0);
    assert_eq!(desk.deliver(&message(1, TOPIC), 0), ["replaced 0"]);
    assert_eq!(desk.connect(1)[1..], ["1 <- body 2, attempt 1"]);
}

#[test]
fn a_message_that_is_not_taken_replaces_nothing() {
    let mut desk = Desk::with(|limits| limits.max_held_bytes = 10);
    desk.deliver(&message(1, TOPIC), 0);
    assert_eq!(
        desk.deliver(&message(100_000, TOPIC), 0),
        ["refused 0 (queue_full)"]
    );
    let now_or_never = message(2, &[("Topic", "t"), ("TTL", "0")]);
    assert_eq!(desk.deliver(&now_or_never, 0), ["expired 0"]);
    assert_eq!(desk.connect(1)[1..], ["1 <- body 1, attempt 1"]);
}

#[test]
fn a_full_queue_has_room_for_what_replaces() {
    let mut desk = Desk::with(|limits| limits.max_held_messages = 1);
    desk.deliver(&message(1, TOPIC), 0);
    assert_eq!(desk.deliver(&message(2, TOPIC), 0)[0], "held 0");
}
