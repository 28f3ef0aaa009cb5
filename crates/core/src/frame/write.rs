//! Writing what the service says: frames, and the messages of a long poll.
//!
//! The order of the fields is the documentation's; the golden vectors in `tests/golden` hold it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Receipt, ToDevice};
use crate::delivery::{Summary, summary};
use crate::id::{DeviceId, MessageId, Topic};
use crate::json;
use crate::message::{Encoding, Message, Target, Urgency};
use crate::time::Millis;
use crate::trace::DeliveryForm;

/// A message as its device sees it, in a frame or in the answer to a long poll.
#[derive(Debug, Serialize)]
pub struct InboxMessage<'a> {
    id: MessageId,
    from: &'a DeviceId,
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
    /// This message, for the `attempt`th time; 1 for the first.
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

/// A frame as it stands on the wire.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Frame<'a> {
    Welcome {
        device: &'a DeviceId,
        held: u32,
        keepalive: u32,
        max_in_flight: u32,
    },
    Message(InboxMessage<'a>),
    Receipt(&'a Receipt),
    Published {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        id: MessageId,
        deliveries: Vec<DeliveryForm<'a>>,
        summary: Summary,
    },
    Error {
        code: &'static str,
        detail: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
    },
}

impl ToDevice<'_> {
    /// The text frame.
    pub fn to_json(&self) -> String {
        json::text(&match *self {
            ToDevice::Welcome {
                device,
                held,
                keepalive,
                max_in_flight,
            } => Frame::Welcome {
                device,
                held,
                keepalive,
                max_in_flight,
            },
            ToDevice::Message { message, attempt } => {
                Frame::Message(InboxMessage::new(message, attempt))
            }
            ToDevice::Receipt(receipt) => Frame::Receipt(receipt),
            ToDevice::Published {
                reference,
                id,
                deliveries,
            } => Frame::Published {
                reference,
                id,
                deliveries: deliveries.iter().map(DeliveryForm::from).collect(),
                summary: summary(deliveries),
            },
            ToDevice::Error { reference, problem } => Frame::Error {
                code: problem.code.as_str(),
                detail: &problem.detail,
                reference,
            },
        })
    }
}
