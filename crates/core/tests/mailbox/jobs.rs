//! Deliveries that did not reach their mailbox, and large tags.

use tagpost_core::call::DeliveryStatus;
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::CallPurpose;

use super::harness::{Harness, delivery, known};

const WAIT: &[(&str, &str)] = &[("Prefer", "wait=1")];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("d{n:03}")).collect()
}

/// A publish to `count` devices.
fn large(harness: &mut Harness, count: usize) -> MessageId {
    let names = names(count);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    harness.publish(&names, WAIT, "x").unwrap().0
}

#[test]
fn a_delivery_that_did_not_arrive_is_held_and_retried() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], WAIT, "x").unwrap();
    assert_eq!(harness.returned("a", id, None), ["published a held 0 (#1)"]);
    assert_eq!(harness.rows(), "account 1, outbox 1, jobs 1");
    assert_eq!(harness.alarm, Some(1_000));
    assert_eq!(harness.at(1_000).ring(), ["a: deliver, wait 1000"]);
    let taken = harness.returned("a", id, known("a", State::Delivered));
    assert_eq!(
        taken, [""; 0],
        "the publish's answer did not carry it: there is a receipt"
    );
    assert_eq!(harness.rows(), "account 1, outbox 1");
    assert_eq!(harness.receipts().len(), 1);
}

#[test]
fn a_ttl_0_message_gets_one_call() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], &[("TTL", "0")], "x").unwrap();
    assert_eq!(harness.returned("a", id, None), ["published a held 0 (#1)"]);
    assert_eq!(harness.at(1_000).ring(), [""; 0]);
    assert_eq!(harness.trace(id).unwrap(), "a expired 0");
}

#[test]
fn a_ttl_0_message_that_waited_for_another_still_gets_its_call() {
    let mut harness = Harness::new();
    let (first, _) = harness.publish(&["a"], WAIT, "x").unwrap();
    harness.returned("a", first, None);
    let (second, _) = harness.publish(&["a"], &[("TTL", "0")], "y").unwrap();
    harness.at(1_000).ring();
    let next = harness.returned("a", first, known("a", State::Held));
    assert_eq!(next, ["a: deliver, wait 1000"]);
    assert_eq!(harness.calls.last().unwrap().1.id, second);
}

#[test]
fn a_publish_behind_an_untaken_message_waits_for_it() {
    let mut harness = Harness::new();
    let (first, _) = harness.publish(&["a"], WAIT, "x").unwrap();
    harness.returned("a", first, None);
    let (second, answered) = harness.publish(&["a"], WAIT, "y").unwrap();
    assert_eq!(answered, ["a held 0"]);
    harness.at(1_000).ring();
    assert_eq!(harness.calls.last().unwrap().1.id, first);
    let next = harness.returned("a", first, known("a", State::Held));
    assert_eq!(next, ["a: deliver, wait 1000"]);
    assert_eq!(harness.calls.last().unwrap().1.id, second);
}

#[test]
fn a_publish_queues_behind_one_whose_part_has_failed() {
    let mut harness = Harness::new();
    let (first, _) = harness.publish(&["a", "b"], WAIT, "x").unwrap();
    harness.returned("a", first, None);
    let (_, effects) = harness.publish(&["a"], WAIT, "y").unwrap();
    assert_eq!(effects, ["a held 0"], "b has not answered the first yet");
}

#[test]
fn a_delivery_that_is_reported_leaves_the_queue() {
    let mut harness = Harness::new();
    let (first, _) = harness.publish(&["a"], WAIT, "x").unwrap();
    harness.returned("a", first, None);
    harness
        .report(first, delivery("a", State::Delivered))
        .unwrap();
    let (_, effects) = harness.publish(&["a"], WAIT, "y").unwrap();
    assert_eq!(effects, ["a: deliver, wait 1000"]);
    harness.at(1_000).ring();
    assert_eq!(harness.rows(), "account 1, outbox 1", "the job is done");
}

#[test]
fn a_report_waits_while_its_message_is_being_handed_over() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], WAIT, "x").unwrap();
    let early = harness.report(id, delivery("a", State::Delivered));
    assert_eq!(early.unwrap_err(), "unavailable");
    harness.returned("a", id, known("a", State::Sent));
    assert_eq!(
        harness.report(id, delivery("a", State::Delivered)).unwrap(),
        [""; 0]
    );
}

/// A publish to `a` that is written down, and whose call is not answered when the mailbox crashes.
fn crashed() -> (Harness, MessageId) {
    let mut harness = Harness::new();
    let headers = [("Idempotency-Key", "k")];
    let (id, _) = harness.publish(&["a"], &headers, "x").unwrap();
    harness.crash();
    (harness, id)
}

#[test]
fn after_a_crash_nothing_is_called_again_before_older_calls_are_void() {
    let (mut harness, id) = crashed();
    assert_eq!(
        harness
            .at(100)
            .report(id, delivery("a", State::Delivered))
            .unwrap_err(),
        "unavailable"
    );
    assert_eq!(harness.alarm, Some(4_100));
    assert_eq!(harness.at(4_100).ring(), ["a: deliver, wait 1000"]);
}

#[test]
fn after_a_crash_a_cancellation_stays_known_until_older_calls_are_void() {
    let (mut harness, id) = crashed();
    let unseen = || delivery("a", State::Cancelled);
    let answer = Some(DeliveryStatus::Known(unseen()));
    harness
        .at(100)
        .returned_for("a", CallPurpose::Cancel(id), answer);
    assert_eq!(harness.trace(id).unwrap(), "a cancelled 0");
    assert_eq!(harness.report(id, unseen()).unwrap_err(), "unavailable");
    assert_eq!(harness.at(4_100).report(id, unseen()).unwrap(), [""; 0]);
    // A mailbox that wakes for each report takes one that is old.
    harness.sleep();
    assert_eq!(
        harness.at(5_000).report(id, unseen()).unwrap_err(),
        "unavailable"
    );
    harness.sleep();
    assert_eq!(harness.at(6_001).report(id, unseen()).unwrap(), [""; 0]);
}

#[test]
fn a_large_tag_is_a_job_from_the_start() {
    let mut harness = Harness::new();
    large(&mut harness, 101);
    assert_eq!(harness.rows(), "account 1, outbox 1, parts 2, jobs 1");
    assert_eq!(harness.alarm, Some(0));
    assert_eq!(harness.ring().len(), 100, "the first part");
}

#[test]
fn a_publish_to_a_hundred_devices_is_not_a_job() {
    let mut harness = Harness::new();
    large(&mut harness, 100);
    assert_eq!(harness.calls.len(), 100);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_large_tag_is_delivered_part_by_part() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 150);
    harness.ring();
    for name in names(150) {
        harness.returned(&name, id, known(&name, State::Delivered));
    }
    assert_eq!(harness.calls.len(), 150);
    assert!(harness.calls.iter().all(|(_, message)| message.id == id));
    assert_eq!(harness.rows(), "account 1, outbox 1, parts 2");
    assert_eq!(harness.receipts().len(), 150);
    assert_eq!(harness.query("SELECT open FROM outbox").int().unwrap(), 0);
    assert!(
        harness
            .query("SELECT done_at FROM outbox")
            .opt_int()
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_large_tag_survives_a_crash_in_the_middle() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 150);
    harness.ring();
    for name in names(100) {
        harness.returned(&name, id, known(&name, State::Held));
    }
    harness.crash();
    harness.calls.clear();
    harness.at(60_000).wake();
    harness.at(64_000).ring();
    let called: Vec<String> = harness
        .calls
        .iter()
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(
        called,
        names(150)[100..],
        "those that were taken are not called again"
    );
}

#[test]
fn a_job_whose_row_is_gone_is_forgotten_and_nothing_waits_behind_it() {
    let mut harness = Harness::new();
    let (first, _) = harness.publish(&["a"], WAIT, "x").unwrap();
    harness.returned("a", first, None);
    harness.query("DELETE FROM jobs RETURNING id");
    assert_eq!(harness.at(1_000).ring(), [""; 0]);
    assert!(harness.alarm > Some(600_000), "it would be due forever");
    let (_, effects) = harness.publish(&["a"], WAIT, "y").unwrap();
    assert_eq!(effects, ["a: deliver, wait 1000"]);
}
