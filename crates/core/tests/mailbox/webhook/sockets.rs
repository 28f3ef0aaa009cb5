//! A socket goes before the address.

use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::protocol::web_push::WebPush;

use super::super::harness::{Harness, claims, message};
use super::{TEXT, posts, status};

#[test]
fn while_a_socket_is_open_nothing_is_posted() {
    let mut harness = Harness::webhook(1);
    harness.connect(1);
    assert_eq!(
        harness.deliver(&message(1, TEXT), 0),
        ["sent 1", "1 <- body 1, attempt 1"]
    );
    let words = harness.closed(1);
    assert_eq!(posts(&words), ["post body 1, attempt 2"]);
}

#[test]
fn a_socket_takes_over_and_a_late_answer_of_the_address_still_counts() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    assert_eq!(
        harness.connect(1),
        ["1 <- welcome, 1 held", "1 <- body 1, attempt 2"]
    );
    let words = harness.answers(message.id, status(200));
    assert_eq!(words, ["door: receipts delivered 2"]);
}

#[test]
fn a_late_failure_of_the_address_changes_nothing() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.connect(1);
    assert_eq!(harness.answers(message.id, status(500)), [""; 0]);
    assert_eq!(harness.ack(message.id), ["door: receipts delivered 2"]);
}

#[test]
fn a_message_that_pauses_is_sent_over_a_socket_immediately() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.answers(message.id, status(500));
    assert_eq!(
        harness.connect(1),
        ["1 <- welcome, 1 held", "1 <- body 1, attempt 2"]
    );
}

#[test]
fn a_pause_goes_on_after_a_socket_that_had_no_room_for_its_message() {
    let mut harness = Harness::webhook(2);
    let messages = [message(1, TEXT), message(2, TEXT)];
    messages
        .iter()
        .for_each(|message| drop(harness.deliver(message, 0)));
    for message in &messages {
        harness.answers(message.id, status(500));
    }
    harness.at(1_000);
    let words = harness.open(1, &TagpostV1, claims("cam"), Some(1));
    assert_eq!(words[1..], ["1 <- body 1, attempt 2"]);
    // The alarm that was set for the pauses goes off for something else.
    harness.at(2_000).ring();
    let words = harness.at(3_000).closed(1);
    assert_eq!(posts(&words), ["post body 1, attempt 3"]);
    harness.answers(messages[0].id, status(200));
    assert_eq!(harness.alarm, Some(5_000));
    assert_eq!(posts(&harness.at(5_000).ring()), ["post body 2, attempt 2"]);
}

#[test]
fn while_a_user_agent_is_connected_nothing_is_posted_and_pauses_go_on_after_it() {
    let mut harness = Harness::webhook(1);
    let first = message(1, TEXT);
    harness.deliver(&first, 0);
    harness.answers(first.id, status(500));
    harness.at(1_000).connect_over(1, &WebPush);
    assert_eq!(harness.deliver(&message(2, TEXT), 1_000), ["held 0"]);
    assert_eq!(posts(&harness.at(2_000).ring()), [""; 0]);
    assert_eq!(posts(&harness.at(3_000).closed(1)), [""; 0]);
    assert_eq!(harness.alarm, Some(5_000));
    assert_eq!(posts(&harness.at(5_000).ring()), ["post body 1, attempt 2"]);
    let words = harness.answers(first.id, status(200));
    assert_eq!(posts(&words), ["post body 2, attempt 1"]);
}

#[test]
fn an_address_that_is_removed_leaves_its_messages_held() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.answers(message.id, status(500));
    harness
        .ask(tagpost_core::call::Call::RemoveWebhook)
        .0
        .unwrap();
    assert_eq!(harness.get_webhook(), Err("unknown_webhook".to_owned()));
    assert_eq!(harness.at(5_000).ring(), [""; 0]);
    assert_eq!(harness.poll(1).len(), 1);
}

#[test]
fn what_waited_when_the_webhook_is_set_is_posted() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    let (_, _, words) = harness.set_webhook(1).unwrap();
    assert_eq!(words, ["post body 1, attempt 1"]);
}
