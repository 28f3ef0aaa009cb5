//! Long polls: messages for a device without a WebSocket.
//!
//! A message that a poll took is its device's for the time to acknowledge it. When that is over it counts
//! as one that the device had its time for, and waits again. A suspect is polled alone.

use super::inbox_rows::{self, Held};
use super::{Effect, Mailbox};
use crate::delivery::State;
use crate::id::DeviceId;
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::Now;

/// A poll takes no further message that makes its answer longer than so many bytes of payload as they
/// stand in it. A text is twice as long to the platform as soon as one of its characters is beyond
/// Latin-1, and an answer has to stay below 32 MiB.
pub(super) const POLL_BYTES: usize = 4 << 20;

/// How many messages whose time is over are dealt with in one event.
const BATCH: u32 = 500;

impl<S: Store> Mailbox<S> {
    /// Takes up to `limit` messages for a device without a WebSocket, each with its attempt, and fewer
    /// where they are large. They count as sent, and come again when they are not acknowledged in time.
    ///
    /// # Errors
    /// The store failed.
    pub fn poll(&mut self, limit: u32, now: Now) -> Result<Vec<(Message, u32)>, StoreError> {
        let mut taken = Vec::new();
        let Some(device) = self.device().cloned() else {
            return Ok(taken);
        };
        self.seen_polling(now)?;
        let in_flight = self.link.as_ref().map_or(0, |link| link.in_flight.len());
        let limit = limit as usize;
        let mut bytes = 0;
        loop {
            let mut ended = false;
            for held in self.pollable(limit + in_flight, now)? {
                if taken.len() >= limit {
                    break;
                }
                if held.expires_at <= now.at {
                    let delivery = held.delivery(&device, false).then(State::Expired, now.at);
                    self.settle(held, delivery, now)?;
                    ended = true;
                    continue;
                }
                let is_suspect = held.attempts.is_suspect();
                let message = inbox_rows::message(&self.store, held.key)?;
                bytes += message.payload.get().len();
                if !taken.is_empty() && (is_suspect || bytes > POLL_BYTES) {
                    break;
                }
                let attempt = self.lease(held, now)?;
                taken.push((message, attempt));
                if is_suspect {
                    break;
                }
            }
            if !(taken.is_empty() && ended) {
                return Ok(taken);
            }
        }
    }

    /// What a poll may take, in order of delivery.
    fn pollable(&self, limit: usize, now: Now) -> Result<Vec<Held>, StoreError> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let lost = &self.inbox.lost;
        let mut rows = self.sent_before(None, Some(now.at), limit)?;
        let waiting = inbox_rows::waiting(&self.store, None, &lost.lines(), limit)?;
        rows.extend(
            waiting
                .into_iter()
                .filter(|held| lost.get(held.key.id).is_none()),
        );
        let due = lost.due(|_| false, now.at);
        rows.retain(|held| {
            let in_flight = self.link.as_ref().is_some_and(|link| link.has(&held.key));
            !in_flight && (Some(held.key.id) == due || !lost.holds_up(held))
        });
        Ok(rows)
    }

    /// Counts a message as sent to a poll; returns which attempt that is.
    fn lease(&mut self, mut held: Held, now: Now) -> Result<u32, StoreError> {
        let attempt = held.attempts.made + 1;
        held.attempts.note_sent(attempt, now.at);
        held.retry_at = now.at + self.backoff(held.attempts.timed_out);
        inbox_rows::save_poll(&self.store, &held)?;
        self.inbox.lost.update(held.key.id, &held.attempts);
        self.wake_by(held.retry_at);
        Ok(attempt)
    }

    /// Messages that polls took and whose time to acknowledge is over: given up where that happened as
    /// often as allowed, else free to be sent again.
    pub(super) fn end_leases(&mut self, device: &DeviceId, now: Now) -> Result<(), StoreError> {
        for held in inbox_rows::leases_over(&self.store, now.at, BATCH)? {
            let mut held = self.up_to_date(held);
            held.attempts.time_out();
            if let Some(end) = self.must_end(&held, now) {
                let delivery = held.delivery(device, false).then(end, now.at);
                self.settle(held, delivery, now)?;
                continue;
            }
            held.retry_at = 0;
            inbox_rows::save_attempts(&self.store, &held)?;
            self.survived(&held);
            self.inbox.again = true;
            self.inbox.backlog = true;
            self.effects.push(Effect::Ready);
        }
        Ok(())
    }

    /// How many messages a poll took that are not acknowledged.
    pub(super) fn leased(&self, now: Now) -> Result<u32, StoreError> {
        if self.account.is_none() || self.link.is_some() {
            return Ok(0);
        }
        inbox_rows::leased(&self.store, now.at)
    }
}
