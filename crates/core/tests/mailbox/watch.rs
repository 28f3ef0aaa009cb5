//! Watching a mailbox: who is told what, and that nothing follows from it.

use std::mem;

use tagpost_core::call::Call;
use tagpost_core::protocol::Frame;
use tagpost_core::token::Claims;

use super::harness::{Harness, START, WATCHER, claims, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// A mailbox that an operator watches.
fn watched() -> Harness {
    watched_with(|_| {})
}

fn watched_with(change: impl FnOnce(&mut tagpost_core::limits::Limits)) -> Harness {
    let mut harness = Harness::with(change);
    assert_eq!(harness.watch(WATCHER, None, false), Ok(vec![]));
    assert_eq!(harness.told(), ["90000 <- watching, offline, 0 held"]);
    harness
}

impl Harness {
    /// What watchers were told since this was last asked.
    fn told(&mut self) -> Vec<String> {
        mem::take(&mut self.told)
    }
}

fn expiring(seconds: i64) -> Option<Claims> {
    Some(Claims {
        expires_at: Some(START / 1000 + seconds),
        ..claims("cam")
    })
}

#[test]
fn a_watcher_is_told_each_step_of_a_message_that_is_held() {
    let mut harness = watched();
    let id = message(1, TEXT).id;
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(harness.told(), ["90000 <- held 0"]);
    harness.connect(1);
    assert_eq!(harness.told(), ["90000 <- online", "90000 <- sent 1"]);
    harness.progress(id, 60, "on my way");
    assert_eq!(harness.told(), [r#"90000 <- in_progress 1 "on my way""#]);
    harness.frame(
        1,
        &format!(r#"{{"type":"ack","id":"{id}","reply":"done"}}"#),
    );
    assert_eq!(harness.told(), [r#"90000 <- delivered 1 "done""#]);
}

#[test]
fn a_watcher_is_told_each_step_of_a_message_that_is_never_stored() {
    let mut harness = watched();
    harness.connect(1);
    harness.told();
    harness.deliver(&message(1, TEXT), 60_000);
    harness.nack(message(1, TEXT).id);
    assert_eq!(harness.told(), ["90000 <- sent 1", "90000 <- rejected 1"]);
    harness.deliver(
        &message(2, &[("Content-Type", "text/plain"), ("TTL", "0")]),
        60_000,
    );
    harness.closed(1);
    assert_eq!(
        harness.told(),
        ["90000 <- sent 1", "90000 <- expired 1", "90000 <- offline"]
    );
}

#[test]
fn a_watcher_is_told_of_polls_and_of_connections_that_end() {
    let mut harness = watched();
    harness.deliver(&message(1, TEXT), 0);
    harness.poll(1);
    assert_eq!(harness.told(), ["90000 <- held 0", "90000 <- sent 1"]);
    harness.ack(message(1, TEXT).id);
    harness.connect(1);
    harness.deliver(&message(2, TEXT), 0);
    harness.told();
    harness.closed(1);
    assert_eq!(harness.told(), ["90000 <- held 1", "90000 <- offline"]);
}

#[test]
fn a_watcher_is_told_of_messages_that_are_cancelled_replaced_and_refused() {
    let mut harness = watched_with(|limits| limits.max_held_messages = 1);
    let topic = &[("Content-Type", "text/plain"), ("Topic", "now")];
    harness.deliver(&message(1, topic), 0);
    harness.deliver(&message(2, topic), 0);
    harness.deliver(&message(3, TEXT), 0);
    harness.cancel_delivery(message(2, topic).id);
    assert_eq!(
        harness.told(),
        [
            "90000 <- held 0",
            "90000 <- replaced 0",
            "90000 <- held 0",
            r#"90000 <- refused 0 "queue_full""#,
            "90000 <- cancelled 0"
        ]
    );
}

#[test]
fn a_watcher_is_not_told_of_a_message_that_the_mailbox_does_not_have() {
    let mut harness = watched();
    harness.cancel_delivery(message(1, TEXT).id);
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(harness.told(), [""; 0]);
}

#[test]
fn only_a_watcher_that_asked_for_payloads_is_told_them() {
    let mut harness = watched();
    harness.watch(WATCHER + 1, None, true).unwrap();
    harness.told();
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(
        harness.told(),
        ["90000 <- held 0", r#"90001 <- held 0 "body 1""#]
    );
}

#[test]
fn watching_goes_on_after_the_mailbox_has_slept() {
    let mut harness = watched();
    harness.sleep();
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(harness.told(), ["90000 <- held 0"]);
    harness.closed(WATCHER);
    harness.sleep();
    harness.deliver(&message(2, TEXT), 0);
    assert_eq!(harness.told(), [""; 0]);
}

#[test]
fn a_watcher_does_not_make_the_device_online_and_writes_no_row() {
    let mut harness = Harness::new();
    let before = (harness.writes(), harness.alarm);
    harness.watch(WATCHER, Some(claims("cam")), true).unwrap();
    let status = harness.status();
    assert_eq!((status.online, status.last_seen_at), (false, None));
    harness.closed(WATCHER);
    assert_eq!((harness.writes(), harness.alarm), before);
}

#[test]
fn a_device_that_is_not_known_is_not_watched() {
    let mut harness = Harness::new();
    harness.remove();
    assert_eq!(
        harness.watch(WATCHER, None, false),
        Err("unknown_device".to_owned())
    );
    assert_eq!(harness.told(), [""; 0]);
}

#[test]
fn the_sixth_watcher_takes_the_place_of_the_first() {
    let mut harness = watched();
    for n in 1..5 {
        harness.watch(WATCHER + n, None, false).unwrap();
    }
    harness.told();
    harness.watch(WATCHER + 5, None, false).unwrap();
    assert_eq!(harness.told()[0], "90000 closes with 4409");
    harness.deliver(&message(1, TEXT), 0);
    let told = harness.told();
    assert_eq!((told.len(), &*told[0]), (5, "90001 <- held 0"));
}

#[test]
fn a_device_that_watches_itself_takes_no_place_of_the_operator() {
    let mut harness = watched();
    for n in 1..=6 {
        harness
            .watch(WATCHER + n, Some(claims("cam")), false)
            .unwrap();
    }
    let told = harness.told();
    assert!(
        told.contains(&"90001 closes with 4409".to_owned()),
        "{told:?}"
    );
    assert!(
        !told.contains(&"90000 closes with 4409".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_watcher_is_told_nothing_of_what_was_before() {
    let mut harness = watched_with(|limits| limits.max_in_flight = 4);
    harness.connect(1);
    for n in 1..=3 {
        harness.deliver(&message(n, TEXT), 0);
    }
    let ack = |n| {
        Frame::Text(format!(
            r#"{{"type":"ack","id":"{}"}}"#,
            message(n, TEXT).id
        ))
    };
    harness.begin_frames(&[(1, ack(1)), (1, ack(2))]);
    assert!(harness.gathers_frames());
    harness.told();
    harness.watch(WATCHER + 1, None, false).unwrap();
    assert_eq!(
        harness.told(),
        [
            "90000 <- delivered 1",
            "90000 <- delivered 1",
            "90001 <- watching, online, 0 held"
        ]
    );
}

#[test]
fn a_watcher_is_told_that_a_message_is_held_again() {
    let mut harness = watched_with(|limits| limits.ack_timeout = 1);
    let id = message(1, TEXT).id;
    harness.deliver(&message(1, TEXT), 0);
    harness.poll(1);
    harness.told();
    harness.at(1_001).ring();
    assert_eq!(harness.told(), ["90000 <- held 1"]);
    harness.poll(1);
    harness.progress(id, 5, "");
    harness.told();
    harness.at(6_002).ring();
    assert_eq!(harness.told(), ["90000 <- held 2"]);
}

#[test]
fn a_watcher_whose_token_is_no_longer_valid_is_told_nothing_more() {
    let mut harness = watched();
    harness.watch(WATCHER + 1, expiring(10), false).unwrap();
    harness.told();
    harness.at(10_000).deliver(&message(1, TEXT), 0);
    assert_eq!(
        harness.told(),
        ["90001 closes with 4401", "90000 <- held 0"]
    );
    assert_eq!(
        harness.watch(WATCHER + 2, expiring(10), false),
        Err("unauthorized".to_owned())
    );
    harness.watch(WATCHER + 3, expiring(20), false).unwrap();
    harness.told();
    harness.revoke().unwrap();
    assert_eq!(harness.told(), ["90003 closes with 4401"]);
    harness.remove();
    assert_eq!(
        harness.told(),
        [
            r#"90000 <- refused 0 "device_removed""#,
            "90000 closes with 4401"
        ]
    );
}

#[test]
fn a_watcher_that_speaks_is_closed() {
    let mut harness = watched();
    harness.connect(1);
    harness.told();
    harness.frame(WATCHER, "ping");
    assert_eq!(harness.told(), ["90000 <- pong"]);
    let ack = format!(r#"{{"type":"ack","id":"{}"}}"#, message(1, TEXT).id);
    harness.deliver(&message(1, TEXT), 0);
    harness.told();
    harness.frame(WATCHER, &ack);
    assert_eq!(harness.told(), ["90000 closes with 4400"]);
    assert_eq!(harness.status().in_flight, 1);
}

#[test]
fn a_watcher_is_told_no_more_than_two_mebibytes() {
    let mut harness = Harness::with(|limits| limits.max_payload_bytes = 1 << 20);
    harness.watch(WATCHER, None, true).unwrap();
    let body = "x".repeat(600_000);
    let long = |n| {
        let mut long = message(n, TEXT);
        long.payload = serde_json::value::RawValue::from_string(format!("\"{body}\"")).unwrap();
        long
    };
    for n in 1..=3 {
        harness.deliver(&long(n), 0);
        harness.sleep();
    }
    assert!(
        harness
            .told()
            .iter()
            .all(|told| told.starts_with("90000 <- "))
    );
    harness.deliver(&long(4), 0);
    assert_eq!(harness.told().last().unwrap(), "90000 closes with 4408");
    harness.deliver(&message(5, TEXT), 0);
    assert_eq!(harness.told(), [""; 0]);
}

#[test]
fn the_status_tells_since_when_the_oldest_message_waits() {
    let mut harness = Harness::new();
    assert_eq!(harness.status().held_since, None);
    let high = &[("Content-Type", "text/plain"), ("Urgency", "high")];
    let oldest = message(1, TEXT);
    harness.deliver(&oldest, 0);
    harness.deliver(&message(2, high), 0);
    assert_eq!(harness.status().held_since, Some(oldest.id.time()));
    harness.ack(oldest.id);
    assert_eq!(
        harness.status().held_since,
        Some(message(2, high).id.time())
    );
    let steps = harness.steps();
    harness.ask(Call::Status).0.unwrap();
    let few = harness.steps() - steps;
    for n in 3..300 {
        harness.deliver(&message(n, TEXT), 0);
    }
    let steps = harness.steps();
    harness.ask(Call::Status).0.unwrap();
    assert!(
        harness.steps() - steps < few + 50,
        "as cheap with many as with few"
    );
}
