//! The limits an operator can set: the entries of `[vars]`.
//!
//! One table gives each limit its name, default and range; everything else here is derived from it.
//! Values are checked once, when the service starts, so [`Limits`] are always in range.

use std::ops::RangeInclusive;

use crate::time::Millis;

/// A limit whose value is not a whole number in its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value:?}, but must be a whole number from {min} to {max}")]
pub struct InvalidLimit {
    /// The variable.
    pub name: &'static str,
    /// The value it has.
    pub value: String,
    /// The smallest value allowed.
    pub min: u64,
    /// The largest value allowed.
    pub max: u64,
}

/// Declares the limits: field, type, variable, default, range.
macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $name:literal, $default:literal, $range:expr;)*) => {
        /// Every limit of the service; see the table in `docs/protocol.md`.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits { $(#[doc = concat!("`", $name, "`: ")] $(#[$doc])* pub $field: $type,)* }

        impl Limits {
            /// The names of all variables, in the order of the documentation.
            pub const NAMES: [&'static str; [$($name),*].len()] = [$($name),*];

            /// Reads every limit from its variable. An absent variable means the default.
            ///
            /// # Errors
            /// The first value that is not a whole number in its range.
            pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidLimit> {
                Ok(Self { $($field: read($name, get($name), $default, $range)?,)* })
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

limits! {
    /// bytes. A stored row holds at most 2 MB, and base64 makes a payload longer by a third.
    max_payload_bytes: u32 = "MAX_PAYLOAD_BYTES", 262_144, 1..=1_000_000;
    /// messages held for one device.
    max_held_messages: u32 = "MAX_HELD_MESSAGES", 10_000, 1..=1_000_000;
    /// bytes of payload held for one device. A mailbox stores at most 10 GB.
    max_held_bytes: u64 = "MAX_HELD_BYTES", 67_108_864, 1..=8_589_934_592;
    /// unacknowledged messages on one connection. Their list has to fit in a socket's attachment of 16 KiB.
    max_in_flight: u32 = "MAX_IN_FLIGHT", 32, 1..=128;
    /// seconds until an unacknowledged message times out for the first time.
    ack_timeout: u32 = "ACK_TIMEOUT", 30, 1..=3_600;
    /// time-outs of a message, while its device is connected, before it is undeliverable.
    max_attempts: u32 = "MAX_ATTEMPTS", 10, 1..=100;
    /// failed requests to the address of a webhook before a message is undeliverable. The default is more than any TTL has
    /// room for.
    max_webhook_attempts: u32 = "MAX_WEBHOOK_ATTEMPTS", 100_000, 1..=100_000;
    /// seconds until a connection of Web Push with an unacknowledged message is closed.
    push_ack_timeout: u32 = "PUSH_ACK_TIMEOUT", 300, 1..=3_600;
    /// milliseconds that a publish to a channel waits for the acknowledgement before the message is stored.
    push_wait_ms: u32 = "PUSH_WAIT_MS", 150, 1..=5_000;
    /// bytes of the body of a publish to a channel. A service must take 4,096 (RFC 8030, section 7.2).
    max_push_bytes: u32 = "MAX_PUSH_BYTES", 5_630, 4_096..=65_536;
    /// devices that one publish may reach.
    max_fanout: u32 = "MAX_FANOUT", 10_000, 1..=100_000;
    /// seconds that a trace is kept after its terminal state.
    retention: u32 = "RETENTION", 604_800, 1..=2_592_000;
    /// publishes per second of one device.
    publish_rate: u32 = "PUBLISH_RATE", 200, 1..=10_000;
    /// publishes of one device at once.
    publish_burst: u32 = "PUBLISH_BURST", 400, 1..=100_000;
    /// mailboxes per second that the reads of one device may ask.
    ask_rate: u32 = "ASK_RATE", 100, 1..=10_000;
    /// mailboxes that the reads of one device may ask at once. One read may ask 100.
    ask_burst: u32 = "ASK_BURST", 1_000, 100..=100_000;
    /// queued publishes of one device: to large tags, or to a mailbox that did not answer.
    max_queued_messages: u32 = "MAX_QUEUED_MESSAGES", 1_000, 1..=10_000;
    /// bytes of the messages of these publishes.
    max_queued_bytes: u64 = "MAX_QUEUED_BYTES", 67_108_864, 1..=1_073_741_824;
    /// bytes of stored messages of one sender. With `MAX_HELD_BYTES` they have to fit in a mailbox's 10 GB.
    max_sent_bytes: u64 = "MAX_SENT_BYTES", 1_073_741_824, 1..=8_589_934_592;
    /// seconds between a connection's signs of life.
    keepalive: u32 = "KEEPALIVE", 60, 1..=3_600;
}

impl Limits {
    /// How long a settled message is remembered, in milliseconds.
    pub fn retention_ms(&self) -> Millis {
        i64::from(self.retention) * 1000
    }

    /// How long rows past their retention may wait to be deleted by one alarm, in milliseconds.
    pub fn clean_up_slack(&self) -> Millis {
        (self.retention_ms() / 16).clamp(1_000, 3_600_000)
    }
}

/// The limit `name` with this `value`, or its default if there is none.
fn read<T: TryFrom<u64>>(
    name: &'static str,
    value: Option<String>,
    default: T,
    range: RangeInclusive<u64>,
) -> Result<T, InvalidLimit> {
    let Some(value) = value else {
        return Ok(default);
    };
    value
        .parse()
        .ok()
        .filter(|number| range.contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or(InvalidLimit {
            name,
            value,
            min: *range.start(),
            max: *range.end(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Limits, InvalidLimit> {
        Limits::from_vars(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn absent_variables_give_the_documented_defaults() {
        let limits = Limits::from_vars(|_| None).unwrap();
        assert_eq!(limits, Limits::default());
        assert_eq!(
            limits,
            Limits {
                max_payload_bytes: 262_144,
                max_held_messages: 10_000,
                max_held_bytes: 67_108_864,
                max_in_flight: 32,
                ack_timeout: 30,
                max_attempts: 10,
                max_webhook_attempts: 100_000,
                push_ack_timeout: 300,
                push_wait_ms: 150,
                max_push_bytes: 5_630,
                max_fanout: 10_000,
                retention: 604_800,
                publish_rate: 200,
                publish_burst: 400,
                ask_rate: 100,
                ask_burst: 1_000,
                max_queued_messages: 1_000,
                max_queued_bytes: 67_108_864,
                max_sent_bytes: 1_073_741_824,
                keepalive: 60,
            }
        );
    }

    #[test]
    fn each_variable_sets_its_own_limit() {
        for name in Limits::NAMES {
            let least = with(name, "0").unwrap_err().min;
            let limits = with(name, &least.to_string()).unwrap();
            assert_ne!(limits, Limits::default(), "{name} set nothing");
        }
        assert_eq!(
            with("ACK_TIMEOUT", "7").unwrap(),
            Limits {
                ack_timeout: 7,
                ..Limits::default()
            }
        );
        assert_eq!(
            with("MAX_HELD_BYTES", "8589934592").unwrap(),
            Limits {
                max_held_bytes: 8_589_934_592,
                ..Limits::default()
            }
        );
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_range() {
        for name in Limits::NAMES {
            for value in ["0", "-1", "", "ten", "1.5", " 7", "99999999999999999999"] {
                let error = with(name, value).unwrap_err();
                assert_eq!((error.name, error.value.as_str()), (name, value));
            }
            let error = with(name, "0").unwrap_err();
            assert!(
                with(name, &error.min.to_string()).is_ok(),
                "{name} at its minimum"
            );
            assert!(
                with(name, &error.max.to_string()).is_ok(),
                "{name} at its maximum"
            );
            assert!(
                with(name, &(error.max + 1).to_string()).is_err(),
                "{name} above its maximum"
            );
        }
        assert_eq!(
            with("KEEPALIVE", "never").unwrap_err().to_string(),
            r#"KEEPALIVE is "never", but must be a whole number from 1 to 3600"#
        );
    }

    #[test]
    fn the_defaults_are_in_range() {
        let defaults = Limits::default();
        for (name, default) in [
            ("MAX_PAYLOAD_BYTES", u64::from(defaults.max_payload_bytes)),
            ("MAX_HELD_MESSAGES", u64::from(defaults.max_held_messages)),
            ("MAX_HELD_BYTES", defaults.max_held_bytes),
            ("MAX_IN_FLIGHT", u64::from(defaults.max_in_flight)),
            ("ACK_TIMEOUT", u64::from(defaults.ack_timeout)),
            ("MAX_ATTEMPTS", u64::from(defaults.max_attempts)),
            (
                "MAX_WEBHOOK_ATTEMPTS",
                u64::from(defaults.max_webhook_attempts),
            ),
            ("PUSH_ACK_TIMEOUT", u64::from(defaults.push_ack_timeout)),
            ("PUSH_WAIT_MS", u64::from(defaults.push_wait_ms)),
            ("MAX_PUSH_BYTES", u64::from(defaults.max_push_bytes)),
            ("MAX_FANOUT", u64::from(defaults.max_fanout)),
            ("RETENTION", u64::from(defaults.retention)),
            ("PUBLISH_RATE", u64::from(defaults.publish_rate)),
            ("PUBLISH_BURST", u64::from(defaults.publish_burst)),
            ("ASK_RATE", u64::from(defaults.ask_rate)),
            ("ASK_BURST", u64::from(defaults.ask_burst)),
            (
                "MAX_QUEUED_MESSAGES",
                u64::from(defaults.max_queued_messages),
            ),
            ("MAX_QUEUED_BYTES", defaults.max_queued_bytes),
            ("MAX_SENT_BYTES", defaults.max_sent_bytes),
            ("KEEPALIVE", u64::from(defaults.keepalive)),
        ] {
            assert_eq!(
                with(name, &default.to_string()),
                Ok(defaults.clone()),
                "{name}"
            );
        }
    }
}
