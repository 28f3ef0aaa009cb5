//! A payload, as written in JSON, and the bytes that were published.

use std::fmt::Display;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::value::RawValue;
use tagpost_core::message::Encoding;

/// A payload that cannot be read in the way that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload cannot be read: {0}")]
pub struct PayloadError(String);

impl PayloadError {
    pub(crate) fn new(error: impl Display) -> Self {
        Self(error.to_string())
    }
}

/// The bytes that were published.
pub(crate) fn bytes(
    content_type: &str,
    encoding: Option<Encoding>,
    payload: &RawValue,
) -> Result<Vec<u8>, PayloadError> {
    let string = serde_json::from_str::<String>(payload.get()).ok();
    match (encoding, string) {
        (Some(Encoding::Base64), Some(text)) => BASE64.decode(text).map_err(PayloadError::new),
        (Some(Encoding::Base64), None) => Err(PayloadError("it is not a string".to_owned())),
        (None, Some(text)) if !is_json(content_type) => Ok(text.into_bytes()),
        (None, _) => Ok(payload.get().as_bytes().to_vec()),
    }
}

/// Bytes that are text.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, PayloadError> {
    String::from_utf8(bytes).map_err(PayloadError::new)
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}
