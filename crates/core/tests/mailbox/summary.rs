//! Answers and outputs in short words, to be compared with.

use serde_json::Value;
use tagpost_core::call::{Call, DeliveryStatus};
use tagpost_core::delivery::Delivery;
use tagpost_core::failure::FailedDelivery;
use tagpost_core::mailbox::{Output, PostPurpose};
use tagpost_core::message::Target;
use tagpost_core::protocol::Frame;
use tagpost_core::trace::Trace;
use tagpost_core::wake::Destination;

use super::harness::START;

/// `held 0` is a delivery that is held and was never sent.
pub(crate) fn answer(delivered: &DeliveryStatus) -> String {
    match delivered {
        DeliveryStatus::Known(delivery) => brief(delivery),
        other => format!("{other:?}"),
    }
}

fn brief(delivery: &Delivery) -> String {
    let state = serde_json::to_value(delivery.state).unwrap();
    let reason = delivery
        .reason
        .as_ref()
        .map_or(String::new(), |reason| format!(" ({reason})"));
    format!("{} {}{reason}", state.as_str().unwrap(), delivery.attempts)
}

/// `a held 0, b delivered 1`
pub(crate) fn states(trace: &Trace) -> String {
    let each = trace
        .deliveries
        .iter()
        .map(|delivery| format!("{} {}", delivery.device, brief(delivery)));
    each.collect::<Vec<_>>().join(", ")
}

/// An output in short words.
pub(crate) fn summary(output: &Output) -> String {
    match output {
        Output::Send { connection, frame } => match frame {
            Frame::Text(text) => format!("{connection} <- {}", said(text)),
            Frame::Binary(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                format!("{connection} <- bytes {text}")
            }
        },
        Output::Close {
            connection, code, ..
        } => format!("{connection} closes with {code}"),
        Output::Call { to, call, .. } => format!("{to}: {}", asked(call)),
        Output::Resolve(targets) => {
            let text = |target: &Target| match target {
                Target::Device(device) => format!(" @{device}"),
                Target::Tag(tag) => format!(" {tag}"),
                Target::Match(expression) => format!(" ({expression})"),
            };
            format!("resolve{}", targets.iter().map(text).collect::<String>())
        }
        Output::Register(device) => format!("register {device}"),
        Output::Knock {
            number,
            endpoint,
            ttl,
            urgency,
            ..
        } => {
            let whose = match endpoint.destination() {
                Destination::Own(_) => "own",
                Destination::Elsewhere { url, .. } => url.rsplit('/').next().unwrap(),
            };
            format!("knock {number} at {whose}, ttl {ttl}, {urgency:?}")
        }
        Output::Record {
            number,
            failures,
            dropped,
        } => {
            let each = failures.iter().map(failure).collect::<Vec<_>>().join(", ");
            match dropped {
                0 => format!("record {number}: {each}"),
                _ => format!("record {number}: {each}; {dropped} dropped"),
            }
        }
        Output::Post { purpose, post, .. } => match purpose {
            PostPurpose::Message { attempt, .. } => {
                format!(
                    "post {}, attempt {attempt}",
                    String::from_utf8_lossy(&post.body)
                )
            }
            PostPurpose::Receipts { .. } => {
                let body: Value = serde_json::from_slice(&post.body).unwrap();
                let data = match &body["data"] {
                    Value::Array(all) => all.clone(),
                    one => vec![one.clone()],
                };
                let devices = data.iter().map(|receipt| receipt["device"].as_str());
                let devices: Vec<&str> = devices.flatten().collect();
                format!(
                    "post {} {}",
                    body["type"].as_str().unwrap(),
                    devices.join(" ")
                )
            }
            PostPurpose::Test(_) => "post a test".to_owned(),
        },
        other => format!("{other:?}"),
    }
}

/// `cam expired`, or `cam expired in hall, resent`
fn failure(failure: &FailedDelivery) -> String {
    let FailedDelivery { device, state, .. } = failure;
    let tag = failure.tag.as_ref().map(|tag| format!(" in {tag}"));
    let resent = failure.resent_as.map(|_| ", resent");
    let (tag, resent) = (tag.unwrap_or_default(), resent.unwrap_or_default());
    format!("{device} {}{tag}{resent}", state.as_str())
}

fn said(frame: &str) -> String {
    let Ok(frame) = serde_json::from_str::<Value>(frame) else {
        return frame.to_owned();
    };
    let text = |name: &str| frame[name].as_str().unwrap_or_default().to_owned();
    let Some(kind) = frame["type"].as_str() else {
        return frame.to_string();
    };
    match kind {
        "welcome" => match &frame["in_progress"] {
            Value::Null => format!("welcome, {} held", frame["held"]),
            some => format!("welcome, {} held, {some} in progress", frame["held"]),
        },
        "withdrawn" => format!("withdrawn {}", text("reason")),
        "progress" => format!("progress {} {}", text("device"), text("note")),
        "message" => format!("{}, attempt {}", text("payload"), frame["attempt"]),
        "receipt" => format!("receipt {} {}", text("device"), text("state")),
        "error" => format!("error {}", text("code")),
        "watching" => match &frame["online"] {
            Value::Bool(true) => format!("watching, online, {} held", frame["held"]),
            _ => format!("watching, offline, {} held", frame["held"]),
        },
        "presence" if frame["online"] == true => "online".to_owned(),
        "presence" => "offline".to_owned(),
        "step" => {
            let said = ["payload", "reply", "reason", "note"].map(|name| &frame[name]);
            let said = said.into_iter().filter(|value| !value.is_null());
            let said: String = said.map(|value| format!(" {value}")).collect();
            format!("{} {}{said}", text("event"), frame["attempt"])
        }
        other => other.to_owned(),
    }
}

fn asked(call: &Call) -> String {
    match call {
        Call::Deliver { wait, after, .. } => {
            let after = if after.is_some() {
                " after another"
            } else {
                ""
            };
            format!("deliver{after}, wait {wait}")
        }
        Call::Report { settled } => {
            let each = settled.iter().map(|settled| brief(&settled.delivery));
            format!("receipts {}", each.collect::<Vec<_>>().join(", "))
        }
        Call::ReportProgress(progress) => {
            let note = progress.note.as_deref().unwrap_or_default();
            let until = progress.until - START;
            format!("progress until {until} {note}")
                .trim_end()
                .to_owned()
        }
        other => other.name().to_owned(),
    }
}
