//! Reading what a user agent says.
//!
//! Lenient, as the clients in use need it: a field of the wrong type counts as absent, and a frame of an unknown type
//! is ignored.

use serde_json::Value;

use crate::id::MessageId;
use crate::problem::{Code, Problem};
use crate::protocol::{AgentFrame, BadFrame, FromDevice, Handled};
use crate::web_push::agent::AgentId;
use crate::web_push::channel::SenderKey;

/// The longest frame, in bytes: acknowledgements of more messages than can be in flight.
const MAX_FRAME: usize = 65_536;

/// Reads a text frame.
pub(super) fn frame(text: &str) -> Result<FromDevice, BadFrame> {
    if text.len() > MAX_FRAME {
        return Err(bad("the frame is too long"));
    }
    let fields = match serde_json::from_str(text) {
        Ok(fields @ Value::Object(_)) => fields,
        _ => return Err(bad("the frame must be a JSON object")),
    };
    let said = match (text_of(&fields, "messageType"), fields.get("messageType")) {
        (Some("ping"), _) | (_, None) => return Ok(FromDevice::Ping),
        (Some("hello"), _) => AgentFrame::Hello {
            agent: text_of(&fields, "uaid").and_then(AgentId::read),
        },
        (Some("register"), _) => register(&fields),
        (Some("unregister"), _) => AgentFrame::Unregister {
            name: name(&fields),
        },
        (Some("ack"), _) => AgentFrame::Handled(acks(&fields)),
        (Some("nack"), _) => {
            let failed = version(&fields).map(|id| (id, Handled::Failed));
            AgentFrame::Handled(failed.into_iter().collect())
        }
        _ => AgentFrame::Unknown,
    };
    Ok(FromDevice::Agent(said))
}

fn register(fields: &Value) -> AgentFrame {
    let name = name(fields);
    let key = match fields.get("key") {
        None | Some(Value::Null) => Some(None),
        Some(key) => key.as_str().and_then(SenderKey::read).map(Some),
    };
    AgentFrame::Register {
        subscription: name.parse().ok().zip(key),
        name,
    }
}

/// The messages that an `ack` names. Those without a valid version are left out.
fn acks(fields: &Value) -> Vec<(MessageId, Handled)> {
    let updates = fields.get("updates").and_then(Value::as_array);
    let handled = updates.into_iter().flatten().filter_map(|update| {
        let handled = match update.get("code").and_then(Value::as_i64) {
            Some(101) => Handled::Undecryptable,
            Some(102) => Handled::Undelivered,
            _ => Handled::Delivered,
        };
        Some((version(update)?, handled))
    });
    handled.collect()
}

fn version(fields: &Value) -> Option<MessageId> {
    text_of(fields, "version")?.parse().ok()
}

/// The channel's id, as it was sent.
fn name(fields: &Value) -> String {
    text_of(fields, "channelID").unwrap_or_default().to_owned()
}

fn text_of<'a>(fields: &'a Value, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str()
}

/// The frame is refused, for this reason.
pub(super) fn bad(detail: &str) -> BadFrame {
    BadFrame {
        problem: Problem::new(Code::BadFrame, detail),
        reference: None,
    }
}
