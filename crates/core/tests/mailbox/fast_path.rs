//! A device that is online gets a message before it is stored.

use tagpost_core::mailbox::Terms;

use super::desk::{Desk, START, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

#[test]
fn a_message_acknowledged_in_time_is_never_stored() {
    let mut desk = Desk::new();
    desk.connect(1);
    let message = message(1, TEXT);
    assert_eq!(
        desk.at(10).deliver(&message, 1_000),
        ["waits until 1010", "1 <- body 1, attempt 1"]
    );
    assert_eq!(desk.rows(), "account 1");
    assert_eq!(desk.at(20).ack(message.id), ["answers delivered 1"]);
    assert_eq!(desk.rows(), "account 1");
    assert_eq!(desk.alarm, None, "nothing is due");
}

#[test]
fn a_message_not_acknowledged_in_time_is_stored_before_anyone_is_told() {
    let mut desk = Desk::new();
    desk.connect(1);
    let message = message(1, TEXT);
    desk.at(10).deliver(&message, 1_000);
    assert_eq!(desk.at(1_010).wait_is_over(message.id), ["sent 1"]);
    assert_eq!(desk.rows(), "account 1, inbox 1");
    assert_eq!(desk.alarm, Some(30_010), "30 s after it was sent");
}

#[test]
fn a_message_that_nobody_waits_for_is_stored_at_once() {
    let mut desk = Desk::new();
    desk.connect(1);
    assert_eq!(
        desk.deliver(&message(1, TEXT), 0),
        ["sent 1", "1 <- body 1, attempt 1"]
    );
    assert_eq!(desk.rows(), "account 1, inbox 1");
}

#[test]
fn a_message_on_a_socket_that_breaks_is_stored_and_held() {
    let mut desk = Desk::new();
    desk.connect(1);
    let message = message(1, TEXT);
    desk.deliver(&message, 1_000);
    assert_eq!(desk.at(5).closed(1), ["answers held 1"]);
    assert_eq!(desk.rows(), "account 1, inbox 1");
    assert_eq!(
        desk.connect(2),
        ["2 <- welcome, 1 held", "2 <- body 1, attempt 2"]
    );
}

#[test]
fn a_device_that_is_offline_has_its_message_held() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.deliver(&message(1, &[("TTL", "60")]), 1_000),
        ["held 0", "ready"]
    );
    assert_eq!(desk.rows(), "account 1, inbox 1");
    assert_eq!(desk.alarm, Some(60_000), "its expiry");
}

#[test]
fn a_repeated_call_finds_the_message_wherever_it_is() {
    let mut desk = Desk::new();
    let message = message(1, TEXT);
    desk.deliver(&message, 0);
    assert_eq!(desk.deliver_again(&message), ["held 0"]);
    desk.connect(1);
    assert_eq!(desk.deliver_again(&message), ["sent 1"]);
    desk.ack(message.id);
    assert_eq!(desk.deliver_again(&message), ["delivered 1"]);
}

#[test]
fn a_repeated_call_while_the_first_waits_waits_too() {
    let mut desk = Desk::new();
    desk.connect(1);
    let message = message(1, TEXT);
    desk.deliver(&message, 1_000);
    assert_eq!(desk.at(500).deliver_again(&message), ["waits until 500"]);
    assert_eq!(desk.wait_is_over(message.id), ["sent 1"]);
}

#[test]
fn a_call_that_comes_too_late_changes_nothing() {
    let mut desk = Desk::new();
    let terms = Terms {
        wait: 0,
        again: false,
        after: None,
        until: START + 100,
    };
    assert_eq!(
        desk.at(101).deliver_on(&message(1, TEXT), terms),
        ["NotNow"]
    );
    assert_eq!(desk.rows(), "account 1");
}

#[test]
fn a_message_does_not_overtake_the_one_it_follows() {
    let mut desk = Desk::new();
    let (first, second) = (message(1, TEXT), message(2, TEXT));
    let terms = Terms {
        wait: 0,
        again: false,
        after: Some(first.id),
        until: i64::MAX,
    };
    assert_eq!(desk.deliver_on(&second, terms), ["NotNow"]);
    desk.deliver(&first, 0);
    assert_eq!(desk.deliver_on(&second, terms), ["held 0", "ready"]);
}
