//! A device says that it works on a message.

use tagpost_core::call::{Call, Progress};
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::Reply;

use super::harness::{Harness, START, device, known, message, message_from};
use super::summary::answer;

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];
const NOW_OR_NEVER: &[(&str, &str)] = &[("Content-Type", "text/plain"), ("TTL", "0")];
const MINUTE: &[(&str, &str)] = &[("Content-Type", "text/plain"), ("TTL", "60")];

/// A mailbox whose device has one stored message in flight.
fn in_flight() -> (Harness, MessageId) {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    assert_eq!(
        harness.deliver(&message, 0),
        ["sent 1", "1 <- body 1, attempt 1"]
    );
    (harness, message.id)
}

fn state(harness: &mut Harness, id: MessageId) -> String {
    answer(&harness.get_delivery(id))
}

#[test]
fn a_message_in_progress_is_not_sent_again_until_its_time_has_run_out() {
    let (mut harness, id) = in_flight();
    assert_eq!(
        harness.progress(id, 100, "on my way"),
        ["door: progress until 100000 on my way"]
    );
    assert_eq!(state(&mut harness, id), "in_progress 1");
    assert_eq!(
        harness.at(30_000).ring(),
        [""; 0],
        "the time to acknowledge"
    );
    assert_eq!(harness.alarm, Some(100_000));
    assert_eq!(
        harness.at(100_000).ring(),
        ["1 <- body 1, attempt 2"],
        "its own time"
    );
    assert_eq!(state(&mut harness, id), "sent 2");
}

#[test]
fn progress_may_be_repeated_and_the_latest_counts() {
    let (mut harness, id) = in_flight();
    harness.progress(id, 100, "");
    harness.at(90_000).progress(id, 100, "");
    assert_eq!(harness.at(100_000).ring(), [""; 0]);
    harness.at(110_000).progress(id, 10, "nearly there");
    assert_eq!(harness.at(120_000).ring(), ["1 <- body 1, attempt 2"]);
}

#[test]
fn progress_of_no_given_length_lasts_as_long_as_an_attempt() {
    let (mut harness, id) = in_flight();
    let call = Call::Progress {
        id,
        seconds: None,
        note: None,
    };
    assert_eq!(
        harness.at(10_000).ask(call).1,
        ["door: progress until 40000"]
    );
    assert_eq!(harness.at(30_000).ring(), [""; 0]);
    assert_eq!(harness.at(40_000).ring(), ["1 <- body 1, attempt 2"]);
}

#[test]
fn an_acknowledgement_or_a_rejection_ends_progress_as_always() {
    for ack in [true, false] {
        let (mut harness, id) = in_flight();
        harness.progress(id, 100, "");
        let (told, state) = match ack {
            true => (harness.ack(id), "delivered"),
            false => (harness.nack(id), "rejected"),
        };
        assert_eq!(told, [format!("door: receipts {state} 1")]);
        harness.reported("door", true);
        assert_eq!(harness.rows(), "account 1");
        assert_eq!(harness.at(100_000).ring(), [""; 0]);
    }
}

#[test]
fn progress_is_not_forgotten_after_a_reconnect_a_sleep_or_a_crash() {
    let endings: [fn(&mut Harness); 3] = [
        |harness| drop(harness.closed(1)),
        Harness::sleep,
        Harness::crash,
    ];
    for end in endings {
        let (mut harness, id) = in_flight();
        harness.progress(id, 100, "");
        end(harness.at(10_000));
        assert_eq!(
            harness.connect(2).last().unwrap(),
            "2 <- welcome, 0 held, 1 in progress"
        );
        assert_eq!(state(&mut harness, id), "in_progress 1");
        assert_eq!(harness.at(100_000).ring(), ["2 <- body 1, attempt 2"]);
    }
}

#[test]
fn progress_frees_its_place_in_the_window() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 1);
    harness.connect(1);
    let [first, second] = [1, 2].map(|n| message(n, TEXT));
    harness.deliver(&first, 0);
    harness.deliver(&second, 0);
    assert_eq!(
        harness.progress(first.id, 100, ""),
        ["door: progress until 100000", "1 <- body 2, attempt 1"]
    );
    let status = harness.status();
    assert_eq!(
        (status.held, status.in_flight, status.in_progress),
        (0, 1, 1)
    );
    assert_eq!(
        harness.at(100_000).ring(),
        ["1 <- body 2, attempt 2"],
        "the window is full"
    );
    assert!(
        harness
            .ack(second.id)
            .contains(&"1 <- body 1, attempt 2".to_owned())
    );
}

#[test]
fn progress_costs_one_row_and_none_at_the_sender() {
    let (mut harness, id) = in_flight();
    let writes = harness.writes();
    harness.progress(id, 30, "");
    assert_eq!(harness.writes() - writes, 1);
    harness.progress(id, 30, "again");
    assert_eq!(harness.writes() - writes, 2);
    let (id, _) = harness.publish(&["b"], TEXT, "x").unwrap();
    harness.returned("b", id, known("b", State::Sent));
    let writes = harness.writes();
    assert_eq!(told(&mut harness, id, "b"), ["1 <- progress b on my way"]);
    assert_eq!(harness.writes(), writes);
}

#[test]
fn progress_of_a_polled_message_costs_one_row_and_prolongs_its_lease() {
    let mut harness = Harness::new();
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.poll(1);
    let writes = harness.writes();
    harness.progress(message.id, 100, "");
    assert_eq!(harness.writes() - writes, 1);
    let status = harness.status();
    assert_eq!(
        (status.held, status.in_flight, status.in_progress),
        (0, 0, 1)
    );
    harness.at(30_000).ring();
    assert_eq!(harness.poll(1).len(), 0);
    assert_eq!(
        harness.connect(1).last().unwrap(),
        "1 <- welcome, 0 held, 1 in progress"
    );
    harness.closed(1);
    harness.at(100_000).ring();
    let taken = harness.poll(1);
    assert_eq!(taken[0].1, 2, "the attempt");
}

#[test]
fn a_message_in_progress_is_counted_once_after_a_crash() {
    let (mut harness, id) = in_flight();
    harness.progress(id, 40, "");
    harness.closed(1);
    harness.at(40_000).ring();
    harness.poll(1);
    harness.progress(id, 100, "");
    assert_eq!(harness.status().in_progress, 1);
    harness.crash();
    assert_eq!(harness.status().in_progress, 1);
}

#[test]
fn a_poll_that_waits_gets_a_message_whose_progress_has_run_out() {
    let (mut harness, id) = in_flight();
    harness.progress(id, 40, "");
    harness.closed(1);
    let poll = Call::Inbox { limit: 1, wait: 60 };
    let (_, (polled, _)) = harness.ask_as(None, poll, None, None);
    assert!(polled.is_none(), "it waits: {polled:?}");
    assert_eq!(harness.alarm, Some(30_000));
    assert_eq!(harness.at(30_000).ring(), [""; 0]);
    let polled = harness.at(40_000).ring();
    assert_eq!(polled.len(), 1, "{polled:?}");
    assert_eq!(state(&mut harness, id), "sent 2");
}

#[test]
fn progress_on_the_fast_path_stores_the_message_and_its_publish_goes_on_waiting() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 10_000);
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(
        harness.progress(message.id, 100, ""),
        ["door: progress until 100000"]
    );
    assert_eq!(harness.rows(), "account 1, inbox 1");
    assert_eq!(
        harness.at(5_000).ack(message.id),
        ["tick 5100", "answers delivered 1 (#1)"]
    );
    assert_eq!(harness.at(5_100).tick(), ["door: receipts delivered 1"]);
}

#[test]
fn a_publish_whose_wait_is_over_is_answered_that_the_device_works_on_it() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 1_000);
    harness.progress(message.id, 100, "");
    assert_eq!(harness.at(1_000).end_wait(message.id), ["in_progress 1"]);
}

#[test]
fn progress_never_lasts_beyond_the_expiry() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, MINUTE);
    harness.deliver(&message, 0);
    assert_eq!(
        harness.progress(message.id, 86_400, ""),
        ["door: progress until 60000"]
    );
    assert_eq!(
        harness.at(60_000).ring(),
        ["1 <- withdrawn expired", "door: receipts expired 1"]
    );
}

#[test]
fn progress_of_an_unknown_or_settled_message_changes_nothing() {
    let (mut harness, id) = in_flight();
    harness.ack(id);
    assert_eq!(harness.progress(id, 100, ""), [""; 0]);
    assert_eq!(harness.progress(message(2, TEXT).id, 100, ""), [""; 0]);
}

#[test]
fn a_message_with_ttl_0_is_never_stored_so_it_is_never_in_progress() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, NOW_OR_NEVER);
    harness.deliver(&message, 1_000);
    assert_eq!(harness.progress(message.id, 100, ""), [""; 0]);
    assert_eq!(state(&mut harness, message.id), "sent 1");
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_message_that_its_device_never_finishes_is_given_up() {
    let mut harness = Harness::with(|limits| limits.max_attempts = 2);
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.progress(message.id, 10, "");
    assert_eq!(harness.at(10_000).ring(), ["1 <- body 1, attempt 2"]);
    harness.progress(message.id, 10, "");
    assert_eq!(
        harness.at(20_000).ring(),
        ["door: receipts undeliverable 2"]
    );
}

#[test]
fn progress_that_runs_out_while_its_device_is_away_is_no_time_out() {
    let mut harness = Harness::with(|limits| limits.max_attempts = 1);
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.progress(message.id, 40, "");
    harness.closed(1);
    harness.at(30_000).ring();
    harness.at(40_000).ring();
    assert_eq!(
        harness.at(50_000).connect(2)[1..],
        ["2 <- body 1, attempt 2"]
    );
}

#[test]
fn a_message_in_progress_shares_the_blame_for_a_connection_that_ends() {
    let mut harness = Harness::new();
    let [working, other] = [message_from("a", 1, TEXT), message_from("b", 2, TEXT)];
    harness.connect(1);
    harness.deliver(&working, 0);
    harness.deliver(&other, 0);
    harness.progress(working.id, 86_400, "");
    // Alone in flight, the other one would be given up after 13 connections.
    for connection in 1..=30 {
        let at = i64::from(connection) * 400_000;
        harness.at(at).closed(connection);
        harness.at(at + 1_000).connect(connection + 1);
    }
    assert_eq!(state(&mut harness, other.id), "sent 31");
}

#[test]
fn more_messages_in_progress_than_the_account_lists_are_kept_in_their_rows() {
    let mut harness = Harness::new();
    harness.connect(1);
    let messages: Vec<_> = (1..=300).map(|n| message(n, TEXT)).collect();
    for message in &messages {
        harness.deliver(message, 0);
        harness.progress(message.id, 140, "");
    }
    harness.crash();
    assert_eq!(
        harness.connect(2),
        ["2 <- welcome, 0 held, 300 in progress"]
    );
    assert_eq!(harness.at(139_000).ring(), [""; 0]);
    let sent = harness.at(140_000).ring();
    assert_eq!(sent.len(), 32, "a window of them: {sent:?}");
}

#[test]
fn a_device_that_says_progress_all_the_time_is_slowed_down() {
    let (mut harness, id) = in_flight();
    let frame = format!(r#"{{"type":"progress","ref":"p","id":"{id}","note":"x"}}"#);
    for _ in 0..1_000 {
        assert_eq!(harness.frame(1, &frame), ["door: progress until 30000 x"]);
    }
    assert_eq!(harness.frame(1, &frame), ["1 <- error too_many_requests"]);
    let call = Call::Progress {
        id,
        seconds: None,
        note: None,
    };
    assert_eq!(harness.ask(call).0.unwrap_err(), "too_many_requests");
}

#[test]
fn the_trace_has_the_latest_progress_with_its_note() {
    let (mut harness, id) = in_flight();
    harness.at(1_000).progress(id, 100, "on my way");
    harness.at(2_000).progress(id, 100, "at the door");
    harness.at(3_000).ack(id);
    let delivery = match harness.get_delivery(id) {
        tagpost_core::call::DeliveryStatus::Known(delivery) => delivery,
        other => panic!("{other:?}"),
    };
    let steps = delivery.steps.iter();
    let words = steps.map(|step| (step.event, step.at - START, step.note.as_deref()));
    assert_eq!(
        words.collect::<Vec<_>>(),
        [
            (State::Sent, 0, None),
            (State::InProgress, 2_000, Some("at the door")),
            (State::Delivered, 3_000, None)
        ]
    );
}

/// A recipient's mailbox tells that its device works on a message of this one.
fn told(harness: &mut Harness, id: MessageId, by: &str) -> Vec<String> {
    let progress = Progress {
        id,
        device: device(by),
        note: Some("on my way".to_owned()),
        until: START + 60_000,
    };
    let (reply, words) = harness.ask(Call::ReportProgress(progress));
    assert!(matches!(reply, Ok(Reply::Taken)), "{reply:?}");
    words
}

#[test]
fn the_sender_is_told_of_progress_while_it_is_connected_and_the_delivery_is_open() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], TEXT, "x").unwrap();
    assert_eq!(told(&mut harness, id, "a"), [""; 0], "nobody is connected");
    harness.connect(1);
    assert_eq!(told(&mut harness, id, "a"), ["1 <- progress a on my way"]);
    harness.returned("a", id, known("a", State::Sent));
    harness.returned("b", id, known("b", State::Delivered));
    assert_eq!(told(&mut harness, id, "a"), ["1 <- progress a on my way"]);
    assert_eq!(told(&mut harness, id, "b"), [""; 0], "it is settled");
    assert_eq!(
        told(&mut harness, id, "c"),
        [""; 0],
        "it was not sent there"
    );
    let unknown = message(9, TEXT).id;
    assert_eq!(told(&mut harness, unknown, "a"), [""; 0]);
}

#[test]
fn the_sender_of_a_message_to_a_large_tag_is_told_of_progress() {
    let mut harness = Harness::new();
    let names: Vec<String> = (0..150).map(|n| format!("d{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = harness.publish(&names, TEXT, "x").unwrap();
    harness.connect(1);
    assert_eq!(
        told(&mut harness, id, "d120"),
        ["1 <- progress d120 on my way"]
    );
}
