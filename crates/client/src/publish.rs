//! Publishing: the options of a message, and the request that creates exactly one message however often it is repeated.

mod headers;

use reqwest::Method;
use serde::Serialize;
use tagpost_core::id::{IdempotencyKey, Topic};
use tagpost_core::message::{Target, Urgency};
use tagpost_core::publish::DEFAULT_WAIT;
use tagpost_core::time::Millis;

pub(crate) use self::headers::random_key;
use crate::client::{Client, Request};
use crate::error::Error;
use crate::trace::Trace;

/// A message about to be published; [`Publish::send`] does it.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = tagpost_client::Client::new("http://127.0.0.1:8787", "token")?;
/// use tagpost_client::State;
///
/// let published = client
///     .publish("hallway".parse()?)
///     .json(&serde_json::json!({ "ring": true }))?
///     .ttl(60)
///     .wait(5)
///     .send()
///     .await?;
/// for delivery in &published.deliveries {
///     if delivery.state == State::Delivered {
///         println!("{} took it after {} ms", delivery.device, delivery.at - published.accepted_at);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is published until `send` is called"]
pub struct Publish<'a> {
    client: &'a Client,
    to: Target,
    content_type: String,
    payload: Vec<u8>,
    ttl: Option<u32>,
    topic: Option<Topic>,
    urgency: Option<Urgency>,
    wait: Option<u32>,
    key: Option<IdempotencyKey>,
    echo: bool,
    acks_needed: Option<u32>,
    escalate: Vec<(Target, u32)>,
    delay: Option<u32>,
    deliver_at: Option<Millis>,
}

impl Client {
    /// A message to `to`, which is `"hallway".parse()?` for a tag, `"@kitchen-cam".parse()?` for a device or
    /// `"hallway & !muted".parse()?` for an expression. Its payload is an empty text until it is given another.
    pub fn publish(&self, to: Target) -> Publish<'_> {
        Publish {
            client: self,
            to,
            content_type: "text/plain; charset=utf-8".to_owned(),
            payload: Vec::new(),
            ttl: None,
            topic: None,
            urgency: None,
            wait: None,
            key: None,
            echo: false,
            acks_needed: None,
            escalate: Vec::new(),
            delay: None,
            deliver_at: None,
        }
    }
}

impl Publish<'_> {
    /// Sets the payload: JSON.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn json<T: Serialize + ?Sized>(self, payload: &T) -> Result<Self, Error> {
        let payload = serde_json::to_vec(payload)?;
        Ok(self.bytes("application/json", payload))
    }

    /// Sets the payload: text.
    pub fn text(self, payload: impl Into<String>) -> Self {
        self.bytes("text/plain; charset=utf-8", payload.into())
    }

    /// Sets the payload: bytes, and the media type that says what they are.
    pub fn bytes(self, content_type: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type: content_type.into(),
            payload: payload.into(),
            ..self
        }
    }

    /// Sets the seconds to keep trying, up to 30 days; 0 = now or never. One day unless set.
    pub fn ttl(self, seconds: u32) -> Self {
        Self {
            ttl: Some(seconds),
            ..self
        }
    }

    /// Sets the topic: the message replaces an undelivered one of the same topic, sender and device.
    pub fn topic(self, topic: Topic) -> Self {
        Self {
            topic: Some(topic),
            ..self
        }
    }

    /// Sets the urgency; higher goes first.
    pub fn urgency(self, urgency: Urgency) -> Self {
        Self {
            urgency: Some(urgency),
            ..self
        }
    }

    /// Sets the seconds to wait for the acknowledgement of devices that are online, up to 60. 1 unless set.
    pub fn wait(self, seconds: u32) -> Self {
        Self {
            wait: Some(seconds),
            ..self
        }
    }

    /// Sets the idempotency key: repeating the publish with it does not create a second message. By default each
    /// publish gets a random key. With a key that outlives the process, this holds across crashes, too.
    pub fn key(self, key: IdempotencyKey) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// Has a message to a tag come back to this device, if it has the tag itself.
    pub fn echo(self) -> Self {
        Self { echo: true, ..self }
    }

    /// Sets how many acknowledgements are enough: once that many devices have acknowledged the message, its other
    /// deliveries are cancelled.
    pub fn acks_needed(self, count: u32) -> Self {
        Self {
            acks_needed: Some(count),
            ..self
        }
    }

    /// Adds a step of the escalation, up to 8, in order: if the message has fewer acknowledgements than are needed (1
    /// unless set) this many seconds after its hand-over, it goes to `to` as well.
    pub fn escalate(mut self, to: Target, after: u32) -> Self {
        self.escalate.push((to, after));
        self
    }

    /// Sets the seconds until the message is handed over, up to 30 days. Its tag is looked up then, and its TTL counts
    /// from then.
    pub fn delay(self, seconds: u32) -> Self {
        Self {
            delay: Some(seconds),
            deliver_at: None,
            ..self
        }
    }

    /// Sets the time at which the message is handed over, in milliseconds since the Unix epoch, up to 30 days ahead. A
    /// time that is past is now.
    pub fn deliver_at(self, at: Millis) -> Self {
        Self {
            deliver_at: Some(at),
            delay: None,
            ..self
        }
    }

    /// Publishes. Once this is answered, every delivery reaches a terminal state and is reported.
    ///
    /// # Errors
    /// [`Error::Refused`]: the service did not take it. [`Error::Unreachable`]: it may or may not have.
    pub async fn send(self) -> Result<Trace, Error> {
        let path = match &self.to {
            Target::Tag(tag) => format!("/v1/tags/{tag}/messages"),
            Target::Device(device) => format!("/v1/devices/{device}/messages"),
            Target::Match(_) => "/v1/messages".to_owned(),
        };
        let headers = self.headers()?;
        let request = Request {
            headers,
            body: self.payload,
            ..Request::new(Method::POST, path)
        };
        let request = request.waiting(self.wait.unwrap_or(DEFAULT_WAIT));
        self.client.send(&request).await?.json()
    }
}
