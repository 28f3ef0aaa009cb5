//! The last tries of an address: how it has answered, for its owner.

use serde::{Deserialize, Serialize};

use super::{PostError, PostResponse, Tried};
use crate::id::MessageId;
use crate::time::Millis;

/// How many are kept.
const MOST_TRIES: usize = 10;

/// What was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TryOf {
    /// A message.
    Message,
    /// Receipts.
    Receipts,
    /// A test.
    Test,
}

/// A request to an address, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// When its outcome was known.
    pub at: Millis,
    /// What was posted.
    #[serde(rename = "type")]
    pub of: TryOf,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MessageId>,
    /// The status, if the address has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<PostError>,
    /// How many milliseconds that took.
    pub ms: u32,
}

/// The last tries, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tries(Vec<Try>);

impl Tries {
    /// Adds a try. The oldest makes way.
    pub fn add(&mut self, last: Try) {
        self.0.truncate(MOST_TRIES - 1);
        self.0.insert(0, last);
    }

    /// The tries, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Try> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Try {
    /// A try that ends now and took `ms` milliseconds.
    pub fn new(of: TryOf, outcome: &Result<PostResponse, PostError>, at: Millis, ms: u32) -> Self {
        let (status, error) = match Tried::of(outcome) {
            Tried::Status(status) => (Some(status), None),
            Tried::Error(error) => (None, Some(error)),
        };
        Self {
            at,
            of,
            id: None,
            status,
            error,
            ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_are_kept_newest_first() {
        let mut tries = Tries::default();
        for at in 0..12 {
            tries.add(Try::new(TryOf::Test, &Err(PostError::Timeout), at, 1));
        }
        let times: Vec<_> = tries.0.iter().map(|it| it.at).collect();
        assert_eq!(times, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    }

    #[test]
    fn a_redirect_is_an_error() {
        for (status, kept, error) in [
            (204, Some(204), None),
            (302, None, Some(PostError::Redirect)),
            (500, Some(500), None),
        ] {
            let response = PostResponse {
                status,
                ..PostResponse::default()
            };
            let found = Try::new(TryOf::Test, &Ok(response), 0, 1);
            assert_eq!((found.status, found.error), (kept, error));
        }
    }
}
