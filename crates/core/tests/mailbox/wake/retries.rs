//! What a push service answers, and what follows.

use tagpost_core::wake::KnockAnswer;

use super::super::harness::{Harness, message};
use super::knocks;

const NONE: [&str; 0] = [];

#[test]
fn a_subscription_that_has_ended_is_removed_and_the_others_stay() {
    let (mut harness, ids) = Harness::knockable(&["a", "b"]);
    harness.comes(0, 1, &[]);
    harness.knocked(ids[0], 1, KnockAnswer::Gone);
    let left: Vec<_> = harness
        .subscriptions()
        .into_iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(left, [ids[1]]);
    assert_eq!(
        harness.at(30_000).ring(),
        ["knock 1 at b, ttl 86370, Normal"]
    );
    harness.knocked(ids[1], 1, KnockAnswer::Gone);
    assert_eq!(harness.subscriptions(), []);
    assert_eq!(harness.comes(90_000, 2, &[]), NONE);
}

#[test]
fn a_knock_that_is_not_taken_is_repeated_five_times_with_growing_pauses() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    assert_eq!(harness.comes(0, 1, &[]).len(), 1);
    let mut at = 0;
    for pause in [10_000, 30_000, 90_000, 270_000, 810_000] {
        harness.knocked(ids[0], 1, KnockAnswer::Later(None));
        harness.crash();
        at += pause;
        assert_eq!(harness.at(at - 1).ring(), NONE, "before {pause}");
        assert_eq!(harness.at(at).ring().len(), 1, "after {pause}");
    }
    harness.knocked(ids[0], 1, KnockAnswer::Later(None));
    assert_eq!(
        harness.alarm,
        Some(at + 30_000),
        "set when the last was sent"
    );
    harness.at(at + 30_000).ring();
    assert_eq!(harness.alarm, Some(86_400_000), "only the message expires");
    assert_eq!(
        harness.comes(at + 40_000, 2, &[]),
        NONE,
        "it is left alone for as long again"
    );
    harness.crash();
    at += 810_000;
    assert_eq!(harness.at(at - 1).ring(), NONE);
    assert_eq!(harness.at(at).ring().len(), 1, "another message knocks");
    harness.knocked(ids[0], 2, KnockAnswer::Later(None));
    assert_eq!(harness.at(at + 10_000).ring().len(), 1, "as often again");
}

#[test]
fn pauses_grow_from_knock_to_knock_until_one_is_taken() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    let mut at = 0;
    assert_eq!(harness.comes(0, 1, &[]).len(), 1);
    for (n, pause) in [(1, 10_000), (2, 30_000), (3, 90_000)] {
        harness.knocked(ids[0], n, KnockAnswer::Later(None));
        harness.at(at + 1_000).poll(10);
        harness.ack(message(n as u64, &[]).id);
        harness.crash();
        assert_eq!(harness.comes(at + 2_000, n as u64 + 1, &[]), NONE, "{n}");
        at += pause;
        assert_eq!(knocks(harness.at(at - 1).ring()), NONE, "before {pause}");
        assert_eq!(knocks(harness.at(at).ring()).len(), 1, "after {pause}");
    }
    harness.knocked(ids[0], 4, KnockAnswer::Accepted);
    harness.at(at + 1_000).poll(10);
    harness.ack(message(4, &[]).id);
    at += 2_000;
    assert_eq!(harness.comes(at, 5, &[]).len(), 1);
    harness.knocked(ids[0], 5, KnockAnswer::Later(None));
    assert_eq!(knocks(harness.at(at + 10_000).ring()).len(), 1);
}

#[test]
fn a_clock_that_is_set_back_does_not_leave_a_push_service_alone_for_more_than_an_hour() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    let day = 86_400_000;
    assert_eq!(harness.comes(day, 1, &[("TTL", "172800")]).len(), 1);
    harness.knocked(ids[0], 1, KnockAnswer::Later(Some(60)));
    assert_eq!(harness.comes(1_000, 2, &[]), NONE);
    assert_eq!(knocks(harness.at(3_600_999).ring()), NONE);
    assert_eq!(knocks(harness.at(3_601_000).ring()).len(), 1);
}

#[test]
fn retry_after_is_kept_to_even_by_the_next_knock_and_for_an_hour_at_most() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    harness.knocked(ids[0], 1, KnockAnswer::Later(Some(120)));
    assert_eq!(harness.at(30_000).ring(), NONE);
    harness.poll(10);
    harness.ack(message(1, &[]).id);
    harness.reported("door", true);
    harness.crash();
    assert_eq!(
        harness.comes(40_000, 2, &[]),
        NONE,
        "it has asked for a pause"
    );
    assert_eq!(harness.at(119_999).ring(), NONE);
    assert_eq!(
        harness.at(120_000).ring(),
        ["knock 2 at a, ttl 86280, Normal"]
    );
    harness.knocked(ids[0], 2, KnockAnswer::Later(Some(100_000)));
    assert_eq!(harness.at(120_000 + 3_599_999).ring(), NONE);
    assert_eq!(harness.at(120_000 + 3_600_000).ring().len(), 1);
}

#[test]
fn a_knock_without_an_answer_is_repeated_after_a_crash() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    for n in 1..=5 {
        harness.crash();
        assert_eq!(harness.at(n * 30_000).ring().len(), 1, "{n}");
    }
    harness.crash();
    assert_eq!(
        harness.at(180_000).ring(),
        NONE,
        "a mailbox that keeps failing gives up"
    );
    harness.knocked(ids[0], 1, KnockAnswer::Accepted);
    assert_eq!(
        harness.subscriptions()[0].knocked_at,
        Some(super::super::harness::START + 180_000)
    );
}

#[test]
fn a_knock_that_was_taken_is_not_repeated() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    harness.at(200).knocked(ids[0], 1, KnockAnswer::Accepted);
    harness.crash();
    assert_eq!(harness.at(30_000).ring(), NONE);
}

#[test]
fn a_knock_that_is_refused_is_not_repeated_and_the_subscription_stays() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    harness.knocked(ids[0], 1, KnockAnswer::Refused);
    assert_eq!(harness.at(30_000).ring(), NONE);
    assert_eq!(harness.subscriptions().len(), 1);
}

#[test]
fn a_device_that_came_meanwhile_is_not_knocked_again() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    harness.knocked(ids[0], 1, KnockAnswer::Later(None));
    harness.at(1_000).connect(1);
    harness.ack(message(1, &[]).id);
    harness.reported("door", true);
    harness.at(2_000).closed(1);
    harness.comes(3_000, 2, &[("Urgency", "low")]);
    harness.crash();
    assert_eq!(harness.at(10_000).ring(), NONE);
}

#[test]
fn a_late_answer_to_an_earlier_knock_says_nothing_of_the_last() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    harness.at(1_000).poll(10);
    assert_eq!(harness.comes(2_000, 2, &[]).len(), 1);
    harness.at(3_000).knocked(ids[0], 1, KnockAnswer::Accepted);
    assert_eq!(
        harness.at(32_000).ring().len(),
        1,
        "the second has no answer"
    );
}

#[test]
fn a_knock_that_has_expired_takes_none_with_it_that_has_to_wait() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[("TTL", "5")]);
    harness
        .at(5_001)
        .knocked(ids[0], 1, KnockAnswer::Later(None));
    let urgent = [("TTL", "600"), ("Urgency", "high")];
    assert_eq!(harness.comes(10_000, 2, &urgent), [""; 0]);
    assert_eq!(knocks(harness.at(15_001).ring()), [""; 0]);
    assert_eq!(
        knocks(harness.at(30_000).ring()),
        ["knock 2 at a, ttl 570, High"]
    );
}

#[test]
fn a_message_is_knocked_for_if_the_last_knock_expired_before_it_was_taken() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[("TTL", "5")]);
    harness
        .at(1_000)
        .knocked(ids[0], 1, KnockAnswer::Later(None));
    assert_eq!(knocks(harness.at(11_000).ring()), [""; 0], "expired");
    assert_eq!(harness.comes(16_000, 2, &[("TTL", "34")]), [""; 0]);
    assert_eq!(
        knocks(harness.at(30_000).ring()),
        ["knock 2 at a, ttl 4, Normal"]
    );
}

#[test]
fn a_message_that_waits_behind_an_expired_knock_is_knocked_for_at_once() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[("TTL", "5")]);
    harness
        .at(1_000)
        .knocked(ids[0], 1, KnockAnswer::Later(Some(40)));
    assert_eq!(harness.comes(31_000, 2, &[("TTL", "36")]), [""; 0]);
    assert_eq!(harness.comes(33_000, 3, &[("TTL", "600")]), [""; 0]);
    assert_eq!(
        knocks(harness.at(41_000).ring()),
        ["knock 3 at a, ttl 559, Normal"]
    );
}

#[test]
fn a_message_that_an_expired_knock_was_good_enough_for_is_knocked_for() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[("TTL", "5")]);
    harness
        .at(1_000)
        .knocked(ids[0], 1, KnockAnswer::Later(None));
    assert_eq!(harness.comes(3_000, 2, &[("TTL", "33")]), [""; 0]);
    assert_eq!(knocks(harness.at(11_000).ring()), [""; 0]);
    assert_eq!(
        knocks(harness.at(30_000).ring()),
        ["knock 2 at a, ttl 3, Normal"]
    );
}

#[test]
fn nothing_is_repeated_once_no_message_waits() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    let first = message(1, &[]);
    harness.deliver(&first, 0);
    harness.knocked(ids[0], 1, KnockAnswer::Later(None));
    harness.at(1_000).cancel_delivery(first.id);
    assert_eq!(knocks(harness.at(10_000).ring()), NONE, "cancelled");
    assert_eq!(harness.comes(60_000, 2, &[("TTL", "65")]).len(), 1);
    harness.knocked(ids[0], 2, KnockAnswer::Later(None));
    assert_eq!(knocks(harness.at(90_000).ring()), NONE, "expired");
}

#[test]
fn an_answer_about_a_subscription_that_is_gone_changes_nothing() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    harness.comes(0, 1, &[]);
    harness
        .ask(tagpost_core::call::Call::Unsubscribe { id: Some(ids[0]) })
        .0
        .unwrap();
    let writes = harness.writes();
    for answer in [
        KnockAnswer::Accepted,
        KnockAnswer::Later(Some(5)),
        KnockAnswer::Gone,
        KnockAnswer::Refused,
    ] {
        assert_eq!(harness.knocked(ids[0], 1, answer), NONE);
    }
    assert_eq!(harness.writes(), writes);
}
