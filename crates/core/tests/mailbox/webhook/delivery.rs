//! What an address answers is the device's answer.

use tagpost_core::call::Call;
use tagpost_core::mailbox::Reply;
use tagpost_core::webhook::PostResponse;

use super::super::harness::{Harness, message, message_from};
use super::{TEXT, posts, status};

#[test]
fn a_message_that_an_address_takes_in_time_is_never_stored_and_its_answer_is_the_reply() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    let words = harness.at(10).deliver(&message, 1_000);
    assert_eq!(words, ["waits until 1010", "post body 1, attempt 1"]);
    assert_eq!(harness.rows(), "account 1");
    let response = PostResponse {
        content_type: Some("application/json".to_owned()),
        body: br#"{"got":1}"#.to_vec(),
        ..status(200)
    };
    let words = harness.at(20).answers(message.id, response);
    assert_eq!(words, ["answers delivered 1 (#1)"]);
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(harness.alarm, None, "nothing is due");
    let delivery = harness.delivery(message.id);
    assert_eq!(delivery.reply.unwrap().get(), r#"{"got":1}"#);
    assert!(!delivery.reply_truncated);
}

#[test]
fn a_long_reply_is_marked() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 1_000);
    let response = PostResponse {
        body: vec![b'x'; 5_000],
        ..status(200)
    };
    harness.answers(message.id, response);
    let delivery = harness.delivery(message.id);
    assert_eq!(delivery.reply.unwrap().get().len(), 4_096);
    assert!(delivery.reply_truncated);
}

#[test]
fn a_message_that_nobody_waits_for_is_stored_and_posted() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    let words = harness.deliver(&message, 0);
    assert_eq!(words, ["sent 1", "post body 1, attempt 1"]);
    assert_eq!(harness.rows(), "account 1, inbox 1");
    assert_eq!(
        harness.alarm,
        Some(25_000),
        "15 s to answer, and 10 of grace"
    );
    let words = harness.answers(message.id, status(204));
    assert_eq!(words, ["door: receipts delivered 1"]);
}

#[test]
fn a_422_rejects_a_message_with_its_body_as_the_reason() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 1_000);
    let response = PostResponse {
        body: b"no such door".to_vec(),
        ..status(422)
    };
    let words = harness.answers(message.id, response);
    assert_eq!(words, ["answers rejected 1 (no such door) (#1)"]);
}

#[test]
fn an_address_that_works_on_a_message_is_asked_again_after_the_time_that_it_named() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    let response = PostResponse {
        retry_after: Some(60),
        ..status(202)
    };
    let words = harness.answers(message.id, response.clone());
    assert_eq!(words, ["door: progress until 60000"]);
    assert_eq!(harness.at(59_999).ring(), [""; 0]);
    let words = harness.at(60_000).ring();
    assert_eq!(posts(&words), ["post body 1, attempt 2"]);
    harness.answers(message.id, response);
    // It finishes by a call of its own.
    assert_eq!(
        harness.at(61_000).ack(message.id),
        ["door: receipts delivered 2"]
    );
    assert_eq!(harness.posts.len(), 0);
}

#[test]
fn however_few_seconds_an_address_names_it_is_not_asked_again_immediately() {
    let mut harness = Harness::webhook(1);
    let message = message(1, &[("Content-Type", "text/plain"), ("TTL", "86400")]);
    harness.deliver(&message, 0);
    let mut at = 0;
    for (attempt, pause) in (2..).zip([5_000, 30_000, 60_000, 60_000]) {
        let response = PostResponse {
            retry_after: Some(0),
            ..status(202)
        };
        harness.answers(message.id, response);
        assert_eq!(posts(&harness.at(at + pause - 1).ring()), [""; 0]);
        at += pause;
        let words = harness.at(at).ring();
        assert_eq!(posts(&words), [format!("post body 1, attempt {attempt}")]);
    }
}

#[test]
fn work_that_goes_on_does_not_end_a_message_before_its_ttl() {
    let mut harness = Harness::webhook(1);
    let message = message(1, &[("Content-Type", "text/plain"), ("TTL", "86400")]);
    harness.deliver(&message, 0);
    for n in 1..=20 {
        let response = PostResponse {
            retry_after: Some(60),
            ..status(202)
        };
        harness.answers(message.id, response);
        let words = harness.at(n * 60_000).ring();
        assert_eq!(posts(&words), [format!("post body 1, attempt {}", n + 1)]);
    }
}

#[test]
fn messages_wait_for_their_turn_unstored_if_their_publishes_wait() {
    let mut harness = Harness::webhook(1);
    let (first, second) = (message(1, TEXT), message(2, TEXT));
    harness.deliver(&first, 1_000);
    assert_eq!(harness.deliver(&second, 1_000), ["waits until 1000"]);
    let words = harness.answers(first.id, status(200));
    assert_eq!(
        words,
        ["answers delivered 1 (#1)", "post body 2, attempt 1"]
    );
    let words = harness.answers(second.id, status(200));
    assert_eq!(words, ["answers delivered 1 (#2)"]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn what_is_stored_behind_a_message_in_memory_is_posted_after_a_crash() {
    let mut harness = Harness::webhook(1);
    harness.deliver(&message(1, TEXT), 10_000);
    assert_eq!(harness.alarm, None, "nothing is stored");
    let other = message_from("well", 2, TEXT);
    harness.at(1_000).deliver(&other, 0);
    assert_eq!(harness.rows(), "account 1, inbox 1");
    assert_eq!(harness.alarm, Some(26_000));
    harness.crash();
    let words = harness.at(26_000).ring();
    assert_eq!(posts(&words), ["post body 2, attempt 1"]);
}

#[test]
fn a_message_with_ttl_0_is_tried_once() {
    let mut harness = Harness::webhook(1);
    let message = message(1, &[("Content-Type", "text/plain"), ("TTL", "0")]);
    let words = harness.deliver(&message, 0);
    assert_eq!(words, ["waits until 1000", "post body 1, attempt 1"]);
    let words = harness.answers(message.id, status(500));
    assert_eq!(words, ["answers expired 1 (#1)"]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_device_with_an_address_is_not_online_for_that() {
    let mut harness = Harness::webhook(1);
    harness.deliver(&message(1, TEXT), 0);
    let status = harness.status();
    assert!(!status.online);
    assert_eq!((status.last_seen_at, status.in_flight), (None, 1));
}

#[test]
fn an_address_is_tried_with_a_request_that_is_no_message() {
    let mut harness = Harness::webhook(1);
    let (_, (reply, words)) = harness.ask_as(None, Call::TestWebhook, None, None);
    assert!(reply.is_none());
    assert_eq!(words, ["post a test"]);
    let post = harness.posts.remove(0);
    let body = String::from_utf8_lossy(&post.2.body).into_owned();
    assert_eq!(
        body,
        r#"{"type":"test","timestamp":1800000000000,"data":{}}"#
    );
    let words = harness.answer_post(post, Ok(status(418)));
    assert_eq!(
        words,
        ["test_webhook: WebhookTried(Answered { status: 418, ms: 7 })"]
    );
    let refused = Harness::new().ask(Call::TestWebhook).0;
    assert!(matches!(refused, Err(code) if code == "unknown_webhook"));
}

#[test]
fn a_test_that_gets_no_answer_is_answered() {
    let mut harness = Harness::webhook(1);
    harness.ask_as(None, Call::TestWebhook, None, None);
    let words = harness.at(20_000).tick();
    assert_eq!(
        words,
        ["test_webhook: WebhookTried(Failed { error: Timeout })"]
    );
}

#[test]
fn a_poll_takes_no_message_that_is_being_posted() {
    let mut harness = Harness::webhook(1);
    harness.deliver(&message(1, TEXT), 0);
    match harness.ask(Call::Inbox { limit: 1, wait: 0 }).0 {
        Ok(Reply::Polled(taken)) => assert!(taken.is_empty()),
        other => panic!("{other:?}"),
    }
}
