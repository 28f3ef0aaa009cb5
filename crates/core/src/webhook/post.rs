//! A request to an address: what it says of a message, in headers, and the payload as it was published.

use std::fmt;

use super::{Secrets, Setting};
use crate::id::{DeviceId, Topic};
use crate::json;
use crate::message::{Message, Target};
use crate::protocol::Receipt;
use crate::time::Millis;
use crate::via;

/// A request. It is a POST.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// The names and values of its headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take, in milliseconds.
    pub timeout: Millis,
    /// Where the service is reached, which is no place to post to.
    pub origin: String,
}

impl Post {
    /// The request for a message.
    pub fn of(
        message: &Message,
        attempt: u32,
        device: &DeviceId,
        setting: &Setting,
        secrets: &Secrets,
        now: Millis,
    ) -> Self {
        let body = message.payload_bytes();
        let body = body.unwrap_or_else(|| message.payload.get().as_bytes().to_vec());
        let mut post = Self::signed(
            &message.id.to_string(),
            device,
            message.content_type.clone(),
            body,
            setting,
            secrets,
            now,
        );
        post.add("tagpost-from", message.from.as_str());
        if let Target::Tag(tag) = &message.to {
            post.add("tagpost-tag", tag.as_str());
        }
        post.add("tagpost-urgency", message.urgency.as_str());
        if let Some(topic) = message.topic.as_ref().map(Topic::as_str) {
            post.add("tagpost-topic", topic);
        }
        post.add("tagpost-attempt", &attempt.to_string());
        post.add("tagpost-expires-at", &message.expires_at.to_string());
        post
    }

    /// The request for receipts of a device: of one, or of a list of them. Those of another device may have the same
    /// numbers, so the id names the device; without full stops, which separate the parts of what is signed.
    pub fn of_receipts(
        receipts: &[Receipt],
        device: &DeviceId,
        setting: &Setting,
        secrets: &Secrets,
        now: Millis,
    ) -> Self {
        let first = receipts.first().map_or(0, |receipt| receipt.seq);
        let last = receipts.last().map_or(0, |receipt| receipt.seq);
        let (kind, data) = match receipts {
            [receipt] => ("receipt", json::text(receipt)),
            all => ("receipts", json::text(&all)),
        };
        let body = format!(r#"{{"type":"{kind}","timestamp":{now},"data":{data}}}"#);
        let name = device.as_str().replace('.', "~");
        let id = format!("receipts_{name}_{first}_{last}");
        let json = "application/json".to_owned();
        Self::signed(&id, device, json, body.into_bytes(), setting, secrets, now)
    }

    /// The request that only tries whether the address answers.
    pub fn test(
        id: &str,
        device: &DeviceId,
        setting: &Setting,
        secrets: &Secrets,
        now: Millis,
    ) -> Self {
        let body = format!(r#"{{"type":"test","timestamp":{now},"data":{{}}}}"#);
        let json = "application/json".to_owned();
        Self::signed(id, device, json, body.into_bytes(), setting, secrets, now)
    }

    fn signed(
        id: &str,
        device: &DeviceId,
        content_type: String,
        body: Vec<u8>,
        setting: &Setting,
        secrets: &Secrets,
        now: Millis,
    ) -> Self {
        let signature = secrets.signatures(id, &body, now);
        let headers = vec![
            ("content-type", content_type),
            ("user-agent", "tagpost".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", now.div_euclid(1000).to_string()),
            ("webhook-signature", signature),
            ("tagpost-via", via::written(&setting.origin)),
            ("tagpost-device", device.as_str().to_owned()),
        ];
        Self {
            url: setting.url.as_str().to_owned(),
            headers,
            body,
            timeout: setting.timeout_ms(),
            origin: setting.origin.clone(),
        }
    }

    fn add(&mut self, name: &'static str, value: &str) {
        self.headers.push((name, value.to_owned()));
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Post({} bytes, …)", self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Secret, address::Service};
    use super::*;
    use crate::limits::Limits;
    use crate::publish::Draft;

    const NOW: Millis = 1_800_000_000_500;

    fn setting() -> Setting {
        let service = Service {
            own: ["https://tagpost.example"; 2],
            is_local: false,
        };
        let body = br#"{"url":"https://hooks.example/x"}"#;
        Setting::read(body, service).unwrap()
    }

    fn message(headers: &[(&str, &str)], body: &[u8], to: Target) -> Message {
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let draft = Draft::from_http(header, body, &Limits::default()).unwrap();
        let id = "01M8JKTCM3FYHWCCN22V1QV2CY".parse().unwrap();
        let from: DeviceId = "doorbell".parse().unwrap();
        draft.into_message(id, from, to, NOW)
    }

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    fn post(message: &Message) -> Post {
        let secrets = Secrets::new(Secret::new(&[7; 32]).unwrap());
        Post::of(message, 2, &device("hall.cam"), &setting(), &secrets, NOW)
    }

    #[test]
    fn a_message_is_posted_with_what_is_known_of_it_in_headers() {
        let headers = [
            ("Content-Type", "application/json"),
            ("Topic", "ring"),
            ("Urgency", "high"),
            ("TTL", "60"),
        ];
        let message = message(
            &headers,
            br#"{"ring":true}"#,
            Target::Tag("hallway".parse().unwrap()),
        );
        let post = post(&message);
        assert_eq!(post.url, "https://hooks.example/x");
        assert_eq!(
            (post.body.as_slice(), post.timeout),
            (&br#"{"ring":true}"#[..], 15_000)
        );
        let signature = Secret::new(&[7; 32]).unwrap().sign(
            "01M8JKTCM3FYHWCCN22V1QV2CY",
            1_800_000_000,
            br#"{"ring":true}"#,
        );
        let headers: Vec<(&str, &str)> = post
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(
            headers,
            [
                ("content-type", "application/json"),
                ("user-agent", "tagpost"),
                ("webhook-id", "01M8JKTCM3FYHWCCN22V1QV2CY"),
                ("webhook-timestamp", "1800000000"),
                ("webhook-signature", signature.as_str()),
                ("tagpost-via", "https://tagpost.example"),
                ("tagpost-device", "hall.cam"),
                ("tagpost-from", "doorbell"),
                ("tagpost-tag", "hallway"),
                ("tagpost-urgency", "high"),
                ("tagpost-topic", "ring"),
                ("tagpost-attempt", "2"),
                ("tagpost-expires-at", "1800000060500"),
            ]
        );
    }

    #[test]
    fn the_body_is_the_payload_byte_for_byte() {
        for (content_type, body) in [
            ("text/plain", "ä\"\n".as_bytes()),
            ("application/octet-stream", &[0, 255, 10]),
            ("text/plain", &[255, 254]),
        ] {
            let to = Target::Device("cam".parse().unwrap());
            let post = post(&message(&[("Content-Type", content_type)], body, to));
            assert_eq!(post.body, body);
            assert!(
                post.headers
                    .contains(&("content-type", content_type.to_owned()))
            );
            assert!(!post.headers.iter().any(|(name, _)| *name == "tagpost-tag"));
        }
    }

    #[test]
    fn receipts_are_posted_one_as_it_is_and_several_as_a_list() {
        let receipt = |seq| Receipt {
            seq,
            id: "01M8JKTCM3FYHWCCN22V1QV2CY".parse().unwrap(),
            device: Some("cam".parse().unwrap()),
            state: crate::delivery::State::Delivered,
            at: 5,
            reply: None,
            reason: None,
        };
        let secrets = Secrets::new(Secret::new(&[7; 32]).unwrap());
        let post = |name: &str, receipts: &[Receipt]| {
            let post = Post::of_receipts(receipts, &device(name), &setting(), &secrets, NOW);
            let id = post.headers.iter().find(|(name, _)| *name == "webhook-id");
            (id.unwrap().1.clone(), String::from_utf8(post.body).unwrap())
        };
        let data = |seq| {
            format!(
                r#"{{"seq":{seq},"id":"01M8JKTCM3FYHWCCN22V1QV2CY","device":"cam","state":"delivered","at":5}}"#
            )
        };
        let one = format!(
            r#"{{"type":"receipt","timestamp":{NOW},"data":{}}}"#,
            data(7)
        );
        assert_eq!(
            post("cam", &[receipt(7)]),
            ("receipts_cam_7_7".to_owned(), one.clone())
        );
        assert_eq!(
            post("hall.cam", &[receipt(7)]),
            ("receipts_hall~cam_7_7".to_owned(), one),
            "another device has other ids"
        );
        let two = format!(
            r#"{{"type":"receipts","timestamp":{NOW},"data":[{},{}]}}"#,
            data(7),
            data(9)
        );
        assert_eq!(
            post("cam", &[receipt(7), receipt(9)]),
            ("receipts_cam_7_9".to_owned(), two)
        );
    }

    #[test]
    fn a_request_is_not_printed() {
        let to = Target::Device("cam".parse().unwrap());
        let printed = format!("{:?}", post(&message(&[], b"secret", to)));
        assert_eq!(printed, "Post(6 bytes, …)");
    }
}
