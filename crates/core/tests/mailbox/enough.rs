//! First answer wins: once enough devices have acknowledged a message, its other deliveries are cancelled.

use tagpost_core::call::DeliveryStatus;
use tagpost_core::delivery::{Delivery, Event, State};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::CallPurpose;

use super::harness::{Harness, START, delivery, known, message};
use super::summary::answer;

const FIRST: &[(&str, &str)] = &[("Acks-Needed", "1"), ("Prefer", "wait=30")];
const BOTH: &[(&str, &str)] = &[("Acks-Needed", "2"), ("Prefer", "wait=30")];

/// A delivery that was cancelled because there were enough acknowledgements.
fn enough(name: &str) -> Delivery {
    let held = delivery(name, State::Held);
    let cancelled = held.apply(Event::Cancel, START + 2).unwrap();
    cancelled.with_reason("enough")
}

fn cancelled(harness: &mut Harness, name: &str, id: MessageId) -> Vec<String> {
    let answer = Some(DeliveryStatus::Known(enough(name)));
    harness.returned_for(name, CallPurpose::Cancel(id), answer)
}

#[test]
fn the_publish_is_answered_when_the_others_are_cancelled() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b", "c"], FIRST, "x").unwrap();
    assert_eq!(harness.rows(), "account 1");
    // The acknowledgement is committed with this event, before the calls.
    let effects = harness.returned("a", id, known("a", State::Delivered));
    assert_eq!(effects, ["c: withdraw", "b: withdraw"]);
    assert_eq!(harness.rows(), "account 1, outbox 1, endings 1");
    assert_eq!(cancelled(&mut harness, "b", id), [""; 0]);
    let all = "a delivered 0, b cancelled 0 (enough), c cancelled 0 (enough)";
    assert_eq!(
        cancelled(&mut harness, "c", id),
        [format!("published {all} (#1)")]
    );
    assert_eq!(harness.rows(), "account 1, outbox 1");
    assert_eq!(harness.receipts(), [0; 0], "the answer carried them");
    // The calls to deliver end a little later, and change nothing.
    assert_eq!(harness.returned("b", id, known("b", State::Held)), [""; 0]);
    assert_eq!(harness.returned("c", id, None), [""; 0]);
    assert_eq!(harness.trace(id).unwrap(), all);
}

#[test]
fn one_acknowledgement_is_not_enough_where_two_are_needed() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b", "c"], BOTH, "x").unwrap();
    assert_eq!(
        harness.returned("a", id, known("a", State::Delivered)),
        [""; 0]
    );
    assert_eq!(
        harness.returned("b", id, known("b", State::Delivered)),
        ["c: withdraw"]
    );
}

#[test]
fn a_rejection_is_no_acknowledgement() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], FIRST, "x").unwrap();
    assert_eq!(
        harness.returned("a", id, known("a", State::Rejected)),
        [""; 0]
    );
}

#[test]
fn a_report_may_bring_the_last_acknowledgement_that_is_needed() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], FIRST, "x").unwrap();
    harness.returned("a", id, known("a", State::Held));
    harness.returned("b", id, known("b", State::Held));
    assert_eq!(
        harness.report(id, delivery("a", State::Delivered)).unwrap(),
        ["b: withdraw"]
    );
    harness.connect(1);
    assert_eq!(
        cancelled(&mut harness, "b", id),
        ["1 <- receipt b cancelled"]
    );
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

#[test]
fn whoever_is_faster_than_the_cancellation_counts_too() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], FIRST, "x").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    let raced = known("b", State::Delivered);
    assert_eq!(
        harness.returned_for("b", CallPurpose::Cancel(id), raced),
        ["published a delivered 0, b delivered 0 (#1)"]
    );
}

#[test]
fn a_mailbox_that_forgot_what_its_device_answered_does_not_cancel_that() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], FIRST, "x").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    // It has no step but this one: the mailbox does not know the message.
    let early = Some(DeliveryStatus::Known(
        delivery("b", State::Cancelled).with_reason("enough"),
    ));
    assert_eq!(
        harness.returned_for("b", CallPurpose::Cancel(id), early),
        [""; 0]
    );
    assert_eq!(
        harness.returned("b", id, known("b", State::Delivered)),
        ["published a delivered 0, b delivered 0 (#1)"]
    );
}

#[test]
fn a_crash_forgets_neither_the_acknowledgement_nor_the_others() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], FIRST, "x").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    harness.crash();
    assert_eq!(harness.at(30_000).ring(), ["b: withdraw"]);
    assert_eq!(cancelled(&mut harness, "b", id), [""; 0]);
    assert_eq!(
        harness.trace(id).unwrap(),
        "a delivered 0, b cancelled 0 (enough)"
    );
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

#[test]
fn a_mailbox_that_does_not_answer_is_asked_again() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], FIRST, "x").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    harness.returned("b", id, None);
    let failed = harness.returned_for("b", CallPurpose::Cancel(id), None);
    assert_eq!(failed, ["published a delivered 0, b held 0 (#1)"]);
    assert_eq!(
        harness.rows(),
        "account 1, outbox 1, endings 1",
        "what is cancelled is no job"
    );
    assert_eq!(harness.at(2_000).ring(), ["b: withdraw"]);
    harness.returned_for("b", CallPurpose::Cancel(id), None);
    assert_eq!(harness.at(3_000).ring(), [""; 0], "the pause is longer");
    assert_eq!(harness.at(6_000).ring(), ["b: withdraw"]);
    cancelled(&mut harness, "b", id);
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

#[test]
fn after_a_crash_no_message_waits_for_the_answers_to_others() {
    const MANY: usize = 205;
    let mut harness = Harness::with(|limits| {
        limits.publish_burst = 300;
        // An opening reads this many twice, and 100 more.
        limits.max_queued_messages = 1;
    });
    for _ in 0..MANY {
        let (id, _) = harness.publish(&["a", "b"], FIRST, "x").unwrap();
        harness.returned("a", id, known("a", State::Delivered));
    }
    harness.crash();
    // The mailbox of `b` never answers.
    let mut asked = harness.at(30_000).ring();
    for _ in 0..MANY {
        if harness.alarm != Some(30_000) {
            break;
        }
        asked.extend(harness.ring());
    }
    assert!(asked.iter().all(|word| word == "b: withdraw"), "{asked:?}");
    assert_eq!(asked.len(), MANY);
    assert_eq!(harness.alarm, Some(60_000), "in case it crashes");
}

#[test]
fn a_delivery_that_has_not_reached_its_mailbox_is_not_tried_any_more() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], FIRST, "x").unwrap();
    harness.returned("a", id, known("a", State::Held));
    harness.returned("b", id, None);
    assert_eq!(harness.rows(), "account 1, outbox 1, jobs 1");
    let effects = harness.report(id, delivery("a", State::Delivered)).unwrap();
    assert_eq!(effects, ["b: withdraw"]);
    assert_eq!(harness.rows(), "account 1, outbox 1, endings 1");
    let removed = Some(DeliveryStatus::UnknownDevice);
    harness.returned_for("b", CallPurpose::Cancel(id), removed);
    assert_eq!(
        harness.trace(id).unwrap(),
        "a delivered 0, b refused 0 (device_removed)"
    );
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

#[test]
fn a_large_tag_is_cancelled_part_by_part() {
    let mut harness = Harness::new();
    let names: Vec<String> = (0..150).map(|n| format!("d{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = harness.publish(&names, BOTH, "x").unwrap();
    harness.ring();
    let calls: Vec<_> = names.iter().take(100).collect();
    for name in &calls {
        harness.returned(name, id, known(name, State::Held));
    }
    let report = |harness: &mut Harness, name| {
        harness
            .report(id, delivery(name, State::Delivered))
            .unwrap()
    };
    assert_eq!(report(&mut harness, "d000"), [""; 0]);
    let asked = report(&mut harness, "d001");
    let of = |asked: &[String]| asked.iter().filter(|it| it.ends_with(": withdraw")).count();
    assert_eq!(of(&asked), 100, "{asked:?}");
    let mut more = Vec::new();
    for word in &asked {
        let name = word.split(':').next().unwrap();
        more.extend(cancelled(&mut harness, name, id));
    }
    assert_eq!(of(&more), 48, "{more:?}");
    for word in &more {
        let name = word.split(':').next().unwrap();
        cancelled(&mut harness, name, id);
    }
    assert!(
        !harness.rows().contains("endings") && !harness.rows().contains("jobs"),
        "{}",
        harness.rows()
    );
}

#[test]
fn a_message_to_one_device_that_is_acknowledged_costs_what_any_other_does() {
    let mut harness = Harness::new();
    let mut cost = |headers: &[(&str, &str)]| {
        let before = harness.writes();
        let (id, _) = harness.publish(&["a"], headers, "x").unwrap();
        harness.returned("a", id, known("a", State::Delivered));
        harness.writes() - before
    };
    let ordinary = cost(&[("Prefer", "wait=30")]);
    assert_eq!(cost(FIRST), ordinary);
}

#[test]
fn a_delivery_that_is_no_longer_needed_says_so() {
    let mut harness = Harness::new();
    let message = message(1, &[]);
    harness.deliver(&message, 0);
    let (ended, _) = harness.cancel_delivery_for_enough(message.id);
    assert_eq!(answer(&ended), "cancelled 0 (enough)");
}

#[test]
fn an_idempotency_key_does_not_compare_how_many_acknowledgements_are_needed() {
    let mut harness = Harness::new();
    let keyed = |needed: &'static str| [("Acks-Needed", needed), ("Idempotency-Key", "k")];
    let (id, _) = harness.publish(&["a", "b"], &keyed("1"), "x").unwrap();
    let (again, _) = harness.publish(&["a", "b"], &keyed("2"), "x").unwrap();
    assert_eq!(again, id);
    // The first message's number holds.
    let effects = harness.returned("a", id, known("a", State::Delivered));
    assert_eq!(effects, ["b: withdraw"]);
}
