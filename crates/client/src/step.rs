//! The steps of a trace's timeline: what happened to a delivery, and to whom the message escalated; and the steps that
//! may follow.
//!
//! Not here: asking for an escalation; see [`crate::Publish::escalate`].

use serde::{Deserialize, Serialize};
use tagpost_core::delivery::State;
use tagpost_core::id::DeviceId;
use tagpost_core::message::Target;
use tagpost_core::time::Millis;
use tagpost_core::webhook::Tried;

/// One step on the way of a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Step {
    /// A delivery reached a state.
    Delivery(DeliveryStep),
    /// The message went to further devices, or should have.
    Escalation(EscalationStep),
    /// A device for which the message waited was woken.
    Woken(WokenStep),
    /// The address of a webhook has failed an attempt.
    Attempted(AttemptedStep),
}

/// One step on the way of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct DeliveryStep {
    /// The device.
    pub device: DeviceId,
    /// The state that was reached.
    pub event: State,
    /// When.
    pub at: Millis,
    /// Which attempt this belongs to; 0 before the first.
    pub attempt: u32,
    /// What the device said about its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A push service has taken a knock for a device for which the message waited.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "event", rename = "woken")]
#[non_exhaustive]
pub struct WokenStep {
    /// The device.
    pub device: DeviceId,
    /// When.
    pub at: Millis,
    /// The push service's host.
    pub host: String,
}

/// The address of a webhook has failed an attempt to post the message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "event", rename = "attempted")]
#[non_exhaustive]
pub struct AttemptedStep {
    /// The device.
    pub device: DeviceId,
    /// When.
    pub at: Millis,
    /// Which attempt.
    pub attempt: u32,
    /// How.
    #[serde(flatten)]
    pub tried: Tried,
}

/// A step of an escalation that may still be taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Escalation {
    /// To whom the message goes as well.
    pub to: Target,
    /// How many seconds after its hand-over.
    pub after: u32,
}

/// A step of an escalation that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EscalationStep {
    /// The message went to the devices of a target that did not have it yet.
    Escalated {
        /// When.
        at: Millis,
        /// The target.
        to: Target,
        /// How many devices these were.
        devices: u64,
    },
    /// The target led nowhere.
    EscalationFailed {
        /// When.
        at: Millis,
        /// The target.
        to: Target,
        /// Why, as the `code` of a problem.
        code: String,
    },
}

impl Step {
    /// When it happened.
    pub fn at(&self) -> Millis {
        match self {
            Self::Delivery(step) => step.at,
            Self::Woken(step) => step.at,
            Self::Attempted(step) => step.at,
            Self::Escalation(
                EscalationStep::Escalated { at, .. } | EscalationStep::EscalationFailed { at, .. },
            ) => *at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_understood_and_written_again_as_it_was() {
        for text in [
            r#"{"device":"anna","event":"in_progress","at":3,"attempt":1,"note":"on my way"}"#,
            r#"{"event":"escalated","at":5,"to":{"tag":"managers"},"devices":1}"#,
            r#"{"event":"escalation_failed","at":7,"to":{"device":"boss"},"code":"unknown_device"}"#,
            r#"{"event":"woken","device":"phone","at":9,"host":"push.example"}"#,
            r#"{"event":"attempted","device":"backend","at":9,"attempt":2,"status":503}"#,
            r#"{"event":"attempted","device":"backend","at":9,"attempt":3,"error":"timeout"}"#,
        ] {
            let step: Step = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&step).unwrap(), text);
        }
    }
}
