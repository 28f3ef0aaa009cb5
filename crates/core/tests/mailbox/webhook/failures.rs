//! An address that fails: when a message is posted again, and which others wait.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::message::Message;
use tagpost_core::webhook::{PostError, PostResponse, Tried};

use super::super::harness::{Harness, START, message, message_from};
use super::{TEXT, moved, posts, status, under_way};

/// A message of this sender that lives for ten days.
fn lasting(sender: &str, n: u64) -> Message {
    message_from(
        sender,
        n,
        &[("Content-Type", "text/plain"), ("TTL", "864000")],
    )
}

#[test]
fn a_message_that_fails_is_held_and_posted_again_after_a_pause() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    assert_eq!(harness.at(100).answers(message.id, status(500)), [""; 0]);
    assert_eq!(harness.alarm, Some(5_100));
    let delivery = harness.delivery(message.id);
    assert_eq!((delivery.state, delivery.attempts), (State::Held, 1));
    assert_eq!(harness.at(5_099).ring(), [""; 0]);
    assert_eq!(harness.at(5_100).ring(), ["post body 1, attempt 2"]);
    harness.at(5_200).fails(message.id, PostError::Timeout);
    harness.at(35_200).ring();
    harness.answers(message.id, status(200));
}

#[test]
fn the_trace_shows_how_each_attempt_has_failed() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.at(100).answers(message.id, status(500));
    harness.at(5_100).ring();
    harness.at(5_200).fails(message.id, PostError::Timeout);
    harness.crash();
    let steps = harness.delivery(message.id).steps;
    let steps: Vec<_> = steps
        .iter()
        .map(|step| (step.event, step.at - START, step.attempt, step.tried))
        .collect();
    let timeout = Tried::Error(PostError::Timeout);
    assert_eq!(
        steps,
        [
            (State::Sent, 0, 1, None),
            (State::Held, 100, 1, Some(Tried::Status(500))),
            (State::Sent, 5_100, 2, None),
            (State::Held, 5_200, 2, Some(timeout)),
        ]
    );
}

/// Lets the alarm go off until something is posted. Returns when that is.
fn until_posted(harness: &mut Harness) -> i64 {
    loop {
        let at = harness.alarm.unwrap();
        if !posts(&harness.at(at).ring()).is_empty() {
            return at;
        }
    }
}

#[test]
fn pauses_grow_until_the_ttl() {
    let mut harness = Harness::webhook(1);
    let message = lasting("door", 1);
    harness.deliver(&message, 0);
    let mut at = 0;
    for pause in [5_000, 30_000, 120_000, 600_000, 1_800_000] {
        harness.at(at).answers(message.id, status(404));
        assert_eq!(until_posted(&mut harness), at + pause);
        at += pause;
    }
    for _ in 0..20 {
        harness.at(at).answers(message.id, status(404));
        let next = until_posted(&mut harness);
        assert!((3_240_000..=3_960_000).contains(&(next - at)), "{next}");
        at = next;
    }
    assert_eq!(harness.delivery(message.id).state, State::Sent);
    harness.answers(message.id, status(404));
    harness.at(864_000_000).ring();
    assert_eq!(harness.delivery(message.id).state, State::Expired);
}

#[test]
fn attempts_end_a_message_if_the_operator_says_so() {
    let mut harness = Harness::webhook_with(1, |limits| limits.max_webhook_attempts = 2);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.answers(message.id, status(500));
    harness.at(5_000).ring();
    assert_eq!(
        harness.answers(message.id, status(500)),
        ["door: receipts undeliverable 2 (webhook_fails)"]
    );
}

#[test]
fn retry_after_is_waited_for() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    let response = PostResponse {
        retry_after: Some(60),
        ..status(429)
    };
    harness.answers(message.id, response);
    assert_eq!(until_posted(&mut harness), 60_000);
}

#[test]
fn later_messages_of_the_sender_and_urgency_wait_and_others_do_not() {
    let mut harness = Harness::webhook(1);
    let first = message(1, TEXT);
    harness.deliver(&first, 0);
    assert_eq!(harness.deliver(&message(2, TEXT), 0), ["held 0"]);
    let urgent = message(3, &[("Content-Type", "text/plain"), ("Urgency", "high")]);
    harness.deliver(&urgent, 0);
    let other = message_from("gate", 4, TEXT);
    harness.deliver(&other, 0);
    assert_eq!(
        harness.answers(first.id, status(500)),
        ["post body 3, attempt 1"]
    );
    let words = harness.answers(urgent.id, status(200));
    assert_eq!(posts(&words), ["post body 4, attempt 1"]);
    assert_eq!(posts(&harness.answers(other.id, status(200))), [""; 0]);
    assert_eq!(posts(&harness.at(5_000).ring()), ["post body 1, attempt 2"]);
    let words = harness.answers(first.id, status(200));
    assert_eq!(posts(&words), ["post body 2, attempt 1"]);
}

#[test]
fn a_message_that_arrives_behind_a_failed_one_waits_even_if_its_publish_does() {
    let mut harness = Harness::webhook(1);
    let first = message(1, TEXT);
    harness.deliver(&first, 0);
    harness.answers(first.id, status(500));
    assert_eq!(harness.deliver(&message(2, TEXT), 1_000), ["held 0"]);
    let other = message_from("gate", 3, TEXT);
    assert_eq!(
        harness.deliver(&other, 1_000),
        ["waits until 1000", "post body 3, attempt 1"]
    );
}

#[test]
fn what_waits_in_memory_behind_a_message_that_fails_stays_behind_it() {
    let mut harness = Harness::webhook(1);
    let (first, second) = (message(1, TEXT), message(2, TEXT));
    harness.deliver(&first, 10_000);
    harness.deliver(&second, 10_000);
    assert_eq!(harness.answers(first.id, status(500)), [""; 0]);
    assert_eq!(harness.at(5_000).ring(), ["post body 1, attempt 2"]);
    let words = harness.answers(first.id, status(200));
    assert_eq!(
        words,
        [
            "tick 5100",
            "answers delivered 2 (#1)",
            "post body 2, attempt 1"
        ]
    );
    let words = harness.answers(second.id, status(200));
    assert!(
        words.contains(&"answers delivered 1 (#2)".to_owned()),
        "{words:?}"
    );
}

#[test]
fn with_several_at_a_time_no_message_waits_for_one_that_fails() {
    let mut harness = Harness::webhook(2);
    let first = message(1, TEXT);
    harness.deliver(&first, 0);
    harness.answers(first.id, status(500));
    assert_eq!(
        harness.deliver(&message(2, TEXT), 0),
        ["sent 1", "post body 2, attempt 1"]
    );
    assert_eq!(harness.deliver(&message(3, TEXT), 0)[0], "sent 1");
    assert_eq!(harness.deliver(&message(4, TEXT), 0), ["held 0"]);
}

/// An address that has failed the oldest message of each of five senders. The messages in their order, and another two.
fn cut_off() -> (Harness, Vec<Message>) {
    let mut harness = Harness::webhook(1);
    let senders = ["a", "b", "c", "d", "e", "f", "g"];
    let messages = senders.iter().zip(1..);
    let mut messages: Vec<Message> = messages.map(|(sender, n)| lasting(sender, n)).collect();
    messages.sort_by_key(|message| message.id);
    for message in &messages {
        harness.deliver(message, 0);
    }
    for message in messages.iter().take(5) {
        harness.answers(message.id, status(503));
    }
    (harness, messages)
}

#[test]
fn after_five_failures_in_a_row_only_the_oldest_is_tried_until_one_succeeds() {
    let (mut harness, messages) = cut_off();
    assert_eq!(under_way(&harness), [], "the sixth is not tried");
    assert_eq!(harness.deliver(&lasting("h", 8), 1_000), ["held 0"]);
    harness.at(5_000).ring();
    assert_eq!(under_way(&harness), [(messages[0].id, 2)]);
    harness.answers(messages[0].id, status(503));
    assert_eq!(until_posted(&mut harness), 35_000);
    assert_eq!(under_way(&harness), [(messages[0].id, 3)]);
    harness.answers(messages[0].id, status(200));
    assert_eq!(under_way(&harness), [(messages[1].id, 2)]);
    let mut taken = 0;
    while let Some(post) = harness.posts.pop() {
        assert!(harness.posts.is_empty(), "one at a time");
        harness.answer_post(post, Ok(status(200)));
        taken += 1;
    }
    assert_eq!(taken, 7, "all others");
}

#[test]
fn an_address_is_cut_off_across_a_crash() {
    let (mut harness, messages) = cut_off();
    harness.crash();
    harness.at(5_000).ring();
    assert_eq!(under_way(&harness), [(messages[0].id, 2)]);
}

#[test]
fn if_the_oldest_ends_otherwise_the_next_is_tried() {
    let (mut harness, messages) = cut_off();
    harness.at(5_000).cancel_delivery(messages[0].id);
    assert_eq!(under_way(&harness), [(messages[1].id, 2)]);
}

fn ids_under_way(harness: &Harness) -> Vec<MessageId> {
    let under_way = under_way(harness).into_iter();
    under_way.map(|(id, _)| id).collect()
}

#[test]
fn suspects_are_tried_alone_while_the_address_is_cut_off() {
    let mut harness = Harness::webhook(1);
    let senders = ["a", "b", "c", "d", "e", "f", "g"];
    let messages = senders.iter().zip(1..);
    let mut messages: Vec<Message> = messages.map(|(sender, n)| lasting(sender, n)).collect();
    messages.sort_by_key(|message| message.id);
    for message in &messages {
        harness.deliver(message, 0);
    }
    for connection in 1..=3 {
        harness.connect(connection);
        harness.posts.clear();
        harness.closed(connection);
    }
    for message in messages.iter().take(5) {
        assert_eq!(ids_under_way(&harness), [message.id], "alone");
        harness.answers(message.id, status(503));
    }
    for message in messages.iter().skip(5) {
        assert_eq!(ids_under_way(&harness), [message.id], "all the same");
        harness.answers(message.id, status(503));
    }
    assert_eq!(under_way(&harness), [], "the address is cut off");
    harness.crash();
    harness.at(5_000).ring();
    assert_eq!(ids_under_way(&harness), [messages[0].id]);
}

#[test]
fn a_success_ends_the_row_of_failures() {
    let mut harness = Harness::webhook(1);
    for n in 1..=9 {
        let message = message_from(&format!("s{n}"), n, TEXT);
        assert_eq!(harness.deliver(&message, 1_000).len(), 2);
        harness.answers(message.id, status(if n == 5 { 200 } else { 500 }));
    }
}

#[test]
fn failures_are_counted_across_the_pauses_in_which_memory_is_lost() {
    let mut harness = Harness::webhook(1);
    let [poisoned, other] = [lasting("a", 1), lasting("b", 2)];
    harness.deliver(&poisoned, 0);
    for _ in 0..4 {
        harness.answers(poisoned.id, status(500));
        harness.crash();
        until_posted(&mut harness);
    }
    harness.answers(poisoned.id, status(500));
    harness.crash();
    assert_eq!(harness.deliver(&other, 0), ["held 0"], "it is cut off");
}

#[test]
fn pauses_that_have_ended_do_not_come_back_with_a_crash() {
    let mut harness = Harness::webhook(1);
    let message = lasting("a", 1);
    harness.deliver(&message, 0);
    let mut now = 0;
    for _ in 0..3 {
        harness.answers(message.id, status(500));
        now = until_posted(&mut harness);
    }
    harness.answers(message.id, status(500));
    harness.set_webhook_to(moved(1)).unwrap();
    assert_eq!(ids_under_way(&harness), [message.id], "at the new address");
    harness.crash();
    let again = until_posted(&mut harness) - now;
    assert!(
        again < 60_000,
        "not after the pause of ten minutes: {again}"
    );
}

#[test]
fn the_owner_sees_the_last_tries() {
    let mut harness = Harness::webhook(1);
    let message = lasting("a", 1);
    harness.deliver(&message, 0);
    harness.at(100).answers(message.id, status(500));
    harness.at(5_100).ring();
    harness.at(5_200).fails(message.id, PostError::Timeout);
    harness.crash();
    let tries = harness.get_webhook().unwrap().tries;
    let tries = serde_json::to_value(&tries).unwrap();
    let (id, type_) = (message.id.to_string(), "message");
    let expected = serde_json::json!([
        { "at": START + 5_200, "type": type_, "id": id, "error": "timeout", "ms": 7 },
        { "at": START + 100, "type": type_, "id": id, "status": 500, "ms": 7 },
    ]);
    assert_eq!(tries, expected);
    harness.set_webhook_to(moved(1)).unwrap();
    let tries = harness.get_webhook().unwrap().tries;
    assert!(tries.is_empty(), "those were of another address");
}

#[test]
fn what_was_under_way_when_memory_was_lost_is_posted_again() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.crash();
    assert_eq!(
        posts(&harness.at(25_000).ring()),
        ["post body 1, attempt 2"]
    );
    assert_eq!(
        harness.answers(message.id, status(200)),
        ["door: receipts delivered 2"]
    );
}

#[test]
fn a_mailbox_that_fails_as_soon_as_it_is_open_is_woken_to_post_what_waits() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.crash();
    // The alarm is late, and something else opens the mailbox.
    harness.at(26_000).wake();
    assert_eq!(harness.alarm, Some(27_000));
    harness.crash();
    assert_eq!(
        posts(&harness.at(27_000).ring()),
        ["post body 1, attempt 2"]
    );
}

#[test]
fn a_pause_goes_on_after_memory_is_lost() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.answers(message.id, status(500));
    harness.crash();
    assert_eq!(posts(&harness.at(4_000).ring()), [""; 0]);
    assert_eq!(harness.alarm, Some(5_000));
    assert_eq!(posts(&harness.at(5_000).ring()), ["post body 1, attempt 2"]);
}

#[test]
fn a_pause_that_has_ended_does_not_go_on_after_memory_is_lost() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    let response = PostResponse {
        retry_after: Some(3_600),
        ..status(503)
    };
    harness.answers(message.id, response);
    let (_, _, words) = harness.at(1_000).set_webhook(1).unwrap();
    assert_eq!(posts(&words), ["post body 1, attempt 2"]);
    harness.crash();
    assert_eq!(
        posts(&harness.at(26_000).ring()),
        ["post body 1, attempt 2"]
    );
}

#[test]
fn a_device_that_works_on_a_message_that_pauses_is_asked_again_after_that() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.answers(message.id, status(500));
    harness.progress(message.id, 60, "");
    assert_eq!(posts(&harness.at(5_000).ring()), [""; 0]);
    assert_eq!(until_posted(&mut harness), 60_000);
    assert_eq!(under_way(&harness), [(message.id, 2)]);
}

#[test]
fn an_answer_that_is_lost_counts_as_a_time_out() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    let post = harness.posts.remove(0);
    assert_eq!(harness.at(25_000).ring(), [""; 0]);
    assert_eq!(harness.alarm, Some(30_000));
    // It comes all the same.
    let words = harness.answer_post(post, Ok(status(200)));
    assert_eq!(words, ["door: receipts delivered 1"]);
}

#[test]
fn the_operator_is_told_once_of_an_address_that_is_gone() {
    let mut harness = Harness::webhook(1);
    harness.tells(Some(60));
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.at(7).answers(message.id, status(410));
    assert_eq!(harness.waiting_events(), ["1 webhook.disabled"]);
    assert_eq!(harness.event(1)["status"], 410);
    harness.crash();
    harness.at(90_000).ring();
    assert_eq!(
        harness.waiting_events(),
        ["1 webhook.disabled", "2 device.away"]
    );
}

#[test]
fn an_address_that_is_gone_gets_nothing_until_it_is_set_again() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.at(7).answers(message.id, status(410));
    let disabled = harness.get_webhook().unwrap().disabled.unwrap();
    assert_eq!((disabled.at - START, disabled.status), (7, 410));
    assert_eq!(
        harness.deliver(&super::super::harness::message(2, TEXT), 1_000),
        ["held 0"]
    );
    harness.crash();
    assert_eq!(harness.at(5_007).ring(), [""; 0]);
    let (webhook, secret, words) = harness.set_webhook(1).unwrap();
    assert_eq!((webhook.disabled, secret), (None, None));
    assert_eq!(posts(&words), ["post body 1, attempt 2"]);
}
