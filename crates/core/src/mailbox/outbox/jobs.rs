//! Unreached deliveries: large tags, and mailboxes that did not answer.
//!
//! A job is processed part by part, oldest job first. A delivery waits until older ones to the same device have been
//! taken, which keeps the order. A job is done when every mailbox has taken its message. A job whose remaining devices
//! are not known yet is processed only after all older jobs of that kind: by then their messages are in the device
//! queues.

use std::rc::Rc;

use super::backlog::untaken;
use super::dispatch::{CALL_LIFE, taken};
use super::job_rows::{self, Job, Queued};
use super::part_rows;
use super::rows::{self, PART, Sent};
use super::under_way::wave;
use super::unlisted::MAX_LOOKUPS;
use super::{Outbox, SAFETY_DELAY, Timer};
use crate::call::DeliveryStatus;
use crate::delivery::{Delivery, Event};
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// After how many milliseconds an unreached delivery is tried again.
pub(super) const FIRST_RETRY: Millis = 1_000;

/// Milliseconds that a mailbox waits for the acknowledgement of a message from a job.
pub(super) const WAIT: u32 = 1_000;

/// The longest pause before something is tried again.
const LONGEST_PAUSE: Millis = 300_000;

/// How many calls one alarm makes; the next alarm continues. The platform limits the calls of one event.
pub(super) const CALLS: usize = 500;

/// The part of a job that is being delivered.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) id: MessageId,
    /// Calls under way.
    pub(super) open: usize,
    /// The devices that were called.
    called: Vec<DeviceId>,
    /// The deliveries that were taken.
    taken: Vec<Delivery>,
}

/// A pass through a job, in progress.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// The last device of the pass so far.
    after: Option<DeviceId>,
    /// The devices up to there that are unreached.
    pub(super) left: Vec<DeviceId>,
    /// Whether any device was called.
    tried: bool,
}

impl Pass {
    /// The last device of the pass so far.
    pub(super) fn after(&self) -> Option<&DeviceId> {
        self.after.as_ref()
    }
}

/// The pause after this many tries.
pub(super) fn pause(tries: u32) -> Millis {
    (FIRST_RETRY << tries.min(9)).min(LONGEST_PAUSE)
}

impl<S: Store> Outbox<'_, S> {
    /// The mailbox is opened, and has these jobs.
    pub(super) fn open_jobs(&mut self, jobs: Vec<Job>, now: Now) {
        // Twice, because the clock of the called mailbox may be behind this one.
        self.memory.retry_not_before = now.at + 2 * CALL_LIFE;
        for job in jobs {
            self.know_job(job);
        }
    }

    /// Stores a job for a message with unreached deliveries: to `left`, or to many. `called` is whether mailboxes were
    /// already called for the message.
    pub(super) fn keep_job(
        &mut self,
        message: Queued,
        left: Option<Vec<DeviceId>>,
        retry_at: Millis,
        called: bool,
    ) -> Result<(), StoreError> {
        let known = self.memory.jobs.get(&message.id);
        let called = called || known.is_some_and(|job| job.tries > 0);
        // A message with TTL 0 gets one delivery attempt, and is never sent after later ones.
        let tries = u32::from(called && message.now_or_never);
        let left = left.and_then(|left| self.listed(message.id, left));
        let job = job_rows::insert_job(&self.cx.store, message, retry_at, tries, left)?;
        if job.left.is_none() {
            self.memory.found.add_job(job.id);
        }
        self.memory.jobs.insert(job.id, job);
        Ok(())
    }

    /// A message has no unreached deliveries any more.
    pub(super) fn drop_job(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.forget_job(id);
        job_rows::delete_job(&self.cx.store, id)
    }

    /// Delivers the next part of a job that is due.
    pub(super) fn work(&mut self, now: Now) -> Result<(), StoreError> {
        let (mut after, mut lookups) = (None, MAX_LOOKUPS);
        while self.memory.work.is_none() {
            let mut due = self.jobs_due();
            let Some((id, _)) = due.find(|(id, at)| Some(*id) > after && *at <= now.at) else {
                break;
            };
            drop(due);
            after = Some(id);
            self.pass(id, &mut lookups, now)?;
        }
        Ok(())
    }

    /// When each job is due, except those that wait for their own publish, or for an older job whose remaining devices
    /// are not known yet either.
    pub(super) fn jobs_due(&self) -> impl Iterator<Item = (MessageId, Millis)> {
        let is_queued = |id: &MessageId| !self.memory.publishing.contains_key(id);
        let first = self.unlisted().map(|job| job.id).find(is_queued);
        let jobs = self.memory.jobs.values().filter(move |job| {
            let later = job.left.is_none() && first.is_some_and(|first| first < job.id);
            !later && is_queued(&job.id)
        });
        jobs.map(|job| (job.id, job.retry_at.max(self.retry_not_before(job.id))))
    }

    /// The earliest time to process this job.
    pub(super) fn retry_not_before(&self, id: MessageId) -> Millis {
        // No call for a newer job can be from before the mailbox was opened.
        let old = self.memory.opened_with.is_some_and(|newest| id <= newest);
        let is_fresh = self.memory.jobs.get(&id).is_some_and(|job| job.is_fresh);
        if old && !is_fresh {
            self.memory.retry_not_before
        } else {
            0
        }
    }

    /// Continues the pass through a job, up to the next devices that can be called.
    fn pass(&mut self, id: MessageId, lookups: &mut usize, now: Now) -> Result<(), StoreError> {
        let Some(sent) = rows::load(&self.cx.store, id)? else {
            // There is nothing left to deliver: if it were kept, it would be due forever.
            return self.drop_job(id);
        };
        let tried = self.memory.jobs.get(&id).is_some_and(|job| job.tries > 0);
        let late = tried || now.at > sent.sent_at() + SAFETY_DELAY;
        let mut pass = self.memory.passes.remove(&id).unwrap_or_default();
        while let Some(mut next) = self.next_devices(&sent, &mut pass)? {
            let behind = self.behind(&next, Some(id), lookups)?;
            next.retain(|device| !behind.contains(device));
            pass.left.extend(behind);
            if next.is_empty() {
                continue;
            }
            // Others expire in the recipient's mailbox: only that knows whether it has taken them.
            if late && sent.is_now_or_never() {
                self.expire_waiting(id, next, now)?;
                continue;
            }
            let Some(message) = job_rows::job_message(&self.cx.store, id)? else {
                return self.drop_job(id);
            };
            let wave = wave(message.len());
            if next.len() > wave {
                next.truncate(wave);
                pass.after = next.last().cloned();
                // The pass will come to the devices after it again.
                pass.left
                    .retain(|device| Some(device) <= pass.after.as_ref());
            }
            pass.tried = true;
            self.memory.passes.insert(id, pass);
            self.dispatch_part(id, message.into(), next, now);
            return Ok(());
        }
        self.end_pass(id, pass, now)
    }

    /// The next unreached devices of a job, up to the end of a part; `None` after the last. Moves the pass past them.
    fn next_devices(
        &self,
        sent: &Sent,
        pass: &mut Pass,
    ) -> Result<Option<Vec<DeviceId>>, StoreError> {
        let after = pass.after.take();
        let later = |device: &&DeviceId| Some(*device) > after.as_ref();
        let listed = self.memory.jobs.get(&sent.id);
        let listed = listed.and_then(|job| job.left.as_ref());
        let (to, next): (Option<DeviceId>, Vec<DeviceId>) = if let Some(left) = listed {
            let some: Vec<DeviceId> = left.iter().filter(later).take(PART).cloned().collect();
            let to = some.last().cloned();
            (to, part_rows::untaken_of(&self.cx.store, sent.id, some)?)
        } else if let Some(whole) = &sent.deliveries {
            let some = untaken(whole);
            let next: Vec<DeviceId> = some.iter().filter(later).cloned().collect();
            (next.last().cloned(), next)
        } else {
            let part = part_rows::rest_after(&self.cx.store, sent.id, after.as_ref())?;
            let part = part.unwrap_or_default();
            (part.last().map(|it| it.device.clone()), untaken(&part))
        };
        pass.after = to;
        Ok(pass.after.is_some().then_some(next))
    }

    /// A pass is complete: the job is done, or postponed.
    fn end_pass(&mut self, id: MessageId, pass: Pass, now: Now) -> Result<(), StoreError> {
        let Pass {
            mut left, tried, ..
        } = pass;
        if left.is_empty() {
            return self.drop_job(id);
        }
        let Some(mut job) = self.memory.jobs.remove(&id) else {
            return Ok(());
        };
        if tried {
            job.tries += 1;
            job.retry_at = now.at + pause(job.tries);
        } else {
            // It only waits for older jobs, and is due after they are.
            let jobs = self.memory.jobs.values();
            let older = jobs.take_while(|older| older.id < id);
            let tried_at = older.map(|older| older.retry_at).max().unwrap_or(0);
            job.retry_at = tried_at.max(now.at + FIRST_RETRY);
        }
        left.sort_unstable();
        let was_listed = job.left.is_some();
        job.left = self.listed(id, left);
        if was_listed && job.left.is_none() {
            self.memory.found.add_job(id);
        }
        job_rows::save_job(&self.cx.store, &job)?;
        self.cx.wake_by(Timer::Job, job.retry_at);
        self.know_job(job);
        Ok(())
    }

    /// Expires deliveries with TTL 0 that had their one attempt.
    fn expire_waiting(
        &mut self,
        id: MessageId,
        devices: Vec<DeviceId>,
        now: Now,
    ) -> Result<(), StoreError> {
        let expired = |device| {
            let delivery = Delivery::unreached(device, now.at).apply(Event::Expire, now.at)?;
            Ok((id, delivery))
        };
        let expired: Result<_, StoreError> = devices.into_iter().map(expired).collect();
        self.record(expired?, now)
    }

    fn dispatch_part(&mut self, id: MessageId, message: Rc<str>, devices: Vec<DeviceId>, now: Now) {
        // The last part may have more devices than calls are left.
        self.memory.calls_left = self.memory.calls_left.saturating_sub(devices.len());
        self.memory.work = Some(Work {
            id,
            open: devices.len(),
            called: devices.clone(),
            taken: Vec::new(),
        });
        for device in devices {
            self.call_deliver(&device, id, &message, WAIT, now);
        }
        // Nothing else would wake a mailbox that crashes while it waits for the answers.
        self.cx.wake_by(Timer::Job, now.at + SAFETY_DELAY);
    }

    /// A mailbox has answered a call of a job, or could not be reached.
    pub(super) fn worked(
        &mut self,
        id: MessageId,
        device: &DeviceId,
        answer: Option<DeliveryStatus>,
        now: Now,
    ) -> Result<bool, StoreError> {
        let Some(work) = self.memory.work.as_mut().filter(|work| work.id == id) else {
            return Ok(false);
        };
        work.open -= 1;
        work.taken.extend(taken(device, answer, now.at)?);
        if work.open > 0 {
            return Ok(false);
        }
        let (called, taken) = (
            std::mem::take(&mut work.called),
            std::mem::take(&mut work.taken),
        );
        self.memory.work = None;
        let taken = taken.into_iter().map(|delivery| (id, delivery));
        self.record(taken.collect(), now)?;
        if self.memory.passes.contains_key(&id) {
            let left = part_rows::untaken_of(&self.cx.store, id, called)?;
            if let Some(pass) = self.memory.passes.get_mut(&id) {
                pass.left.extend(left);
            }
        }
        if self.memory.calls_left > 0 {
            self.work(now)?;
        }
        Ok(self.memory.work.is_none())
    }
}
