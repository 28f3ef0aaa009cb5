//! A message that came in, and the answer to it.
//!
//! An answer is given once; the first one counts. It is kept until the service has it, through lost
//! connections, for as long as the inbox lives. Not here: when it goes out.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tagpost_core::id::{DeviceId, MessageId, Topic};
use tagpost_core::json::{MAX_DEPTH, is_deeper};
use tagpost_core::message::{Encoding, Target, Urgency};
use tagpost_core::protocol::tagpost_v1::{MAX_NOTE, MAX_REASON, MAX_REPLY_BYTES};
use tagpost_core::time::Millis;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::connection::Command;
use crate::frame::ToService;
use crate::payload::{self, PayloadError};
use crate::progress::End;

/// A message for this device.
///
/// An unanswered message is sent again a few times and then reported `undeliverable`. Repeats do not reach the
/// application.
#[derive(Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Message {
    /// Its id: the same each time that it is sent.
    pub id: MessageId,
    /// The device that sent it.
    pub from: DeviceId,
    /// Its target: a tag, or this device.
    pub to: Target,
    /// When the service accepted it.
    pub sent_at: Millis,
    /// When it expires: the service does not deliver it after that.
    pub expires_at: Millis,
    /// How often the service has sent it: 1 for the first time.
    pub attempt: u32,
    /// Its urgency.
    pub urgency: Urgency,
    /// Its topic: a newer message of the same sender and topic replaces it.
    pub topic: Option<Topic>,
    /// The media type of the payload.
    pub content_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    payload: Box<RawValue>,
    #[serde(skip)]
    link: Link,
}

/// Why an answer was refused. The message is still unanswered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A reply may have 4096 bytes of JSON.
    #[error("a reply may have {MAX_REPLY_BYTES} bytes of JSON, this one has {0}")]
    ReplyTooLong(usize),
    /// A reply may have 100 levels of arrays and objects.
    #[error("a reply may have {MAX_DEPTH} levels of arrays and objects, this one has more")]
    ReplyTooDeep,
    /// A reason may have 256 characters.
    #[error("a reason may have {MAX_REASON} characters, this one has {0}")]
    ReasonTooLong(usize),
    /// Progress may be for 1 to 86,400 seconds.
    #[error("progress may be for 1 to 86400 seconds, not for {0}")]
    Seconds(u32),
    /// A note may have 256 characters.
    #[error("a note may have {MAX_NOTE} characters, this one has {0}")]
    NoteTooLong(usize),
    /// The reply cannot be expressed in JSON.
    #[error("the reply is not JSON: {0}")]
    NotJson(String),
    /// The inbox is closed, or ended. The service will send the message again on the device's next connection.
    #[error("the inbox is closed")]
    Closed,
}

impl Message {
    /// Acknowledges the message.
    ///
    /// # Errors
    /// [`AnswerError::Closed`].
    pub fn ack(&self) -> Result<(), AnswerError> {
        self.answer(ToService::Ack {
            id: self.id,
            r#ref: self.id,
            reply: None,
        })
    }

    /// Acknowledges the message with a reply, which its sender gets.
    ///
    /// # Errors
    /// [`AnswerError::ReplyTooLong`], [`AnswerError::ReplyTooDeep`], [`AnswerError::NotJson`],
    /// [`AnswerError::Closed`].
    pub fn reply<T: Serialize + ?Sized>(&self, reply: &T) -> Result<(), AnswerError> {
        let not_json = |error: serde_json::Error| AnswerError::NotJson(error.to_string());
        let reply = serde_json::value::to_raw_value(reply).map_err(not_json)?;
        let length = reply.get().len();
        if length > MAX_REPLY_BYTES {
            return Err(AnswerError::ReplyTooLong(length));
        }
        if is_deeper(reply.get(), MAX_DEPTH) {
            return Err(AnswerError::ReplyTooDeep);
        }
        self.answer(ToService::Ack {
            id: self.id,
            r#ref: self.id,
            reply: Some(&reply),
        })
    }

    /// Rejects the message; its sender gets the reason.
    ///
    /// # Errors
    /// [`AnswerError::ReasonTooLong`], [`AnswerError::Closed`].
    pub fn nack(&self, reason: &str) -> Result<(), AnswerError> {
        nack(self.id, reason, self.commands()?)
    }

    /// The payload's own bytes, whatever they are.
    ///
    /// # Errors
    /// What the service sent as base64 is not base64.
    pub fn bytes(&self) -> Result<Vec<u8>, PayloadError> {
        payload::bytes(&self.content_type, self.encoding, &self.payload)
    }

    /// The payload as text.
    ///
    /// # Errors
    /// The payload is not UTF-8.
    pub fn text(&self) -> Result<String, PayloadError> {
        payload::text(self.bytes()?)
    }

    /// The payload as JSON.
    ///
    /// # Errors
    /// The payload is no JSON, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        serde_json::from_slice(&self.bytes()?).map_err(PayloadError::new)
    }

    /// The message, able to be answered, and to learn of its end.
    pub(crate) fn with(mut self, commands: &UnboundedSender<Command>, end: End) -> Self {
        self.link = Link(Some((commands.clone(), end)));
        self
    }

    /// Where answers go.
    pub(crate) fn commands(&self) -> Result<&UnboundedSender<Command>, AnswerError> {
        let (commands, _) = self.link.0.as_ref().ok_or(AnswerError::Closed)?;
        Ok(commands)
    }

    /// Where its end is told.
    pub(crate) fn end(&self) -> End {
        match &self.link.0 {
            Some((_, end)) => end.clone(),
            None => watch::channel(None).1,
        }
    }

    fn answer(&self, frame: ToService) -> Result<(), AnswerError> {
        answer(self.id, frame, self.commands()?)
    }
}

/// Rejects a message, of which no more than the id is needed.
pub(crate) fn nack(
    id: MessageId,
    reason: &str,
    answers: &UnboundedSender<Command>,
) -> Result<(), AnswerError> {
    let length = reason.chars().count();
    if length > MAX_REASON {
        return Err(AnswerError::ReasonTooLong(length));
    }
    let reason = Some(reason).filter(|reason| !reason.is_empty());
    let r#ref = id;
    answer(id, ToService::Nack { id, r#ref, reason }, answers)
}

fn answer(
    id: MessageId,
    frame: ToService,
    answers: &UnboundedSender<Command>,
) -> Result<(), AnswerError> {
    let frame = frame.to_json();
    let frame = frame.map_err(|error| AnswerError::NotJson(error.to_string()))?;
    let command = Command::Answer { id, frame };
    answers.send(command).map_err(|_| AnswerError::Closed)
}

/// Where answers go, and where its end is told; nowhere for a message that did not come from a connection.
#[derive(Default)]
struct Link(Option<(UnboundedSender<Command>, End)>);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    fn message(content_type: &str, encoding: Option<&str>, payload: &str) -> Message {
        let encoding = encoding.map_or(String::new(), |name| format!(r#""encoding":"{name}","#));
        let json = format!(
            r#"{{"id":"01HF7YAT00FYHWCCN200000007","from":"doorbell","to":{{"tag":"kitchen"}},"sent_at":1,
            "expires_at":2,"attempt":1,"urgency":"normal","topic":null,"content_type":"{content_type}",{encoding}
            "payload":{payload}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn answerable() -> (Message, UnboundedReceiver<Command>) {
        let (commands, received) = unbounded_channel();
        (
            message("text/plain", None, r#""hi""#).with(&commands, watch::channel(None).1),
            received,
        )
    }

    #[test]
    fn the_payload_is_had_back_as_it_was_published() {
        for (content_type, encoding, payload, bytes) in [
            (
                "application/json",
                None,
                r#"{ "a" : 1.50 }"#,
                &br#"{ "a" : 1.50 }"#[..],
            ),
            ("application/json", None, r#""text""#, br#""text""#),
            (
                "application/vnd.x+json; v=1",
                None,
                r#""text""#,
                br#""text""#,
            ),
            (
                "text/plain; charset=utf-8",
                None,
                r#""it \"rings\"\n""#,
                b"it \"rings\"\n",
            ),
            ("image/png", Some("base64"), r#""iVBORw==""#, b"\x89PNG"),
            ("text/plain", Some("base64"), r#""/w==""#, b"\xff"),
        ] {
            let message = message(content_type, encoding, payload);
            assert_eq!(
                message.bytes().as_deref(),
                Ok(bytes),
                "{content_type} {payload}"
            );
        }
    }

    #[test]
    fn a_payload_that_is_not_what_was_asked_for_is_an_error() {
        let bytes = message("image/png", Some("base64"), r#""/w==""#);
        assert!(bytes.text().is_err() && bytes.json::<u8>().is_err());
        assert!(
            message("image/png", Some("base64"), r#""?""#)
                .bytes()
                .is_err()
        );
        assert!(message("image/png", Some("base64"), "1").bytes().is_err());
        assert_eq!(message("application/json", None, "7").json::<u8>(), Ok(7));
    }

    #[test]
    fn an_answer_that_the_service_would_not_take_is_refused_and_another_may_follow() {
        let (message, mut received) = answerable();
        // The quotes count too.
        let long = "x".repeat(MAX_REPLY_BYTES - 1);
        assert_eq!(
            message.reply(&long),
            Err(AnswerError::ReplyTooLong(MAX_REPLY_BYTES + 1))
        );
        let long = "ä".repeat(MAX_REASON + 1);
        assert_eq!(
            message.nack(&long),
            Err(AnswerError::ReasonTooLong(MAX_REASON + 1))
        );
        assert!(received.try_recv().is_err());
        assert_eq!(message.reply(&"x".repeat(MAX_REPLY_BYTES - 2)), Ok(()));
        assert!(received.try_recv().is_ok());
    }

    #[test]
    fn a_reply_of_too_many_levels_is_refused() {
        let (message, mut received) = answerable();
        let nested = |levels: usize| {
            let json = format!("{}\"[{{\\\"[\"{}", "[".repeat(levels), "]".repeat(levels));
            RawValue::from_string(json).unwrap()
        };
        let refused = message.reply(&nested(MAX_DEPTH + 1));
        assert_eq!(refused, Err(AnswerError::ReplyTooDeep));
        assert!(received.try_recv().is_err());
        assert_eq!(message.reply(&nested(MAX_DEPTH)), Ok(()));
    }

    #[test]
    fn a_message_of_a_closed_inbox_cannot_be_answered() {
        let (message, received) = answerable();
        drop(received);
        assert_eq!(message.ack(), Err(AnswerError::Closed));
    }
}
