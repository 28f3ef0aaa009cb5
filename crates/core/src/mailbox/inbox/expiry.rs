//! Expiry: when a message is too late, and what becomes of it then.
//!
//! There are two rules. A message has expired once its `expires_at` is reached ([`has_expired`]). One with TTL 0
//! expires the moment it is accepted: it is sent at most once, right after, unless it comes too late
//! ([`arrives_late`]), and is never stored. Whether there is room for it then, [`super::deliver`] decides.
//!
//! Nothing is sent after it has expired. A stored message is settled when it would be sent next, or by the alarm,
//! which is set for the earliest expiry. Not here: messages that have not reached this mailbox. Their sender's
//! mailbox keeps calling until this one settles them, except those with TTL 0, which it expires itself.

use super::Inbox;
use super::queue::Queued;
use super::rows::{self, Held};
use super::settle::BATCH;
use crate::delivery::Event;
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// A message with TTL 0 is still sent this many milliseconds after it was accepted.
const TTL_ZERO_GRACE: Millis = 10_000;

/// Whether a message that expires at this time has expired.
pub(super) fn has_expired(expires_at: Millis, now: Now) -> bool {
    expires_at <= now.at
}

/// Whether a message that arrives now is settled as expired.
pub(super) fn arrives_late(message: &Message, now: Now) -> bool {
    match message.is_now_or_never() {
        true => now.at > message.sent_at + TTL_ZERO_GRACE,
        false => has_expired(message.expires_at, now),
    }
}

/// Whether a message that was sent may be stored, to be sent again.
pub(super) fn may_be_sent_again(message: &Message, now: Now) -> bool {
    // This clock may be behind the sender's, by which one with TTL 0 has expired.
    !message.is_now_or_never() && !has_expired(message.expires_at, now)
}

impl<S: Store> Inbox<'_, S> {
    /// The alarm went off: settles the stored messages that have expired, in flight or not.
    pub(super) fn expire(&mut self, now: Now) -> Result<(), StoreError> {
        if self.cx.account.is_none() || self.cx.next_expiry()?.is_none_or(|at| at > now.at) {
            return Ok(());
        }
        let expired = rows::expired(&self.cx.store, now.at, BATCH)?;
        let all = expired.len() < BATCH as usize;
        for held in expired {
            let held = self.up_to_date(held);
            self.expire_stored(held, now)?;
        }
        // The table is scanned for the next expiry only now, not when the mailbox opens or between two batches.
        if all && self.rows()?.messages > 0 {
            self.cx.recount(now)?;
        }
        Ok(())
    }

    /// Settles a stored message, [up to date](Self::up_to_date), as expired.
    pub(super) fn expire_stored(&mut self, held: Held, now: Now) -> Result<(), StoreError> {
        if let Some(device) = self.cx.device().cloned() {
            let phase = self.phase_of(&held, now);
            let expired = held.after(&device, phase, Event::Expire, now.at)?;
            self.settle(held, expired, now)?;
        }
        Ok(())
    }

    /// Settles a message that waited for room as expired.
    pub(super) fn expire_queued(&mut self, queued: &Queued, now: Now) -> Result<(), StoreError> {
        if let Some(device) = self.cx.device().cloned() {
            let expired = queued.delivery(device)?.apply(Event::Expire, now.at)?;
            self.forget_unstored(&queued.message, expired, now)?;
        }
        Ok(())
    }
}
