//! What wake-ups write, and that nobody else pays for them.

use tagpost_core::call::Call;
use tagpost_core::wake::{KnockAnswer, Knocks};

use super::super::harness::{Harness, message};

/// Rows written and statements run while a message is held, fetched and acknowledged, with crashes in between.
fn of_a_held_message(harness: &mut Harness) -> (u64, u64) {
    let before = (harness.writes(), harness.statements());
    let held = message(1, &[]);
    harness.deliver(&held, 0);
    harness.crash();
    harness.at(1_000).poll(1);
    harness.crash();
    harness.at(2_000).ack(held.id);
    harness.reported("door", true);
    (harness.writes() - before.0, harness.statements() - before.1)
}

#[test]
fn a_device_without_subscriptions_costs_no_row_and_no_statement_more() {
    let mut off = Harness::new();
    off.knocks = Knocks::Off;
    off.sleep();
    let mut never = Harness::new();
    let mut formerly = Harness::new();
    formerly.subscribe_at("a").unwrap();
    formerly.ask(Call::Unsubscribe { id: None }).0.unwrap();
    formerly.sleep();
    never.sleep();
    let costs = of_a_held_message(&mut off);
    assert_eq!(of_a_held_message(&mut never), costs);
    assert_eq!(of_a_held_message(&mut formerly), costs);
}

#[test]
fn a_knock_that_is_taken_writes_two_rows_and_its_fetch_none() {
    let (mut harness, ids) = Harness::knockable(&["a"]);
    let count = |harness: &mut Harness, before: u64| harness.writes() - before;

    let before = harness.writes();
    harness.comes(0, 1, &[]);
    assert_eq!(
        count(&mut harness, before),
        2,
        "the message, and that a knock is due"
    );
    let before = harness.writes();
    harness.at(100).knocked(ids[0], 1, KnockAnswer::Accepted);
    assert_eq!(count(&mut harness, before), 1);
    let before = harness.writes();
    harness.comes(200, 2, &[]);
    assert_eq!(count(&mut harness, before), 1, "only the message");
    let before = harness.writes();
    harness.at(300).poll(10);
    assert_eq!(
        count(&mut harness, before),
        3,
        "two leases, and when it was last seen"
    );
}
