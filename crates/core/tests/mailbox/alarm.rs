//! The alarm: no later than the earliest thing due, not moved without need, and none when nothing is due.

use super::harness::{Harness, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

#[test]
fn an_idle_device_has_no_alarm() {
    let mut harness = Harness::new();
    harness.connect(1);
    harness.frame(1, r#"{"type":"receipts_seen","seq":1}"#);
    assert_eq!(harness.alarm, None);
}

#[test]
fn an_earlier_deadline_moves_the_alarm_and_a_later_one_does_not() {
    let mut harness = Harness::new();
    for (n, ttl, alarm) in [(1, "50", 50_000), (2, "60", 50_000), (3, "40", 40_000)] {
        harness.deliver(&message(n, &[("TTL", ttl)]), 0);
        assert_eq!(harness.alarm, Some(alarm));
    }
}

#[test]
fn an_alarm_that_finds_nothing_due_yet_is_set_again() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, &[("TTL", "50")]), 0);
    assert_eq!(harness.at(20_000).ring(), [""; 0]);
    assert_eq!(harness.alarm, Some(50_000));
}

#[test]
fn no_alarm_is_left_once_nothing_is_due() {
    let mut harness = Harness::new();
    harness.connect(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    harness.ack(message.id);
    harness.reported("door", true);
    assert_eq!(harness.at(30_000).ring(), [""; 0]);
    assert_eq!(harness.alarm, None);
}

#[test]
fn an_alarm_that_was_lost_is_set_when_the_mailbox_opens() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, &[("TTL", "50")]), 0);
    harness.sleep();
    harness.alarm = None;
    harness.at(10).status();
    assert_eq!(harness.alarm, Some(50_000));
}

#[test]
fn an_alarm_that_goes_off_twice_does_nothing_twice() {
    let mut harness = Harness::with(|limits| limits.ack_timeout = 1);
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 0);
    assert_eq!(harness.at(1_000).ring(), ["1 <- body 1, attempt 2"]);
    assert_eq!(harness.ring(), [""; 0]);
    assert_eq!(harness.alarm, Some(3_000));
}
