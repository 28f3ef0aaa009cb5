//! The in-flight window, and sending again.

use tagpost_core::message::Message;

use super::harness::{Harness, message, message_from};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

#[test]
fn no_more_than_the_window_is_in_flight() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 2);
    let messages: Vec<_> = (1..=4).map(|n| message(n, TEXT)).collect();
    messages
        .iter()
        .for_each(|message| drop(harness.deliver(message, 0)));
    let sent = harness.connect(1);
    assert_eq!(
        sent,
        [
            "1 <- welcome, 4 held",
            "1 <- body 1, attempt 1",
            "1 <- body 2, attempt 1"
        ]
    );
    let acked = harness.ack(messages[1].id);
    assert_eq!(
        acked,
        ["door: receipts delivered 1", "1 <- body 3, attempt 1"]
    );
    let nack = format!(r#"{{"type":"nack","id":"{}"}}"#, messages[0].id);
    let sent = harness.frame(1, &nack);
    assert!(
        sent.contains(&"1 <- body 4, attempt 1".to_owned()),
        "{sent:?}"
    );
}

#[test]
fn a_message_that_arrives_while_others_wait_queues_behind_them() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    harness.connect(1);
    let (first, second, third) = (message(1, TEXT), message(2, TEXT), message(3, TEXT));
    harness.deliver(&first, 0);
    assert_eq!(harness.deliver(&second, 0), ["held 0"]);
    assert_eq!(harness.deliver(&third, 1_000), ["held 0"]);
    assert_eq!(harness.ack(first.id)[1..], ["1 <- body 2, attempt 1"]);
}

#[test]
fn higher_urgency_goes_first_and_equal_urgency_in_order() {
    let mut harness = Harness::new();
    let urgencies = ["low", "normal", "high", "very-low", "normal"];
    for (urgency, n) in urgencies.into_iter().zip(1..) {
        harness.deliver(
            &message(n, &[("Content-Type", "text/plain"), ("Urgency", urgency)]),
            0,
        );
    }
    let bodies: Vec<String> = harness.connect(1)[1..]
        .iter()
        .map(|frame| frame[5..11].to_owned())
        .collect();
    assert_eq!(bodies, ["body 3", "body 2", "body 5", "body 1", "body 4"]);
}

#[test]
fn an_unacknowledged_message_is_sent_again_with_growing_pauses() {
    let mut harness = Harness::with(|limits| limits.ack_timeout = 1);
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 0);
    let mut due = 1_000;
    for (attempt, pause) in [(2, 2_000), (3, 4_000), (4, 8_000), (5, 8_000)] {
        assert_eq!(harness.alarm, Some(due));
        assert_eq!(
            harness.at(due).ring(),
            [format!("1 <- body 1, attempt {attempt}")]
        );
        due += pause;
    }
}

#[test]
fn a_message_never_acknowledged_is_undeliverable_when_its_last_attempt_times_out() {
    let mut harness = Harness::with(|limits| (limits.ack_timeout, limits.max_attempts) = (1, 2));
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 0);
    harness.at(1_000).ring();
    assert_eq!(harness.alarm, Some(3_000));
    assert_eq!(harness.at(3_000).ring(), ["door: receipts undeliverable 2"]);
}

#[test]
fn an_attempt_that_ends_with_its_connection_does_not_count() {
    let mut harness = Harness::with(|limits| (limits.ack_timeout, limits.max_attempts) = (10, 1));
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.at(1_000).closed(1);
    assert_eq!(
        harness.at(2_000).connect(2),
        ["2 <- welcome, 1 held", "2 <- body 1, attempt 2"]
    );
    assert_eq!(
        harness.at(12_000).ring(),
        ["door: receipts undeliverable 2"]
    );
}

#[test]
fn after_a_reconnect_unacknowledged_messages_are_sent_first() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.deliver(
        &message(1, &[("Content-Type", "text/plain"), ("Urgency", "low")]),
        0,
    );
    harness.closed(1);
    harness.deliver(
        &message(2, &[("Content-Type", "text/plain"), ("Urgency", "high")]),
        0,
    );
    assert_eq!(
        harness.connect(2)[1..],
        ["2 <- body 1, attempt 2", "2 <- body 2, attempt 1"]
    );
}

#[test]
fn a_mailbox_that_slept_knows_what_is_in_flight() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    let (first, second) = (message(1, TEXT), message(2, TEXT));
    harness.deliver(&first, 0);
    harness.deliver(&second, 0);
    harness.connect(1);
    harness.sleep();
    assert_eq!(
        harness.at(5).deliver(&message_from("gate", 3, TEXT), 0),
        ["held 0"]
    );
    assert_eq!(harness.ack(first.id)[1..], ["1 <- body 2, attempt 1"]);
}

#[test]
fn a_message_given_up_while_the_mailbox_was_awake_is_not_in_the_window_after_a_sleep() {
    let mut harness = Harness::with(|limits| {
        (
            limits.ack_timeout,
            limits.max_attempts,
            limits.max_in_flight,
        ) = (1, 1, 1);
    });
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(harness.at(1_000).ring(), ["door: receipts undeliverable 1"]);
    harness.reported("door", true);
    harness.sleep();
    assert_eq!(
        harness.at(2_000).deliver(&message(2, TEXT), 0),
        ["sent 1", "1 <- body 2, attempt 1"]
    );
}

#[test]
fn a_newer_connection_takes_over() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(
        harness.connect(2),
        [
            "1 closes with 4409",
            "2 <- welcome, 1 held",
            "2 <- body 1, attempt 2"
        ]
    );
    assert_eq!(
        harness.frame(1, r#"{"type":"receipts_seen","seq":1}"#),
        [""; 0],
        "the older one is not heard"
    );
}

#[test]
fn a_device_that_shows_life_stays_online_while_the_mailbox_sleeps() {
    let mut harness = Harness::with(|limits| limits.keepalive = 10);
    harness.connect(1);
    for second in 1..=30 {
        harness
            .at(second * 1_000)
            .frame(1, r#"{"type":"receipts_seen","seq":0}"#);
    }
    harness.sleep();
    assert_eq!(
        harness.at(40_000).deliver(&message(1, TEXT), 0),
        ["sent 1", "1 <- body 1, attempt 1"]
    );
}

#[test]
fn a_connection_without_a_sign_of_life_is_closed_when_it_is_needed() {
    let mut harness = Harness::with(|limits| limits.keepalive = 10);
    harness.connect(1);
    assert_eq!(
        harness.at(25_001).deliver(&message(1, TEXT), 0),
        ["held 0", "1 closes with 4408"]
    );
}

#[test]
fn a_frame_that_opens_a_mailbox_is_a_sign_of_life_of_its_connection() {
    let mut harness = Harness::with(|limits| limits.keepalive = 10);
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 0);
    // The device sleeps longer than the mailbox, and goes on with its connection.
    harness.sleep();
    assert_eq!(harness.at(100_000).wake(), [""; 0]);
    let id = message(1, TEXT).id;
    let ack = format!(r#"{{"type":"ack","id":"{id}"}}"#);
    assert_eq!(harness.frame(1, &ack), ["door: receipts delivered 1"]);
    assert_eq!(
        harness.deliver(&message(2, TEXT), 0),
        ["sent 1", "1 <- body 2, attempt 1"]
    );
}

/// This many [`large`] messages are sixteen megabytes.
const LARGE: u64 = 12;

#[test]
fn a_connection_without_a_sign_of_life_is_closed_when_its_window_has_room_again() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    harness.connect(1);
    let (first, second) = (message(1, &[("TTL", "0")]), message(2, &[]));
    harness.deliver(&first, 200_000);
    assert_eq!(harness.deliver(&second, 0), ["held 0"]);
    // The device slept, and may go on with its connection: nothing would tell the mailbox.
    let closed = harness.at(200_000).end_wait(first.id);
    assert!(
        closed.contains(&"1 closes with 4408".to_owned()),
        "{closed:?}"
    );
}

fn large(n: u64) -> Message {
    let payload = serde_json::value::RawValue::from_string(format!("{:?}", "x".repeat(1_500_000)));
    Message {
        payload: payload.unwrap(),
        ..message(n, TEXT)
    }
}

#[test]
fn a_connection_that_acknowledges_nothing_takes_16_megabytes_and_is_closed_at_the_first_timeout() {
    let mut harness = Harness::with(|limits| limits.ack_timeout = 1);
    harness.connect(1);
    for n in 1..=LARGE {
        assert_eq!(harness.deliver(&large(n), 0)[0], "sent 1");
    }
    assert_eq!(harness.deliver(&large(LARGE + 1), 0), ["held 0"]);
    harness.sleep();
    assert_eq!(harness.at(1_000).ring(), ["1 closes with 4408"]);
    assert_eq!(harness.at(1_000).connect(2)[0], "2 <- welcome, 13 held");
}

#[test]
fn an_acknowledgement_shows_that_a_connection_is_read() {
    let mut harness = Harness::with(|limits| limits.ack_timeout = 1);
    harness.connect(1);
    for n in 1..=LARGE {
        let message = large(n);
        assert_eq!(harness.deliver(&message, 0)[0], "sent 1");
        if n == 3 {
            harness.frame(1, &format!(r#"{{"type":"ack","id":"{}"}}"#, message.id));
        }
    }
    let effects = harness.at(1_000).ring();
    let others = effects.iter().filter(|it| it.starts_with("1 <- x"));
    assert_eq!(
        others.count() as u64,
        LARGE - 1,
        "the others are sent again"
    );
}

#[test]
fn an_acknowledgement_of_something_else_does_not() {
    let mut harness = Harness::with(|limits| limits.ack_timeout = 1);
    harness.connect(1);
    for n in 1..=LARGE {
        harness.deliver(&large(n), 0);
        harness.frame(1, r#"{"type":"ack","id":"01JZZZZZZZZZZZZZZZZZZZZZZZ"}"#);
    }
    assert_eq!(harness.at(1_000).ring(), ["1 closes with 4408"]);
}

#[test]
fn a_stuck_connection_with_nothing_in_flight_is_closed_by_the_next_message() {
    let mut harness = Harness::with(|limits| limits.ack_timeout = 1);
    harness.connect(1);
    let messages: Vec<_> = (1..=LARGE).map(large).collect();
    for message in &messages {
        harness.deliver(message, 0);
    }
    for message in &messages {
        // Over HTTP, which says nothing about the socket.
        harness.ack(message.id);
    }
    assert_eq!(
        harness.deliver(&message(99, TEXT), 0),
        ["held 0", "1 closes with 4408"]
    );
}

#[test]
fn the_tenth_bad_frame_closes_the_connection() {
    let mut harness = Harness::new();
    harness.connect(1);
    for _ in 1..10 {
        assert_eq!(harness.frame(1, "no frame"), ["1 <- error bad_frame"]);
        harness.sleep();
    }
    assert_eq!(
        harness.frame(1, "no frame"),
        ["1 <- error bad_frame", "1 closes with 4400"]
    );
}
