//! Publishing: the options of a message, and the request that creates exactly one message however often it is repeated.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use tagpost_core::id::{IdempotencyKey, Topic};
use tagpost_core::message::{Target, Urgency};
use tagpost_core::publish::DEFAULT_WAIT;
use tagpost_core::time::Millis;

use crate::client::{Client, Request};
use crate::error::Error;
use crate::trace::Trace;

/// A message about to be published; [`Publish::send`] does it.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = tagpost_client::Client::new("http://127.0.0.1:8787", "token")?;
/// use tagpost_client::{State, Target};
///
/// let published = client
///     .publish(Target::Tag("hallway".parse()?))
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
    delay: Option<u32>,
    deliver_at: Option<Millis>,
}

impl Client {
    /// A message to `to`, with an empty text as payload until it is given another.
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

    /// RFC 8030, section 5, and RFC 7240.
    fn headers(&self) -> Result<HeaderMap, Error> {
        let urgency = self.urgency.and_then(|urgency| {
            let name = serde_json::to_value(urgency).ok()?;
            name.as_str().map(ToOwned::to_owned)
        });
        let key = match &self.key {
            Some(key) => key.to_string(),
            None => random_key()?,
        };
        let to = match &self.to {
            Target::Match(expression) => Some(expression.to_string()),
            Target::Tag(_) | Target::Device(_) => None,
        };
        let fields = [
            (HeaderName::from_static("to"), to),
            (CONTENT_TYPE, Some(self.content_type.clone())),
            (
                HeaderName::from_static("ttl"),
                self.ttl.map(|ttl| ttl.to_string()),
            ),
            (
                HeaderName::from_static("topic"),
                self.topic.as_ref().map(ToString::to_string),
            ),
            (HeaderName::from_static("urgency"), urgency),
            (
                HeaderName::from_static("prefer"),
                self.wait.map(|wait| format!("wait={wait}")),
            ),
            (HeaderName::from_static("idempotency-key"), Some(key)),
            (
                HeaderName::from_static("echo"),
                self.echo.then(|| "true".to_owned()),
            ),
            (
                HeaderName::from_static("acks-needed"),
                self.acks_needed.map(|count| count.to_string()),
            ),
            (
                HeaderName::from_static("delay"),
                self.delay.map(|seconds| seconds.to_string()),
            ),
            (
                HeaderName::from_static("deliver-at"),
                self.deliver_at.map(|at| at.to_string()),
            ),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            if let Some(value) = value {
                let value =
                    HeaderValue::try_from(value).map_err(|_| Error::Header(name.to_string()))?;
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }
}

/// 128 random bits.
fn random_key() -> Result<String, Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| Error::Random(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn client() -> Client {
        Client::new("http://127.0.0.1:8787", "token").unwrap()
    }

    fn texts(headers: &HeaderMap) -> HashMap<&str, &str> {
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn everything_said_of_a_message_becomes_a_header() {
        let client = client();
        let publish = client
            .publish(Target::Device("cam".parse().unwrap()))
            .bytes("image/png", *b"png")
            .ttl(60)
            .topic("door".parse().unwrap())
            .urgency(Urgency::VeryLow)
            .wait(5)
            .key("my key".parse().unwrap())
            .echo()
            .acks_needed(2)
            .delay(90);
        let headers = publish.headers().unwrap();
        let expected = HashMap::from([
            ("content-type", "image/png"),
            ("ttl", "60"),
            ("topic", "door"),
            ("urgency", "very-low"),
            ("prefer", "wait=5"),
            ("idempotency-key", "my key"),
            ("echo", "true"),
            ("acks-needed", "2"),
            ("delay", "90"),
        ]);
        assert_eq!(texts(&headers), expected);
    }

    #[test]
    fn an_expression_is_a_header_too() {
        let client = client();
        let publish = client.publish(Target::Match("hallway & !muted".parse().unwrap()));
        assert_eq!(texts(&publish.headers().unwrap())["to"], "hallway & !muted");
    }

    #[test]
    fn what_is_not_said_is_left_to_the_service_except_the_key() {
        let client = client();
        let key = || {
            let headers = client
                .publish(Target::Tag("t".parse().unwrap()))
                .headers()
                .unwrap();
            let mut names: Vec<_> = headers
                .keys()
                .map(|name| name.as_str().to_owned())
                .collect();
            names.sort();
            assert_eq!(names, ["content-type", "idempotency-key"]);
            headers["idempotency-key"]
                .to_str()
                .unwrap()
                .parse::<IdempotencyKey>()
                .unwrap()
        };
        assert_ne!(key(), key(), "two publishes would be one message");
    }

    #[test]
    fn a_media_type_that_cannot_be_a_header_is_named() {
        let client = client();
        let publish = client
            .publish(Target::Tag("t".parse().unwrap()))
            .bytes("text/\nplain", *b"");
        assert_eq!(
            publish.headers().unwrap_err().to_string(),
            "content-type cannot be sent: it contains control characters"
        );
    }
}
