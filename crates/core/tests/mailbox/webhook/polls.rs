//! A device that polls beside its address.

use super::super::harness::{Harness, message, message_from};
use super::{TEXT, posts, status};

#[test]
fn those_behind_a_message_that_a_poll_has_taken_are_posted_after_its_lease() {
    let mut harness = Harness::webhook(1);
    let first = message(1, TEXT);
    harness.deliver(&first, 0);
    harness.deliver(&message(2, TEXT), 0);
    harness.answers(first.id, status(500));
    assert_eq!(harness.at(1_000).poll(1)[0].1, 2);
    assert_eq!(harness.posts.len(), 0);
    assert_eq!(posts(&harness.at(5_000).ring()), [""; 0]);
    assert_eq!(
        posts(&harness.at(31_000).ring()),
        ["post body 1, attempt 3"]
    );
    let words = harness.answers(first.id, status(200));
    assert_eq!(posts(&words), ["post body 2, attempt 1"]);
}

#[test]
fn those_behind_it_are_posted_when_it_is_acknowledged() {
    let mut harness = Harness::webhook(1);
    let first = message(1, TEXT);
    harness.deliver(&first, 0);
    harness.deliver(&message(2, TEXT), 0);
    harness.answers(first.id, status(500));
    harness.poll(1);
    let words = harness.ack(first.id);
    assert_eq!(posts(&words), ["post body 2, attempt 1"]);
}

#[test]
fn a_message_that_was_never_posted_keeps_its_place_at_a_poll() {
    let mut harness = Harness::webhook(1);
    let other = message_from("gate", 1, TEXT);
    harness.deliver(&other, 0);
    for n in 2..=3 {
        harness.deliver(&message(n, TEXT), 0);
    }
    assert_eq!(harness.poll(1)[0].1, 1);
    assert_eq!(posts(&harness.answers(other.id, status(200))), [""; 0]);
    assert_eq!(
        posts(&harness.at(30_000).ring()),
        ["post body 2, attempt 2"]
    );
}

#[test]
fn if_a_poll_takes_the_only_message_that_a_cut_off_address_is_tried_with_the_next_is_tried() {
    let mut harness = Harness::webhook(16);
    for n in 1..=5 {
        let message = message_from(&format!("s{n}"), n, TEXT);
        harness.deliver(&message, 0);
        harness.answers(message.id, status(500));
    }
    harness.at(4_000).poll(1);
    let words = harness.at(5_000).ring();
    assert_eq!(posts(&words).len(), 1);
}
