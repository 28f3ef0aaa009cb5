//! Deliveries that did not reach their mailbox, and large tags.

use tagpost_core::call::DeliveryStatus;
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::CallPurpose;

use super::desk::{Desk, delivery, device, known};

const WAIT: &[(&str, &str)] = &[("Prefer", "wait=1")];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("d{n:03}")).collect()
}

/// A publish to `count` devices.
fn large(desk: &mut Desk, count: usize) -> MessageId {
    let names = names(count);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    desk.publish(&names, WAIT, "x").unwrap().0
}

#[test]
fn a_delivery_that_did_not_arrive_is_held_and_tried_again() {
    let mut desk = Desk::new();
    let (id, _) = desk.publish(&["a"], WAIT, "x").unwrap();
    assert_eq!(desk.returned("a", id, None), ["published a held 0 (#1)"]);
    assert_eq!(desk.rows(), "account 1, outbox 1, jobs 1");
    assert_eq!(desk.alarm, Some(1_000));
    assert_eq!(desk.at(1_000).ring(), ["a: deliver, wait 1000"]);
    let taken = desk.returned("a", id, known("a", State::Delivered));
    assert_eq!(
        taken,
        ["settled (#1)"],
        "the publish's answer did not carry it: there is a receipt"
    );
    assert_eq!(desk.rows(), "account 1, outbox 1");
    assert_eq!(desk.receipts().len(), 1);
}

#[test]
fn what_has_to_be_there_now_or_never_is_called_for_once() {
    let mut desk = Desk::new();
    let (id, _) = desk.publish(&["a"], &[("TTL", "0")], "x").unwrap();
    assert_eq!(desk.returned("a", id, None), ["published a held 0 (#1)"]);
    assert_eq!(desk.at(1_000).ring(), ["settled (#1)"]);
    assert_eq!(desk.trace(id).unwrap(), "a expired 0");
}

#[test]
fn what_has_to_be_there_now_or_never_and_waited_for_another_is_called_for() {
    let mut desk = Desk::new();
    let (first, _) = desk.publish(&["a"], WAIT, "x").unwrap();
    desk.returned("a", first, None);
    let (second, _) = desk.publish(&["a"], &[("TTL", "0")], "y").unwrap();
    desk.at(1_000).ring();
    let next = desk.returned("a", first, known("a", State::Held));
    assert_eq!(next, ["a: deliver, wait 1000"]);
    assert_eq!(desk.calls.last().unwrap().1.id, second);
}

#[test]
fn what_is_published_behind_an_untaken_message_waits_for_it() {
    let mut desk = Desk::new();
    let (first, _) = desk.publish(&["a"], WAIT, "x").unwrap();
    desk.returned("a", first, None);
    let (second, answered) = desk.publish(&["a"], WAIT, "y").unwrap();
    assert_eq!(answered, ["published a held 0 (#2)"]);
    desk.at(1_000).ring();
    assert_eq!(desk.calls.last().unwrap().1.id, first);
    let next = desk.returned("a", first, known("a", State::Held));
    assert_eq!(next, ["a: deliver, wait 1000"]);
    assert_eq!(desk.calls.last().unwrap().1.id, second);
}

#[test]
fn what_is_published_while_a_part_of_another_has_failed_goes_behind_it() {
    let mut desk = Desk::new();
    let (first, _) = desk.publish(&["a", "b"], WAIT, "x").unwrap();
    desk.returned("a", first, None);
    let (_, effects) = desk.publish(&["a"], WAIT, "y").unwrap();
    assert_eq!(
        effects,
        ["published a held 0 (#2)"],
        "b has not answered the first yet"
    );
}

#[test]
fn a_delivery_that_its_own_mailbox_reports_leaves_the_line() {
    let mut desk = Desk::new();
    let (first, _) = desk.publish(&["a"], WAIT, "x").unwrap();
    desk.returned("a", first, None);
    desk.report(first, delivery("a", State::Delivered)).unwrap();
    let (_, effects) = desk.publish(&["a"], WAIT, "y").unwrap();
    assert_eq!(effects, ["a: deliver, wait 1000"]);
    desk.at(1_000).ring();
    assert_eq!(desk.rows(), "account 1, outbox 1", "the job is done");
}

#[test]
fn a_report_waits_while_its_message_is_being_handed_over() {
    let mut desk = Desk::new();
    let (id, _) = desk.publish(&["a"], WAIT, "x").unwrap();
    let early = desk.report(id, delivery("a", State::Delivered));
    assert_eq!(early.unwrap_err(), "unavailable");
    desk.returned("a", id, known("a", State::Sent));
    assert_eq!(
        desk.report(id, delivery("a", State::Delivered)).unwrap(),
        ["settled (#1)"]
    );
}

/// A publish to `a` that is written down, and whose call is not answered when the mailbox crashes.
fn crashed() -> (Desk, MessageId) {
    let mut desk = Desk::new();
    let headers = [("Idempotency-Key", "k")];
    let (id, _) = desk.publish(&["a"], &headers, "x").unwrap();
    desk.crash();
    (desk, id)
}

#[test]
fn after_a_crash_nothing_is_called_again_before_older_calls_are_void() {
    let (mut desk, id) = crashed();
    assert_eq!(
        desk.at(100)
            .report(id, delivery("a", State::Delivered))
            .unwrap_err(),
        "unavailable"
    );
    assert_eq!(desk.alarm, Some(4_100));
    assert_eq!(desk.at(4_100).ring(), ["a: deliver, wait 1000"]);
}

#[test]
fn after_a_crash_what_was_taken_back_before_it_came_stays_known_until_older_calls_are_void() {
    let (mut desk, id) = crashed();
    let unseen = || delivery("a", State::Cancelled);
    let answer = serde_json::to_string(&DeliveryStatus::Known(unseen())).unwrap();
    desk.at(100).event(|mailbox, now| {
        mailbox.returned(&device("a"), CallPurpose::Cancel(id), Some(&answer), now)
    });
    assert_eq!(desk.trace(id).unwrap(), "a cancelled 0");
    assert_eq!(desk.report(id, unseen()).unwrap_err(), "unavailable");
    assert_eq!(desk.at(4_100).report(id, unseen()).unwrap(), [""; 0]);
    // A mailbox that wakes for each report takes one that is old.
    desk.sleep();
    assert_eq!(
        desk.at(5_000).report(id, unseen()).unwrap_err(),
        "unavailable"
    );
    desk.sleep();
    assert_eq!(desk.at(6_001).report(id, unseen()).unwrap(), [""; 0]);
}

#[test]
fn a_large_tag_is_a_job_from_the_start() {
    let mut desk = Desk::new();
    large(&mut desk, 101);
    assert_eq!(desk.rows(), "account 1, outbox 1, parts 2, jobs 1");
    assert_eq!(desk.alarm, Some(0));
    assert_eq!(desk.ring().len(), 100, "the first part");
}

#[test]
fn a_hundred_devices_are_no_job() {
    let mut desk = Desk::new();
    large(&mut desk, 100);
    assert_eq!(desk.calls.len(), 100);
    assert_eq!(desk.rows(), "account 1");
}

#[test]
fn a_large_tag_is_passed_through_part_by_part_to_its_end() {
    let mut desk = Desk::new();
    let id = large(&mut desk, 150);
    desk.ring();
    for name in names(150) {
        desk.returned(&name, id, known(&name, State::Delivered));
    }
    assert_eq!(desk.calls.len(), 150);
    assert!(desk.calls.iter().all(|(_, message)| message.id == id));
    assert_eq!(desk.rows(), "account 1, outbox 1, parts 2");
    assert_eq!(desk.receipts().len(), 150);
    assert_eq!(desk.query("SELECT open FROM outbox").int().unwrap(), 0);
    assert!(
        desk.query("SELECT done_at FROM outbox")
            .opt_int()
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_large_tag_survives_a_crash_in_the_middle() {
    let mut desk = Desk::new();
    let id = large(&mut desk, 150);
    desk.ring();
    for name in names(100) {
        desk.returned(&name, id, known(&name, State::Held));
    }
    desk.crash();
    desk.calls.clear();
    desk.at(60_000).event(|_, _| Ok(()));
    desk.at(64_000).ring();
    let called: Vec<String> = desk
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
    let mut desk = Desk::new();
    let (first, _) = desk.publish(&["a"], WAIT, "x").unwrap();
    desk.returned("a", first, None);
    desk.query("DELETE FROM jobs RETURNING id");
    assert_eq!(desk.at(1_000).ring(), [""; 0]);
    assert!(desk.alarm > Some(600_000), "it would be due forever");
    let (_, effects) = desk.publish(&["a"], WAIT, "y").unwrap();
    assert_eq!(effects, ["a: deliver, wait 1000"]);
}
