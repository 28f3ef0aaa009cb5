//! What user agents say about messages: Firefox has odd ways to acknowledge.

use serde_json::json;
use tagpost_core::id::MessageId;

use super::super::harness::Harness;
use super::{bodies, versions};

/// A stored message in flight over connection 1.
fn in_flight() -> (Harness, String, MessageId) {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    let id = harness.pushed(&url, "x");
    let words = harness.hello(1, Some(&agent)).1;
    assert_eq!(versions(&words), [id]);
    (harness, agent, id)
}

#[test]
fn every_acknowledgement_ends_the_message() {
    for code in [100, 101, 102, 103, -1] {
        let (mut harness, agent, id) = in_flight();
        harness.acks(1, &[(id, code)]);
        harness.closed(1);
        assert_eq!(bodies(&harness.hello(2, Some(&agent)).1), [""; 0], "{code}");
        assert_eq!(harness.rows(), "account 1", "{code}");
    }
}

#[test]
fn an_acknowledgement_without_a_code_counts_and_so_does_a_nack() {
    for frame in [
        json!({"messageType": "ack", "updates": [{"version": "ID"}]}),
        json!({"messageType": "nack", "version": "ID", "code": 301}),
        json!({"messageType": "nack", "version": "ID"}),
    ] {
        let (mut harness, agent, id) = in_flight();
        harness.frame(1, &frame.to_string().replace("ID", &id.to_string()));
        harness.closed(1);
        assert_eq!(
            bodies(&harness.hello(2, Some(&agent)).1),
            [""; 0],
            "{frame}"
        );
    }
}

#[test]
fn unknown_versions_are_ignored_and_the_rest_of_the_frame_counts() {
    let (mut harness, agent, id) = in_flight();
    let ack = json!({"messageType": "ack", "updates": [
        {"version": "abc"}, {"version": 7}, {}, {"version": "01M84WQ58TFYHWCCN22Z0FBG54"}, {"version": id},
    ]});
    harness.frame(1, &ack.to_string());
    harness.closed(1);
    assert_eq!(bodies(&harness.hello(2, Some(&agent)).1), [""; 0]);
    for odd in [
        json!({"messageType": "ack"}),
        json!({"messageType": "ack", "updates": 7}),
        json!({"messageType": "nack"}),
    ] {
        assert_eq!(harness.frame(2, &odd.to_string()), [""; 0], "{odd}");
    }
}

#[test]
fn a_nack_after_the_acknowledgement_changes_nothing() {
    let (mut harness, _, id) = in_flight();
    harness.acks(1, &[(id, 100)]);
    let before = harness.writes();
    let nack = json!({"messageType": "nack", "version": id, "code": 301});
    assert_eq!(harness.frame(1, &nack.to_string()), [""; 0]);
    assert_eq!(harness.writes(), before);
}
