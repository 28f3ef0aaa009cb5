//! What the answer of an address means: its status, headers and body as one value.
//!
//! Whatever an address answers, it is bounded here: a reply by 4,096 bytes of JSON, a reason by 256 characters. Not
//! here: what follows from an answer, which the mailbox decides.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;
use crate::payload::Form;
use crate::protocol::tagpost_v1::{MAX_REASON, MAX_REPLY_BYTES};

/// What an address has answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostResponse {
    /// The status.
    pub status: u16,
    /// The seconds of its `Retry-After`.
    pub retry_after: Option<u32>,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// The body, or the beginning of a long one.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostError {
    /// It did not come in time.
    Timeout,
    /// It was a redirect, which is not followed.
    Redirect,
    /// There was no connection, or it broke.
    Connect,
    /// The address leads where no request is made.
    Address,
}

impl PostError {
    /// Its name, as written in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Redirect => "redirect",
            Self::Connect => "connect",
            Self::Address => "address",
        }
    }
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tried {
    /// The address answered with this status.
    Status(u16),
    /// It did not answer.
    Error(PostError),
}

impl Tried {
    /// What came of a request.
    pub fn of(outcome: &Result<PostResponse, PostError>) -> Self {
        match outcome {
            Ok(response) if (300..=399).contains(&response.status) => {
                Self::Error(PostError::Redirect)
            }
            Ok(response) => Self::Status(response.status),
            Err(error) => Self::Error(*error),
        }
    }
}

/// The meaning of an answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The message is acknowledged.
    Delivered {
        /// With this reply.
        reply: Option<Box<RawValue>>,
        /// The reply was longer.
        is_truncated: bool,
    },
    /// The message is rejected.
    Rejected {
        /// For this reason.
        reason: Option<String>,
    },
    /// The address works on the message.
    InProgress {
        /// For so many seconds.
        seconds: u32,
    },
    /// The address is gone.
    Gone,
    /// The attempt has failed.
    Failed {
        /// How.
        tried: Tried,
        /// The seconds that the address asks to be left alone.
        retry_after: Option<u32>,
    },
}

impl Answer {
    /// The meaning of what came of a request.
    pub fn of(outcome: Result<PostResponse, PostError>) -> Self {
        let tried = Tried::of(&outcome);
        let (Tried::Status(status), Ok(response)) = (tried, outcome) else {
            return Self::failed(tried);
        };
        match (status, response.retry_after) {
            (202, Some(seconds)) => Self::InProgress { seconds },
            (200..=299, _) => response.reply(),
            (422, _) => Self::Rejected {
                reason: response.reason(),
            },
            (410, _) => Self::Gone,
            (429 | 503, retry_after) => Self::Failed { tried, retry_after },
            _ => Self::failed(tried),
        }
    }

    fn failed(tried: Tried) -> Self {
        Self::Failed {
            tried,
            retry_after: None,
        }
    }
}

impl PostResponse {
    /// The reply: JSON if the media type says so and it is, otherwise a text.
    fn reply(self) -> Answer {
        let text = String::from_utf8_lossy(&self.body);
        let is_json = self
            .content_type
            .as_deref()
            .is_some_and(|it| Form::of(it) == Form::Json);
        let value = serde_json::from_str::<&RawValue>(&text).ok();
        let value = value.filter(|value| is_json && !json::is_deeper(value.get(), json::MAX_DEPTH));
        let (reply, is_truncated) = match value {
            _ if text.is_empty() => (None, false),
            Some(value) if value.get().len() <= MAX_REPLY_BYTES => (Some(value.to_owned()), false),
            _ => {
                let (reply, is_truncated) = shortened(&text);
                (RawValue::from_string(reply).ok(), is_truncated)
            }
        };
        Answer::Delivered {
            reply,
            is_truncated,
        }
    }

    /// The reason: the beginning of the body.
    fn reason(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.body);
        let reason: String = text.chars().take(MAX_REASON).collect();
        (!reason.is_empty()).then_some(reason)
    }
}

/// A text as a JSON string of at most [`MAX_REPLY_BYTES`], and whether it had to be cut.
fn shortened(text: &str) -> (String, bool) {
    let mut rendered = String::from("\"");
    for character in text.chars() {
        let quoted = json::text(&character);
        let quoted = quoted.trim_start_matches('"');
        let quoted = quoted.strip_suffix('"').unwrap_or(quoted);
        let quoted = if character == '"' { "\\\"" } else { quoted };
        if rendered.len() + quoted.len() >= MAX_REPLY_BYTES {
            rendered.push('"');
            return (rendered, true);
        }
        rendered.push_str(quoted);
    }
    rendered.push('"');
    (rendered, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, content_type: &str, body: &str) -> PostResponse {
        PostResponse {
            status,
            retry_after: None,
            content_type: (!content_type.is_empty()).then(|| content_type.to_owned()),
            body: body.as_bytes().to_vec(),
        }
    }

    fn reply(content_type: &str, body: &str) -> (Option<String>, bool) {
        match Answer::of(Ok(response(200, content_type, body))) {
            Answer::Delivered {
                reply,
                is_truncated,
            } => (reply.map(|reply| reply.get().to_owned()), is_truncated),
            other => panic!("{other:?}"),
        }
    }

    fn words(answer: &Answer) -> String {
        match answer {
            Answer::Delivered { .. } => "delivered".to_owned(),
            Answer::Rejected { reason } => format!("rejected {reason:?}"),
            Answer::InProgress { seconds } => format!("in progress {seconds}"),
            Answer::Gone => "gone".to_owned(),
            Answer::Failed { tried, retry_after } => format!("{tried:?} {retry_after:?}"),
        }
    }

    #[test]
    fn each_status_has_a_meaning() {
        for (status, retry_after, meaning) in [
            (200, None, "delivered"),
            (204, Some(5), "delivered"),
            (202, None, "delivered"),
            (202, Some(5), "in progress 5"),
            (301, None, "Error(Redirect) None"),
            (304, None, "Error(Redirect) None"),
            (400, Some(5), "Status(400) None"),
            (404, None, "Status(404) None"),
            (410, Some(5), "gone"),
            (422, None, "rejected None"),
            (429, None, "Status(429) None"),
            (429, Some(5), "Status(429) Some(5)"),
            (500, Some(5), "Status(500) None"),
            (503, Some(5), "Status(503) Some(5)"),
            (199, None, "Status(199) None"),
        ] {
            let response = PostResponse {
                status,
                retry_after,
                ..PostResponse::default()
            };
            assert_eq!(words(&Answer::of(Ok(response))), meaning, "{status}");
        }
        let timeout = Answer::of(Err(PostError::Timeout));
        assert_eq!(words(&timeout), "Error(Timeout) None");
    }

    #[test]
    fn a_reply_is_json_if_it_says_so_and_is_and_text_otherwise() {
        let json = Some(r#"{"got": 1}"#.to_owned());
        assert_eq!(reply("application/json", r#"{"got": 1}"#), (json, false));
        let json = Some("[1]".to_owned());
        assert_eq!(
            reply("application/vnd.x+json; charset=utf-8", " [1]\n"),
            (json, false)
        );
        for (content_type, body, text) in [
            ("", "[1]", r#""[1]""#),
            ("text/plain", "ok", r#""ok""#),
            ("application/json", "ok", r#""ok""#),
            ("application/json", "[1] [2]", r#""[1] [2]""#),
            ("text/plain", "a\"\\\n\u{1}ä", r#""a\"\\\n\u0001ä""#),
        ] {
            assert_eq!(reply(content_type, body), (Some(text.to_owned()), false));
        }
        let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
        assert_eq!(
            reply("application/json", &deep).0,
            Some(format!("\"{deep}\""))
        );
        assert_eq!(reply("application/json", ""), (None, false));
    }

    #[test]
    fn a_long_reply_is_cut_at_a_character_and_marked() {
        let fits = "x".repeat(MAX_REPLY_BYTES - 2);
        assert_eq!(reply("", &fits), (Some(format!("\"{fits}\"")), false));
        assert_eq!(
            reply("", &format!("{fits}x")),
            (Some(format!("\"{fits}\"")), true)
        );
        let (cut, is_truncated) = reply("", &"ä\u{1}".repeat(4_000));
        let cut = cut.unwrap();
        assert!(is_truncated && cut.len() <= MAX_REPLY_BYTES && cut.len() > MAX_REPLY_BYTES - 8);
        let text: String = serde_json::from_str(&cut).unwrap();
        assert!("ä\u{1}".repeat(4_000).starts_with(&text));
        let array = format!("[{}1]", "1,".repeat(3_000));
        let (cut, is_truncated) = reply("application/json", &array);
        assert!(is_truncated);
        assert!(cut.is_some_and(|cut| cut.starts_with("\"[1,1") && cut.ends_with('"')));
    }

    #[test]
    fn a_reason_is_the_beginning_of_the_body() {
        let long = "ä".repeat(300);
        let answer = Answer::of(Ok(response(422, "", &long)));
        let expected = format!("rejected {:?}", Some("ä".repeat(256)));
        assert_eq!(words(&answer), expected);
    }
}
