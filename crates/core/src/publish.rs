//! What a sender asks for when it publishes: the request, read and checked.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{IdempotencyKey, Topic};
use crate::message::{Encoding, Urgency};

/// A message that is not accepted yet: it has no id, no time and no sender.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draft {
    /// Seconds to keep trying; 0 = now or never.
    pub ttl: u32,
    /// What it replaces, and is replaced by.
    pub topic: Option<Topic>,
    /// How soon it wants to be there.
    pub urgency: Urgency,
    /// Seconds to wait for the acknowledgement of devices that are online.
    pub wait: u32,
    /// Makes repeats of this publish one message.
    pub key: Option<IdempotencyKey>,
    /// The length of the payload's own bytes.
    pub size: u32,
    /// The media type that the sender named.
    pub content_type: String,
    /// Set where `payload` is a string that stands for bytes.
    pub encoding: Option<Encoding>,
    /// The payload's JSON rendering; see [`crate::message::Message::payload`].
    pub payload: Box<RawValue>,
}
