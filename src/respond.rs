//! Answers, and the one rendering of errors.
//!
//! The caller gets a [`Problem`] for what is wrong with the request or prevents it. A failure inside is logged,
//! once, when it is rendered, and the caller learns only that the service failed.

use std::error::Error as _;
use std::fmt::Display;

use js_sys::{Array, Uint8Array};
use serde::Serialize;
use tagpost_core::problem::{Code, Problem};
use wasm_bindgen::JsValue;

use crate::directory;
use crate::log;
use crate::route::Miss;

/// The `Retry-After` of an unavailable mailbox, in seconds.
const UNAVAILABLE_RETRY_AFTER: u32 = 2;

/// The media type of server-sent events.
const EVENTS: &str = "text/event-stream";

/// An answer.
///
/// JavaScript gets it as an array: the status, the headers, the body and, if more of the body will follow, the state
/// for its next part. `entry.js` makes the runtime's `Response` from that. A mailbox answers the Worker with such an
/// array, too: a mailbox's answer to a client is never copied into the Worker's wasm.
#[derive(Debug)]
pub(crate) enum Response {
    /// Made here.
    Made {
        /// The status code.
        status: u16,
        /// The headers, without those that every answer has.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Option<String>,
    },
    /// Made here, and the body goes on: `entry.js` asks for its next part with `state`.
    Stream {
        /// The media type of the body.
        content_type: &'static str,
        /// The first part of the body.
        first: String,
        /// What the next part needs.
        state: String,
    },
    /// Made by a mailbox, or with a body of bytes: the array.
    Passed(Array),
    /// A finished response of the runtime: that of a WebSocket handshake, or a static asset.
    Finished(JsValue),
}

impl Response {
    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Made { status, .. } => *status,
            Self::Stream { .. } => 200,
            Self::Passed(parts) => parts.get(0).as_f64().unwrap_or_default() as u16,
            Self::Finished(response) => {
                let status = js_sys::Reflect::get(response, &JsValue::from_str("status"));
                status.ok().and_then(|it| it.as_f64()).unwrap_or_default() as u16
            }
        }
    }

    /// The seconds of its `Retry-After`, if it was made here and has one.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        let Self::Made { headers, .. } = self else {
            return None;
        };
        let mut headers = headers.iter();
        let (_, seconds) = headers.find(|(name, _)| *name == "retry-after")?;
        seconds.parse().ok()
    }

    /// The body's text.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Made { body, .. } => body,
            Self::Passed(parts) => parts.get(2).as_string(),
            Self::Stream { .. } | Self::Finished(_) => None,
        }
    }
}

impl From<Response> for JsValue {
    fn from(response: Response) -> Self {
        match response {
            Response::Made {
                status,
                headers,
                body,
            } => {
                let headers: Vec<String> = headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect();
                let body = body.map_or(JsValue::NULL, |body| JsValue::from_str(&body));
                let headers = JsValue::from_str(&headers.join("\n"));
                Array::of3(&JsValue::from(status), &headers, &body).into()
            }
            Response::Stream {
                content_type,
                first,
                state,
            } => {
                let headers = JsValue::from_str(&format!("content-type: {content_type}"));
                let (first, state) = (JsValue::from_str(&first), JsValue::from_str(&state));
                Array::of4(&JsValue::from(200), &headers, &first, &state).into()
            }
            Response::Passed(parts) => parts.into(),
            Response::Finished(response) => response,
        }
    }
}

/// Why a request fails.
#[derive(Debug)]
pub(crate) enum Error {
    /// Something is wrong with the request, or prevents it.
    Problem(Problem),
    /// The path does not have this method.
    MethodNotAllowed {
        /// The value of the `Allow` header.
        allow: String,
    },
    /// A mailbox answered with a problem document.
    Answered(Response),
    /// A mailbox or the directory cannot be reached at the moment. Not a fault of the service.
    Unreachable {
        /// The event's name in the log.
        event: &'static str,
        /// The cause, for the log.
        cause: String,
    },
    /// A call or its answer cannot be read because another version wrote it, as happens during a deployment; the text
    /// says why, for the log. Not a fault of the service. A call that cannot be read changes nothing.
    OtherVersion(String),
    /// The service failed.
    Failed {
        /// [`Code::Internal`], or [`Code::Unavailable`] if trying again may help.
        code: Code,
        /// The event's name in the log.
        event: &'static str,
        /// The cause, for the log. It contains no credential and no payload.
        cause: String,
    },
}

impl Error {
    /// A failure inside, to be logged as `event`.
    pub(crate) fn internal(event: &'static str, cause: impl Display) -> Self {
        Self::Failed {
            code: Code::Internal,
            event,
            cause: cause.to_string(),
        }
    }

    /// Logs a failure inside; a problem of the request is not logged.
    pub(crate) fn log(&self) {
        match self {
            Self::Failed { event, cause, .. } => log::error(event, &[("cause", cause)]),
            Self::Unreachable { event, cause } => log::info(event, &[("cause", cause)]),
            Self::OtherVersion(cause) => log::info("call_not_understood", &[("cause", cause)]),
            _ => {}
        }
    }

    /// The answer to the caller. A failure inside is logged here.
    pub(crate) fn into_response(self) -> Response {
        self.log();
        self.answer()
    }

    fn answer(self) -> Response {
        match self {
            Self::Problem(found) => problem(&found),
            Self::MethodNotAllowed { allow } => {
                let detail = format!("this path supports {allow}");
                let problem = problem(&Problem::new(Code::MethodNotAllowed, detail));
                with(problem, "allow", allow)
            }
            Self::Answered(response) => response,
            Self::Unreachable { .. }
            | Self::OtherVersion(_)
            | Self::Failed {
                code: Code::Unavailable,
                ..
            } => problem(&unavailable()),
            Self::Failed { code, .. } => {
                problem(&Problem::new(code, "the cause is in the service's log"))
            }
        }
    }
}

/// The problem of a mailbox, or of the directory, that cannot be reached at the moment.
pub(crate) fn unavailable() -> Problem {
    let detail = "a part of the service could not be reached in time; it is safe to repeat a publish that has an Idempotency-Key";
    let mut unavailable = Problem::new(Code::Unavailable, detail);
    unavailable.retry_after = Some(UNAVAILABLE_RETRY_AFTER);
    unavailable
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Miss> for Error {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::NotFound => Problem::new(
                Code::NotFound,
                "there is no such path; /openapi.json lists all paths",
            )
            .into(),
            Miss::MethodNotAllowed { allow } => Self::MethodNotAllowed { allow },
        }
    }
}

impl From<worker::Error> for Error {
    fn from(error: worker::Error) -> Self {
        let cause = cause(&error);
        if directory::is_temporary(&cause) {
            let event = "directory_unreachable";
            return Self::Unreachable { event, cause };
        }
        Self::internal("platform_failed", cause)
    }
}

/// The text of a platform error and of all its causes.
pub(crate) fn cause(error: &worker::Error) -> String {
    // `worker` prints an error of D1 in its debug form.
    if let worker::Error::D1(thrown) = error {
        let thrown: &JsValue = thrown.as_ref();
        return cause(&thrown.clone().into());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// An answer with `body`, written as JSON.
pub(crate) fn json(status: u16, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(text) => json_text(status, text),
        Err(error) => Error::internal("answer_not_rendered", error).into_response(),
    }
}

/// An answer whose body is JSON already.
pub(crate) fn json_text(status: u16, body: String) -> Response {
    body_of("application/json", status, body)
}

/// An answer that is a stream of server-sent events, all of which are here.
pub(crate) fn events(body: String) -> Response {
    body_of(EVENTS, 200, body)
}

/// The same, of which more will follow.
pub(crate) fn stream(first: String, state: String) -> Response {
    Response::Stream {
        content_type: EVENTS,
        first,
        state,
    }
}

/// An answer with these bytes of a client, which a browser neither shows nor takes for another type.
pub(crate) fn bytes(content_type: &str, body: &[u8]) -> Response {
    let headers = format!(
        "content-type: {content_type}\nx-content-type-options: nosniff\ncontent-security-policy: sandbox\n\
         content-disposition: attachment"
    );
    let (headers, body) = (JsValue::from_str(&headers), Uint8Array::from(body));
    Response::Passed(Array::of3(&JsValue::from(200), &headers, &body))
}

/// An answer without a body.
pub(crate) fn empty(status: u16) -> Response {
    Response::Made {
        status,
        headers: Vec::new(),
        body: None,
    }
}

/// A problem document (RFC 9457) with the headers that go with its status.
pub(crate) fn problem(problem: &Problem) -> Response {
    // A problem consists of strings and numbers: writing it cannot fail.
    let body = serde_json::to_string(problem).unwrap_or_default();
    let response = body_of("application/problem+json", problem.code.status(), body);
    match (problem.code, problem.retry_after) {
        (Code::Unauthorized, _) => with(response, "www-authenticate", "Bearer".to_owned()),
        // RFC 9110, section 15.5.16.
        (Code::UnsupportedMediaType, _) => with(response, "accept-encoding", "identity".to_owned()),
        (_, Some(seconds)) => with(response, "retry-after", seconds.to_string()),
        _ => response,
    }
}

/// The same answer with one more header.
pub(crate) fn with(mut response: Response, name: &'static str, value: String) -> Response {
    if let Response::Made { headers, .. } = &mut response {
        headers.push((name, value));
    }
    response
}

fn body_of(content_type: &str, status: u16, body: String) -> Response {
    Response::Made {
        status,
        headers: vec![("content-type", content_type.to_owned())],
        body: Some(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_another_version_is_answered_503_with_the_time_to_come_again() {
        let answer = Error::OtherVersion("missing field `wait`".to_owned()).answer();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.retry_after(), Some(UNAVAILABLE_RETRY_AFTER));
        let Response::Made { headers, body, .. } = answer else {
            unreachable!("it is made here");
        };
        assert!(headers.contains(&("retry-after", UNAVAILABLE_RETRY_AFTER.to_string())));
        assert!(body.is_some_and(|body| body.contains("unavailable") && !body.contains("wait`")));
    }
}
