//! A device is told that a message it has ended without its answer.

use tagpost_core::delivery::Withdrawal;

use super::harness::{Harness, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];
const SECOND: &[(&str, &str)] = &[("Content-Type", "text/plain"), ("TTL", "1")];
const NOW_OR_NEVER: &[(&str, &str)] = &[("Content-Type", "text/plain"), ("TTL", "0")];
const TOPIC: &[(&str, &str)] = &[("Content-Type", "text/plain"), ("Topic", "door")];

#[test]
fn a_cancelled_message_is_withdrawn_from_a_device_that_has_it() {
    for (wait, progress) in [(0, false), (1_000, false), (0, true), (1_000, true)] {
        let mut harness = Harness::new();
        harness.connect(1);
        let message = message(1, TEXT);
        harness.deliver(&message, wait);
        if progress {
            harness.progress(message.id, 100, "");
        }
        let told = harness.cancel_delivery(message.id).1;
        assert_eq!(told[0], "1 <- withdrawn cancelled", "{wait}, {progress}");
    }
}

#[test]
fn the_device_is_told_that_others_have_answered() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    let (_, told) = harness.cancel_delivery_because(message.id, Withdrawal::Enough);
    assert_eq!(told, ["1 <- withdrawn enough"]);
}

#[test]
fn a_replaced_message_is_withdrawn_before_the_newer_one_is_sent() {
    for wait in [0, 1_000] {
        let mut harness = Harness::new();
        harness.connect(1);
        harness.deliver(&message(1, TOPIC), wait);
        let told = harness.deliver(&message(2, TOPIC), wait);
        let frames: Vec<_> = told
            .iter()
            .filter(|word| word.starts_with("1 <-"))
            .collect();
        assert_eq!(
            frames,
            ["1 <- withdrawn replaced", "1 <- body 2, attempt 1"]
        );
    }
}

#[test]
fn a_message_that_expires_in_flight_is_withdrawn() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.deliver(&message(1, SECOND), 0);
    assert_eq!(
        harness.at(1_000).ring(),
        ["1 <- withdrawn expired", "door: receipts expired 1"]
    );
}

#[test]
fn a_message_with_ttl_0_that_is_not_acknowledged_in_time_is_withdrawn() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, NOW_OR_NEVER);
    harness.deliver(&message, 1_000);
    assert_eq!(
        harness.at(1_000).end_wait(message.id),
        ["expired 1", "1 <- withdrawn expired"]
    );
}

#[test]
fn a_message_that_the_device_had_on_an_earlier_connection_is_withdrawn() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    harness.connect(1);
    let [first, second] = [1, 2].map(|n| message(n, TEXT));
    harness.deliver(&first, 0);
    harness.deliver(&second, 0);
    harness.progress(first.id, 100, "");
    harness.closed(1);
    // The second goes first again, and fills the window.
    harness.connect(2);
    let told = harness.cancel_delivery(first.id).1;
    assert_eq!(told, ["2 <- withdrawn cancelled"]);
}

#[test]
fn a_device_is_told_nothing_of_a_message_that_it_never_had() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    harness.connect(1);
    let [first, second, third] = [1, 2, 3].map(|n| message(n, TEXT));
    harness.deliver(&first, 0);
    harness.deliver(&second, 0);
    harness.deliver(&third, 1_000);
    for held in [second.id, third.id] {
        let told = harness.cancel_delivery(held).1;
        assert!(
            !told.iter().any(|word| word.contains("withdrawn")),
            "{told:?}"
        );
    }
}

#[test]
fn a_device_that_answers_too_late_is_told_again() {
    let mut harness = Harness::new();
    harness.connect(1);
    let [stored, unstored] = [1, 2].map(|n| message(n, TEXT));
    for (message, wait) in [(&stored, 0), (&unstored, 1_000)] {
        harness.deliver(message, wait);
        harness.cancel_delivery(message.id);
        let late = [
            harness.ack(message.id),
            harness.nack(message.id),
            harness.progress(message.id, 100, ""),
        ];
        assert_eq!(late.concat(), ["1 <- withdrawn cancelled"; 3]);
    }
}

#[test]
fn an_answered_message_is_not_withdrawn() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.ack(message.id);
    assert_eq!(harness.ack(message.id), [""; 0]);
    assert_eq!(harness.cancel_delivery(message.id).1, [""; 0]);
}

#[test]
fn a_withdrawal_costs_no_row() {
    let cancelled = |connected: bool| {
        let mut harness = Harness::new();
        harness.connect(1);
        let message = message(1, TEXT);
        harness.deliver(&message, 0);
        if !connected {
            harness.closed(1);
        }
        let writes = harness.writes();
        harness.cancel_delivery(message.id);
        harness.writes() - writes
    };
    assert_eq!(cancelled(true), cancelled(false));
}
