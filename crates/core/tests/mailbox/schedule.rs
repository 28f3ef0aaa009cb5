//! A message that is handed over later.

use tagpost_core::call::{Call, DeliveryStatus, ListedState};
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{Input, Reply};
use tagpost_core::message::{Message, Target, turn};

use super::harness::{Harness, START, device, known, message};

const LATER: &[(&str, &str)] = &[("Delay", "60")];

/// The directory answers with these devices of `hall`.
fn found(harness: &mut Harness, names: &[&str]) -> Vec<String> {
    let hall = Target::Tag("hall".parse().unwrap());
    let devices = names.iter().map(|name| device(name)).collect();
    harness.handle(Input::Resolved(Ok(vec![(hall, devices)])))
}

/// A message to `hall` that was just handed over to `a` and `b`.
fn handed_over(harness: &mut Harness) -> MessageId {
    let (id, _) = harness.publish(&["x", "y"], LATER, "tea").unwrap();
    harness.at(60_000);
    assert_eq!(harness.ring(), ["resolve hall"]);
    let calls = found(harness, &["b", "a"]);
    assert_eq!(calls, ["a: deliver, wait 1000", "b: deliver, wait 1000"]);
    id
}

#[test]
fn it_is_kept_until_its_time_and_its_tag_is_looked_up_then() {
    let mut harness = Harness::new();
    harness.connect(1);
    let (id, answer) = harness.publish(&["x", "y"], LATER, "tea").unwrap();
    assert_eq!(answer, [""], "it has no deliveries yet");
    assert_eq!(harness.alarm, Some(60_000), "waiting costs one alarm");
    harness.at(59_999);
    assert_eq!(harness.ring(), [""; 0], "not before its time");
    harness.at(60_000);
    assert_eq!(harness.ring(), ["resolve hall"]);
    let calls = found(&mut harness, &["b", "a"]);
    assert_eq!(calls, ["a: deliver, wait 1000", "b: deliver, wait 1000"]);
    let (_, message) = harness.calls.last().unwrap();
    assert_eq!(message.id, id);
    assert_eq!(message.expires_at, START + 60_000 + 86_400_000, "from then");
    harness.returned("a", id, known("a", State::Delivered));
    assert_eq!(
        harness.returned("b", id, known("b", State::Held)),
        ["1 <- receipt a delivered"]
    );
    assert_eq!(harness.trace(id).unwrap(), "a delivered 0, b held 0");
}

#[test]
fn it_costs_two_rows_more_than_one_that_is_sent_now() {
    let cost = |headers: &[(&str, &str)], to: &[&str]| {
        let mut harness = Harness::new();
        let before = harness.writes();
        let (id, _) = harness.publish(to, headers, "tea").unwrap();
        if !headers.is_empty() {
            harness.at(60_000).ring();
            if to.len() > 1 {
                found(&mut harness, to);
            }
        }
        for name in to {
            harness.returned(name, id, known(name, State::Delivered));
        }
        harness.writes() - before
    };
    let now = cost(&[], &["a"]);
    assert_eq!(cost(LATER, &["a"]), now + 1, "to one device");
    let now = cost(&[], &["a", "b"]);
    assert_eq!(cost(LATER, &["a", "b"]), now + 2, "to a tag");
}

#[test]
fn a_target_that_leads_nowhere_is_a_receipt_without_a_device() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["x", "y"], LATER, "tea").unwrap();
    harness.at(60_000).ring();
    found(&mut harness, &[]);
    let trace = harness.page(id, None, 10).unwrap();
    let end = trace.plan.end.clone().unwrap();
    assert!(trace.is_settled() && trace.deliveries.is_empty());
    assert_eq!(
        (end.state, end.reason.as_deref()),
        (State::Refused, Some("unknown_tag"))
    );
    assert_eq!(
        harness.connect(1),
        ["1 <- welcome, 0 held", "1 <- receipt  refused"]
    );
}

#[test]
fn it_is_cancelled_before_its_time_without_a_call() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], LATER, "tea").unwrap();
    let (cancelled, effects) = harness.cancel(id);
    let trace = cancelled.unwrap().unwrap();
    assert_eq!(trace.plan.end.unwrap().state, State::Cancelled);
    assert_eq!(effects, [""; 0]);
    assert_eq!(
        harness.at(60_000).ring(),
        [""; 0],
        "it is never handed over"
    );
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

#[test]
fn a_crash_before_its_time_forgets_nothing() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], LATER, "tea").unwrap();
    harness.crash();
    // The service was down at its time.
    harness.at(3_600_000);
    assert_eq!(harness.ring(), ["a: deliver, wait 1000"]);
    harness.returned("a", id, known("a", State::Held));
    assert_eq!(harness.trace(id).unwrap(), "a held 0");
}

#[test]
fn a_hand_over_that_a_crash_interrupts_is_made_again_to_the_same_devices() {
    let mut harness = Harness::new();
    let id = handed_over(&mut harness);
    harness.crash();
    harness.at(60_100).wake();
    // Until the hand-over is made again, no recipient may forget the message.
    let early = harness.report(id, super::harness::delivery("a", State::Delivered));
    assert_eq!(early, Err("unavailable".to_owned()));
    // Without a query: the tag may have changed.
    harness.at(64_100);
    assert_eq!(
        harness.ring(),
        ["a: deliver, wait 1000", "b: deliver, wait 1000"]
    );
    harness.returned("a", id, known("a", State::Delivered));
    harness.returned("b", id, known("b", State::Delivered));
    assert_eq!(harness.trace(id).unwrap(), "a delivered 0, b delivered 0");
}

#[test]
fn a_cancellation_after_a_lost_hand_over_asks_the_mailboxes() {
    // The alarm that follows the hand-over is to come, or is late itself.
    for reopened_at in [60_100, 63_000] {
        let mut harness = Harness::new();
        let id = handed_over(&mut harness);
        harness.crash();
        harness.at(reopened_at).wake();
        let (cancelled, effects) = harness.cancel(id);
        assert!(matches!(cancelled, Ok(None)), "{cancelled:?}");
        assert_eq!(effects, ["b: withdraw", "a: withdraw"]);
    }
}

#[test]
fn a_hand_over_is_not_forgotten_by_a_clock_that_was_set_back() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], LATER, "tea").unwrap();
    assert_eq!(harness.at(60_000).ring(), ["a: deliver, wait 1000"]);
    harness.crash();
    harness.at(59_800).wake();
    let (cancelled, effects) = harness.cancel(id);
    assert!(matches!(cancelled, Ok(None)), "{cancelled:?}");
    assert_eq!(effects, ["a: withdraw"], "it may have the message");
}

#[test]
fn it_is_listed_before_its_time_and_by_its_state() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], LATER, "tea").unwrap();
    let (sent, _) = harness.publish(&["b"], &[], "now").unwrap();
    harness.returned("b", sent, known("b", State::Held));
    let listed = |harness: &mut Harness, state| {
        let call = Call::Messages {
            state,
            limit: 10,
            before: None,
        };
        match harness.ask(call).0 {
            Ok(Reply::Messages { traces, .. }) => {
                traces.iter().map(|trace| trace.id).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(listed(&mut harness, None), [sent, id]);
    let scheduled = Some(ListedState::Scheduled);
    assert_eq!(listed(&mut harness, scheduled), [id]);
    let held = Some(ListedState::Delivery(State::Held));
    assert_eq!(listed(&mut harness, held), [sent]);
}

#[test]
fn scheduled_messages_count_as_queued() {
    let mut harness = Harness::with(|limits| limits.max_queued_messages = 2);
    for _ in 0..2 {
        harness.publish(&["a"], LATER, "tea").unwrap();
    }
    let refused = harness.publish(&["a"], LATER, "tea").unwrap_err();
    assert_eq!(refused, "too_many_requests");
    assert!(harness.publish(&["a"], &[], "now").is_ok());
}

#[test]
fn a_repeat_with_its_key_is_the_same_message() {
    let mut harness = Harness::new();
    let keyed = [("Delay", "60"), ("Idempotency-Key", "k")];
    let (id, _) = harness.publish(&["a"], &keyed, "tea").unwrap();
    assert_eq!(harness.publish(&["a"], &keyed, "tea").unwrap().0, id);
    harness.at(60_000).ring();
    harness.returned("a", id, known("a", State::Delivered));
    assert_eq!(harness.publish(&["a"], &keyed, "tea").unwrap().0, id);
    assert_eq!(harness.rows(), "account 1, outbox 1, keys 1");
}

#[test]
fn a_query_that_fails_is_made_again() {
    let mut harness = Harness::new();
    harness.publish(&["x", "y"], LATER, "tea").unwrap();
    harness.at(60_000).ring();
    let problem = tagpost_core::problem::Problem::bad_request("down");
    assert_eq!(harness.handle(Input::Resolved(Err(problem))), [""; 0]);
    assert_eq!(harness.at(62_000).ring(), ["resolve hall"]);
}

#[test]
fn the_alarm_rests_while_a_query_serves_the_first_of_many_that_are_due() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 100);
    for _ in 0..50 {
        harness.publish(&["x", "y"], LATER, "tea").unwrap();
    }
    assert_eq!(harness.at(60_000).ring(), ["resolve hall"]);
    assert_eq!(harness.alarm, Some(61_000), "it does not go off at once");
    let before = harness.statements();
    assert_eq!(harness.at(61_000).ring(), [""; 0]);
    assert!(
        harness.statements() - before < 20,
        "what has to wait is not read"
    );
    assert_eq!(harness.alarm, Some(62_000));
    // Each answer goes on with the next.
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.extend(found(&mut harness, &["a"]));
    }
    let handed_over = calls.iter().filter(|it| it.starts_with("a: deliver"));
    assert_eq!(handed_over.count(), 50, "{calls:?}");
}

#[test]
fn the_alarm_rests_while_as_many_calls_are_under_way_as_it_may_make() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 600);
    for _ in 0..501 {
        harness.publish(&["a"], LATER, "tea").unwrap();
    }
    assert_eq!(harness.at(60_000).ring().len(), 500);
    assert_eq!(harness.alarm, Some(61_000), "it does not go off at once");
    let (_, first) = harness.calls.first().unwrap();
    harness.returned("a", first.id, known("a", State::Delivered));
    let next = harness.at(61_000).ring();
    assert_eq!(next, ["a: deliver after another, wait 1000"]);
}

#[test]
fn those_that_are_due_together_are_handed_over_in_the_order_of_their_times() {
    let mut harness = Harness::new();
    let (late, _) = harness.publish(&["a"], &[("Delay", "300")], "x").unwrap();
    let (early, _) = harness.publish(&["a"], LATER, "x").unwrap();
    let handed_over = |harness: &mut Harness| {
        let calls = std::mem::take(&mut harness.calls).into_iter();
        calls
            .map(|(_, it)| turn(it.id, it.sent_at))
            .collect::<Vec<_>>()
    };
    let mut again = Vec::new();
    // The service was down at both times.
    harness.crash();
    harness.at(3_600_000).ring();
    let (now, _) = harness.publish(&["a"], &[], "x").unwrap();
    let turns = handed_over(&mut harness);
    let ids: Vec<_> = turns.iter().map(|turn| turn.1).collect();
    assert_eq!(ids, [early, late, now]);
    assert!(turns.is_sorted(), "the last one wins its topic: {turns:?}");
    // It fails before it has an answer. What is sent next waits until both are handed over again.
    harness.crash();
    harness.at(3_600_100);
    let (next, calls) = harness.publish(&["a"], &[], "x").unwrap();
    assert_eq!(calls, ["a held 0"], "it does not pass them");
    harness.at(3_604_100).ring();
    for id in [late, early, next] {
        let calls = handed_over(&mut harness);
        assert_eq!(calls.iter().map(|turn| turn.1).collect::<Vec<_>>(), [id]);
        again.extend(calls);
        harness.returned("a", id, known("a", State::Held));
    }
    again.sort_unstable();
    let ids: Vec<_> = again.iter().map(|turn| turn.1).collect();
    assert_eq!(ids, [early, late, next], "the last one wins its topic");
}

#[test]
fn of_one_topic_the_message_that_was_handed_over_last_stays() {
    let mut harness = Harness::new();
    let topic = [("Topic", "t")];
    let (old, new) = (message(1, &topic), message(2, &topic));
    harness.at(5_000);
    harness.deliver(&new, 0);
    // It got its id first, and was handed over after the other.
    let late = Message {
        sent_at: START + 5_000,
        ..old
    };
    assert_eq!(
        harness.deliver(&late, 0),
        ["held 0", "door: receipts replaced 0"]
    );
    let replaced = harness.get_delivery(new.id);
    assert!(
        matches!(&replaced, DeliveryStatus::Known(it) if it.state == State::Replaced),
        "{replaced:?}"
    );
}
