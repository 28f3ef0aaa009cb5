//! A new row takes the place of one that was kept long enough, so that clean-up costs no row in a stream.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;

use super::harness::{Harness, delivery, known};

const MINUTE: i64 = 60_000;

/// A mailbox that keeps traces for a minute.
fn harness() -> Harness {
    Harness::with(|limits| (limits.retention, limits.publish_burst) = (60, 10_000))
}

/// Settled by the publish's own answer: a row of `groups`.
fn online(harness: &mut Harness) -> MessageId {
    let (id, _) = harness.publish(&["a"], &[], "x").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    id
}

/// Held: a row of `outbox` that is not done.
fn held(harness: &mut Harness, headers: &[(&str, &str)]) -> MessageId {
    let (id, _) = harness.publish(&["a"], headers, "x").unwrap();
    harness.returned("a", id, known("a", State::Held));
    id
}

/// Held, then settled: a row of `outbox` that is done.
fn settled(harness: &mut Harness) -> MessageId {
    let id = held(harness, &[]);
    harness.report(id, delivery("a", State::Delivered)).unwrap();
    id
}

/// Lets a message be published every ten seconds, with every alarm on the way, long enough for all to be
/// forgotten several times. Returns the rows that a hundred of them cost in the end, clean-up included.
fn rows_of_a_hundred(harness: &mut Harness, publish: impl Fn(&mut Harness) -> MessageId) -> u64 {
    let mut before = 0;
    for n in 0..200 {
        let now = n * 10_000;
        while let Some(at) = harness.alarm.filter(|at| *at <= now) {
            harness.at(at).ring();
        }
        if n == 100 {
            before = harness.writes();
        }
        publish(harness.at(now));
    }
    harness.writes() - before
}

#[test]
fn a_stream_of_messages_that_are_confirmed_online_costs_one_row_each_with_clean_up() {
    let mut harness = harness();
    assert_eq!(rows_of_a_hundred(&mut harness, online), 100);
    assert_eq!(harness.rows(), "account 1, groups 6");
}

#[test]
fn a_stream_of_messages_that_are_held_costs_its_sender_two_rows_each_with_clean_up() {
    let mut harness = harness();
    assert_eq!(rows_of_a_hundred(&mut harness, settled), 200);
    assert_eq!(harness.rows(), "account 1, outbox 6");
}

#[test]
fn a_mailbox_that_sleeps_after_each_message_overwrites_as_well() {
    let mut harness = harness();
    let rows = rows_of_a_hundred(&mut harness, |harness| {
        harness.sleep();
        online(harness)
    });
    assert_eq!(rows, 100);
}

#[test]
fn nothing_is_overwritten_before_its_time() {
    for publish in [online, settled] {
        let mut harness = harness();
        let (first, second) = (publish(&mut harness), publish(harness.at(1)));
        let third = publish(harness.at(MINUTE - 1));
        assert_eq!(harness.trace(first).unwrap(), "a delivered 0");
        let fourth = publish(harness.at(MINUTE));
        assert_eq!(harness.trace(first), Err("unknown_message".to_owned()));
        let fifth = publish(&mut harness);
        assert_eq!(harness.trace(second).unwrap(), "a delivered 0");
        let sixth = publish(harness.at(MINUTE + 1));
        assert_eq!(harness.trace(second), Err("unknown_message".to_owned()));
        for kept in [third, fourth, fifth, sixth] {
            assert_eq!(harness.trace(kept).unwrap(), "a delivered 0");
        }
    }
}

#[test]
fn retention_counts_from_the_terminal_state_and_the_oldest_is_overwritten_first() {
    let mut harness = harness();
    let (first, second, open) = (
        held(&mut harness, &[]),
        held(&mut harness, &[]),
        held(&mut harness, &[("TTL", "86400")]),
    );
    for (id, at) in [(second, 1_000), (first, 2_000)] {
        let end = delivery("a", State::Delivered);
        harness.at(at).report(id, end).unwrap();
    }
    let fourth = settled(harness.at(MINUTE + 1_000));
    assert_eq!(harness.trace(second), Err("unknown_message".to_owned()));
    assert_eq!(harness.trace(first).unwrap(), "a delivered 0");
    settled(harness.at(MINUTE + 2_000));
    assert_eq!(harness.trace(first), Err("unknown_message".to_owned()));
    // What is not done stays however old.
    settled(harness.at(10 * MINUTE));
    assert_eq!(harness.trace(fourth), Err("unknown_message".to_owned()));
    assert_eq!(harness.trace(open).unwrap(), "a held 0");
    assert_eq!(harness.rows(), "account 1, outbox 3");
}

#[test]
fn a_message_with_a_key_goes_together_with_its_key() {
    let mut harness = harness();
    let first = held(&mut harness, &[("Idempotency-Key", "k")]);
    harness
        .report(first, delivery("a", State::Delivered))
        .unwrap();
    settled(harness.at(MINUTE));
    assert_eq!(harness.rows(), "account 1, outbox 2, keys 1");
    assert_eq!(
        harness.publish(&["a"], &[("Idempotency-Key", "k")], "x"),
        Ok((first, vec!["a delivered 0".to_owned()])),
        "until then its repetition is no second message"
    );
}

#[test]
fn a_message_with_parts_goes_together_with_them() {
    let mut harness = harness();
    let names: Vec<String> = (0..150).map(|n| format!("d{n:03}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let (large, _) = harness.publish(&all, &[], "x").unwrap();
    harness.ring();
    for name in &names {
        harness.returned(name, large, known(name, State::Delivered));
    }
    assert_eq!(harness.rows(), "account 1, outbox 1, parts 2");
    settled(harness.at(MINUTE));
    assert_eq!(harness.rows(), "account 1, outbox 2, parts 2");
}

#[test]
fn a_message_with_a_job_goes_together_with_it() {
    let mut harness = harness();
    let (first, _) = harness.publish(&["a"], &[], "x").unwrap();
    harness.returned("a", first, None);
    harness
        .report(first, delivery("a", State::Delivered))
        .unwrap();
    let (second, _) = harness.at(MINUTE).publish(&["b"], &[], "x").unwrap();
    harness.returned("b", second, known("b", State::Held));
    assert_eq!(harness.rows(), "account 1, outbox 2, jobs 1");
    assert_eq!(harness.trace(first).unwrap(), "a delivered 0");
}

#[test]
fn rows_that_no_new_message_overwrites_are_deleted() {
    let mut harness = harness();
    for _ in 0..5 {
        settled(&mut harness);
        online(&mut harness);
    }
    settled(harness.at(MINUTE));
    online(&mut harness);
    assert_eq!(harness.rows(), "account 1, outbox 5, groups 5");
    while let Some(at) = harness.alarm {
        harness.at(at).ring();
    }
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn an_unfetched_receipt_is_deleted_with_its_row_and_later_ones_are_sent() {
    let mut harness = harness();
    let first = settled(&mut harness);
    let old = harness.receipts();
    let second = settled(harness.at(MINUTE));
    assert_eq!(harness.trace(first), Err("unknown_message".to_owned()));
    let new = harness.receipts();
    assert!(
        old.len() == 1 && new.len() == 1 && old < new,
        "{old:?}, {new:?}"
    );
    harness.crash();
    assert_eq!(
        harness.connect(1),
        ["1 <- welcome, 0 held", "1 <- receipt a delivered"]
    );
    assert_eq!(harness.trace(second).unwrap(), "a delivered 0");
}

#[test]
fn ids_continue_from_a_row_that_was_overwritten() {
    let mut harness = harness();
    settled(&mut harness);
    let second = settled(harness.at(MINUTE));
    harness.crash();
    // The clock is back where it was before.
    assert!(online(harness.at(0)) > second);
}

#[test]
fn a_row_that_is_already_deleted_does_no_harm() {
    let mut harness = harness();
    for publish in [online, settled] {
        publish(&mut harness);
        publish(&mut harness);
    }
    // The first of each is overwritten, and the place of the second is known then.
    settled(harness.at(MINUTE));
    online(&mut harness);
    harness.remove();
    harness.register();
    for publish in [online, settled] {
        let id = publish(&mut harness);
        assert_eq!(harness.trace(id).unwrap(), "a delivered 0");
    }
    assert_eq!(harness.rows(), "account 1, outbox 1, groups 1");
}

#[test]
fn a_publish_runs_no_more_statements_while_no_row_is_past_its_retention() {
    for publish in [online, settled] {
        let mut harness = harness();
        let statements = |harness: &mut Harness| {
            let before = harness.statements();
            publish(harness);
            harness.statements() - before
        };
        publish(&mut harness);
        let usual = statements(&mut harness);
        for n in 1..300 {
            assert_eq!(statements(harness.at(n * 100)), usual, "message {n}");
        }
        // From then on each overwrites one; they are looked for a hundred at a time.
        let before = harness.statements();
        for n in 0..300 {
            publish(harness.at(MINUTE + n * 100));
        }
        let more = harness.statements() - before - 300 * usual;
        assert!(more <= 4, "{more} more");
    }
}

#[test]
fn a_table_without_overwritable_rows_is_not_searched_for_each_message() {
    let mut harness = harness();
    for _ in 0..200 {
        held(&mut harness, &[("TTL", "86400")]);
    }
    settled(harness.at(MINUTE));
    let (statements, rows) = (harness.statements(), harness.writes());
    for n in 1..=20 {
        held(harness.at(MINUTE + n), &[]);
    }
    let usual = (harness.writes() - rows) as i64;
    assert_eq!(usual, 20, "each is inserted");
    let statements = harness.statements() - statements;
    assert!(statements <= 20, "{statements} statements");
}
