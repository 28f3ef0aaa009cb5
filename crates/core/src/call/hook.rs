//! What a mailbox answers about a post to a hook: nothing but what whoever has the URL may know.

use serde::{Deserialize, Serialize};

use crate::id::MessageId;
use crate::problem::{Code, Problem};

/// When to try again if the problem does not say it, in seconds.
const RETRY_AFTER: u32 = 60;

/// What a mailbox answers to [`super::Call::PublishFromHook`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Posted {
    /// It was published as this message.
    Taken {
        /// The message.
        id: MessageId,
        /// Whether every delivery is in a terminal state.
        settled: bool,
    },
    /// The hook was revoked, or has expired.
    Ended,
    /// The tag or device of the hook does not exist now.
    NoTarget,
    /// The tag of the hook has more devices than a publish may reach.
    TagTooLarge,
    /// The key of the request was used for another message.
    OtherMessage,
    /// The device publishes too much, or too much of it is stored; the seconds to wait.
    TooMany(u32),
    /// A part of the service could not be reached, or anything else that whoever posts cannot change.
    Unavailable,
}

impl From<Problem> for Posted {
    /// The detail of a problem is for the device, and goes no further.
    fn from(problem: Problem) -> Self {
        match problem.code {
            Code::Unauthorized => Self::Ended,
            Code::UnknownTag | Code::UnknownDevice => Self::NoTarget,
            Code::TagTooLarge => Self::TagTooLarge,
            Code::IdempotencyMismatch => Self::OtherMessage,
            Code::TooManyRequests | Code::OutboxFull => {
                Self::TooMany(problem.retry_after.unwrap_or(RETRY_AFTER))
            }
            _ => Self::Unavailable,
        }
    }
}
