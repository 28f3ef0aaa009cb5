//! When a device is away, and when it is back.

use super::super::harness::{Harness, START, message_from};
use super::super::webhook::{TEXT, status};
use super::told;

#[test]
fn a_device_is_away_once_an_absence_and_then_it_comes_back() {
    let mut cam = Harness::telling();
    cam.at(0).connect(1);
    cam.at(1_000).closed(1);
    assert!(cam.alarm.is_some_and(|alarm| alarm <= 61_000));
    cam.sleep();
    assert_eq!(told(&cam.at(60_999).ring()), 0);
    assert!(cam.alarm.is_some_and(|alarm| alarm <= 61_000));
    assert_eq!(told(&cam.at(61_000).ring()), 1);
    assert_eq!(cam.waiting_events(), ["1 device.away"]);
    assert_eq!(cam.event(1)["since"], START + 1_000);
    cam.taken(Some(1));
    cam.sleep();
    assert_eq!(told(&cam.at(900_000).ring()), 0, "once an absence");
    assert_eq!(told(&cam.at(910_000).connect(2)), 1);
    assert_eq!(cam.waiting_events(), ["2 device.back"]);
    assert_eq!(cam.event(2)["since"], START + 1_000);
}

#[test]
fn a_short_absence_and_a_takeover_are_told_of_by_nothing() {
    let mut cam = Harness::telling();
    cam.at(0).connect(1);
    cam.at(1_000).connect(2);
    cam.at(2_000).closed(2);
    cam.at(61_999).connect(3);
    cam.sleep();
    for at in [62_000, 130_000] {
        assert_eq!(told(&cam.at(at).ring()), 0);
    }
    assert_eq!(cam.waiting_events(), [""; 0]);
}

#[test]
fn a_mailbox_that_failed_counts_the_absence_from_when_it_is_open_again() {
    let mut cam = Harness::telling();
    cam.at(0).connect(1);
    cam.crash();
    cam.at(5_000).wake();
    assert_eq!(told(&cam.at(65_000).ring()), 1);
    assert_eq!(cam.event(1)["since"], START + 5_000);
}

#[test]
fn a_device_that_vanishes_without_a_word_is_away_too() {
    let mut cam = Harness::telling();
    cam.at(0).connect(1);
    cam.sleep();
    // A minute is over, but two and a half keepalives are not.
    assert_eq!(cam.alarm, Some(150_001));
    assert_eq!(told(&cam.at(150_001).ring()), 1);
    assert_eq!(cam.waiting_events(), ["1 device.away"]);
    assert_eq!(cam.event(1)["since"], START);
    cam.taken(Some(1));
    assert_eq!(told(&cam.at(400_000).connect(2)), 1);
    assert_eq!(cam.waiting_events(), ["2 device.back"]);
}

#[test]
fn signs_of_life_are_looked_for_as_long_as_the_device_is_connected() {
    let mut cam = Harness::telling();
    cam.at(0).connect(1);
    let alive = r#"{"type":"receipts_seen","seq":0}"#;
    cam.at(100_000).frame(1, alive);
    cam.sleep();
    assert_eq!(told(&cam.at(150_001).ring()), 0);
    assert_eq!(cam.alarm, Some(250_001), "two and a half keepalives later");
    assert_eq!(told(&cam.at(250_001).ring()), 1);
    assert_eq!(cam.event(1)["since"], START + 100_000);
}

#[test]
fn what_opens_the_mailbox_may_be_a_sign_of_life() {
    let mut cam = Harness::telling();
    cam.at(0).connect(1);
    cam.sleep();
    assert_eq!(told(&cam.at(500_000).wake()), 0);
    let alive = r#"{"type":"receipts_seen","seq":0}"#;
    assert_eq!(told(&cam.frame(1, alive)), 0);
    assert_eq!(cam.waiting_events(), [""; 0]);
}

#[test]
fn an_address_can_be_reached_until_it_is_cut_off() {
    let mut cam = Harness::telling();
    cam.at(0).connect(1);
    cam.set_webhook(1).unwrap();
    cam.at(1_000).closed(1);
    assert_eq!(told(&cam.at(90_000).wake()), 0, "its address takes over");
    for n in 1..=5 {
        let message = message_from(&format!("s{n}"), n, TEXT);
        cam.deliver(&message, 0);
        cam.answers(message.id, status(500));
    }
    assert!(cam.alarm.is_some_and(|alarm| alarm <= 150_000));
    cam.posts.clear();
    assert_eq!(told(&cam.at(150_000).ring()), 1);
    assert_eq!(cam.event(1)["since"], START + 90_000);
}

#[test]
fn a_removed_device_is_not_away() {
    let mut cam = Harness::telling();
    cam.at(0).connect(1);
    cam.remove();
    assert_eq!(told(&cam.at(90_000).ring()), 0);
    cam.register();
    assert_eq!(cam.waiting_events(), ["1 device.registered"]);
}
