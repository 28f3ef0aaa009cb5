//! What becomes of a message at one device: its state, its steps, and the words that came back.
//!
//! A delivery has one state at a time and reaches exactly one last state. The mailbox of the device
//! decides it; the sender's mailbox records it. Neither is done here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::DeviceId;
use crate::time::Millis;

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Stored; the device is offline, its in-flight window is full, or its mailbox is not reached yet.
    Held,
    /// Stored and on the wire; not yet acknowledged.
    Sent,
    /// The device acknowledged it.
    Delivered,
    /// The device refused it.
    Rejected,
    /// Its TTL ran out first.
    Expired,
    /// A newer message of the same topic and sender took its place.
    Replaced,
    /// The mailbox would not take it.
    Refused,
    /// Sent as often as allowed and never acknowledged.
    Undeliverable,
    /// The sender took it back before it was acknowledged.
    Cancelled,
}

impl State {
    /// All states, in the order of the documentation.
    pub const ALL: [State; 9] = [
        State::Held,
        State::Sent,
        State::Delivered,
        State::Rejected,
        State::Expired,
        State::Replaced,
        State::Refused,
        State::Undeliverable,
        State::Cancelled,
    ];

    /// Whether nothing can follow this state.
    pub fn is_last(self) -> bool {
        !matches!(self, State::Held | State::Sent)
    }

    /// A bit of its own for each state, for sets of states in one number.
    pub fn bit(self) -> i64 {
        1 << (self as u32)
    }
}

/// One step on the way of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The state that was reached.
    pub event: State,
    /// When.
    pub at: Millis,
    /// Which attempt to send it this belongs to; 0 before the first.
    pub attempt: u32,
}

/// One message to one device: the state it is in, and how it came to be.
///
/// This is the form in which mailboxes tell each other and keep it; [`crate::trace`] renders it for senders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// The device.
    pub device: DeviceId,
    /// The state it is in.
    pub state: State,
    /// Since when.
    pub at: Millis,
    /// How often it was put on the wire.
    pub attempts: u32,
    /// What the device answered with its acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Box<RawValue>>,
    /// Why it was rejected or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// All steps so far, oldest first; the last one is `state`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

impl Delivery {
    /// A delivery that is in its first state, with nothing before it.
    pub fn first(device: DeviceId, state: State, at: Millis) -> Self {
        let steps = vec![Step {
            event: state,
            at,
            attempt: 0,
        }];
        Self {
            device,
            state,
            at,
            attempts: 0,
            reply: None,
            reason: None,
            steps,
        }
    }

    /// The same delivery with a reason.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same delivery, one step on.
    pub fn then(mut self, state: State, at: Millis) -> Self {
        self.steps.push(Step {
            event: state,
            at,
            attempt: self.attempts,
        });
        Self { state, at, ..self }
    }
}

/// How many deliveries of one message are in which state; states without one are absent.
pub type Summary = BTreeMap<State, u64>;

/// Counts `deliveries` by state.
pub fn summary<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> Summary {
    let mut summary = Summary::new();
    for delivery in deliveries {
        *summary.entry(delivery.state).or_default() += 1;
    }
    summary
}
