//! Devices, claims and messages to test with.

use tagpost_core::call::DeliveryStatus;
use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::limits::Limits;
use tagpost_core::message::{Message, Target};
use tagpost_core::publish::Draft;
use tagpost_core::token::Claims;
use tagpost_core::web_push::seal::Keys;

use super::START;

pub(crate) fn push_keys() -> Keys {
    Keys::new("0123456789abcdef0123456789abcdef".to_owned(), None)
}

pub(crate) fn device(name: &str) -> DeviceId {
    name.parse().unwrap()
}

pub(crate) fn claims(name: &str) -> Claims {
    Claims {
        device: device(name),
        issued_at: START / 1000,
        expires_at: None,
        publish: None,
        tags: vec![],
        revocations: None,
        webhook: false,
        id: None,
    }
}

pub(crate) fn draft(headers: &[(&str, &str)], body: &str) -> Draft {
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Draft::from_http(header, body.as_bytes(), &Limits::default()).unwrap()
}

pub(crate) fn addresses(to: &[&str]) -> (Target, Vec<DeviceId>) {
    let devices = to.iter().map(|name| device(name)).collect();
    match to {
        [one] => (Target::Device(device(one)), devices),
        _ => (Target::Tag("hall".parse().unwrap()), devices),
    }
}

/// A message of `door`, the `n`th, accepted at the start.
pub(crate) fn message(n: u64, headers: &[(&str, &str)]) -> Message {
    message_from("door", n, headers)
}

pub(crate) fn message_from(sender: &str, n: u64, headers: &[(&str, &str)]) -> Message {
    let id = MessageId::next(&device(sender), START, None, n);
    draft(headers, &format!("body {n}")).into_message(
        id,
        device(sender),
        Target::Device(device("cam")),
        START,
    )
}

/// What a mailbox says of a delivery in this state.
pub(crate) fn known(name: &str, state: State) -> Option<DeliveryStatus> {
    Some(DeliveryStatus::Known(delivery(name, state)))
}

pub(crate) fn delivery(name: &str, state: State) -> Delivery {
    Delivery::first(device(name), state, START + 1)
}
