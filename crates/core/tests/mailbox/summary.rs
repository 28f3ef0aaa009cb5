//! Answers and effects in short words, to be compared with.

use serde_json::Value;
use tagpost_core::call::{Call, DeliveryStatus};
use tagpost_core::delivery::Delivery;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{Effect, Failure};
use tagpost_core::protocol::Frame;
use tagpost_core::store::StoreError;
use tagpost_core::trace::Trace;

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

/// An effect in short words. An answer ends with the number of the message that it is for.
pub(crate) fn summary(effect: &Effect, number: impl FnOnce(MessageId) -> usize) -> String {
    let (said, answers) = match effect {
        Effect::Send { connection, frame } => match frame {
            Frame::Text(text) => (format!("{connection} <- {}", said(text)), None),
            Frame::Binary(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                (format!("{connection} <- bytes {text}"), None)
            }
        },
        Effect::Close {
            connection, code, ..
        } => (format!("{connection} closes with {code}"), None),
        Effect::Call { to, call, .. } => (format!("{to}: {}", asked(call)), None),
        Effect::Delivered(id, delivered) => (format!("answers {}", answer(delivered)), Some(*id)),
        Effect::Published(id, Ok(trace)) => (format!("published {}", states(trace)), Some(*id)),
        Effect::Published(id, Err(problem)) => (
            format!("not published: {}", problem.code.as_str()),
            Some(*id),
        ),
        Effect::Settled(id) => ("settled".to_owned(), Some(*id)),
        Effect::Cancelled(id) => ("cancelled".to_owned(), Some(*id)),
        Effect::Ready => ("ready".to_owned(), None),
        Effect::Revoked => ("revoked".to_owned(), None),
        Effect::Resolve(_) => ("resolve".to_owned(), None),
        Effect::Alarm(at) => (format!("alarm {}", at - START), None),
        Effect::Tick(at) => (format!("tick {}", at - START), None),
        Effect::Attach { .. } => ("attach".to_owned(), None),
    };
    match answers {
        Some(id) => format!("{said} (#{})", number(id)),
        None => said,
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
        Call::Report { settled } => {
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
