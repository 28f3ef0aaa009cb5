//! When a device is knocked, and when it is not.

use tagpost_core::call::Call;
use tagpost_core::mailbox::Reply;
use tagpost_core::token::Claims;
use tagpost_core::wake::{KnockAnswer, Knocks};

use super::super::harness::{Harness, START, claims, message};
use super::{knocks, subscription};

/// No knock.
const NONE: [&str; 0] = [];

#[test]
fn a_message_for_a_device_that_is_not_here_knocks_at_each_push_service() {
    let (mut harness, _) = Harness::knockable(&["a", "b"]);
    assert_eq!(
        harness.comes(500, 1, &[("TTL", "60"), ("Urgency", "high")]),
        ["knock 1 at a, ttl 60, High", "knock 1 at b, ttl 60, High"]
    );
}

#[test]
fn a_device_that_is_connected_or_polls_is_not_knocked() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    harness.limits.max_in_flight = 1;
    harness.sleep();
    harness.connect(1);
    assert_eq!(harness.comes(1, 1, &[]), NONE);
    assert_eq!(
        harness.comes(2, 2, &[]),
        NONE,
        "it is stored behind the other"
    );

    let (mut harness, _) = Harness::knockable(&["a"]);
    let poll = Call::Inbox { limit: 5, wait: 60 };
    harness.ask_as(None, poll, None, None);
    assert_eq!(harness.comes(1, 1, &[]), NONE);
}

#[test]
fn a_device_whose_poll_has_outlived_its_token_is_knocked() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    let expiring = Claims {
        expires_at: Some(START / 1000 + 10),
        ..claims("cam")
    };
    let poll = Call::Inbox { limit: 5, wait: 60 };
    harness.ask_as(Some(expiring), poll, None, None);
    assert_eq!(
        harness.comes(10_000, 1, &[]),
        ["knock 1 at a, ttl 86390, Normal"]
    );
}

#[test]
fn a_user_agent_is_not_the_device() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    harness.hello(1, None);
    assert_eq!(
        harness.comes(1, 1, &[]),
        ["knock 1 at a, ttl 86400, Normal"]
    );
}

#[test]
fn only_one_knock_comes_in_thirty_seconds_while_nothing_is_fetched() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    assert_eq!(harness.comes(0, 1, &[]).len(), 1);
    harness.knocked(ids[0], 1, KnockAnswer::Accepted);
    assert_eq!(harness.comes(1, 2, &[]), NONE);
    harness.crash();
    assert_eq!(harness.comes(29_999, 3, &[]), NONE);
    assert_eq!(harness.comes(30_000, 4, &[]).len(), 1);
}

#[test]
fn a_subscription_that_is_added_while_a_knock_has_brought_nobody_is_knocked_too() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    let add = |harness: &mut Harness, at, name| {
        let (stored, words) = harness
            .at(at)
            .ask(Call::Subscribe(subscription(name, None)));
        stored.unwrap();
        words
    };
    harness.comes(0, 1, &[]);
    assert_eq!(
        add(&mut harness, 1_000, "b"),
        ["knock 1 at b, ttl 86399, Normal"]
    );
    assert_eq!(add(&mut harness, 1_000, "b"), NONE, "it is not new");
    assert_eq!(harness.comes(2_000, 2, &[]), NONE);
    harness.at(3_000).poll(10);
    assert_eq!(add(&mut harness, 4_000, "c"), NONE, "the device is here");
}

#[test]
fn a_subscription_that_was_added_late_is_not_knocked_twice_within_thirty_seconds() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    harness.knocked(ids[0], 1, KnockAnswer::Accepted);
    let (added, knocks) = harness
        .at(60_000)
        .ask(Call::Subscribe(subscription("b", None)));
    let Reply::Subscribed(late) = added.unwrap() else {
        panic!("not subscribed");
    };
    assert_eq!(knocks, ["knock 1 at b, ttl 86340, Normal"]);
    harness.knocked(late.subscription.id, 1, KnockAnswer::Accepted);
    let knocks = harness.comes(61_000, 2, &[]);
    assert_eq!(knocks, ["knock 2 at a, ttl 86339, Normal"]);
    harness.knocked(ids[0], 2, KnockAnswer::Accepted);
    assert_eq!(harness.at(89_999).ring(), NONE);
    assert_eq!(
        harness.at(90_000).ring(),
        ["knock 2 at b, ttl 86310, Normal"]
    );
}

#[test]
fn after_a_fetch_the_next_message_knocks_at_once() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    harness.knocked(ids[0], 1, KnockAnswer::Accepted);
    harness.at(100).poll(10);
    harness.crash();
    assert_eq!(
        harness.comes(200, 2, &[]),
        ["knock 2 at a, ttl 86400, Normal"]
    );
    harness.at(300).connect(1);
    (1..=2).for_each(|n| drop(harness.ack(message(n, &[]).id)));
    harness.at(400).closed(1);
    assert_eq!(
        harness.comes(500, 3, &[]),
        ["knock 3 at a, ttl 86400, Normal"]
    );
}

#[test]
fn what_was_in_flight_when_the_connection_ended_knocks() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    harness.connect(1);
    assert_eq!(harness.comes(1, 1, &[]), NONE);
    assert_eq!(harness.at(2).closed(1), ["knock 1 at a, ttl 86400, Normal"]);
}

#[test]
fn what_waited_behind_a_full_window_knocks_when_the_connection_ends() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    harness.limits.max_in_flight = 1;
    harness.sleep();
    harness.connect(1);
    assert_eq!(harness.comes(1, 1, &[("Urgency", "low")]), NONE);
    assert_eq!(harness.comes(2, 2, &[("Urgency", "low")]), NONE);
    assert_eq!(
        harness.comes(3, 3, &[("Urgency", "high"), ("TTL", "60")]),
        NONE
    );
    assert_eq!(harness.at(4).closed(1), ["knock 1 at a, ttl 60, High"]);
}

#[test]
fn what_was_in_flight_over_a_connection_that_failed_with_the_mailbox_knocks_by_the_alarm() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    harness.connect(1);
    assert_eq!(harness.comes(1, 1, &[]), NONE);
    harness.crash();
    assert_eq!(harness.at(60_000).wake(), NONE);
    assert_eq!(harness.ring(), ["knock 1 at a, ttl 86340, Normal"]);
    assert_eq!(
        harness.at(100_000).ring(),
        ["knock 1 at a, ttl 86300, Normal"]
    );
}

#[test]
fn a_connection_that_is_taken_over_knocks_for_nothing() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    harness.connect(1);
    harness.comes(1, 1, &[]);
    let words = harness.at(2).connect(2);
    assert!(
        !words.iter().any(|word| word.starts_with("knock")),
        "{words:?}"
    );
}

#[test]
fn a_message_that_was_fetched_and_not_acknowledged_knocks_again() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    harness.knocked(ids[0], 1, KnockAnswer::Accepted);
    harness.at(1_000).poll(10);
    assert_eq!(
        harness.at(31_000).ring(),
        ["knock 2 at a, ttl 86369, Normal"]
    );
}

#[test]
fn a_message_whose_progress_has_run_out_knocks_again() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    let first = message(1, &[]);
    harness.deliver(&first, 0);
    harness.at(1_000).poll(10);
    harness.progress(first.id, 60, "shown");
    assert_eq!(harness.at(31_000).ring(), NONE);
    assert_eq!(
        harness.at(61_000).ring(),
        ["knock 2 at a, ttl 86339, Normal"]
    );
}

#[test]
fn urgencies_below_normal_do_not_knock_unless_all_do() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    for (n, urgency) in [(1, "very-low"), (2, "low")] {
        assert_eq!(harness.comes(n, n as u64, &[("Urgency", urgency)]), NONE);
    }
    harness.knocks = Knocks::All;
    harness.sleep();
    assert_eq!(
        harness.comes(3, 3, &[("Urgency", "very-low")]),
        ["knock 1 at a, ttl 86400, VeryLow"]
    );
    harness.knocks = Knocks::Off;
    harness.sleep();
    assert_eq!(harness.comes(60_000, 4, &[("Urgency", "high")]), NONE);
}

#[test]
fn a_message_that_the_last_knock_is_too_weak_for_knocks_when_its_time_is_over() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[("TTL", "3600")]);
    harness.knocked(ids[0], 1, KnockAnswer::Accepted);
    assert_eq!(
        harness.comes(10_000, 2, &[("TTL", "3600"), ("Urgency", "high")]),
        NONE
    );
    assert_eq!(harness.comes(11_000, 3, &[("TTL", "7200")]), NONE);
    assert_eq!(harness.alarm, Some(30_000));
    harness.crash();
    assert_eq!(harness.at(30_000).ring(), ["knock 2 at a, ttl 7170, High"]);
    harness.knocked(ids[0], 2, KnockAnswer::Accepted);
    harness.at(60_000);
    assert_eq!(harness.ring(), NONE, "it is knocked once");
}

#[test]
fn a_fetch_cancels_the_knock_that_had_to_wait() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[("TTL", "3600")]);
    harness.knocked(ids[0], 1, KnockAnswer::Accepted);
    harness.comes(10_000, 2, &[("Urgency", "high")]);
    harness.at(11_000).poll(10);
    assert_eq!(harness.at(30_000).ring(), NONE);
}

/// A push service keeps only the last of them.
#[test]
fn a_knock_is_as_strong_as_those_that_it_replaces() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[("TTL", "7200"), ("Urgency", "high")]);
    harness.knocked(ids[0], 1, KnockAnswer::Accepted);
    assert_eq!(
        harness.comes(60_000, 2, &[("TTL", "120")]),
        ["knock 2 at a, ttl 7140, High"]
    );
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_a_device_quiet() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(3_600_000, 1, &[("TTL", "86400")]);
    harness.knocked(ids[0], 1, KnockAnswer::Accepted);
    assert_eq!(harness.comes(1_000, 2, &[]).len(), 1);
}

#[test]
fn a_message_with_ttl_0_knocks_for_nothing() {
    let (mut harness, _) = Harness::knockable(&["a"]);
    assert_eq!(harness.comes(1, 1, &[("TTL", "0")]), NONE);
}

#[test]
fn what_was_in_flight_in_a_crash_knocks_as_urgently_as_it_should() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.connect(1);
    harness.deliver(&message(1, &[("Urgency", "high")]), 0);
    harness.crash();
    assert_eq!(
        harness.comes(1_000, 2, &[("TTL", "600")]),
        ["knock 1 at a, ttl 599, Normal"]
    );
    assert_eq!(knocks(harness.at(15_000).ring()), [""; 0], "in 30 s");
    assert_eq!(
        knocks(harness.at(31_000).ring()),
        ["knock 2 at a, ttl 86369, High"]
    );
    harness.knocked(ids[0], 2, KnockAnswer::Accepted);
    assert_eq!(knocks(harness.at(61_000).ring()), [""; 0], "once");
}
