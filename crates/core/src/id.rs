//! Names and ids: devices, senders, tags, messages, topics, idempotency keys.
//!
//! A string is parsed into one of these types once, where it enters. From then on it is known to be well
//! formed, and safe in a URL path, a log line or an SQL parameter.
//! Not here: what a name refers to, and who may use it.

pub mod owner;
mod sender;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::time::Millis;
use crate::web_push::channel::Channel;

/// A malformed name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must {rule}")]
pub struct InvalidName {
    /// The kind of name: `device`, `tag`, `Topic`, …
    pub what: &'static str,
    /// What such a name must do, after "must": `match [A-Za-z0-9_-]{1,32}`.
    pub rule: &'static str,
}

/// Declares a newtype over a checked string.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $check:expr) => {
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
                    Err(InvalidName { what: $what, rule: $rule })
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

/// Whether `text` starts with a letter or digit, continues with those or `extra`, and is at most `longest` long.
fn is_name(text: &str, longest: usize, extra: &str) -> bool {
    text.len() <= longest
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

name!(
    /// The name of a device, and of its mailbox.
    DeviceId, "device", "match [A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    |text| is_name(text, 64, "._-")
);
name!(
    /// Who sent a message: a device, a channel of Web Push, which is written with a `~` before its id, or the service,
    /// which is [`owner::EVENTS`]. No name of a device starts with that.
    Sender, "sender", "be a device, ~events, or ~ and a channel",
    |text| match text.strip_prefix('~') {
        Some(_) if text == owner::EVENTS => true,
        Some(channel) => channel.parse::<Channel>().is_ok(),
        None => text.parse::<DeviceId>().is_ok(),
    }
);
name!(
    /// A name bound to one or more devices.
    Tag, "tag", "match [A-Za-z0-9][A-Za-z0-9._:-]{0,127}",
    |text| is_name(text, 128, "._:-")
);
name!(
    /// A label: a message replaces the unacknowledged one of the same sender, recipient and topic (RFC 8030,
    /// section 5.4).
    Topic, "Topic", "match [A-Za-z0-9_-]{1,32}",
    |text| (1..=32).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
);
name!(
    /// A sender's name for a publish: repeating it makes no second message.
    IdempotencyKey, "Idempotency-Key", "be 1 to 64 printable ASCII characters",
    |text| (1..=64).contains(&text.len()) && text.chars().all(|c| matches!(c, ' '..='~'))
);

impl DeviceId {
    /// 40 bits derived from this device's name, which are part of the id of every message it sends.
    ///
    /// With them a message id alone is enough to find the sender's mailbox, without an index of messages.
    /// Two names can share an address; a lookup has to try each device that has it.
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
/// The ids that one mailbox assigns only grow, so their order is the order of acceptance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(Ulid);

const LOW_40: u128 = (1 << 40) - 1;

impl MessageId {
    /// The id that follows `last` for a message accepted at `now`.
    ///
    /// `random` fills the unique part at the start of each millisecond. If the clock stands still or runs
    /// backwards, or the unique part is full, the id continues from `last`, so that ids still grow. The step is
    /// random, because an id assigned before a crash may not have been stored.
    pub fn next(sender: &DeviceId, now: Millis, last: Option<MessageId>, random: u64) -> Self {
        let time = u128::try_from(now).unwrap_or(0).min((1 << 48) - 1);
        // The top bit stays clear so that a millisecond has room for many more ids after the first.
        let fresh = |time: u128| {
            (time << 80)
                | (u128::from(sender.address()) << 40)
                | (u128::from(random) & (LOW_40 >> 1))
        };
        let bits = match last.map(|id| u128::from(id.0)) {
            Some(last) if fresh(time) <= last => {
                let step = 1 + (u128::from(random) & (LOW_40 >> 20));
                if (last & LOW_40) + step > LOW_40 {
                    fresh((last >> 80) + 1)
                } else {
                    last + step
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

    /// When the message was accepted, or a little later: ids grow even while the clock stands still.
    pub fn time(self) -> Millis {
        Millis::try_from(u128::from(self.0) >> 80).unwrap_or(Millis::MAX)
    }

    /// The smallest id of this time.
    pub(crate) fn least(time: Millis) -> Self {
        let time = u128::try_from(time).unwrap_or(0).min((1 << 48) - 1);
        Self(Ulid::from(time << 80))
    }

    /// The next greater id.
    pub(crate) fn successor(self) -> Option<Self> {
        let next = u128::from(self.0).checked_add(1)?;
        Some(Self(Ulid::from(next)))
    }

    /// The 16 bytes of the ULID; they sort like the ids.
    pub fn to_bytes(self) -> [u8; 16] {
        u128::from(self.0).to_be_bytes()
    }

    /// The id with these 16 bytes; `None` for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 16] = bytes.try_into().ok()?;
        Some(Self(Ulid::from(u128::from_be_bytes(bytes))))
    }
}

impl FromStr for MessageId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // 26 characters hold two bits more than a ULID has; the crate would silently drop them.
        Ulid::from_string(text)
            .ok()
            .filter(|_| text.starts_with(|c| matches!(c, '0'..='7')))
            .map(Self)
            .ok_or(InvalidName {
                what: "message id",
                rule: "be a ULID of 26 characters",
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    #[test]
    fn names_match_their_grammar_and_nothing_else() {
        let long = |length| "a".repeat(length);
        for name in ["a", "0", "kitchen-cam", "A.b_c-9", &long(64)] {
            assert!(name.parse::<DeviceId>().is_ok(), "{name}");
            assert!(name.parse::<Tag>().is_ok(), "{name}");
        }
        for name in [
            "",
            ".a",
            "-a",
            "_a",
            "a b",
            "a/b",
            "a\n",
            "ä",
            "a%20",
            &long(129),
        ] {
            assert!(name.parse::<DeviceId>().is_err(), "{name:?}");
            assert!(name.parse::<Tag>().is_err(), "{name:?}");
        }
        assert!("a:b".parse::<Tag>().is_ok() && "a:b".parse::<DeviceId>().is_err());
        assert!(long(128).parse::<Tag>().is_ok() && long(65).parse::<DeviceId>().is_err());
        for topic in ["-", "_a", &long(32)] {
            assert!(topic.parse::<Topic>().is_ok(), "{topic}");
        }
        for topic in ["", "a.b", "a b", &long(33)] {
            assert!(topic.parse::<Topic>().is_err(), "{topic:?}");
        }
        for key in [" ", "a key/1", &long(64)] {
            assert!(key.parse::<IdempotencyKey>().is_ok(), "{key:?}");
        }
        for key in ["", "a\tb", "é", &long(65)] {
            assert!(key.parse::<IdempotencyKey>().is_err(), "{key:?}");
        }
    }

    #[test]
    fn the_error_of_a_malformed_name_says_its_kind_and_rule() {
        assert_eq!(
            "a b".parse::<DeviceId>().unwrap_err().to_string(),
            "device must match [A-Za-z0-9][A-Za-z0-9._-]{0,63}"
        );
        assert_eq!(
            "x".parse::<MessageId>().unwrap_err().to_string(),
            "message id must be a ULID of 26 characters"
        );
    }

    #[test]
    fn the_address_of_a_device_never_changes() {
        // Stored ids depend on it: the first 5 bytes of SHA-256("doorbell").
        assert_eq!(device("doorbell").address(), 0x7F_A3C6_32A2);
    }

    #[test]
    fn a_message_id_is_a_ulid_of_its_time_and_its_sender() {
        let id = MessageId::next(&device("doorbell"), 1_700_000_000_000, None, u64::MAX);
        assert_eq!(id.to_string(), "01HF7YAT00FYHWCCN2FZZZZZZZ");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(MessageId::from_bytes(&id.to_bytes()), Some(id));
        assert_eq!(MessageId::from_bytes(&id.to_bytes()[1..]), None);
    }

    #[test]
    fn only_a_ulid_is_a_message_id() {
        for text in [
            "",
            "01HF7YAT00",
            "01HF7YAT00000000000000000U",
            "01HF7YAT0000000000000000000",
            "81HF7YAT000000000000000000",
            "Z1HF7YAT000000000000000000",
            "01HF7YAT0000000000000000é",
        ] {
            assert!(text.parse::<MessageId>().is_err(), "{text:?}");
        }
        assert!("7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<MessageId>().is_ok());
    }

    #[test]
    fn an_id_assigned_before_a_crash_is_not_assigned_again_when_the_clock_was_set_back() {
        let sender = device("doorbell");
        let written = MessageId::next(&sender, 5, None, 0);
        let forgotten = MessageId::next(&sender, 4, Some(written), 1);
        assert_ne!(MessageId::next(&sender, 4, Some(written), 2), forgotten);
    }

    #[test]
    fn ids_of_one_millisecond_leave_room_after_a_full_unique_part() {
        let sender = device("doorbell");
        let full = MessageId(Ulid::from(
            (5 << 80) | (u128::from(sender.address()) << 40) | LOW_40,
        ));
        let next = MessageId::next(&sender, 5, Some(full), 0);
        assert!(next > full);
        assert_eq!(next.sender_address(), sender.address());
    }

    proptest! {
        #[test]
        fn ids_of_one_sender_grow_and_keep_its_address(
            name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
            steps in prop::collection::vec(
                (prop_oneof![any::<i64>(), 1_700_000_000_000..1_700_000_000_005_i64], any::<u64>()),
                1..50,
            ),
        ) {
            let sender = device(&name);
            let mut last = None;
            for (now, random) in steps {
                let id = MessageId::next(&sender, now, last, random);
                prop_assert!(Some(id) > last, "{id} does not follow {last:?}");
                prop_assert_eq!(id.sender_address(), sender.address());
                prop_assert_eq!(id.to_string().parse(), Ok(id));
                last = Some(id);
            }
        }

        #[test]
        fn the_order_of_ids_is_the_order_of_their_texts_and_bytes(a in any::<u128>(), b in any::<u128>()) {
            let (a, b) = (MessageId(Ulid::from(a)), MessageId(Ulid::from(b)));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
        }

        #[test]
        fn reading_any_text_as_a_name_never_panics_and_keeps_it(text in ".{0,130}") {
            if let Ok(name) = text.parse::<DeviceId>() {
                prop_assert_eq!(name.as_str(), &text);
            }
            if let Ok(name) = text.parse::<Tag>() {
                prop_assert_eq!(name.to_string(), text.clone());
            }
            if let Ok(name) = text.parse::<Topic>() {
                prop_assert_eq!(String::from(name), text.clone());
            }
            if let Ok(name) = text.parse::<IdempotencyKey>() {
                prop_assert_eq!(String::from(name), text.clone());
            }
            let _ = text.parse::<MessageId>();
        }
    }
}
