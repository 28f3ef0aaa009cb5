//! What a webhook costs an event, and how many messages may pause.

use tagpost_core::mailbox::Input;
use tagpost_core::message::Message;

use super::super::harness::{Harness, START, message_from};
use super::{TEXT, posts, setting_for, status, under_way};

/// An address that takes each second message only, and has failed this many.
fn failing(count: u64) -> (Harness, Vec<Message>) {
    let mut harness = Harness::webhook(16);
    let failed: Vec<Message> = (1..=count)
        .map(|n| message_from(&format!("s{n}"), n, TEXT))
        .collect();
    for (n, message) in (1..).zip(&failed) {
        let other = message_from("well", n, TEXT);
        harness.deliver(&other, 0);
        harness.answers(other.id, status(200));
        harness.deliver(message, 0);
        harness.answers(message.id, status(500));
    }
    (harness, failed)
}

#[test]
fn while_64_messages_pause_no_other_is_posted() {
    let (mut harness, _) = failing(63);
    let words = harness.deliver(&message_from("late", 64, TEXT), 0);
    assert_eq!(posts(&words), ["post body 64, attempt 1"]);
    let (mut harness, failed) = failing(64);
    let late = message_from("late", 65, TEXT);
    assert_eq!(harness.deliver(&late, 1_000), ["held 0"]);
    let words = harness.cancel_delivery(failed[9].id).1;
    assert_eq!(posts(&words), ["post body 65, attempt 1"]);
}

#[test]
fn while_64_messages_pause_each_is_tried_again_all_the_same() {
    let (mut harness, failed) = failing(64);
    harness.deliver(&message_from("late", 65, TEXT), 0);
    harness.at(5_000).ring();
    let mut oldest: Vec<_> = failed.iter().map(|message| (message.id, 2)).collect();
    oldest.sort_unstable();
    oldest.truncate(16);
    assert_eq!(under_way(&harness), oldest);
}

#[test]
fn an_address_for_receipts_only_costs_no_reading_of_messages() {
    let mut harness = Harness::new();
    let setting = setting_for(&["receipt"], 1);
    harness.set_webhook_to(setting).unwrap();
    for n in 1..=3 {
        harness.deliver(&message_from("door", n, TEXT), 0);
    }
    harness.connect(1);
    harness.closed(1);
    let before = harness.statements();
    harness.handle(Input::Timeout(START));
    assert_eq!(harness.statements() - before, 0);
}
