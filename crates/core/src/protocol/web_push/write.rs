//! Writing what the service says to a user agent.

use serde_json::{Value, json};

use crate::message::Message;
use crate::protocol::{ToAgent, ToDevice};
use crate::web_push::content::RECEIPT;

/// The text frame that says this; `None` if the protocol has none for it.
pub(super) fn text(said: &ToDevice<'_>) -> Option<String> {
    let frame = match *said {
        ToDevice::Pong => return Some(super::PING.to_owned()),
        ToDevice::Message { message, .. } => notification(message)?,
        ToDevice::Agent(ToAgent::Hello { agent }) => json!({
            "messageType": "hello",
            "uaid": agent.to_string(),
            "status": 200,
            "use_webpush": true,
            // There are none here, but some clients want the field.
            "broadcasts": {},
        }),
        ToDevice::Agent(ToAgent::Registered { name, endpoint }) => {
            // Some clients want an endpoint in a refusal, too.
            let (status, endpoint) = endpoint.map_or_else(|status| (status, ""), |url| (200, url));
            json!({
                "messageType": "register",
                "channelID": name,
                "status": status,
                "pushEndpoint": endpoint,
            })
        }
        ToDevice::Agent(ToAgent::Unregistered { name }) => json!({
            "messageType": "unregister",
            "channelID": name,
            "status": 200,
        }),
        ToDevice::Welcome { .. }
        | ToDevice::Receipt(_)
        | ToDevice::Withdrawn { .. }
        | ToDevice::Progress(_)
        | ToDevice::Published { .. }
        | ToDevice::Error { .. } => return None,
    };
    Some(frame.to_string())
}

/// The content of a message, with what identifies it.
fn notification(message: &Message) -> Option<Value> {
    let channel = message.from.channel()?;
    let mut frame: Value = serde_json::from_str(message.payload.get()).ok()?;
    let fields = frame.as_object_mut()?;
    fields.remove(RECEIPT);
    for (name, value) in [
        ("messageType", "notification".to_owned()),
        ("channelID", channel.to_string()),
        ("version", message.id.to_string()),
    ] {
        fields.insert(name.to_owned(), Value::String(value));
    }
    Some(frame)
}
