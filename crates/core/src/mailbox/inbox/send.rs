//! Sending to the device: the in-flight window, and redelivery.
//!
//! Messages that were sent before come first, oldest first; then never-sent ones, by urgency and age. An expired
//! message is not sent. A message that timed out as often as allowed, while the device was connected, is given up.
//!
//! A suspect, during which connections keep ending, is sent alone. Once it is due, nothing else is sent until it has
//! been, so that others cannot delay it. While it pauses, only messages of the same sender and urgency wait behind it.

use super::connection::{CLOSE_SILENT, Connection, InFlight, Stored};
use super::expiry::has_expired;
use super::rows::{self, Held};
use super::{Inbox, Timer};
use crate::delivery::{Event, State};
use crate::id::{DeviceId, MessageId};
use crate::message::{Lane, Message};
use crate::protocol::ToDevice;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The time to acknowledge doubles at most this many times.
const DOUBLINGS: u32 = 3;

impl<S: Store> Inbox<'_, S> {
    /// Milliseconds to wait for an acknowledgement after `timed_out` time-outs.
    pub(super) fn backoff(&self, lane: Lane, timed_out: u32) -> Millis {
        match lane {
            Lane::Devices => {
                i64::from(self.cx.limits.ack_timeout) * 1000 * (1 << timed_out.min(DOUBLINGS))
            }
            // Nothing is sent twice over the same connection.
            Lane::Channels => i64::from(self.cx.limits.push_ack_timeout) * 1000,
        }
    }

    /// The lane of the connection, or that of polls if there is none.
    fn lane(&self) -> Lane {
        let connection = self.connection.as_ref();
        connection.map_or(Lane::Devices, |connection| connection.lane())
    }

    /// Milliseconds to wait for the answer to a message that is sent now, after `timed_out` time-outs.
    pub(super) fn answer_time(&self, timed_out: u32) -> Millis {
        let mut posting = self.connection.iter().filter_map(|it| it.posting.as_ref());
        match posting.next() {
            Some(posting) => posting.due_after(),
            None => self.backoff(self.lane(), timed_out),
        }
    }

    /// Sends a message.
    pub(super) fn send(&mut self, message: &Message, attempt: u32, now: Now) {
        if self.post(message, attempt) {
            self.watch_message(message, State::Sent, attempt, now.at);
            return;
        }
        if let Some(connection) = self.connection.as_mut()
            && let Some((output, size)) = connection.say(&ToDevice::Message { message, attempt })
        {
            connection.unread += size;
            self.cx.push(output);
            self.watch_message(message, State::Sent, attempt, now.at);
        }
    }

    /// Fills the in-flight window with waiting messages. A connection that has shown no sign of life is closed if any
    /// wait: the device may resume it later, and the mailbox would not learn of that.
    pub(in crate::mailbox) fn pump(&mut self, now: Now) -> Result<(), StoreError> {
        let idle = self.memory.queue.is_empty() && !self.memory.lost.has_suspects();
        let connection = self.connection.as_ref();
        // An address may take receipts only.
        let has_width = |it: &Connection| it.width(&self.cx.limits) > 0;
        let is_ready = connection.is_some_and(|it| it.is_ready() && has_width(it));
        if (idle && !self.memory.backlog) || !is_ready {
            return Ok(());
        }
        self.check_connection(now)?;
        if self.connection.is_none() {
            return Ok(());
        }
        if self.make_way(now)? || !self.pump_again(now)? || !self.pump_waiting(now)? {
            return Ok(());
        }
        self.pump_queue(now)
    }

    /// The suspect to send now.
    pub(super) fn suspect_due(&self, now: Now) -> Option<MessageId> {
        let connection = self.connection.as_ref();
        let has_sent = |id| connection.is_some_and(|connection| connection.has_sent(id));
        let due = self.memory.lost.due(has_sent, now.at);
        due.filter(|_| self.lane() == Lane::Devices)
    }

    /// When the next suspect may be sent, over the connection or to a poll.
    pub(super) fn next_suspect(&self, now: Now) -> Option<Millis> {
        let connection = self.connection.as_ref();
        let has_sent = |id| connection.is_some_and(|connection| connection.has_sent(id));
        let next = self.memory.lost.next_due(has_sent, now.at);
        next.filter(|_| self.lane() == Lane::Devices)
    }

    /// Whether the window is reserved for a suspect: one is in flight, or due.
    pub(super) fn is_reserved(&self, now: Now) -> bool {
        let lost = &self.memory.lost;
        let mut in_flight = self
            .connection
            .iter()
            .flat_map(|connection| connection.in_flight.keys());
        lost.has_suspects()
            && (in_flight.any(|id| lost.is_suspect(*id)) || self.suspect_due(now).is_some())
    }

    /// Sends the suspect that is due, once nothing is in flight. Returns whether nothing else may be sent.
    fn make_way(&mut self, now: Now) -> Result<bool, StoreError> {
        while self.is_reserved(now) {
            let is_empty = self
                .connection
                .as_ref()
                .is_some_and(|connection| connection.in_flight.is_empty());
            let Some(id) = self.suspect_due(now).filter(|_| is_empty) else {
                return Ok(true);
            };
            match rows::held(&self.cx.store, Lane::Devices, id)? {
                Some(held) => {
                    // If it is still due, it can be neither sent nor settled now.
                    if !self.send_held(held, now)? || self.suspect_due(now) == Some(id) {
                        return Ok(true);
                    }
                }
                None => {
                    self.memory.lost.remove(id);
                }
            }
        }
        if let Some(at) = self.next_suspect(now) {
            self.cx.wake_by(Timer::Suspect, at);
        }
        Ok(false)
    }

    /// Sends messages that were sent before. `false` if the window is full.
    fn pump_again(&mut self, now: Now) -> Result<bool, StoreError> {
        let mut after = None;
        while self.memory.again {
            let limit = self.cx.limits.max_in_flight.saturating_mul(2);
            // A socket ends leases.
            let due = self.is_posting().then_some(now.at);
            let rows = self.sent_before(self.lane(), after, due, limit)?;
            let more = rows.len() >= limit as usize;
            for held in rows {
                after = Some(held.key.id);
                let keeps_order = self.keeps_order();
                if !self.memory.lost.holds_up(&held, keeps_order) && !self.send_held(held, now)? {
                    return Ok(false);
                }
            }
            self.memory.again = more;
        }
        Ok(true)
    }

    /// Messages of a lane that were sent before, oldest first, after `after`. If `due` is given, only those without a
    /// lease at that time.
    pub(super) fn sent_before(
        &self,
        lane: Lane,
        after: Option<MessageId>,
        due: Option<Millis>,
        limit: u32,
    ) -> Result<Vec<Held>, StoreError> {
        let mut rows = rows::polled(&self.cx.store, lane, after, due, limit)?;
        let mut lost = self.memory.lost.after(after);
        if !lost.is_empty() {
            lost.retain(|id| rows.iter().all(|held| held.key.id != *id));
            let lost = rows::these(&self.cx.store, lane, &lost)?.into_iter();
            let is_free = |held: &Held| due.is_none_or(|due| held.retry_at <= due);
            rows.extend(lost.filter(is_free));
            rows.sort_unstable_by_key(|held| held.key.id);
            rows.truncate(limit as usize);
        }
        Ok(rows)
    }

    /// Sends messages that were never sent. `false` if the window is full.
    fn pump_waiting(&mut self, now: Now) -> Result<bool, StoreError> {
        while self.memory.backlog {
            if self.posts_no_others() {
                return Ok(true);
            }
            let Some(connection) = self.connection.as_ref() else {
                return Ok(false);
            };
            let window = connection.window(&self.cx.limits);
            if window == 0 {
                return Ok(false);
            }
            // Without a cursor the first rows may be in flight already.
            let known = match self.memory.cursor {
                None => u32::try_from(connection.in_flight.len()).unwrap_or(u32::MAX),
                Some(_) => 0,
            };
            let held_up = self.memory.lost.held_up(connection.keeps_order());
            let cursor = self.memory.cursor;
            let rows = rows::waiting(
                &self.cx.store,
                connection.lane(),
                cursor,
                &held_up,
                window + known,
            )?;
            self.memory.backlog = !rows.is_empty();
            for held in rows {
                let key = held.key;
                if !self.send_held(held, now)? {
                    return Ok(false);
                }
                self.memory.cursor = Some(key);
            }
        }
        Ok(true)
    }

    /// Sends one stored message, unless the device works on it, or settles it if it has expired. `false` if the window
    /// is full.
    fn send_held(&mut self, held: Held, now: Now) -> Result<bool, StoreError> {
        let Some(connection) = self.connection.as_ref() else {
            return Ok(false);
        };
        if connection.has(held.key.id) {
            return Ok(true);
        }
        let mut held = self.up_to_date(held);
        if held.attempts.is_in_progress(now.at) {
            return Ok(true);
        }
        if has_expired(held.expires_at, now) {
            self.expire_stored(held, now)?;
            return Ok(true);
        }
        if self.is_paused(&held, now) {
            return Ok(true);
        }
        if connection.window(&self.cx.limits) == 0 {
            return Ok(false);
        }
        if held.retry_at > 0 {
            // This ends its lease.
            held.retry_at = 0;
            rows::save_attempts(&self.cx.store, &held)?;
        }
        self.put_in_flight(&held, now)?;
        Ok(true)
    }

    /// Sends a stored message. Until the attempt ends, it is recorded only in the socket's attachment.
    fn put_in_flight(&mut self, held: &Held, now: Now) -> Result<(), StoreError> {
        self.phase_of(held, now).after(Event::Send)?;
        let attempt = held.attempts.made + 1;
        let due_at = now.at + self.answer_time(held.attempts.timed_out);
        self.send(&rows::message(&self.cx.store, held.key)?, attempt, now);
        if let Some(connection) = self.connection.as_mut() {
            let entry = InFlight {
                rank: held.key.rank,
                attempt,
                sent_at: now.at,
                store: Stored::Row { due_at },
            };
            connection.in_flight.insert(held.key.id, entry);
            connection.stale = true;
        }
        self.cx.wake_by(Timer::Ack, due_at);
        Ok(())
    }

    /// The event that settles a message that must not be sent again.
    pub(super) fn must_end(&self, held: &Held, now: Now) -> Option<Event> {
        if has_expired(held.expires_at, now) {
            Some(Event::Expire)
        } else if held.attempts.timed_out >= self.cx.limits.max_attempts {
            Some(Event::GiveUp)
        } else {
            None
        }
    }

    /// Sends messages that have timed out again, and gives up those that have timed out as often as allowed.
    pub(super) fn send_again(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(device) = self.cx.device().cloned() else {
            return Ok(());
        };
        let due =
            |entry: &InFlight| matches!(entry.store, Stored::Row { due_at } if due_at <= now.at);
        let entries = self
            .connection
            .iter()
            .flat_map(|connection| &connection.in_flight);
        let ids: Vec<MessageId> = entries
            .filter(|(_, entry)| due(entry))
            .map(|(id, _)| *id)
            .collect();
        self.close_stuck(!ids.is_empty(), now)?;
        if !ids.is_empty() && self.lane() == Lane::Channels {
            self.hang_up(now, CLOSE_SILENT, "a message is not acknowledged")?;
        } else if self.is_posting() {
            for id in ids {
                self.answer_lost(id, now)?;
            }
        } else {
            for id in ids {
                self.send_one_again(id, &device, now)?;
            }
        }
        self.end_leases(&device, now)?;
        self.end_progress(&device, now)
    }

    fn send_one_again(
        &mut self,
        id: MessageId,
        device: &DeviceId,
        now: Now,
    ) -> Result<(), StoreError> {
        let held = rows::held(&self.cx.store, Lane::Devices, id)?.map(|held| self.up_to_date(held));
        let Some(connection) = self.connection.as_mut() else {
            return Ok(());
        };
        connection.stale = true;
        let (Some(entry), Some(mut held)) = (connection.in_flight.remove(&id), held) else {
            return Ok(());
        };
        let phase = entry.phase().after(Event::TimeOut)?;
        connection.timed_out.insert(id);
        held.attempts.time_out();
        if let Some(end) = self.must_end(&held, now) {
            let delivery = held.after(device, phase, end, now.at)?;
            return self.settle(held, delivery, now);
        }
        self.survived(&held);
        if self.suspect_due(now).is_some() {
            // It makes way for a suspect, and is sent first after it. Its row shows that, even after a crash.
            rows::save_sent_before(&self.cx.store, &held)?;
            self.memory.marked = true;
            self.watch_held(&held, now);
            self.rescan();
            return Ok(());
        }
        rows::save_attempts(&self.cx.store, &held)?;
        self.put_in_flight(&held, now)
    }

    /// A message has timed out while the device was connected.
    pub(super) fn survived(&mut self, held: &Held) {
        if self.memory.lost.update(held.key.id, &held.attempts) {
            self.rescan();
        }
    }

    /// Starts over with all waiting messages: some that were held up may be sent now.
    pub(super) fn rescan(&mut self) {
        self.memory.again = true;
        self.memory.backlog = true;
        self.memory.cursor = None;
    }
}
