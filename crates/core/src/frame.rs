//! The wire protocol of a WebSocket connection, `tagpost.v1`: one JSON object a text frame.
//!
//! Names say the direction: [`FromDevice`] comes in, [`ToDevice`] goes out. Reading and writing them is
//! pure; when which frame is due is the mailbox's matter.

mod field;
mod publish;
mod read;
mod write;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::{Delivery, State, Summary};
use crate::id::{DeviceId, MessageId};
use crate::message::{Message, Target};
use crate::problem::Problem;
use crate::publish::Draft;
use crate::time::Millis;

pub use read::{BadFrame, MAX_REASON, MAX_REF, MAX_REPLY_BYTES, parse_ack_body, parse_nack_body};
pub use write::{InboxMessage, inbox_json};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "tagpost.v1";

/// A frame of the device, read and checked.
#[derive(Debug, Clone)]
pub enum FromDevice {
    /// The device has taken the message.
    Ack {
        /// Which.
        id: MessageId,
        /// What it answers.
        reply: Option<Box<RawValue>>,
    },
    /// The device refuses the message.
    Nack {
        /// Which.
        id: MessageId,
        /// Why.
        reason: Option<String>,
    },
    /// The device publishes a message.
    Publish {
        /// The device's own name for this frame, given back with the answer.
        reference: Option<String>,
        /// To whom.
        to: Target,
        /// What.
        draft: Draft,
    },
    /// The device has seen all receipts up to this one.
    ReceiptsSeen {
        /// The receipt's number.
        seq: i64,
    },
}

/// A receipt: a delivery's terminal state, on its way to the sender.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// Its number in the sender's mailbox; grows.
    pub seq: i64,
    /// The message.
    pub id: MessageId,
    /// The device that it was sent to.
    pub device: DeviceId,
    /// The terminal state.
    pub state: State,
    /// Since when.
    pub at: Millis,
    /// What the device answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Box<RawValue>>,
    /// Why it was rejected or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A frame of the service.
#[derive(Debug, Clone)]
pub enum ToDevice<'a> {
    /// The first frame of a connection.
    Welcome {
        /// Who the device is.
        device: &'a DeviceId,
        /// How many messages wait for it.
        held: u32,
        /// Seconds between signs of life.
        keepalive: u32,
        /// How many unacknowledged messages it will get at a time.
        max_in_flight: u32,
    },
    /// A message, for the `attempt`th time.
    Message {
        /// The message.
        message: &'a Message,
        /// 1 for the first time.
        attempt: u32,
    },
    /// What became of a message that this device sent.
    Receipt(&'a Receipt),
    /// The answer to `publish`.
    Published {
        /// The `ref` of the frame it answers.
        reference: Option<&'a str>,
        /// The id it was given.
        id: MessageId,
        /// What became of it so far; of a large tag, the first deliveries.
        deliveries: &'a [Delivery],
        /// Of all its deliveries.
        summary: Summary,
    },
    /// A frame could not be taken; nothing was changed.
    Error {
        /// The `ref` of the frame it answers, where that could be read.
        reference: Option<&'a str>,
        /// What is wrong.
        problem: &'a Problem,
    },
}
