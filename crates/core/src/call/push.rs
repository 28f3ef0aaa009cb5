//! What a mailbox answers about Web Push: to application servers, and to the operator.

use serde::{Deserialize, Serialize};

use crate::id::MessageId;
use crate::time::Millis;
use crate::web_push::channel::Channel;

/// What a mailbox answers to [`super::Call::Push`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pushed {
    /// The message has this id; it is delivered, or dropped because its TTL is 0 or the channel has just ended.
    Taken(MessageId),
    /// There is no such channel, or it was registered again since.
    NoChannel,
    /// The mailbox has no device.
    NoDevice,
    /// Too many publishes; the seconds to wait.
    TooMany(u32),
    /// Too many messages wait for the device.
    Full,
}

/// What a mailbox answers to [`super::Call::PushState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    /// It is in a terminal state, and its receipt has this HTTP status.
    Settled(u16),
    /// It may still be delivered.
    Open,
    /// There is no such message, or no receipt was asked for it, or its sender has replaced or cancelled it.
    Unknown,
}

/// A receipt for an application server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushReceipt {
    /// Its number in the device's mailbox; numbers only grow.
    pub seq: i64,
    /// The message.
    pub message: MessageId,
    /// The HTTP status that says what became of it.
    pub status: u16,
    /// When.
    pub at: Millis,
}

/// A channel, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// The channel.
    pub channel: Channel,
    /// When it was registered.
    pub since: Millis,
    /// Whether it is bound to a sender's key.
    pub restricted: bool,
}
