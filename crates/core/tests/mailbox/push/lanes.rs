//! Messages of channels and those of devices share a mailbox, and do not get in each other's way.

use tagpost_core::call::{Call, Pushed};

use super::super::harness::{Harness, message};
use super::receipts::asks;
use super::versions;

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

#[test]
fn a_device_is_not_told_of_the_end_of_a_message_that_its_user_agent_had() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let id = versions(&harness.push(&url, "x", |_| {}).2)[0];
    harness.at(150).tick();
    harness.at(200).connect(2);
    assert_eq!(harness.at(60_000).ring(), [""; 0], "{id} has expired");
    assert_eq!(harness.rows(), "account 1");
    // Nor is it if the message was never stored.
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    harness.connect(2);
    let (_, answer, _) = harness.push(&url, "x", |draft| draft.ttl = 1);
    let Some(Pushed::Taken(id)) = answer else {
        panic!("{answer:?}");
    };
    harness.at(1_000).ring();
    assert_eq!(harness.ack(id), [""; 0]);
}

#[test]
fn a_device_does_not_answer_for_its_user_agent() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let id = versions(&harness.push(&url, "x", |_| {}).2)[0];
    let call = Call::Nack { id, reason: None };
    assert_eq!(
        harness.ask(call).1,
        [""; 0],
        "its sender is not answered yet"
    );
    assert_eq!(
        harness.acks(1, &[(id, 100)]),
        [format!("push: Pushed(Taken({id}))")]
    );
}

#[test]
fn messages_of_channels_do_not_displace_what_is_known_of_those_of_devices() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    harness.connect(2);
    let message = message(1, TEXT);
    harness.deliver(&message, 1_000);
    assert_eq!(harness.ack(message.id), ["answers delivered 1 (#1)"]);
    for _ in 0..300 {
        harness.push(&url, "x", |draft| {
            asks(draft);
            draft.ttl = 0;
        });
    }
    assert_eq!(
        harness.deliver(&message, 1_000),
        ["delivered 1"],
        "not sent again"
    );
}
