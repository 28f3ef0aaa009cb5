//! A failed delivery, as the sender's mailbox tells the directory, and what has to be known to send it again.
//!
//! A delivery has failed in the states of [`State::is_failure`]. Not here: when the directory is told; see the
//! mailbox's component `failures`.

use serde::{Deserialize, Serialize};

use crate::delivery::{Delivery, State};
use crate::id::{DeviceId, MessageId};
use crate::message::{Message, Target};
use crate::time::Millis;

/// How many recipients' mailboxes are asked for a payload at most.
pub const MAX_ASKED: u32 = 3;

/// The reason of a delivery whose device was removed.
pub const DEVICE_REMOVED: &str = "device_removed";

/// A failed delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedDelivery {
    /// The message.
    pub id: MessageId,
    /// When the delivery failed.
    pub at: Millis,
    /// Its state.
    pub state: State,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who sent the message.
    #[serde(with = "crate::id::owner")]
    pub sender: DeviceId,
    /// The recipient.
    pub device: DeviceId,
    /// The tag or the expression that the message was published to, if it was not one device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The last message with which it was sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resent_as: Option<MessageId>,
}

impl FailedDelivery {
    /// This delivery of a message to `to`; `None` if it has not failed.
    pub fn of(id: MessageId, sender: &DeviceId, to: &Target, delivery: &Delivery) -> Option<Self> {
        let tag = match to {
            Target::Tag(tag) => Some(tag.as_str()),
            Target::Match(expression) => Some(expression.as_str()),
            Target::Device(_) => None,
        };
        delivery.state.is_failure().then(|| Self {
            id,
            at: delivery.at,
            state: delivery.state,
            reason: delivery.reason.clone(),
            sender: sender.clone(),
            device: delivery.device.clone(),
            tag: tag.map(str::to_owned),
            resent_as: None,
        })
    }
}

/// Where the payload of a message may still be.
#[derive(Debug, Serialize, Deserialize)]
pub struct PayloadSources {
    /// The message itself, if the sender's mailbox has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Box<Message>>,
    /// Recipients whose mailboxes may have it, at most [`MAX_ASKED`].
    pub devices: Vec<DeviceId>,
}

/// What the sender's mailbox answers before a message is sent again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResendPlan {
    /// The message is sent again like this.
    Send {
        /// What it was published to.
        to: Target,
        /// What it went to by the steps of its escalation.
        steps: Vec<Target>,
        /// The length of its TTL, in seconds.
        ttl: u32,
        /// The devices that get it.
        devices: Vec<DeviceId>,
        /// Where its payload may be.
        sources: PayloadSources,
    },
    /// The idempotency key was used for this before: the answer to that.
    Repeated {
        /// The message that was published then.
        id: MessageId,
        /// Whether it is settled.
        is_settled: bool,
        /// The JSON of the answer.
        answer: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_device_did_not_take_has_failed() {
        let failed: Vec<&str> = State::ALL
            .into_iter()
            .filter(|state| state.is_failure())
            .map(State::as_str)
            .collect();
        assert_eq!(failed, ["rejected", "expired", "refused", "undeliverable"]);
    }

    #[test]
    fn a_failure_names_the_tag_or_the_expression_but_not_the_one_device() {
        let cam: DeviceId = "cam".parse().unwrap();
        let id = MessageId::least(7);
        let delivery = Delivery::first(cam.clone(), State::Expired, 9).with_reason("late");
        let of = |to: &Target, delivery: &Delivery| FailedDelivery::of(id, &cam, to, delivery);
        let tag = |to: &Target| of(to, &delivery).unwrap().tag;
        assert_eq!(tag(&Target::Device(cam.clone())), None);
        let to_tag = Target::named("hall").unwrap();
        assert_eq!(tag(&to_tag).as_deref(), Some("hall"));
        let to_match = Target::Match("hall & !muted".parse().unwrap());
        assert_eq!(tag(&to_match).as_deref(), Some("hall & !muted"));
        let delivered = Delivery::first(cam.clone(), State::Delivered, 9);
        assert_eq!(of(&to_tag, &delivered), None);
        let failure = of(&to_tag, &delivery).unwrap();
        assert_eq!((failure.at, failure.reason.as_deref()), (9, Some("late")));
    }
}
