//! Calls that wait: for what, until when, and with a token that may end before.

use tagpost_core::call::{Call, DeliveryStatus};
use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{Awaited, CallId, CallPurpose, Input, Reply};
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::token::Claims;
use tagpost_core::trace;

use super::harness::{Harness, START, claims, delivery, known, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// A call that is not answered yet.
fn wait(harness: &mut Harness, caller: Option<Claims>, call: Call) -> (CallId, Vec<String>) {
    let (id, (reply, words)) = harness.ask_as(caller, call, None, None);
    assert!(reply.is_none(), "{reply:?}");
    (id, words)
}

fn trace_of(id: MessageId, seconds: u32) -> Call {
    Call::Trace {
        id,
        wait: seconds,
        after: None,
        limit: trace::MAX_PAGE_DELIVERIES,
    }
}

fn poll(seconds: u32) -> Call {
    Call::Inbox {
        limit: 10,
        wait: seconds,
    }
}

/// A token of `cam` that expires after this number of seconds.
fn expiring(seconds: i64) -> Option<Claims> {
    Some(Claims {
        expires_at: Some(START / 1000 + seconds),
        ..claims("cam")
    })
}

/// A message to `a`, which has it.
fn held(harness: &mut Harness) -> MessageId {
    let (id, _) = harness.publish(&["a"], TEXT, "x").unwrap();
    harness.returned("a", id, known("a", State::Held));
    id
}

#[test]
fn a_trace_waits_until_its_message_is_settled() {
    let mut harness = Harness::new();
    let id = held(&mut harness);
    let (call, _) = wait(&mut harness, None, trace_of(id, 20));
    let until = Some(20_000);
    let waits = Some((Awaited::Settled(id), until));
    assert_eq!(harness.waits_for(call), waits);
    let told = harness.report(id, delivery("a", State::Delivered)).unwrap();
    assert_eq!(told, ["trace a delivered 0"]);
    assert_eq!(harness.waits_for(call), None);
}

#[test]
fn a_trace_that_has_waited_asks_the_mailboxes_that_know_more() {
    let mut harness = Harness::new();
    let id = held(&mut harness);
    let (call, words) = wait(&mut harness, Some(claims("cam")), trace_of(id, 20));
    assert_eq!(words, [""; 0], "nobody is asked before");
    assert_eq!(harness.at(20_000).tick(), ["a: look"]);
    assert_eq!(harness.waits_for(call), Some((Awaited::Lookups, None)));
    let purpose = CallPurpose::GetDelivery(call);
    assert_eq!(
        harness.returned_for("a", purpose, known("a", State::Sent)),
        ["trace a sent 0"]
    );
    let recorded = harness.trace(id).unwrap();
    assert_eq!(recorded, "a held 0", "what is said is not recorded");
}

#[test]
fn a_terminal_state_reported_while_a_mailbox_is_asked_stays() {
    let mut harness = Harness::new();
    let id = held(&mut harness);
    let (call, words) = wait(&mut harness, None, trace_of(id, 0));
    assert_eq!(words, ["a: look"]);
    harness.report(id, delivery("a", State::Delivered)).unwrap();
    let purpose = CallPurpose::GetDelivery(call);
    let gone = Some(DeliveryStatus::UnknownMessage);
    assert_eq!(
        harness.returned_for("a", purpose, gone),
        ["trace a delivered 0"]
    );
}

#[test]
fn a_trace_without_an_answer_of_a_mailbox_is_what_is_recorded() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], TEXT, "x").unwrap();
    for name in ["a", "b"] {
        harness.returned(name, id, known(name, State::Held));
    }
    let (call, words) = wait(&mut harness, None, trace_of(id, 0));
    assert_eq!(words, ["a: look", "b: look"]);
    let purpose = CallPurpose::GetDelivery(call);
    assert_eq!(harness.returned_for("b", purpose, None), [""; 0]);
    assert_eq!(
        harness.returned_for("a", purpose, known("a", State::Sent)),
        ["trace a sent 0, b held 0"]
    );
}

#[test]
fn a_poll_waits_for_a_message_and_takes_it() {
    let mut harness = Harness::new();
    let (call, _) = wait(&mut harness, Some(claims("cam")), poll(60));
    let waits = Some((Awaited::Pollable, Some(60_000)));
    assert_eq!(harness.waits_for(call), waits);
    assert_eq!(
        harness.at(5).deliver(&message(1, TEXT), 0),
        ["held 0", "polled 1"]
    );
    assert_eq!(harness.status().in_flight, 1);
}

#[test]
fn of_two_polls_that_wait_for_a_message_the_second_goes_on_waiting() {
    let mut harness = Harness::new();
    wait(&mut harness, None, poll(60));
    wait(&mut harness, None, poll(20));
    assert_eq!(
        harness.deliver(&message(1, TEXT), 0),
        ["held 0", "polled 1"]
    );
    assert_eq!(harness.at(19_999).tick(), [""; 0]);
    assert_eq!(harness.at(20_000).tick(), ["polled 0"]);
}

#[test]
fn a_poll_takes_a_message_whose_lease_has_run_out() {
    let mut harness = Harness::with(|limits| limits.ack_timeout = 1);
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(harness.poll(1).len(), 1);
    wait(&mut harness, None, poll(60));
    assert_eq!(harness.at(1_000).ring(), ["polled 1"]);
}

#[test]
fn a_cancellation_that_takes_long_is_answered_as_it_is() {
    let mut harness = Harness::new();
    let id = held(&mut harness);
    assert_eq!(harness.cancel(id).1, ["a: withdraw"]);
    assert_eq!(harness.at(5_000).tick(), ["cancelled (#1)"]);
    let purpose = CallPurpose::Cancel(id);
    let late = known("a", State::Cancelled);
    assert_eq!(harness.returned_for("a", purpose, late), [""; 0]);
    assert_eq!(harness.trace(id).unwrap(), "a cancelled 0");
}

#[test]
fn a_waiting_caller_is_told_that_its_token_was_revoked_and_nothing_else() {
    let mut harness = Harness::new();
    let id = held(&mut harness);
    let caller = || Some(claims("cam"));
    wait(&mut harness, caller(), poll(60));
    wait(&mut harness, caller(), trace_of(id, 60));
    wait(&mut harness, None, trace_of(id, 50));
    assert_eq!(
        harness.revoke().unwrap(),
        ["inbox: unauthorized", "trace: unauthorized"],
        "the operator goes on waiting"
    );
    assert_eq!(harness.deliver(&message(1, TEXT), 0), ["held 0"]);
    assert_eq!(harness.at(50_000).tick(), ["a: look"]);
}

#[test]
fn a_waiting_caller_is_told_when_its_token_expires() {
    let mut harness = Harness::new();
    wait(&mut harness, expiring(10), poll(60));
    wait(&mut harness, expiring(20), poll(60));
    assert_eq!(harness.at(9_999).tick(), [""; 0]);
    assert_eq!(
        harness.at(10_000).tick(),
        ["tick 20000", "inbox: unauthorized"]
    );
    assert_eq!(harness.at(20_000).tick(), ["inbox: unauthorized"]);
}

#[test]
fn an_expired_token_takes_nothing_even_if_its_timer_is_late() {
    let mut harness = Harness::new();
    wait(&mut harness, expiring(10), poll(60));
    assert_eq!(
        harness.at(10_500).deliver(&message(1, TEXT), 0),
        ["held 0", "inbox: unauthorized"]
    );
    assert_eq!(harness.status().held, 1);
}

#[test]
fn a_publish_whose_token_is_revoked_stays_accepted() {
    let mut harness = Harness::new();
    let published = harness.publish_as(Some(claims("cam")), &["a"], TEXT, "x");
    let (id, _) = published.unwrap();
    assert_eq!(
        harness.revoke().unwrap(),
        ["not published: unauthorized (#1)"]
    );
    harness.returned("a", id, known("a", State::Delivered));
    assert_eq!(harness.trace(id).unwrap(), "a delivered 0");
}

/// A mailbox that nobody has asked anything.
fn unknown() -> Harness {
    let mut harness = Harness::new();
    harness.remove();
    harness
}

/// A token of `cam` that was minted after that.
fn fresh() -> Claims {
    Claims {
        revocations: Some(1),
        webhook: false,
        ..claims("cam")
    }
}

#[test]
fn a_device_that_is_not_known_is_entered_once_for_all_its_calls() {
    let mut harness = unknown();
    let (_, asked) = wait(&mut harness, Some(fresh()), poll(0));
    assert_eq!(asked, ["register cam"]);
    let (_, asked) = wait(&mut harness, Some(fresh()), Call::Status);
    assert_eq!(asked, [""; 0]);
    let told = harness.handle(Input::Registered { entered: true });
    assert_eq!(told[0], "polled 0");
    assert!(told[1].contains("known: true"), "{told:?}");
    let (_, (reply, _)) = harness.ask_as(Some(fresh()), Call::Status, None, None);
    assert!(reply.is_some(), "it is known from then on");
}

#[test]
fn a_device_that_cannot_be_entered_is_told_so_and_accepts_nothing() {
    let mut harness = unknown();
    wait(&mut harness, Some(fresh()), poll(0));
    let told = harness.handle(Input::Registered { entered: false });
    assert_eq!(told, ["inbox: unavailable"]);
    assert_eq!(harness.rows(), "account 1");
    assert!(!harness.status().known);
}

#[test]
fn a_token_revoked_while_its_device_is_entered_creates_nothing() {
    let mut harness = unknown();
    wait(&mut harness, Some(fresh()), poll(0));
    harness.register();
    harness.remove();
    let told = harness.handle(Input::Registered { entered: true });
    assert_eq!(
        told, [""; 0],
        "it was answered when the device was registered"
    );
    assert!(!harness.status().known);
}

#[test]
fn a_connection_that_waits_for_its_device_to_be_entered_does_not_take_over_a_later_one() {
    let mut harness = unknown();
    harness.try_open(1, &TagpostV1, fresh(), None);
    harness.register();
    let (_, words) = harness.try_open(2, &TagpostV1, fresh(), None);
    assert!(
        words.contains(&"1 closes with 4409".to_owned()),
        "{words:?}"
    );
    let told = harness.handle(Input::Registered { entered: true });
    assert_eq!(told, [""; 0]);
    assert_eq!(harness.closed(1), [""; 0], "it is not the live one");
}

#[test]
fn a_connection_of_a_device_that_is_not_known_opens_when_it_is_entered() {
    let mut harness = unknown();
    let (reply, words) = harness.try_open(1, &TagpostV1, fresh(), None);
    assert!(reply.is_none(), "{reply:?}");
    assert_eq!(words, ["register cam"]);
    assert_eq!(
        harness.handle(Input::Registered { entered: true }),
        ["1 <- welcome, 0 held", "open: Opened"]
    );
}

#[test]
fn a_call_that_is_not_understood_changes_nothing() {
    let mut harness = Harness::new();
    let call = Call::Deliver {
        wait: 0,
        after: None,
        until: i64::MAX,
    };
    let enclosed = Some(r#"{"from":"a later version"}"#.to_owned());
    let (_, (reply, words)) = harness.ask_as(None, call, enclosed, None);
    assert!(matches!(reply, Some(Reply::NotUnderstood(_))), "{reply:?}");
    assert_eq!(words, [""; 0]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_mailbox_that_waits_for_nothing_wants_no_timer() {
    let mut harness = Harness::new();
    harness.connect(1);
    for n in 1..=3 {
        harness.deliver(&message(n, TEXT), 10_000);
        harness.ack(message(n, TEXT).id);
        assert_eq!(harness.timeout(), None, "so that it may sleep");
    }
    let reply: Delivery = delivery("a", State::Delivered);
    let (id, _) = harness.publish(&["a"], TEXT, "x").unwrap();
    harness.returned("a", id, Some(DeliveryStatus::Known(reply)));
    assert_eq!(harness.timeout(), None);
}
