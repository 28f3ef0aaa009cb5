//! Answers and effects in short words, to be compared with.

use serde_json::Value;
use tagpost_core::call::{Call, Delivered};
use tagpost_core::delivery::Delivery;
use tagpost_core::mailbox::{Effect, Failure};
use tagpost_core::protocol::Frame;
use tagpost_core::store::StoreError;
use tagpost_core::trace::Trace;

use super::desk::START;

/// `held 0` is a delivery that is held and was never sent.
pub(crate) fn answer(delivered: &Delivered) -> String {
    match delivered {
        Delivered::Known(delivery) => brief(delivery),
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

/// An effect in short words.
pub(crate) fn words(effect: &Effect) -> String {
    match effect {
        Effect::Send { connection, frame } => match frame {
            Frame::Text(text) => format!("{connection} <- {}", said(text)),
            Frame::Binary(bytes) => {
                format!("{connection} <- bytes {}", String::from_utf8_lossy(bytes))
            }
        },
        Effect::Close {
            connection, code, ..
        } => format!("{connection} closes with {code}"),
        Effect::Call { to, call, .. } => format!("{to}: {}", asked(call)),
        Effect::Delivered(_, delivered) => format!("answers {}", answer(delivered)),
        Effect::Published(_, Ok(trace)) => format!("published {}", states(trace)),
        Effect::Published(_, Err(problem)) => format!("not published: {}", problem.code.as_str()),
        Effect::Settled(_) => "settled".to_owned(),
        Effect::Cancelled(_) => "cancelled".to_owned(),
        Effect::Ready => "ready".to_owned(),
        Effect::Revoked => "revoked".to_owned(),
        Effect::Resolve(_) => "resolve".to_owned(),
        Effect::Alarm(at) => format!("alarm {}", at - START),
        Effect::Tick(at) => format!("tick {}", at - START),
        Effect::Attach { .. } => "attach".to_owned(),
    }
}

fn said(frame: &str) -> String {
    let Ok(frame) = serde_json::from_str::<Value>(frame) else {
        return frame.to_owned();
    };
    let text = |name: &str| frame[name].as_str().unwrap_or_default().to_owned();
    match frame["type"].as_str().unwrap() {
        "welcome" => format!("welcome, {} held", frame["held"]),
        "message" => format!("{}, attempt {}", text("payload"), frame["attempt"]),
        "receipt" => format!("receipt {} {}", text("device"), text("state")),
        "error" => format!("error {}", text("code")),
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
        Call::Receipts { settled } => {
            let each = settled.iter().map(|settled| brief(&settled.delivery));
            format!("receipts {}", each.collect::<Vec<_>>().join(", "))
        }
        other => other.name().to_owned(),
    }
}

/// A problem by its code.
pub(crate) fn problem_or<T>(outcome: Result<T, Failure>) -> Result<Result<T, String>, StoreError> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Problem(problem)) => Ok(Err(problem.code.as_str().to_owned())),
        Err(Failure::Store(error)) => Err(error),
    }
}
