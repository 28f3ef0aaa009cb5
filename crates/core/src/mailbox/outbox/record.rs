//! Recording the terminal states of messages that this device sent.
//!
//! A terminal state is recorded once; a repeated report is confirmed. What follows from it is decided here: whether the
//! message is settled, and whether there are enough acknowledgements.
//! Not here: the receipts that make it known; see [`super::receipts`].

use litemap::LiteMap;

use super::failed::tell_failed;
use super::part_rows;
use super::rows::{self, Sent};
use super::{Failure, News, Outbox};
use crate::call::Settled;
use crate::delivery::{Delivery, State, summary};
use crate::id::{DeviceId, MessageId};
use crate::plan::Verdict;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::Now;

impl<S: Store> Outbox<'_, S> {
    /// A recipient's mailbox reports settled deliveries. Those of unknown messages are ignored: such a message was
    /// never answered, or is no longer kept.
    ///
    /// # Errors
    /// `unavailable` while a call to deliver one of the messages may still arrive, or will be made again: until then
    /// the recipient has to remember the message, or would take it for a new one. The store failed.
    pub(in crate::mailbox) fn take_report(
        &mut self,
        settled: Vec<Settled>,
        now: Now,
    ) -> Result<(), Failure> {
        for settled in &settled {
            let is_early = self.is_in_doubt(settled.id);
            if is_early || self.is_under_way(settled.id, &settled.delivery, now)? {
                let detail = "a call to deliver one of the messages is still under way";
                return Err(Problem::new(Code::Unavailable, detail).into());
            }
        }
        if self.cx.device().is_none() {
            return Ok(());
        }
        let updates = settled
            .into_iter()
            .map(|settled| (settled.id, settled.delivery));
        Ok(self.record(updates.collect(), now)?)
    }

    /// Records the states of deliveries.
    pub(super) fn record(
        &mut self,
        updates: Vec<(MessageId, Delivery)>,
        now: Now,
    ) -> Result<(), StoreError> {
        let mut by_message: LiteMap<MessageId, Vec<Delivery>> = LiteMap::new();
        for (id, delivery) in updates {
            by_message.entry(id).or_default().push(delivery);
        }
        for (id, updates) in by_message {
            let updates = self.without_replies(updates)?;
            if self.memory.publishing.contains_key(&id) {
                self.record_unanswered(id, updates, now)?;
            } else if let Some(sent) = rows::load(&self.cx.store, id)? {
                self.record_sent(sent, updates, now)?;
            }
        }
        Ok(())
    }

    /// Records states of a publish that is not answered yet; its answer will carry them, unless it was scheduled and
    /// was answered long ago. The recipient may forget what is recorded, so the message has to be stored.
    fn record_unanswered(
        &mut self,
        id: MessageId,
        updates: Vec<Delivery>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.store_publishing(id, now)?;
        let publishing = self.memory.publishing.get_mut(&id);
        let deliveries = publishing.map(|publishing| &mut publishing.deliveries);
        let changed = deliveries.map(|deliveries| replace_all(deliveries, updates));
        self.number_answered(id, now)?;
        if let (Some(publishing), Some(changed)) = (self.memory.publishing.get(&id), changed) {
            let changed = without_before(changed);
            let deliveries = &publishing.deliveries;
            let done = publishing.is_settled();
            rows::save(&self.cx.store, id, deliveries, done.then_some(now.at), None)?;
            self.tell_failed_of(id);
            for delivery in &changed {
                self.leave(id, &delivery.device);
            }
            self.enough_of_unanswered(id, now)?;
            self.answer_if_done(id, now)?;
        }
        self.escalate(id, now)
    }

    fn record_sent(
        &mut self,
        mut sent: Sent,
        mut updates: Vec<Delivery>,
        now: Now,
    ) -> Result<(), StoreError> {
        let id = sent.id;
        self.number(&mut updates, now)?;
        let (changed, done, verdict) = match sent.deliveries.take() {
            Some(mut deliveries) => {
                let changed = without_before(replace_all(&mut deliveries, updates));
                let states = summary(&deliveries);
                let verdict = sent.plan.judge(&states, now.at);
                let done = states.open() == 0 && !sent.plan.has_steps();
                if !changed.is_empty() {
                    let plan = verdict.is_changed.then_some(&sent.plan);
                    rows::save(
                        &self.cx.store,
                        id,
                        &deliveries,
                        done.then_some(now.at),
                        plan,
                    )?;
                }
                (changed, done, verdict)
            }
            None => self.record_in_parts(&mut sent, updates, now)?,
        };
        for delivery in &changed {
            self.leave(id, &delivery.device);
        }
        for delivery in &changed {
            self.send_receipt(id, delivery);
        }
        tell_failed(self.cx, id, &sent.to, &changed);
        if verdict.is_changed && !changed.is_empty() {
            let (next, is_calling) = (sent.next_step_at(), sent.plan.is_calling());
            self.steps_changed(id, next, is_calling, now)?;
        }
        if done && !changed.is_empty() {
            self.ended(id)?;
            self.cx.push(News::Settled(id));
        }
        if verdict.is_enough && !done {
            self.end_others(id, now)?;
        }
        self.escalate(id, now)
    }

    fn record_in_parts(
        &mut self,
        sent: &mut Sent,
        updates: Vec<Delivery>,
        now: Now,
    ) -> Result<(Vec<Delivery>, bool, Verdict), StoreError> {
        let mut parts: LiteMap<DeviceId, (Vec<Delivery>, Vec<Delivery>)> = LiteMap::new();
        for update in updates {
            let part = part_rows::with(&self.cx.store, sent.id, &update.device)?;
            let Some(part) = part else { continue };
            if let Some(first) = part.first().map(|delivery| delivery.device.clone()) {
                parts
                    .entry(first)
                    .or_insert((part, Vec::new()))
                    .1
                    .push(update);
            }
        }
        let mut summary = sent.summary_of_parts(&self.cx.store)?;
        let mut changed = Vec::new();
        for (_, (mut part, updates)) in parts {
            let in_part = replace_all(&mut part, updates);
            if !in_part.is_empty() {
                part_rows::save(&self.cx.store, sent.id, &part)?;
            }
            for (before, delivery) in in_part {
                summary.move_one(before, delivery.state);
                changed.push(delivery);
            }
        }
        // Receipts are sent in the order of their numbers.
        changed.sort_unstable_by_key(|delivery| delivery.receipt);
        let verdict = sent.plan.judge(&summary, now.at);
        let done = summary.open() == 0 && !sent.plan.has_steps();
        if !changed.is_empty() {
            let receipt = rows::last_receipt(&changed);
            let (done_at, plan) = (
                done.then_some(now.at),
                verdict.is_changed.then_some(&sent.plan),
            );
            rows::save_parts_state(&self.cx.store, sent.id, &summary, done_at, receipt, plan)?;
        }
        Ok((changed, done, verdict))
    }
}

/// Applies each update, unless the delivery is in a terminal state already. Returns the changed deliveries, each with
/// its previous state.
fn replace_all(known: &mut [Delivery], updates: Vec<Delivery>) -> Vec<(State, Delivery)> {
    updates
        .into_iter()
        .filter_map(|update| replace(known, update))
        .collect()
}

fn replace(known: &mut [Delivery], update: Delivery) -> Option<(State, Delivery)> {
    let place = known
        .iter_mut()
        .find(|delivery| delivery.device == update.device)?;
    let before = place.learn(update.clone())?;
    Some((before, update))
}

fn without_before(changed: Vec<(State, Delivery)>) -> Vec<Delivery> {
    changed.into_iter().map(|(_, delivery)| delivery).collect()
}
