//! What became of a message, reported to its sender until the sender has seen it.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;

use super::desk::{Desk, START, delivery, known};

/// A message to each device, answered as held.
fn held(desk: &mut Desk, to: &[&str]) -> MessageId {
    let (id, _) = desk.publish(to, &[], "x").unwrap();
    for name in to {
        desk.returned(name, id, known(name, State::Held));
    }
    id
}

#[test]
fn a_last_state_becomes_a_receipt_and_goes_out() {
    let mut desk = Desk::new();
    desk.connect(1);
    let id = held(&mut desk, &["a", "b"]);
    assert_eq!(
        desk.report(id, delivery("a", State::Rejected)).unwrap(),
        ["1 <- receipt a rejected"]
    );
    let last = desk.report(id, delivery("b", State::Expired)).unwrap();
    assert_eq!(last, ["1 <- receipt b expired", "settled"]);
    assert_eq!(desk.rows(), "account 1, outbox 1, receipts 2");
}

#[test]
fn the_same_report_again_gives_no_second_receipt() {
    let mut desk = Desk::new();
    let id = held(&mut desk, &["a"]);
    desk.report(id, delivery("a", State::Delivered)).unwrap();
    assert_eq!(
        desk.report(id, delivery("a", State::Delivered)).unwrap(),
        [""; 0]
    );
    assert_eq!(desk.rows(), "account 1, outbox 1, receipts 1");
}

#[test]
fn a_receipt_comes_again_until_it_is_seen() {
    let mut desk = Desk::new();
    let id = held(&mut desk, &["a", "b"]);
    desk.report(id, delivery("a", State::Delivered)).unwrap();
    desk.report(id, delivery("b", State::Delivered)).unwrap();
    for connection in [1, 2] {
        let frames = desk.connect(connection);
        assert!(
            frames.ends_with(&[
                format!("{connection} <- receipt a delivered"),
                format!("{connection} <- receipt b delivered"),
            ]),
            "{frames:?}"
        );
    }
    desk.frame(2, &format!(r#"{{"type":"receipts_seen","seq":{START}}}"#));
    assert_eq!(
        desk.connect(3).last().unwrap(),
        "3 <- receipt b delivered",
        "seen is cumulative up to its number"
    );
    desk.frame(
        3,
        &format!(r#"{{"type":"receipts_seen","seq":{}}}"#, START + 1),
    );
    assert_eq!(desk.rows(), "account 1, outbox 1");
}

#[test]
fn numbers_grow_also_when_all_receipts_are_seen_and_the_mailbox_slept() {
    let mut desk = Desk::new();
    let seq = |desk: &Desk| desk.query("SELECT max(seq) FROM receipts").int().unwrap();
    let id = held(&mut desk, &["a", "b", "c"]);
    desk.connect(1);
    desk.at(1_000)
        .report(id, delivery("a", State::Delivered))
        .unwrap();
    let first = seq(&desk);
    desk.frame(1, &format!(r#"{{"type":"receipts_seen","seq":{first}}}"#));
    desk.sleep();
    desk.at(12_000)
        .report(id, delivery("b", State::Delivered))
        .unwrap();
    assert!(seq(&desk) > first);
}

#[test]
fn a_report_of_a_message_that_is_not_known_is_taken_and_forgotten() {
    let mut desk = Desk::new();
    let unknown = super::desk::message(1, &[]).id;
    assert_eq!(
        desk.report(unknown, delivery("a", State::Delivered))
            .unwrap(),
        [""; 0]
    );
    assert_eq!(desk.rows(), "account 1");
}
