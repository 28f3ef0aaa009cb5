//! Messages of channels. No sender's mailbox records their terminal states, so a settled one leaves no row.

use super::connection::Stored;
use super::rows;
use super::{Delivering, Inbox, Terms};
use crate::delivery::Event;
use crate::id::{MessageId, Sender};
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::Now;

impl<S: Store> Inbox<'_, S> {
    /// Takes a message of a channel. One with TTL 0 is only sent: neither room in the window nor its acknowledgement is
    /// waited for. `None` is its answer.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn deliver_of_channel(
        &mut self,
        message: Message,
        terms: Terms,
        now: Now,
    ) -> Result<Option<Delivering>, StoreError> {
        if !message.is_now_or_never() {
            return self.deliver(message, terms, now).map(Some);
        }
        let connection = self.connection.as_ref();
        let may_send = connection.is_some_and(|connection| {
            connection.lane() == message.lane() && connection.is_ready() && !connection.is_stuck()
        });
        if may_send {
            for (id, _) in self.same_topic(&message)? {
                self.conclude(id, Event::Replace, now, |delivery| delivery)?;
            }
            self.send(&message, 1);
        }
        Ok(None)
    }

    /// The greatest id of the stored messages of channels, which the next one has to exceed.
    pub(in crate::mailbox) fn last_of_channels(&self) -> Result<Option<MessageId>, StoreError> {
        rows::last_of_channels(&self.cx.store)
    }

    /// A channel is gone: its messages are cancelled. The caller refills the window.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn end_channel(
        &mut self,
        channel: &Sender,
        now: Now,
    ) -> Result<(), StoreError> {
        let in_flight = self.connection.iter().flat_map(|it| it.in_flight.values());
        let unstored = in_flight.filter_map(|entry| match &entry.store {
            Stored::Not(message) => Some(&**message),
            Stored::Row { .. } => None,
        });
        let queued = self.memory.queue.values().map(|queued| &*queued.message);
        let unstored = unstored.chain(queued);
        let unstored = unstored.filter(|message| message.from == *channel);
        let mut ids: Vec<MessageId> = unstored.map(|message| message.id).collect();
        ids.extend(rows::of_channel(&self.cx.store, channel)?);
        ids.into_iter()
            .try_for_each(|id| self.conclude(id, Event::Cancel, now, |delivery| delivery))
    }

    /// The sender cancels a message of a channel. Unknown and settled ids change nothing.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn cancel_of_channel(
        &mut self,
        id: MessageId,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude(id, Event::Cancel, now, |delivery| delivery)?;
        self.pump(now)
    }

    /// The attempt by which a message is in flight.
    pub(in crate::mailbox) fn attempt(&self, id: MessageId) -> Option<u32> {
        let entry = self.connection.as_ref()?.in_flight.get(&id)?;
        Some(entry.attempt)
    }
}
