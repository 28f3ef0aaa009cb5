//! Delivering messages of channels.

use serde_json::{Value, json};
use tagpost_core::call::Pushed;
use tagpost_core::message::Urgency;
use tagpost_core::protocol::web_push::WebPush;

use super::super::harness::{Harness, message};
use super::{ONE, TWO, bodies, versions};

#[test]
fn a_message_is_a_notification_with_its_body_and_what_decrypts_it() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let words = harness.push(&url, "fn1HJlXz", |_| {}).2;
    let frame: Value = serde_json::from_str(words[0].strip_prefix("1 <- ").unwrap()).unwrap();
    let version = frame["version"].as_str().unwrap();
    let expected = json!({
        "messageType": "notification", "channelID": ONE, "version": version,
        "data": "fn1HJlXz", "headers": {"encoding": "aes128gcm"},
    });
    assert_eq!(frame, expected);
    let empty = harness.push(&url, "", |draft| {
        draft.payload = serde_json::value::to_raw_value(&json!({})).unwrap();
    });
    let frame: Value = serde_json::from_str(empty.2[0].strip_prefix("1 <- ").unwrap()).unwrap();
    assert_eq!(frame.get("data"), None);
    assert_eq!(frame.get("headers"), None);
}

#[test]
fn a_message_that_is_acknowledged_at_once_is_answered_then_and_writes_no_row() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let before = harness.writes();
    let (_, answer, words) = harness.push(&url, "now", |_| {});
    assert_eq!(answer, None, "it waits");
    let id = versions(&words)[0];
    let words = harness.acks(1, &[(id, 100)]);
    assert_eq!(words, [format!("push: Pushed(Taken({id}))")]);
    assert_eq!(harness.writes(), before);
}

#[test]
fn a_message_that_is_not_acknowledged_at_once_is_stored_and_then_answered() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let before = harness.writes();
    let id = versions(&harness.push(&url, "slow", |_| {}).2)[0];
    assert_eq!(
        harness.at(150).tick(),
        [format!("push: Pushed(Taken({id}))")]
    );
    assert_eq!(harness.writes() - before, 1);
    harness.at(200).acks(1, &[(id, 100)]);
    assert_eq!(
        harness.writes() - before,
        2,
        "its row is deleted, and nobody is told"
    );
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_held_message_is_sent_after_the_hello_and_costs_two_rows() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    let before = harness.writes();
    let first = harness.pushed(&url, "first");
    let second = harness.pushed(&url, "second");
    assert!(first < second, "within the same millisecond");
    assert_eq!(harness.connect_over(2, &WebPush), [""; 0]);
    let hello = json!({"messageType": "hello", "uaid": agent}).to_string();
    let words = harness.frame(2, &hello);
    assert_eq!(versions(&words), [first, second]);
    harness.acks(2, &[(first, 100), (second, 100)]);
    assert_eq!(harness.writes() - before, 4);
}

#[test]
fn a_message_is_sent_once_in_a_connection_and_again_in_the_next() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.push(&url, "x", |draft| draft.ttl = 86_400);
    harness.at(150).tick();
    harness.sleep();
    for at in [31_000, 200_000, 299_000] {
        assert_eq!(harness.at(at).ring(), [""; 0], "at {at}");
    }
    assert_eq!(
        harness.at(300_001).ring(),
        ["1 closes with 1001"],
        "a live client comes back"
    );
    assert_eq!(bodies(&harness.hello(2, Some(&agent)).1), ["x"]);
}

#[test]
fn a_message_is_given_up_after_as_many_connections_as_allowed() {
    let mut harness = Harness::with(|limits| limits.max_attempts = 3);
    let (agent, url) = harness.subscribed();
    harness.push(&url, "poison", |draft| draft.ttl = 86_400);
    harness.at(200).tick();
    harness.closed(1);
    let sent =
        |harness: &mut Harness, connection| bodies(&harness.hello(connection, Some(&agent)).1);
    assert_eq!(sent(&mut harness, 2), ["poison"]);
    harness.closed(2);
    assert_eq!(sent(&mut harness, 3), ["poison"]);
    harness.closed(3);
    assert_eq!(sent(&mut harness, 4), [""; 0]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_message_that_is_not_acknowledged_in_time_delays_no_other_work_of_its_alarm() {
    let mut harness = Harness::with(|limits| {
        (
            limits.ack_timeout,
            limits.push_ack_timeout,
            limits.max_attempts,
        ) = (30, 30, 1);
    });
    let (_, url) = harness.subscribed();
    harness.push(&url, "x", |_| {});
    harness.at(150).tick();
    harness.deliver(&message(1, &[]), 0);
    assert_eq!(harness.poll(1).len(), 1);
    let words = harness.at(31_000).ring();
    let has = |text: &str| words.iter().any(|word| word.contains(text));
    assert!(has("1001"), "the connection is closed: {words:?}");
    assert!(
        has("door: receipts undeliverable"),
        "the lease of the polled message ends: {words:?}"
    );
}

#[test]
fn messages_of_channels_go_to_user_agents_only_and_others_never_do() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    let other = message(1, &[]);
    assert_eq!(
        harness.deliver(&other, 1_000),
        ["held 0"],
        "a user agent cannot take it"
    );
    harness.closed(1);
    harness.pushed(&url, "encrypted");
    let words = harness.connect(2);
    assert_eq!(
        words.len(),
        2,
        "welcome, and the message of the device: {words:?}"
    );
    assert!(words[1].ends_with(", attempt 1"), "{words:?}");
    assert_eq!(harness.push(&url, "more", |_| {}).2, [""; 0]);
    harness.closed(2);
    let polled = harness.poll(10);
    assert_eq!(polled.len(), 1, "{polled:?}");
    assert_eq!(
        bodies(&harness.hello(3, Some(&agent)).1),
        ["encrypted", "more"]
    );
    assert_eq!(harness.list_waiting(10, None, true).0.messages.len(), 3);
}

#[test]
fn with_ttl_0_a_message_is_sent_now_or_never_and_not_waited_for() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    let (agent, url) = harness.subscribed();
    harness.push(&url, "fills the window", |_| {});
    let before = harness.writes();
    let (_, answer, words) = harness.push(&url, "now", |draft| draft.ttl = 0);
    assert!(matches!(answer, Some(Pushed::Taken(_))), "{answer:?}");
    assert_eq!(bodies(&words), ["now"]);
    harness.acks(1, &[(versions(&words)[0], 100)]);
    assert_eq!(
        harness.writes(),
        before,
        "its acknowledgement changes nothing"
    );

    harness.at(150).tick();
    harness.closed(1);
    let (_, answer, words) = harness.push(&url, "never", |draft| draft.ttl = 0);
    assert!(matches!(answer, Some(Pushed::Taken(_))), "{answer:?}");
    assert_eq!(words, [""; 0]);
    assert_eq!(
        bodies(&harness.hello(2, Some(&agent)).1),
        ["fills the window"]
    );
}

#[test]
fn acknowledged_messages_with_ttl_0_never_make_a_connection_stuck() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 10_000);
    let (_, url) = harness.subscribed();
    let large = "x".repeat(1 << 20);
    let now = |draft: &mut tagpost_core::publish::Draft| draft.ttl = 0;
    for n in 0..40 {
        let words = harness.push(&url, &large, now).2;
        assert_eq!(bodies(&words).len(), 1, "message {n}");
        harness.acks(1, &[(versions(&words)[0], 100)]);
    }
}

#[test]
fn messages_with_ttl_0_that_nobody_acknowledges_end_the_connection() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 10_000);
    let (_, url) = harness.subscribed();
    let large = "x".repeat(1 << 20);
    let now = |draft: &mut tagpost_core::publish::Draft| draft.ttl = 0;
    for _ in 0..16 {
        assert_eq!(bodies(&harness.push(&url, &large, now).2).len(), 1);
    }
    let words = harness.push(&url, &large, now).2;
    assert_eq!(words, ["1 closes with 1001"]);
}

#[test]
fn a_topic_replaces_within_its_channel_even_what_is_on_the_wire() {
    let mut harness = Harness::new();
    let (agent, one) = harness.subscribed();
    let (two, _) = harness.subscribe(1, TWO, None);
    let topic = |draft: &mut tagpost_core::publish::Draft| {
        draft.topic = Some("inbox".parse().unwrap());
    };
    let old = versions(&harness.push(&one, "old", topic).2)[0];
    harness.push(&two, "other channel", topic);
    let words = harness.push(&one, "new", topic).2;
    assert_eq!(bodies(&words), ["new"]);
    harness.at(150).tick();
    harness.acks(1, &[(old, 100)]);
    harness.closed(1);
    let words = harness.hello(2, Some(&agent)).1;
    assert_eq!(bodies(&words), ["other channel", "new"]);
}

#[test]
fn the_more_urgent_goes_first_and_otherwise_the_older() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    for (body, urgency) in [
        ("1", Urgency::Low),
        ("2", Urgency::High),
        ("3", Urgency::Low),
        ("4", Urgency::High),
    ] {
        harness.push(&url, body, |draft| draft.urgency = urgency);
    }
    assert_eq!(
        bodies(&harness.hello(2, Some(&agent)).1),
        ["2", "4", "1", "3"]
    );
}

#[test]
fn the_window_is_refilled_by_acknowledgements_and_kept_while_the_mailbox_sleeps() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 2);
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    for body in ["1", "2", "3", "4"] {
        harness.pushed(&url, body);
    }
    let words = harness.hello(2, Some(&agent)).1;
    assert_eq!(bodies(&words), ["1", "2"]);
    harness.sleep();
    let words = harness.acks(2, &[(versions(&words)[0], 100)]);
    assert_eq!(bodies(&words), ["3"]);
}

#[test]
fn an_expired_message_is_not_sent() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    harness.push(&url, "short", |draft| draft.ttl = 10);
    harness.push(&url, "long", |draft| draft.ttl = 100);
    assert_eq!(
        bodies(&harness.at(10_000).hello(2, Some(&agent)).1),
        ["long"]
    );
}

#[test]
fn senders_are_limited_by_rate_and_by_what_the_mailbox_holds() {
    let mut harness = Harness::with(|limits| {
        (
            limits.publish_rate,
            limits.publish_burst,
            limits.max_held_messages,
        ) = (1, 3, 1);
    });
    let (_, url) = harness.subscribed();
    harness.closed(1);
    harness.pushed(&url, "fits");
    assert_eq!(harness.push(&url, "too much", |_| {}).1, Some(Pushed::Full));
    harness.push(&url, "too much", |_| {});
    assert_eq!(
        harness.push(&url, "too often", |_| {}).1,
        Some(Pushed::TooMany(2))
    );
}

#[test]
fn messages_of_channels_leave_half_of_the_queue_to_those_of_devices() {
    for (messages, bytes) in [(3, 1_000), (1_000, 13)] {
        let mut harness = Harness::with(|limits| {
            (limits.max_held_messages, limits.max_held_bytes) = (messages, bytes);
        });
        let (_, url) = harness.subscribed();
        harness.closed(1);
        harness.pushed(&url, "1");
        harness.pushed(&url, "2");
        assert_eq!(harness.push(&url, "3", |_| {}).1, Some(Pushed::Full));
        assert_eq!(harness.deliver(&message(1, &[]), 0), ["held 0"]);
    }
}

#[test]
fn ids_grow_though_the_clock_is_set_back_and_the_mailbox_has_slept() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    harness.closed(1);
    let first = harness.at(5_000).pushed(&url, "1");
    harness.sleep();
    let second = harness.at(1_000).pushed(&url, "2");
    assert!(first < second);
}

#[test]
fn a_message_is_lost_to_nobody_if_the_mailbox_crashes_before_it_is_stored() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.push(&url, "not answered", |_| {});
    harness.crash();
    assert_eq!(
        bodies(&harness.hello(2, Some(&agent)).1),
        [""; 0],
        "its sender was not answered"
    );
    harness.push(&url, "answered", |_| {});
    harness.at(150).tick();
    harness.crash();
    assert_eq!(bodies(&harness.hello(3, Some(&agent)).1), ["answered"]);
}
