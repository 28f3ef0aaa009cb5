//! What is set of a webhook, and what is told of it.

use serde::{Deserialize, Serialize};

use super::{Address, address::Service};
use crate::json;
use crate::problem::Problem;
use crate::time::Millis;

/// The longest body that sets a webhook, in bytes.
pub const MAX_BODY: usize = 8_192;

/// The most requests to an address at a time.
const MAX_IN_FLIGHT: u32 = 16;

/// The most seconds that an address may take to answer.
pub const MAX_TIMEOUT: u32 = 60;

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Events {
    /// The messages for the device.
    Message,
    /// The receipts of what the device has sent.
    Receipt,
}

/// What is set of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Where to post.
    pub url: Address,
    /// How many requests are made at a time. Only with 1 is there an order.
    pub max_in_flight: u32,
    /// How many seconds the address may take to answer.
    pub timeout: u32,
    /// What is posted.
    pub events: Vec<Events>,
    /// Where the service is reached, by which a request tells where it comes from.
    pub origin: String,
}

/// Why nothing is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Since when.
    pub at: Millis,
    /// What the address had answered.
    pub status: u16,
}

/// A webhook as its owner sees it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookStatus {
    /// Where to post.
    pub url: Address,
    /// How many requests are made at a time.
    pub max_in_flight: u32,
    /// How many seconds the address may take to answer.
    pub timeout: u32,
    /// What is posted.
    pub events: Vec<Events>,
    /// Why nothing is posted.
    pub disabled: Option<Disabled>,
}

impl Setting {
    /// Reads a body.
    ///
    /// # Errors
    /// `bad_request` names the field, and repeats no part of the address.
    pub fn read(body: &[u8], service: Service<'_>) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Body {
            url: String,
            #[serde(default = "one")]
            max_in_flight: serde_json::Number,
            #[serde(default = "fifteen")]
            timeout: serde_json::Number,
            #[serde(default = "messages")]
            events: Vec<Events>,
        }
        let invalid = |error: &dyn std::fmt::Display| {
            Problem::bad_request(format!("the body is not valid: {error}"))
        };
        let body = str::from_utf8(body).map_err(|error| invalid(&error))?;
        let body: Body = json::object(body).map_err(|error| invalid(&error))?;
        let url = Address::read(body.url, service);
        let mut events = body.events;
        events.sort_unstable();
        events.dedup();
        if events.is_empty() {
            return Err(Problem::bad_request("events must name at least one"));
        }
        Ok(Self {
            url: url.map_err(|why| Problem::bad_request(format!("url {why}")))?,
            max_in_flight: whole("max_in_flight", &body.max_in_flight, MAX_IN_FLIGHT)?,
            timeout: whole("timeout", &body.timeout, MAX_TIMEOUT)?,
            events,
            origin: service.own.first().copied().unwrap_or_default().to_owned(),
        })
    }

    /// Whether this is posted.
    pub fn posts(&self, event: Events) -> bool {
        self.events.contains(&event)
    }

    /// How long a request may take, in milliseconds.
    pub fn timeout_ms(&self) -> Millis {
        i64::from(self.timeout) * 1000
    }

    /// What is told of it.
    pub fn status(&self, disabled: Option<Disabled>) -> WebhookStatus {
        WebhookStatus {
            url: self.url.clone(),
            max_in_flight: self.max_in_flight,
            timeout: self.timeout,
            events: self.events.clone(),
            disabled,
        }
    }
}

fn whole(field: &str, number: &serde_json::Number, most: u32) -> Result<u32, Problem> {
    let read = json::whole(&number.to_string()).and_then(|number| u32::try_from(number).ok());
    read.filter(|number| (1..=most).contains(number))
        .ok_or_else(|| {
            Problem::bad_request(format!("{field} must be a whole number from 1 to {most}"))
        })
}

fn one() -> serde_json::Number {
    1.into()
}

fn fifteen() -> serde_json::Number {
    15.into()
}

fn messages() -> Vec<Events> {
    vec![Events::Message]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Setting, String> {
        let service = Service {
            own: ["https://tagpost.example"; 2],
            is_local: false,
        };
        Setting::read(body.as_bytes(), service).map_err(|problem| problem.detail)
    }

    #[test]
    fn only_the_url_has_to_be_given() {
        let setting = read(r#"{"url":"https://hooks.example/x"}"#).unwrap();
        assert_eq!((setting.max_in_flight, setting.timeout), (1, 15));
        assert_eq!(setting.events, [Events::Message]);
        assert_eq!(setting.origin, "https://tagpost.example");
        let all = r#"{"url":"https://hooks.example/x","max_in_flight":16,"timeout":6e1,
            "events":["receipt","message","receipt"]}"#;
        let setting = read(all).unwrap();
        assert_eq!((setting.max_in_flight, setting.timeout), (16, 60));
        assert_eq!(setting.events, [Events::Message, Events::Receipt]);
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named_without_the_address() {
        for (body, wrong) in [
            ("x", "not JSON"),
            ("[]", "not a JSON object"),
            ("{}", "missing field `url`"),
            (
                r#"{"url":"http://a.example/secret"}"#,
                "url must be an https URL",
            ),
            (
                r#"{"url":"https://10.0.0.1/secret"}"#,
                "url must lead to a public host",
            ),
            (
                r#"{"url":"https://tagpost.example/secret"}"#,
                "url must not lead to this service",
            ),
            (
                r#"{"url":"https://a.example/secret","max_in_flight":17}"#,
                "max_in_flight must be a whole number from 1 to 16",
            ),
            (
                r#"{"url":"https://a.example/secret","timeout":0}"#,
                "timeout must be a whole number from 1 to 60",
            ),
            (
                r#"{"url":"https://a.example/secret","timeout":1.5}"#,
                "timeout must",
            ),
            (
                r#"{"url":"https://a.example/secret","events":[]}"#,
                "events must",
            ),
            (
                r#"{"url":"https://a.example/secret","events":["news"]}"#,
                "unknown variant `news`",
            ),
        ] {
            let found = read(body).unwrap_err();
            assert!(found.contains(wrong), "{body}: {found}");
            assert!(!found.contains("secret"), "{found}");
        }
    }
}
