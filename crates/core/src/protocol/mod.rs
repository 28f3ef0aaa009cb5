//! The messages between a mailbox and its device, and the protocols that carry them.
//!
//! A mailbox knows only [`FromDevice`] and [`ToDevice`]. A [`Codec`] translates them to and from the frames of one
//! WebSocket subprotocol. It is chosen in the handshake, and its name is kept in the socket's attachment, so that it
//! survives hibernation. To add a protocol, add a module here and a line to [`CODECS`],
//! and to [`WITH_TOKEN`] if devices with a token may choose it.
//!
//! Codecs are pure and have no state. Not here: when something is sent, which the mailbox decides.

pub mod tagpost_v1;
pub mod web_push;

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::tagpost_v1::TagpostV1;
use self::web_push::WebPush;
use crate::call::Progress;
use crate::delivery::{Delivery, State, Summary, Withdrawal};
use crate::id::{DeviceId, MessageId};
use crate::limits::Limits;
use crate::message::{Lane, Message, Target};
use crate::problem::Problem;
use crate::publish::Draft;
use crate::time::Millis;
use crate::web_push::agent::AgentId;
use crate::web_push::channel::{Channel, SenderKey};

/// The protocols of the service.
pub const CODECS: &Codecs = &[&TagpostV1, &WebPush];

/// Those of devices with a token. A user agent of Web Push has a URL of its own instead.
pub const WITH_TOKEN: &Codecs = &[&TagpostV1];

/// A list of protocols.
pub type Codecs = [&'static dyn Codec];

/// Close code: too many bad frames.
pub(crate) const CLOSE_BAD_FRAMES: u16 = 4400;
/// Close code: the token of the connection is no longer valid.
pub(crate) const CLOSE_TOKEN: u16 = 4401;
/// Close code: no sign of life within 2.5 keepalives, or too much sent without an acknowledgement.
pub(crate) const CLOSE_SILENT: u16 = 4408;
/// Close code: a newer connection of the same device took over.
pub(crate) const CLOSE_TAKEN_OVER: u16 = 4409;

/// What a protocol says about its connections, besides their frames.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The messages that a connection carries.
    pub lane: Lane,
    /// Whether the device sends keepalives: its connection ends after 2.5 keepalives without one.
    pub pings: bool,
    /// At this many bad frames a connection is closed.
    pub max_bad_frames: u32,
}

/// One protocol over a WebSocket.
pub trait Codec: Debug + Sync {
    /// The name of its WebSocket subprotocol (RFC 6455, section 1.9).
    fn subprotocol(&self) -> &'static str;

    /// The keepalive of the device and its answer, as text frames. The runtime answers it while the mailbox sleeps;
    /// one that reaches the mailbox is read as [`FromDevice::Ping`].
    fn keepalive(&self) -> (&'static str, &'static str);

    /// Its rules.
    fn rules(&self) -> Rules {
        Rules {
            lane: Lane::Devices,
            pings: true,
            max_bad_frames: 10,
        }
    }

    /// Its close code for this code of `tagpost.v1`.
    fn close_code(&self, code: u16) -> u16 {
        code
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`BadFrame`], if the frame is malformed; the mailbox changes nothing.
    fn read(&self, frame: &Frame, limits: &Limits) -> Result<FromDevice, BadFrame>;

    /// Writes a frame; `None` if the protocol has no frame for this.
    fn write(&self, said: &ToDevice<'_>) -> Option<Frame>;
}

/// The codec of the first subprotocol in `offered`, the device's preferences in order, that `codecs` has.
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

/// A complete WebSocket message (RFC 6455, section 5.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Frame {
    /// Its text, if it is a text frame.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The length of its content, in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// A frame that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFrame {
    /// What is wrong with it.
    pub problem: Problem,
    /// Its `ref`, if that could be read.
    pub reference: Option<String>,
}

/// A message from a device, read and checked.
#[derive(Debug, Clone)]
pub enum FromDevice {
    /// A keepalive, to be answered with [`ToDevice::Pong`].
    Ping,
    /// The device acknowledges a message.
    Ack {
        /// The message.
        id: MessageId,
        /// The reply.
        reply: Option<Box<RawValue>>,
    },
    /// The device rejects a message.
    Nack {
        /// The message.
        id: MessageId,
        /// The reason.
        reason: Option<String>,
    },
    /// The device works on a message.
    Progress {
        /// The device's own name for this frame.
        reference: Option<String>,
        /// The message.
        id: MessageId,
        /// For how many seconds; `None` is the time to acknowledge a message.
        seconds: Option<u32>,
        /// What it says about its work.
        note: Option<String>,
    },
    /// The device publishes a message.
    Publish {
        /// The device's own name for this frame, which the answer repeats.
        reference: Option<String>,
        /// The tag or device to publish to.
        to: Target,
        /// The message.
        draft: Draft,
    },
    /// The device has seen all receipts up to this one.
    ReceiptsSeen {
        /// The receipt's number.
        seq: i64,
    },
    /// A user agent of Web Push says this.
    Agent(AgentFrame),
}

/// A message from a user agent of Web Push.
#[derive(Debug, Clone)]
pub enum AgentFrame {
    /// The first frame of a connection.
    Hello {
        /// The id that the user agent has, if it has one.
        agent: Option<AgentId>,
    },
    /// The user agent registers a channel.
    Register {
        /// The channel's id as it was sent, which the answer repeats.
        name: String,
        /// The channel, and the key that it is bound to; `None` if either is malformed.
        subscription: Option<(Channel, Option<SenderKey>)>,
    },
    /// The user agent removes a channel.
    Unregister {
        /// The channel's id as it was sent, which the answer repeats.
        name: String,
    },
    /// The user agent has handled these messages.
    Handled(Vec<(MessageId, Handled)>),
    /// A frame of an unknown type, which is ignored.
    Unknown,
}

/// What a user agent has done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It has passed the message to its application.
    Delivered,
    /// It could not decrypt the message.
    Undecryptable,
    /// It did not pass the message on: it does not know the channel, or has had the message before.
    Undelivered,
    /// Its application failed on the message.
    Failed,
}

/// A receipt: the report of a delivery's terminal state to the sender.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// Its number in the sender's mailbox; numbers only grow.
    pub seq: i64,
    /// The message.
    pub id: MessageId,
    /// The recipient; `None` if the message ended without a delivery.
    pub device: Option<DeviceId>,
    /// The terminal state.
    pub state: State,
    /// When the delivery reached it.
    pub at: Millis,
    /// The recipient's reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Box<RawValue>>,
    /// Why it was rejected, refused or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A message from the service to a device.
#[derive(Debug, Clone)]
pub enum ToDevice<'a> {
    /// The answer to [`FromDevice::Ping`].
    Pong,
    /// The first frame of a connection.
    Welcome {
        /// The device.
        device: &'a DeviceId,
        /// How many messages wait for it.
        held: u32,
        /// How many it works on.
        in_progress: u32,
        /// Seconds between keepalives.
        keepalive: u32,
        /// The size of the in-flight window.
        max_in_flight: u32,
    },
    /// A message for the device.
    Message {
        /// The message.
        message: &'a Message,
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// A message that the device has, or had, ended without its answer.
    Withdrawn {
        /// The message.
        id: MessageId,
        /// Why.
        reason: Withdrawal,
    },
    /// A recipient works on a message that this device sent.
    Progress(&'a Progress),
    /// A receipt for a message that this device sent.
    Receipt(&'a Receipt),
    /// The answer to [`FromDevice::Publish`].
    Published {
        /// The `ref` of the frame it answers.
        reference: Option<&'a str>,
        /// The message's id.
        id: MessageId,
        /// Its deliveries; for a large tag, the first page.
        deliveries: &'a [Delivery],
        /// The summary of all its deliveries.
        summary: Summary,
        /// When it will be handed over, if that is later.
        scheduled: Option<Millis>,
    },
    /// A frame was refused; nothing was changed.
    Error {
        /// The `ref` of the frame it answers, if that could be read.
        reference: Option<&'a str>,
        /// What is wrong.
        problem: &'a Problem,
    },
    /// The answer to a user agent of Web Push.
    Agent(ToAgent<'a>),
}

/// An answer to a user agent of Web Push.
#[derive(Debug, Clone, Copy)]
pub enum ToAgent<'a> {
    /// To [`AgentFrame::Hello`].
    Hello {
        /// The id that the user agent has from now on.
        agent: AgentId,
    },
    /// To [`AgentFrame::Register`].
    Registered {
        /// The channel's id as it was sent.
        name: &'a str,
        /// The URL to publish to, or the status of the refusal.
        endpoint: Result<&'a str, u16>,
    },
    /// To [`AgentFrame::Unregister`]; also sent when the operator removes a channel.
    Unregistered {
        /// The channel's id.
        name: &'a str,
    },
}
