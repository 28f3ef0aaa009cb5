//! What was kept long enough goes: traces with their idempotency keys and receipts.
//!
//! In batches, and not at every message's own hour: an alarm costs a row, so one serves all that
//! became due in a sixteenth of the retention time, at most an hour.

use super::Mailbox;
use super::jobs::{FIRST_RETRY, SAFETY_DELAY};
use super::{group_rows, job_rows, outbox_rows};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How many rows of a table go in one event.
const BATCH: u32 = 500;

impl<S: Store> Mailbox<S> {
    fn retention(&self) -> Millis {
        i64::from(self.limits.retention) * 1000
    }

    /// What is due within this time waits for one alarm.
    fn slack(&self) -> Millis {
        (self.retention() / 16).clamp(1_000, 3_600_000)
    }

    /// When something of this time may be cleaned up.
    pub(super) fn clean_up_at(&self, at: Millis) -> Millis {
        let slack = self.slack();
        (at + self.retention() + slack).max(self.outbox.cleaned_at + slack)
    }

    /// Deletes what was kept long enough.
    pub(super) fn clean_up(&mut self, now: Now) -> Result<(), StoreError> {
        let due = self
            .oldest(now)?
            .is_some_and(|at| self.clean_up_at(at) <= now.at);
        if !due {
            return Ok(());
        }
        let until = now.at - self.retention();
        let done = outbox_rows::done(&self.store, until, BATCH)?;
        for (id, key) in &done {
            outbox_rows::delete(&self.store, *id, key.as_deref())?;
            self.outbox.jobs.remove(id);
        }
        let groups = group_rows::delete_done(&self.store, until, BATCH)?;
        let more = done.len().max(groups) >= BATCH as usize;
        if more && self.oldest(now)?.is_some_and(|at| at <= until) {
            self.wake_by(now.at);
        } else {
            self.outbox.cleaned_at = now.at;
        }
        Ok(())
    }

    /// From when on the first row counts as kept.
    fn oldest(&self, now: Now) -> Result<Option<Millis>, StoreError> {
        let alone = outbox_rows::oldest(&self.store, now.at)?;
        let grouped = group_rows::oldest(&self.store)?;
        Ok(alone.into_iter().chain(grouped).min())
    }

    /// When the outbox has something to do: a job, or something to clean up.
    pub(super) fn outbox_due(&self, now: Now) -> Result<Option<Millis>, StoreError> {
        let busy = |job: &job_rows::Job| {
            let worked_on = self
                .outbox
                .work
                .as_ref()
                .is_some_and(|work| work.id == job.id);
            worked_on || self.outbox.publishing.contains_key(&job.id)
        };
        let jobs = self.outbox.jobs.values().map(|job| {
            let due_at = job.retry_at.max(self.jobs_from(job.id));
            if busy(job) {
                due_at.max(now.at + SAFETY_DELAY)
            } else if self.outbox.work.is_some() {
                due_at.max(now.at + FIRST_RETRY)
            } else {
                due_at
            }
        });
        let clean_up = self.oldest(now)?.map(|at| self.clean_up_at(at));
        Ok(jobs.chain(clean_up).min())
    }
}
