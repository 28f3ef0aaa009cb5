//! The names that travel: devices, tags, messages, topics, idempotency keys.
//!
//! A string becomes one of these types once, where it enters; from there on it is known to be well
//! formed, so it may stand in a URL path, a log line or an SQL parameter as it is.
//! What a name refers to, and who may use it, is not decided here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::time::Millis;

/// A name that does not match its grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must match {grammar}")]
pub struct InvalidName {
    /// Which kind of name: `device`, `tag`, `Topic`, …
    pub what: &'static str,
    /// The grammar it has to match, as the documentation states it.
    pub grammar: &'static str,
}

/// Declares a newtype over a checked string.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $grammar:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidName { what: $what, grammar: $grammar })
                }
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Whether `text` starts with a letter or digit, goes on with those or `extra`, and is at most `longest` long.
fn is_name(text: &str, longest: usize, extra: &str) -> bool {
    text.len() <= longest
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

name!(
    /// The address of a device: the name of its one mailbox.
    DeviceId, "device", "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    |text| is_name(text, 64, "._-")
);
name!(
    /// A name that resolves to the addresses of one or more devices.
    Tag, "tag", "[A-Za-z0-9][A-Za-z0-9._:-]{0,127}",
    |text| is_name(text, 128, "._:-")
);
name!(
    /// Names a message that a newer one of the same sender replaces (RFC 8030, section 5.4).
    Topic, "Topic", "[A-Za-z0-9_-]{1,32}",
    |text| (1..=32).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
);
name!(
    /// Makes repeated publishes of one sender one message.
    IdempotencyKey, "Idempotency-Key", "1 to 64 printable ASCII characters",
    |text| (1..=64).contains(&text.len()) && text.chars().all(|c| matches!(c, ' '..='~'))
);

impl DeviceId {
    /// The 40 bits of this device's name that every id of a message it sent carries.
    ///
    /// They let a message id alone lead to its sender's mailbox, with no index a message.
    /// Names can share them; whoever looks up by them has to try each.
    pub fn address(&self) -> u64 {
        let digest = Sha256::digest(self.0.as_bytes());
        digest
            .iter()
            .take(5)
            .fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
    }
}

/// The id of a message: a ULID whose 80 lower bits are the sender's [`DeviceId::address`] and a
/// 40-bit number that makes it unique.
///
/// The ids that one mailbox gives out only grow, so their order is the order of acceptance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(Ulid);

const LOW_40: u128 = (1 << 40) - 1;

impl MessageId {
    /// The id that follows `last` for a message accepted at `now`.
    ///
    /// `random` fills the unique part at the start of each millisecond. A clock that stands or runs
    /// backwards, or a full unique part, carries on from `last`, so that ids still grow.
    pub fn next(sender: &DeviceId, now: Millis, last: Option<MessageId>, random: u64) -> Self {
        let time = u128::try_from(now).unwrap_or(0) & ((1 << 48) - 1);
        // The top bit stays clear so that a millisecond has room for many more ids after the first.
        let fresh = |time: u128| {
            (time << 80)
                | (u128::from(sender.address()) << 40)
                | (u128::from(random) & (LOW_40 >> 1))
        };
        let bits = match last.map(|id| u128::from(id.0)) {
            Some(last) if fresh(time) <= last => {
                if last & LOW_40 == LOW_40 {
                    fresh((last >> 80) + 1)
                } else {
                    last + 1
                }
            }
            _ => fresh(time),
        };
        Self(Ulid::from(bits))
    }

    /// The [`DeviceId::address`] of the sender.
    pub fn sender_address(&self) -> u64 {
        u64::try_from((u128::from(self.0) >> 40) & LOW_40).unwrap_or(0)
    }

    /// The 16 bytes of the ULID, whose order is the order of the ids.
    pub fn to_bytes(self) -> [u8; 16] {
        u128::from(self.0).to_be_bytes()
    }

    /// The id of these 16 bytes; `None` for another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 16] = bytes.try_into().ok()?;
        Some(Self(Ulid::from(u128::from_be_bytes(bytes))))
    }
}

impl FromStr for MessageId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Ulid::from_string(text).map(Self).map_err(|_| InvalidName {
            what: "message id",
            grammar: "a ULID of 26 characters",
        })
    }
}

impl TryFrom<String> for MessageId {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> String {
        id.0.to_string()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
