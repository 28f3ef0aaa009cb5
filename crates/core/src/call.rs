//! What mailboxes are asked: by the Worker for a client, and by each other.
//!
//! A call is one request to one mailbox and one answer. The Worker has checked the credential before
//! it calls; the mailbox checks only what it alone remembers (revocation, rate, its own messages).
//! How a call travels is the shell's matter.
//!
//! What may be long, a draft or a message, is not in the call but goes beside it as a text of its own: one
//! text serves all calls that hand over the same message.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::{Delivery, State};
use crate::id::{DeviceId, MessageId};
use crate::mailbox::Place;
use crate::message::Target;
use crate::time::Millis;
use crate::token::Claims;
use crate::trace;

/// One request to the mailbox of `device`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Whose mailbox this is: an object is not told its own name.
    pub device: DeviceId,
    /// The token of the device that asks, where a device asks for itself; `None` for the admin key and
    /// for calls between mailboxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Claims>,
    /// What is asked.
    pub call: Call,
}

/// What a mailbox is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Accept a message of this device and hand it to each of `devices`. Beside it goes the JSON of a
    /// [`crate::publish::Draft`].
    Publish {
        /// To whom it is addressed.
        to: Target,
        /// The addresses that `to` resolved to.
        devices: Vec<DeviceId>,
        /// Seconds to wait, as the draft says.
        wait: u32,
    },
    /// The trace of a message that this device sent.
    Trace {
        /// Which.
        id: MessageId,
        /// Seconds to wait until every delivery is in a terminal state.
        wait: u32,
        /// Only deliveries to devices after this one.
        #[serde(default)]
        after: Option<DeviceId>,
        /// At most this many deliveries.
        #[serde(default = "page")]
        limit: u32,
    },
    /// The messages that this device sent, newest first.
    Messages {
        /// Only those with a delivery in this state.
        state: Option<State>,
        /// At most this many.
        limit: u32,
        /// Only those before this one.
        before: Option<MessageId>,
    },
    /// Take a message back where it is not in a terminal state.
    Cancel {
        /// Which.
        id: MessageId,
    },
    /// Messages for a device without a WebSocket; they count as sent.
    Inbox {
        /// At most this many.
        limit: u32,
        /// Seconds to wait for the first.
        wait: u32,
    },
    /// What waits for this device; nothing counts as sent.
    Waiting {
        /// At most this many.
        limit: u32,
        /// Only what comes after this place.
        after: Option<Place>,
        /// Whether with the payloads.
        payload: bool,
    },
    /// The device has taken a message.
    Ack {
        /// Which.
        id: MessageId,
        /// What it answers.
        reply: Option<Box<RawValue>>,
    },
    /// The device refuses a message.
    Nack {
        /// Which.
        id: MessageId,
        /// Why.
        reason: Option<String>,
    },
    /// Presence and queue of this device; answered by a [`Status`].
    Status,
    /// A read of this device that asks up to `mailboxes` other mailboxes; answered by `[]`.
    MayAsk {
        /// How many.
        mailboxes: u32,
    },
    /// Create the device where it is not known; answered by a [`Registered`].
    Register,
    /// Revoke all tokens of this device issued so far; answered by a [`Registered`].
    Revoke,
    /// Forget the device; answered by a [`Registered`].
    Remove,
    /// From a sender's mailbox: take this message for this device; answered by a [`DeliveryStatus`]. Beside it
    /// goes the JSON of a [`crate::message::Message`].
    Deliver {
        /// Milliseconds to wait for the acknowledgement if the device is online.
        wait: u32,
        /// The message that this device must have got first, where that is not certain yet.
        after: Option<MessageId>,
        /// From when on nobody waits for the answer: a call that arrives later changes nothing.
        until: Millis,
    },
    /// From a recipient's mailbox: these deliveries of yours reached a terminal state; answered by `[]`.
    #[serde(rename = "receipts")]
    Report {
        /// What was settled, oldest first.
        settled: Vec<Settled>,
    },
    /// From a sender's mailbox: take the message back; answered by a [`DeliveryStatus`].
    #[serde(rename = "withdraw")]
    CancelDelivery {
        /// Which.
        id: MessageId,
        /// Who sent it.
        from: DeviceId,
    },
    /// From a sender's mailbox: what became of the message so far? Answered by a [`DeliveryStatus`].
    #[serde(rename = "look")]
    GetDelivery {
        /// Which.
        id: MessageId,
    },
}

/// A caller of an earlier version does not say how many deliveries it wants.
fn page() -> u32 {
    trace::PAGE
}

impl Call {
    /// What the call is, in one word.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Publish { .. } => "publish",
            Call::Trace { .. } => "trace",
            Call::Messages { .. } => "messages",
            Call::Cancel { .. } => "cancel",
            Call::Inbox { .. } => "inbox",
            Call::Waiting { .. } => "waiting",
            Call::Ack { .. } => "ack",
            Call::Nack { .. } => "nack",
            Call::Status => "status",
            Call::MayAsk { .. } => "may_ask",
            Call::Register => "register",
            Call::Revoke => "revoke",
            Call::Remove => "remove",
            Call::Deliver { .. } => "deliver",
            Call::Report { .. } => "receipts",
            Call::CancelDelivery { .. } => "withdraw",
            Call::GetDelivery { .. } => "look",
        }
    }
}

/// The answer to [`Call::Report`].
pub const TAKEN: &str = "[]";

/// A delivery that reached a terminal state, as its mailbox tells the sender's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settled {
    /// The message.
    pub id: MessageId,
    /// What became of it.
    pub delivery: Delivery,
}

/// What a recipient's mailbox says of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It knows the delivery, and this is its state.
    Known(Delivery),
    /// It does not know the message: it never got it, or it is settled and reported.
    UnknownMessage,
    /// There is no device behind this mailbox.
    UnknownDevice,
    /// The call came after its `until`, or before the message that it has to follow; nothing was
    /// changed.
    #[serde(rename = "not_now")]
    OutOfOrder,
}

/// What a mailbox says of its device's registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Whether the call changed whether the device is known.
    pub changed: bool,
    /// Since when the device is known; 0 where it is not.
    pub created_at: Millis,
    /// How often its tokens were revoked: what goes into [`Claims::revocations`] of a new token.
    pub revocations: u32,
}

/// Presence and queue of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the mailbox has a device.
    pub known: bool,
    /// Whether it has a live socket.
    pub online: bool,
    /// Since when that socket is open.
    pub connected_at: Option<Millis>,
    /// The last sign of life.
    pub last_seen_at: Option<Millis>,
    /// Messages that wait, stored or for room on the wire.
    pub held: u32,
    /// Messages that are on the wire, or that a poll has, and that are not acknowledged.
    pub in_flight: u32,
    /// The payload bytes of all of them.
    pub held_bytes: u64,
}
