//! Retention: rows past it are deleted, and no others.

use tagpost_core::delivery::State;

use super::desk::{Desk, START, delivery, known};

const HOUR: i64 = 3_600_000;

/// A mailbox that keeps traces for an hour, with one message delivered at the start.
fn desk() -> Desk {
    let mut desk = Desk::with(|limits| limits.retention = 3_600);
    let (id, _) = desk
        .publish(&["a"], &[("Idempotency-Key", "k")], "x")
        .unwrap();
    desk.returned("a", id, known("a", State::Delivered));
    desk
}

#[test]
fn a_trace_and_its_key_leave_after_the_retention_time() {
    let mut desk = desk();
    assert_eq!(desk.rows(), "account 1, outbox 1, keys 1");
    while let Some(at) = desk.alarm {
        assert!(at <= HOUR + HOUR / 8, "the alarm is at {at}");
        desk.at(at).ring();
    }
    assert_eq!(desk.rows(), "account 1");
}

#[test]
fn nothing_leaves_early() {
    let mut desk = desk();
    desk.at(HOUR - 1).ring();
    assert_eq!(desk.rows(), "account 1, outbox 1, keys 1");
    assert!(desk.alarm.is_some());
}

#[test]
fn a_message_that_is_not_done_is_kept_however_old() {
    let mut desk = Desk::with(|limits| limits.retention = 60);
    let (id, _) = desk.publish(&["a"], &[("TTL", "100000")], "x").unwrap();
    desk.returned("a", id, known("a", State::Held));
    desk.at(HOUR).ring();
    assert_eq!(desk.trace(id).unwrap(), "a held 0");
    desk.report(id, delivery("a", State::Delivered)).unwrap();
    assert_eq!(desk.trace(id).unwrap(), "a delivered 0");
    desk.at(HOUR + 59_999).ring();
    assert_eq!(
        desk.trace(id).unwrap(),
        "a delivered 0",
        "the time counts from its end"
    );
}

#[test]
fn a_receipt_that_nobody_fetches_leaves_too() {
    let mut desk = Desk::with(|limits| limits.retention = 60);
    let (id, _) = desk.publish(&["a"], &[], "x").unwrap();
    desk.returned("a", id, known("a", State::Held));
    desk.report(id, delivery("a", State::Expired)).unwrap();
    assert_eq!(desk.receipts(), [START]);
    while let Some(at) = desk.alarm {
        desk.at(at).ring();
    }
    assert_eq!(desk.rows(), "account 1");
}

#[test]
fn a_pile_leaves_in_batches_one_event_after_the_other() {
    let mut desk = Desk::with(|limits| (limits.retention, limits.publish_burst) = (60, 10_000));
    for _ in 0..1_100 {
        let (id, _) = desk.publish(&["a"], &[], "x").unwrap();
        desk.returned("a", id, known("a", State::Held));
        desk.report(id, delivery("a", State::Expired)).unwrap();
    }
    let left = |desk: &Desk| {
        let rows = desk.rows();
        let sent = rows
            .split(", ")
            .find_map(|rows| rows.strip_prefix("outbox "));
        sent.map_or(0, |count| count.parse::<u32>().unwrap())
    };
    let mut counts = vec![left(&desk)];
    while let Some(at) = desk.alarm {
        desk.at(at).ring();
        counts.push(left(&desk));
    }
    assert_eq!(counts, [1_100, 600, 100, 0]);
    assert_eq!(desk.rows(), "account 1");
}
