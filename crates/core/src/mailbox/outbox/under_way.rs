//! The payload bytes that a mailbox has under way: of unanswered publishes, once for each recipient, and of publish
//! frames whose targets are being looked up.
//!
//! They are bounded, because an isolate has 128 MB for all its mailboxes and a publish may wait for a minute.
//! A publish beyond the bound is refused before anything is written; one to a tag becomes a job, which is delivered in
//! waves. Stored messages are not counted here.

use super::Outbox;
use crate::problem::{Code, Problem};
use crate::store::Store;

/// At most this many bytes may be under way.
const MAX_UNDER_WAY: u64 = 8 << 20;

/// At most this many bytes of one message go to several devices at the same time.
const WAVE: u64 = 4 << 20;

/// How many devices a payload of `bytes` bytes goes to at the same time; at least one.
pub(super) fn wave(bytes: usize) -> usize {
    let fit = WAVE / (bytes as u64).max(1);
    usize::try_from(fit).unwrap_or(usize::MAX).max(1)
}

impl<S: Store> Outbox<'_, S> {
    /// Whether `bytes` more may be under way. A single publish always fits.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        let others = self.memory.under_way + self.memory.resolving.bytes();
        others == 0 || others + bytes <= MAX_UNDER_WAY
    }
}

/// The problem of a publish for which there is no room.
pub(super) fn no_room() -> Problem {
    let mut problem = Problem::new(
        Code::TooManyRequests,
        format!("unanswered publishes may take at most {MAX_UNDER_WAY} bytes"),
    );
    problem.retry_after = Some(1);
    problem
}
