//! The end of a delivery, wherever its message is; and where one stands that has not ended.
//!
//! A stored message's last state is committed before anyone is told, so that nothing is sent again
//! once its end is known. One that was never stored ends with the answer to the call that waits for it.

use super::inbox_rows::{self, Found, Held};
use super::link::{InFlight, Stored};
use super::settled_rows;
use super::{Accepted, Effect, Mailbox};
use crate::call::Delivered;
use crate::delivery::{Delivery, State, Step};
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError};
use crate::time::Now;

/// How many settled deliveries that were never stored are remembered.
const RECENT: usize = 256;

/// How many expired messages are settled in one event.
const BATCH: u32 = 500;

impl<S: Store> Mailbox<S> {
    /// The device has taken a message: `reply` is what it answers. Unknown and settled ids change
    /// nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn ack(
        &mut self,
        id: MessageId,
        reply: Option<Box<serde_json::value::RawValue>>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude_acked(id, reply, now)?;
        self.pump(now)
    }

    pub(super) fn conclude_acked(
        &mut self,
        id: MessageId,
        reply: Option<Box<serde_json::value::RawValue>>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude(id, State::Delivered, now, |delivery| Delivery {
            reply,
            ..delivery
        })
    }

    /// The device refuses a message. Unknown and settled ids change nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn nack(
        &mut self,
        id: MessageId,
        reason: Option<String>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude_nacked(id, reason, now)?;
        self.pump(now)
    }

    pub(super) fn conclude_nacked(
        &mut self,
        id: MessageId,
        reason: Option<String>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude(id, State::Rejected, now, |delivery| Delivery {
            reason,
            ..delivery
        })
    }

    /// The sender takes a message back, also one that has not come.
    ///
    /// # Errors
    /// The store failed.
    pub fn withdraw(
        &mut self,
        id: MessageId,
        from: &DeviceId,
        now: Now,
    ) -> Result<Delivered, StoreError> {
        self.conclude(id, State::Cancelled, now, |delivery| delivery)?;
        self.pump(now)?;
        let known = self.look(id, now)?;
        // The message may still be on its way here: it is cancelled when it comes.
        if let (Delivered::UnknownMessage, Some(device)) = (&known, self.device().cloned()) {
            let cancelled = Delivery::first(device, State::Cancelled, now.at);
            self.settle_unseen(id, from, &cancelled, now)?;
            return Ok(Delivered::Known(cancelled));
        }
        Ok(known)
    }

    /// Where a message stands.
    ///
    /// # Errors
    /// The store failed.
    pub fn look(&mut self, id: MessageId, now: Now) -> Result<Delivered, StoreError> {
        self.look_in(id, true, now)
    }

    /// Ends a delivery, wherever its message is. What follows it is still to be sent.
    pub(super) fn conclude(
        &mut self,
        id: MessageId,
        state: State,
        now: Now,
        complete: impl FnOnce(Delivery) -> Delivery,
    ) -> Result<(), StoreError> {
        let Some(device) = self.device().cloned() else {
            return Ok(());
        };
        let waits_unstored = self.waits_unstored(id);
        let unstored = match self.link.as_mut() {
            Some(link) if waits_unstored => link.in_flight.remove(&id),
            _ => None,
        };
        if let Some(
            entry @ InFlight {
                store: Stored::Not(message),
                ..
            },
        ) = &unstored
        {
            let delivery = sent_once(&device, entry).then(state, now.at);
            self.forget_unstored(id, message.size, complete(delivery));
        } else if let Some(mut held) = inbox_rows::held(&self.store, id)? {
            if let Some(entry) = self.link.as_ref().and_then(|link| link.in_flight.get(&id)) {
                held.catch_up(entry);
            }
            let delivery = held.delivery(&device, true).then(state, now.at);
            self.settle(held, complete(delivery), now)?;
        }
        Ok(())
    }

    /// Writes down a stored delivery's last state, and reports it.
    pub(super) fn settle(
        &mut self,
        held: Held,
        delivery: Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        let (id, awaited) = (
            held.key.id,
            self.inbox.awaited.remove(&held.key.id).is_some(),
        );
        settled_rows::save(&self.store, held.key, &delivery)?;
        self.inbox.messages = self.inbox.messages.saturating_sub(1);
        self.inbox.bytes = self.inbox.bytes.saturating_sub(held.size);
        if let Some(link) = self.link.as_mut() {
            link.changed |= link.in_flight.remove(&id).is_some();
        }
        if awaited {
            let delivered = Delivered::Known(delivery);
            self.effects.push(Effect::Delivered(id, delivered));
        }
        self.inbox.reports.add(held.sender.clone(), held.key);
        self.report(&held.sender, now)
    }

    /// Writes down and reports the last state of a message that is not here, because a crash must not
    /// make it one that has never come.
    pub(super) fn settle_unseen(
        &mut self,
        id: MessageId,
        sender: &DeviceId,
        delivery: &Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        let key = settled_rows::insert(&self.store, id, sender, delivery)?;
        self.inbox.reports.add(sender.clone(), key);
        self.report(sender, now)
    }

    /// Settles messages whose time has run out, and those on the wire for it.
    pub(super) fn expire(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(device) = self.account.as_ref().map(|account| account.device.clone()) else {
            return Ok(());
        };
        if self.inbox.expires_at.is_none_or(|at| at > now.at) {
            return Ok(());
        }
        let expired = inbox_rows::expired(&self.store, now.at, BATCH)?;
        for mut held in expired {
            if let Some(entry) = self
                .link
                .as_ref()
                .and_then(|link| link.in_flight.get(&held.key.id))
            {
                held.catch_up(entry);
            }
            let delivery = held.delivery(&device, false).then(State::Expired, now.at);
            self.settle(held, delivery, now)?;
        }
        Ok(())
    }

    /// Where a message stands, asking the table only if `stored`.
    pub(super) fn look_in(
        &mut self,
        id: MessageId,
        stored: bool,
        now: Now,
    ) -> Result<Delivered, StoreError> {
        let Some(device) = self.device().cloned() else {
            return Ok(Delivered::UnknownDevice);
        };
        if let Some((_, delivery)) = self.inbox.recent.iter().find(|(known, _)| *known == id) {
            return Ok(Delivered::Known(delivery.clone()));
        }
        let entry = self.link.as_ref().and_then(|link| link.in_flight.get(&id));
        if let Some(
            entry @ InFlight {
                store: Stored::Not(_),
                ..
            },
        ) = entry
        {
            return Ok(Delivered::Known(sent_once(&device, entry)));
        }
        if !stored {
            return Ok(Delivered::UnknownMessage);
        }
        Ok(match inbox_rows::find(&self.store, id)? {
            None => Delivered::UnknownMessage,
            Some(Found::Settled(delivery)) => Delivered::Known(delivery),
            Some(Found::Held(mut held)) => {
                if let Some(entry) = entry {
                    held.catch_up(entry);
                }
                let polled = held.attempts > 0 && held.retry_at > now.at;
                let on_the_wire = entry.is_some() || (self.link.is_none() && polled);
                Delivered::Known(held.delivery(&device, on_the_wire))
            }
        })
    }

    /// Ends a message before it was anywhere, and answers so. One that is refused finds the queue full.
    pub(super) fn never_stored(
        &mut self,
        id: MessageId,
        device: DeviceId,
        state: State,
        now: Now,
    ) -> Accepted {
        let mut delivery = Delivery::first(device, state, now.at);
        if state == State::Refused {
            delivery = delivery.because("queue_full");
        }
        self.remember(id, delivery.clone());
        Accepted::Answer(Delivered::Known(delivery))
    }

    /// Lets go of a message that was on the wire and never stored, and answers who waits for it.
    pub(super) fn forget_unstored(&mut self, id: MessageId, size: u32, delivery: Delivery) {
        self.inbox.messages = self.inbox.messages.saturating_sub(1);
        self.inbox.bytes = self.inbox.bytes.saturating_sub(u64::from(size));
        self.remember(id, delivery.clone());
        self.effects
            .push(Effect::Delivered(id, Delivered::Known(delivery)));
    }

    fn remember(&mut self, id: MessageId, delivery: Delivery) {
        if self.inbox.recent.len() >= RECENT {
            self.inbox.recent.pop_front();
        }
        self.inbox.recent.push_back((id, delivery));
    }
}

/// A delivery that is on the wire for the first time and not stored.
pub(super) fn sent_once(device: &DeviceId, entry: &InFlight) -> Delivery {
    let sent = Delivery::first(device.clone(), State::Sent, entry.sent_at);
    let steps = sent
        .steps
        .into_iter()
        .map(|step| Step { attempt: 1, ..step });
    Delivery {
        attempts: 1,
        steps: steps.collect(),
        ..sent
    }
}
