//! A pile that goes out: acknowledgements that come together, and their reports.

use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::message::Message;
use tagpost_core::protocol::Frame;

use super::harness::{Harness, START, message, message_from};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// A connected device with messages 1 to `held`, of which `window` are in flight. The messages of `door` and `gate`
/// alternate.
fn harness(held: u64, window: u32) -> (Harness, Vec<MessageId>) {
    let mut harness = Harness::with(|limits| limits.max_in_flight = window);
    let messages: Vec<_> = (1..=held)
        .map(|n| {
            let message = match n % 2 {
                1 => message(n, TEXT),
                _ => message_from("gate", n, TEXT),
            };
            // Of two senders' ids the time decides.
            let at = START + i64::try_from(n).unwrap();
            let id = MessageId::next(&message.from.device().unwrap(), at, None, n);
            Message { id, ..message }
        })
        .collect();
    for message in &messages {
        harness.deliver(message, 0);
    }
    harness.connect(1);
    (harness, messages.iter().map(|message| message.id).collect())
}

fn frames(ids: &[MessageId]) -> Vec<(ConnectionId, Frame)> {
    let ack = |id| (1, Frame::Text(format!(r#"{{"type":"ack","id":"{id}"}}"#)));
    ids.iter().map(ack).collect()
}

fn acks(harness: &mut Harness, ids: &[MessageId]) -> Vec<String> {
    harness.frames(&frames(ids))
}

fn tick(harness: &mut Harness) -> Vec<String> {
    harness.tick()
}

fn gathers(harness: &mut Harness) -> bool {
    may_wait(harness, r#"{"type":"receipts_seen","seq":1}"#)
}

fn may_wait(harness: &mut Harness, text: &str) -> bool {
    let frame = Frame::Text(text.to_owned());
    let answered = harness.begin_frames(&[(1, frame)]);
    let waits = harness.gathers_frames();
    assert!(!waits || answered.is_empty());
    harness.tick();
    waits
}

#[test]
fn frames_wait_for_others_only_while_several_stored_messages_are_in_flight() {
    let (mut harness, ids) = harness(2, 4);
    assert!(gathers(&mut harness));
    acks(&mut harness, &ids[..1]);
    assert!(!gathers(&mut harness), "one is left");
    acks(&mut harness, &ids[1..]);
    // Somebody waits for these, and nothing is written for them.
    harness.deliver(&message(3, TEXT), 1_000);
    harness.deliver(&message(4, TEXT), 1_000);
    assert!(!gathers(&mut harness));
}

#[test]
fn a_frame_that_is_refused_waits_for_no_other() {
    let (mut harness, ids) = harness(3, 4);
    let ack = format!(r#"{{"type":"ack","id":"{}"}}"#, ids[0]);
    assert!(may_wait(&mut harness, &ack));
    let spoilt = ack.replace("id\":\"", "id\":\"no-");
    for frame in ["x", "ping", &spoilt] {
        assert!(!may_wait(&mut harness, frame), "{frame}");
    }
}

#[test]
fn acknowledgements_that_arrive_together_make_room_together() {
    let (mut harness, ids) = harness(7, 4);
    assert_eq!(
        acks(&mut harness, &ids[..2]),
        [
            "tick 100",
            "1 <- body 5, attempt 1",
            "1 <- body 6, attempt 1"
        ]
    );
    harness.sleep();
    assert_eq!(
        acks(&mut harness, &ids[2..3]),
        ["tick 100", "1 <- body 7, attempt 1"],
        "the window is as it was"
    );
    assert_eq!(
        harness.at(1_000).ring(),
        [
            "door: receipts delivered 1, delivered 1",
            "gate: receipts delivered 1",
        ],
        "what sleeps has lost its tick, not its reports"
    );
}

#[test]
fn a_message_cancelled_in_the_event_that_makes_room_for_it_is_not_sent() {
    let (mut harness, ids) = harness(4, 2);
    assert_eq!(harness.begin_frames(&frames(&ids[..1])), [""; 0]);
    assert_eq!(
        harness.cancel_delivery(ids[2]).1,
        ["door: receipts delivered 1", "1 <- body 4, attempt 1"]
    );
}

#[test]
fn while_a_queue_drains_reports_wait_for_others_to_the_same_sender() {
    let (mut harness, ids) = harness(8, 5);
    assert_eq!(acks(&mut harness, &ids[..1])[0], "tick 100");
    acks(harness.at(10), &ids[1..2]);
    acks(harness.at(20), &ids[2..3]);
    assert_eq!(
        tick(harness.at(100)),
        [
            "door: receipts delivered 1, delivered 1",
            "gate: receipts delivered 1"
        ]
    );
    // The next wait begins with the next acknowledgement; a report that was taken is released at once.
    assert_eq!(harness.rows(), "account 1, inbox 8");
    assert_eq!(harness.reported("door", true), [""; 0]);
    assert_eq!(harness.rows(), "account 1, inbox 6");
    assert_eq!(acks(harness.at(110), &ids[4..5]), ["tick 210"]);
    // The last ones do not wait.
    assert_eq!(acks(harness.at(120), &ids[6..7]), [""; 0]);
    acks(harness.at(130), &ids[3..4]);
    assert_eq!(
        acks(harness.at(140), &ids[5..6]),
        [""; 0],
        "the last call to gate is not answered"
    );
    assert_eq!(
        tick(harness.at(210)),
        ["door: receipts delivered 1, delivered 1"]
    );
}

#[test]
fn a_hundred_reports_to_one_sender_do_not_wait_for_more() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 128);
    let messages: Vec<_> = (1..=110).map(|n| message(n, TEXT)).collect();
    for message in &messages {
        harness.deliver(message, 0);
    }
    harness.connect(1);
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    assert_eq!(acks(&mut harness, &ids[..99]), ["tick 100"]);
    let sent = acks(&mut harness, &ids[99..100]);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].matches("delivered 1").count(), 100);
}

#[test]
fn a_waiting_report_has_an_alarm() {
    // Nothing else is due for an hour.
    let (mut harness, ids) = harness(3, 3);
    harness.alarm = None;
    harness.sleep();
    acks(&mut harness, &ids[..1]);
    assert!(
        harness.alarm.is_some_and(|at| at <= 30_000),
        "{:?}",
        harness.alarm
    );
    harness.crash();
    assert_eq!(harness.ring()[0], "door: receipts delivered 1");
}

#[test]
fn a_mailbox_that_wakes_reads_its_reports_page_by_page() {
    let held = 1_300;
    let (mut harness, ids) = harness(held, 128);
    for ids in ids.chunks(100) {
        acks(&mut harness, ids);
    }
    harness.sleep();
    let before = harness.steps();
    let told = harness.at(1_000).ring();
    assert_eq!(told.len(), 2, "both senders are told: {told:?}");
    assert!(
        harness.steps() - before < 40_000,
        "{}",
        harness.steps() - before
    );
    // Each answer brings the next, to the last.
    for _ in 0..held {
        harness.reported("door", true);
        harness.reported("gate", true);
    }
    assert_eq!(harness.rows(), "account 1");
}
