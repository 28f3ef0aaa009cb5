//! Requests that are under way when the webhook is set again, removed or disabled.

use tagpost_core::call::Call;
use tagpost_core::webhook::PostResponse;

use super::super::harness::{Harness, message};
use super::{TEXT, moved, posts, status, under_way};

#[test]
fn a_second_410_does_not_disable_an_address_that_was_set_again() {
    let mut harness = Harness::webhook(2);
    let (first, second) = (message(1, TEXT), message(2, TEXT));
    harness.deliver(&first, 0);
    harness.deliver(&second, 0);
    harness.answers(first.id, status(410));
    let (_, _, words) = harness.set_webhook(2).unwrap();
    assert_eq!(
        posts(&words),
        ["post body 1, attempt 2", "post body 2, attempt 2"]
    );
    assert_eq!(harness.answers(second.id, status(410)), [""; 0]);
    assert_eq!(harness.get_webhook().unwrap().disabled, None);
    assert_eq!(under_way(&harness), [(first.id, 2), (second.id, 2)]);
}

#[test]
fn what_is_under_way_to_another_address_is_posted_again_and_its_late_failures_do_not_count() {
    for late in [410, 500] {
        let mut harness = Harness::webhook(16);
        let messages: Vec<_> = (1..=6).map(|n| message(n, TEXT)).collect();
        messages
            .iter()
            .for_each(|message| drop(harness.deliver(message, 0)));
        let (_, _, words) = harness.set_webhook_to(moved(16)).unwrap();
        assert_eq!(posts(&words).len(), 6);
        let urls = harness
            .posts
            .iter()
            .skip(6)
            .map(|(.., post)| post.url.as_str());
        assert!(urls.into_iter().all(|url| url == "https://hooks.example/y"));
        for message in &messages {
            assert_eq!(harness.answers(message.id, status(late)), [""; 0]);
        }
        assert_eq!(harness.get_webhook().unwrap().disabled, None);
        let words = harness.deliver(&message(7, TEXT), 0);
        assert_eq!(
            posts(&words),
            ["post body 7, attempt 1"],
            "it is not cut off"
        );
    }
}

#[test]
fn the_late_answer_of_another_address_settles_its_message_or_says_nothing() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    let working = PostResponse {
        retry_after: Some(3_600),
        ..status(202)
    };
    harness.set_webhook_to(moved(1)).unwrap();
    assert_eq!(harness.answers(message.id, working), [""; 0]);
    assert_eq!(under_way(&harness), [(message.id, 2)], "to the new address");
    harness.set_webhook(1).unwrap();
    assert_eq!(
        harness.answers(message.id, status(200)),
        ["door: receipts delivered 3"],
    );
}

#[test]
fn setting_the_same_address_again_leaves_what_is_under_way() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    let (_, _, words) = harness.set_webhook(4).unwrap();
    assert_eq!(posts(&words), [""; 0]);
    assert_eq!(
        harness.answers(message.id, status(200)),
        ["door: receipts delivered 1"],
    );
}

#[test]
fn an_address_that_is_removed_is_told_nothing_more_and_its_late_answer_settles_its_message() {
    for (late, settled) in [(200, true), (410, false), (500, false)] {
        let mut harness = Harness::webhook(1);
        let (first, second) = (message(1, TEXT), message(2, TEXT));
        harness.deliver(&first, 0);
        harness.deliver(&second, 0);
        harness.ask(Call::RemoveWebhook).0.unwrap();
        let words = harness.answers(first.id, status(late));
        assert_eq!(words.len(), usize::from(settled), "{words:?}");
        assert_eq!(posts(&harness.at(100_000).ring()), [""; 0]);
        let (_, _, words) = harness.set_webhook(1).unwrap();
        let next = match settled {
            true => "post body 2, attempt 1",
            false => "post body 1, attempt 2",
        };
        assert_eq!(posts(&words), [next]);
    }
}
