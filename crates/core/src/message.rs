//! A message on its way: what one device publishes to a tag or to one device.
//!
//! A payload is turned into its JSON rendering once, where it enters, and then passes through
//! mailboxes, rows and frames as that text, unparsed. What becomes of a message is not part of it:
//! that is a [`crate::delivery::Delivery`].

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{DeviceId, MessageId, Tag, Topic};
use crate::time::Millis;

/// To whom a message is addressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Every device of a tag: `{"tag":"kitchen"}`.
    Tag(Tag),
    /// One device: `{"device":"camera-1"}`.
    Device(DeviceId),
}

/// How soon a message wants to be there (RFC 8030, section 5.3); higher goes first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// After all others.
    VeryLow,
    /// After `normal`.
    Low,
    /// Where none is named.
    #[default]
    Normal,
    /// Before all others.
    High,
}

/// How the payload's bytes stand in JSON, where they do not stand as themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// A string that holds the bytes in base64 (RFC 4648, section 4, with padding).
    Base64,
}

/// A message as it lies in a mailbox and travels between mailboxes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The device that sent it.
    pub from: DeviceId,
    /// To whom it was addressed.
    pub to: Target,
    /// When the sender's mailbox accepted it.
    pub sent_at: Millis,
    /// From when on it must not be delivered any more.
    pub expires_at: Millis,
    /// How soon it wants to be there.
    pub urgency: Urgency,
    /// What it replaces, and is replaced by.
    pub topic: Option<Topic>,
    /// The length of the payload's own bytes.
    pub size: u32,
    /// The media type that the sender named.
    pub content_type: String,
    /// Set where `payload` is a string that stands for bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// JSON as it came, text as a JSON string, anything else as a JSON string of base64.
    pub payload: Box<RawValue>,
}

impl Message {
    /// Whether it has to be there now or never: its TTL is 0.
    pub fn is_now_or_never(&self) -> bool {
        self.expires_at <= self.sent_at
    }
}
