//! A message: what one device publishes to a tag, to one device, or to the devices that match an expression.
//!
//! A payload is rendered as JSON once, where it enters. From then on mailboxes, rows and frames carry that text
//! unparsed. Not here: the state of a message, which is in its [`crate::delivery::Delivery`]s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::expression::{Expression, InvalidExpression};
use crate::id::{DeviceId, InvalidName, MessageId, Sender, Tag, Topic};
use crate::time::Millis;

/// What a message is published to. As text: `hallway`, `@camera-1` or `hallway & !muted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Every device of a tag: `{"tag":"kitchen"}`.
    Tag(Tag),
    /// One device: `{"device":"camera-1"}`.
    Device(DeviceId),
    /// Every device that matches an expression: `{"match":"kitchen & !muted"}`.
    Match(Expression),
}

impl Target {
    /// The tag, or the device behind an `@`, of this name.
    ///
    /// # Errors
    /// [`InvalidName`]: it is neither.
    pub fn named(name: &str) -> Result<Self, InvalidName> {
        match name.strip_prefix('@') {
            Some(device) => device.parse().map(Self::Device),
            None => name.parse().map(Self::Tag),
        }
    }
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// It is no name of a tag or device.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// It has an operator, and is no expression.
    #[error(transparent)]
    Expression(#[from] InvalidExpression),
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if text.contains(['&', '|', '!', '(', ')']) {
            return Ok(Self::Match(text.parse()?));
        }
        Ok(Self::named(text)?)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Device(device) => write!(f, "@{device}"),
            Self::Match(expression) => expression.fmt(f),
        }
    }
}

impl From<Tag> for Target {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<DeviceId> for Target {
    fn from(device: DeviceId) -> Self {
        Self::Device(device)
    }
}

impl From<Expression> for Target {
    fn from(expression: Expression) -> Self {
        Self::Match(expression)
    }
}

/// Which of two messages of a sender was handed over later: the greater.
pub type Turn = (Millis, MessageId);

/// The turn of a message that was handed over at `sent_at`. A message that was scheduled was handed over long after it
/// got its id; of all others the ids tell, even if the sender's clock was set back.
pub fn turn(id: MessageId, sent_at: Millis) -> Turn {
    (sent_at.max(id.time()), id)
}

/// The place of a message in the queue (RFC 8030, section 5.3); higher goes first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// After all others.
    VeryLow,
    /// After `normal`.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl Urgency {
    /// All, the least urgent first.
    pub const ALL: [Self; 4] = [Self::VeryLow, Self::Low, Self::Normal, Self::High];

    /// Its name (RFC 8030, section 5.3).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// How a payload that is neither JSON nor text is encoded in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// A string of base64 (RFC 4648, section 4, with padding).
    Base64,
}

/// A message as mailboxes store and exchange it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Who sent it.
    pub from: Sender,
    /// The tag or device that it was published to.
    pub to: Target,
    /// When the sender's mailbox accepted it.
    pub sent_at: Millis,
    /// When its TTL runs out: it is not sent after that.
    pub expires_at: Millis,
    /// Its place in the queue.
    pub urgency: Urgency,
    /// It replaces the unacknowledged message of the same topic.
    pub topic: Option<Topic>,
    /// The length of the payload's own bytes.
    pub size: u32,
    /// The media type that the sender named.
    pub content_type: String,
    /// Set if `payload` is a string that encodes bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// JSON as it came, text as a JSON string, anything else as a JSON string of base64.
    pub payload: Box<RawValue>,
}

/// Who gets a message: a connection carries the messages of one lane, and a poll takes those of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Messages of devices.
    Devices,
    /// Messages of channels, which are encrypted for one user agent.
    Channels,
}

impl Message {
    /// Its lane.
    pub fn lane(&self) -> Lane {
        match self.from.is_channel() {
            true => Lane::Channels,
            false => Lane::Devices,
        }
    }

    /// Whether its TTL is 0: it is delivered now or never.
    pub fn is_now_or_never(&self) -> bool {
        self.expires_at <= self.sent_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_tag_a_device_or_an_expression() {
        for (text, expected) in [
            ("hall", Target::Tag("hall".parse().unwrap())),
            ("@cam-1", Target::Device("cam-1".parse().unwrap())),
            (
                "hall & !muted",
                Target::Match("hall & !muted".parse().unwrap()),
            ),
            ("@a|@b", Target::Match("@a|@b".parse().unwrap())),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target, expected, "{text}");
            assert_eq!(target.to_string(), text);
        }
        for (text, told) in [
            ("no tag", "tag"),
            ("@no device", "device"),
            ("", "tag"),
            ("a & !!b", "character 6"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
