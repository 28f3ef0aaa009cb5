//! How a publish to a channel is refused: with the error bodies and numbers of autopush, which senders know.
//!
//! A sender may take any status of 400 to 499 but 429 as the end of the subscription, so temporary trouble is 429 or
//! higher.

use serde::Serialize;

use crate::problem::{Code, Problem};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Autopush's number, where it has one.
    pub errno: Option<u16>,
    /// What is wrong; for people.
    pub message: String,
    /// Seconds to wait before trying again.
    pub retry_after: Option<u32>,
}

/// The body of the answer.
#[derive(Serialize)]
struct Body<'a> {
    code: u16,
    errno: Option<u16>,
    error: &'static str,
    message: &'a str,
    more_info: String,
}

impl Refusal {
    /// A refusal without `retry_after`.
    pub fn new(status: u16, errno: impl Into<Option<u16>>, message: impl Into<String>) -> Self {
        Self {
            status,
            errno: errno.into(),
            message: message.into(),
            retry_after: None,
        }
    }

    /// A malformed request, without a number.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, None, message)
    }

    /// Encryption headers that are missing or do not fit.
    pub fn bad_encryption(message: impl Into<String>) -> Self {
        Self::new(400, 110, message)
    }

    /// The URL permits nothing.
    pub fn unknown() -> Self {
        Self::new(404, 102, "there is no such subscription")
    }

    /// The sender has not identified itself as it has to.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, 109, message)
    }

    /// The channel is gone for good.
    pub fn gone() -> Self {
        Self::new(410, 106, "the subscription has ended")
    }

    /// The body of a push is too long.
    pub fn too_large(limit: u32) -> Self {
        Self::new(413, 104, format!("the body has more than {limit} bytes"))
    }

    /// Try again after this many seconds.
    pub fn later(status: u16, errno: impl Into<Option<u16>>, message: &str, seconds: u32) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(status, errno, message)
        }
    }

    /// The body of the answer; `origin` is where the service is reached.
    pub fn to_json(&self, origin: &str) -> String {
        crate::json::text(&Body {
            code: self.status,
            errno: self.errno,
            error: reason(self.status),
            message: &self.message,
            more_info: format!("{origin}/openapi.json"),
        })
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        match problem.code {
            Code::Unavailable => Self::later(503, 201, &problem.detail, 5),
            code => Self {
                retry_after: problem.retry_after,
                ..Self::new(code.status(), None, problem.detail)
            },
        }
    }
}

/// The reason phrase of a status (RFC 9110, section 15). HTTP/2 does not carry it.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        410 => "Gone",
        413 => "Payload Too Large",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_five_fields_of_autopush() {
        assert_eq!(
            Refusal::gone().to_json("https://push.example"),
            r#"{"code":410,"errno":106,"error":"Gone","message":"the subscription has ended","more_info":"https://push.example/openapi.json"}"#
        );
        let text = Refusal::bad_request("Urgency").to_json("");
        assert!(
            text.contains(r#""errno":null,"error":"Bad Request""#),
            "{text}"
        );
    }

    #[test]
    fn every_status_of_an_answer_has_its_reason() {
        for status in [400, 401, 404, 410, 413, 426, 429, 503] {
            assert_ne!(reason(status), reason(500), "{status}");
        }
    }

    #[test]
    fn passing_trouble_is_not_taken_for_the_end_of_a_subscription() {
        let refusal: Refusal = Problem::new(Code::Unavailable, "a mailbox").into();
        assert_eq!(
            (refusal.status, refusal.errno, refusal.retry_after),
            (503, Some(201), Some(5))
        );
        let refusal: Refusal = Problem::new(Code::Internal, "the log").into();
        assert_eq!(refusal.status, 500);
    }
}
