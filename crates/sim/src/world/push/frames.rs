//! The frames of Web Push, as far as user agents and the claims need them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use serde::Deserialize;
use serde_json::{Value, json};
use tagpost_core::id::MessageId;
use tagpost_core::publish::Draft;
use tagpost_core::web_push::channel::Channel;

use crate::claims::{Checked, broken};

/// A frame from the service to a user agent.
#[derive(Debug, Clone)]
pub(crate) enum ToAgent {
    /// Its id from now on.
    Hello { uaid: String },
    /// A channel is registered, or that failed.
    Registered { channel: String, endpoint: String },
    /// A message.
    Notification(Notification),
    /// Anything else.
    Other,
}

/// A message of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) channel: String,
    pub(crate) id: MessageId,
    /// The publish behind it.
    pub(crate) op: u32,
}

/// Reads a frame from the service.
pub(super) fn read(frame: &str) -> Checked<ToAgent> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        message_type: String,
        uaid: Option<String>,
        #[serde(rename = "channelID")]
        channel: Option<String>,
        push_endpoint: Option<String>,
        version: Option<MessageId>,
        data: Option<String>,
    }
    if frame == "{}" {
        return Ok(ToAgent::Other);
    }
    let fields: Fields = serde_json::from_str(frame).map_err(broken)?;
    let missing = |what: &str| broken(format!("no {what}: {frame}"));
    let channel = fields.channel.ok_or_else(|| missing("channelID"));
    Ok(match fields.message_type.as_str() {
        "hello" => ToAgent::Hello {
            uaid: fields.uaid.ok_or_else(|| missing("uaid"))?,
        },
        "register" => ToAgent::Registered {
            channel: channel?,
            endpoint: fields
                .push_endpoint
                .ok_or_else(|| missing("pushEndpoint"))?,
        },
        "notification" => ToAgent::Notification(Notification {
            channel: channel?,
            id: fields.version.ok_or_else(|| missing("version"))?,
            op: op_of(&fields.data.unwrap_or_default()).ok_or_else(|| missing("number"))?,
        }),
        "unregister" => ToAgent::Other,
        other => return Err(broken(format!("a frame of the type {other}"))),
    })
}

/// The body of a push: the number of its publish.
pub(super) fn body(op: u32) -> Vec<u8> {
    op.to_string().into_bytes()
}

/// The number that a body carries, as a user agent gets it.
fn op_of(data: &str) -> Option<u32> {
    let body = BASE64_URL.decode(data).ok()?;
    std::str::from_utf8(&body).ok()?.parse().ok()
}

/// The number that a payload carries.
pub(crate) fn op_of_payload(payload: &str) -> Checked<u32> {
    #[derive(Deserialize)]
    struct Content {
        data: String,
    }
    let content: Content = serde_json::from_str(payload).map_err(broken)?;
    op_of(&content.data).ok_or_else(|| broken(format!("no number: {payload}")))
}

/// The number that a draft carries.
pub(in crate::world) fn op_of_draft(draft: &str) -> Checked<u32> {
    let draft: Draft = serde_json::from_str(draft).map_err(broken)?;
    op_of_payload(draft.payload.get())
}

/// What a user agent says of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) id: MessageId,
    pub(crate) code: u32,
}

/// The first code of those that a `nack` has.
pub(super) const NACK: u32 = 301;

/// The frame of these answers: one `ack`, or one `nack`.
pub(super) fn answers(answers: &[Answer], channel: &str) -> String {
    if let [Answer { id, code }] = answers
        && *code >= NACK
    {
        return json!({"messageType": "nack", "version": id, "code": code}).to_string();
    }
    let updates = answers
        .iter()
        .map(|Answer { id, code }| match code {
            // Some user agents name no code.
            0 => json!({"channelID": channel, "version": id}),
            code => json!({"channelID": channel, "version": id, "code": code}),
        })
        .collect::<Vec<Value>>();
    json!({"messageType": "ack", "updates": updates}).to_string()
}

/// The answers in a frame of a user agent.
pub(super) fn answers_in(frame: &str) -> Vec<Answer> {
    let Ok(fields) = serde_json::from_str::<Value>(frame) else {
        return Vec::new();
    };
    let read = |fields: &Value| {
        let id = fields["version"].as_str()?.parse().ok()?;
        let code = fields["code"].as_u64().unwrap_or(0);
        let code = u32::try_from(code).ok()?;
        Some(Answer { id, code })
    };
    match fields["messageType"].as_str() {
        Some("ack") => {
            let updates = fields["updates"].as_array();
            updates.into_iter().flatten().filter_map(read).collect()
        }
        Some("nack") => read(&fields).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The channel that a frame of a user agent removes.
pub(super) fn removed_in(frame: &str) -> Option<Channel> {
    let fields: Value = serde_json::from_str(frame).ok()?;
    let removes = fields["messageType"] == "unregister";
    fields["channelID"]
        .as_str()
        .filter(|_| removes)?
        .parse()
        .ok()
}
