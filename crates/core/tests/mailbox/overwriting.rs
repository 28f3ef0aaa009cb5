//! A new row takes the place of one that was kept long enough, so that clean-up costs no row in a stream.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;

use super::desk::{Desk, delivery, known};

const MINUTE: i64 = 60_000;

/// A mailbox that keeps traces for a minute.
fn desk() -> Desk {
    Desk::with(|limits| (limits.retention, limits.publish_burst) = (60, 10_000))
}

/// Settled by the publish's own answer: a row of `groups`.
fn online(desk: &mut Desk) -> MessageId {
    let (id, _) = desk.publish(&["a"], &[], "x").unwrap();
    desk.returned("a", id, known("a", State::Delivered));
    id
}

/// Held: a row of `outbox` that is not done.
fn held(desk: &mut Desk, headers: &[(&str, &str)]) -> MessageId {
    let (id, _) = desk.publish(&["a"], headers, "x").unwrap();
    desk.returned("a", id, known("a", State::Held));
    id
}

/// Held, then settled: a row of `outbox` that is done.
fn settled(desk: &mut Desk) -> MessageId {
    let id = held(desk, &[]);
    desk.report(id, delivery("a", State::Delivered)).unwrap();
    id
}

/// Lets a message be published every ten seconds, with every alarm on the way, long enough for all to be
/// forgotten several times. Returns the rows that a hundred of them cost in the end, clean-up included.
fn rows_of_a_hundred(desk: &mut Desk, publish: impl Fn(&mut Desk) -> MessageId) -> u64 {
    let mut before = 0;
    for n in 0..200 {
        let now = n * 10_000;
        while let Some(at) = desk.alarm.filter(|at| *at <= now) {
            desk.at(at).ring();
        }
        if n == 100 {
            before = desk.writes();
        }
        publish(desk.at(now));
    }
    desk.writes() - before
}

#[test]
fn a_stream_of_messages_that_are_confirmed_online_costs_one_row_each_with_clean_up() {
    let mut desk = desk();
    assert_eq!(rows_of_a_hundred(&mut desk, online), 100);
    assert_eq!(desk.rows(), "account 1, groups 6");
}

#[test]
fn a_stream_of_messages_that_are_held_costs_its_sender_two_rows_each_with_clean_up() {
    let mut desk = desk();
    assert_eq!(rows_of_a_hundred(&mut desk, settled), 200);
    assert_eq!(desk.rows(), "account 1, outbox 6");
}

#[test]
fn a_mailbox_that_sleeps_after_each_message_overwrites_as_well() {
    let mut desk = desk();
    let rows = rows_of_a_hundred(&mut desk, |desk| {
        desk.sleep();
        online(desk)
    });
    assert_eq!(rows, 100);
}

#[test]
fn nothing_is_overwritten_before_its_time() {
    for publish in [online, settled] {
        let mut desk = desk();
        let (first, second) = (publish(&mut desk), publish(desk.at(1)));
        let third = publish(desk.at(MINUTE - 1));
        assert_eq!(desk.trace(first).unwrap(), "a delivered 0");
        let fourth = publish(desk.at(MINUTE));
        assert_eq!(desk.trace(first), Err("unknown_message".to_owned()));
        let fifth = publish(&mut desk);
        assert_eq!(desk.trace(second).unwrap(), "a delivered 0");
        let sixth = publish(desk.at(MINUTE + 1));
        assert_eq!(desk.trace(second), Err("unknown_message".to_owned()));
        for kept in [third, fourth, fifth, sixth] {
            assert_eq!(desk.trace(kept).unwrap(), "a delivered 0");
        }
    }
}

#[test]
fn the_time_counts_from_the_end_and_what_ended_first_goes_first() {
    let mut desk = desk();
    let (first, second, open) = (
        held(&mut desk, &[]),
        held(&mut desk, &[]),
        held(&mut desk, &[("TTL", "86400")]),
    );
    for (id, at) in [(second, 1_000), (first, 2_000)] {
        let end = delivery("a", State::Delivered);
        desk.at(at).report(id, end).unwrap();
    }
    let fourth = settled(desk.at(MINUTE + 1_000));
    assert_eq!(desk.trace(second), Err("unknown_message".to_owned()));
    assert_eq!(desk.trace(first).unwrap(), "a delivered 0");
    settled(desk.at(MINUTE + 2_000));
    assert_eq!(desk.trace(first), Err("unknown_message".to_owned()));
    // What is not done stays however old.
    settled(desk.at(10 * MINUTE));
    assert_eq!(desk.trace(fourth), Err("unknown_message".to_owned()));
    assert_eq!(desk.trace(open).unwrap(), "a held 0");
    assert_eq!(desk.rows(), "account 1, outbox 3");
}

#[test]
fn a_message_with_a_key_goes_together_with_its_key() {
    let mut desk = desk();
    let first = held(&mut desk, &[("Idempotency-Key", "k")]);
    desk.report(first, delivery("a", State::Delivered)).unwrap();
    settled(desk.at(MINUTE));
    assert_eq!(desk.rows(), "account 1, outbox 2, keys 1");
    assert_eq!(
        desk.publish(&["a"], &[("Idempotency-Key", "k")], "x"),
        Ok((first, vec!["a delivered 0".to_owned()])),
        "until then its repetition is no second message"
    );
}

#[test]
fn a_message_with_parts_goes_together_with_them() {
    let mut desk = desk();
    let names: Vec<String> = (0..150).map(|n| format!("d{n:03}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let (large, _) = desk.publish(&all, &[], "x").unwrap();
    desk.ring();
    for name in &names {
        desk.returned(name, large, known(name, State::Delivered));
    }
    assert_eq!(desk.rows(), "account 1, outbox 1, parts 2");
    settled(desk.at(MINUTE));
    assert_eq!(desk.rows(), "account 1, outbox 2, parts 2");
}

#[test]
fn a_message_with_a_job_goes_together_with_it() {
    let mut desk = desk();
    let (first, _) = desk.publish(&["a"], &[], "x").unwrap();
    desk.returned("a", first, None);
    desk.report(first, delivery("a", State::Delivered)).unwrap();
    let (second, _) = desk.at(MINUTE).publish(&["b"], &[], "x").unwrap();
    desk.returned("b", second, known("b", State::Held));
    assert_eq!(desk.rows(), "account 1, outbox 2, jobs 1");
    assert_eq!(desk.trace(first).unwrap(), "a delivered 0");
}

#[test]
fn what_no_new_message_overwrites_is_deleted_as_ever() {
    let mut desk = desk();
    for _ in 0..5 {
        settled(&mut desk);
        online(&mut desk);
    }
    settled(desk.at(MINUTE));
    online(&mut desk);
    assert_eq!(desk.rows(), "account 1, outbox 5, groups 5");
    while let Some(at) = desk.alarm {
        desk.at(at).ring();
    }
    assert_eq!(desk.rows(), "account 1");
}

#[test]
fn a_receipt_that_nobody_fetched_goes_with_its_row_and_later_ones_come() {
    let mut desk = desk();
    let first = settled(&mut desk);
    let old = desk.receipts();
    let second = settled(desk.at(MINUTE));
    assert_eq!(desk.trace(first), Err("unknown_message".to_owned()));
    let new = desk.receipts();
    assert!(
        old.len() == 1 && new.len() == 1 && old < new,
        "{old:?}, {new:?}"
    );
    desk.crash();
    assert_eq!(
        desk.connect(1),
        ["1 <- welcome, 0 held", "1 <- receipt a delivered"]
    );
    assert_eq!(desk.trace(second).unwrap(), "a delivered 0");
}

#[test]
fn ids_go_on_from_a_row_that_was_overwritten() {
    let mut desk = desk();
    settled(&mut desk);
    let second = settled(desk.at(MINUTE));
    desk.crash();
    // The clock is back where it was before.
    assert!(online(desk.at(0)) > second);
}

#[test]
fn a_row_that_is_gone_already_is_not_missed() {
    let mut desk = desk();
    for publish in [online, settled] {
        publish(&mut desk);
        publish(&mut desk);
    }
    // The first of each is overwritten, and the place of the second is known then.
    settled(desk.at(MINUTE));
    online(&mut desk);
    desk.event(|mailbox, now| mailbox.remove(now));
    desk.event(|mailbox, now| mailbox.register(&super::desk::device("cam"), now));
    for publish in [online, settled] {
        let id = publish(&mut desk);
        assert_eq!(desk.trace(id).unwrap(), "a delivered 0");
    }
    assert_eq!(desk.rows(), "account 1, outbox 1, groups 1");
}

#[test]
fn a_publish_runs_no_more_statements_while_nothing_was_kept_long_enough() {
    for publish in [online, settled] {
        let mut desk = desk();
        let statements = |desk: &mut Desk| {
            let before = desk.statements();
            publish(desk);
            desk.statements() - before
        };
        publish(&mut desk);
        let usual = statements(&mut desk);
        for n in 1..300 {
            assert_eq!(statements(desk.at(n * 100)), usual, "message {n}");
        }
        // From then on each overwrites one; they are looked for a hundred at a time.
        let before = desk.statements();
        for n in 0..300 {
            publish(desk.at(MINUTE + n * 100));
        }
        let more = desk.statements() - before - 300 * usual;
        assert!(more <= 4, "{more} more");
    }
}

#[test]
fn a_table_full_of_what_cannot_be_overwritten_is_not_searched_for_each_message() {
    let mut desk = desk();
    for _ in 0..200 {
        held(&mut desk, &[("TTL", "86400")]);
    }
    settled(desk.at(MINUTE));
    let (statements, rows) = (desk.statements(), desk.writes());
    for n in 1..=20 {
        held(desk.at(MINUTE + n), &[]);
    }
    let usual = (desk.writes() - rows) as i64;
    assert_eq!(usual, 20, "each is inserted");
    let statements = desk.statements() - statements;
    assert!(statements <= 20, "{statements} statements");
}
