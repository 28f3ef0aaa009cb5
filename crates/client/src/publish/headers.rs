//! The headers of a publish: what the application has set, and an idempotency key. What it has not set is left to the
//! service.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tagpost_core::message::Target;

use super::Publish;
use crate::error::Error;

impl Publish<'_> {
    /// RFC 8030, section 5, and RFC 7240.
    pub(super) fn headers(&self) -> Result<HeaderMap, Error> {
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
            (HeaderName::from_static("escalate"), self.escalation()),
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

    /// The header with the steps of the escalation, if there are any.
    fn escalation(&self) -> Option<String> {
        let steps = self.escalate.iter();
        let steps: Vec<_> = steps
            .map(|(to, after)| format!("{to};after={after}"))
            .collect();
        (!steps.is_empty()).then(|| steps.join(", "))
    }
}

/// 128 random bits.
pub(crate) fn random_key() -> Result<String, Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| Error::Random(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tagpost_core::id::IdempotencyKey;
    use tagpost_core::message::Urgency;

    use super::*;
    use crate::client::Client;

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
            .escalate(Target::Tag("managers".parse().unwrap()), 60)
            .escalate(Target::Device("boss".parse().unwrap()), 300)
            .escalate(Target::Match("all & !away".parse().unwrap()), 900)
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
            (
                "escalate",
                "managers;after=60, @boss;after=300, all & !away;after=900",
            ),
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
