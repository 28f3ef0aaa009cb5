//! Reading what a device says: frames, and the bodies that say the same over HTTP.
//!
//! Types are strict, a null is the same as an absent field, unknown fields are ignored. A frame is accepted
//! as a whole or not at all, and the error names the field.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{limited_text, name, required, text};
use crate::id::MessageId;
use crate::json::{self, MAX_DEPTH, MAX_EXACT};
use crate::limits::Limits;
use crate::problem::{Code, Problem};
use crate::protocol::{BadFrame, FromDevice};
use crate::publish::json_whole_number;

/// The longest `ref`, in characters.
pub const MAX_REF: usize = 64;
/// The longest `reply`, in bytes of JSON.
pub const MAX_REPLY_BYTES: usize = 4_096;
/// The longest `reason`, in characters.
pub const MAX_REASON: usize = 256;
/// The longest `note` of a progress, in characters.
pub const MAX_NOTE: usize = 256;

/// How many seconds of progress a device may ask for at a time.
const PROGRESS: RangeInclusive<u32> = 1..=86_400;

/// The most bytes that a frame has besides its payload.
const MAX_ENVELOPE_BYTES: usize = 16_384;
/// The most bytes of JSON for one byte of a payload: `\u0000`.
const MAX_ESCAPED_BYTES: usize = 6;

/// The fields of all frames, unparsed.
#[derive(Deserialize)]
pub(super) struct Fields<'a> {
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
    #[serde(borrow, rename = "for")]
    seconds: Option<&'a RawValue>,
    #[serde(borrow)]
    note: Option<&'a RawValue>,
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) to: Option<&'a RawValue>,
    /// A payload of null is a payload.
    #[serde(borrow, default, deserialize_with = "json::present")]
    pub(super) payload: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) content_type: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) encoding: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) ttl: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) topic: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) urgency: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) wait: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) idempotency_key: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) echo: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) acks_needed: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) escalate: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) delay: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) deliver_at: Option<&'a RawValue>,
}

/// The body of an acknowledgement, a rejection or progress over HTTP.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    reply: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
    #[serde(borrow, rename = "for")]
    seconds: Option<&'a RawValue>,
    #[serde(borrow)]
    note: Option<&'a RawValue>,
}

/// Reads a text frame.
///
/// # Errors
/// [`Code::BadFrame`] names the field that is missing or wrong; [`Code::PayloadTooLarge`].
pub(super) fn frame(text: &str, limits: &Limits) -> Result<FromDevice, BadFrame> {
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
        .map_err(Problem::in_frame)
        .map_err(bad)?;
    fields
        .check_depth(text)
        .and_then(|()| fields.read(reference.clone(), limits))
        .map_err(|problem| BadFrame {
            problem: problem.in_frame(),
            reference,
        })
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
            "progress" => Ok(FromDevice::Progress {
                reference,
                id: self.id()?,
                seconds: seconds(self.seconds)?,
                note: note(self.note)?,
            }),
            "publish" => Ok(FromDevice::Publish {
                reference,
                to: self.target()?,
                draft: self.draft(limits)?,
            }),
            "receipts_seen" => {
                let seq = required("seq", self.seq)?;
                Ok(FromDevice::ReceiptsSeen {
                    seq: json_whole_number("seq", seq, 0..=MAX_EXACT)?,
                })
            }
            _ => Err(Problem::bad_request(
                "type must be ack, nack, progress, publish or receipts_seen",
            )),
        }
    }

    /// Checks the depth of every field at once: the frame is one level around them.
    fn check_depth(&self, text: &str) -> Result<(), Problem> {
        let fields = [("payload", self.payload), ("reply", self.reply)];
        check_depth("the frame", text, &fields)
    }

    fn id(&self) -> Result<MessageId, Problem> {
        required("id", name("id", self.id)?)
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

/// Reads the body of `POST /v1/inbox/{id}/progress`: nothing, or `{"for":…,"note":"…"}`, either field optional.
///
/// # Errors
/// [`Code::BadRequest`] names what is wrong.
pub fn parse_progress_body(body: &[u8]) -> Result<(Option<u32>, Option<String>), Problem> {
    answer(body)?.map_or(Ok((None, None)), |answer| {
        Ok((seconds(answer.seconds)?, note(answer.note)?))
    })
}

fn answer(body: &[u8]) -> Result<Option<Answer<'_>>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    let invalid =
        |error: &dyn Display| Problem::bad_request(format!("the body is not valid: {error}"));
    let text = std::str::from_utf8(body).map_err(|error| invalid(&error))?;
    let answer: Answer = json::object(text).map_err(|error| invalid(&error))?;
    check_depth("the body", text, &[("reply", answer.reply)])?;
    Ok(Some(answer))
}

/// Checks that no field of the object `text` has more than [`MAX_DEPTH`] levels. The error names the field if it is
/// one of `fields`, and otherwise `whole`, since unknown fields are bounded, too.
fn check_depth(
    whole: &str,
    text: &str,
    fields: &[(&str, Option<&RawValue>)],
) -> Result<(), Problem> {
    if !json::is_deeper(text, MAX_DEPTH + 1) {
        return Ok(());
    }
    let is_deep =
        |raw: Option<&RawValue>| raw.is_some_and(|raw| json::is_deeper(raw.get(), MAX_DEPTH));
    let deep = fields.iter().find(|(_, raw)| is_deep(*raw));
    Err(json::too_deep(deep.map_or(whole, |(name, _)| name)))
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

fn seconds(raw: Option<&RawValue>) -> Result<Option<u32>, Problem> {
    raw.map(|raw| json_whole_number("for", raw, PROGRESS))
        .transpose()
}

fn note(raw: Option<&RawValue>) -> Result<Option<String>, Problem> {
    limited_text("note", raw, MAX_NOTE)
}

#[cfg(test)]
mod tests;
