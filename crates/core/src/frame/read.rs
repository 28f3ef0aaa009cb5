//! Reading what a device says: frames, and the bodies that say the same over HTTP.
//!
//! Types are strict, a null is as good as an absent field, unknown fields are ignored. A frame is taken
//! whole or not at all, and the error names the field.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::FromDevice;
use crate::id::{InvalidName, MessageId};
use crate::json;
use crate::limits::Limits;
use crate::message::Target;
use crate::payload::{self, Form, Names, Payload};
use crate::problem::{Code, Problem};
use crate::publish::{self, Draft, Options, whole_number};

/// The longest `ref`, in characters.
pub const MAX_REF: usize = 64;
/// The longest `reply`, in bytes of JSON.
pub const MAX_REPLY_BYTES: usize = 4_096;
/// The longest `reason`, in characters.
pub const MAX_REASON: usize = 256;

/// The largest number that every JSON parser reads exactly (RFC 8259, section 6).
const MAX_SEQ: i64 = (1 << 53) - 1;

/// The most that a frame has beside its payload, in bytes.
const MAX_ENVELOPE_BYTES: usize = 16_384;
/// The most bytes of JSON that one byte of a payload takes: `\u0000`.
const MAX_ESCAPED_BYTES: usize = 6;

const NAMES: Names = Names {
    payload: "payload",
    content_type: "content_type",
};

/// A frame that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFrame {
    /// What is wrong with it.
    pub problem: Problem,
    /// Its `ref`, where that could be read.
    pub reference: Option<String>,
}

/// The fields of all frames, each as it stands there.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    reply: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
    #[serde(borrow)]
    to: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "null_too")]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    content_type: Option<&'a RawValue>,
    #[serde(borrow)]
    encoding: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl: Option<&'a RawValue>,
    #[serde(borrow)]
    topic: Option<&'a RawValue>,
    #[serde(borrow)]
    urgency: Option<&'a RawValue>,
    #[serde(borrow)]
    wait: Option<&'a RawValue>,
    #[serde(borrow)]
    idempotency_key: Option<&'a RawValue>,
}

/// The fields of `to`.
#[derive(Deserialize)]
struct To<'a> {
    #[serde(borrow)]
    tag: Option<&'a RawValue>,
    #[serde(borrow)]
    device: Option<&'a RawValue>,
}

/// The body of an acknowledgement or rejection over HTTP.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    reply: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
}

impl FromDevice {
    /// Reads a text frame.
    ///
    /// # Errors
    /// [`Code::BadFrame`] names the field that is missing or wrong; [`Code::PayloadTooLarge`].
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, BadFrame> {
        let bad = |problem| BadFrame {
            problem,
            reference: None,
        };
        let longest = MAX_ENVELOPE_BYTES + MAX_ESCAPED_BYTES * limits.max_payload_bytes as usize;
        if text.len() > longest {
            let detail = format!(
                "the frame has {} bytes; at most {longest} are allowed",
                text.len()
            );
            return Err(bad(Problem::new(Code::PayloadTooLarge, detail)));
        }
        let fields: Fields = json::object(text).map_err(|error| {
            bad(Problem::new(
                Code::BadFrame,
                format!("the frame is not valid: {error}"),
            ))
        })?;
        let reference = limited_text("ref", fields.reference, MAX_REF)
            .map_err(in_frame)
            .map_err(bad)?;
        fields
            .read(reference.clone(), limits)
            .map_err(|problem| BadFrame {
                problem: in_frame(problem),
                reference,
            })
    }
}

impl Fields<'_> {
    fn read(&self, reference: Option<String>, limits: &Limits) -> Result<FromDevice, Problem> {
        let kind = required("type", text("type", self.kind)?)?;
        match kind.as_str() {
            "ack" => Ok(FromDevice::Ack {
                id: self.id()?,
                reply: reply(self.reply)?,
            }),
            "nack" => Ok(FromDevice::Nack {
                id: self.id()?,
                reason: reason(self.reason)?,
            }),
            "publish" => Ok(FromDevice::Publish {
                reference,
                to: target(required("to", self.to)?)?,
                draft: Draft::new(self.options()?, self.payload(limits)?),
            }),
            "receipts_seen" => {
                let seq = required("seq", self.seq)?;
                Ok(FromDevice::ReceiptsSeen {
                    seq: whole_number("seq", seq.get(), 0..=MAX_SEQ)?,
                })
            }
            _ => Err(Problem::bad_request(
                "type must be ack, nack, publish or receipts_seen",
            )),
        }
    }

    fn id(&self) -> Result<MessageId, Problem> {
        required("id", name("id", self.id)?)
    }

    fn options(&self) -> Result<Options, Problem> {
        let number = |field, raw: Option<&RawValue>, range| {
            raw.map(|raw| whole_number(field, raw.get(), range))
                .transpose()
        };
        Ok(Options {
            ttl: number("ttl", self.ttl, publish::TTL)?,
            topic: name("topic", self.topic)?,
            urgency: text("urgency", self.urgency)?
                .map(|name| publish::urgency("urgency", &name))
                .transpose()?,
            wait: number("wait", self.wait, publish::WAIT)?,
            key: name("idempotency_key", self.idempotency_key)?,
        })
    }

    /// The payload; where its media type is absent, the kind of JSON that it is tells it.
    fn payload(&self, limits: &Limits) -> Result<Payload, Problem> {
        let raw = required("payload", self.payload)?;
        let is_base64 = match text("encoding", self.encoding)?.as_deref() {
            None => false,
            Some("base64") => true,
            Some(_) => return Err(Problem::bad_request("encoding must be base64 or absent")),
        };
        let content_type = text("content_type", self.content_type)?.unwrap_or_else(|| {
            let is_string = raw.get().starts_with('"');
            let absent = match (is_base64, is_string) {
                (true, _) => payload::BYTES,
                (false, true) => payload::TEXT,
                (false, false) => payload::JSON,
            };
            absent.to_owned()
        });
        if !is_base64 && Form::of(&content_type) == Form::Json {
            return Payload::of_json(raw, content_type, NAMES, limits);
        }
        let text = required("payload", text("payload", Some(raw))?)?;
        let bytes = if is_base64 {
            payload::decode_base64(&text, NAMES)?
        } else {
            text.into_bytes()
        };
        Payload::of_bytes(&bytes, content_type, NAMES, limits)
    }
}

/// Reads the body of `POST /v1/inbox/{id}/ack`: nothing, or `{"reply":…}`.
///
/// # Errors
/// [`Code::BadRequest`] names what is wrong.
pub fn parse_ack_body(body: &[u8]) -> Result<Option<Box<RawValue>>, Problem> {
    answer(body)?.map_or(Ok(None), |answer| reply(answer.reply))
}

/// Reads the body of `POST /v1/inbox/{id}/nack`: nothing, or `{"reason":"…"}`.
///
/// # Errors
/// [`Code::BadRequest`] names what is wrong.
pub fn parse_nack_body(body: &[u8]) -> Result<Option<String>, Problem> {
    answer(body)?.map_or(Ok(None), |answer| reason(answer.reason))
}

fn answer(body: &[u8]) -> Result<Option<Answer<'_>>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    let invalid =
        |error: &dyn Display| Problem::bad_request(format!("the body is not valid: {error}"));
    let text = std::str::from_utf8(body).map_err(|error| invalid(&error))?;
    json::object(text)
        .map(Some)
        .map_err(|error| invalid(&error))
}

fn reply(raw: Option<&RawValue>) -> Result<Option<Box<RawValue>>, Problem> {
    match raw {
        Some(raw) if raw.get().len() > MAX_REPLY_BYTES => Err(Problem::bad_request(format!(
            "reply must be at most {MAX_REPLY_BYTES} bytes of JSON"
        ))),
        raw => Ok(raw.map(ToOwned::to_owned)),
    }
}

fn reason(raw: Option<&RawValue>) -> Result<Option<String>, Problem> {
    limited_text("reason", raw, MAX_REASON)
}

fn target(raw: &RawValue) -> Result<Target, Problem> {
    let wrong = || Problem::bad_request(r#"to must be {"tag":"…"} or {"device":"…"}"#);
    let to: To = json::object(raw.get()).map_err(|_| wrong())?;
    match (name("to.tag", to.tag)?, name("to.device", to.device)?) {
        (Some(tag), None) => Ok(Target::Tag(tag)),
        (None, Some(device)) => Ok(Target::Device(device)),
        _ => Err(wrong()),
    }
}

fn text(field: &str, raw: Option<&RawValue>) -> Result<Option<String>, Problem> {
    raw.map(|raw| {
        serde_json::from_str(raw.get())
            .map_err(|_| Problem::bad_request(format!("{field} must be a string")))
    })
    .transpose()
}

fn limited_text(
    field: &str,
    raw: Option<&RawValue>,
    most: usize,
) -> Result<Option<String>, Problem> {
    match text(field, raw)? {
        Some(text) if text.chars().count() > most => Err(Problem::bad_request(format!(
            "{field} must be at most {most} characters"
        ))),
        text => Ok(text),
    }
}

fn name<T: FromStr<Err = InvalidName>>(
    field: &str,
    raw: Option<&RawValue>,
) -> Result<Option<T>, Problem> {
    let checked = |text: String| {
        let wrong = |error: InvalidName| {
            Problem::bad_request(format!("{field} must match {}", error.grammar))
        };
        text.parse().map_err(wrong)
    };
    text(field, raw)?.map(checked).transpose()
}

fn required<T>(field: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::bad_request(format!("{field} is missing")))
}

/// The problem of a field, met in a frame.
fn in_frame(problem: Problem) -> Problem {
    let code = match problem.code {
        Code::BadRequest => Code::BadFrame,
        code => code,
    };
    Problem { code, ..problem }
}

/// A payload of null is a payload.
fn null_too<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
