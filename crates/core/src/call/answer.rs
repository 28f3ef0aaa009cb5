//! What mailboxes answer, and what they report to each other.

use serde::{Deserialize, Serialize};

use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::time::Millis;

/// The answer to [`super::Call::Report`].
pub const TAKEN: &str = "[]";

/// A delivery in a terminal state, as the recipient's mailbox reports it to the sender's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settled {
    /// The message.
    pub id: MessageId,
    /// The delivery.
    pub delivery: Delivery,
}

/// A recipient works on a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The message.
    pub id: MessageId,
    /// The recipient.
    pub device: DeviceId,
    /// What it says about its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Until when the message is not sent again.
    pub until: Millis,
}

/// What a recipient's mailbox answers about a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The mailbox has the delivery, and this is its state.
    Known(Delivery),
    /// The mailbox does not have the message: it never got it, or has settled and reported it.
    UnknownMessage,
    /// The mailbox has no device.
    UnknownDevice,
    /// The call came after its `until`, or before the message that it has to follow. It changed nothing.
    #[serde(rename = "not_now")]
    OutOfOrder,
}

/// What a mailbox answers about its device's registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Whether the call registered or removed the device.
    pub changed: bool,
    /// When the device was registered; 0 if it is not known.
    pub created_at: Millis,
    /// How often its tokens were revoked; a new token carries it in [`crate::token::Claims::revocations`].
    pub revocations: u32,
}

/// A pairing code that a mailbox has issued. The Worker seals it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCode {
    /// Tells the codes of the device apart.
    pub number: i64,
    /// When it expires.
    pub expires_at: Millis,
}

/// Presence and queue of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the mailbox has a device.
    pub known: bool,
    /// How often its tokens were revoked.
    #[serde(default)]
    pub revocations: u32,
    /// Whether it has a live socket.
    pub online: bool,
    /// When that socket was opened.
    pub connected_at: Option<Millis>,
    /// The last sign of life.
    pub last_seen_at: Option<Millis>,
    /// Messages that are neither in flight nor in progress, stored or waiting for room in the window.
    pub held: u32,
    /// Messages in flight over a connection, or leased to a poll.
    pub in_flight: u32,
    /// Messages that the device works on.
    #[serde(default)]
    pub in_progress: u32,
    /// The payload bytes of all three.
    pub held_bytes: u64,
    /// When the oldest of these messages was accepted.
    #[serde(default)]
    pub held_since: Option<Millis>,
}
