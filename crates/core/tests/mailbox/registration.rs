//! A device comes, has its tokens revoked, and goes.

use tagpost_core::delivery::State;
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::token::Claims;

use super::harness::{Harness, START, claims, delivery, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

fn admitted(harness: &mut Harness, claims: &Claims) -> bool {
    harness.admits(claims)
}

fn revoke(harness: &mut Harness) -> Vec<String> {
    harness.revoke().unwrap()
}

#[test]
fn a_revoked_token_is_dead_and_its_socket_closes() {
    let mut harness = Harness::new();
    harness.connect(1);
    assert!(admitted(&mut harness, &claims("cam")));
    assert!(revoke(&mut harness).contains(&"1 closes with 4401".to_owned()));
    assert!(!admitted(&mut harness, &claims("cam")));
    harness.crash();
    assert!(
        !admitted(&mut harness, &claims("cam")),
        "also after a crash"
    );
}

#[test]
fn a_token_minted_after_the_revocation_works_within_the_same_second() {
    let mut harness = Harness::new();
    revoke(&mut harness);
    assert!(admitted(
        &mut harness,
        &Claims {
            revocations: Some(1),
            webhook: false,
            ..claims("cam")
        }
    ));
    assert!(!admitted(
        &mut harness,
        &Claims {
            revocations: Some(0),
            webhook: false,
            ..claims("cam")
        }
    ));
    let later = Claims {
        issued_at: START / 1000 + 1,
        ..claims("cam")
    };
    assert!(
        admitted(&mut harness, &later),
        "one minted elsewhere works from the next second on"
    );
}

#[test]
fn an_expired_token_is_not_admitted_and_closes_its_socket() {
    let mut harness = Harness::new();
    let expiring = Claims {
        expires_at: Some(START / 1000 + 5),
        ..claims("cam")
    };
    harness.open(1, &TagpostV1, expiring.clone(), None);
    assert_eq!(harness.alarm, Some(5_000));
    assert_eq!(harness.at(5_000).ring(), ["1 closes with 4401"]);
    assert!(!admitted(&mut harness, &expiring));
}

#[test]
fn a_message_does_not_go_over_a_connection_whose_token_has_expired() {
    let mut harness = Harness::new();
    let expiring = Claims {
        expires_at: Some(START / 1000 + 5),
        ..claims("cam")
    };
    harness.open(1, &TagpostV1, expiring.clone(), None);
    harness.at(5_000);
    // The alarm that closes the connection is late.
    assert_eq!(
        harness.deliver(&message(1, TEXT), 1_000),
        ["held 0", "1 closes with 4401"]
    );
}

#[test]
fn only_the_newest_connection_is_the_live_one() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.connect(2);
    let is_online = |harness: &mut Harness| harness.status().online;
    harness.closed(1);
    assert!(is_online(&mut harness));
    harness.closed(2);
    assert!(!is_online(&mut harness));
}

#[test]
fn removing_a_device_refuses_its_held_messages_and_deletes_its_sent_ones() {
    let mut harness = Harness::new();
    harness
        .publish(&["a"], &[("Idempotency-Key", "k")], "x")
        .unwrap();
    harness.deliver(&message(1, TEXT), 0);
    harness.connect(1);
    let removed = harness.remove();
    assert_eq!(
        removed,
        [
            "1 closes with 4401",
            "door: receipts refused 1 (device_removed)",
            "not published: unknown_device (#1)"
        ]
    );
    harness.reported("door", true);
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(harness.deliver(&message(2, TEXT), 0), ["UnknownDevice"]);
}

#[test]
fn a_delivery_that_a_removed_device_was_making_is_reported_when_it_is_made() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a"], &[], "x").unwrap();
    harness.remove();
    let report = |harness: &mut Harness| harness.report(id, delivery("a", State::Delivered));
    assert_eq!(report(&mut harness).unwrap_err(), "unavailable");
    harness.returned("a", id, None);
    assert_eq!(report(&mut harness).unwrap(), [""; 0]);
}

#[test]
fn a_repeated_call_learns_that_the_message_was_refused_with_the_device() {
    let mut harness = Harness::new();
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.remove();
    assert_eq!(harness.deliver(&message, 0), ["refused 0 (device_removed)"]);
}

#[test]
fn a_device_that_is_created_again_starts_empty_and_its_old_tokens_stay_dead() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    harness.remove();
    let registered = harness.register();
    assert_eq!((registered.changed, registered.revocations), (true, 1));
    assert!(!admitted(&mut harness, &claims("cam")));
    let renewed = Claims {
        revocations: Some(1),
        webhook: false,
        ..claims("cam")
    };
    assert_eq!(
        harness.open(1, &TagpostV1, renewed, None),
        ["1 <- welcome, 0 held"]
    );
}

#[test]
fn a_mailbox_without_a_device_stores_nothing_and_does_nothing() {
    let mut harness = Harness::new();
    harness.remove();
    assert_eq!(
        harness.publish(&["a"], &[], "x").unwrap_err(),
        "unknown_device"
    );
    assert_eq!(harness.ring(), [""; 0]);
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(harness.revoke().unwrap_err(), "unknown_device");
}
