//! A publish request, read and checked.
//!
//! Fields, ranges and defaults are the same in HTTP headers (RFC 8030, section 5) and in frames.
//! Not here: whether the sender may publish, and which devices the message goes to.

mod escalate;
mod resend;
mod when;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

pub(crate) use self::escalate::{check_steps, times};
pub use self::resend::{Resend, ResendRequest};
pub use self::when::{When, time};

use crate::expression::Expression;
use crate::id::{IdempotencyKey, MessageId, Sender, Topic};
use crate::json;
use crate::limits::Limits;
use crate::message::{Encoding, Message, Target, Urgency};
use crate::payload::Payload;
use crate::plan::escalation::Step;
use crate::problem::{Code, Problem};
use crate::time::Millis;

/// Allowed TTLs, in seconds: up to 30 days.
pub const TTL: RangeInclusive<u32> = 0..=2_592_000;
/// The TTL if the sender names none, in seconds: one day.
pub const DEFAULT_TTL: u32 = 86_400;
/// How far ahead a message may be scheduled, in seconds: 30 days.
pub const MAX_AHEAD: u32 = 2_592_000;
/// Allowed waits of a request, in seconds.
pub const WAIT: RangeInclusive<u32> = 0..=60;
/// The header with the time at which a message is to be handed over.
pub const DELIVER_AT: &str = "Deliver-At";
/// How long a publish waits for acknowledgements if the sender names no time, in seconds.
pub const DEFAULT_WAIT: u32 = 1;

/// A message before it is accepted: without an id, a time and a sender.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draft {
    /// Seconds to keep trying; 0 = now or never.
    pub ttl: u32,
    /// It replaces the unacknowledged message of the same topic.
    pub topic: Option<Topic>,
    /// Its place in the queue.
    pub urgency: Urgency,
    /// Seconds to wait for the acknowledgement of devices that are online.
    pub wait: u32,
    /// Repeating the publish with this key makes no second message.
    pub key: Option<IdempotencyKey>,
    /// Whether it comes back to its sender, if that has the tag.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub echo: bool,
    /// How many acknowledgements are enough: then all other deliveries are cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acks_needed: Option<u32>,
    /// To whom else it goes if too few devices acknowledge it in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Step>,
    /// When it is to be handed over, if not now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// What it sends again, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend: Option<Resend>,
    /// The length of the payload's own bytes.
    pub size: u32,
    /// The media type that the sender named.
    pub content_type: String,
    /// Set if `payload` is a string that encodes bytes.
    pub encoding: Option<Encoding>,
    /// The payload's JSON rendering; see [`crate::message::Message::payload`].
    pub payload: Box<RawValue>,
}

impl Draft {
    /// Reads a publish request. `header` returns the value of a header; `body` is the payload.
    ///
    /// # Errors
    /// [`crate::problem::Code::BadRequest`] names the header and what it must be;
    /// [`crate::problem::Code::PayloadTooLarge`].
    pub fn from_http(
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
        limits: &Limits,
    ) -> Result<Self, Problem> {
        let ttl = header("TTL")
            .map(|text| whole_number("TTL", &text, TTL))
            .transpose()?;
        let options = Options {
            ttl,
            topic: header("Topic").map(|text| parsed(&text)).transpose()?,
            urgency: header("Urgency")
                .map(|text| urgency("Urgency", &text.to_ascii_lowercase()))
                .transpose()?,
            wait: header("Prefer")
                .and_then(|text| preferred_wait(&text))
                .map(|text| whole_number("Prefer: wait", &text, WAIT))
                .transpose()?,
            key: header("Idempotency-Key")
                .map(|text| key(&text))
                .transpose()?,
            echo: header("Echo").map(|text| flag("Echo", &text)).transpose()?,
            acks_needed: header("Acks-Needed")
                .map(|text| whole_number("Acks-Needed", &text, 1..=limits.max_fanout))
                .transpose()?,
            escalate: header("Escalate")
                .map(|text| escalate::header(&text, ttl))
                .transpose()?
                .unwrap_or_default(),
            when: When::of(
                header("Delay")
                    .map(|text| whole_number("Delay", &text, 0..=MAX_AHEAD))
                    .transpose()?,
                header(DELIVER_AT)
                    .map(|text| time(DELIVER_AT, &text))
                    .transpose()?,
                ["Delay", DELIVER_AT],
            )?,
        };
        Ok(Self::new(
            options,
            Payload::of_request(header("Content-Type"), body, limits)?,
        ))
    }

    /// The draft with these options, and the defaults of those that are absent.
    pub(crate) fn new(options: Options, payload: Payload) -> Self {
        Self {
            ttl: options.ttl.unwrap_or(DEFAULT_TTL),
            topic: options.topic,
            urgency: options.urgency.unwrap_or_default(),
            wait: options.wait.unwrap_or(DEFAULT_WAIT),
            key: options.key,
            echo: options.echo.unwrap_or_default(),
            acks_needed: options.acks_needed,
            escalate: options.escalate,
            when: options.when,
            resend: None,
            size: payload.size,
            content_type: payload.content_type,
            encoding: payload.encoding,
            payload: payload.json,
        }
    }

    /// The same draft, which is to be handed over now if its time has come. `field` is the name of a time.
    ///
    /// # Errors
    /// [`crate::problem::Code::BadRequest`]: its time is too far ahead.
    pub fn at(mut self, now: Millis, field: &str) -> Result<Self, Problem> {
        if let Some(when) = self.when
            && when.after(now, field)?.is_none()
        {
            self.when = None;
        }
        Ok(self)
    }

    /// Checks that its sender may publish to the target of every step.
    ///
    /// # Errors
    /// [`Code::Forbidden`] names the step.
    pub fn check_targets(&self, may_publish: impl Fn(&Target) -> bool) -> Result<(), Problem> {
        let refused = self.escalate.iter().position(|step| !may_publish(&step.to));
        match refused {
            None => Ok(()),
            Some(place) => {
                let number = place + 1;
                let detail = format!(
                    "the token may not publish to the target of step {number} of the escalation"
                );
                Err(Problem::new(Code::Forbidden, detail))
            }
        }
    }

    /// The length of the payload's JSON rendering.
    pub(crate) fn bytes(&self) -> u64 {
        self.payload.get().len() as u64
    }

    /// The message that this draft becomes when it is accepted.
    pub fn into_message(
        self,
        id: MessageId,
        from: impl Into<Sender>,
        to: Target,
        now: Millis,
    ) -> Message {
        Message {
            id,
            from: from.into(),
            to,
            sent_at: now,
            expires_at: now + i64::from(self.ttl) * 1000,
            urgency: self.urgency,
            topic: self.topic,
            size: self.size,
            content_type: self.content_type,
            encoding: self.encoding,
            payload: self.payload,
        }
    }

    /// A hash of what must be the same when a publish is repeated with its idempotency key: the target, the
    /// media type and the payload.
    pub fn fingerprint(&self, to: &Target) -> [u8; 16] {
        if let Some(resend) = &self.resend {
            return resend.fingerprint();
        }
        let (kind, name) = match to {
            Target::Tag(tag) => ("tag", tag.as_str()),
            Target::Device(device) => ("device", device.as_str()),
            Target::Match(expression) => ("match", expression.as_str()),
        };
        let encoding = if self.encoding.is_some() {
            "base64"
        } else {
            ""
        };
        hash([kind, name, &self.content_type, encoding, self.payload.get()])
    }
}

/// A hash of these texts, in their order.
fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        // With the lengths, no two different lists of parts have the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(digest.split_at(16).0);
    fingerprint
}

/// What a sender may say about its message, besides the payload.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) ttl: Option<u32>,
    pub(crate) topic: Option<Topic>,
    pub(crate) urgency: Option<Urgency>,
    pub(crate) wait: Option<u32>,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) echo: Option<bool>,
    pub(crate) acks_needed: Option<u32>,
    pub(crate) escalate: Vec<Step>,
    pub(crate) when: Option<When>,
}

/// Reads a whole number in `range`, written in digits only (RFC 8030, section 5.2).
///
/// # Errors
/// [`crate::problem::Code::BadRequest`] names `field` and the range.
pub fn whole_number<T: FromStr + PartialOrd + Display>(
    field: &str,
    text: &str,
    range: RangeInclusive<T>,
) -> Result<T, Problem> {
    Some(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|number| range.contains(number))
        .ok_or_else(|| not_in(field, range))
}

/// Reads a whole number in `range` from JSON, in any form that a JSON writer may choose: `60`, `60.0`, `6e1`.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`] names `field` and the range.
pub fn json_whole_number<T: TryFrom<i64> + PartialOrd + Display>(
    field: &str,
    raw: &RawValue,
    range: RangeInclusive<T>,
) -> Result<T, Problem> {
    json::whole(raw.get())
        .and_then(|number| T::try_from(number).ok())
        .filter(|number| range.contains(number))
        .ok_or_else(|| not_in(field, range))
}

fn not_in<T: Display>(field: &str, range: RangeInclusive<T>) -> Problem {
    let (least, most) = (range.start(), range.end());
    Problem::bad_request(format!(
        "{field} must be a whole number from {least} to {most}"
    ))
}

/// The target that the expression `text` is.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`] names `field` and the position of the fault.
pub fn matching(field: &str, text: String) -> Result<Target, Problem> {
    let expression = Expression::try_from(text);
    expression
        .map(Target::Match)
        .map_err(|error| Problem::bad_request(format!("{field} is wrong {error}")))
}

/// Whether `text` is `true`, and not `false`.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`] names `field`: it is neither.
pub fn flag(field: &str, text: &str) -> Result<bool, Problem> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Problem::bad_request(format!(
            "{field} must be true or false"
        ))),
    }
}

/// The urgency of this name.
pub(crate) fn urgency(field: &str, name: &str) -> Result<Urgency, Problem> {
    let mut all = Urgency::ALL.into_iter();
    all.find(|urgency| urgency.as_str() == name).ok_or_else(|| {
        Problem::bad_request(format!("{field} must be very-low, low, normal or high"))
    })
}

/// A checked name; the error says which kind of name it is.
fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: T::Err| Problem::bad_request(error.to_string()))
}

/// The idempotency key in this header.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`]: it is no key, or is given twice.
pub fn key(header: &str) -> Result<IdempotencyKey, Problem> {
    single(header).and_then(parsed)
}

/// Checks that the key is given once. Two headers of one name read as one value with a comma and a space in
/// between (RFC 9110, section 5.3).
fn single(key: &str) -> Result<&str, Problem> {
    if key.contains(", ") {
        return Err(Problem::bad_request(
            "Idempotency-Key must be given once, without a comma followed by a space",
        ));
    }
    Ok(key)
}

/// The value of `wait` in a `Prefer` header (RFC 7240). If there are several, the first counts.
pub fn preferred_wait(header: &str) -> Option<String> {
    split_unquoted(header, ',')
        .into_iter()
        .find_map(|preference| {
            let preference = split_unquoted(preference, ';').into_iter().next()?;
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            name.trim()
                .eq_ignore_ascii_case("wait")
                .then(|| value.to_owned())
        })
}

/// Splits `text` at each `separator` that is not in a quoted string (RFC 9110, section 5.6.4).
pub(crate) fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let splits = c == separator && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        splits
    })
    .collect()
}

#[cfg(test)]
mod tests;
