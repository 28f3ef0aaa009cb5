//! A notification of a Matrix homeserver (Matrix specification, "Push Gateway API"), as UnifiedPush takes it: for apps
//! whose homeserver cannot encrypt.
//!
//! Each of its devices is named by a `pushkey`, which is the endpoint of a channel. What is passed on is the
//! notification without its devices; only its `prio` is read. Not here: what the endpoints open.

use serde::Serialize;
use serde_json::Value;

use super::content::Content;
use crate::message::Urgency;
use crate::publish::Draft;

/// The most devices of a notification. Each one is a call to a mailbox.
const MAX_DEVICES: usize = 10;

/// The longest content that every user agent of Web Push takes, in bytes (RFC 8030, section 7.2).
const MAX_CONTENT: usize = 4_096;

/// The longest notification, in bytes: its content, and for each device an endpoint of UnifiedPush, which has at most
/// 1,000 bytes, and what else a homeserver says of it.
pub const MAX_NOTIFICATION: usize = MAX_CONTENT + MAX_DEVICES * 2_048;

/// How long a notification is kept, in seconds: one day.
const TTL: u32 = 86_400;

/// A notification that is to be published.
#[derive(Debug)]
pub struct Notification {
    /// The endpoints, each of them once.
    pub pushkeys: Vec<String>,
    /// The message for each of them.
    pub draft: Draft,
}

/// How a request of a homeserver is refused (Matrix specification, "Standard error response").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MatrixError {
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// The name of the error.
    pub errcode: &'static str,
    /// What is wrong; for people.
    pub error: String,
}

impl MatrixError {
    /// An error with this text.
    pub fn new(status: u16, errcode: &'static str, error: impl Into<String>) -> Self {
        Self {
            status,
            errcode,
            error: error.into(),
        }
    }

    /// The body of the request is too long.
    pub fn too_large(limit: usize) -> Self {
        let error = format!("the notification has more than {limit} bytes");
        Self::new(413, "M_TOO_LARGE", error)
    }

    fn malformed(error: &str) -> Self {
        Self::new(400, "M_BAD_JSON", error)
    }

    /// The body of the answer.
    pub fn to_json(&self) -> String {
        crate::json::text(self)
    }
}

impl Notification {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// The error names the field that is missing, malformed or too large.
    pub fn read(body: &[u8]) -> Result<Self, MatrixError> {
        let mut request: Value = serde_json::from_slice(body).map_err(|error| {
            MatrixError::new(400, "M_NOT_JSON", format!("the body is not JSON: {error}"))
        })?;
        let notification = request.get_mut("notification");
        let notification = notification
            .and_then(Value::as_object_mut)
            .ok_or_else(|| MatrixError::malformed("notification must be an object"))?;
        let Some(Value::Array(devices)) = notification.remove("devices") else {
            let error = "notification.devices must be an array";
            return Err(MatrixError::malformed(error));
        };
        if devices.len() > MAX_DEVICES {
            let error = format!("notification.devices has more than {MAX_DEVICES} entries");
            return Err(MatrixError::malformed(&error));
        }
        let mut pushkeys: Vec<String> = Vec::new();
        for device in devices {
            let Some(Value::String(pushkey)) = device.get("pushkey") else {
                let error = "each of notification.devices must have a pushkey, a string";
                return Err(MatrixError::malformed(error));
            };
            if !pushkeys.contains(pushkey) {
                pushkeys.push(pushkey.clone());
            }
        }
        let urgency = match notification.get("prio") {
            None => Urgency::High,
            Some(Value::String(prio)) if prio == "high" => Urgency::High,
            Some(Value::String(prio)) if prio == "low" => Urgency::Normal,
            Some(_) => {
                let error = "notification.prio must be high or low";
                return Err(MatrixError::malformed(error));
            }
        };
        let content = request.to_string();
        if content.len() > MAX_CONTENT {
            return Err(MatrixError::too_large(MAX_CONTENT));
        }
        Ok(Self {
            pushkeys,
            draft: Content::of(content.as_bytes()).into_draft(content.len(), TTL, None, urgency),
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn read(notification: &Value) -> Result<Notification, MatrixError> {
        let body = json!({ "notification": notification }).to_string();
        Notification::read(body.as_bytes())
    }

    fn device(pushkey: &str) -> Value {
        json!({"app_id": "org.example", "pushkey": pushkey})
    }

    #[test]
    fn what_is_published_is_the_notification_without_its_devices() {
        let notification = read(&json!({
            "event_id": "$e", "counts": {"unread": 2}, "devices": [device("https://a/wpush/x")],
        }))
        .unwrap();
        assert_eq!(notification.pushkeys, ["https://a/wpush/x"]);
        let draft = notification.draft;
        let payload: Value = serde_json::from_str(draft.payload.get()).unwrap();
        let data = payload["data"].as_str().unwrap();
        let data = BASE64_URL_SAFE_NO_PAD.decode(data).unwrap();
        let content: Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(
            content,
            json!({"notification": {"event_id": "$e", "counts": {"unread": 2}}})
        );
        assert_eq!(payload.as_object().unwrap().len(), 1, "it is not encrypted");
        assert_eq!(
            (draft.ttl, draft.urgency, draft.size as usize),
            (86_400, Urgency::High, data.len())
        );
    }

    #[test]
    fn only_what_is_urgent_goes_first() {
        for (prio, urgency) in [("high", Urgency::High), ("low", Urgency::Normal)] {
            let read = read(&json!({"prio": prio, "devices": []})).unwrap();
            assert_eq!(read.draft.urgency, urgency, "{prio}");
        }
    }

    #[test]
    fn an_endpoint_that_is_named_twice_gets_one_message() {
        let devices = json!([device("a"), device("b"), device("a")]);
        assert_eq!(
            read(&json!({"devices": devices})).unwrap().pushkeys,
            ["a", "b"]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let many: Vec<Value> = (0..=MAX_DEVICES).map(|n| device(&n.to_string())).collect();
        for (notification, field) in [
            (json!(1), "notification must"),
            (json!({}), "notification.devices must"),
            (json!({"devices": {}}), "notification.devices must"),
            (
                json!({"devices": many}),
                "notification.devices has more than 10",
            ),
            (json!({"devices": [1]}), "pushkey"),
            (json!({"devices": [{"pushkey": 1}]}), "pushkey"),
            (
                json!({"devices": [], "prio": "urgent"}),
                "notification.prio",
            ),
            (json!({"devices": [], "prio": 1}), "notification.prio"),
        ] {
            let error = read(&notification).unwrap_err();
            assert_eq!((error.status, error.errcode), (400, "M_BAD_JSON"));
            assert!(error.error.contains(field), "{field}: {error:?}");
        }
        for body in ["", "{", "\u{1}"] {
            let error = Notification::read(body.as_bytes()).unwrap_err();
            assert_eq!((error.status, error.errcode), (400, "M_NOT_JSON"), "{body}");
        }
        assert_eq!(Notification::read(b"[]").unwrap_err().errcode, "M_BAD_JSON");
    }

    #[test]
    fn the_content_has_at_most_4096_bytes_without_the_devices() {
        let around = json!({"notification": {"x": ""}}).to_string().len();
        let of = |length: usize| {
            let text = "x".repeat(length - around);
            let devices = [device(&"y".repeat(1_000))];
            read(&json!({"x": text, "devices": devices}))
        };
        assert_eq!(of(4_096).unwrap().draft.size, 4_096);
        let error = of(4_097).unwrap_err();
        assert_eq!((error.status, error.errcode), (413, "M_TOO_LARGE"));
        assert_eq!(
            error.to_json(),
            r#"{"errcode":"M_TOO_LARGE","error":"the notification has more than 4096 bytes"}"#
        );
    }
}
