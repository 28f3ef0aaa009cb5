//! What was kept long enough goes, and nothing else.

use tagpost_core::delivery::State;

use super::desk::{Desk, delivery, known};

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
    assert_eq!(desk.rows(), "account 1, outbox 1, receipts 1");
    while let Some(at) = desk.alarm {
        desk.at(at).ring();
    }
    assert_eq!(desk.rows(), "account 1");
}
