//! A sender takes a message back.

use tagpost_core::call::DeliveryStatus;
use tagpost_core::delivery::{State, Withdrawal};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::CallPurpose;

use super::harness::{Harness, delivery, known, message};
use super::summary::answer;

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

fn withdraw(harness: &mut Harness, id: MessageId) -> Vec<String> {
    let (delivered, effects) = harness.cancel_delivery(id);
    [vec![answer(&delivered)], effects].concat()
}

#[test]
fn every_mailbox_that_may_have_the_message_is_asked() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b", "c"], TEXT, "x").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    harness.returned("b", id, known("b", State::Held));
    harness.returned("c", id, None);
    let (cancelled, effects) = harness.cancel(id);
    assert!(matches!(cancelled, Ok(None)), "{cancelled:?}");
    assert_eq!(effects, ["c: withdraw", "b: withdraw"]);
    let mut answered = |name: &str| {
        let answer = DeliveryStatus::Known(delivery(name, State::Cancelled));
        harness.returned_for(name, CallPurpose::Cancel(id), Some(answer))
    };
    assert_eq!(answered("b"), [""; 0]);
    assert_eq!(answered("c"), ["cancelled (#1)"]);
    assert_eq!(
        harness.trace(id).unwrap(),
        "a delivered 0, b cancelled 0, c cancelled 0"
    );
}

#[test]
fn a_message_that_is_settled_everywhere_needs_no_call() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], TEXT, "x").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    let (cancelled, effects) = harness.cancel(id);
    assert!(matches!(cancelled, Ok(Some(_))), "{cancelled:?}");
    assert_eq!(effects, [""; 0]);
}

/// A message to this many devices, all of which have it.
fn held_by(harness: &mut Harness, devices: usize) -> MessageId {
    let names: Vec<String> = (0..devices).map(|n| format!("d{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = harness.publish(&names, TEXT, "x").unwrap();
    for name in names {
        harness.returned(name, id, known(name, State::Held));
    }
    id
}

#[test]
fn a_message_that_is_being_cancelled_is_not_cancelled_twice() {
    let mut harness = Harness::new();
    let id = held_by(&mut harness, 3);
    let cancel = |harness: &mut Harness| harness.cancel(id);
    assert_eq!(cancel(&mut harness).1.len(), 3);
    let (cancelled, effects) = cancel(&mut harness);
    assert!(matches!(cancelled, Ok(None)), "{cancelled:?}");
    assert_eq!(effects, [""; 0], "it joins the first");
    for (name, last) in [("d0", false), ("d1", false), ("d2", true)] {
        let returned = harness.returned_for(name, CallPurpose::Cancel(id), None);
        let answers = if last {
            ["cancelled (#1)"; 2].as_slice()
        } else {
            &[]
        };
        assert_eq!(returned, answers, "{name}");
    }
}

#[test]
fn cancellations_count_against_the_rate_of_reads() {
    let mut harness = Harness::new();
    let mut ids: Vec<_> = (0..11).map(|_| held_by(&mut harness, 100)).collect();
    let last = ids.pop().unwrap();
    let cancel = |harness: &mut Harness, id| harness.cancel(id);
    for id in ids {
        assert_eq!(cancel(&mut harness, id).1.len(), 100);
        // Joining costs nothing.
        assert!(cancel(&mut harness, id).0.is_ok());
    }
    let (refused, effects) = cancel(&mut harness, last);
    assert_eq!(refused.unwrap_err(), "too_many_requests");
    assert_eq!(effects, [""; 0], "and nothing was taken back");
    harness.at(1_000);
    assert_eq!(cancel(&mut harness, last).1.len(), 100, "a second later");
}

#[test]
fn an_unknown_message_cannot_be_cancelled() {
    let id = message(1, TEXT).id;
    let cancelled = Harness::new().cancel(id).0;
    assert_eq!(cancelled.unwrap_err(), "unknown_message");
}

#[test]
fn a_cancelled_held_message_is_never_sent() {
    let mut harness = Harness::new();
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    assert_eq!(withdraw(&mut harness, message.id), ["cancelled 0"]);
    assert_eq!(harness.connect(1), ["1 <- welcome, 0 held"]);
}

#[test]
fn a_delivery_that_is_cancelled_because_others_answered_says_so() {
    let mut harness = Harness::new();
    let [held, early] = [1, 2].map(|n| message(n, TEXT));
    harness.deliver(&held, 0);
    for message in [held, early] {
        let (delivered, _) = harness.cancel_delivery_because(message.id, Withdrawal::Enough);
        assert_eq!(answer(&delivered), "cancelled 0 (enough)");
    }
}

#[test]
fn a_message_in_flight_that_is_cancelled_is_settled() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 1_000);
    assert_eq!(
        withdraw(&mut harness, message.id),
        [
            "cancelled 1",
            "1 <- withdrawn cancelled",
            "answers cancelled 1 (#1)"
        ]
    );
    assert_eq!(harness.ack(message.id), ["1 <- withdrawn cancelled"]);
}

#[test]
fn a_cancelled_message_frees_its_place_in_the_window() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    harness.connect(1);
    let (first, second) = (message(1, TEXT), message(2, TEXT));
    harness.deliver(&first, 0);
    assert_eq!(harness.deliver(&second, 0), ["held 0"]);
    assert!(withdraw(&mut harness, first.id).contains(&"1 <- body 2, attempt 1".to_owned()));
}

#[test]
fn an_acknowledged_message_stays_delivered() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.ack(message.id);
    assert_eq!(withdraw(&mut harness, message.id), ["delivered 1"]);
}

#[test]
fn a_message_cancelled_before_it_arrives_is_cancelled_on_arrival() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    assert_eq!(withdraw(&mut harness, message.id), ["cancelled 0"]);
    assert_eq!(harness.deliver(&message, 0), ["cancelled 0"]);
}

#[test]
fn a_cancellation_whose_answer_may_be_lost_is_reported_within_half_a_minute() {
    let mut harness = Harness::new();
    for comes in [false, true] {
        let message = message(1 + u64::from(comes), TEXT);
        if comes {
            harness.deliver(&message, 0);
        }
        assert_eq!(withdraw(&mut harness, message.id), ["cancelled 0"]);
        let alarm = harness.alarm.unwrap();
        assert!(alarm <= 60_000, "the alarm is at {alarm}");
        assert_eq!(harness.at(alarm).ring(), ["door: receipts cancelled 0"]);
        harness.reported("door", true);
        assert_eq!(harness.rows(), "account 1");
    }
}

#[test]
fn a_report_to_the_same_sender_includes_a_cancellation() {
    let mut harness = Harness::new();
    let [first, second] = [1, 2].map(|n| message(n, TEXT));
    harness.deliver(&first, 0);
    harness.deliver(&second, 0);
    withdraw(&mut harness, first.id);
    harness.connect(1);
    harness.ack(second.id);
    let effects = harness.tick();
    let reports = [effects, harness.reported("door", true)].concat();
    assert_eq!(harness.rows(), "account 1", "{reports:?}");
}

#[test]
fn the_answers_of_a_hundred_mailboxes_to_a_cancellation_are_recorded_together() {
    let mut harness = Harness::new();
    let names: Vec<String> = (0..120).map(|n| format!("d{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = harness.publish(&names, TEXT, "x").unwrap();
    harness.ring();
    while !harness.calls.is_empty() {
        for (to, _) in std::mem::take(&mut harness.calls) {
            harness.returned(to.as_str(), id, known(to.as_str(), State::Held));
        }
    }
    let writes = harness.writes();
    let mut calls = harness.cancel(id).1;
    let mut waves = Vec::new();
    while calls.iter().any(|call| call.ends_with(": withdraw")) {
        waves.push(calls.len());
        for call in std::mem::take(&mut calls) {
            let name = call.split(':').next().unwrap();
            let cancelled = DeliveryStatus::Known(delivery(name, State::Cancelled));
            calls.extend(harness.returned_for(name, CallPurpose::Cancel(id), Some(cancelled)));
        }
    }
    assert_eq!(calls, ["cancelled (#1)"]);
    assert_eq!(waves, [100, 20]);
    // The first wave is in both parts, the second in one; each goes into the message's row as well.
    assert_eq!(harness.writes() - writes, 5, "rows");
}

#[test]
fn a_message_cancelled_before_it_arrives_stays_cancelled_after_a_crash() {
    let mut harness = Harness::new();
    let message = message(1, TEXT);
    withdraw(&mut harness, message.id);
    harness.crash();
    harness.connect(1);
    assert_eq!(harness.deliver(&message, 0), ["cancelled 0"]);
    assert_eq!(harness.at(1_000).ring(), ["door: receipts cancelled 0"]);
    harness.reported("door", true);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_message_acknowledged_before_its_cancellation_stays_delivered_after_a_crash() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 1_000);
    harness.ack(message.id);
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(withdraw(&mut harness, message.id)[0], "delivered 1");
    harness.crash();
    assert_eq!(harness.deliver(&message, 0), ["delivered 1"]);
    assert_eq!(harness.at(1_000).ring(), ["door: receipts delivered 1"]);
}

#[test]
fn a_message_cancelled_before_it_arrives_lets_none_pass_those_before_it() {
    let mut harness = Harness::new();
    let [_, cancelled, third] = [1, 2, 3].map(|n| message(n, TEXT));
    withdraw(&mut harness, cancelled.id);
    let words = harness.deliver_on(&third, 0, Some(cancelled.id), i64::MAX);
    assert_eq!(words, ["again at 100"]);
}

#[test]
fn a_cancellation_ends_at_once_when_its_sender_is_removed() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], TEXT, "x").unwrap();
    harness.returned("a", id, known("a", State::Held));
    let (_, effects) = harness.cancel(id);
    assert_eq!(effects, ["a: withdraw"]);
    let removed = harness.remove();
    assert_eq!(removed, ["cancel: unknown_message (#1)"]);
    let returned = harness.returned_for("a", CallPurpose::Cancel(id), None);
    assert_eq!(returned, [""; 0], "it was answered already");
}
