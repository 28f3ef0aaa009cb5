//! Retention: rows past it are deleted, and no others.

use tagpost_core::delivery::State;

use super::harness::{Harness, START, delivery, known};

const HOUR: i64 = 3_600_000;

/// A mailbox that keeps traces for an hour, with one message delivered at the start.
fn harness() -> Harness {
    let mut harness = Harness::with(|limits| limits.retention = 3_600);
    let (id, _) = harness
        .publish(&["a"], &[("Idempotency-Key", "k")], "x")
        .unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    harness
}

#[test]
fn a_trace_and_its_key_are_deleted_after_the_retention_time() {
    let mut harness = harness();
    assert_eq!(harness.rows(), "account 1, outbox 1, keys 1");
    while let Some(at) = harness.alarm {
        assert!(at <= HOUR + HOUR / 8, "the alarm is at {at}");
        harness.at(at).ring();
    }
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn nothing_is_deleted_early() {
    let mut harness = harness();
    harness.at(HOUR - 1).ring();
    assert_eq!(harness.rows(), "account 1, outbox 1, keys 1");
    assert!(harness.alarm.is_some());
}

#[test]
fn an_unsettled_message_is_kept_however_old() {
    let mut harness = Harness::with(|limits| limits.retention = 60);
    let (id, _) = harness.publish(&["a"], &[("TTL", "100000")], "x").unwrap();
    harness.returned("a", id, known("a", State::Held));
    harness.at(HOUR).ring();
    assert_eq!(harness.trace(id).unwrap(), "a held 0");
    harness.report(id, delivery("a", State::Delivered)).unwrap();
    assert_eq!(harness.trace(id).unwrap(), "a delivered 0");
    harness.at(HOUR + 59_999).ring();
    assert_eq!(
        harness.trace(id).unwrap(),
        "a delivered 0",
        "the time counts from its end"
    );
}

#[test]
fn an_unfetched_receipt_is_deleted_too() {
    let mut harness = Harness::with(|limits| limits.retention = 60);
    let (id, _) = harness.publish(&["a"], &[], "x").unwrap();
    harness.returned("a", id, known("a", State::Held));
    harness.report(id, delivery("a", State::Expired)).unwrap();
    assert_eq!(harness.receipts(), [START]);
    while let Some(at) = harness.alarm {
        harness.at(at).ring();
    }
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn many_rows_are_deleted_in_batches_one_event_after_the_other() {
    let mut harness =
        Harness::with(|limits| (limits.retention, limits.publish_burst) = (60, 10_000));
    for _ in 0..1_100 {
        let (id, _) = harness.publish(&["a"], &[], "x").unwrap();
        harness.returned("a", id, known("a", State::Held));
        harness.report(id, delivery("a", State::Expired)).unwrap();
    }
    let left = |harness: &Harness| {
        let rows = harness.rows();
        let sent = rows
            .split(", ")
            .find_map(|rows| rows.strip_prefix("outbox "));
        sent.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    let mut counts = vec![left(&harness)];
    while let Some(at) = harness.alarm {
        harness.at(at).ring();
        counts.push(left(&harness));
    }
    assert_eq!(counts, [1_100, 600, 100, 0]);
    assert_eq!(harness.rows(), "account 1");
}
