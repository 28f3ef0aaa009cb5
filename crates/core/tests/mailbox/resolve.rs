//! Frames that publish, while their targets are resolved.

use tagpost_core::id::DeviceId;
use tagpost_core::mailbox::{ConnectionId, Input};
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::tagpost_v1::TagpostV1;

use super::harness::{Harness, START, claims, device};

const FRAME: &str = r#"{"type":"publish","ref":"r","to":{"tag":"hall"},"payload":1}"#;
const TO_DEVICE: &str = r#"{"type":"publish","ref":"d","to":{"device":"b"},"payload":1}"#;

/// A frame of this text arrives, and has its target looked up.
fn asks(harness: &mut Harness, connection: ConnectionId, text: &str) {
    assert_eq!(harness.frame(connection, text), ["resolve hall"]);
}

/// A frame of this text arrives, and waits for the query that is under way.
fn waits(harness: &mut Harness, connection: ConnectionId, text: &str) {
    assert_eq!(harness.frame(connection, text), [""; 0]);
}

fn hall() -> Target {
    Target::Tag("hall".parse().unwrap())
}

fn answer(
    harness: &mut Harness,
    found: Result<Vec<(Target, Vec<DeviceId>)>, Problem>,
) -> Vec<String> {
    harness.handle(Input::Resolved(found))
}

/// The directory answers that `hall` is `a`.
fn resolved(harness: &mut Harness) -> Vec<String> {
    answer(harness, Ok(vec![(hall(), vec![device("a")])]))
}

#[test]
fn a_frame_is_published_once_its_target_is_resolved() {
    let mut harness = Harness::new();
    harness.connect(1);
    asks(&mut harness, 1, FRAME);
    assert_eq!(resolved(&mut harness), ["a: deliver, wait 1000"]);
}

#[test]
fn a_frame_to_a_device_needs_no_query() {
    let mut harness = Harness::new();
    harness.connect(1);
    let published = harness.frame(1, TO_DEVICE);
    assert_eq!(published, ["b: deliver, wait 1000"]);
}

#[test]
fn frames_are_accepted_in_their_order_with_one_query_under_way() {
    let mut harness = Harness::new();
    harness.connect(1);
    asks(&mut harness, 1, FRAME);
    waits(&mut harness, 1, TO_DEVICE);
    for tag in ["hall", "attic", "hall"] {
        waits(&mut harness, 1, &FRAME.replace("hall", tag));
    }
    waits(&mut harness, 1, TO_DEVICE);
    assert_eq!(
        resolved(&mut harness),
        [
            "a: deliver, wait 1000",
            "b: deliver, wait 1000",
            "resolve hall attic"
        ]
    );
    assert_eq!(
        resolved(&mut harness),
        [
            "a: deliver after another, wait 1000",
            "1 <- error unknown_tag",
            "a: deliver after another, wait 1000",
            "b: deliver after another, wait 1000"
        ]
    );
}

#[test]
fn a_directory_that_fails_stops_messages_to_tags_and_no_others() {
    let mut harness = Harness::new();
    harness.connect(1);
    asks(&mut harness, 1, FRAME);
    waits(&mut harness, 1, TO_DEVICE);
    waits(&mut harness, 1, FRAME);
    let down = || Err(Problem::new(Code::Unavailable, "down"));
    assert_eq!(
        answer(&mut harness, down()),
        [
            "1 <- error unavailable",
            "b: deliver, wait 1000",
            "resolve hall"
        ]
    );
    assert_eq!(answer(&mut harness, down()), ["1 <- error unavailable"]);
}

#[test]
fn a_frame_sent_before_the_token_was_revoked_is_not_accepted_after() {
    let mut harness = Harness::new();
    harness.connect(1);
    asks(&mut harness, 1, FRAME);
    waits(&mut harness, 1, TO_DEVICE);
    assert_eq!(harness.revoke().unwrap(), ["1 closes with 4401"]);
    assert_eq!(resolved(&mut harness), [""; 0]);
    assert_eq!(harness.calls.len(), 0);
}

#[test]
fn a_token_revoked_after_its_device_disconnected_accepts_nothing() {
    let mut harness = Harness::new();
    harness.connect(1);
    asks(&mut harness, 1, FRAME);
    harness.closed(1);
    assert_eq!(harness.revoke().unwrap(), [""; 0]);
    assert_eq!(resolved(&mut harness), [""; 0]);
}

#[test]
fn a_token_that_expires_meanwhile_accepts_nothing() {
    let mut harness = Harness::new();
    let mut claims = claims("cam");
    claims.expires_at = Some(START / 1000 + 2);
    harness.open(1, &TagpostV1, claims, None);
    asks(&mut harness, 1, FRAME);
    harness.at(2_000);
    assert_eq!(resolved(&mut harness), ["1 closes with 4401"]);
}

#[test]
fn a_frame_sent_before_a_takeover_is_not_accepted_after() {
    let mut harness = Harness::new();
    harness.connect(1);
    asks(&mut harness, 1, FRAME);
    harness.connect(2);
    // The query for the old one is still under way.
    waits(&mut harness, 2, FRAME);
    assert_eq!(resolved(&mut harness), ["resolve hall"]);
    assert_eq!(resolved(&mut harness), ["a: deliver, wait 1000"]);
}

#[test]
fn a_frame_of_a_device_that_disconnected_is_still_accepted() {
    let mut harness = Harness::new();
    harness.connect(1);
    asks(&mut harness, 1, FRAME);
    harness.closed(1);
    assert_eq!(resolved(&mut harness), ["a: deliver, wait 1000"]);
}

#[test]
fn as_many_frames_wait_as_the_burst_allows() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 2);
    harness.connect(1);
    asks(&mut harness, 1, FRAME);
    waits(&mut harness, 1, FRAME);
    let full = ["1 <- error too_many_requests"];
    assert_eq!(harness.frame(1, FRAME), full);
    resolved(&mut harness);
    waits(&mut harness, 1, FRAME);
    assert_eq!(harness.frame(1, FRAME), full);
    // Another connection does not answer for this one's.
    harness.connect(2);
    waits(&mut harness, 2, FRAME);
}

#[test]
fn frames_that_wait_have_eight_megabytes_of_payload_together() {
    let mut harness = Harness::with(|limits| limits.max_payload_bytes = 1_000_000);
    harness.connect(1);
    let payload = "x".repeat(1_000_000);
    let large = format!(r#"{{"type":"publish","to":{{"tag":"hall"}},"payload":"{payload}"}}"#);
    asks(&mut harness, 1, &large);
    for _ in 1..8 {
        waits(&mut harness, 1, &large);
    }
    assert_eq!(harness.frame(1, &large), ["1 <- error too_many_requests"]);
    waits(&mut harness, 1, FRAME);
}

#[test]
fn a_frame_to_a_tag_comes_back_to_its_sender_only_with_echo() {
    let mut harness = Harness::new();
    harness.connect(1);
    let publish = |echo| {
        format!(r#"{{"type":"publish","ref":"r","to":{{"tag":"hall"}},"payload":1,"echo":{echo}}}"#)
    };
    let itself = || Ok(vec![(hall(), vec![device("cam")])]);
    for echo in ["null", "false"] {
        asks(&mut harness, 1, &publish(echo));
        let answered = answer(&mut harness, itself());
        assert_eq!(answered, ["1 <- error unknown_tag"], "{echo}");
    }
    asks(&mut harness, 1, &publish("true"));
    let answered = answer(&mut harness, itself());
    assert_eq!(answered, ["cam: deliver, wait 1000"]);
}
