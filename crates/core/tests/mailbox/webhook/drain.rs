//! A pile drains in bounded batches.

use super::super::harness::{Harness, message};
use super::{TEXT, posts, status};

/// Answers everything that is under way, until nothing more follows. Returns how many requests there were.
fn answer_all(harness: &mut Harness) -> usize {
    let mut count = 0;
    while !harness.posts.is_empty() {
        let post = harness.posts.remove(0);
        harness.answer_post(post, Ok(status(200)));
        count += 1;
    }
    count
}

#[test]
fn no_event_of_the_platform_leads_to_more_than_forty_requests() {
    for max_in_flight in [1, 16] {
        let mut harness = Harness::new();
        (1..=100).for_each(|n| drop(harness.deliver(&message(n, TEXT), 0)));
        harness.set_webhook(max_in_flight).unwrap();
        assert_eq!(harness.posts.len(), max_in_flight as usize);
        assert_eq!(answer_all(&mut harness), 40);
        assert_eq!(harness.alarm, Some(0), "the alarm goes on");
        harness.ring();
        assert_eq!(answer_all(&mut harness), 40);
        harness.ring();
        assert_eq!(answer_all(&mut harness), 20);
    }
}

#[test]
fn other_events_meanwhile_have_requests_of_their_own() {
    let mut harness = Harness::webhook(1);
    for n in 1..=100 {
        let message = message(n, TEXT);
        let words = harness.deliver(&message, 1_000);
        assert_eq!(posts(&words).len(), 1, "message {n}");
        harness.answers(message.id, status(200));
    }
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_pile_drains_in_order() {
    let mut harness = Harness::new();
    (1..=10).for_each(|n| drop(harness.deliver(&message(n, TEXT), 0)));
    harness.set_webhook(1).unwrap();
    for n in 1..=10 {
        let post = harness.posts.remove(0);
        assert_eq!(post.2.body, format!("body {n}").into_bytes());
        harness.answer_post(post, Ok(status(200)));
    }
    assert_eq!(harness.posts.len(), 0);
}
