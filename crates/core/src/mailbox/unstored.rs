//! Messages that go on the wire before they are stored.
//!
//! Whoever handed such a message over waits. If the acknowledgement comes in time the message was never
//! written down; otherwise it is stored before anyone is told, and those that go before it first.

use super::inbox_rows::{self, Key};
use super::link::{InFlight, Stored};
use super::settle::sent_once;
use super::{Accepted, Mailbox};
use crate::call::Delivered;
use crate::delivery::State;
use crate::id::MessageId;
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::Now;

impl<S: Store> Mailbox<S> {
    /// Puts a message on the wire at once. Whoever brought it waits so many milliseconds for its end.
    pub(super) fn deliver_unstored(
        &mut self,
        message: Message,
        wait: u32,
        now: Now,
    ) -> Result<Accepted, StoreError> {
        self.inbox.messages += 1;
        self.inbox.bytes += u64::from(message.size);
        self.send(&message, 1);
        let id = message.id;
        if let Some(link) = self.link.as_mut() {
            let entry = InFlight {
                rank: Key::of(&message).rank,
                attempt: 1,
                sent_at: now.at,
                store: Stored::Not(Box::new(message)),
            };
            link.in_flight.insert(id, entry);
        }
        if wait > 0 {
            return Ok(Accepted::Wait(now.at + i64::from(wait)));
        }
        self.wait_is_over(id, now).map(Accepted::Answer)
    }

    /// The acknowledgement of a message on the wire did not come in time: stores it, and says where
    /// it stands. Changes nothing where the message is settled or stored already.
    ///
    /// # Errors
    /// The store failed.
    pub fn wait_is_over(&mut self, id: MessageId, now: Now) -> Result<Delivered, StoreError> {
        self.inbox.awaited.remove(&id);
        if let Some(message) = self.unstored(id).cloned() {
            self.store_before(&message, now)?;
            self.count_before(&message)?;
            self.store_in_flight(id, true, now)?;
            self.pump(now)?;
        }
        self.look_in(id, true, now)
    }

    /// Whether a message is on the wire and not stored.
    pub(super) fn waits_unstored(&self, id: MessageId) -> bool {
        self.unstored(id).is_some()
    }

    /// A message that is on the wire and not stored.
    fn unstored(&self, id: MessageId) -> Option<&Message> {
        match &self.link.as_ref()?.in_flight.get(&id)?.store {
            Stored::Not(message) => Some(message),
            Stored::Row { .. } => None,
        }
    }

    /// Whether the table may have rows.
    pub(super) fn has_rows(&self) -> bool {
        let entries = self.link.iter().flat_map(|link| link.in_flight.values());
        let unstored = entries.filter(|entry| matches!(entry.store, Stored::Not(_)));
        self.inbox.messages as usize > unstored.count() || !self.inbox.reports.is_empty()
    }

    /// Stores what is on the wire unstored and goes before this message, which is about to be stored:
    /// after a crash the row would be there and those before it would not, and come later. What has to be
    /// there now or never does not come again.
    pub(super) fn store_before(&mut self, message: &Message, now: Now) -> Result<(), StoreError> {
        let rank = Key::of(message).rank;
        let entries = self.link.iter().flat_map(|link| &link.in_flight);
        let before = entries.filter(|(id, entry)| {
            let same = |other: &Message| {
                other.from == message.from && entry.rank == rank && !other.is_now_or_never()
            };
            **id < message.id && matches!(&entry.store, Stored::Not(other) if same(other))
        });
        for id in before.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.store_in_flight(id, true, now)?;
            self.inbox.awaited.insert(id, ());
        }
        Ok(())
    }

    /// Writes down the first attempt of stored messages on the wire that go before this one, which only
    /// the connection knows: what was sent before goes first after a crash.
    fn count_before(&self, message: &Message) -> Result<(), StoreError> {
        let rank = Key::of(message).rank;
        let Some(link) = self.link.as_ref() else {
            return Ok(());
        };
        for (id, entry) in link
            .in_flight
            .iter()
            .take_while(|(id, _)| **id < message.id)
        {
            let due_at = match entry.store {
                Stored::Row { due_at } if entry.rank == rank && entry.attempt == 1 => due_at,
                _ => continue,
            };
            if let Some(mut held) = inbox_rows::held(&self.store, *id)?
                .filter(|held| held.sender == message.from && held.attempts == 0)
            {
                held.catch_up(entry);
                held.retry_at = due_at;
                inbox_rows::save_attempts(&self.store, &held)?;
            }
        }
        Ok(())
    }

    /// Stores a message that is on the wire and unstored, or settles it where it has expired.
    /// `linked` is false when the wire is gone.
    pub(super) fn store_in_flight(
        &mut self,
        id: MessageId,
        linked: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        let (Some(link), Some(device)) = (self.link.as_mut(), self.account.as_ref()) else {
            return Ok(());
        };
        let Some(entry) = link.in_flight.remove(&id) else {
            return Ok(());
        };
        let Stored::Not(message) = &entry.store else {
            link.in_flight.insert(id, entry);
            return Ok(());
        };
        // What has to be there now or never is not kept, also where the clock is behind the sender's.
        if message.expires_at <= now.at || message.is_now_or_never() {
            let delivery = sent_once(&device.device, &entry).then(State::Expired, now.at);
            let size = message.size;
            self.forget_unstored(id, size, delivery);
            return Ok(());
        }
        let due_at = entry.sent_at + self.backoff(1);
        let retry_at = if linked || self.limits.max_attempts <= 1 {
            due_at
        } else {
            0
        };
        inbox_rows::insert(&self.store, message, 0, Some((&entry, retry_at)))?;
        let expires_at = message.expires_at;
        if let (true, Some(link)) = (linked, self.link.as_mut()) {
            link.in_flight.insert(
                id,
                InFlight {
                    store: Stored::Row { due_at },
                    ..entry
                },
            );
            link.changed = true;
        }
        self.expires_by(expires_at);
        if retry_at > 0 {
            self.wake_by(retry_at);
        }
        Ok(())
    }
}
