//! Webhooks: a device that is an address gets its messages by requests.

mod bounds;
mod delivery;
mod drain;
mod failures;
mod histories;
mod late;
mod polls;
mod receipts;
mod setting;
mod sockets;

use tagpost_core::call::{Call, DeliveryStatus};
use tagpost_core::delivery::Delivery;
use tagpost_core::id::MessageId;
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::{Chain, Input, PostPurpose, Reply};
use tagpost_core::webhook::{
    Post, PostError, PostResponse, Secret, Service, Setting, WebhookStatus,
};

use super::harness::Harness;

pub(super) const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// The setting with this many requests at a time, for messages.
fn setting(max_in_flight: u32) -> Setting {
    setting_for(&["message"], max_in_flight)
}

/// The same for these events.
fn setting_for(events: &[&str], max_in_flight: u32) -> Setting {
    setting_at("https://hooks.example/x", events, max_in_flight)
}

/// The same for this address.
fn setting_at(url: &str, events: &[&str], max_in_flight: u32) -> Setting {
    let body = serde_json::json!({ "url": url, "max_in_flight": max_in_flight, "events": events });
    let service = Service {
        own: ["https://tagpost.example"; 2],
        is_local: false,
    };
    Setting::read(body.to_string().as_bytes(), service).unwrap()
}

/// The setting with another address and this many requests at a time, for messages.
fn moved(max_in_flight: u32) -> Setting {
    setting_at("https://hooks.example/y", &["message"], max_in_flight)
}

/// A secret of these bytes.
fn secret(byte: u8) -> Secret {
    Secret::new(&[byte; 32]).unwrap()
}

/// An answer without a body.
pub(super) fn status(status: u16) -> PostResponse {
    PostResponse {
        status,
        ..PostResponse::default()
    }
}

impl Harness {
    /// One whose device is an address that takes this many requests at a time.
    fn webhook(max_in_flight: u32) -> Self {
        Self::webhook_with(max_in_flight, |_| {})
    }

    fn webhook_with(max_in_flight: u32, change: impl FnOnce(&mut Limits)) -> Self {
        let mut harness = Self::with(change);
        harness.set_webhook(max_in_flight).unwrap();
        harness
    }

    /// Returns the secret, if there is a new one, and the other outputs.
    pub(super) fn set_webhook(
        &mut self,
        max_in_flight: u32,
    ) -> Result<(WebhookStatus, Option<Secret>, Vec<String>), String> {
        self.set_webhook_to(setting(max_in_flight))
    }

    fn set_webhook_to(
        &mut self,
        setting: Setting,
    ) -> Result<(WebhookStatus, Option<Secret>, Vec<String>), String> {
        let call = Call::SetWebhook {
            setting,
            secret: secret(1),
        };
        match self.ask(call) {
            (Ok(Reply::Webhook { webhook, secret }), words) => Ok((webhook, secret, words)),
            (Err(refused), _) => Err(refused),
            other => panic!("{other:?}"),
        }
    }

    fn get_webhook(&mut self) -> Result<WebhookStatus, String> {
        match self.ask(Call::GetWebhook).0 {
            Ok(Reply::Webhook { webhook, secret }) => {
                assert_eq!(secret, None, "it is told once");
                Ok(webhook)
            }
            Err(refused) => Err(refused),
            other => panic!("{other:?}"),
        }
    }

    /// Takes the request for a message that is not answered.
    fn take_post(&mut self, id: MessageId) -> (PostPurpose, Chain, Post) {
        let is_for = |(purpose, _, _): &(PostPurpose, Chain, Post)| matches!(purpose, PostPurpose::Message { id: other, .. } if *other == id);
        let place = self.posts.iter().position(is_for);
        self.posts.remove(place.unwrap())
    }

    /// The address answers the request for a message.
    pub(super) fn answers(&mut self, id: MessageId, response: PostResponse) -> Vec<String> {
        let post = self.take_post(id);
        self.answer_post(post, Ok(response))
    }

    /// The request for a message fails.
    fn fails(&mut self, id: MessageId, error: PostError) -> Vec<String> {
        let post = self.take_post(id);
        self.answer_post(post, Err(error))
    }

    fn answer_post(
        &mut self,
        (purpose, chain, _): (PostPurpose, Chain, Post),
        outcome: Result<PostResponse, PostError>,
    ) -> Vec<String> {
        let words = self.handle(Input::Posted {
            purpose,
            chain,
            outcome,
            millis: 7,
        });
        self.assert_rows();
        words
    }

    fn delivery(&mut self, id: MessageId) -> Delivery {
        match self.get_delivery(id) {
            DeliveryStatus::Known(delivery) => delivery,
            other => panic!("{other:?}"),
        }
    }
}

/// What is under way: each message with its attempt.
fn under_way(harness: &Harness) -> Vec<(MessageId, u32)> {
    let posts = harness.posts.iter();
    let messages = posts.filter_map(|(purpose, ..)| match purpose {
        PostPurpose::Message { id, attempt } => Some((*id, *attempt)),
        PostPurpose::Receipts { .. } | PostPurpose::Test(_) => None,
    });
    messages.collect()
}

/// The requests among these outputs, in words.
fn posts(words: &[String]) -> Vec<&str> {
    let posts = words.iter().filter(|word| word.starts_with("post "));
    posts.map(String::as_str).collect()
}
