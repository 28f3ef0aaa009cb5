//! What can go wrong between an application and the service.
//!
//! No error repeats a credential, nor a payload.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use serde::Deserialize;
use tagpost_core::id::MessageId;
use tagpost_core::problem::Code;

/// The longest `Retry-After` that is obeyed: a proxy in front of the service may ask for anything.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL of the service is not valid.
    #[error("the URL {url:?} is not valid: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The credential holds characters that no credential has.
    #[error("the credential must be visible ASCII characters, without spaces")]
    Credential,
    /// The header of this name holds characters that no header may hold.
    #[error("{0} cannot be sent: it contains control characters")]
    Header(String),
    /// A value cannot be expressed in JSON.
    #[error("the value cannot be expressed in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The system has no random numbers to give.
    #[error("the system has no random numbers: {0}")]
    Random(String),
    /// TLS cannot be set up, perhaps because there are no root certificates.
    #[error("TLS is not available: {0}")]
    Tls(#[from] rustls::Error),
    /// The service was not reached, or it hung up before it answered.
    #[error("the service at {url} could not be reached: {reason}")]
    Unreachable {
        /// Where the service should be.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The service refused the request.
    #[error("{0}")]
    Refused(Problem),
    /// The answer is malformed, or does not come from a tagpost service.
    #[error("the answer from {url} is not valid: {reason}")]
    NotUnderstood {
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token expired or was revoked while it was in use (close code 4401). Another one is needed.
    #[error("the token is no longer valid")]
    TokenEnded,
    /// The token function gave no token; it is asked again.
    #[error("there is no token: {0}")]
    NoToken(String),
    /// The token function will give no token that the service accepts: it has said so
    /// ([`crate::NoToken::for_good`]), or it gave the one that was refused again.
    #[error("there is no further token: {0}")]
    NoFurtherToken(String),
    /// A newer connection of the same device took over (close code 4409).
    #[error("a newer connection of this device took over")]
    TakenOver,
    /// The service did not understand this client (close code 4400).
    #[error("the service does not understand this client: {0}")]
    BadFrames(String),
    /// The service did not take the answer to a message, which is still unanswered. The inbox goes on.
    #[error("the answer to {id} was refused: {detail}")]
    AnswerRefused {
        /// The message.
        id: MessageId,
        /// What is wrong with the answer.
        detail: String,
    },
    /// Nothing was received for longer than a live connection would be silent.
    #[error("the connection was silent for too long")]
    Silent,
    /// The connection ended in another way; it is worth connecting again.
    #[error("the connection was closed: {0}")]
    Closed(String),
}

impl Error {
    /// Whether retrying the same request with the same credential may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent | Self::Closed(_) | Self::NoToken(_) => true,
            Self::Refused(problem) => problem.status == 429 || problem.status >= 500,
            _ => false,
        }
    }

    /// Whether the service refused the token of a request.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == 401)
    }

    /// How long the service asked to wait before a retry.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after,
            _ => None,
        }
    }
}

/// A problem as the service states it (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{detail} ({code}, {status})")]
#[non_exhaustive]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Which kind of problem: `unknown_tag`, `forbidden`, …; see [`tagpost_core::problem::Code`].
    pub code: String,
    /// What is wrong in this case, for a person to read.
    pub detail: String,
    /// `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// The problem of an answer with this status and body. A body may be missing, or come from something
    /// in between; then the status says what there is to say.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let stated: Option<Problem> = serde_json::from_slice(body).ok();
        let problem = stated.unwrap_or_else(|| {
            let code = Code::ALL
                .iter()
                .find(|code| code.status() == status.as_u16());
            let title = code.map_or("the answer gives no reason", |code| code.title());
            let elsewhere = header(LOCATION).filter(|_| status.is_redirection());
            Self {
                status: status.as_u16(),
                code: code.map_or("unknown", |code| code.as_str()).to_owned(),
                detail: elsewhere.map_or(title.to_owned(), |url| {
                    format!(
                        "a redirect to {url} was not followed: it would take the credential there"
                    )
                }),
                retry_after: None,
            }
        });
        let seconds = header(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        Self {
            status: status.as_u16(),
            retry_after: retry_after.map(|pause| pause.min(LONGEST_RETRY_AFTER)),
            ..problem
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, headers: &[(HeaderName, &str)], body: &[u8]) -> Problem {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        Problem::of(
            StatusCode::from_u16(status).unwrap(),
            &headers.collect(),
            body,
        )
    }

    #[test]
    fn a_problem_document_is_read_with_its_retry_after() {
        let body =
            br#"{"type":"urn:x","title":"t","status":429,"code":"too_many_requests","detail":"d"}"#;
        let problem = problem(429, &[(RETRY_AFTER, "2")], body);
        assert_eq!(problem.to_string(), "d (too_many_requests, 429)");
        assert_eq!(problem.retry_after, Some(Duration::from_secs(2)));
        assert!(Error::Refused(problem).is_transient());
    }

    #[test]
    fn a_retry_after_of_any_length_is_bounded() {
        for seconds in ["301", "18446744073709551615"] {
            let problem = problem(503, &[(RETRY_AFTER, seconds)], b"");
            assert_eq!(problem.retry_after, Some(LONGEST_RETRY_AFTER), "{seconds}");
        }
        let date = problem(503, &[(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT")], b"");
        assert_eq!(date.retry_after, None);
    }

    #[test]
    fn a_redirect_is_told_with_where_it_leads() {
        let problem = problem(308, &[(LOCATION, "https://example.com/push")], b"");
        assert!(
            problem.detail.contains("https://example.com/push"),
            "{problem}"
        );
        assert!(!Error::Refused(problem).is_transient());
    }

    #[test]
    fn what_is_no_problem_document_is_told_by_its_status() {
        for (status, code) in [
            (502, "unknown"),
            (401, "unauthorized"),
            (503, "unavailable"),
        ] {
            let problem = problem(status, &[], b"<html>Sorry</html>");
            assert_eq!((problem.status, problem.code.as_str()), (status, code));
        }
    }

    #[test]
    fn only_what_may_pass_is_transient() {
        for (status, transient) in [
            (400, false),
            (401, false),
            (404, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            let error = Error::Refused(problem(status, &[], b""));
            assert_eq!(error.is_transient(), transient, "{status}");
        }
        assert!(!Error::TokenEnded.is_transient() && !Error::TakenOver.is_transient());
        assert!(Error::Silent.is_transient());
    }
}
