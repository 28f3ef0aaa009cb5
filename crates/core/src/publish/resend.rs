//! Sending a message again: to whom, and the draft that does it.
//!
//! A resend has the payload, the media type and the urgency of the first message, and a TTL of the same length. It has
//! no topic: the first message may have been one of many that replaced each other. Not here: which deliveries have
//! failed, and where the payload is.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{DEFAULT_WAIT, Draft, WAIT, hash, key, preferred_wait, whole_number};
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::json;
use crate::message::Message;
use crate::problem::Problem;

/// What a message sends again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    /// The message.
    pub of: MessageId,
    /// The devices that its sender has named; `None` is all to which the delivery has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<DeviceId>>,
}

/// A request to send a message again, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResendRequest {
    /// What is sent again.
    pub resend: Resend,
    /// Seconds to wait for the acknowledgement of devices that are online.
    pub wait: u32,
    /// Repeating the request with this key makes no second message.
    pub key: Option<IdempotencyKey>,
}

impl Resend {
    /// A hash of what must be the same when it is repeated with its idempotency key. The payload is not in it: by then
    /// it may not be kept any more.
    pub fn fingerprint(&self) -> [u8; 16] {
        let of = self.of.to_string();
        let kind = if self.only.is_some() { "only" } else { "all" };
        let devices = self.only.iter().flatten().map(DeviceId::as_str);
        hash(["resend", of.as_str(), kind].into_iter().chain(devices))
    }
}

impl ResendRequest {
    /// Reads a request. `header` returns the value of a header; `body` is empty, or names devices.
    ///
    /// # Errors
    /// [`crate::problem::Code::BadRequest`] names the header or the field, and what it must be.
    pub fn from_http(
        of: MessageId,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
        most: u32,
    ) -> Result<Self, Problem> {
        let wait = header("Prefer").and_then(|text| preferred_wait(&text));
        let wait = wait.map(|text| whole_number("Prefer: wait", &text, WAIT));
        let key = header("Idempotency-Key").map(|text| key(&text));
        Ok(Self {
            resend: Resend {
                of,
                only: devices(body, most)?,
            },
            wait: wait.transpose()?.unwrap_or(DEFAULT_WAIT),
            key: key.transpose()?,
        })
    }
}

/// The devices that a body names, sorted, each once; `None` if it names none.
fn devices(body: &[u8], most: u32) -> Result<Option<Vec<DeviceId>>, Problem> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        devices: Option<Box<RawValue>>,
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let text = std::str::from_utf8(body).unwrap_or_default();
    let read: Body = json::object(text).map_err(|error| {
        Problem::bad_request(format!("the body must be empty, or a JSON object: {error}"))
    })?;
    let Some(named) = read.devices else {
        return Ok(None);
    };
    let wrong = || {
        Problem::bad_request(format!(
            "devices must be a list of 1 to {most} names of devices"
        ))
    };
    let mut devices: Vec<DeviceId> = serde_json::from_str(named.get()).map_err(|_| wrong())?;
    devices.sort_unstable();
    devices.dedup();
    match devices.is_empty() || devices.len() > most as usize {
        true => Err(wrong()),
        false => Ok(Some(devices)),
    }
}

impl Draft {
    /// The draft that sends this message again, for `ttl` seconds.
    pub fn again(message: Message, ttl: u32, request: ResendRequest) -> Self {
        Self {
            ttl,
            topic: None,
            urgency: message.urgency,
            wait: request.wait,
            key: request.key,
            // Its devices are named, and the sender may be one of them.
            echo: true,
            acks_needed: None,
            escalate: Vec::new(),
            when: None,
            resend: Some(request.resend),
            size: message.size,
            content_type: message.content_type,
            encoding: message.encoding,
            payload: message.payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    fn read(headers: &[(&str, &str)], body: &str) -> Result<ResendRequest, Problem> {
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        ResendRequest::from_http(MessageId::least(7), header, body.as_bytes(), 2)
    }

    #[test]
    fn without_a_body_it_goes_to_all_that_failed() {
        for body in ["", " \n", "{}", r#"{"devices":null}"#] {
            let request = read(&[], body).unwrap();
            assert_eq!((request.resend.only, request.wait), (None, 1), "{body:?}");
        }
        let request = read(
            &[("Idempotency-Key", "k"), ("Prefer", "wait=5")],
            r#"{"devices":["b","a","b"]}"#,
        );
        let request = request.unwrap();
        let names: Vec<DeviceId> = ["a", "b"].map(|name| name.parse().unwrap()).to_vec();
        assert_eq!((request.resend.only, request.wait), (Some(names), 5));
        assert_eq!(
            request.key.map(|key| key.as_str().to_owned()),
            Some("k".to_owned())
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            ("[", "the body"),
            ("7", "the body"),
            ("[]", "the body"),
            (r#"{"devices":[]}"#, "devices"),
            (r#"{"devices":"a"}"#, "devices"),
            (r#"{"devices":["a b"]}"#, "devices"),
            (r#"{"devices":["a","b","c"]}"#, "devices"),
        ] {
            let problem = read(&[], body).unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{body}");
            assert!(problem.detail.starts_with(field), "{body}: {problem}");
        }
        let problem = read(&[("Prefer", "wait=61")], "").unwrap_err();
        assert!(problem.detail.starts_with("Prefer: wait"), "{problem}");
    }

    #[test]
    fn a_key_covers_the_message_and_the_devices_but_not_the_payload() {
        let of = |at, only: Option<&[&str]>| {
            let only = only.map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
            let of = MessageId::least(at);
            Resend { of, only }.fingerprint()
        };
        assert_eq!(of(7, None), of(7, None));
        assert_ne!(of(7, None), of(8, None));
        assert_ne!(of(7, None), of(7, Some(&["a"])));
        assert_ne!(of(7, Some(&["a", "b"])), of(7, Some(&["ab"])));
    }
}
