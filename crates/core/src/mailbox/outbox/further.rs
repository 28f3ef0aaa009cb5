//! Taking a step of an escalation: to which further devices a message goes, and how.
//!
//! To a few, their mailboxes are called at once, as for a publish. If there are many, or one of them has to wait for an
//! older message, a job calls them. Either way the deliveries are stored first.

use super::dispatch::CALL_LIFE;
use super::failed::failed_devices;
use super::job_rows::Queued;
use super::jobs::WAIT;
use super::publish::Publishing;
use super::recipients::recipients;
use super::rows::{self, PART, Sent};
use super::under_way::wave;
use super::unlisted::MAX_LOOKUPS;
use super::{Outbox, Timer, escalation_rows};
use crate::delivery::{Delivery, unreached};
use crate::id::{DeviceId, MessageId};
use crate::message::Message;
use crate::plan::Plan;
use crate::plan::escalation::Outcome;
use crate::problem::Code;
use crate::store::{Store, StoreError, to_json};
use crate::time::{Millis, Now};

impl<S: Store> Outbox<'_, S> {
    /// Takes the step of a message that is due. `devices` are those of its target.
    pub(super) fn take_step(
        &mut self,
        id: MessageId,
        devices: Vec<DeviceId>,
        now: Now,
    ) -> Result<(), StoreError> {
        if let Some(publishing) = self.memory.publishing.get(&id) {
            let known: Vec<DeviceId> = publishing.deliveries.iter().map(named).collect();
            let found = self.further(&publishing.plan, devices, &known);
            return self.step_of_unanswered(id, found, now);
        }
        let Some(sent) = rows::load(&self.cx.store, id)? else {
            return self.forget_steps(id);
        };
        let known = escalation_rows::devices(&self.cx.store, &sent)?;
        match self.further(&sent.plan, devices, &known) {
            Ok(new) if !new.is_empty() => self.step_of_stored(sent, known.len(), new, now),
            found => self.step_to_nobody(sent, outcome(&found), now),
        }
    }

    /// The recipients of the next step that are not known yet, or why there are none.
    fn further(
        &self,
        plan: &Plan,
        devices: Vec<DeviceId>,
        known: &[DeviceId],
    ) -> Result<Vec<DeviceId>, Code> {
        let escalation = plan.escalation.as_ref();
        let step = escalation.and_then(|it| it.steps.first());
        let (Some(step), Some(sender)) = (step, self.cx.device()) else {
            return Ok(Vec::new());
        };
        let (echo, limits) = (escalation.is_some_and(|it| it.echo), &self.cx.limits);
        let found = recipients(&step.to, devices, sender, echo, limits);
        let mut new = found.map_err(|problem| problem.code)?;
        new.retain(|device| known.binary_search(device).is_err());
        match known.len() + new.len() > limits.max_fanout as usize {
            true => Err(Code::TagTooLarge),
            false => Ok(new),
        }
    }

    /// Whether the mailboxes of these devices are called at once for a message.
    fn fits(
        &mut self,
        id: MessageId,
        known: usize,
        new: &[DeviceId],
        bytes: usize,
    ) -> Result<bool, StoreError> {
        let all = (bytes as u64).saturating_mul(new.len() as u64);
        let fits = known + new.len() <= PART && new.len() <= wave(bytes) && self.has_room(all);
        Ok(fits && self.behind(new, Some(id), &mut { MAX_LOOKUPS })?.is_empty())
    }

    /// Takes a step of a message whose mailboxes are still being called.
    fn step_of_unanswered(
        &mut self,
        id: MessageId,
        found: Result<Vec<DeviceId>, Code>,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(publishing) = self.memory.publishing.get(&id) else {
            return Ok(());
        };
        let outcome = outcome(&found);
        let new = found.unwrap_or_default();
        let (bytes, known) = (payload(&publishing.message), publishing.deliveries.len());
        if !new.is_empty() && !self.fits(id, known, &new, bytes)? {
            self.wait_for_answer(id);
            return Ok(());
        }
        let Some(publishing) = self.memory.publishing.get_mut(&id) else {
            return Ok(());
        };
        publishing.plan.take_step(outcome, now.at);
        let share = (bytes * new.len()) as u64;
        publishing.bytes += share;
        self.memory.under_way += share;
        if !new.is_empty() {
            publishing.plan.note_calling(true);
            publishing.deliveries.extend(unreached(&new, now.at));
            let by_name = |one: &Delivery, other: &Delivery| one.device.cmp(&other.device);
            publishing.deliveries.sort_unstable_by(by_name);
        }
        publishing.judge(now);
        let next = publishing.next_step_at();
        let (is_calling, until) = (publishing.plan.is_calling(), publishing.until);
        match publishing.stored {
            true => self.save_unanswered(id, true, now)?,
            false if new.is_empty() => {}
            false => self.store_publishing(id, now)?,
        }
        self.steps_changed(id, next, is_calling, now)?;
        let wait = u32::try_from(until - now.at).unwrap_or(0);
        self.call_further(id, &new, wait, now)
    }

    /// Takes a step of a message that is stored, and has `known` deliveries.
    fn step_of_stored(
        &mut self,
        mut sent: Sent,
        known: usize,
        new: Vec<DeviceId>,
        now: Now,
    ) -> Result<(), StoreError> {
        let id = sent.id;
        let Some(message) = escalation_rows::message(&self.cx.store, id)? else {
            return self.drop_steps(id, now);
        };
        let bytes = payload(&message);
        let has_job = self.memory.jobs.contains_key(&id);
        let at_once = !has_job && self.fits(id, known, &new, bytes)?;
        let deliveries = unreached(&new, now.at);
        let mut states = escalation_rows::states(&self.cx.store, &sent)?;
        deliveries.iter().for_each(|it| states.add(it.state));
        let plan = &mut sent.plan;
        plan.take_step(outcome(&Ok(new.clone())), now.at);
        plan.note_calling(at_once);
        plan.judge(&states, now.at);
        escalation_rows::add(&self.cx.store, &sent, deliveries.clone(), &sent.plan)?;
        // They may be in another part now.
        self.memory.unseen.clear();
        let next = sent.next_step_at();
        if !at_once {
            self.queue_further(&message, new, now)?;
            return self.steps_changed(id, next, false, now);
        }
        let mut all = sent.deliveries.unwrap_or_default();
        all.extend(deliveries);
        all.sort_unstable_by(|one, other| one.device.cmp(&other.device));
        let share = (bytes * new.len()) as u64;
        let told = failed_devices(&all);
        let publishing = Publishing {
            message,
            deliveries: all,
            plan: sent.plan,
            bytes: share,
            open: 0,
            until: now.at + Millis::from(WAIT),
            stored: true,
            is_answered: true,
            key: None,
            told,
            unknown: false,
            frames: Vec::new(),
        };
        self.memory.publishing.insert(id, publishing);
        self.memory.under_way += share;
        self.steps_changed(id, next, true, now)?;
        self.call_further(id, &new, WAIT, now)
    }

    /// Calls the mailboxes of further devices, which are stored.
    fn call_further(
        &mut self,
        id: MessageId,
        new: &[DeviceId],
        wait: u32,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(publishing) = self.memory.publishing.get_mut(&id) else {
            return Ok(());
        };
        publishing.open += new.len();
        let text = to_json(&publishing.message)?.into();
        for device in new {
            self.call_deliver(device, id, &text, wait, now);
        }
        Ok(())
    }

    /// A job calls the mailboxes of further devices, which are stored.
    fn queue_further(
        &mut self,
        message: &Message,
        new: Vec<DeviceId>,
        now: Now,
    ) -> Result<(), StoreError> {
        let id = message.id;
        let job = self.memory.jobs.get(&id);
        let (is_fresh, had) = (job.is_none(), job.map(|job| job.left.clone()));
        // A job whose devices are not known finds these in the rows, too.
        let left = match had {
            Some(None) => None,
            had => {
                let mut left = had.flatten().unwrap_or_default();
                left.extend(new.iter().cloned());
                left.sort_unstable();
                Some(left)
            }
        };
        // A pass that has already gone past them would leave them out.
        if let Some(pass) = self.memory.passes.get_mut(&id) {
            let after = pass.after().cloned();
            let passed = new.into_iter().filter(|it| Some(it) <= after.as_ref());
            pass.left.extend(passed);
        }
        self.enqueue(id, left.as_deref().unwrap_or_default());
        self.keep_job(Queued::growing(message)?, left, now.at, !is_fresh)?;
        if let Some(job) = self.memory.jobs.get_mut(&id) {
            job.is_fresh = is_fresh;
        }
        self.cx.wake_by(Timer::Job, now.at);
        Ok(())
    }

    /// The memory was lost while mailboxes were called for a step: a job calls those that may not have the message.
    /// The JSON of the message has this length.
    pub(super) fn call_again(
        &mut self,
        id: MessageId,
        bytes: u64,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(mut sent) = rows::load(&self.cx.store, id)? else {
            return self.forget_steps(id);
        };
        let left = super::backlog::untaken(sent.deliveries.as_deref().unwrap_or_default());
        // If enough is acknowledged, nobody is called any more.
        if !left.is_empty() && sent.plan.enough_at.is_none() {
            self.enqueue(id, &left);
            self.keep_job(Queued::with_steps(&sent, bytes), Some(left), now.at, true)?;
            self.cx.wake_by(Timer::Job, now.at + 2 * CALL_LIFE);
        }
        sent.plan.note_calling(false);
        let states = escalation_rows::states(&self.cx.store, &sent)?;
        self.save_steps(&sent, &states, now)
    }
}

fn named(delivery: &Delivery) -> DeviceId {
    delivery.device.clone()
}

fn payload(message: &Message) -> usize {
    message.payload.get().len()
}

/// What came of a step that goes to these further devices.
fn outcome(found: &Result<Vec<DeviceId>, Code>) -> Outcome {
    match found {
        Ok(new) => Outcome::Devices(u32::try_from(new.len()).unwrap_or(u32::MAX)),
        Err(code) => Outcome::failed(*code),
    }
}
