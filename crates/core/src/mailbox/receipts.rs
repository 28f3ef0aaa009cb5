//! What became of messages that this device sent: recorded in their rows, and reported to the device.
//!
//! A last state is recorded once; whoever brings it again is told that it is known. Each that the
//! publish's own answer did not carry becomes a receipt, which stays until the device has seen it.

use std::collections::BTreeMap;

use super::outbox_rows::{self, Sent};
use super::receipt_rows;
use super::{Effect, Failure, Mailbox};
use crate::call::Settled;
use crate::delivery::Delivery;
use crate::frame::{Receipt, ToDevice};
use crate::id::{DeviceId, MessageId};
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::Now;

/// How many receipts may be on their way to a device that comes back to a pile of them.
const WINDOW: u32 = 500;

impl<S: Store> Mailbox<S> {
    /// An addressed mailbox reports deliveries that were settled. Those of messages that this mailbox
    /// does not know were never answered, or are no longer kept.
    ///
    /// # Errors
    /// `unavailable` while one of the messages is being handed over: its mailbox has to know it until
    /// that call is over, or would take it for a new one. The store failed.
    pub fn receipts(&mut self, settled: Vec<Settled>, now: Now) -> Result<(), Failure> {
        let under_way =
            |settled: &Settled| self.is_under_way(settled.id, &settled.delivery.device, now);
        if settled.iter().any(under_way) {
            let detail = "a message is still being handed over";
            return Err(Problem::new(Code::Unavailable, detail).into());
        }
        if self.device().is_none() {
            return Ok(());
        }
        let updates = settled
            .into_iter()
            .map(|settled| (settled.id, settled.delivery));
        Ok(self.record(updates.collect(), now)?)
    }

    /// Records where deliveries stand.
    pub(super) fn record(
        &mut self,
        updates: Vec<(MessageId, Delivery)>,
        now: Now,
    ) -> Result<(), StoreError> {
        let mut by_message: BTreeMap<MessageId, Vec<Delivery>> = BTreeMap::new();
        for (id, delivery) in updates {
            by_message.entry(id).or_default().push(delivery);
        }
        for (id, updates) in by_message {
            if self.outbox.publishing.contains_key(&id) {
                self.record_unanswered(id, updates, now)?;
            } else if let Some(sent) = outbox_rows::load(&self.store, id)? {
                self.record_sent(sent, updates, now)?;
            }
        }
        Ok(())
    }

    /// The publish is not answered yet, and its answer will carry this. What is taken is kept from now
    /// on, so the message has to be written down.
    fn record_unanswered(
        &mut self,
        id: MessageId,
        updates: Vec<Delivery>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.store_publishing(id, now)?;
        if let Some(publishing) = self.outbox.publishing.get_mut(&id) {
            let changed = replace_all(&mut publishing.deliveries, updates);
            let deliveries = &publishing.deliveries;
            let done = deliveries.iter().all(|delivery| delivery.state.is_last());
            outbox_rows::save(&self.store, id, deliveries, done.then_some(now.at))?;
            for delivery in &changed {
                self.leave_line(id, &delivery.device);
            }
        }
        Ok(())
    }

    fn record_sent(
        &mut self,
        sent: Sent,
        updates: Vec<Delivery>,
        now: Now,
    ) -> Result<(), StoreError> {
        let id = sent.id;
        let (changed, done) = match sent.deliveries {
            Some(mut deliveries) => {
                let changed = replace_all(&mut deliveries, updates);
                let done = deliveries.iter().all(|delivery| delivery.state.is_last());
                if !changed.is_empty() {
                    outbox_rows::save(&self.store, id, &deliveries, done.then_some(now.at))?;
                }
                (changed, done)
            }
            None => self.record_in_parts(&sent, updates, now)?,
        };
        for delivery in &changed {
            self.leave_line(id, &delivery.device);
        }
        for delivery in changed.iter().filter(|delivery| delivery.state.is_last()) {
            self.give_receipt(id, delivery, now)?;
        }
        if done && !changed.is_empty() {
            self.effects.push(Effect::Settled(id));
        }
        Ok(())
    }

    fn record_in_parts(
        &mut self,
        sent: &Sent,
        updates: Vec<Delivery>,
        now: Now,
    ) -> Result<(Vec<Delivery>, bool), StoreError> {
        let mut parts: BTreeMap<DeviceId, (Vec<Delivery>, Vec<Delivery>)> = BTreeMap::new();
        for update in updates {
            let part = outbox_rows::part_with(&self.store, sent.id, &update.device)?;
            let Some(part) = part else { continue };
            if let Some(first) = part.first().map(|delivery| delivery.device.clone()) {
                parts
                    .entry(first)
                    .or_insert((part, Vec::new()))
                    .1
                    .push(update);
            }
        }
        let mut changed = Vec::new();
        for (mut part, updates) in parts.into_values() {
            let in_part = replace_all(&mut part, updates);
            if !in_part.is_empty() {
                outbox_rows::save_part(&self.store, sent.id, &part)?;
            }
            changed.extend(in_part);
        }
        let settled = changed
            .iter()
            .filter(|delivery| delivery.state.is_last())
            .count();
        let open = sent
            .open
            .saturating_sub(u32::try_from(settled).unwrap_or(u32::MAX));
        let done = open == 0;
        if !changed.is_empty() {
            // While some are open the set of states may name one that none is in any more: finding out
            // would take reading all parts for each receipt.
            let states = if done {
                outbox_rows::parts_states(&self.store, sent.id)?
            } else {
                sent.states | outbox_rows::states(&changed)
            };
            outbox_rows::save_parts_state(
                &self.store,
                sent.id,
                states,
                open,
                done.then_some(now.at),
            )?;
        }
        Ok((changed, done))
    }

    pub(super) fn give_receipt(
        &mut self,
        id: MessageId,
        delivery: &Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        // Numbers must grow also when all earlier receipts are gone and the mailbox has slept: the
        // clock sees to that without a row that counts.
        let seq = (self.outbox.last_receipt + 1).max(now.at);
        self.outbox.last_receipt = seq;
        let receipt = Receipt {
            seq,
            id,
            device: delivery.device.clone(),
            state: delivery.state,
            at: delivery.at,
            reply: delivery.reply.clone(),
            reason: delivery.reason.clone(),
        };
        receipt_rows::insert(&self.store, &receipt, now.at)?;
        self.wake_by(self.clean_up_at(now.at));
        // A pile that is not through goes first, or `receipts_seen` would cover what was never sent.
        if self
            .link
            .as_ref()
            .is_some_and(|link| link.receipts_paused_at.is_none())
        {
            self.send_receipt(&receipt);
        }
        Ok(())
    }

    fn send_receipt(&mut self, receipt: &Receipt) {
        if let Some(connection) = self.link.as_ref().map(|link| link.id) {
            let frame = ToDevice::Receipt(receipt).to_json();
            self.effects.push(Effect::Send { connection, frame });
        }
    }

    /// Sends the receipts after `seq` that the device has not seen, at most [`WINDOW`] of them. More go
    /// out when it has seen these.
    pub(super) fn send_receipts_after(&mut self, seq: i64) -> Result<(), StoreError> {
        let unseen = receipt_rows::after(&self.store, seq, WINDOW)?;
        unseen.iter().for_each(|receipt| self.send_receipt(receipt));
        let full = unseen.len() >= WINDOW as usize;
        if let Some(link) = self.link.as_mut() {
            let paused_at = unseen.last().filter(|_| full).map(|receipt| receipt.seq);
            link.changed |= link.receipts_paused_at != paused_at;
            link.receipts_paused_at = paused_at;
        }
        Ok(())
    }

    /// The device has seen all receipts up to `seq`.
    pub(super) fn receipts_seen(&mut self, seq: i64) -> Result<(), StoreError> {
        let paused_at = self.link.as_ref().and_then(|link| link.receipts_paused_at);
        // What was not sent was not seen, whatever the device says.
        let seq = paused_at.map_or(seq, |paused_at| seq.min(paused_at));
        receipt_rows::delete(&self.store, seq)?;
        match paused_at {
            Some(paused_at) if seq == paused_at => self.send_receipts_after(seq),
            _ => Ok(()),
        }
    }
}

/// Puts each update in the place of what was known, unless that is a last state already. Returns what
/// was changed.
fn replace_all(known: &mut [Delivery], updates: Vec<Delivery>) -> Vec<Delivery> {
    updates
        .into_iter()
        .filter_map(|update| replace(known, update))
        .collect()
}

fn replace(known: &mut [Delivery], update: Delivery) -> Option<Delivery> {
    let place = known
        .iter_mut()
        .find(|delivery| delivery.device == update.device)?;
    if place.state.is_last() {
        return None;
    }
    *place = update.clone();
    Some(update)
}
