//! Long polls: messages for a device without a WebSocket.
//!
//! A polled message is leased: the device has the acknowledgement timeout to answer it. When the lease runs out,
//! the message has timed out and is held again. A suspect is polled alone.

use super::expiry::has_expired;
use super::rows::{self, Held};
use super::{Inbox, News, Timer};
use crate::delivery::{Event, State};
use crate::id::{DeviceId, MessageId};
use crate::message::{Lane, Message};
use crate::store::{Store, StoreError};
use crate::time::Now;

/// The most bytes of rendered payload in an answer, unless a single message has more. An answer has to stay below
/// 32 MiB, and a text with any character beyond Latin-1 takes two bytes per character.
pub(super) const POLL_BYTES: usize = 4 << 20;

/// How many expired leases are handled in one event.
const BATCH: u32 = 500;

/// At least this many previously sent messages are read at once.
const PAGE: usize = 100;

impl<S: Store> Inbox<'_, S> {
    /// Takes up to `limit` messages for a device without a WebSocket, fewer if they are large, each with its attempt.
    /// They count as sent, and can be polled again if they are not acknowledged in time.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn poll(
        &mut self,
        limit: u32,
        now: Now,
    ) -> Result<Vec<(Message, u32)>, StoreError> {
        let mut taken = Vec::new();
        if self.cx.device().is_none() {
            return Ok(taken);
        }
        let limit = limit as usize;
        let mut bytes = 0;
        loop {
            let mut ended = false;
            for held in self.pollable(limit, now)? {
                if taken.len() >= limit {
                    break;
                }
                if has_expired(held.expires_at, now) {
                    self.expire_stored(held, now)?;
                    ended = true;
                    continue;
                }
                let is_suspect = held.attempts.is_suspect();
                let message = rows::message(&self.cx.store, held.key)?;
                bytes += message.payload.get().len();
                if !taken.is_empty() && (is_suspect || bytes > POLL_BYTES) {
                    break;
                }
                let attempt = self.lease(held, now)?;
                self.watch_message(&message, State::Sent, attempt, now.at);
                taken.push((message, attempt));
                if is_suspect {
                    break;
                }
            }
            if !(taken.is_empty() && ended) {
                break;
            }
        }
        // A waiting poll is answered when a suspect becomes due.
        if let Some(at) = self.next_suspect(now) {
            self.cx.wake_by(Timer::Suspect, at);
        }
        Ok(taken)
    }

    /// The device polls. Returns whether to store this sign of life, at most once per keepalive.
    pub(in crate::mailbox) fn seen_polling(&mut self, now: Now) -> bool {
        let keepalive = i64::from(self.cx.limits.keepalive) * 1000;
        let has_socket = self.connection.is_some() && !self.is_posting();
        let account = self.cx.account.as_mut().filter(|it| it.created_at > 0);
        let Some(account) = account.filter(|_| !has_socket) else {
            return false;
        };
        let is_news = now.at - account.last_seen_at.unwrap_or(0) > keepalive;
        if is_news {
            account.last_seen_at = Some(now.at);
        }
        is_news
    }

    /// The messages that a poll may take, in order of delivery: at least `limit`, if there are as many.
    fn pollable(&self, limit: usize, now: Now) -> Result<Vec<Held>, StoreError> {
        let lost = &self.memory.lost;
        let suspect = self.pollable_suspect(now)?;
        let in_flight = |held: &Held| {
            self.connection
                .as_ref()
                .is_some_and(|connection| connection.has(held.key.id))
        };
        let in_progress = |held: &Held| {
            let known = lost.get(held.key.id).unwrap_or(&held.attempts);
            known.is_in_progress(now.at)
        };
        let may = |held: &Held| {
            !in_flight(held)
                && !in_progress(held)
                && (Some(held.key.id) == suspect || !lost.holds_up(held, false))
        };
        let mut rows = Vec::new();
        let mut after = None;
        let page = u32::try_from(limit.max(PAGE)).unwrap_or(u32::MAX);
        while rows.len() < limit {
            let found = self.sent_before(Lane::Devices, after, Some(now.at), page)?;
            let more = found.len() >= page as usize;
            after = found.last().map(|held| held.key.id);
            rows.extend(found.into_iter().filter(may));
            if !more {
                break;
            }
        }
        // The rows found may include messages in flight, and lost ones, which their rows do not show as sent.
        let beside = self
            .connection
            .as_ref()
            .map_or(0, |connection| connection.in_flight.len())
            + lost.len();
        let enough = u32::try_from(limit + beside).unwrap_or(u32::MAX);
        let held_up = lost.held_up(false);
        let waiting = rows::waiting(&self.cx.store, Lane::Devices, None, &held_up, enough)?;
        let waiting = waiting.into_iter();
        rows.extend(waiting.filter(|held| may(held) && lost.get(held.key.id).is_none()));
        Ok(rows.into_iter().map(|held| self.up_to_date(held)).collect())
    }

    /// The suspect that a poll may take, if there is one: the first due that is neither leased nor in flight.
    fn pollable_suspect(&self, now: Now) -> Result<Option<MessageId>, StoreError> {
        let due = self.memory.lost.all_due(|_| false, now.at);
        if due.is_empty() {
            return Ok(None);
        }
        let rows = rows::these(&self.cx.store, Lane::Devices, &due)?;
        let taken = |id: MessageId| {
            let in_flight = self
                .connection
                .as_ref()
                .is_some_and(|connection| connection.in_flight.contains_key(&id));
            let mut rows = rows.iter();
            in_flight || !rows.any(|held| held.key.id == id && held.retry_at <= now.at)
        };
        Ok(due.into_iter().find(|id| !taken(*id)))
    }

    /// Leases a message to a poll. Returns the number of the attempt.
    fn lease(&mut self, mut held: Held, now: Now) -> Result<u32, StoreError> {
        self.phase_of(&held, now).after(Event::Lease)?;
        let attempt = held.attempts.made + 1;
        held.attempts.note_sent(attempt, now.at);
        held.retry_at = now.at + self.backoff(Lane::Devices, held.attempts.timed_out);
        rows::save_sent_before(&self.cx.store, &held)?;
        self.memory.marked = true;
        // It may have been the one to post next; others wait behind it until the lease ends.
        let paused = self.memory.lost.update(held.key.id, &held.attempts);
        if self.keeps_order() {
            self.memory.lost.lease(&held);
        }
        if paused && self.is_posting() {
            self.rescan();
        }
        self.cx.wake_by(Timer::Ack, held.retry_at);
        Ok(attempt)
    }

    /// Ends leases that have run out, and progress that a row shows: the message has timed out. It is given up if
    /// that happened as often as allowed; otherwise it may be sent again.
    pub(super) fn end_leases(&mut self, device: &DeviceId, now: Now) -> Result<(), StoreError> {
        for held in rows::leases_over(&self.cx.store, now.at, BATCH)? {
            let mut held = self.up_to_date(held);
            let phase = self.run_out(&mut held)?;
            if let Some(end) = self.must_end(&held, now) {
                let delivery = held.after(device, phase, end, now.at)?;
                self.settle(held, delivery, now)?;
                continue;
            }
            held.retry_at = 0;
            rows::save_attempts(&self.cx.store, &held)?;
            self.watch_held(&held, now);
            self.survived(&held);
            self.memory.again = true;
            self.memory.backlog = true;
            self.cx.push(News::Pollable);
            self.tell_waiting(held.key, held.expires_at);
        }
        Ok(())
    }
}
