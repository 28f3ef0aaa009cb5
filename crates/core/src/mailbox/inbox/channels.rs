//! Messages of channels. No sender's mailbox records their terminal states, so a settled one leaves no row here; if its
//! sender has asked for a receipt, its end is reported.

use std::collections::BTreeSet;

use super::channel_rows;
use super::connection::Stored;
use super::rows::{self, Key, SameTopic};
use super::{Delivering, Inbox, News, Terms};
use crate::delivery::{Delivery, Event, State};
use crate::id::{MessageId, Sender};
use crate::message::{Lane, Message};
use crate::store::{Store, StoreError};
use crate::time::Now;
use crate::web_push::content::Content;

impl<S: Store> Inbox<'_, S> {
    /// Takes a message of a channel. One with TTL 0 that needs no receipt is only sent: it waits neither for room in
    /// the window nor for its acknowledgement. It is answered with `None`.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn deliver_of_channel(
        &mut self,
        message: Message,
        terms: Terms,
        now: Now,
    ) -> Result<Option<Delivering>, StoreError> {
        if !message.is_now_or_never() || Content::asks_for_receipt(&message.payload) {
            return self.deliver(message, terms, now).map(Some);
        }
        self.check_connection(now)?;
        let connection = self.connection.as_ref();
        let may_send = connection.is_some_and(|connection| {
            connection.lane() == message.lane() && connection.is_ready() && !connection.is_stuck()
        });
        if may_send {
            for SameTopic { id, .. } in self.same_topic(&message)? {
                self.conclude(Lane::Channels, id, Event::Replace, now, |delivery| delivery)?;
            }
            self.send(&message, 1, now);
            if let Some(connection) = self.connection.as_mut() {
                connection.sent_unkept(message.id);
            }
        }
        Ok(None)
    }

    /// The greatest id of the stored messages of channels, which the next one has to exceed.
    pub(in crate::mailbox) fn last_of_channels(&self) -> Result<Option<MessageId>, StoreError> {
        channel_rows::last_of_channels(&self.cx.store)
    }

    /// Channels are gone: their messages are cancelled. The caller refills the window.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn end_channels(
        &mut self,
        channels: &BTreeSet<Sender>,
        now: Now,
    ) -> Result<(), StoreError> {
        let in_flight = self.connection.iter().flat_map(|it| it.in_flight.values());
        let unstored = in_flight.filter_map(|entry| match &entry.store {
            Stored::Not(message) => Some(&**message),
            Stored::Row { .. } => None,
        });
        let queued = self.memory.queue.values().map(|queued| &*queued.message);
        let unstored = unstored.chain(queued);
        let unstored = unstored.filter(|message| channels.contains(&message.from));
        let mut ids: Vec<MessageId> = unstored.map(|message| message.id).collect();
        ids.extend(channel_rows::of_channels(&self.cx.store, channels)?);
        ids.sort_unstable();
        let mut with_receipt = Vec::new();
        for id in ids {
            if self.will_have_receipt(id)? {
                with_receipt.push(id);
            }
            self.cancel(id, now)?;
        }
        if !with_receipt.is_empty() {
            self.cx.push(News::PushEnded(with_receipt));
        }
        Ok(())
    }

    /// The sender wants no receipts for the messages of a channel that are not settled.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn forget_receipts(
        &mut self,
        channel: &Sender,
    ) -> Result<(), StoreError> {
        let in_flight = self.connection.iter_mut();
        let in_flight = in_flight.flat_map(|connection| connection.in_flight.iter_mut());
        let unstored = in_flight.filter_map(|(_, entry)| match &mut entry.store {
            Stored::Not(message) => Some(&mut **message),
            Stored::Row { .. } => None,
        });
        let queued = self.memory.queue.iter_mut();
        let queued = queued.map(|(_, queued)| &mut *queued.message);
        for message in unstored.chain(queued) {
            if message.from == *channel {
                self.memory.unstored.remove(message);
                message.payload = Content::without_receipt(&message.payload);
                self.memory.unstored.add(message);
            }
        }
        channel_rows::forget_receipts(&self.cx.store, channel)
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
        self.cancel(id, now)?;
        self.pump(now)
    }

    fn cancel(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        self.conclude(Lane::Channels, id, Event::Cancel, now, |delivery| delivery)
    }

    /// The user agent has handled a message; with a `reason`, without success. Unknown and settled ids change nothing.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn conclude_handled(
        &mut self,
        id: MessageId,
        reason: Option<&str>,
        now: Now,
    ) -> Result<(), StoreError> {
        let event = match reason {
            None => Event::Acknowledge,
            Some(_) => Event::Reject,
        };
        self.conclude(Lane::Channels, id, event, now, |delivery| Delivery {
            reason: reason.map(str::to_owned),
            ..delivery
        })
    }

    /// Whether a message of a channel may still be delivered, and its sender has asked for a receipt.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn will_have_receipt(&self, id: MessageId) -> Result<bool, StoreError> {
        if let Some(message) = self.unstored(id) {
            return Ok(Content::asks_for_receipt(&message.payload));
        }
        if let Some(queued) = self.queued(id) {
            return Ok(Content::asks_for_receipt(&queued.message.payload));
        }
        Ok(match rows::held(&self.cx.store, Lane::Channels, id)? {
            Some(held) => {
                let message = rows::message(&self.cx.store, held.key)?;
                Content::asks_for_receipt(&message.payload)
            }
            None => false,
        })
    }

    /// A stored message of a channel is in this terminal state.
    pub(super) fn end_of_channel(&mut self, key: Key, state: State) -> Result<(), StoreError> {
        let message = rows::message(&self.cx.store, key)?;
        channel_rows::delete(&self.cx.store, key)?;
        self.tell_of_channel(&message, state);
        Ok(())
    }

    /// Tells that a message is in a terminal state, if its sender has asked for a receipt.
    pub(super) fn tell_of_channel(&mut self, message: &Message, state: State) {
        if message.from.is_channel() && Content::asks_for_receipt(&message.payload) {
            let news = News::PushSettled(message.id, message.from.clone(), state);
            self.cx.push(news);
        }
    }

    /// How often a message of a channel was sent, in flight or not.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn attempts(&self, id: MessageId) -> Result<u32, StoreError> {
        let connection = self.connection.as_ref();
        if let Some(entry) = connection.and_then(|it| it.in_flight.get(&id)) {
            return Ok(entry.attempt);
        }
        let held = rows::held(&self.cx.store, Lane::Channels, id)?;
        Ok(held.map_or(0, |held| self.up_to_date(held).attempts.made))
    }
}
