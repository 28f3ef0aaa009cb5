//! A device publishes: what is written when, and what it is answered.

use tagpost_core::call::DeliveryStatus;
use tagpost_core::delivery::State;

use super::harness::{Harness, known};

const WAIT: &[(&str, &str)] = &[("Prefer", "wait=1")];
const KEY: &[(&str, &str)] = &[("Idempotency-Key", "k"), ("Prefer", "wait=1")];

#[test]
fn a_message_is_written_once_with_its_trace() {
    let mut harness = Harness::new();
    let (id, effects) = harness.publish(&["a", "b"], WAIT, "x").unwrap();
    assert_eq!(effects, ["a: deliver, wait 1000", "b: deliver, wait 1000"]);
    assert_eq!(
        harness.rows(),
        "account 1",
        "nothing is written before it is known"
    );
    assert_eq!(
        harness.returned("a", id, known("a", State::Delivered)),
        [""; 0]
    );
    let answered = harness.returned("b", id, known("b", State::Held));
    assert_eq!(answered, ["published a delivered 0, b held 0 (#1)"]);
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

#[test]
fn a_message_whose_deliveries_are_all_settled_is_settled_at_once() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], WAIT, "x").unwrap();
    let answered = harness.returned("a", id, known("a", State::Delivered));
    assert_eq!(answered, ["published a delivered 0 (#1)"]);
}

#[test]
fn a_publish_that_a_crash_interrupts_is_forgotten() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], WAIT, "x").unwrap();
    harness.crash();
    assert_eq!(
        harness.returned("a", id, known("a", State::Delivered)),
        [""; 0]
    );
    assert_eq!(harness.trace(id), Err("unknown_message".to_owned()));
}

#[test]
fn a_publish_with_a_key_is_written_before_any_call_and_survives_a_crash() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], KEY, "x").unwrap();
    assert_eq!(harness.rows(), "account 1, outbox 1, keys 1, jobs 1");
    harness.crash();
    let (again, answer) = harness.at(5).publish(&["a"], KEY, "x").unwrap();
    assert_eq!((again, answer), (id, vec!["a held 0".to_owned()]));
    assert!(
        harness.alarm.is_some_and(|at| at <= 30_000),
        "the message is still handed over"
    );
    assert_eq!(harness.at(30_000).ring(), ["a: deliver, wait 1000"]);
}

#[test]
fn a_delivery_settled_without_being_sent_stays_settled_after_a_crash() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], KEY, "x").unwrap();
    harness.returned("a", id, known("a", State::Refused));
    harness.crash();
    assert_eq!(harness.trace(id).unwrap(), "a refused 0, b held 0");
    assert_eq!(harness.at(30_000).ring(), ["b: deliver, wait 1000"]);
}

#[test]
fn the_same_key_while_the_first_is_under_way_gets_the_same_answer() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], KEY, "x").unwrap();
    assert_eq!(harness.publish(&["a"], KEY, "x").unwrap(), (id, vec![]));
    assert_eq!(
        harness.returned("a", id, known("a", State::Held)),
        ["published a held 0 (#1)"; 2]
    );
}

#[test]
fn the_same_key_with_another_body_or_target_is_a_mismatch() {
    let mut harness = Harness::new();
    harness.publish(&["a"], KEY, "x").unwrap();
    for (to, body) in [("a", "y"), ("b", "x")] {
        assert_eq!(
            harness.publish(&[to], KEY, body).unwrap_err(),
            "idempotency_mismatch"
        );
    }
}

#[test]
fn an_unknown_device_is_a_problem_and_leaves_nothing() {
    for headers in [WAIT, KEY] {
        let mut harness = Harness::new();
        let (id, _) = harness.publish(&["a"], headers, "x").unwrap();
        let answered = harness.returned("a", id, Some(DeliveryStatus::UnknownDevice));
        assert_eq!(answered, ["not published: unknown_device (#1)"]);
        assert_eq!(harness.rows(), "account 1");
    }
}

#[test]
fn an_unknown_device_of_a_tag_is_refused() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], WAIT, "x").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    let answered = harness.returned("b", id, Some(DeliveryStatus::UnknownDevice));
    assert_eq!(
        answered,
        ["published a delivered 0, b refused 0 (device_removed) (#1)"]
    );
}

#[test]
fn no_publish_is_accepted_above_the_rate() {
    let mut harness = Harness::with(|limits| (limits.publish_rate, limits.publish_burst) = (1, 1));
    harness.publish(&["a"], WAIT, "x").unwrap();
    assert_eq!(
        harness.publish(&["a"], WAIT, "x").unwrap_err(),
        "too_many_requests"
    );
    assert!(harness.at(1_000).publish(&["a"], WAIT, "x").is_ok());
}

#[test]
fn a_tag_without_devices_and_one_with_too_many_are_problems() {
    let mut harness = Harness::with(|limits| limits.max_fanout = 2);
    assert_eq!(harness.publish(&[], WAIT, "x").unwrap_err(), "unknown_tag");
    assert_eq!(
        harness.publish(&["a", "b", "c"], WAIT, "x").unwrap_err(),
        "tag_too_large"
    );
}

#[test]
fn a_second_message_says_which_one_it_follows() {
    let mut harness = Harness::new();
    harness.publish(&["a"], WAIT, "x").unwrap();
    assert_eq!(
        harness.publish(&["a"], WAIT, "y").unwrap().1,
        ["a: deliver after another, wait 1000"]
    );
}

#[test]
fn a_publish_whose_sender_is_removed_is_not_accepted() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], KEY, "x").unwrap();
    let removed = harness.remove();
    assert_eq!(removed, ["not published: unknown_device (#1)"]);
    harness.register();
    assert_eq!(harness.returned("a", id, known("a", State::Held)), [""; 0]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_key_whose_message_is_deleted_can_be_used_again() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], KEY, "x").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    harness.query("DELETE FROM outbox RETURNING id");
    let (again, effects) = harness.at(5).publish(&["a"], KEY, "another").unwrap();
    assert_ne!(again, id);
    assert_eq!(effects, ["a: deliver, wait 1000"]);
    assert_eq!(harness.rows(), "account 1, outbox 1, keys 1, jobs 1");
    harness.returned("a", again, known("a", State::Delivered));
    let (repeated, answer) = harness.publish(&["a"], KEY, "another").unwrap();
    assert_eq!(
        (repeated, answer),
        (again, vec!["a delivered 0".to_owned()])
    );
}

#[test]
fn a_message_to_a_tag_goes_to_all_others_and_to_its_sender_only_with_echo() {
    let mut harness = Harness::new();
    let to_all = ["a", "cam", "b"];
    let (_, effects) = harness.publish(&to_all, WAIT, "x").unwrap();
    assert_eq!(effects, ["a: deliver, wait 1000", "b: deliver, wait 1000"]);
    let echo = [WAIT, &[("Echo", "true")]].concat();
    let mut harness = Harness::new();
    let (_, effects) = harness.publish(&to_all, &echo, "x").unwrap();
    let all = ["a", "b", "cam"].map(|device| format!("{device}: deliver, wait 1000"));
    assert_eq!(effects, all);
    // A message to one device is meant for it, whoever that is.
    let mut harness = Harness::new();
    let (_, effects) = harness.publish(&["cam"], WAIT, "x").unwrap();
    assert_eq!(effects, ["cam: deliver, wait 1000"]);
}
