//! Receipts of what the device has sent are posted, too, if that is set.

use tagpost_core::call::{Call, Settled};
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::webhook::PostResponse;

use super::super::harness::{Harness, delivery, known, message};
use super::{TEXT, posts, setting_at, setting_for, status};

impl Harness {
    /// One whose device is an address for these events.
    fn webhook_for(events: &[&str]) -> Self {
        let mut harness = Self::new();
        harness.set_webhook_to(setting_for(events, 1)).unwrap();
        harness
    }

    /// The device has sent a message to these, and each holds it.
    fn held_by(&mut self, to: &[&str]) -> MessageId {
        let (id, _) = self.publish(to, &[], "x").unwrap();
        for name in to {
            self.returned(name, id, known(name, State::Held));
        }
        id
    }

    /// A message of the device is delivered to this one.
    fn delivered(&mut self, id: MessageId, name: &str) -> Vec<String> {
        self.report(id, delivery(name, State::Delivered)).unwrap()
    }

    /// The address answers the first request.
    fn answers_first(&mut self, response: PostResponse) -> Vec<String> {
        let post = self.posts.remove(0);
        self.answer_post(post, Ok(response))
    }
}

#[test]
fn a_receipt_is_posted_and_any_2xx_says_that_it_was_seen() {
    let working = PostResponse {
        retry_after: Some(60),
        ..status(202)
    };
    for answer in [status(204), working] {
        let mut harness = Harness::webhook_for(&["message", "receipt"]);
        let id = harness.held_by(&["a"]);
        let words = harness.delivered(id, "a");
        assert_eq!(posts(&words), ["post receipt a"]);
        harness.answers_first(answer);
        harness.crash();
        harness.at(100_000).ring();
        assert_eq!(harness.posts.len(), 0);
        let words = harness.connect(1);
        assert_eq!(words, ["1 <- welcome, 0 held"], "nor sent over a socket");
    }
}

#[test]
fn receipts_that_come_meanwhile_are_posted_together_in_their_order() {
    let mut harness = Harness::webhook_for(&["receipt"]);
    let id = harness.held_by(&["a", "b", "c"]);
    assert_eq!(posts(&harness.delivered(id, "b")), ["post receipt b"]);
    assert_eq!(posts(&harness.delivered(id, "a")), [""; 0]);
    assert_eq!(posts(&harness.delivered(id, "c")), [""; 0]);
    let words = harness.answers_first(status(200));
    assert_eq!(posts(&words), ["post receipts a c"]);
    assert_eq!(posts(&harness.answers_first(status(200))), [""; 0]);
}

#[test]
fn receipts_that_wait_are_posted_a_hundred_at_a_time() {
    let mut harness = Harness::new();
    let names: Vec<String> = (100..350).map(|n| format!("d{n}")).collect();
    for name in &names {
        let id = harness.held_by(&[name.as_str()]);
        harness.delivered(id, name);
    }
    let (_, _, words) = harness
        .set_webhook_to(setting_for(&["receipt"], 1))
        .unwrap();
    let mut posted = posts(&words).join(" ");
    let mut counts = Vec::new();
    while !posted.is_empty() {
        counts.push(posted.split(' ').count() - 2);
        posted = posts(&harness.answers_first(status(200))).join(" ");
    }
    assert_eq!(counts, [100, 100, 50]);
}

#[test]
fn receipts_that_fail_are_posted_again_after_pauses_that_outlive_memory() {
    let mut harness = Harness::webhook_for(&["receipt"]);
    let id = harness.held_by(&["a"]);
    harness.delivered(id, "a");
    harness.answers_first(status(500));
    assert_eq!(posts(&harness.at(4_999).ring()), [""; 0]);
    assert_eq!(posts(&harness.at(5_000).ring()), ["post receipt a"]);
    harness.answers_first(status(500));
    harness.crash();
    assert_eq!(posts(&harness.at(34_000).ring()), [""; 0]);
    assert_eq!(harness.alarm, Some(35_000));
    assert_eq!(posts(&harness.at(35_000).ring()), ["post receipt a"]);
    harness.answers_first(status(200));
    let id = harness.held_by(&["b"]);
    assert_eq!(posts(&harness.delivered(id, "b")), ["post receipt b"]);
}

#[test]
fn receipts_under_way_when_memory_was_lost_are_posted_again() {
    let mut harness = Harness::webhook_for(&["receipt"]);
    let id = harness.held_by(&["a"]);
    harness.delivered(id, "a");
    harness.crash();
    let at = harness.alarm.unwrap();
    assert!(at <= 25_000);
    assert_eq!(posts(&harness.at(at).ring()), ["post receipt a"]);
}

#[test]
fn while_receipts_are_posted_again_no_alarm_posts_newer_ones_beside_them() {
    let mut harness = Harness::webhook_for(&["receipt"]);
    let id = harness.held_by(&["a", "b"]);
    harness.delivered(id, "a");
    harness.answers_first(status(500));
    assert_eq!(posts(&harness.at(5_000).ring()), ["post receipt a"]);
    harness.delivered(id, "b");
    assert_eq!(posts(&harness.at(6_000).ring()), [""; 0]);
    harness.answers_first(status(500));
    assert_eq!(posts(&harness.at(36_000).ring()), ["post receipts a b"]);
    harness.answers_first(status(200));
    harness.crash();
    assert_eq!(posts(&harness.at(100_000).ring()), [""; 0]);
}

#[test]
fn setting_the_webhook_again_posts_no_receipts_beside_those_under_way() {
    let mut harness = Harness::webhook_for(&["receipt"]);
    let id = harness.held_by(&["a", "b"]);
    harness.delivered(id, "a");
    harness.delivered(id, "b");
    let (_, _, words) = harness
        .set_webhook_to(setting_for(&["receipt"], 2))
        .unwrap();
    assert_eq!(posts(&words), [""; 0]);
    assert_eq!(
        posts(&harness.answers_first(status(200))),
        ["post receipt b"]
    );
}

#[test]
fn a_late_answer_of_another_address_says_nothing_of_receipts() {
    for late in [200, 410, 500] {
        let mut harness = Harness::webhook_for(&["receipt"]);
        let id = harness.held_by(&["a", "b"]);
        harness.delivered(id, "a");
        harness.delivered(id, "b");
        let elsewhere = setting_at("https://hooks.example/y", &["receipt"], 1);
        let (_, _, words) = harness.set_webhook_to(elsewhere).unwrap();
        assert_eq!(posts(&words), ["post receipts a b"]);
        assert_eq!(harness.answers_first(status(late)), [""; 0]);
        assert_eq!(harness.get_webhook().unwrap().disabled, None);
        harness.answers_first(status(500));
        let words = harness.at(5_000).ring();
        assert_eq!(posts(&words), ["post receipts a b"], "{late}");
        assert_eq!(posts(&harness.answers_first(status(200))), [""; 0]);
        assert_eq!(posts(&harness.at(100_000).ring()), [""; 0]);
    }
}

#[test]
fn receipts_whose_answer_is_lost_are_posted_again() {
    let mut harness = Harness::webhook_for(&["receipt"]);
    let id = harness.held_by(&["a"]);
    harness.delivered(id, "a");
    harness.posts.clear();
    assert_eq!(posts(&harness.at(25_000).ring()), [""; 0]);
    assert_eq!(harness.alarm, Some(30_000));
    assert_eq!(posts(&harness.at(30_000).ring()), ["post receipt a"]);
}

#[test]
fn no_event_of_the_platform_leads_to_more_than_forty_requests_for_receipts() {
    let mut harness = Harness::new();
    let names: Vec<String> = (100..200).map(|n| format!("d{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for _ in 0..50 {
        let id = harness.held_by(&names);
        let settled = names.iter().map(|name| Settled {
            id,
            delivery: delivery(name, State::Delivered),
        });
        let settled = settled.collect();
        harness.ask(Call::Report { settled }).0.unwrap();
    }
    let setting = setting_for(&["receipt"], 1);
    harness.set_webhook_to(setting).unwrap();
    let mut counts = Vec::new();
    while !harness.posts.is_empty() {
        let mut count = 0;
        while !harness.posts.is_empty() {
            harness.answers_first(status(200));
            count += 1;
        }
        counts.push(count);
        if counts.len() == 1 {
            assert_eq!(harness.alarm, Some(0), "the alarm goes on");
        }
        harness.ring();
    }
    assert_eq!(counts, [40, 10]);
}

#[test]
fn a_receipt_that_comes_of_an_answer_to_a_call_is_posted_by_the_alarm() {
    let mut harness = Harness::webhook_for(&["receipt"]);
    let (id, _) = harness.publish(&["a"], &[], "x").unwrap();
    harness.returned("a", id, None);
    let at = harness.alarm.unwrap();
    harness.at(at).ring();
    let words = harness.returned("a", id, known("a", State::Delivered));
    assert_eq!(posts(&words), [""; 0]);
    assert_eq!(harness.alarm, Some(at));
    assert_eq!(posts(&harness.ring()), ["post receipt a"]);
}

#[test]
fn receipts_that_an_address_has_not_taken_go_over_a_socket() {
    let mut harness = Harness::webhook_for(&["receipt"]);
    let id = harness.held_by(&["a"]);
    harness.delivered(id, "a");
    harness.answers_first(status(500));
    assert_eq!(
        harness.connect(1),
        ["1 <- welcome, 0 held", "1 <- receipt a delivered"]
    );
}

#[test]
fn only_what_is_set_is_posted() {
    let mut harness = Harness::webhook_for(&["message"]);
    let id = harness.held_by(&["a"]);
    assert_eq!(posts(&harness.delivered(id, "a")), [""; 0]);
    let mut harness = Harness::webhook_for(&["receipt"]);
    assert_eq!(harness.deliver(&message(1, TEXT), 1_000), ["held 0"]);
}

#[test]
fn an_address_that_is_gone_gets_no_receipts() {
    let mut harness = Harness::webhook_for(&["receipt"]);
    let id = harness.held_by(&["a"]);
    harness.delivered(id, "a");
    harness.answers_first(status(410));
    assert_eq!(harness.get_webhook().unwrap().disabled.unwrap().status, 410);
    let id = harness.held_by(&["b"]);
    assert_eq!(posts(&harness.delivered(id, "b")), [""; 0]);
    let (_, _, words) = harness
        .set_webhook_to(setting_for(&["receipt"], 1))
        .unwrap();
    assert_eq!(posts(&words), ["post receipts a b"]);
}
