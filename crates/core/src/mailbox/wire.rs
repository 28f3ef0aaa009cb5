//! What goes to the device, when, and how often: the in-flight window, and sending again.
//!
//! Messages that were on the wire before come first, oldest first; then those that never were, by
//! urgency and age. Nothing goes out that has expired or was sent as often as allowed.

use super::inbox_rows::{self, Held};
use super::link::{InFlight, Stored};
use super::{Effect, Mailbox};
use crate::delivery::State;
use crate::frame::ToDevice;
use crate::id::{DeviceId, MessageId};
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// Up to this many doublings of the time to acknowledge.
const DOUBLINGS: u32 = 3;

/// One poll takes no further message once it has so many bytes of payload.
const POLL_BYTES: u64 = 4 << 20;

impl<S: Store> Mailbox<S> {
    /// Milliseconds to wait for the acknowledgement of the `attempt`th attempt.
    pub(super) fn backoff(&self, attempt: u32) -> Millis {
        let doublings = attempt.saturating_sub(1).min(DOUBLINGS);
        i64::from(self.limits.ack_timeout) * 1000 * (1 << doublings)
    }

    /// Puts a message on the wire.
    pub(super) fn send(&mut self, message: &Message, attempt: u32) {
        if let Some(link) = self.link.as_mut() {
            let frame = ToDevice::Message { message, attempt }.to_json();
            link.unread += frame.len() as u64;
            let connection = link.id;
            self.effects.push(Effect::Send { connection, frame });
        }
    }

    /// Fills the in-flight window from the rows that wait.
    pub(super) fn pump(&mut self, now: Now) -> Result<(), StoreError> {
        if !self.inbox.backlog || !self.is_online(&now) {
            return Ok(());
        }
        self.give_up_stuck(false, now)?;
        let mut after = None;
        while self.inbox.again {
            let limit = self.limits.max_in_flight.saturating_mul(2);
            let rows = inbox_rows::sent_before(&self.store, after, None, limit)?;
            let more = rows.len() >= limit as usize;
            for held in rows {
                after = Some(held.key.id);
                if !self.send_held(held, now)? {
                    return Ok(());
                }
            }
            self.inbox.again = more;
        }
        loop {
            let Some(link) = self.link.as_ref() else {
                return Ok(());
            };
            let window = link.window(&self.limits);
            if window == 0 {
                return Ok(());
            }
            // Without a cursor the first rows may be those that are on the wire already.
            let known = if self.inbox.cursor.is_none() {
                self.limits.max_in_flight
            } else {
                0
            };
            let rows = inbox_rows::never_sent(&self.store, self.inbox.cursor, window + known)?;
            if rows.is_empty() {
                self.inbox.backlog = self.inbox.again;
                return Ok(());
            }
            for held in rows {
                let key = held.key;
                if !self.send_held(held, now)? {
                    return Ok(());
                }
                self.inbox.cursor = Some(key);
            }
        }
    }

    /// Sends one stored message, or settles it where that must not be. `false` if the window is full.
    fn send_held(&mut self, mut held: Held, now: Now) -> Result<bool, StoreError> {
        let (Some(link), Some(device)) = (self.link.as_ref(), self.device().cloned()) else {
            return Ok(false);
        };
        // The device may yet acknowledge the last attempt.
        let last = held.attempts >= self.limits.max_attempts && held.retry_at > now.at;
        if link.has(&held.key) || (last && held.expires_at > now.at) {
            return Ok(true);
        }
        if let Some(last) = self.must_end(&held, now) {
            let delivery = held.delivery(&device, false).then(last, now.at);
            self.settle(held, delivery, now)?;
            return Ok(true);
        }
        if link.window(&self.limits) == 0 {
            return Ok(false);
        }
        let attempt = held.attempts + 1;
        let due_at = now.at + self.backoff(attempt);
        self.send(&inbox_rows::message(&self.store, held.key)?, attempt);
        // The first attempt is noted with the socket alone; from the second on the row keeps count.
        if held.attempts > 0 {
            held.send(now.at, due_at);
            inbox_rows::save_attempts(&self.store, &held)?;
        }
        self.put_in_flight(&held, attempt, due_at, now);
        Ok(true)
    }

    fn put_in_flight(&mut self, held: &Held, attempt: u32, due_at: Millis, now: Now) {
        if let Some(link) = self.link.as_mut() {
            let store = Stored::Row { due_at };
            let entry = InFlight {
                rank: held.key.rank,
                attempt,
                sent_at: now.at,
                store,
            };
            link.in_flight.insert(held.key.id, entry);
            link.changed = true;
        }
        self.wake_by(due_at);
    }

    /// The last state of a message that must not be sent again.
    fn must_end(&self, held: &Held, now: Now) -> Option<State> {
        if held.expires_at <= now.at {
            Some(State::Expired)
        } else if held.attempts >= self.limits.max_attempts {
            Some(State::Undeliverable)
        } else {
            None
        }
    }

    /// Sends again what was not acknowledged in time, and gives up what was sent as often as allowed.
    pub(super) fn send_again(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(device) = self.device().cloned() else {
            return Ok(());
        };
        let due =
            |entry: &InFlight| matches!(entry.store, Stored::Row { due_at } if due_at <= now.at);
        let entries = self.link.iter().flat_map(|link| &link.in_flight);
        let ids: Vec<MessageId> = entries
            .filter(|(_, entry)| due(entry))
            .map(|(id, _)| *id)
            .collect();
        self.give_up_stuck(!ids.is_empty(), now)?;
        for id in ids {
            self.send_one_again(id, &device, now)?;
        }
        self.end_leases(&device, now)
    }

    fn send_one_again(
        &mut self,
        id: MessageId,
        device: &DeviceId,
        now: Now,
    ) -> Result<(), StoreError> {
        let held = inbox_rows::held(&self.store, id)?;
        let Some(link) = self.link.as_mut() else {
            return Ok(());
        };
        link.changed = true;
        let (Some(entry), Some(mut held)) = (link.in_flight.remove(&id), held) else {
            return Ok(());
        };
        held.catch_up(&entry);
        if let Some(last) = self.must_end(&held, now) {
            let delivery = held.delivery(device, false).then(last, now.at);
            return self.settle(held, delivery, now);
        }
        let attempt = held.attempts + 1;
        let due_at = now.at + self.backoff(attempt);
        self.send(&inbox_rows::message(&self.store, held.key)?, attempt);
        held.send(now.at, due_at);
        inbox_rows::save_attempts(&self.store, &held)?;
        self.put_in_flight(&held, attempt, due_at, now);
        Ok(())
    }

    /// Messages that were sent before, are not on the wire, and whose time is up: given up after the
    /// last attempt, else free to be sent again.
    fn end_leases(&mut self, device: &DeviceId, now: Now) -> Result<(), StoreError> {
        for mut held in inbox_rows::leases_over(&self.store, now.at, 500)? {
            if self.link.as_ref().is_some_and(|link| link.has(&held.key)) {
                continue;
            }
            if let Some(last) = self.must_end(&held, now) {
                let delivery = held.delivery(device, false).then(last, now.at);
                self.settle(held, delivery, now)?;
            } else {
                held.retry_at = 0;
                inbox_rows::save_attempts(&self.store, &held)?;
                self.inbox.again = true;
                self.inbox.backlog = true;
                self.effects.push(Effect::Ready);
            }
        }
        Ok(())
    }

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
        let linked = self.link.as_ref().map_or(0, |_| self.limits.max_in_flight);
        let mut bytes = 0;
        loop {
            let before = inbox_rows::sent_before(&self.store, None, Some(now.at), limit + linked)?;
            let never = inbox_rows::never_sent(&self.store, None, limit + linked)?;
            let mut ended = false;
            for mut held in before.into_iter().chain(never) {
                if taken.len() >= limit as usize || bytes >= POLL_BYTES {
                    break;
                }
                if self.link.as_ref().is_some_and(|link| link.has(&held.key)) {
                    continue;
                }
                if let Some(last) = self.must_end(&held, now) {
                    let delivery = held.delivery(&device, false).then(last, now.at);
                    self.settle(held, delivery, now)?;
                    ended = true;
                    continue;
                }
                let due_at = now.at + self.backoff(held.attempts + 1);
                held.send(now.at, due_at);
                inbox_rows::save_attempts(&self.store, &held)?;
                self.wake_by(due_at);
                bytes += held.size;
                taken.push((inbox_rows::message(&self.store, held.key)?, held.attempts));
            }
            if !(taken.is_empty() && ended) {
                return Ok(taken);
            }
        }
    }

    /// How many messages a poll took that are not acknowledged.
    pub(super) fn leased(&self, now: Now) -> Result<u32, StoreError> {
        if self.account.is_none() || self.link.is_some() {
            return Ok(0);
        }
        inbox_rows::leased(&self.store, now.at)
    }
}
