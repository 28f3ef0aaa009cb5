//! The fast path: messages that are sent before they are stored.
//!
//! The call that delivered such a message waits. If the acknowledgement arrives within the wait, the message is never
//! stored. Otherwise it is stored before the call is answered, after the earlier ones of its sender. Payloads are in
//! memory, so there is a bound on all of them together: a message beyond it is stored immediately.

use super::connection::{InFlight, Stored};
use super::expiry::may_be_sent_again;
use super::rows::{self, Key};
use super::settle::sent_once;
use super::{Delivering, Inbox, News, Timer};
use crate::call::DeliveryStatus;
use crate::delivery::{Delivery, Event};
use crate::id::MessageId;
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The most bytes of rendered payload of all unstored messages of a mailbox.
const MAX_UNSTORED_BYTES: usize = 2 << 20;

/// The most unstored messages of a mailbox.
const MAX_UNSTORED: u32 = 256;

/// The totals of the unstored messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unstored {
    pub(super) messages: u32,
    /// Their payloads' own bytes, which count against the limit of held bytes.
    pub(super) bytes: u64,
    /// Their rendered payloads' bytes, which are in memory.
    rendered: usize,
}

impl Unstored {
    pub(super) fn add(&mut self, message: &Message) {
        self.messages += 1;
        self.bytes += u64::from(message.size);
        self.rendered += message.payload.get().len();
    }

    pub(super) fn remove(&mut self, message: &Message) {
        self.messages -= 1;
        self.bytes -= u64::from(message.size);
        self.rendered -= message.payload.get().len();
    }

    /// Whether there is room for one more.
    pub(super) fn has_room_for(&self, message: &Message) -> bool {
        self.messages < MAX_UNSTORED
            && self.rendered + message.payload.get().len() <= MAX_UNSTORED_BYTES
    }
}

impl<S: Store> Inbox<'_, S> {
    /// Sends a message immediately. Its call waits for `wait` milliseconds.
    pub(super) fn deliver_unstored(
        &mut self,
        message: Message,
        wait: u32,
        now: Now,
    ) -> Result<Delivering, StoreError> {
        let id = message.id;
        let has_room = self.memory.unstored.has_room_for(&message);
        self.send_unstored(Box::new(message), now);
        if wait == 0 {
            return self.end_wait(id, now).map(Delivering::Answer);
        }
        if !has_room {
            self.store_unstored(id, now)?;
            self.memory.awaited.insert(id);
        }
        Ok(Delivering::Wait(now.at + i64::from(wait)))
    }

    /// Sends an unstored message.
    pub(super) fn send_unstored(&mut self, message: Box<Message>, now: Now) {
        self.send(&message, 1, now);
        if let Some(connection) = self.connection.as_mut() {
            self.memory.unstored.add(&message);
            let (id, rank) = (message.id, Key::of(&message).rank);
            let entry = InFlight {
                rank,
                attempt: 1,
                sent_at: now.at,
                store: Stored::Not(message),
            };
            connection.in_flight.insert(id, entry);
        }
    }

    /// The call that delivered a message has waited long enough: stores the message, and returns its state. Changes
    /// nothing if it is settled or stored already.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn end_wait(
        &mut self,
        id: MessageId,
        now: Now,
    ) -> Result<DeliveryStatus, StoreError> {
        if self.queued(id).is_some() {
            self.end_queueing(id, now)?;
        } else if self.unstored(id).is_some() {
            self.store_unstored(id, now)?;
            self.pump(now)?;
        }
        self.memory.awaited.remove(&id);
        self.find_delivery(id, true, now)
    }

    /// Whether a message is here, unstored.
    pub(super) fn waits_unstored(&self, id: MessageId) -> bool {
        self.unstored(id).is_some() || self.queued(id).is_some()
    }

    /// An unstored message in flight.
    pub(super) fn unstored(&self, id: MessageId) -> Option<&Message> {
        match &self.connection.as_ref()?.in_flight.get(&id)?.store {
            Stored::Not(message) => Some(message),
            Stored::Row { .. } => None,
        }
    }

    /// Whether the table may have rows.
    pub(super) fn has_rows(&mut self) -> Result<bool, StoreError> {
        Ok(self.rows()?.messages > 0 || !self.memory.reports.is_empty())
    }

    /// Stores an unstored message in flight, and those before it.
    pub(super) fn store_unstored(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let Some(message) = self.unstored(id) else {
            return Ok(());
        };
        let mut queued = self.memory.queue.values().map(|queued| &queued.message);
        let is_before = queued.any(|other| other.from == message.from && other.id < id);
        let before = self.unstored_before(message);
        if is_before {
            self.store_queue(now)?;
        }
        self.store_awaited(&before, now)?;
        self.store_in_flight(id, now)
    }

    /// Stores the unstored messages in flight that come before this message, which is about to be stored. Otherwise
    /// only this one would survive a crash, and the earlier ones would be repeated after it.
    pub(super) fn store_before(&mut self, message: &Message, now: Now) -> Result<(), StoreError> {
        self.store_awaited(&self.unstored_before(message), now)
    }

    /// Stores messages in flight whose calls keep waiting.
    fn store_awaited(&mut self, ids: &[MessageId], now: Now) -> Result<(), StoreError> {
        for id in ids {
            self.store_in_flight(*id, now)?;
            self.memory.awaited.insert(*id);
        }
        Ok(())
    }

    /// The unstored messages in flight of the same sender that are older, of any urgency: its next call names the
    /// last message as the one that has to arrive first. Those with TTL 0 are never repeated, so they need not be
    /// stored.
    fn unstored_before(&self, message: &Message) -> Vec<MessageId> {
        let entries = self
            .connection
            .iter()
            .flat_map(|connection| &connection.in_flight);
        let before = entries.filter(|(id, entry)| {
            let same = |other: &Message| other.from == message.from && !other.is_now_or_never();
            **id < message.id && matches!(&entry.store, Stored::Not(other) if same(other))
        });
        before.map(|(id, _)| *id).collect()
    }

    /// Stores an unstored message in flight, or settles it if it has expired.
    fn store_in_flight(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let Some(connection) = self
            .connection
            .as_mut()
            .filter(|_| self.cx.account.is_some())
        else {
            return Ok(());
        };
        let Some(entry) = connection.in_flight.remove(&id) else {
            return Ok(());
        };
        let Stored::Not(message) = &entry.store else {
            connection.in_flight.insert(id, entry);
            return Ok(());
        };
        if !self.store_sent(message, &entry, now)? {
            // It has expired.
            return self.tell_late(id, now);
        }
        let due_at = entry.sent_at + self.answer_time(0);
        if let Some(connection) = self.connection.as_mut() {
            let store = Stored::Row { due_at };
            connection.in_flight.insert(id, InFlight { store, ..entry });
            connection.stale = true;
        }
        self.cx.wake_by(Timer::Ack, due_at);
        Ok(())
    }

    /// Stores a message that was sent. If it has expired, settles it and returns `false`; a message with TTL 0 always
    /// counts as expired here, even if this clock is behind the sender's.
    pub(super) fn store_sent(
        &mut self,
        message: &Message,
        entry: &InFlight,
        now: Now,
    ) -> Result<bool, StoreError> {
        self.memory.unstored.remove(message);
        if !may_be_sent_again(message, now) {
            if let Some(device) = self.cx.device() {
                let delivery = sent_once(device, entry.sent_at)?.apply(Event::Expire, now.at)?;
                self.forget_unstored(message, delivery, now)?;
            }
            return Ok(false);
        }
        let sent = (entry.attempt, entry.sent_at);
        rows::insert(&self.cx.store, message, 0, Some(sent))?;
        self.cx.row_added(message.size, message.expires_at)?;
        Ok(true)
    }

    /// Removes an unstored message from the window; returns when it was sent.
    pub(super) fn take_unstored(&mut self, id: MessageId) -> Option<(Box<Message>, Millis)> {
        self.unstored(id)?;
        let InFlight { store, sent_at, .. } = self.connection.as_mut()?.in_flight.remove(&id)?;
        let Stored::Not(message) = store else {
            return None;
        };
        self.memory.unstored.remove(&message);
        Some((message, sent_at))
    }

    /// An unstored message is settled.
    pub(super) fn end_unstored(
        &mut self,
        message: &Message,
        delivery: Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        self.keep_replaced(message, &delivery, now)?;
        self.withdraw(message.lane(), message.id, &delivery);
        self.forget_unstored(message, delivery, now)
    }

    /// An unstored message is settled: answers the call that waits for it, and keeps the payload if it has failed.
    pub(super) fn forget_unstored(
        &mut self,
        message: &Message,
        delivery: Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        self.remember(message, &delivery);
        self.watch_end(message.id, &message.from, &delivery);
        self.keep_unstored(message, &delivery, now)?;
        self.tell_of_channel(message, delivery.state);
        self.cx
            .push(News::Delivered(message.id, DeliveryStatus::Known(delivery)));
        Ok(())
    }
}
