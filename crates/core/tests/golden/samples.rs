//! Messages, deliveries and traces to write.

use serde_json::value::RawValue;
use tagpost_core::delivery::{Delivery, State, Step};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::message::{Encoding, Message, Target, Urgency};
use tagpost_core::plan::Plan;
use tagpost_core::trace::Trace;

pub(super) const AT: i64 = 1_700_000_000_000;

pub(super) fn device(name: &str) -> DeviceId {
    name.parse().unwrap()
}

pub(super) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

pub(super) fn id() -> MessageId {
    MessageId::next(&device("doorbell"), AT, None, 7)
}

fn message(content_type: &str, encoding: Option<Encoding>, payload: &str) -> Message {
    Message {
        id: id(),
        from: device("doorbell").into(),
        to: Target::Tag("kitchen".parse().unwrap()),
        sent_at: AT,
        expires_at: AT + 60_000,
        urgency: Urgency::Normal,
        topic: None,
        size: 1,
        content_type: content_type.to_owned(),
        encoding,
        payload: raw(payload),
    }
}

pub(super) fn json_message() -> Message {
    Message {
        to: Target::Device(device("kitchen-cam")),
        topic: Some("door_1".parse().unwrap()),
        urgency: Urgency::VeryLow,
        ..message("application/json", None, r#"{ "who": ["é", 1.50, null] }"#)
    }
}

pub(super) fn text_message() -> Message {
    message("text/plain; charset=utf-8", None, r#""it \"rings\"\n""#)
}

pub(super) fn bytes_message() -> Message {
    message("image/png", Some(Encoding::Base64), r#""iVBORw==""#)
}

pub(super) fn trace(deliveries: Vec<Delivery>) -> Trace {
    Trace {
        id: id(),
        to: Target::Tag("kitchen".parse().unwrap()),
        accepted_at: AT,
        expires_at: AT + 60_000,
        deliveries,
        plan: Plan::default(),
        page: None,
    }
}

/// One delivery in each state, with the words that can come with it.
pub(super) fn deliveries() -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for (attempts, state) in (0..).zip(State::ALL) {
        let mut delivery = Delivery::first(device(&format!("device-{attempts}")), State::Held, AT);
        if state != State::Held {
            delivery.attempts = attempts;
            // Later devices settle earlier, so that the timeline has something to sort.
            (delivery.state, delivery.at) = (state, AT + 20 - i64::from(attempts));
            delivery.steps.push(Step {
                event: state,
                at: delivery.at,
                attempt: attempts,
                note: (state == State::InProgress).then(|| "on my way".to_owned()),
                tried: None,
            });
        }
        match state {
            State::Delivered => delivery.reply = Some(raw(r#"{"opened": true}"#)),
            State::Rejected => delivery.reason = Some("not at home".to_owned()),
            State::Refused => delivery.reason = Some("queue_full".to_owned()),
            _ => {}
        }
        deliveries.push(delivery);
    }
    deliveries
}
