//! The deliveries of a message: the answer to its publish, and its trace.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tagpost_core::delivery::State;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::message::Target;
use tagpost_core::time::Millis;

use crate::client::{Client, Request};
use crate::error::Error;
use crate::payload::PayloadError;
use crate::step::{Escalation, Step};

/// A message as its sender sees it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Trace {
    /// Its id.
    pub id: MessageId,
    /// The tag or device that it was published to.
    pub to: Target,
    /// When the service accepted it.
    pub accepted_at: Millis,
    /// When it expires: it is not delivered after that.
    pub expires_at: Millis,
    /// How many acknowledgements are enough, if the sender said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acks_needed: Option<u32>,
    /// When there were enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enough_at: Option<Millis>,
    /// The steps of its escalation that may still be taken, the next first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
    /// When it was or will be handed over, if the sender named a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver_at: Option<Millis>,
    /// The message that it sends again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend_of: Option<MessageId>,
    /// The last messages that sent it again, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resent_as: Vec<MessageId>,
    /// Its own state, if it has no deliveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MessageState>,
    /// Why it was refused, if it has no deliveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// One for each device.
    pub deliveries: Vec<Delivery>,
    /// How many deliveries are in which state.
    pub summary: BTreeMap<State, u64>,
    /// Every step so far, oldest first. Only traces have it: not the answer to a publish.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Step>,
}

/// One message to one device.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Delivery {
    /// The device.
    pub device: DeviceId,
    /// The state it is in.
    pub state: State,
    /// Since when.
    pub at: Millis,
    /// How often it was sent.
    pub attempts: u32,
    /// What the device answered with its acknowledgement, as written in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Box<RawValue>>,
    /// Whether the answer of an address was longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reply_truncated: bool,
    /// Why it was rejected or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A page of the messages that a device sent.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct MessagePage {
    /// The messages, newest first.
    pub messages: Vec<Trace>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<MessageId>,
}

/// The payload of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// The media type that its sender named.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Trace {
    /// Whether every delivery is in a terminal state and no step is left, so that nothing more will come.
    pub fn is_settled(&self) -> bool {
        let is_scheduled = self.state == Some(MessageState::Scheduled);
        let may_grow = is_scheduled || !self.escalate.is_empty();
        let mut deliveries = self.deliveries.iter();
        !may_grow && deliveries.all(|delivery| delivery.state.is_terminal())
    }
}

/// The state of a message without deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MessageState {
    /// It is handed over at its time.
    Scheduled,
    /// Its sender cancelled it before that.
    Cancelled,
    /// At its time its target led nowhere.
    Refused,
}

impl MessageState {
    /// Its name, as written in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
        }
    }
}

impl Delivery {
    /// What the device answered with its acknowledgement, in a type of the application's; `None` if it answered
    /// nothing.
    ///
    /// ```
    /// # fn example(published: tagpost_client::Trace) -> Result<(), tagpost_client::PayloadError> {
    /// #[derive(serde::Deserialize)]
    /// struct Door {
    ///     opened: bool,
    /// }
    ///
    /// for delivery in &published.deliveries {
    ///     if let Some(door) = delivery.reply_as::<Door>()? {
    ///         println!("{}: {}, open: {}", delivery.device, delivery.state, door.opened);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// # let delivery = r#"{"device":"cam","state":"delivered","at":1,"attempts":1,"reply":{"opened":true}}"#;
    /// # let delivery: tagpost_client::Delivery = serde_json::from_str(delivery).unwrap();
    /// # #[derive(Debug, PartialEq, serde::Deserialize)]
    /// # struct Opened { opened: bool }
    /// # assert_eq!(delivery.reply_as(), Ok(Some(Opened { opened: true })));
    /// # assert!(delivery.reply_as::<u32>().is_err());
    /// ```
    ///
    /// # Errors
    /// The reply is not of this shape.
    pub fn reply_as<T: DeserializeOwned>(&self) -> Result<Option<T>, PayloadError> {
        let reply = self.reply.as_deref();
        let read = |reply: &RawValue| serde_json::from_str(reply.get()).map_err(PayloadError::new);
        reply.map(read).transpose()
    }
}

impl Client {
    /// The trace of a message so far. For its sender, and the admin.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn trace(&self, id: MessageId) -> Result<Trace, Error> {
        self.trace_within(id, 0).await
    }

    /// The trace of a message, as soon as every delivery is in a terminal state, or after this many seconds, up to
    /// 60.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn trace_within(&self, id: MessageId, seconds: u32) -> Result<Trace, Error> {
        let request = Request::get(format!("/v1/messages/{id}?wait={seconds}"));
        self.send(&request.waiting(seconds)).await?.json()
    }

    /// The payload of a message, as it was published, while a mailbox has it: the message waits or has failed. For its
    /// sender, and the admin.
    ///
    /// # Errors
    /// [`Error::Refused`]: `payload_gone` if it is not kept any more. [`Error::Unreachable`].
    pub async fn payload(&self, id: MessageId) -> Result<Payload, Error> {
        let request = Request::get(format!("/v1/messages/{id}/payload"));
        let (content_type, bytes) = self.send(&request).await?.into_body();
        Ok(Payload {
            content_type: content_type.unwrap_or_default(),
            bytes,
        })
    }

    /// Cancels every delivery of a message that is not in a terminal state. Returns the trace.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn cancel(&self, id: MessageId) -> Result<Trace, Error> {
        let request = Request::new(Method::DELETE, format!("/v1/messages/{id}"));
        self.send(&request).await?.json()
    }

    /// A page of the messages that this device sent, at most 1,000: those with a delivery in `state`, or
    /// all; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn messages(
        &self,
        state: Option<State>,
        limit: u32,
        after: Option<MessageId>,
    ) -> Result<MessagePage, Error> {
        let path = format!("/v1/messages?{}", query(state, limit, after));
        self.send(&Request::get(path)).await?.json()
    }

    /// A page of the messages that a device sent, as [`Client::messages`] has it. For the admin, and the device itself.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn messages_of(
        &self,
        device: &DeviceId,
        state: Option<State>,
        limit: u32,
        after: Option<MessageId>,
    ) -> Result<MessagePage, Error> {
        let query = query(state, limit, after);
        let path = format!("/v1/devices/{device}/messages?{query}");
        self.send(&Request::get(path)).await?.json()
    }
}

/// The query of a page. Nothing in it would have to be escaped.
fn query(state: Option<State>, limit: u32, after: Option<MessageId>) -> String {
    let state = state.map(|state| format!("&state={state}"));
    let after = after.map(|after| format!("&cursor={after}"));
    let (state, after) = (state.unwrap_or_default(), after.unwrap_or_default());
    format!("limit={limit}{state}{after}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_answer_of_the_service_is_understood_and_written_again_as_it_was() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden/answer");
        for name in [
            "publish",
            "publish-to-a-device",
            "publish-with-acks-needed",
            "publish-scheduled",
            "publish-resent",
            "listed-without-delivery",
            "trace",
            "trace-with-escalation",
        ] {
            let text = fs::read_to_string(directory.join(format!("{name}.json"))).unwrap();
            let trace: Trace = serde_json::from_str(&text).unwrap();
            assert_eq!(
                serde_json::to_string(&trace).unwrap(),
                text.trim_end(),
                "{name}"
            );
            let open = trace
                .deliveries
                .iter()
                .filter(|it| !it.state.is_terminal())
                .count();
            let is_scheduled = name == "publish-scheduled";
            assert_eq!(trace.is_settled(), open == 0 && !is_scheduled, "{name}");
        }
    }

    #[test]
    fn a_message_with_a_step_left_is_not_settled() {
        let text = r#"{"id":"01HF7YAT00FYHWCCN200000007","to":{"tag":"on-call"},"accepted_at":0,"expires_at":9,"acks_needed":1,"escalate":[{"to":{"device":"boss"},"after":5}],"deliveries":[{"device":"anna","state":"rejected","at":1,"attempts":1}],"summary":{"rejected":1}}"#;
        let mut trace: Trace = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&trace).unwrap(), text);
        assert!(!trace.is_settled());
        trace.escalate.clear();
        assert!(trace.is_settled());
    }

    #[test]
    fn a_page_is_asked_for_with_what_is_said_of_it() {
        assert_eq!(query(None, 7, None), "limit=7");
        let after = "01HF7YAT00FYHWCCN200000007".parse().ok();
        assert_eq!(
            query(Some(State::Held), 7, after),
            "limit=7&state=held&cursor=01HF7YAT00FYHWCCN200000007"
        );
    }

    #[test]
    fn a_state_has_the_name_that_stands_in_answers() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for state in [
            MessageState::Scheduled,
            MessageState::Cancelled,
            MessageState::Refused,
        ] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
