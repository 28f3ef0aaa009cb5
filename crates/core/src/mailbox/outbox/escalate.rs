//! Escalation: when a step of a message is due, the message goes to the devices of its target that do not have it yet.
//!
//! A step is taken once. One event marks it as taken and stores its new deliveries, before any of their mailboxes is
//! called: if the mailbox fails then, the step is not taken again, and the calls are made to the same devices. Enough
//! acknowledgements, a cancellation and the expiry drop the steps that are left. If there can no longer be enough
//! acknowledgements, the next step is taken at once.
//! Not here: what the steps are, and which of them is next; see [`crate::plan::escalation`]. To whom a step goes at
//! once, and to whom as a job; see [`super::further`].

use std::collections::BTreeMap;

use super::escalation_rows::{self, Pending};
use super::resolve::LOOKUPS;
use super::rows::{self, Sent};
use super::{Context, News, Outbox, SAFETY_DELAY, Timer, jobs};
use crate::delivery::Summary;
use crate::id::{DeviceId, MessageId};
use crate::message::{Message, Target};
use crate::plan::escalation::Outcome;
use crate::problem::Problem;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The messages with steps.
#[derive(Debug, Default)]
pub(super) struct Escalations(BTreeMap<MessageId, Due>);

#[derive(Debug, Clone, Copy)]
struct Due {
    /// When the next step is taken, or tried again; `None` while only the calls of the last one are left.
    at: Option<Millis>,
    /// The length of the message's JSON; `None` if the message is not stored yet.
    bytes: Option<u64>,
    /// How many times the step was put off.
    tries: u32,
    /// A query looks up its target.
    is_looked_up: bool,
    /// Its publish has to be answered first.
    waits_for_answer: bool,
}

impl Escalations {
    /// How many messages are stored, and their bytes.
    pub(super) fn size(&self) -> (u32, u64) {
        let stored = self.0.values().filter_map(|due| due.bytes);
        stored.fold((0, 0), |(count, all), bytes| (count + 1, all + bytes))
    }

    /// The ids of all that are stored.
    pub(super) fn stored(&self) -> impl Iterator<Item = MessageId> {
        let stored = self.0.iter().filter(|(_, due)| due.bytes.is_some());
        stored.map(|(id, _)| *id)
    }

    /// Whether a query looks up the target of a step of this message.
    pub(super) fn is_looked_up(&self, id: MessageId) -> bool {
        self.0.get(&id).is_some_and(|due| due.is_looked_up)
    }

    /// A message with steps is about to be stored with its deliveries.
    pub(super) fn keep<S: Store>(
        &mut self,
        cx: &mut Context<S>,
        message: &Message,
    ) -> Result<(), StoreError> {
        let due = self.0.get_mut(&message.id);
        if let Some(due) = due.filter(|due| due.bytes.is_none()) {
            due.bytes = Some(escalation_rows::insert(&cx.store, message)?);
            if let Some(at) = due.at {
                cx.wake_by(Timer::Escalation, at);
            }
        }
        Ok(())
    }

    /// The publish of this message is answered: no step waits for that any more.
    pub(super) fn answered(&mut self, id: MessageId) {
        if let Some(due) = self.0.get_mut(&id) {
            due.waits_for_answer = false;
        }
    }

    /// The steps of all messages are dropped.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<S: Store> Outbox<'_, S> {
    /// The mailbox is opened, and these messages have steps. If the memory was lost while mailboxes were called for
    /// one, a job calls them again.
    pub(super) fn open_escalations(
        &mut self,
        steps: Vec<Pending>,
        now: Now,
    ) -> Result<(), StoreError> {
        for pending in steps {
            if !pending.plan.has_steps() && !pending.plan.is_calling() {
                escalation_rows::delete(&self.cx.store, pending.id)?;
                continue;
            }
            let due = Due {
                at: pending.plan.next_step_at(pending.sent_at),
                bytes: Some(pending.bytes),
                tries: 0,
                is_looked_up: false,
                waits_for_answer: false,
            };
            self.memory.escalations.0.insert(pending.id, due);
            if pending.plan.is_calling() {
                self.call_again(pending.id, pending.bytes, now)?;
            }
        }
        Ok(())
    }

    /// A message is handed over, and its first step is due at `next`. Until it is stored, its steps are only in memory.
    /// If it is answered before that, the mailbox is not woken for the step yet: it may not be needed.
    pub(super) fn expect_steps(&mut self, id: MessageId, next: Option<Millis>, answer_at: Millis) {
        let Some(at) = next else {
            return;
        };
        let due = Due {
            at: Some(at),
            bytes: None,
            tries: 0,
            is_looked_up: false,
            waits_for_answer: false,
        };
        self.memory.escalations.0.insert(id, due);
        if at <= answer_at {
            self.cx.wake_by(Timer::Escalation, at);
        }
    }

    /// The plan of a message has changed: `next` is when its next step is due, if it has one. `is_calling` is whether
    /// mailboxes are being called for the last one.
    pub(super) fn steps_changed(
        &mut self,
        id: MessageId,
        next: Option<Millis>,
        is_calling: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(due) = self.memory.escalations.0.get_mut(&id) else {
            return Ok(());
        };
        (due.at, due.tries) = (next, 0);
        let is_stored = due.bytes.is_some();
        // As long as it waits, it is not stored.
        let publishing = self.memory.publishing.get(&id);
        let waits_until = publishing.map(|publishing| publishing.until);
        let is_awaited = |at| is_stored || waits_until >= Some(at);
        match next {
            Some(at) if at > now.at && is_awaited(at) => self.cx.wake_by(Timer::Escalation, at),
            Some(_) => {}
            None if is_calling => {}
            None => self.forget_steps(id)?,
        }
        Ok(())
    }

    /// Nothing is left to do for the steps of a message.
    pub(super) fn forget_steps(&mut self, id: MessageId) -> Result<(), StoreError> {
        match self.memory.escalations.0.remove(&id) {
            Some(due) if due.bytes.is_some() => escalation_rows::delete(&self.cx.store, id),
            _ => Ok(()),
        }
    }

    /// Takes all steps that are due, as many as one event may call for.
    pub(super) fn escalate_due(&mut self, now: Now) -> Result<(), StoreError> {
        let due = self.escalations_due(now).filter(|(_, at)| *at <= now.at);
        let mut due: Vec<(Millis, MessageId)> = due.map(|(id, at)| (at, id)).collect();
        due.sort_unstable();
        for (_, id) in due {
            let publishing = self.memory.publishing.values();
            if publishing.map(|it| it.open).sum::<usize>() >= jobs::CALLS {
                break;
            }
            if !self.take_steps(id, now)? {
                // The answer to the query goes on from here.
                break;
            }
        }
        // Nothing else would wake a mailbox that crashes while it waits for the answers.
        if self.escalations_due(now).any(|(_, at)| at <= now.at) {
            self.cx.wake_by(Timer::Escalation, now.at + SAFETY_DELAY);
        }
        Ok(())
    }

    /// Takes the steps of a message that are due.
    pub(super) fn escalate(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let due = self.memory.escalations.0.get(&id);
        if due.is_none_or(|due| due.at.is_none_or(|at| at > now.at)) {
            return Ok(());
        }
        self.take_steps(id, now)?;
        self.ask_directory();
        Ok(())
    }

    /// Takes the steps of a message that are due. Returns whether the next query has room for the target of another.
    fn take_steps(&mut self, id: MessageId, now: Now) -> Result<bool, StoreError> {
        while self.is_due(id, now) {
            match self.due_target(id, now)? {
                Some(Target::Device(device)) => self.take_step(id, vec![device], now)?,
                Some(to) => {
                    if !self.memory.resolving.look_up(id, to, LOOKUPS) {
                        return Ok(false);
                    }
                    self.looks_up_step(id, true);
                    // Nothing else would wake a mailbox that crashes while the query runs.
                    self.cx.wake_by(Timer::Escalation, now.at + SAFETY_DELAY);
                    break;
                }
                None => break,
            }
        }
        Ok(true)
    }

    /// Whether a step is due, and nothing holds it up.
    fn is_due(&self, id: MessageId, now: Now) -> bool {
        let waits = |due: &Due| due.is_looked_up || due.waits_for_answer;
        let due = self.memory.escalations.0.get(&id);
        due.is_some_and(|due| !waits(due) && due.at.is_some_and(|at| at <= now.at))
    }

    fn looks_up_step(&mut self, id: MessageId, is_looked_up: bool) {
        if let Some(due) = self.memory.escalations.0.get_mut(&id) {
            due.is_looked_up = is_looked_up;
        }
    }

    /// The target of the step that is due. `None` if there is none any more: the message has expired, or enough is
    /// acknowledged.
    fn due_target(&mut self, id: MessageId, now: Now) -> Result<Option<Target>, StoreError> {
        let (plan, sent_at, expires_at) = match self.memory.publishing.get(&id) {
            Some(it) => (it.plan.clone(), it.message.sent_at, it.message.expires_at),
            None => {
                let Some(sent) = rows::load(&self.cx.store, id)? else {
                    self.forget_steps(id)?;
                    return Ok(None);
                };
                let sent_at = sent.sent_at();
                (sent.plan, sent_at, sent.expires_at)
            }
        };
        if now.at >= expires_at {
            self.drop_steps(id, now)?;
            return Ok(None);
        }
        match plan.next_step(sent_at) {
            Some((step, at)) if at <= now.at => Ok(Some(step.to.clone())),
            next => {
                let at = next.map(|(_, at)| at);
                self.steps_changed(id, at, plan.is_calling(), now)?;
                Ok(None)
            }
        }
    }

    /// A query has found the devices of a step's target, or has failed.
    pub(super) fn step_looked_up(
        &mut self,
        id: MessageId,
        devices: Result<Vec<DeviceId>, Problem>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.looks_up_step(id, false);
        // Meanwhile there may be enough acknowledgements.
        if !self.is_due(id, now) || self.due_target(id, now)?.is_none() {
            return Ok(());
        }
        match devices {
            Ok(devices) => self.take_step(id, devices, now),
            Err(_) => {
                if let Some(due) = self.memory.escalations.0.get_mut(&id) {
                    due.tries += 1;
                    let at = now.at + jobs::pause(due.tries);
                    due.at = Some(at);
                    self.cx.wake_by(Timer::Escalation, at);
                }
                Ok(())
            }
        }
    }

    /// A step goes to many devices, or has to wait behind other messages, and its publish is not answered yet: the step
    /// waits for the answer.
    pub(super) fn wait_for_answer(&mut self, id: MessageId) {
        if let Some(due) = self.memory.escalations.0.get_mut(&id) {
            due.waits_for_answer = true;
        }
    }

    /// No further step of a message is taken.
    pub(super) fn drop_steps(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        if let Some(publishing) = self.memory.publishing.get_mut(&id) {
            publishing.plan.drop_steps();
            let (stored, is_calling) = (publishing.stored, publishing.plan.is_calling());
            if stored {
                self.save_unanswered(id, true, now)?;
            }
            return self.steps_changed(id, None, is_calling, now);
        }
        let Some(mut sent) = rows::load(&self.cx.store, id)? else {
            return self.forget_steps(id);
        };
        sent.plan.drop_steps();
        let states = escalation_rows::states(&self.cx.store, &sent)?;
        self.save_steps(&sent, &states, now)
    }

    /// A step of a stored message brings it to nobody.
    pub(super) fn step_to_nobody(
        &mut self,
        mut sent: Sent,
        outcome: Outcome,
        now: Now,
    ) -> Result<(), StoreError> {
        sent.plan.take_step(outcome, now.at);
        let states = escalation_rows::states(&self.cx.store, &sent)?;
        sent.plan.judge(&states, now.at);
        self.save_steps(&sent, &states, now)
    }

    /// Stores the plan of a stored message, whose steps have changed, and what follows from it. Its deliveries are in
    /// these states.
    pub(super) fn save_steps(
        &mut self,
        sent: &Sent,
        states: &Summary,
        now: Now,
    ) -> Result<(), StoreError> {
        let (id, plan) = (sent.id, &sent.plan);
        let is_done = states.open() == 0 && !plan.has_steps();
        escalation_rows::save_plan(&self.cx.store, id, plan, is_done.then_some(now.at))?;
        let next = sent.next_step_at();
        self.steps_changed(id, next, plan.is_calling(), now)?;
        if is_done {
            self.ended(id)?;
            self.cx.wake_by(Timer::Retention, self.clean_up_at(now.at));
            self.cx.push(News::Settled(id));
        }
        Ok(())
    }

    /// When each message has a step due.
    pub(super) fn escalations_due(&self, now: Now) -> impl Iterator<Item = (MessageId, Millis)> {
        let known = self.memory.escalations.0.iter();
        known.filter_map(
            move |(id, due)| match due.is_looked_up || due.waits_for_answer {
                true => Some((*id, now.at + SAFETY_DELAY)),
                false => Some((*id, due.at?)),
            },
        )
    }
}
