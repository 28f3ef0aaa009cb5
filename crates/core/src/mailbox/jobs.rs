//! Deliveries that have not reached their mailbox: large tags, and mailboxes that did not answer.
//!
//! A job is passed through part by part, oldest job first. A delivery waits until those of older jobs to
//! the same device have been taken, so that their order stays. A job is done when every mailbox has
//! taken its message.

use super::Mailbox;
use super::handover::{CALL_LIFE, taken};
use super::job_rows::{self, Job};
use super::outbox_rows;
use crate::call::Delivered;
use crate::delivery::{Delivery, State};
use crate::id::{DeviceId, MessageId};
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// When a mailbox looks after a job that it is busy with, should it have failed meanwhile.
pub(super) const SAFETY_DELAY: Millis = 30_000;

/// When a delivery is tried again that did not reach its mailbox.
pub(super) const FIRST_RETRY: Millis = 1_000;

/// Milliseconds that a mailbox waits for the acknowledgement of a message from a job.
const WAIT: u32 = 1_000;

/// The longest pause between two passes.
const LONGEST_PAUSE: Millis = 300_000;

/// How many calls follow from one alarm; then the next alarm goes on. The platform limits the calls that
/// one event may make.
pub(super) const CALLS: usize = 500;

/// The part of a job that is being handed over.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) id: MessageId,
    /// Calls under way.
    open: usize,
    /// What was taken.
    taken: Vec<Delivery>,
}

impl<S: Store> Mailbox<S> {
    pub(super) fn open_jobs(&mut self, now: Now) -> Result<(), StoreError> {
        // By this clock; that of the mailbox which an older call may reach may be behind.
        self.outbox.jobs_from = now.at + 2 * CALL_LIFE;
        for job in job_rows::jobs(&self.store)? {
            if let Some(trace) = outbox_rows::trace(&self.store, job.id)? {
                self.wait_in_line(job.id, &trace.deliveries);
            }
            self.outbox.jobs.insert(job.id, job);
        }
        Ok(())
    }

    /// A message has deliveries that their mailbox has not taken; `called` is whether mailboxes are or
    /// were called without this job.
    pub(super) fn keep_job(
        &mut self,
        message: &Message,
        retry_at: Millis,
        called: bool,
    ) -> Result<(), StoreError> {
        let known = self.outbox.jobs.get(&message.id);
        let called = called || known.is_some_and(|job| job.tries > 0);
        // What has to be there now or never is called for once, and never comes after later ones.
        let tries = u32::from(called && message.is_now_or_never());
        let job = job_rows::insert_job(&self.store, message, retry_at, tries)?;
        self.outbox.jobs.insert(job.id, job);
        Ok(())
    }

    /// A message has none any more.
    pub(super) fn drop_job(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.outbox.jobs.remove(&id);
        job_rows::delete_job(&self.store, id)
    }

    /// The row of a job is gone: nothing goes behind it any more.
    fn forget_job(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.outbox.passed.remove(&id);
        self.outbox.waiting.leave_all(id);
        self.drop_job(id)
    }

    /// Lets later messages to the same devices go behind this one.
    pub(super) fn wait_in_line(&mut self, id: MessageId, deliveries: &[Delivery]) {
        for delivery in deliveries.iter().filter(|delivery| !delivery.is_taken()) {
            self.outbox.waiting.join(id, &delivery.device);
        }
    }

    /// Hands over the next part of a job that is due.
    pub(super) fn work(&mut self, now: Now) -> Result<(), StoreError> {
        let mut after = None;
        while self.outbox.work.is_none() {
            let due = |job: &&Job| {
                let due_at = job.retry_at.max(self.jobs_from(job.id));
                due_at <= now.at && !self.outbox.publishing.contains_key(&job.id)
            };
            let mut jobs = self.outbox.jobs.values().filter(|job| Some(job.id) > after);
            let Some(job) = jobs.find(due).copied() else {
                break;
            };
            after = Some(job.id);
            self.pass(job, now)?;
        }
        Ok(())
    }

    /// From when on this job may be worked on.
    pub(super) fn jobs_from(&self, id: MessageId) -> Millis {
        // Jobs younger than this life have no calls but its own.
        let old = self.outbox.opened_with.is_some_and(|newest| id <= newest);
        if old { self.outbox.jobs_from } else { 0 }
    }

    /// Goes on with the pass through a job, up to the next part that has something to hand over.
    fn pass(&mut self, mut job: Job, now: Now) -> Result<(), StoreError> {
        let Some(message) = job_rows::job_message(&self.store, job.id)? else {
            // There is nothing left to hand over: kept, it would be due for ever.
            return self.forget_job(job.id);
        };
        let mut after = self.outbox.passed.remove(&job.id);
        while let Some(part) = self.part_after(job.id, after.as_ref())? {
            after = part.first().map(|delivery| delivery.device.clone());
            let next = part
                .into_iter()
                .filter(|delivery| self.is_next(job.id, delivery));
            let next: Vec<DeviceId> = next.map(|delivery| delivery.device).collect();
            if next.is_empty() {
                continue;
            }
            // Others expire where they are addressed to: only that mailbox knows whether it has them.
            if message.is_now_or_never()
                && (job.tries > 0 || now.at > message.sent_at + SAFETY_DELAY)
            {
                self.expire_waiting(job.id, next, now)?;
                continue;
            }
            if let Some(first) = after {
                self.outbox.passed.insert(job.id, first);
            }
            self.hand_over_part(&message, next, now);
            return Ok(());
        }
        let Some(leads) = self.outbox.waiting.leads(job.id) else {
            return self.drop_job(job.id);
        };
        if !leads {
            // It only waits for others, and is looked at when they have been.
            let older = self
                .outbox
                .jobs
                .values()
                .take_while(|older| older.id < job.id);
            let tried_at = older.map(|older| older.retry_at).max().unwrap_or(0);
            job.retry_at = tried_at.max(now.at + FIRST_RETRY);
        } else {
            job.tries += 1;
            job.retry_at = now.at + (FIRST_RETRY << job.tries.min(9)).min(LONGEST_PAUSE);
        }
        job_rows::save_job(&self.store, &job)?;
        self.wake_by(job.retry_at);
        self.outbox.jobs.insert(job.id, job);
        Ok(())
    }

    /// Whether a delivery has to be handed over and no older message to its device has to be first.
    fn is_next(&self, id: MessageId, delivery: &Delivery) -> bool {
        let line = self.outbox.waiting.get(&delivery.device);
        !delivery.is_taken()
            && line
                .and_then(|line| line.first())
                .is_none_or(|(first, ())| *first == id)
    }

    fn part_after(
        &self,
        id: MessageId,
        after: Option<&DeviceId>,
    ) -> Result<Option<Vec<Delivery>>, StoreError> {
        match outbox_rows::load(&self.store, id)? {
            None => Ok(None),
            Some(sent) if sent.deliveries.is_some() => {
                Ok(sent.deliveries.filter(|_| after.is_none()))
            }
            Some(_) => outbox_rows::part_after(&self.store, id, after),
        }
    }

    /// Gives up deliveries that had to be there now or never: they had their one chance.
    fn expire_waiting(
        &mut self,
        id: MessageId,
        devices: Vec<DeviceId>,
        now: Now,
    ) -> Result<(), StoreError> {
        let expired = |device| (id, Delivery::first(device, State::Expired, now.at));
        self.record(devices.into_iter().map(expired).collect(), now)
    }

    fn hand_over_part(&mut self, message: &Message, devices: Vec<DeviceId>, now: Now) {
        self.outbox.calls_left = self.outbox.calls_left.saturating_sub(devices.len());
        self.outbox.work = Some(Work {
            id: message.id,
            open: devices.len(),
            taken: Vec::new(),
        });
        for device in devices {
            self.call_deliver(&device, message.clone(), WAIT, now);
        }
        // Nothing else would wake a mailbox that fails while it waits for the answers.
        self.wake_by(now.at + SAFETY_DELAY);
    }

    /// A mailbox has answered a call of a job, or could not be reached.
    pub(super) fn worked(
        &mut self,
        id: MessageId,
        device: &DeviceId,
        answer: Option<Delivered>,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(work) = self.outbox.work.as_mut().filter(|work| work.id == id) else {
            return Ok(());
        };
        work.open = work.open.saturating_sub(1);
        work.taken.extend(taken(device, answer, now.at));
        if work.open > 0 {
            return Ok(());
        }
        let taken = std::mem::take(&mut work.taken);
        self.outbox.work = None;
        self.record(
            taken.into_iter().map(|delivery| (id, delivery)).collect(),
            now,
        )?;
        if self.outbox.calls_left > 0 {
            self.work(now)?;
        }
        match self.outbox.work {
            Some(_) => Ok(()),
            None => self.wake_for(true, now),
        }
    }
}
