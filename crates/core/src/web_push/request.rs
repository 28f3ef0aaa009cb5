//! A publish to a channel, read and checked (RFC 8030, section 5, RFC 8291, RFC 8188).
//!
//! The body is not looked into. Its encryption headers are checked only for what every user agent needs.

use super::channel::SenderKey;
use super::content::{Content, Headers};
use super::refusal::Refusal;
use super::vapid::parameter;
use crate::id::Topic;
use crate::limits::Limits;
use crate::message::Urgency;
use crate::publish::{Draft, TTL, WAIT, preferred_wait, urgency, whole_number};

/// Where a body of aes128gcm has the sender's key for this message (RFC 8188, section 2.1): after the salt, the record
/// size and the key's length.
const KEY_AT: usize = 21;

/// The most bytes of `Encryption` and `Crypto-Key` together. They are kept beside the body, whose size alone counts.
const MAX_HEADERS: usize = 1_024;

/// What the headers say, before the body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Seconds to keep trying, no longer than the service keeps a message.
    pub ttl: u32,
    topic: Option<Topic>,
    urgency: Urgency,
    /// Milliseconds to wait for the acknowledgement.
    pub wait: u32,
    /// Whether the sender asks for a receipt.
    pub receipt: bool,
}

impl Options {
    /// Reads the headers. `header` returns the value of a header.
    ///
    /// # Errors
    /// The refusal names the header.
    pub fn read(header: impl Fn(&str) -> Option<String>, limits: &Limits) -> Result<Self, Refusal> {
        let ttl = header("TTL").ok_or_else(|| Refusal::new(400, 111, "TTL is missing"))?;
        let topic = header("Topic")
            .map(|topic| topic.parse::<Topic>())
            .transpose();
        let topic = topic.map_err(|error| Refusal::new(400, 113, error.to_string()))?;
        let urgency = header("Urgency")
            .map(|name| urgency("Urgency", &name))
            .transpose()?;
        let prefer = header("Prefer").unwrap_or_default();
        let wait = preferred_wait(&prefer);
        let wait = wait
            .map(|text| whole_number("Prefer: wait", &text, WAIT))
            .transpose()?;
        Ok(Self {
            ttl: seconds(&ttl)
                .ok_or_else(|| Refusal::new(400, 112, "TTL must be a whole number of seconds"))?,
            topic,
            urgency: urgency.unwrap_or_default(),
            wait: (wait.unwrap_or(0) * 1_000).max(limits.push_wait_ms),
            receipt: prefers(&prefer, "respond-async"),
        })
    }
}

/// The relation of a link to the receipts of a channel (RFC 8030, section 4.1).
pub const RECEIPTS_RELATION: &str = "urn:ietf:params:push:receipt";

/// The sealed part of the URL in a `Link` header (RFC 8288) that has the relation to receipts; `None` if there is no
/// such link.
pub fn receipts_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let relation = parameter(parameters, "rel")?;
        (relation == RECEIPTS_RELATION).then(|| url.rsplit('/').next().unwrap_or_default())
    })
}

/// Whether a `Prefer` header (RFC 7240) has this preference.
fn prefers(header: &str, wanted: &str) -> bool {
    let preferences = header.split(',');
    let mut names = preferences.filter_map(|preference| preference.split([';', '=']).next());
    names.any(|name| name.trim().eq_ignore_ascii_case(wanted))
}

/// A TTL, cut to what the service keeps: the answer says how long that is (RFC 8030, section 5.2).
fn seconds(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let longest = *TTL.end();
    // A number that is too long to read is too large, too.
    is_number.then(|| text.parse().map_or(longest, |ttl: u32| ttl.min(longest)))
}

impl Options {
    /// The draft of a message with this body, whose payload is a [`Content`]. `sender` is the key with which the
    /// sender has identified itself.
    ///
    /// # Errors
    /// [`Refusal::bad_encryption`] names what is missing or does not fit.
    pub fn draft(
        self,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
        sender: Option<&SenderKey>,
    ) -> Result<Draft, Refusal> {
        let mut content = Content::of(body);
        content.receipt = self.receipt;
        if !body.is_empty() {
            content.headers = Some(headers(header, body, sender)?);
        }
        Ok(content.into_draft(body.len(), self.ttl, self.topic, self.urgency))
    }
}

fn headers(
    header: impl Fn(&str) -> Option<String>,
    body: &[u8],
    sender: Option<&SenderKey>,
) -> Result<Headers, Refusal> {
    let (encryption, crypto_key) = (header("Encryption"), header("Crypto-Key"));
    let has = |header: &Option<String>, name| {
        header
            .as_deref()
            .and_then(|header| parameter(header, name))
            .is_some()
    };
    let encoding = header("Content-Encoding")
        .unwrap_or_default()
        .to_ascii_lowercase();
    match encoding.as_str() {
        "aes128gcm" => {
            if has(&encryption, "salt") || has(&crypto_key, "dh") {
                let detail =
                    "a body of aes128gcm has its keys in itself: not in Encryption or Crypto-Key";
                return Err(Refusal::bad_encryption(detail));
            }
            // RFC 8292, section 3.2: a key that signs must not encrypt.
            let key = body.get(KEY_AT..KEY_AT + 65);
            if key.is_some() && key == sender.map(|key| key.bytes().as_slice()) {
                let detail = "the body is encrypted with the key that signs for the sender";
                return Err(Refusal::bad_encryption(detail));
            }
            Ok(Headers {
                encoding,
                encryption: None,
                crypto_key: None,
            })
        }
        "aesgcm" => {
            let length = |header: &Option<String>| header.as_deref().map_or(0, str::len);
            if length(&encryption) + length(&crypto_key) > MAX_HEADERS {
                return Err(Refusal::bad_encryption(format!(
                    "Encryption and Crypto-Key have more than {MAX_HEADERS} bytes together"
                )));
            }
            if !has(&encryption, "salt") {
                return Err(Refusal::bad_encryption("Encryption must have a salt"));
            }
            if crypto_key.is_some() && !has(&crypto_key, "dh") {
                return Err(Refusal::bad_encryption("Crypto-Key must have dh"));
            }
            Ok(Headers {
                encoding,
                encryption: encryption.as_deref().map(without_signer),
                crypto_key: crypto_key.as_deref().map(without_signer),
            })
        }
        _ => Err(Refusal::bad_encryption(
            "Content-Encoding must be aes128gcm or aesgcm if there is a body",
        )),
    }
}

/// The parameters of a header as user agents read them: without quotes, without padding, and without the sender's key,
/// which is not theirs to know (RFC 8292, section 4.2).
fn without_signer(header: &str) -> String {
    let group = |group: &str| {
        let parameters = group.split(';').filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let name = name.trim();
            let value = value.trim().trim_matches('"').trim_end_matches('=');
            (!name.eq_ignore_ascii_case("p256ecdsa")).then(|| format!("{name}={value}"))
        });
        parameters.collect::<Vec<_>>().join(";")
    };
    let groups = header.split(',').map(group);
    let groups = groups.filter(|group| !group.is_empty());
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
