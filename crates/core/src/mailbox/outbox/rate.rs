//! The rate limit of reads that ask other mailboxes, and of what costs about as much. That of publishes is in
//! [`super::publish`].

use super::Outbox;
use super::bucket::too_many;
use crate::problem::Problem;
use crate::store::Store;
use crate::time::Now;

impl<S: Store> Outbox<'_, S> {
    /// Counts a read of this device that asks up to `mailboxes` other mailboxes, or progress that tells one: the
    /// requests that a device causes in other mailboxes have to be limited. A user agent that registers or removes a
    /// channel counts as well: each writes rows and scans the messages of channels.
    ///
    /// # Errors
    /// `too_many_requests`, with the seconds after which the same read is allowed.
    pub(in crate::mailbox) fn may_ask(&mut self, mailboxes: u32, now: Now) -> Result<(), Problem> {
        let (rate, burst) = (self.cx.limits.ask_rate, self.cx.limits.ask_burst);
        let drawn = self.memory.asks.draw(mailboxes, rate, burst, now.at);
        drawn.map_err(|seconds| {
            let detail = format!(
                "reads may ask {rate} mailboxes a second, {burst} at once; a tag's presence asks one for each device, a cancellation one for each delivery that is not in a terminal state, progress one"
            );
            too_many(detail, seconds)
        })
    }
}
