//! What has failed, as the operator sees it; and sending a message again.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tagpost_core::delivery::State;
use tagpost_core::failure::FailedDelivery;
use tagpost_core::id::{DeviceId, IdempotencyKey, MessageId};
use tagpost_core::time::Millis;

use crate::client::{Client, Request};
use crate::error::Error;
use crate::publish::random_key;
use crate::trace::Trace;

/// Which failures are listed; by default all that the service keeps.
#[derive(Debug, Clone, Default)]
pub struct FailureFilter {
    /// Those from this time on.
    pub since: Option<Millis>,
    /// Those in this state: `expired`, `undeliverable`, `refused` or `rejected`.
    pub state: Option<State>,
    /// Those of messages that were published to this tag or expression.
    pub tag: Option<String>,
    /// Those of this recipient.
    pub device: Option<DeviceId>,
    /// Those of this sender.
    pub sender: Option<DeviceId>,
}

/// A page of failures.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Failures {
    /// The failed deliveries, newest first.
    #[serde(rename = "failures")]
    pub entries: Vec<FailedDelivery>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<String>,
    /// Whether the service lists no more failures: it is configured with `FAILURES=off`.
    #[serde(default, rename = "off")]
    pub is_off: bool,
}

impl FailureFilter {
    fn query(&self, limit: u32, after: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let state = self.state.map(|state| state.to_string());
        for (name, value) in [
            ("limit", Some(limit.to_string())),
            ("since", self.since.map(|since| since.to_string())),
            ("state", state),
            ("tag", self.tag.clone()),
            ("device", self.device.as_ref().map(ToString::to_string)),
            ("sender", self.sender.as_ref().map(ToString::to_string)),
            ("cursor", after.map(ToOwned::to_owned)),
        ] {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }
}

impl Client {
    /// A page of the failed deliveries of all senders, newest first, at most `limit` (1,000); `after` is the `next` of
    /// the page before. A page of a filtered list may have fewer, or none, and still not be the last. For the admin.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn failures(
        &self,
        filter: &FailureFilter,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Failures, Error> {
        let path = format!("/v1/failures?{}", filter.query(limit, after));
        self.send(&Request::get(path)).await?.json()
    }

    /// Sends a message again to the devices that its delivery has failed for, or to these of them if any are named. The
    /// request is repeated until it is answered, and makes one message; with a `key` of your own, across crashes, too.
    /// For its sender, and the admin.
    ///
    /// # Errors
    /// [`Error::Refused`]: `nothing_failed`, or `payload_gone` if the payload is not kept any more.
    /// [`Error::Unreachable`], [`Error::Random`].
    pub async fn resend(
        &self,
        id: MessageId,
        devices: &[DeviceId],
        key: Option<&IdempotencyKey>,
    ) -> Result<Trace, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            devices: &'a [DeviceId],
        }
        let mut request = Request::new(Method::POST, format!("/v1/messages/{id}/resend"));
        if !devices.is_empty() {
            request.body = serde_json::to_vec(&Body { devices })?;
        }
        let key = match key {
            Some(key) => key.to_string(),
            None => random_key()?,
        };
        let key = HeaderValue::try_from(key);
        let key = key.map_err(|_| Error::Header("idempotency-key".to_owned()))?;
        request.headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (HeaderName::from_static("idempotency-key"), key),
        ]);
        self.send(&request.waiting(1)).await?.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_query_and_what_is_absent_is_not_in_it() {
        assert_eq!(FailureFilter::default().query(7, None), "limit=7");
        let filter = FailureFilter {
            since: Some(5),
            state: Some(State::Expired),
            tag: Some("hall & !muted".to_owned()),
            device: Some("cam".parse().unwrap()),
            sender: Some("bell".parse().unwrap()),
        };
        let expected = "limit=7&since=5&state=expired&tag=hall+%26+%21muted&device=cam&sender=bell&cursor=9-x-cam";
        assert_eq!(filter.query(7, Some("9-x-cam")), expected);
    }
}
