//! Wake-ups: where a device that is not connected can be knocked, and what a knock is.
//!
//! A phone's browser keeps one connection, to its own push service, and no page of it need be open. A device stores
//! what its browser gave it (a `PushSubscription` of the W3C's Push API). A knock is a push to it without a body (RFC
//! 8030): it tells the push service that something came, and nothing of what, from whom or to which tag.
//!
//! Not here: when to knock, which [`crate::mailbox`] decides, and the request, which the shell makes.

mod endpoint;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::endpoint::{Destination, Endpoint};
pub(crate) use self::endpoint::{check_host, check_text};
use crate::id::InvalidName;
use crate::json;
use crate::message::Urgency;
use crate::problem::Problem;
use crate::time::Millis;

/// The longest body that describes a subscription, in bytes.
pub const MAX_BODY: usize = 8_192;

/// The longest label, in characters.
const MAX_LABEL: usize = 64;

/// The id of a subscription: 12 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubscriptionId(u64);

impl SubscriptionId {
    /// As many bits as every integer of the platform's storage has.
    const BITS: u32 = 48;

    /// An id of these random bits.
    pub fn random(bits: u64) -> Self {
        Self(bits & ((1 << Self::BITS) - 1))
    }

    /// The number that stands for it in a row.
    pub(crate) fn to_int(self) -> i64 {
        self.0 as i64
    }

    pub(crate) fn from_int(number: i64) -> Self {
        Self::random(number.unsigned_abs())
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

impl From<SubscriptionId> for String {
    fn from(id: SubscriptionId) -> Self {
        id.to_string()
    }
}

impl FromStr for SubscriptionId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = InvalidName {
            what: "subscription",
            rule: "match [0-9a-f]{12}",
        };
        let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if text.len() != 12 || !text.bytes().all(is_digit) {
            return Err(invalid);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| invalid)
    }
}

impl TryFrom<String> for SubscriptionId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

/// Where a device can be knocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Where to publish the knock.
    pub endpoint: Endpoint,
    /// The push service's host, which is all that others see of the endpoint.
    pub host: String,
    /// What the device calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where the device reaches this service, which is how the service introduces itself.
    pub origin: String,
}

impl Subscription {
    /// Reads a body: a `PushSubscription` as its `toJSON()` gives it, and perhaps a `label`. Its keys are of no use,
    /// because a knock has no content to encrypt; neither is the time of its expiry, because the push service tells.
    /// `origin` is that of this service, and `asked` the one of the request, which may be another.
    ///
    /// # Errors
    /// `bad_request` names the field.
    pub fn read(body: &[u8], origin: &str, asked: &str) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Body {
            endpoint: String,
            #[serde(default)]
            label: Option<String>,
        }
        let invalid = |error: &dyn fmt::Display| {
            Problem::bad_request(format!("the body is not valid: {error}"))
        };
        let body = str::from_utf8(body).map_err(|error| invalid(&error))?;
        let Body { endpoint, label } = json::object(body).map_err(|error| invalid(&error))?;
        let wrong = |why| Problem::bad_request(format!("endpoint {why}"));
        let (endpoint, host) = Endpoint::read(endpoint, [origin, asked]).map_err(wrong)?;
        let is_fit = |label: &String| {
            label.chars().count() <= MAX_LABEL && !label.chars().any(char::is_control)
        };
        if !label.as_ref().is_none_or(is_fit) {
            let rule = "at most 64 characters and no control characters";
            return Err(Problem::bad_request(format!("label must have {rule}")));
        }
        Ok(Self {
            endpoint,
            host,
            label,
            origin: origin.to_owned(),
        })
    }
}

/// Which messages knock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Knocks {
    /// None: the service has no key to identify itself with.
    #[default]
    Off,
    /// Those of the urgencies `normal` and `high`.
    Normal,
    /// All.
    All,
}

impl Knocks {
    /// Whether a message of this urgency knocks.
    pub fn include(self, urgency: Urgency) -> bool {
        match self {
            Self::Off => false,
            Self::Normal => urgency >= Urgency::Normal,
            Self::All => true,
        }
    }
}

/// What a push service said to a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnockAnswer {
    /// It has taken the knock.
    Accepted,
    /// The subscription has ended (404 or 410).
    Gone,
    /// It may take the knock later (429 or 5xx), or it could not be reached; with the seconds of its `Retry-After`.
    Later(Option<u32>),
    /// It will not take this knock.
    Refused,
}

impl KnockAnswer {
    /// What an HTTP status says; `retry_after` is in seconds.
    pub fn of(status: u16, retry_after: Option<u32>) -> Self {
        match status {
            200..=299 => Self::Accepted,
            404 | 410 => Self::Gone,
            429 | 500..=599 => Self::Later(retry_after),
            // A redirect is not followed: it may lead anywhere.
            _ => Self::Refused,
        }
    }
}

/// A knock that a push service has taken, as traces show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// When.
    pub at: Millis,
    /// The push service's host.
    pub host: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://tagpost.example";

    fn read(body: &str) -> Result<Subscription, String> {
        Subscription::read(body.as_bytes(), ORIGIN, ORIGIN).map_err(|problem| problem.detail)
    }

    #[test]
    fn a_push_subscription_is_read_as_a_browser_writes_it() {
        let body = r#"{"endpoint":"https://push.example:8443/a/b?c","expirationTime":null,
            "keys":{"p256dh":"BA","auth":"AA"},"label":"Ann's phone"}"#;
        let found = read(body).unwrap();
        assert_eq!(found.host, "push.example:8443");
        assert_eq!(found.label.as_deref(), Some("Ann's phone"));
        let bare = read(r#"{"endpoint":"https://push.example/a"}"#).unwrap();
        assert_eq!(bare.label, None);
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named_without_the_endpoint() {
        let long = "x".repeat(65);
        for (body, field) in [
            (r#"{}"#.to_owned(), "missing field `endpoint`"),
            ("x".to_owned(), "the body is not valid: not JSON"),
            (
                r#""https://push.example/secret""#.to_owned(),
                "not a JSON object",
            ),
            (
                r#"["https://push.example/secret"]"#.to_owned(),
                "not a JSON object",
            ),
            (r#"{"endpoint":7}"#.to_owned(), "invalid type"),
            (
                r#"{"endpoint":"http://push.example/secret"}"#.to_owned(),
                "endpoint must be an https URL",
            ),
            (
                format!(r#"{{"endpoint":"https://a.example/secret","label":"{long}"}}"#),
                "label must",
            ),
            (
                r#"{"endpoint":"https://a.example/secret","label":"a\nb"}"#.to_owned(),
                "label must",
            ),
        ] {
            let detail = read(&body).unwrap_err();
            assert!(detail.contains(field), "{body}: {detail}");
            assert!(!detail.contains("secret"), "{detail}");
        }
        let just = "ä".repeat(64);
        assert!(
            read(&format!(
                r#"{{"endpoint":"https://a.example/x","label":"{just}"}}"#
            ))
            .is_ok()
        );
    }

    #[test]
    fn an_id_reads_back_and_nothing_else_is_one() {
        let id = SubscriptionId::random(u64::MAX);
        assert_eq!(id.to_string(), "ffffffffffff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(SubscriptionId::from_int(id.to_int()), id);
        for text in [
            "",
            "fffffffffff",
            "fffffffffffff",
            "FFFFFFFFFFFF",
            "+0000000000f",
        ] {
            assert!(text.parse::<SubscriptionId>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_status_has_a_meaning_and_only_two_end_a_subscription() {
        let of = |status| KnockAnswer::of(status, Some(5));
        for (status, answer) in [
            (200, KnockAnswer::Accepted),
            (201, KnockAnswer::Accepted),
            (301, KnockAnswer::Refused),
            (307, KnockAnswer::Refused),
            (400, KnockAnswer::Refused),
            (401, KnockAnswer::Refused),
            (403, KnockAnswer::Refused),
            (404, KnockAnswer::Gone),
            (410, KnockAnswer::Gone),
            (413, KnockAnswer::Refused),
            (429, KnockAnswer::Later(Some(5))),
            (500, KnockAnswer::Later(Some(5))),
            (503, KnockAnswer::Later(Some(5))),
        ] {
            assert_eq!(of(status), answer, "{status}");
        }
    }

    #[test]
    fn only_what_is_asked_for_knocks() {
        let of = |knocks: Knocks| {
            [
                Urgency::VeryLow,
                Urgency::Low,
                Urgency::Normal,
                Urgency::High,
            ]
            .map(|urgency| knocks.include(urgency))
        };
        assert_eq!(of(Knocks::Off), [false; 4]);
        assert_eq!(of(Knocks::Normal), [false, false, true, true]);
        assert_eq!(of(Knocks::All), [true; 4]);
    }
}
