//! Reading frames, as far as devices and the claims need it.

use serde::Deserialize;
use tagpost_core::delivery::Withdrawal;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::message::Urgency;
use tagpost_core::protocol::Receipt;
use tagpost_core::time::Millis;

use super::push::frames::ToAgent;
use crate::claims::{Checked, broken};

/// A frame from the service.
#[derive(Debug)]
pub(super) enum Said {
    Welcome(WelcomeFrame),
    Message(MessageFrame),
    Receipt(Receipt),
    Published(PublishedFrame),
    Withdrawn(WithdrawnFrame),
    /// To a user agent of Web Push.
    Agent(ToAgent),
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct MessageFrame {
    pub(super) id: MessageId,
    pub(super) from: DeviceId,
    pub(super) sent_at: Millis,
    pub(super) expires_at: Millis,
    pub(super) attempt: u32,
    pub(super) urgency: Urgency,
}

#[derive(Debug, Deserialize)]
pub(super) struct PublishedFrame {
    #[serde(rename = "ref")]
    pub(super) reference: String,
    pub(super) id: MessageId,
}

#[derive(Debug, Deserialize)]
pub(super) struct WelcomeFrame {
    pub(super) held: u32,
    #[serde(default)]
    pub(super) in_progress: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct WithdrawnFrame {
    pub(super) id: MessageId,
    pub(super) reason: Withdrawal,
}

/// The message that a frame from a device answers.
pub(super) fn answered(frame: &str) -> Option<MessageId> {
    #[derive(Deserialize)]
    struct Answer {
        r#type: String,
        id: MessageId,
    }
    let answer: Answer = serde_json::from_str(frame).ok()?;
    ["ack", "nack"]
        .contains(&answer.r#type.as_str())
        .then_some(answer.id)
}

/// Whether a frame tells that a publish is refused after all.
pub(super) fn refuses_publish(frame: &str) -> bool {
    #[derive(Deserialize)]
    struct Error {
        r#type: String,
        code: String,
    }
    let error = serde_json::from_str::<Error>(frame);
    error.is_ok_and(|it| {
        it.r#type == "error" && ["unknown_device", "unavailable"].contains(&it.code.as_str())
    })
}

/// Reads a frame from the service.
pub(super) fn read(frame: &str) -> Checked<Said> {
    let is = |kind: &str| {
        let rest = frame.strip_prefix(r#"{"type":""#);
        rest.is_some_and(|rest| rest.starts_with(kind))
    };
    Ok(if is("message\"") {
        Said::Message(serde_json::from_str(frame).map_err(broken)?)
    } else if is("receipt\"") {
        Said::Receipt(serde_json::from_str(frame).map_err(broken)?)
    } else if is("published\"") {
        Said::Published(serde_json::from_str(frame).map_err(broken)?)
    } else if is("withdrawn\"") {
        Said::Withdrawn(serde_json::from_str(frame).map_err(broken)?)
    } else if is("welcome\"") {
        Said::Welcome(serde_json::from_str(frame).map_err(broken)?)
    } else {
        Said::Other
    })
}
