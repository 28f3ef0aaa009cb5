//! Rendering a payload as JSON: JSON as it came, text as a string, anything else as base64.
//!
//! The media type decides which of the three, and the payload's bytes can always be restored. A JSON payload
//! is checked to be JSON, and not looked into any further.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::value::RawValue;

use crate::json;
use crate::limits::Limits;
use crate::message::{Encoding, Message};
use crate::problem::{Code, Problem};
use crate::publish::split_unquoted;

/// The longest media type, in characters.
const MAX_CONTENT_TYPE: usize = 255;

/// The longest rendering of a payload, in bytes. A row of the mailbox holds at most 2 MB, and text full
/// of control characters takes six times its length as a JSON string.
const MAX_RENDERED_BYTES: usize = 1_900_000;

/// The default media type of bytes (RFC 9110, section 8.3).
pub(crate) const BYTES: &str = "application/octet-stream";
/// The default media type of a JSON string.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// The default media type of any other JSON.
pub(crate) const JSON: &str = "application/json";

/// The names that an error gives to the parts of a request: those of HTTP or those of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// The payload.
    pub(crate) payload: &'static str,
    /// Its media type.
    pub(crate) content_type: &'static str,
}

/// A rendered payload; the fields are those of [`crate::message::Message`].
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) size: u32,
    pub(crate) content_type: String,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) json: Box<RawValue>,
}

/// How a payload of some media type is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Text,
    Bytes,
}

impl Form {
    /// The form for this media type, with or without parameters.
    pub(crate) fn of(content_type: &str) -> Self {
        let essence = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        if essence == JSON || essence.ends_with("+json") {
            Form::Json
        } else if essence.starts_with("text/") || essence == "application/x-www-form-urlencoded" {
            Form::Text
        } else {
            Form::Bytes
        }
    }
}

impl Payload {
    /// The payload that is the body of a request with this `Content-Type`.
    ///
    /// # Errors
    /// Those of [`Self::of_bytes`].
    pub(crate) fn of_request(
        content_type: Option<String>,
        body: &[u8],
        limits: &Limits,
    ) -> Result<Self, Problem> {
        let names = Names {
            payload: "the body",
            content_type: "Content-Type",
        };
        let content_type = content_type.unwrap_or_else(|| BYTES.to_owned());
        Self::of_bytes(body, content_type, names, limits)
    }

    /// The payload of these bytes.
    ///
    /// # Errors
    /// [`Code::PayloadTooLarge`]; [`Code::BadRequest`] if the media type is malformed, or is JSON and the bytes
    /// are not, or they have more than [`json::MAX_DEPTH`] levels.
    pub(crate) fn of_bytes(
        bytes: &[u8],
        content_type: String,
        names: Names,
        limits: &Limits,
    ) -> Result<Self, Problem> {
        let size = size(bytes.len(), names, limits)?;
        check_content_type(&content_type, names)?;
        let (json, encoding) = match (Form::of(&content_type), std::str::from_utf8(bytes)) {
            (Form::Json, Ok(text)) => {
                let json = RawValue::from_string(text.to_owned())
                    .map_err(|error| not_json(names, error))?;
                json::check_depth(names.payload, json.get())?;
                (json, None)
            }
            (Form::Json, Err(error)) => return Err(not_json(names, error)),
            (Form::Text, Ok(text)) => (string(text, names)?, None),
            _ => (
                string(&BASE64.encode(bytes), names)?,
                Some(Encoding::Base64),
            ),
        };
        Ok(Self {
            size,
            content_type,
            encoding,
            json,
        })
    }

    /// The payload that is this JSON value. The caller has checked its depth.
    ///
    /// # Errors
    /// [`Code::PayloadTooLarge`]; [`Code::BadRequest`] if the media type is malformed.
    pub(crate) fn of_json(
        json: &RawValue,
        content_type: String,
        names: Names,
        limits: &Limits,
    ) -> Result<Self, Problem> {
        let size = size(json.get().len(), names, limits)?;
        check_content_type(&content_type, names)?;
        Ok(Self {
            size,
            content_type,
            encoding: None,
            json: json.to_owned(),
        })
    }
}

impl Message {
    /// The bytes of the payload, as its sender published them; `None` if another program has written the message, and
    /// they cannot be restored.
    pub fn payload_bytes(&self) -> Option<Vec<u8>> {
        let json = self.payload.get();
        let text = || serde_json::from_str::<String>(json).ok();
        match (self.encoding, Form::of(&self.content_type)) {
            (Some(Encoding::Base64), _) => BASE64.decode(text()?).ok(),
            // A device may publish any JSON as text in a frame.
            (None, Form::Text) => Some(text().unwrap_or_else(|| json.to_owned()).into_bytes()),
            (None, _) => Some(json.as_bytes().to_vec()),
        }
    }
}

/// Decodes a string of base64.
pub(crate) fn decode_base64(text: &str, names: Names) -> Result<Vec<u8>, Problem> {
    BASE64.decode(text).map_err(|error| {
        Problem::bad_request(format!(
            "{} is not base64, although encoding says so: {error}",
            names.payload
        ))
    })
}

/// The length of a payload, if it is within the limit.
fn size(length: usize, names: Names, limits: &Limits) -> Result<u32, Problem> {
    u32::try_from(length)
        .ok()
        .filter(|size| *size <= limits.max_payload_bytes)
        .ok_or_else(|| {
            let (what, most) = (names.payload, limits.max_payload_bytes);
            Problem::new(
                Code::PayloadTooLarge,
                format!("{what} has {length} bytes; at most {most} are allowed"),
            )
        })
}

/// Renders a text as a JSON string.
fn string(text: &str, names: Names) -> Result<Box<RawValue>, Problem> {
    let json = json::text(&text);
    if json.len() > MAX_RENDERED_BYTES {
        let (what, length) = (names.payload, json.len());
        return Err(Problem::new(
            Code::PayloadTooLarge,
            format!(
                "{what} takes {length} bytes as a JSON string; at most {MAX_RENDERED_BYTES} are allowed"
            ),
        ));
    }
    RawValue::from_string(json).map_err(|error| not_json(names, error))
}

/// Checks that this is one `type/subtype`, with or without parameters (RFC 9110, section 8.3.1). A media range
/// such as `*/*` is not (RFC 6838, section 4.2, keeps `*` out of names). Neither is a list, which is what two
/// headers of one name read as.
fn check_content_type(text: &str, names: Names) -> Result<(), Problem> {
    let is_token = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'+-.^_`|~".contains(c))
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_media_type = essence
        .split_once('/')
        .is_some_and(|(a, b)| is_token(a) && is_token(b));
    if is_media_type
        && split_unquoted(text, ',').len() == 1
        && text.len() <= MAX_CONTENT_TYPE
        && text.chars().all(|c| matches!(c, ' '..='~'))
    {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "{} must be a media type such as text/plain, of at most {MAX_CONTENT_TYPE} visible ASCII characters",
        names.content_type
    )))
}

fn not_json(names: Names, error: impl std::fmt::Display) -> Problem {
    Problem::bad_request(format!(
        "{} is not JSON, although {} says so: {error}",
        names.payload, names.content_type
    ))
}

#[cfg(test)]
mod tests;
