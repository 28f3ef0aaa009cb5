//! The wire protocol `tagpost.v1` from the device's side: what the service says, and what is answered.
//!
//! A frame of an unknown type, or with fields that are new, is not an error: the service may be newer
//! than this client. Not here: when a frame is sent, which the connection decides.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tagpost_core::call::Progress;
use tagpost_core::delivery::Withdrawal;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::protocol::Receipt;

use crate::message::Message;

/// The keep-alive text and its answer.
pub(crate) const PING: &str = "ping";
pub(crate) const PONG: &str = "pong";

/// What the service says.
#[derive(Debug)]
pub(crate) enum FromService {
    Welcome(Welcome),
    Message(Message),
    Receipt(Receipt),
    /// A recipient works on a message that this device sent.
    Progress(Progress),
    /// A message of this device has ended without its answer.
    Withdrawn {
        id: MessageId,
        reason: Withdrawal,
    },
    /// A frame of this client could not be taken: the answer to this message, where that is said.
    Error {
        detail: String,
        answer_to: Option<MessageId>,
    },
    /// A type that came after this client.
    Unknown,
}

/// The first frame of a connection: who the device is, and what to expect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Welcome {
    /// Whom the token speaks for.
    pub device: DeviceId,
    /// How many messages wait for it, without those in progress.
    pub held: u32,
    /// How many messages it works on.
    #[serde(default)]
    pub in_progress: u32,
    /// Seconds between signs of life.
    pub keepalive: u32,
    /// How many messages come unacknowledged.
    pub max_in_flight: u32,
}

impl FromService {
    /// Reads a text frame that is not [`PONG`].
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
        }
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
            r#ref: Option<String>,
        }
        #[derive(Deserialize)]
        struct Withdrawn {
            id: MessageId,
            reason: Withdrawal,
        }
        // A payload is kept as it was written, which serde's tagged enums do not support.
        let kind: Kind = serde_json::from_str(text)?;
        Ok(match kind.r#type.as_str() {
            "welcome" => Self::Welcome(serde_json::from_str(text)?),
            "message" => Self::Message(serde_json::from_str(text)?),
            "receipt" => Self::Receipt(serde_json::from_str(text)?),
            "progress" => Self::Progress(serde_json::from_str(text)?),
            "withdrawn" => match serde_json::from_str(text) {
                Ok(Withdrawn { id, reason }) => Self::Withdrawn { id, reason },
                // A reason that came after this client.
                Err(_) => Self::Unknown,
            },
            "error" => {
                let Problem { detail, r#ref } = serde_json::from_str(text)?;
                Self::Error {
                    detail,
                    answer_to: r#ref.and_then(|id| id.parse().ok()),
                }
            }
            _ => Self::Unknown,
        })
    }
}

/// What the device says. The `ref` of an answer is the id of its message, so that an error frame tells
/// which answer it is about.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ToService<'a> {
    Ack {
        id: MessageId,
        r#ref: MessageId,
        #[serde(skip_serializing_if = "Option::is_none")]
        reply: Option<&'a RawValue>,
    },
    Nack {
        id: MessageId,
        r#ref: MessageId,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// Without a `ref`: an error about it is not about the answer.
    Progress {
        id: MessageId,
        #[serde(rename = "for")]
        seconds: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<&'a str>,
    },
    ReceiptsSeen {
        seq: i64,
    },
}

impl ToService<'_> {
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tagpost_core::limits::Limits;
    use tagpost_core::protocol::tagpost_v1::{MAX_REASON, TagpostV1};
    use tagpost_core::protocol::{BadFrame, Codec, Frame, FromDevice};

    use super::*;

    fn golden(name: &str) -> String {
        let directory =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden/to_device");
        fs::read_to_string(directory.join(name)).unwrap()
    }

    #[test]
    fn every_frame_of_the_service_is_understood() {
        let directory =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden/to_device");
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let frame = FromService::parse(&text).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            let fits = match &frame {
                FromService::Welcome(_) => name.starts_with("welcome"),
                FromService::Message(_) => name.starts_with("message"),
                FromService::Receipt(_) => name.starts_with("receipt"),
                FromService::Progress(_) => name.starts_with("progress"),
                FromService::Withdrawn { .. } => name.starts_with("withdrawn"),
                FromService::Error { .. } => name.starts_with("error"),
                // This client publishes over HTTP and so asks for no such answer.
                FromService::Unknown => name.starts_with("published"),
            };
            assert!(fits, "{name} was read as {frame:?}");
        }
    }

    #[test]
    fn a_frame_with_more_fields_or_of_a_new_type_is_no_error() {
        let welcome = golden("welcome.json").replace('{', r#"{"new":1,"#);
        assert!(matches!(
            FromService::parse(&welcome),
            Ok(FromService::Welcome(_))
        ));
        assert!(matches!(
            FromService::parse(r#"{"type":"new"}"#),
            Ok(FromService::Unknown)
        ));
        assert!(FromService::parse("{}").is_err() && FromService::parse("pong").is_err());
    }

    /// What the service reads in this.
    fn read(said: &ToService<'_>) -> Result<FromDevice, BadFrame> {
        TagpostV1.read(&Frame::Text(said.to_json().unwrap()), &Limits::default())
    }

    #[test]
    fn the_service_understands_what_is_said() {
        let id = "01HF7YAT00FYHWCCN200000007".parse().unwrap();
        let reply = RawValue::from_string(r#"{"opened":true}"#.to_owned()).unwrap();
        let read = |said: ToService<'_>| read(&said).unwrap();
        let ack = read(ToService::Ack {
            id,
            r#ref: id,
            reply: Some(&reply),
        });
        assert!(matches!(ack, FromDevice::Ack { reply: Some(it), .. } if it.get() == reply.get()));
        let ack = read(ToService::Ack {
            id,
            r#ref: id,
            reply: None,
        });
        assert!(matches!(ack, FromDevice::Ack { reply: None, .. }));
        let nack = read(ToService::Nack {
            id,
            r#ref: id,
            reason: Some("no"),
        });
        assert!(matches!(nack, FromDevice::Nack { reason: Some(it), .. } if it == "no"));
        let progress = read(ToService::Progress {
            id,
            seconds: 60,
            note: Some("digging"),
        });
        assert!(
            matches!(progress, FromDevice::Progress { seconds: Some(60), note: Some(it), .. } if it == "digging")
        );
        let seen = read(ToService::ReceiptsSeen { seq: 7 });
        assert!(matches!(seen, FromDevice::ReceiptsSeen { seq: 7 }));
    }

    #[test]
    fn the_error_about_an_answer_names_its_message() {
        let id: MessageId = "01HF7YAT00FYHWCCN200000007".parse().unwrap();
        let reason = "x".repeat(MAX_REASON + 1);
        let nack = ToService::Nack {
            id,
            r#ref: id,
            reason: Some(&reason),
        };
        let bad = read(&nack).unwrap_err();
        assert_eq!(bad.reference, Some(id.to_string()));
        let error = format!(r#"{{"type":"error","code":"bad_frame","detail":"d","ref":"{id}"}}"#);
        let error = FromService::parse(&error).unwrap();
        assert!(matches!(error, FromService::Error { answer_to: Some(it), .. } if it == id));
    }
}
