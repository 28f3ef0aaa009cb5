//! Watching a mailbox: what a watcher is told, as values and as the frames of `tagpost.watch.v1`.
//!
//! A watcher is an operator, or the device itself, that watches over a WebSocket of its own. It only listens, so this
//! protocol has no frames to read, and is not one of the [`crate::protocol::CODECS`]. Not here: when a watcher is told
//! something, which the mailbox decides.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::call::Status;
use crate::delivery::{Delivery, State, Step};
use crate::id::{DeviceId, MessageId, Sender, Topic};
use crate::json;
use crate::message::{Encoding, Message, Target, Urgency};
use crate::protocol::Frame;
use crate::time::Millis;

/// The name of the WebSocket subprotocol (RFC 6455, section 1.9).
pub const SUBPROTOCOL: &str = "tagpost.watch.v1";

/// Who watches a mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watching {
    /// Nobody.
    #[default]
    Nobody,
    /// Somebody, who sees no payloads.
    Steps,
    /// Somebody who asked for payloads.
    Payloads,
}

/// A step of a delivery to the mailbox's device. The `held` and `sent` steps carry what is known of the message; every
/// other step has only its id and sender.
#[derive(Debug, Clone, Serialize)]
pub struct WatchedStep {
    id: MessageId,
    from: Sender,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    urgency: Option<Urgency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<Topic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    event: State,
    at: Millis,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl WatchedStep {
    /// A step of the delivery of this message.
    pub fn new(id: MessageId, from: Sender, step: Step) -> Self {
        Self {
            id,
            from,
            to: None,
            sent_at: None,
            expires_at: None,
            urgency: None,
            topic: None,
            content_type: None,
            size: None,
            encoding: None,
            payload: None,
            event: step.event,
            at: step.at,
            attempt: step.attempt,
            note: step.note,
            reply: None,
            reason: None,
        }
    }

    /// A step of the delivery of this message, with what is known of it; with its payload if `payload`.
    pub fn of(message: &Message, step: Step, payload: bool) -> Self {
        Self {
            to: Some(message.to.clone()),
            sent_at: Some(message.sent_at),
            expires_at: Some(message.expires_at),
            urgency: Some(message.urgency),
            topic: message.topic.clone(),
            content_type: Some(message.content_type.clone()),
            size: Some(message.size),
            encoding: message.encoding.filter(|_| payload),
            payload: payload.then(|| message.payload.clone()),
            ..Self::new(message.id, message.from.clone(), step)
        }
    }

    /// The last step of a delivery, with its reply or reason.
    pub fn last(id: MessageId, from: Sender, step: Step, delivery: &Delivery) -> Self {
        Self {
            reply: delivery.reply.clone(),
            reason: delivery.reason.clone(),
            ..Self::new(id, from, step)
        }
    }

    /// The same step without the payload.
    pub fn without_payload(self) -> Self {
        Self {
            encoding: None,
            payload: None,
            ..self
        }
    }
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub enum Watched {
    /// A step of a delivery.
    Step(Box<WatchedStep>),
    /// The device has connected, or its connection has ended.
    Presence {
        /// Whether it is connected.
        online: bool,
        /// Since when.
        at: Millis,
    },
}

/// The first frame: the device as it is now, its presence and its queue.
pub fn watching(device: &DeviceId, status: &Status) -> Frame {
    frame(&Object::Watching {
        device,
        online: status.online,
        connected_at: status.connected_at,
        last_seen_at: status.last_seen_at,
        held: status.held,
        in_flight: status.in_flight,
        in_progress: status.in_progress,
    })
}

/// The frame for one thing that a watcher is told.
pub fn told(watched: &Watched) -> Frame {
    frame(&match watched {
        Watched::Step(step) => Object::Step(step),
        Watched::Presence { online, at } => Object::Presence {
            online: *online,
            at: *at,
        },
    })
}

/// The JSON object of a frame.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Object<'a> {
    Watching {
        device: &'a DeviceId,
        online: bool,
        connected_at: Option<Millis>,
        last_seen_at: Option<Millis>,
        held: u32,
        in_flight: u32,
        in_progress: u32,
    },
    Presence {
        online: bool,
        at: Millis,
    },
    Step(&'a WatchedStep),
}

fn frame(object: &Object<'_>) -> Frame {
    Frame::Text(json::text(object))
}
