//! What a mailbox and its device say to each other, and the protocols in which they say it.
//!
//! A mailbox knows [`FromDevice`] and [`ToDevice`] alone. A [`Codec`] turns them into the frames of one
//! WebSocket subprotocol; it is chosen in the handshake and named in what is attached to the socket, so a
//! connection keeps it through hibernation. To add a protocol, add a module here and a line to [`CODECS`].
//!
//! Codecs are pure and have no state. When something is said is the mailbox's matter.

pub mod tagpost_v1;

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::tagpost_v1::TagpostV1;
use crate::delivery::{Delivery, State, Summary};
use crate::id::{DeviceId, MessageId};
use crate::limits::Limits;
use crate::message::{Message, Target};
use crate::problem::Problem;
use crate::publish::Draft;
use crate::time::Millis;

/// The protocols of the service.
pub const CODECS: &Codecs = &[&TagpostV1];

/// Protocols to choose from.
pub type Codecs = [&'static dyn Codec];

/// One protocol over a WebSocket.
pub trait Codec: Debug + Sync {
    /// The WebSocket subprotocol (RFC 6455, section 1.9) that a handshake chooses it by.
    fn subprotocol(&self) -> &'static str;

    /// A sign of life of the device and its answer, as text frames: the runtime exchanges them while the mailbox
    /// sleeps. One that reaches the mailbox is read as [`FromDevice::Ping`].
    fn keepalive(&self) -> (&'static str, &'static str);

    /// Reads a frame.
    ///
    /// # Errors
    /// [`BadFrame`] says what is wrong; the mailbox changes nothing.
    fn read(&self, frame: &Frame, limits: &Limits) -> Result<FromDevice, BadFrame>;

    /// Writes a frame; `None` where the protocol has no way to say this.
    fn write(&self, said: &ToDevice<'_>) -> Option<Frame>;
}

/// The first of `offered`, in the order of the device's preference, that is among `codecs`.
pub fn choose<'a>(
    codecs: &Codecs,
    offered: impl IntoIterator<Item = &'a str>,
) -> Option<&'static dyn Codec> {
    let mut offered = offered.into_iter();
    offered.find_map(|name| named(codecs, name))
}

/// The codec of this subprotocol.
pub fn named(codecs: &Codecs, subprotocol: &str) -> Option<&'static dyn Codec> {
    let mut codecs = codecs.iter().copied();
    codecs.find(|codec| codec.subprotocol() == subprotocol)
}

/// A frame of a WebSocket, whole (RFC 6455, section 5.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Frame {
    /// Its text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Bytes of its content.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// A frame that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFrame {
    /// What is wrong with it.
    pub problem: Problem,
    /// Its `ref`, where that could be read.
    pub reference: Option<String>,
}

/// What a device says, read and checked.
#[derive(Debug, Clone)]
pub enum FromDevice {
    /// A sign of life, to be answered with [`ToDevice::Pong`].
    Ping,
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

/// What the service says.
#[derive(Debug, Clone)]
pub enum ToDevice<'a> {
    /// The answer to [`FromDevice::Ping`].
    Pong,
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
