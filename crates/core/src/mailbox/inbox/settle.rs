//! The terminal state of a delivery, wherever its message is; and the state of one that has not ended.
//!
//! A stored message's terminal state is committed before anyone is told, so that nothing is sent again
//! once its end is known. One that was never stored ends with the answer to the call that waits for it.

use super::connection::{InFlight, Stored};
use super::rows::{self, Found, Held};
use super::settled_rows;
use super::{Delivering, Inbox, News};
use crate::call::DeliveryStatus;
use crate::delivery::{Delivery, Event, IllegalTransition, Phase, State};
use crate::id::{DeviceId, MessageId};
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How many settled deliveries that were never stored are remembered.
const RECENT: usize = 256;

/// How many expired messages are settled in one event.
const BATCH: u32 = 500;

impl<S: Store> Inbox<'_, S> {
    /// The device has taken a message: `reply` is what it answers. Unknown and settled ids change
    /// nothing.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn ack(
        &mut self,
        id: MessageId,
        reply: Option<Box<serde_json::value::RawValue>>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude_acked(id, reply, now)?;
        self.pump(now)
    }

    pub(in crate::mailbox) fn conclude_acked(
        &mut self,
        id: MessageId,
        reply: Option<Box<serde_json::value::RawValue>>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude(id, Event::Acknowledge, now, |delivery| Delivery {
            reply,
            ..delivery
        })
    }

    /// The device refuses a message. Unknown and settled ids change nothing.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn nack(
        &mut self,
        id: MessageId,
        reason: Option<String>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude_nacked(id, reason, now)?;
        self.pump(now)
    }

    pub(in crate::mailbox) fn conclude_nacked(
        &mut self,
        id: MessageId,
        reason: Option<String>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude(id, Event::Reject, now, |delivery| Delivery {
            reason,
            ..delivery
        })
    }

    /// The sender takes a message back, also one that has not come.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn cancel_delivery(
        &mut self,
        id: MessageId,
        from: &DeviceId,
        now: Now,
    ) -> Result<DeliveryStatus, StoreError> {
        self.conclude(id, Event::Cancel, now, |delivery| delivery)?;
        self.pump(now)?;
        let known = self.get_delivery(id, now)?;
        // The message may still be on its way here: it is cancelled when it comes.
        if let (DeliveryStatus::UnknownMessage, Some(device)) = (&known, self.cx.device().cloned())
        {
            let cancelled = Delivery::unreached(device, now.at).apply(Event::Cancel, now.at)?;
            self.settle_unseen(id, from, &cancelled, now)?;
            return Ok(DeliveryStatus::Known(cancelled));
        }
        Ok(known)
    }

    /// The state of a delivery.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn get_delivery(
        &mut self,
        id: MessageId,
        now: Now,
    ) -> Result<DeliveryStatus, StoreError> {
        self.find_delivery(id, true, now)
    }

    /// Ends a delivery, wherever its message is. What follows it is still to be sent.
    pub(super) fn conclude(
        &mut self,
        id: MessageId,
        event: Event,
        now: Now,
        complete: impl FnOnce(Delivery) -> Delivery,
    ) -> Result<(), StoreError> {
        let Some(device) = self.cx.device().cloned() else {
            return Ok(());
        };
        if let Some(queued) = self.take_queued(id) {
            let delivery = queued.delivery(device)?.apply(event, now.at)?;
            self.end_unstored(&queued.message, complete(delivery), now)?;
        } else if let Some((message, sent_at)) = self.take_unstored(id) {
            let delivery = sent_once(&device, sent_at)?.apply(event, now.at)?;
            self.end_unstored(&message, complete(delivery), now)?;
        } else if let Some(held) = rows::held(&self.cx.store, id)? {
            let held = self.up_to_date(held);
            let phase = self.phase_of(&held, now);
            let delivery = held.after(&device, phase, event, now.at)?;
            self.settle(held, complete(delivery), now)?;
        }
        Ok(())
    }

    /// Takes in what the rows do not say of a message.
    pub(super) fn up_to_date(&self, mut held: Held) -> Held {
        let id = held.key.id;
        if let Some(known) = self.memory.lost.get(id)
            && known.made >= held.attempts.made
        {
            held.attempts = known.clone();
        }
        if let Some(entry) = self
            .connection
            .as_ref()
            .and_then(|connection| connection.in_flight.get(&id))
        {
            held.catch_up(entry);
        }
        held
    }

    /// Where a stored message is of which everything known is taken in. A connection ends every lease.
    pub(super) fn phase_of(&self, held: &Held, now: Now) -> Phase {
        match &*self.connection {
            Some(connection) if connection.has(held.key.id) => Phase::InFlight,
            None if held.retry_at > now.at => Phase::Leased,
            _ if held.attempts.made > 0 => Phase::Again,
            _ => Phase::Waiting,
        }
    }

    /// Writes down a stored delivery's terminal state, and reports it.
    pub(super) fn settle(
        &mut self,
        held: Held,
        delivery: Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        let (id, awaited) = (held.key.id, self.memory.awaited.remove(&held.key.id));
        settled_rows::save(&self.cx.store, held.key, &delivery)?;
        self.cx.row_settled(held.size);
        if let Some(connection) = self.connection.as_mut() {
            connection.stale |= connection.in_flight.remove(&id).is_some();
            connection.timed_out.remove(&id);
        }
        if self.memory.lost.remove(id) {
            self.let_others_go();
        }
        let taken_back = delivery.state == State::Cancelled;
        if awaited {
            let delivered = DeliveryStatus::Known(delivery);
            self.cx.push(News::Delivered(id, delivered));
        }
        self.memory.reports.add(&held.sender, id);
        if taken_back {
            self.report_later(&held.sender, now);
            return Ok(());
        }
        self.report(&held.sender, now)
    }

    /// Writes down the terminal state of a message that is not stored, because a crash must not make it one that
    /// has never come: it was taken back before it came, or replaced before it was stored. The answer to its call
    /// tells that; the report makes sure of it.
    pub(super) fn settle_unseen(
        &mut self,
        id: MessageId,
        sender: &DeviceId,
        delivery: &Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        settled_rows::insert(&self.cx.store, id, sender, delivery)?;
        self.memory.reports.add(sender, id);
        self.report_later(sender, now);
        Ok(())
    }

    /// Settles messages whose time has run out, and those on the wire for it.
    pub(super) fn expire(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(device) = self
            .cx
            .account
            .as_ref()
            .map(|account| account.device.clone())
        else {
            return Ok(());
        };
        if self.cx.next_expiry()?.is_none_or(|at| at > now.at) {
            return Ok(());
        }
        let expired = rows::expired(&self.cx.store, now.at, BATCH)?;
        let all = expired.len() < BATCH as usize;
        for held in expired {
            let held = self.up_to_date(held);
            let phase = self.phase_of(&held, now);
            let delivery = held.after(&device, phase, Event::Expire, now.at)?;
            self.settle(held, delivery, now)?;
        }
        // Only now is the table gone through for the next expiry, and not to open the mailbox, nor between
        // two batches.
        if all && self.rows()?.messages > 0 {
            self.cx.recount(now)?;
        }
        Ok(())
    }

    /// The device is removed: what has not ended is refused.
    pub(in crate::mailbox) fn refuse_all(
        &mut self,
        device: &DeviceId,
        now: Now,
    ) -> Result<(), StoreError> {
        loop {
            let some = rows::any(&self.cx.store, BATCH)?;
            if some.is_empty() {
                return Ok(());
            }
            for held in some {
                let held = self.up_to_date(held);
                let phase = self.phase_of(&held, now);
                let refused = held.after(device, phase, Event::Refuse, now.at)?;
                self.settle(held, refused.with_reason("device_removed"), now)?;
            }
        }
    }

    /// The state of a delivery; the table is asked only if `stored`.
    pub(super) fn find_delivery(
        &mut self,
        id: MessageId,
        stored: bool,
        now: Now,
    ) -> Result<DeliveryStatus, StoreError> {
        let Some(device) = self.cx.device().cloned() else {
            return Ok(DeliveryStatus::UnknownDevice);
        };
        if let Some((_, delivery)) = self.memory.recent.iter().find(|(known, _)| *known == id) {
            return Ok(DeliveryStatus::Known(delivery.clone()));
        }
        let entry = self
            .connection
            .as_ref()
            .and_then(|connection| connection.in_flight.get(&id));
        if let Some(
            entry @ InFlight {
                store: Stored::Not(_),
                ..
            },
        ) = entry
        {
            return Ok(DeliveryStatus::Known(sent_once(&device, entry.sent_at)?));
        }
        if let Some(queued) = self.queued(id) {
            return Ok(DeliveryStatus::Known(queued.delivery(device)?));
        }
        if !stored {
            return Ok(DeliveryStatus::UnknownMessage);
        }
        Ok(match rows::find(&self.cx.store, id)? {
            None => DeliveryStatus::UnknownMessage,
            Some(Found::Settled(delivery)) => DeliveryStatus::Known(delivery),
            Some(Found::Held(held)) => {
                let held = self.up_to_date(held);
                DeliveryStatus::Known(held.delivery(&device, self.phase_of(&held, now)))
            }
        })
    }

    /// Ends a message before it was anywhere, and answers so. One that is refused finds the queue full.
    pub(super) fn never_stored(
        &mut self,
        message: &Message,
        device: DeviceId,
        event: Event,
        now: Now,
    ) -> Result<Delivering, StoreError> {
        let mut delivery = Delivery::unreached(device, now.at).apply(event, now.at)?;
        if event == Event::Refuse {
            delivery = delivery.with_reason("queue_full");
        }
        self.remember(message.id, delivery.clone());
        self.keep_replaced(message, &delivery, now)?;
        Ok(Delivering::Answer(DeliveryStatus::Known(delivery)))
    }

    /// Takes a message off the wire that is not stored, with the time when it was sent.
    fn take_unstored(&mut self, id: MessageId) -> Option<(Box<Message>, Millis)> {
        self.unstored(id)?;
        let InFlight { store, sent_at, .. } = self.connection.as_mut()?.in_flight.remove(&id)?;
        let Stored::Not(message) = store else {
            return None;
        };
        self.memory.unstored.remove(&message);
        Some((message, sent_at))
    }

    /// A message ends that is not stored.
    fn end_unstored(
        &mut self,
        message: &Message,
        delivery: Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        self.keep_replaced(message, &delivery, now)?;
        self.forget_unstored(message.id, delivery);
        Ok(())
    }

    /// Writes down that a message was replaced that is not stored. Its call may come again, if the answer does not
    /// reach the sender's mailbox, when this mailbox has lost its memory: it must not be taken then, after the
    /// message that replaced it. A message with a TTL of 0 does not come again.
    fn keep_replaced(
        &mut self,
        message: &Message,
        delivery: &Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        if delivery.phase() != Phase::Replaced || message.is_now_or_never() {
            return Ok(());
        }
        self.settle_unseen(message.id, &message.from, delivery, now)
    }

    /// A message has ended that was never stored: answers who waits for it.
    pub(super) fn forget_unstored(&mut self, id: MessageId, delivery: Delivery) {
        self.remember(id, delivery.clone());
        self.cx
            .push(News::Delivered(id, DeliveryStatus::Known(delivery)));
    }

    fn remember(&mut self, id: MessageId, delivery: Delivery) {
        if self.memory.recent.len() >= RECENT {
            self.memory.recent.pop_front();
        }
        self.memory.recent.push_back((id, delivery));
    }
}

/// A delivery that is on the wire for the first time and not stored.
pub(super) fn sent_once(device: &DeviceId, sent_at: Millis) -> Result<Delivery, IllegalTransition> {
    Delivery::unreached(device.clone(), sent_at).apply(Event::Send, sent_at)
}
