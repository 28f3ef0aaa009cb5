//! Settling a delivery, wherever its message is; and the state of an unsettled one.
//!
//! A stored message's terminal state is committed before it is reported, so that no message is sent again once its
//! terminal state is known. An unstored message is settled by the answer to the call that waits for it.

use super::connection::{InFlight, Stored};
use super::rows::{self, Found, Held};
use super::settled_rows;
use super::{Delivering, Inbox, News};
use crate::call::DeliveryStatus;
use crate::delivery::{Delivery, Event, IllegalTransition, Phase, State, Withdrawal};
use crate::failure::DEVICE_REMOVED;
use crate::id::{DeviceId, MessageId};
use crate::message::{Lane, Message};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How many settled deliveries that were never stored are remembered.
const RECENT: usize = 256;

/// How many messages are settled at once.
pub(super) const BATCH: u32 = 500;

impl<S: Store> Inbox<'_, S> {
    /// The device acknowledges a message with this `reply`. Unknown and settled ids change nothing.
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
        self.conclude(Lane::Devices, id, Event::Acknowledge, now, |delivery| {
            Delivery { reply, ..delivery }
        })
    }

    /// The same for the answer of an address. `is_truncated` says that its reply was longer.
    pub(in crate::mailbox) fn conclude_posted(
        &mut self,
        id: MessageId,
        reply: Option<Box<serde_json::value::RawValue>>,
        is_truncated: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude(Lane::Devices, id, Event::Acknowledge, now, |delivery| {
            Delivery {
                reply,
                reply_truncated: is_truncated,
                ..delivery
            }
        })
    }

    /// The device rejects a message. Unknown and settled ids change nothing.
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
        self.conclude(Lane::Devices, id, Event::Reject, now, |delivery| Delivery {
            reason,
            ..delivery
        })
    }

    /// The sender cancels a message, for this reason, even one that has not arrived.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn cancel_delivery(
        &mut self,
        id: MessageId,
        from: &DeviceId,
        reason: Withdrawal,
        now: Now,
    ) -> Result<DeliveryStatus, StoreError> {
        if self.cx.device().is_none() {
            return self.refused_before(id);
        }
        let why = |delivery| Delivery {
            reason: reason.of_cancelled(),
            ..delivery
        };
        self.conclude(Lane::Devices, id, Event::Cancel, now, why)?;
        self.pump(now)?;
        let known = self.get_delivery(id, now)?;
        // Its call may be under way again: if a crash forgot this end before it arrives, the message would be delivered
        // after its sender was told.
        if let DeliveryStatus::Known(end) = &known
            && end.state.is_answer()
            && self.memory.recent.iter().any(|(recent, _)| *recent == id)
            && rows::find(&self.cx.store, id)?.is_none()
        {
            self.settle_unseen(id, from, end, now)?;
        }
        // The call that delivers the message may still be under way: the message is cancelled when it arrives.
        if let (DeliveryStatus::UnknownMessage, Some(device)) = (&known, self.cx.device().cloned())
        {
            let cancelled = why(Delivery::unreached(device, now.at).apply(Event::Cancel, now.at)?);
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

    /// Settles a delivery of this lane, wherever its message is. The caller refills the window.
    pub(super) fn conclude(
        &mut self,
        lane: Lane,
        id: MessageId,
        event: Event,
        now: Now,
        complete: impl FnOnce(Delivery) -> Delivery,
    ) -> Result<(), StoreError> {
        let Some(device) = self.cx.device().cloned() else {
            return Ok(());
        };
        let queued = self.queued(id).map(|queued| &*queued.message);
        let unstored = queued.or_else(|| self.unstored(id));
        if unstored.is_some_and(|message| message.lane() != lane) {
            return Ok(());
        }
        if let Some(queued) = self.take_queued(id) {
            let delivery = queued.delivery(device)?.apply(event, now.at)?;
            self.end_unstored(&queued.message, complete(delivery), now)?;
        } else if let Some((message, sent_at)) = self.take_unstored(id) {
            let delivery = sent_once(&device, sent_at)?.apply(event, now.at)?;
            self.end_unstored(&message, complete(delivery), now)?;
        } else if let Some(held) = rows::held(&self.cx.store, lane, id)? {
            let held = self.up_to_date(held);
            let phase = self.phase_of(&held, now);
            let delivery = held.after(&device, phase, event, now.at)?;
            self.settle(held, complete(delivery), now)?;
        } else if matches!(event, Event::Acknowledge | Event::Reject) {
            self.tell_late(id, now)?;
        }
        Ok(())
    }

    /// Adds what the row of a message does not have.
    pub(super) fn up_to_date(&self, mut held: Held) -> Held {
        let id = held.key.id;
        if let Some(known) = self.memory.lost.get(id) {
            held.learn(known);
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

    /// The phase of a stored message that is [up to date](Self::up_to_date).
    pub(super) fn phase_of(&self, held: &Held, now: Now) -> Phase {
        match &*self.connection {
            Some(connection) if connection.has(held.key.id) => Phase::InFlight,
            _ if held.attempts.is_in_progress(now.at) => Phase::InProgress,
            _ if held.attempts.paused_until().is_some() => Phase::Again,
            _ if held.retry_at > now.at && self.has_leases() => Phase::Leased,
            _ if held.attempts.made > 0 => Phase::Again,
            _ => Phase::Waiting,
        }
    }

    /// Whether leases to polls go on. A connection ends them, unless it is one of a user agent, which gets no
    /// messages of devices, or an address.
    pub(super) fn has_leases(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_none_or(|it| it.lane() == Lane::Channels || !it.is_socket())
    }

    /// Stores the terminal state of a stored message's delivery, and reports it.
    pub(super) fn settle(
        &mut self,
        held: Held,
        delivery: Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        let (id, awaited) = (held.key.id, self.memory.awaited.remove(&held.key.id));
        let delivery = self.cx.with_woken(delivery);
        self.watch_end(id, &held.sender, &delivery);
        self.keep_stored(&held, &delivery, now)?;
        let sender = held.sender.device();
        match sender {
            Some(_) => settled_rows::save(&self.cx.store, held.key, &delivery)?,
            None => self.end_of_channel(held.key, delivery.state)?,
        }
        self.cx.row_settled(held.size);
        if let Some(connection) = self.connection.as_mut() {
            connection.stale |= connection.in_flight.remove(&id).is_some();
            connection.timed_out.remove(&id);
        }
        if self.memory.lost.remove(id) {
            self.rescan();
        }
        self.withdraw(rows::lane_of(held.key.rank), id, &delivery);
        let is_cancelled = delivery.state == State::Cancelled;
        if awaited {
            let delivered = DeliveryStatus::Known(delivery);
            self.cx.push(News::Delivered(id, delivered));
        }
        let Some(sender) = sender else {
            return Ok(());
        };
        self.memory.reports.add(&sender, id);
        if is_cancelled {
            self.report_later(&sender, now);
            return Ok(());
        }
        if awaited {
            self.report_soon(now);
            return Ok(());
        }
        self.report(&sender, now)
    }

    /// Stores the terminal state of an unstored message that must survive a crash: one that was cancelled before it
    /// arrived, or replaced before it was stored. The answer to its call carries the state; the report is a safeguard.
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

    /// The device is removed: unsettled messages are refused.
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
                self.settle(held, refused.with_reason(DEVICE_REMOVED), now)?;
            }
        }
    }

    /// The state of a delivery. Reads the table only if `stored`.
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
                let delivery = held.delivery(&device, self.phase_of(&held, now));
                DeliveryStatus::Known(self.cx.with_woken(delivery))
            }
        })
    }

    /// Settles a message that was neither stored nor sent. `refused` means that the queue is full.
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
        self.remember(message, &delivery);
        self.watch_end(message.id, &message.from, &delivery);
        self.keep_replaced(message, &delivery, now)?;
        self.keep_unstored(message, &delivery, now)?;
        if event != Event::Refuse {
            self.tell_of_channel(message, delivery.state);
        }
        Ok(Delivering::Answer(DeliveryStatus::Known(delivery)))
    }

    /// Stores that an unstored message was replaced. If the answer does not reach the sender's mailbox, the call is
    /// repeated, perhaps after this mailbox has lost its memory. Then the message must not be taken after the one that
    /// replaced it. A message with TTL 0 is never repeated, and neither is one of a channel.
    pub(super) fn keep_replaced(
        &mut self,
        message: &Message,
        delivery: &Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        if delivery.phase() != Phase::Replaced || message.is_now_or_never() {
            return Ok(());
        }
        match message.from.device() {
            Some(sender) => self.settle_unseen(message.id, &sender, delivery, now),
            None => Ok(()),
        }
    }

    /// Keeps a terminal state for calls that are repeated. Those of application servers are not, so nothing is kept of
    /// messages of channels: whoever has an endpoint could otherwise displace all other terminal states.
    pub(super) fn remember(&mut self, message: &Message, delivery: &Delivery) {
        if message.lane() == Lane::Channels {
            return;
        }
        if self.memory.recent.len() >= RECENT {
            self.memory.recent.pop_front();
        }
        self.memory.recent.push_back((message.id, delivery.clone()));
    }
}

/// The delivery of an unstored message in flight.
pub(super) fn sent_once(device: &DeviceId, sent_at: Millis) -> Result<Delivery, IllegalTransition> {
    Delivery::unreached(device.clone(), sent_at).apply(Event::Send, sent_at)
}
