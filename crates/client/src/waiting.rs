//! What waits for a device, without taking it.
//!
//! A look changes nothing: no message counts as sent by it, and the device does not count as seen. Not
//! here: being the device; see [`crate::Inbox`].

use form_urlencoded::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tagpost_core::delivery::State;
use tagpost_core::id::{DeviceId, MessageId, Topic};
use tagpost_core::message::{Encoding, Target, Urgency};
use tagpost_core::time::Millis;

use crate::client::{Client, Request};
use crate::error::Error;
use crate::operator::Page;
use crate::payload::{self, PayloadError};

/// A message that waits for a device.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Waiting {
    /// Its id.
    pub id: MessageId,
    /// The device that sent it.
    pub from: DeviceId,
    /// What it was published to: a tag, or this device.
    pub to: Target,
    /// When the service accepted it.
    pub sent_at: Millis,
    /// When it expires: the service does not deliver it after that.
    pub expires_at: Millis,
    /// Its urgency.
    pub urgency: Urgency,
    /// Its topic: a newer message of the same sender and topic replaces it.
    pub topic: Option<Topic>,
    /// The media type of the payload.
    pub content_type: String,
    /// The bytes of the payload.
    pub size: u64,
    /// [`State::Held`], [`State::Sent`]: not yet acknowledged, or [`State::InProgress`].
    pub state: State,
    /// How often it was sent.
    pub attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
}

impl Waiting {
    /// The payload's own bytes; `None` if they were not asked for.
    ///
    /// # Errors
    /// What the service sent as base64 is not base64.
    pub fn bytes(&self) -> Result<Option<Vec<u8>>, PayloadError> {
        let payload = self.payload.as_deref();
        payload
            .map(|payload| payload::bytes(&self.content_type, self.encoding, payload))
            .transpose()
    }

    /// The payload as text; `None` if it was not asked for.
    ///
    /// # Errors
    /// The payload is not UTF-8.
    pub fn text(&self) -> Result<Option<String>, PayloadError> {
        self.bytes()?.map(payload::text).transpose()
    }
}

impl Client {
    /// A page of what waits for a device, in the order of delivery, with the payloads if they are wanted;
    /// `after` is the `next` of the page before. For the admin, and the device itself.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn waiting(
        &self,
        device: &DeviceId,
        limit: u32,
        after: Option<&str>,
        payload: bool,
    ) -> Result<Page<Waiting, String>, Error> {
        #[derive(Deserialize)]
        struct Messages {
            messages: Vec<Waiting>,
            next: Option<String>,
        }
        let request = Request::get(path(device, limit, after, payload));
        let Messages { messages, next } = self.send(&request).await?.json()?;
        Ok(Page {
            entries: messages,
            next,
        })
    }
}

/// Path and query of a page. The service alone knows what a cursor is made of.
fn path(device: &DeviceId, limit: u32, after: Option<&str>, payload: bool) -> String {
    let path = format!("/v1/devices/{device}/inbox?");
    let start = path.len();
    let mut path = Serializer::for_suffix(path, start);
    path.append_pair("limit", &limit.to_string());
    if payload {
        path.append_pair("payload", "true");
    }
    if let Some(after) = after {
        path.append_pair("cursor", after);
    }
    path.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(payload: &str) -> Waiting {
        let json = format!(
            r#"{{"id":"01HF7YAT00FYHWCCN200000007","from":"doorbell","to":{{"tag":"kitchen"}},"sent_at":1,
            "expires_at":2,"urgency":"normal","topic":null,"content_type":"text/plain","size":4,
            "state":"held","attempts":0{payload}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_payload_is_there_if_it_was_asked_for() {
        assert_eq!(waiting("").text(), Ok(None));
        let text = waiting(r#","payload":"ring""#).text();
        assert_eq!(text, Ok(Some("ring".to_owned())));
        let bytes = waiting(r#","encoding":"base64","payload":"/w==""#);
        assert_eq!(bytes.bytes(), Ok(Some(vec![0xff])));
        assert!(bytes.text().is_err());
    }

    #[test]
    fn a_cursor_of_any_characters_is_one_parameter() {
        let device = "camera".parse().unwrap();
        assert_eq!(
            path(&device, 2, Some("a&b=ü/"), true),
            "/v1/devices/camera/inbox?limit=2&payload=true&cursor=a%26b%3D%C3%BC%2F"
        );
        assert_eq!(
            path(&device, 2, None, false),
            "/v1/devices/camera/inbox?limit=2"
        );
    }
}
