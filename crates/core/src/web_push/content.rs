//! What a message of a channel contains: the sender's body, unread, and the headers that its decryption needs.
//!
//! It is the payload of a [`crate::message::Message`], in the form in which its user agent gets it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::id::Topic;
use crate::message::Urgency;
use crate::publish::Draft;
use crate::{json, payload};

/// The content of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Content {
    /// The body, in base64url without padding; `None` if it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// How the body is encrypted; `None` if it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Headers>,
    /// Whether the sender asks for a receipt (RFC 8030, section 5.1). The user agent does not learn that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub receipt: bool,
}

/// How a body is encrypted: with aes128gcm (RFC 8188), or with aesgcm, its draft, which has the two keys in headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Headers {
    /// The content coding.
    pub encoding: String,
    /// The header `Encryption`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// The header `Crypto-Key`, without the key that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crypto_key: Option<String>,
}

/// The name of the field that the user agent does not get.
pub(crate) const RECEIPT: &str = "receipt";

impl Content {
    /// The content with this body, of a sender who asks for no receipt.
    pub(super) fn of(body: &[u8]) -> Self {
        Self {
            data: (!body.is_empty()).then(|| BASE64_URL.encode(body)),
            ..Self::default()
        }
    }

    /// The draft of a message with this content, whose body has `length` bytes.
    pub(super) fn into_draft(
        self,
        length: usize,
        ttl: u32,
        topic: Option<Topic>,
        urgency: Urgency,
    ) -> Draft {
        Draft {
            ttl,
            topic,
            urgency,
            wait: 0,
            key: None,
            echo: false,
            acks_needed: None,
            escalate: Vec::new(),
            when: None,
            resend: None,
            size: u32::try_from(length).unwrap_or(u32::MAX),
            content_type: payload::JSON.to_owned(),
            encoding: None,
            payload: self.to_payload(),
        }
    }

    /// Whether the sender of a message with this payload asks for a receipt.
    pub fn asks_for_receipt(payload: &RawValue) -> bool {
        let content: Option<Value> = serde_json::from_str(payload.get()).ok();
        content.is_some_and(|content| content.get(RECEIPT) == Some(&Value::Bool(true)))
    }

    /// The same payload, of a sender who asks for no receipt.
    pub fn without_receipt(payload: &RawValue) -> Box<RawValue> {
        let content: Option<Value> = serde_json::from_str(payload.get()).ok();
        let without = content.and_then(|mut content| {
            content.as_object_mut()?.remove(RECEIPT)?;
            RawValue::from_string(content.to_string()).ok()
        });
        without.unwrap_or_else(|| payload.to_owned())
    }

    /// The payload.
    pub fn to_payload(&self) -> Box<RawValue> {
        // Strings are always valid JSON.
        RawValue::from_string(json::text(self)).unwrap_or_default()
    }
}
