//! What became of a message, reported to its sender until the sender has seen it.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;

use super::harness::{Harness, START, delivery, known};

/// A message to each device, answered as held.
fn held(harness: &mut Harness, to: &[&str]) -> MessageId {
    let (id, _) = harness.publish(to, &[], "x").unwrap();
    for name in to {
        harness.returned(name, id, known(name, State::Held));
    }
    id
}

#[test]
fn a_terminal_state_becomes_a_receipt_and_is_sent() {
    let mut harness = Harness::new();
    harness.connect(1);
    let id = held(&mut harness, &["a", "b"]);
    assert_eq!(
        harness.report(id, delivery("a", State::Rejected)).unwrap(),
        ["1 <- receipt a rejected"]
    );
    let last = harness.report(id, delivery("b", State::Expired)).unwrap();
    assert_eq!(last, ["1 <- receipt b expired"]);
    assert_eq!(harness.receipts(), [START, START + 1]);
}

#[test]
fn the_same_report_again_gives_no_second_receipt() {
    let mut harness = Harness::new();
    let id = held(&mut harness, &["a"]);
    harness.report(id, delivery("a", State::Delivered)).unwrap();
    assert_eq!(
        harness.report(id, delivery("a", State::Delivered)).unwrap(),
        [""; 0]
    );
    assert_eq!(harness.receipts(), [START]);
}

#[test]
fn a_receipt_is_sent_again_until_it_is_seen() {
    let mut harness = Harness::new();
    let id = held(&mut harness, &["a", "b"]);
    harness.report(id, delivery("a", State::Delivered)).unwrap();
    harness.report(id, delivery("b", State::Delivered)).unwrap();
    for connection in [1, 2] {
        let frames = harness.connect(connection);
        assert!(
            frames.ends_with(&[
                format!("{connection} <- receipt a delivered"),
                format!("{connection} <- receipt b delivered"),
            ]),
            "{frames:?}"
        );
    }
    harness.frame(2, &format!(r#"{{"type":"receipts_seen","seq":{START}}}"#));
    assert_eq!(
        harness.connect(3).last().unwrap(),
        "3 <- receipt b delivered",
        "seen is cumulative up to its number"
    );
    harness.frame(
        3,
        &format!(r#"{{"type":"receipts_seen","seq":{}}}"#, START + 1),
    );
    // A lower number changes nothing.
    harness.frame(3, &format!(r#"{{"type":"receipts_seen","seq":{START}}}"#));
    assert_eq!(
        harness.connect(4),
        ["3 closes with 4409", "4 <- welcome, 0 held"]
    );
}

#[test]
fn numbers_keep_growing_after_all_receipts_are_seen_and_the_mailbox_has_slept() {
    let mut harness = Harness::new();
    let seq = |harness: &Harness| harness.receipts().into_iter().max().unwrap();
    let id = held(&mut harness, &["a", "b", "c"]);
    harness.connect(1);
    harness
        .at(1_000)
        .report(id, delivery("a", State::Delivered))
        .unwrap();
    let first = seq(&harness);
    harness.frame(1, &format!(r#"{{"type":"receipts_seen","seq":{first}}}"#));
    harness.sleep();
    harness
        .at(12_000)
        .report(id, delivery("b", State::Delivered))
        .unwrap();
    assert!(seq(&harness) > first);
}

#[test]
fn a_report_of_an_unknown_message_is_taken_and_dropped() {
    let mut harness = Harness::new();
    let unknown = super::harness::message(1, &[]).id;
    assert_eq!(
        harness
            .report(unknown, delivery("a", State::Delivered))
            .unwrap(),
        [""; 0]
    );
    assert_eq!(harness.rows(), "account 1");
}

/// `devices` messages, each delivered, while the sender is away.
fn pile(harness: &mut Harness, devices: u32) {
    for n in 0..devices {
        let name = format!("d{n}");
        let id = held(harness, &[&name]);
        harness
            .report(id, delivery(&name, State::Delivered))
            .unwrap();
    }
}

fn seen(harness: &mut Harness, connection: u32, seq: i64) -> Vec<String> {
    harness.frame(
        connection,
        &format!(r#"{{"type":"receipts_seen","seq":{seq}}}"#),
    )
}

#[test]
fn neither_a_receipt_nor_its_confirmation_costs_a_row() {
    let mut harness = Harness::new();
    harness.connect(1);
    let id = held(&mut harness, &["a"]);
    let writes = |harness: &Harness| harness.writes();
    let before = writes(&harness);
    harness.report(id, delivery("a", State::Delivered)).unwrap();
    assert_eq!(writes(&harness) - before, 1, "state and receipt together");
    let seq = harness.receipts()[0];
    assert_eq!(seen(&mut harness, 1, seq), [""; 0]);
    assert_eq!(writes(&harness) - before, 1);
    harness.sleep();
    harness.closed(1);
    assert_eq!(writes(&harness) - before, 2, "one when the connection ends");
    assert_eq!(harness.connect(2), ["2 <- welcome, 0 held"]);
}

#[test]
fn many_receipts_are_sent_in_order_window_by_window_as_they_are_seen() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 10_000);
    pile(&mut harness, 1_200);
    let numbers = harness.receipts();
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert_eq!(harness.connect(1).len(), 1 + 500);
    assert_eq!(
        seen(&mut harness, 1, numbers[498]),
        [""; 0],
        "one is missing"
    );
    assert_eq!(
        seen(&mut harness, 1, numbers[1_199]).len(),
        500,
        "what was not sent was not seen"
    );
    // What comes meanwhile waits behind the pile.
    let late = held(&mut harness, &["late"]);
    assert_eq!(
        harness
            .report(late, delivery("late", State::Expired))
            .unwrap(),
        [""; 0]
    );
    harness.sleep();
    let rest = seen(&mut harness, 1, numbers[999]);
    assert_eq!(rest.len(), 201);
    assert_eq!(rest[200], "1 <- receipt late expired");
    let last = *harness.receipts().last().unwrap();
    seen(&mut harness, 1, last);
    harness.closed(1);
    assert_eq!(harness.connect(2), ["2 <- welcome, 0 held"]);
}

#[test]
fn receipts_past_their_retention_delay_no_later_receipt() {
    let mut harness = Harness::with(|limits| {
        (limits.publish_burst, limits.retention) = (10_000, 60);
    });
    pile(&mut harness, 1_200);
    let numbers = harness.receipts();
    assert_eq!(harness.connect(1).len(), 1 + 500);
    harness.at(70_000).frame(1, "ping");
    while !harness.receipts().is_empty() {
        harness.ring();
    }
    assert_eq!(seen(&mut harness, 1, numbers[499]), [""; 0]);
    let late = held(&mut harness, &["late"]);
    assert_eq!(
        harness
            .report(late, delivery("late", State::Expired))
            .unwrap(),
        ["1 <- receipt late expired"]
    );
}

#[test]
fn the_receipts_of_tags_small_and_large_come_in_order() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 10_000);
    let names: Vec<String> = (0..150).map(|n| format!("d{n:03}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let (large, _) = harness.publish(&all, &[], "x").unwrap();
    harness.ring();
    for name in &names {
        harness.returned(name, large, known(name, State::Held));
    }
    let small = held(&mut harness, &["a", "b"]);
    for (id, name) in [(large, "d149"), (small, "b"), (large, "d000"), (small, "a")] {
        harness
            .report(id, delivery(name, State::Delivered))
            .unwrap();
    }
    let frames = harness.connect(1);
    let devices: Vec<&str> = frames[1..].iter().map(|frame| &frame[13..]).collect();
    assert_eq!(
        devices,
        [
            "d149 delivered",
            "b delivered",
            "d000 delivered",
            "a delivered"
        ]
    );
}

#[test]
fn only_the_last_seen_receipts_are_sent_again_after_a_crash() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 10_000);
    harness.connect(1);
    for _ in 0..250 {
        pile(&mut harness, 1);
        let last = *harness.receipts().last().unwrap();
        seen(&mut harness, 1, last);
        harness.sleep();
    }
    harness.crash();
    assert_eq!(harness.connect(2).len(), 1 + 50);
}

#[test]
fn a_message_that_is_still_open_has_its_receipt_found_when_later_ones_were_seen() {
    let mut harness = Harness::new();
    let first = held(&mut harness, &["slow"]);
    harness.connect(1);
    pile(&mut harness, 3);
    let last = *harness.receipts().last().unwrap();
    seen(&mut harness, 1, last);
    harness.closed(1);
    harness.sleep();
    harness
        .report(first, delivery("slow", State::Delivered))
        .unwrap();
    harness.sleep();
    assert_eq!(
        harness.connect(2),
        ["2 <- welcome, 0 held", "2 <- receipt slow delivered"]
    );
}

#[test]
fn a_message_accepted_by_a_clock_that_was_set_back_after_a_crash_has_its_receipt_found() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.at(1_000).publish(&["a"], &[], "x").unwrap();
    // Only what is written down is left of this, and the message is not.
    harness.closed(1);
    harness.crash();
    harness.at(100);
    let id = held(&mut harness, &["b"]);
    harness.report(id, delivery("b", State::Delivered)).unwrap();
    assert_eq!(
        harness.connect(2),
        ["2 <- welcome, 0 held", "2 <- receipt b delivered"]
    );
}
