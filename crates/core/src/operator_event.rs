//! What an operator wants to know, and the message that says it: an operator's event.
//!
//! The service publishes it to the tag `EVENTS_TAG`, from [`owner::EVENTS`], as a message like any other. Its payload is
//! `{"type","timestamp","data"}`, with the time in milliseconds. Not here: when one happens, and how it gets there; see
//! the mailbox's component `operator_events`.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::State;
use crate::failure::FailedDelivery;
use crate::id::{DeviceId, InvalidName, Tag};
use crate::message::Urgency;
use crate::payload;
use crate::publish::{DEFAULT_TTL, Draft, When, whole_number};
use crate::time::Millis;
use crate::token::TokenId;

#[cfg(doc)]
use crate::id::owner;

/// Allowed values of `AWAY_AFTER`, in seconds: up to 30 days.
const AWAY_AFTER: RangeInclusive<u32> = 1..=2_592_000;

/// How the service publishes events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `EVENTS_TAG`: where to.
    pub tag: Tag,
    /// `AWAY_AFTER`: after how many seconds without a connection a device is away. Without it, none ever is.
    pub away_after: Option<u32>,
}

/// A variable that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value:?}, but must {rule}")]
pub struct InvalidSetting {
    name: &'static str,
    value: String,
    rule: String,
}

impl Settings {
    /// The names of the variables.
    pub const NAMES: [&'static str; 2] = ["EVENTS_TAG", "AWAY_AFTER"];

    /// Reads the variables; `None` if `EVENTS_TAG` is absent: then there are no events.
    ///
    /// # Errors
    /// [`InvalidSetting`]: `EVENTS_TAG` is no tag, or `AWAY_AFTER` no number in its range.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, InvalidSetting> {
        let [tag, away_after] = Self::NAMES;
        let invalid = |name, value: &str, rule: String| InvalidSetting {
            name,
            value: value.to_owned(),
            rule,
        };
        let read = |text: String| {
            let number = whole_number(away_after, &text, AWAY_AFTER);
            let (least, most) = (AWAY_AFTER.start(), AWAY_AFTER.end());
            let rule = format!("be a whole number from {least} to {most}");
            number.map_err(|_| invalid(away_after, &text, rule))
        };
        let away_after = get(away_after).map(read).transpose()?;
        let Some(text) = get(tag) else {
            return Ok(None);
        };
        let wrong = |error: InvalidName| invalid(tag, &text, error.rule.to_owned());
        let tag = text.parse().map_err(wrong)?;
        Ok(Some(Self { tag, away_after }))
    }
}

/// Who has registered a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Registrar {
    /// The operator.
    Operator,
    /// The device itself, with a valid token.
    Device,
}

/// An event: its `data` is what it has.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum OperatorEvent<'a> {
    /// A delivery has ended `expired`, `undeliverable` or `refused`.
    DeliveryFailed(&'a FailedDelivery),
    /// A device was registered.
    Registered {
        /// Which.
        device: &'a DeviceId,
        /// By whom.
        by: Registrar,
    },
    /// A device has had no connection for a while.
    Away {
        /// Which.
        device: &'a DeviceId,
        /// When its last connection ended.
        since: Millis,
    },
    /// A device that was away is connected.
    Back {
        /// Which.
        device: &'a DeviceId,
        /// Since when it had no connection.
        since: Millis,
    },
    /// The tokens of a device were revoked.
    TokensRevoked {
        /// Whose.
        device: &'a DeviceId,
    },
    /// One token of a device was revoked.
    TokenRevoked {
        /// Whose.
        device: &'a DeviceId,
        /// Its id.
        jti: &'a TokenId,
    },
    /// The webhook of a device was disabled, because its address has answered so.
    WebhookDisabled {
        /// Whose.
        device: &'a DeviceId,
        /// The status of the answer.
        status: u16,
    },
}

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// [`OperatorEvent::DeliveryFailed`].
    #[serde(rename = "delivery.failed")]
    DeliveryFailed,
    /// [`OperatorEvent::Registered`].
    #[serde(rename = "device.registered")]
    Registered,
    /// [`OperatorEvent::Away`].
    #[serde(rename = "device.away")]
    Away,
    /// [`OperatorEvent::Back`].
    #[serde(rename = "device.back")]
    Back,
    /// [`OperatorEvent::TokensRevoked`].
    #[serde(rename = "tokens.revoked")]
    TokensRevoked,
    /// [`OperatorEvent::TokenRevoked`].
    #[serde(rename = "token.revoked")]
    TokenRevoked,
    /// [`OperatorEvent::WebhookDisabled`].
    #[serde(rename = "webhook.disabled")]
    WebhookDisabled,
}

/// In place of the events of a burst that were too many: its type is theirs with `.summary` behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary<'a> {
    /// Whose mailbox they are of.
    pub device: &'a DeviceId,
    /// How many there were, without those that were published.
    pub count: u32,
    /// When the first of them happened.
    pub since: Millis,
    /// When the last of them happened.
    pub until: Millis,
}

/// An event with its number, which only grows in one mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Numbered {
    /// The number.
    pub seq: i64,
    /// Its JSON.
    pub event: Box<RawValue>,
}

impl<'a> OperatorEvent<'a> {
    /// The event that this failure is, unless the device itself has rejected the message, or the failure is told again.
    pub fn of_failure(failure: &'a FailedDelivery) -> Option<Self> {
        let is_event = failure.state != State::Rejected && failure.resent_as.is_none();
        is_event.then_some(Self::DeliveryFailed(failure))
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::DeliveryFailed(_) => Kind::DeliveryFailed,
            Self::Registered { .. } => Kind::Registered,
            Self::Away { .. } => Kind::Away,
            Self::Back { .. } => Kind::Back,
            Self::TokensRevoked { .. } => Kind::TokensRevoked,
            Self::TokenRevoked { .. } => Kind::TokenRevoked,
            Self::WebhookDisabled { .. } => Kind::WebhookDisabled,
        }
    }

    /// Its JSON, if it happened at this time.
    ///
    /// # Errors
    /// It has no JSON, which never happens.
    pub fn json(&self, at: Millis) -> serde_json::Result<String> {
        written(self.kind().name(), at, self)
    }
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeliveryFailed => "delivery.failed",
            Self::Registered => "device.registered",
            Self::Away => "device.away",
            Self::Back => "device.back",
            Self::TokensRevoked => "tokens.revoked",
            Self::TokenRevoked => "token.revoked",
            Self::WebhookDisabled => "webhook.disabled",
        }
    }

    /// The JSON of a summary of events of this type, made at this time.
    ///
    /// # Errors
    /// It has no JSON, which never happens.
    pub fn summary(self, summary: &Summary<'_>, at: Millis) -> serde_json::Result<String> {
        written(&format!("{}.summary", self.name()), at, summary)
    }
}

fn written(kind: &str, timestamp: Millis, data: &impl Serialize) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Payload<'a, T> {
        r#type: &'a str,
        timestamp: Millis,
        data: &'a T,
    }
    serde_json::to_string(&Payload {
        r#type: kind,
        timestamp,
        data,
    })
}

/// The message that an event becomes. It is handed over at once, but as a scheduled message is: it is stored when it is
/// accepted, and its tag is looked up afterwards.
pub(crate) fn draft(event: Box<RawValue>, now: Millis) -> Draft {
    Draft {
        ttl: DEFAULT_TTL,
        topic: None,
        urgency: Urgency::Normal,
        wait: 0,
        key: None,
        echo: false,
        acks_needed: None,
        escalate: Vec::new(),
        when: Some(When::At(now)),
        resend: None,
        size: u32::try_from(event.get().len()).unwrap_or(u32::MAX),
        content_type: payload::JSON.to_owned(),
        encoding: None,
        payload: event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MessageId;

    #[test]
    fn a_failure_is_an_event_unless_the_device_has_rejected_the_message_or_it_is_sent_again() {
        let failure = |state, resent_as| FailedDelivery {
            id: MessageId::least(1),
            at: 1,
            state,
            reason: None,
            sender: "door".parse().unwrap(),
            device: "cam".parse().unwrap(),
            tag: None,
            resent_as,
        };
        let is_event =
            |state, resent_as| OperatorEvent::of_failure(&failure(state, resent_as)).is_some();
        for state in [State::Expired, State::Undeliverable, State::Refused] {
            assert!(is_event(state, None), "{state:?}");
            assert!(!is_event(state, Some(MessageId::least(2))));
        }
        assert!(!is_event(State::Rejected, None));
    }

    #[test]
    fn without_a_tag_there_are_no_events_and_what_is_wrong_is_named() {
        let read = |vars: &[(&str, &str)]| {
            let found = |name: &str| vars.iter().find(|(known, _)| *known == name);
            Settings::from_vars(|name| found(name).map(|(_, value)| (*value).to_owned()))
        };
        let tag = ("EVENTS_TAG", "ops:events");
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("AWAY_AFTER", "60")]), Ok(None));
        let settings = read(&[tag]).unwrap().unwrap();
        assert_eq!(
            (settings.tag.as_str(), settings.away_after),
            ("ops:events", None)
        );
        let settings = read(&[tag, ("AWAY_AFTER", "60")]).unwrap().unwrap();
        assert_eq!(settings.away_after, Some(60));
        for value in ["", "@cam", "~events", "two words"] {
            let error = read(&[("EVENTS_TAG", value)]).unwrap_err().to_string();
            let complaint = format!("EVENTS_TAG is {value:?}, but must match ");
            assert!(error.starts_with(&complaint), "{error}");
        }
        for value in ["", "0", "-1", "1.5", "2592001", "never"] {
            let error = read(&[("AWAY_AFTER", value)]).unwrap_err().to_string();
            let rule = "but must be a whole number from 1 to 2592000";
            assert_eq!(error, format!("AWAY_AFTER is {value:?}, {rule}"));
        }
    }

    #[test]
    fn a_type_is_stored_by_its_name() {
        for kind in [
            Kind::DeliveryFailed,
            Kind::Registered,
            Kind::Away,
            Kind::Back,
            Kind::TokensRevoked,
            Kind::TokenRevoked,
            Kind::WebhookDisabled,
        ] {
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(text, format!("\"{}\"", kind.name()));
            assert_eq!(serde_json::from_str::<Kind>(&text).unwrap(), kind);
        }
    }
}
