//! The rate limit of reads that ask other mailboxes, and of what costs about as much. That of publishes is in
//! [`super::publish`].

use super::Outbox;
use super::bucket::too_many;
use crate::problem::Problem;
use crate::store::Store;
use crate::time::Now;

/// How many mailboxes per second the reads of a device may ask.
const ASK_RATE: u32 = 100;
/// How many mailboxes the reads of a device may ask at once.
const ASK_BURST: u32 = 1_000;

impl<S: Store> Outbox<'_, S> {
    /// Counts a read of this device that asks up to `mailboxes` other mailboxes, or progress that tells one: the
    /// requests that a device causes in other mailboxes have to be limited. A user agent that registers or removes a
    /// channel counts as well: each writes rows and scans the messages of channels.
    ///
    /// # Errors
    /// `too_many_requests`, with the seconds after which the same read is allowed.
    pub(in crate::mailbox) fn may_ask(&mut self, mailboxes: u32, now: Now) -> Result<(), Problem> {
        let drawn = self
            .memory
            .asks
            .draw(mailboxes, ASK_RATE, ASK_BURST, now.at);
        drawn.map_err(|seconds| {
            let detail = format!(
                "reads may ask {ASK_RATE} mailboxes a second, {ASK_BURST} at once; a tag's presence asks one for each device, a cancellation one for each delivery that is not in a terminal state, progress one"
            );
            too_many(detail, seconds)
        })
    }
}
