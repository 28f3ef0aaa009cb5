//! Frames that publish, while their targets are resolved.

use tagpost_core::mailbox::{ConnectionId, PublishFrame};
use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::tagpost_v1::TagpostV1;

use super::harness::{Harness, START, claims, device};
use super::summary::problem_or;

const FRAME: &str = r#"{"type":"publish","ref":"r","to":{"device":"a"},"payload":1}"#;

/// A frame of this text that waits, as the mailbox asks to have it resolved.
fn waiting(harness: &mut Harness, connection: ConnectionId, text: &str) -> PublishFrame {
    assert_eq!(harness.frame(connection, text), ["resolve"]);
    harness.resolving.pop().unwrap()
}

fn resolved(harness: &mut Harness, frame: PublishFrame) -> Vec<String> {
    let devices = Ok(vec![device("a")]);
    harness
        .event(|mailbox, now| mailbox.publish_frame(frame, devices, now))
        .1
}

#[test]
fn a_frame_is_published_once_its_target_is_resolved() {
    let mut harness = Harness::new();
    harness.connect(1);
    let frame = waiting(&mut harness, 1, FRAME);
    assert_eq!(resolved(&mut harness, frame), ["a: deliver, wait 1000"]);
}

#[test]
fn a_frame_whose_target_cannot_be_resolved_is_answered_with_the_reason() {
    let mut harness = Harness::new();
    harness.connect(1);
    let frame = waiting(&mut harness, 1, FRAME);
    let late = Err(Problem::new(Code::Unavailable, "too late"));
    let answered = harness.event(|mailbox, now| mailbox.publish_frame(frame, late, now));
    assert_eq!(answered.1, ["1 <- error unavailable"]);
}

#[test]
fn a_frame_sent_before_the_token_was_revoked_is_not_accepted_after() {
    let mut harness = Harness::new();
    harness.connect(1);
    let frame = waiting(&mut harness, 1, FRAME);
    let revoked = harness.event(|mailbox, now| problem_or(mailbox.revoke(now)));
    assert_eq!(revoked.1, ["revoked", "1 closes with 4401"]);
    assert_eq!(resolved(&mut harness, frame), [""; 0]);
    assert_eq!(harness.calls.len(), 0);
}

#[test]
fn a_token_revoked_after_its_device_disconnected_accepts_nothing() {
    let mut harness = Harness::new();
    harness.connect(1);
    let frame = waiting(&mut harness, 1, FRAME);
    harness.closed(1);
    let revoked = harness.event(|mailbox, now| problem_or(mailbox.revoke(now)));
    assert_eq!(revoked.1, ["revoked"]);
    assert_eq!(resolved(&mut harness, frame), [""; 0]);
}

#[test]
fn a_token_that_expires_meanwhile_accepts_nothing() {
    let mut harness = Harness::new();
    let mut claims = claims("cam");
    claims.expires_at = Some(START / 1000 + 2);
    harness.event(|mailbox, now| mailbox.connect(1, &TagpostV1, &claims, None, now));
    let frame = waiting(&mut harness, 1, FRAME);
    harness.at(2_000);
    assert_eq!(resolved(&mut harness, frame), ["1 closes with 4401"]);
}

#[test]
fn a_frame_sent_before_a_takeover_is_not_accepted_after() {
    let mut harness = Harness::new();
    harness.connect(1);
    let old = waiting(&mut harness, 1, FRAME);
    harness.connect(2);
    let new = waiting(&mut harness, 2, FRAME);
    assert_eq!(resolved(&mut harness, old), [""; 0]);
    assert_eq!(resolved(&mut harness, new), ["a: deliver, wait 1000"]);
}

#[test]
fn a_frame_of_a_device_that_disconnected_is_still_accepted() {
    let mut harness = Harness::new();
    harness.connect(1);
    let frame = waiting(&mut harness, 1, FRAME);
    harness.closed(1);
    assert_eq!(resolved(&mut harness, frame), ["a: deliver, wait 1000"]);
}

#[test]
fn as_many_frames_wait_as_the_burst_allows() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 2);
    harness.connect(1);
    let first = waiting(&mut harness, 1, FRAME);
    waiting(&mut harness, 1, FRAME);
    let full = ["1 <- error too_many_requests"];
    assert_eq!(harness.frame(1, FRAME), full);
    resolved(&mut harness, first);
    waiting(&mut harness, 1, FRAME);
    assert_eq!(harness.frame(1, FRAME), full);
    // Another connection does not answer for this one's.
    harness.connect(2);
    waiting(&mut harness, 2, FRAME);
}

#[test]
fn frames_that_wait_have_eight_megabytes_of_payload_together() {
    let mut harness = Harness::with(|limits| limits.max_payload_bytes = 1_000_000);
    harness.connect(1);
    let payload = "x".repeat(1_000_000);
    let large = format!(r#"{{"type":"publish","to":{{"device":"a"}},"payload":"{payload}"}}"#);
    for _ in 0..8 {
        waiting(&mut harness, 1, &large);
    }
    assert_eq!(harness.frame(1, &large), ["1 <- error too_many_requests"]);
    waiting(&mut harness, 1, FRAME);
}

#[test]
fn a_frame_to_a_tag_comes_back_to_its_sender_with_echo_alone() {
    let mut harness = Harness::new();
    harness.connect(1);
    let publish = |echo| {
        format!(r#"{{"type":"publish","ref":"r","to":{{"tag":"t"}},"payload":1,"echo":{echo}}}"#)
    };
    let itself = || Ok(vec![device("cam")]);
    for echo in ["null", "false"] {
        let frame = waiting(&mut harness, 1, &publish(echo));
        let answered = harness.event(|mailbox, now| mailbox.publish_frame(frame, itself(), now));
        assert_eq!(answered.1, ["1 <- error unknown_tag"], "{echo}");
    }
    let frame = waiting(&mut harness, 1, &publish("true"));
    let answered = harness.event(|mailbox, now| mailbox.publish_frame(frame, itself(), now));
    assert_eq!(answered.1, ["cam: deliver, wait 1000"]);
}
