//! Writing what the service says: frames, and the messages of a long poll.
//!
//! The fields are in the order of docs/protocol.md; the golden files in `tests/golden` fix it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::PONG;
use crate::call::Progress;
use crate::delivery::{Summary, Withdrawal};
use crate::id::{DeviceId, MessageId, Sender, Topic};
use crate::json;
use crate::message::{Encoding, Message, Target, Urgency};
use crate::protocol::{Receipt, ToDevice};
use crate::time::Millis;
use crate::trace::DeliveryForm;

/// A message as its device sees it, in a frame or in the answer to a long poll.
#[derive(Debug, Serialize)]
pub struct InboxMessage<'a> {
    id: MessageId,
    from: &'a Sender,
    to: &'a Target,
    sent_at: Millis,
    expires_at: Millis,
    attempt: u32,
    urgency: Urgency,
    topic: Option<&'a Topic>,
    content_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    payload: &'a RawValue,
}

impl<'a> InboxMessage<'a> {
    /// This message; attempts count from 1.
    pub fn new(message: &'a Message, attempt: u32) -> Self {
        Self {
            id: message.id,
            from: &message.from,
            to: &message.to,
            sent_at: message.sent_at,
            expires_at: message.expires_at,
            attempt,
            urgency: message.urgency,
            topic: message.topic.as_ref(),
            content_type: &message.content_type,
            encoding: message.encoding,
            payload: &message.payload,
        }
    }
}

/// The answer to a long poll, `{"messages":[…]}`: each message with its attempt.
pub fn inbox_json<'a>(messages: impl IntoIterator<Item = (&'a Message, u32)>) -> String {
    #[derive(Serialize)]
    struct Inbox<'a> {
        messages: Vec<InboxMessage<'a>>,
    }
    let messages = messages
        .into_iter()
        .map(|(message, attempt)| InboxMessage::new(message, attempt));
    json::text(&Inbox {
        messages: messages.collect(),
    })
}

/// The JSON object of a frame.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Object<'a> {
    Welcome {
        device: &'a DeviceId,
        held: u32,
        #[serde(skip_serializing_if = "is_zero")]
        in_progress: u32,
        keepalive: u32,
        max_in_flight: u32,
    },
    Message(InboxMessage<'a>),
    Withdrawn {
        id: MessageId,
        reason: Withdrawal,
    },
    Progress(&'a Progress),
    Receipt(&'a Receipt),
    Published {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        id: MessageId,
        deliveries: Vec<DeliveryForm<'a>>,
        summary: Summary,
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        deliver_at: Option<Millis>,
    },
    Error {
        code: &'static str,
        detail: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
    },
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The text frame that says this; `None` if the protocol has none for it.
pub(super) fn text(said: &ToDevice<'_>) -> Option<String> {
    Some(json::text(&match *said {
        ToDevice::Pong => return Some(PONG.to_owned()),
        ToDevice::Agent(_) => return None,
        ToDevice::Welcome {
            device,
            held,
            in_progress,
            keepalive,
            max_in_flight,
        } => Object::Welcome {
            device,
            held,
            in_progress,
            keepalive,
            max_in_flight,
        },
        ToDevice::Message { message, attempt } => {
            Object::Message(InboxMessage::new(message, attempt))
        }
        ToDevice::Withdrawn { id, reason } => Object::Withdrawn { id, reason },
        ToDevice::Progress(progress) => Object::Progress(progress),
        ToDevice::Receipt(receipt) => Object::Receipt(receipt),
        ToDevice::Published {
            reference,
            id,
            deliveries,
            ref summary,
            scheduled,
        } => Object::Published {
            reference,
            id,
            deliveries: deliveries.iter().map(DeliveryForm::from).collect(),
            summary: summary.clone(),
            state: scheduled.map(|_| "scheduled"),
            deliver_at: scheduled,
        },
        ToDevice::Error { reference, problem } => Object::Error {
            code: problem.code.as_str(),
            detail: &problem.detail,
            reference,
        },
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::limits::Limits;
    use crate::protocol::FromDevice;
    use crate::protocol::tagpost_v1::read;
    use crate::publish::Draft;

    /// The frame that a device gets when another one sends this `publish` frame.
    fn through(publish: &Value) -> Value {
        let frame = read::frame(&publish.to_string(), &Limits::default()).unwrap();
        let FromDevice::Publish { to, draft, .. } = frame else {
            panic!("not a publish: {frame:?}");
        };
        let Draft {
            topic,
            urgency,
            size,
            content_type,
            encoding,
            payload,
            ..
        } = draft;
        let from: DeviceId = "doorbell".parse().unwrap();
        let id = MessageId::next(&from, 5, None, 7);
        let (sent_at, expires_at) = (5, 6);
        let message = Message {
            id,
            from: from.into(),
            to,
            sent_at,
            expires_at,
            urgency,
            topic,
            size,
            content_type,
            encoding,
            payload,
        };
        let json = text(&ToDevice::Message {
            message: &message,
            attempt: 1,
        });
        let json = json.unwrap();
        assert!(json.starts_with(r#"{"type":"message","#), "{json}");
        serde_json::from_str(&json).unwrap()
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_published_arrives_as_it_was(
            payload in any_json(),
            topic in prop::option::of("[A-Za-z0-9_-]{1,32}"),
            urgency in prop::sample::select(vec!["very-low", "low", "normal", "high"]),
        ) {
            let arrived = through(&serde_json::json!({
                "type": "publish", "to": {"tag": "a"}, "payload": payload, "topic": topic, "urgency": urgency,
            }));
            prop_assert_eq!(&arrived["payload"], &payload);
            prop_assert_eq!(&arrived["topic"], &Value::from(topic));
            prop_assert_eq!(&arrived["urgency"], &Value::from(urgency));
            prop_assert_eq!(&arrived["to"], &serde_json::json!({"tag": "a"}));
            let content_type = if payload.is_string() { "text/plain; charset=utf-8" } else { "application/json" };
            prop_assert_eq!(&arrived["content_type"], &Value::from(content_type));
            prop_assert_eq!(arrived.get("encoding"), None);
        }

        #[test]
        fn a_receipt_reads_back_as_it_was_written(
            seq in 0..i64::MAX,
            reply in prop::option::of(any_json().prop_filter("null is no reply", |reply| !reply.is_null())),
            reason in prop::option::of(".{0,20}"),
        ) {
            let receipt = Receipt {
                seq,
                id: MessageId::next(&"doorbell".parse().unwrap(), 5, None, 7),
                device: "kitchen-cam".parse().ok(),
                state: crate::delivery::State::Delivered,
                at: 5,
                reply: reply.map(|reply| RawValue::from_string(reply.to_string()).unwrap()),
                reason,
            };
            let frame = text(&ToDevice::Receipt(&receipt)).unwrap();
            let back: Receipt = serde_json::from_str(&frame).unwrap();
            prop_assert_eq!(text(&ToDevice::Receipt(&back)), Some(frame));
            prop_assert_eq!((back.seq, back.reason), (receipt.seq, receipt.reason));
        }
    }
}
