//! A device comes, has its tokens revoked, and goes.

use tagpost_core::delivery::State;
use tagpost_core::mailbox::Terms;
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::time::Millis;
use tagpost_core::token::Claims;

use super::harness::{Harness, START, claims, delivery, device, message};
use super::summary::problem_or;

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

fn admitted(harness: &mut Harness, claims: &Claims) -> bool {
    harness
        .event(|mailbox, now| Ok(mailbox.admit(claims, now).is_ok()))
        .0
}

fn revoke(harness: &mut Harness) -> Vec<String> {
    let (revoked, effects) = harness.event(|mailbox, now| problem_or(mailbox.revoke(now)));
    revoked.unwrap();
    effects
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
            ..claims("cam")
        }
    ));
    assert!(!admitted(
        &mut harness,
        &Claims {
            revocations: Some(0),
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
    harness.event(|mailbox, now| mailbox.connect(1, &TagpostV1, &expiring, None, now));
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
    harness.event(|mailbox, now| mailbox.connect(1, &TagpostV1, &expiring, None, now));
    harness.at(5_000);
    let terms = Terms {
        wait: 1_000,
        after: None,
        until: Millis::MAX,
        waited: false,
    };
    // The alarm that closes the connection is late.
    let effects = harness.with_batched_frames(&[], |mailbox, now| {
        mailbox.deliver(message(1, TEXT), terms, now)
    });
    assert_eq!(effects, ["1 closes with 4401", "ready"]);
}

#[test]
fn only_the_newest_connection_is_the_live_one() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.connect(2);
    let connection = |harness: &mut Harness| harness.event(|mailbox, _| Ok(mailbox.connection())).0;
    assert_eq!(connection(&mut harness), Some(2));
    harness.closed(1);
    harness.closed(2);
    assert_eq!(connection(&mut harness), None);
}

#[test]
fn removing_a_device_refuses_its_held_messages_and_deletes_its_sent_ones() {
    let mut harness = Harness::new();
    harness
        .publish(&["a"], &[("Idempotency-Key", "k")], "x")
        .unwrap();
    harness.deliver(&message(1, TEXT), 0);
    harness.connect(1);
    let removed = harness.event(|mailbox, now| mailbox.remove(now)).1;
    assert_eq!(
        removed,
        [
            "1 closes with 4401",
            "door: receipts refused 1 (device_removed)",
            "not published: unknown_device (#1)",
            "revoked",
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
    harness.event(|mailbox, now| mailbox.remove(now));
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
    harness.event(|mailbox, now| mailbox.remove(now));
    assert_eq!(harness.deliver(&message, 0), ["refused 0 (device_removed)"]);
}

#[test]
fn a_device_that_is_created_again_starts_empty_and_its_old_tokens_stay_dead() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, TEXT), 0);
    harness.event(|mailbox, now| mailbox.remove(now));
    let (registered, _) = harness.event(|mailbox, now| mailbox.register(&device("cam"), now));
    assert_eq!((registered.changed, registered.revocations), (true, 1));
    assert!(!admitted(&mut harness, &claims("cam")));
    assert_eq!(harness.connect(1), ["1 <- welcome, 0 held"]);
}

#[test]
fn a_mailbox_without_a_device_stores_nothing_and_does_nothing() {
    let mut harness = Harness::new();
    harness.event(|mailbox, now| mailbox.remove(now));
    assert_eq!(
        harness.publish(&["a"], &[], "x").unwrap_err(),
        "unknown_device"
    );
    assert_eq!(harness.ring(), [""; 0]);
    assert_eq!(harness.rows(), "account 1");
    let revoked = harness
        .event(|mailbox, now| problem_or(mailbox.revoke(now)))
        .0;
    assert_eq!(revoked.unwrap_err(), "unknown_device");
}
