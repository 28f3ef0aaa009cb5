//! Messages that wait in memory: for room in the window, or for their acknowledgement.

use tagpost_core::message::Message;
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::token::Claims;

use super::harness::{Harness, claims, message, message_from};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];
const HIGH: &[(&str, &str)] = &[("Content-Type", "text/plain"), ("Urgency", "high")];

/// A device with a window of this size, which is full.
fn full(window: u32) -> Harness {
    let mut harness = Harness::with(|limits| limits.max_in_flight = window);
    harness.connect(1);
    for n in 1..=u64::from(window) {
        harness.deliver(&message(n, TEXT), 60_000);
    }
    harness
}

/// A message with a text of this many bytes.
fn large(n: u64, bytes: usize) -> Message {
    let payload = serde_json::value::RawValue::from_string(format!("{:?}", "x".repeat(bytes)));
    Message {
        payload: payload.unwrap(),
        ..message(n, TEXT)
    }
}

#[test]
fn twice_the_window_at_once_is_never_stored_where_all_is_acknowledged_in_time() {
    let mut harness = full(32);
    for n in 33..=64 {
        assert_eq!(
            harness.deliver(&message(n, TEXT), 1_000),
            ["waits until 1000"]
        );
    }
    for n in 1..=64 {
        harness.ack(message(n, TEXT).id);
    }
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(harness.alarm, None);
}

#[test]
fn messages_that_wait_for_room_are_sent_by_urgency_and_age() {
    let mut harness = full(1);
    harness.deliver(&message(2, TEXT), 1_000);
    harness.deliver(&message(3, TEXT), 1_000);
    harness.deliver(&message(4, HIGH), 1_000);
    let mut sent = Vec::new();
    for n in [1, 4, 2, 3] {
        sent.extend(harness.ack(message(n, TEXT).id).into_iter().skip(1));
    }
    assert_eq!(
        sent,
        [
            "1 <- body 4, attempt 1",
            "1 <- body 2, attempt 1",
            "1 <- body 3, attempt 1"
        ]
    );
}

#[test]
fn a_message_that_has_waited_long_enough_is_stored_with_those_before_it() {
    let mut harness = full(1);
    let (second, third) = (message(2, TEXT), message(3, TEXT));
    harness.at(10).deliver(&second, 2_000);
    harness.deliver(&third, 1_000);
    assert_eq!(harness.at(1_010).end_wait(third.id)[0], "held 0");
    assert_eq!(
        harness.rows(),
        "account 1, inbox 3",
        "the message in flight goes before them"
    );
    // The second's call still waits, and hears of its end.
    harness.ack(message(1, TEXT).id);
    assert!(
        harness
            .ack(second.id)
            .contains(&"answers delivered 1 (#2)".to_owned())
    );
}

#[test]
fn a_later_message_that_has_to_be_stored_queues_behind_waiting_ones() {
    let mut harness = full(1);
    harness.deliver(&message(2, TEXT), 1_000);
    assert_eq!(harness.deliver(&message(3, TEXT), 0)[0], "held 0");
    harness.crash();
    let sent = harness.at(100).connect(2);
    assert_eq!(sent[1..], ["2 <- body 1, attempt 2"]);
    assert_eq!(
        harness.ack(message(1, TEXT).id)[1..],
        ["2 <- body 2, attempt 1"]
    );
    assert_eq!(harness.ack(message(2, TEXT).id), ["2 <- body 3, attempt 1"]);
}

#[test]
fn a_message_that_waits_for_room_is_stored_with_a_later_more_urgent_one() {
    let mut harness = full(1);
    harness.deliver(&message(2, TEXT), 2_000);
    let urgent = message(3, HIGH);
    harness.deliver(&urgent, 1_000);
    harness.ack(message(1, TEXT).id);
    assert_eq!(harness.at(1_000).end_wait(urgent.id)[0], "sent 1");
    assert_eq!(harness.rows(), "account 1, inbox 2");
}

#[test]
fn messages_that_wait_for_room_are_held_when_the_connection_ends() {
    let mut harness = full(1);
    harness.deliver(&message(2, TEXT), 1_000);
    assert_eq!(
        harness.at(5).closed(1),
        ["answers held 1 (#1)", "answers held 0 (#2)"]
    );
    assert_eq!(harness.rows(), "account 1, inbox 2");
}

#[test]
fn a_message_that_waits_for_room_can_be_cancelled_replaced_and_repeated() {
    let mut harness = full(1);
    let second = message(2, TEXT);
    harness.deliver(&second, 1_000);
    assert_eq!(harness.deliver(&second, 500), ["waits until 500"]);
    let taken = harness.cancel_delivery(second.id);
    assert_eq!(taken.1, ["answers cancelled 0 (#2)"; 2]);
    let topic = [("Content-Type", "text/plain"), ("Topic", "t")];
    harness.deliver(&message(3, &topic), 1_000);
    assert_eq!(
        harness.deliver(&message(4, &topic), 1_000),
        ["waits until 1000", "answers replaced 0 (#3)"]
    );
    assert_eq!(
        harness.at(30_000).ring(),
        ["door: receipts replaced 0"],
        "for the case that its sender's mailbox did not get the answer"
    );
}

#[test]
fn a_message_that_expires_while_it_waits_for_room_is_not_sent() {
    let mut harness = full(1);
    let short = message(2, &[("Content-Type", "text/plain"), ("TTL", "1")]);
    harness.deliver(&short, 5_000);
    assert_eq!(
        harness.at(1_000).ack(message(1, TEXT).id),
        ["answers delivered 1 (#1)", "answers expired 0 (#2)"]
    );
}

#[test]
fn a_ttl_0_message_does_not_wait_for_room() {
    let mut harness = full(1);
    let now = message(2, &[("Content-Type", "text/plain"), ("TTL", "0")]);
    assert_eq!(harness.deliver(&now, 1_000), ["expired 0"]);
}

#[test]
fn messages_that_wait_for_room_count_as_held() {
    let mut harness =
        Harness::with(|limits| (limits.max_in_flight, limits.max_held_messages) = (1, 2));
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 1_000);
    harness.deliver(&message(2, TEXT), 1_000);
    assert_eq!(
        harness.deliver(&message(3, TEXT), 1_000),
        ["refused 0 (queue_full)"]
    );
    let status = harness.status();
    assert_eq!((status.held, status.in_flight), (1, 1));
}

#[test]
fn unstored_messages_beyond_two_megabytes_are_stored_at_once() {
    let mut harness = Harness::new();
    harness.connect(1);
    let megabyte = 1 << 20;
    for n in 1..=8 {
        assert_eq!(
            harness.deliver(&large(n, megabyte), 60_000)[0],
            "waits until 60000"
        );
    }
    assert_eq!(
        harness.rows(),
        "account 1, inbox 8",
        "the second exceeds it, and the first goes before"
    );
    // All are answered by their acknowledgements nevertheless.
    assert!(
        harness
            .ack(large(8, 1).id)
            .contains(&"answers delivered 1 (#8)".to_owned())
    );
    // If the window has no room either, they are held.
    let mut harness = full(1);
    harness.deliver(&large(2, megabyte), 60_000);
    assert_eq!(harness.deliver(&large(3, megabyte), 60_000)[0], "held 0");
}

#[test]
fn no_more_than_256_messages_are_unstored() {
    let mut harness = full(32);
    for n in 33..=256 {
        assert_eq!(
            harness.deliver(&message(n, TEXT), 60_000)[0],
            "waits until 60000"
        );
    }
    assert_eq!(harness.deliver(&message(257, TEXT), 60_000)[0], "held 0");
    assert_eq!(harness.rows(), "account 1, inbox 257");
}

#[test]
fn a_message_does_not_wait_for_room_behind_stored_ones() {
    let mut harness = full(1);
    harness.deliver(&message_from("gate", 2, TEXT), 0);
    assert_eq!(harness.deliver(&message(3, TEXT), 1_000), ["held 0"]);
}

#[test]
fn a_device_s_own_window_is_no_wider_than_the_limit_and_outlives_a_sleep() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 2);
    for n in 1..=4 {
        harness.deliver(&message(n, TEXT), 0);
    }
    let connect = |harness: &mut Harness, connection, window| {
        let claims: Claims = claims("cam");
        harness.open(connection, &TagpostV1, claims.clone(), window)
    };
    assert_eq!(connect(&mut harness, 1, Some(1)).len(), 2);
    harness.sleep();
    assert_eq!(
        harness.ack(message(1, TEXT).id)[1..],
        ["1 <- body 2, attempt 1"]
    );
    assert_eq!(connect(&mut harness, 2, Some(100)).len(), 1 + 1 + 2);
}

#[test]
fn a_message_that_expires_while_it_waits_for_room_is_reported() {
    let mut harness = full(1);
    let short = message(2, &[("Content-Type", "text/plain"), ("TTL", "5")]);
    assert_eq!(harness.deliver(&short, 60_000), ["waits until 5000"]);
    harness.deliver(&message(3, TEXT), 60_000);
    let told = ["expired 0"];
    assert_eq!(harness.at(5_000).end_wait(short.id), told);
    assert_eq!(harness.rows(), "account 1", "the others go on waiting");
}

#[test]
fn a_message_stored_after_its_wait_takes_the_room_of_an_expired_one() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    harness.connect(1);
    let short = message(1, &[("Content-Type", "text/plain"), ("TTL", "3")]);
    harness.deliver(&short, 10_000);
    let second = message(2, TEXT);
    harness.deliver(&second, 6_000);
    assert_eq!(
        harness.at(6_000).end_wait(second.id),
        [
            "held 0",
            "answers expired 1 (#1)",
            "1 <- withdrawn expired",
            "1 <- body 2, attempt 1"
        ]
    );
}
