//! Retention: traces, idempotency keys and receipts that are older than `RETENTION` are overwritten or deleted.
//!
//! A new row overwrites the oldest row of its table that is past its retention, which costs one row; an insertion and a
//! deletion would cost two. So in a steady stream clean-up is free. Only rows without a key, parts or a job are
//! overwritten.
//!
//! The alarm deletes the rest in batches. An alarm costs a row, so one serves all rows that became due within a
//! sixteenth of the retention time, at most an hour.

use std::collections::VecDeque;

use super::SAFETY_DELAY;
use super::jobs::FIRST_RETRY;
use super::{Outbox, Timer};
use super::{group_rows, rows, schedule_rows};
use crate::id::MessageId;
use crate::store::{Store, StoreError, Value};
use crate::time::{Millis, Now};

/// How many rows of a table are deleted in one event.
const BATCH: u32 = 500;

/// How many rows, from the first, are searched for one that can be overwritten, so that a message never scans a table
/// in which none can be.
const WINDOW: u32 = 100;

/// The first rows of a table, in the order in which they were done. The time is `None` if the row must not be
/// overwritten.
pub(super) type FirstRows = Vec<(MessageId, Option<Millis>)>;

/// The rows of a table that can be overwritten, as far as it was searched.
#[derive(Debug, Default)]
pub(super) struct RecyclableRows {
    /// When each was done, oldest first. Such a row does not change before it is past its retention; then it may be
    /// deleted.
    found: VecDeque<(Millis, MessageId)>,
    /// No other row is past its retention before this.
    others_from: Millis,
}

impl RecyclableRows {
    /// Nothing is found yet.
    fn from(others_from: Millis) -> Self {
        Self {
            found: VecDeque::new(),
            others_from,
        }
    }

    /// Takes the oldest row that was done by `until`. `look` reads the first rows of the table.
    pub(super) fn take<S: Store>(
        &mut self,
        store: &S,
        until: Millis,
        now: Now,
        look: fn(&S, u32) -> Result<FirstRows, StoreError>,
    ) -> Result<Option<MessageId>, StoreError> {
        if self.found.is_empty() && self.others_from <= until {
            let rows = look(store, WINDOW)?;
            let all = rows.len() < WINDOW as usize;
            let done = rows.into_iter().filter_map(|(id, at)| Some((at?, id)));
            self.found = done.collect();
            if all || self.found.is_empty() {
                self.others_from = now.at;
            }
        }
        let next = self.found.front().copied();
        let over = next.filter(|(done_at, _)| *done_at <= until);
        Ok(over.map(|(_, id)| {
            self.found.pop_front();
            id
        }))
    }
}

/// Writes a row over the row with the key `over`, or as a new row if there is none. The key is the first column.
pub(super) fn put(
    store: &impl Store,
    table: &str,
    columns: &[&str],
    mut values: Vec<Value>,
    over: Option<Value>,
) -> Result<(), StoreError> {
    let names = columns.join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    if let Some(over) = over
        && let Some(key) = columns.first()
    {
        let sql = format!("UPDATE {table} SET ({names}) = ({places}) WHERE {key} = ? RETURNING 1");
        values.push(over);
        if !store.run(&sql, &values)?.is_empty() {
            return Ok(());
        }
        values.pop();
    }
    let sql = format!("INSERT INTO {table} ({names}) VALUES ({places})");
    store.run(&sql, &values).map(drop)
}

impl<S: Store> Outbox<'_, S> {
    /// Whatever was done by this time is past its retention.
    pub(super) fn kept_until(&self, now: Now) -> Millis {
        now.at - self.cx.limits.retention_ms()
    }

    /// When a row that was done at this time may be cleaned up.
    pub(super) fn clean_up_at(&self, at: Millis) -> Millis {
        let slack = self.cx.limits.clean_up_slack();
        (at + self.cx.limits.retention_ms() + slack).max(self.memory.cleaned_at + slack)
    }

    /// The key of a row of `outbox` that the row of this message overwrites: its own, if it was scheduled.
    pub(super) fn row_for(&mut self, id: MessageId, now: Now) -> Result<Option<Value>, StoreError> {
        if self.memory.schedules.remove(id) {
            return Ok(Some(schedule_rows::key(id)));
        }
        self.recyclable_row(now)
    }

    /// The key of a row of `outbox` that the next message may overwrite.
    pub(super) fn recyclable_row(&mut self, now: Now) -> Result<Option<Value>, StoreError> {
        let until = self.kept_until(now);
        let recyclable = &mut self.memory.recyclable;
        let over = recyclable.take(&self.cx.store, until, now, rows::first)?;
        Ok(over.map(Value::from))
    }

    /// Deletes rows past their retention.
    pub(super) fn clean_up(&mut self, now: Now) -> Result<(), StoreError> {
        let due = self
            .oldest(now)?
            .is_some_and(|at| self.clean_up_at(at) <= now.at);
        if !due {
            return Ok(());
        }
        let until = self.kept_until(now);
        let done = rows::done(&self.cx.store, until, BATCH)?;
        for (id, key) in &done {
            rows::delete(&self.cx.store, *id, key.as_deref())?;
            self.forget_job(*id);
        }
        let groups = group_rows::delete_done(&self.cx.store, until, BATCH)?;
        let more = done.len().max(groups) >= BATCH as usize;
        if more && self.oldest(now)?.is_some_and(|at| at <= until) {
            self.cx.wake_by(Timer::Retention, now.at);
        } else {
            self.memory.cleaned_at = now.at;
        }
        Ok(())
    }

    /// When the oldest row was done. No row can be overwritten before that is past its retention.
    fn oldest(&mut self, now: Now) -> Result<Option<Millis>, StoreError> {
        let alone = rows::oldest(&self.cx.store, now.at)?;
        let grouped = group_rows::oldest(&self.cx.store)?;
        self.memory.recyclable = RecyclableRows::from(alone.unwrap_or(now.at));
        self.memory.recyclable_groups = RecyclableRows::from(grouped.unwrap_or(now.at));
        Ok(alone.into_iter().chain(grouped).min())
    }

    /// When the outbox has something due: a job, or clean-up.
    pub(in crate::mailbox) fn next_due(
        &mut self,
        now: Now,
    ) -> Result<Option<(Millis, Timer)>, StoreError> {
        let clean_up = self.oldest(now)?.map(|at| self.clean_up_at(at));
        let work = self.memory.work.as_ref().map(|work| work.id);
        let jobs = self.jobs_due().map(|(id, at)| match work {
            Some(worked_on) if worked_on == id => at.max(now.at + SAFETY_DELAY),
            Some(_) => at.max(now.at + FIRST_RETRY),
            None => at,
        });
        // Nothing else would wake a mailbox that crashes while a publish is under way.
        let published = self.memory.publishing.values().filter(|it| it.stored);
        let published = published.map(|_| now.at + SAFETY_DELAY);
        let jobs = jobs.chain(published).map(|at| (at, Timer::Job));
        let endings = self.endings_due(now).map(|(_, at)| (at, Timer::Ending));
        // What is due and found no room waits for a query or for calls. The alarm would only find them still running.
        let is_busy = self.memory.resolving.is_asking() || !self.memory.publishing.is_empty();
        let pause = if is_busy { FIRST_RETRY } else { 0 };
        let scheduled = self.schedule_due(now);
        let scheduled = scheduled.map(|(_, at)| (at.max(now.at + pause), Timer::Schedule));
        let steps = self.escalations_due(now);
        let steps = steps.map(|(_, at)| (at.max(now.at + pause), Timer::Escalation));
        let jobs = jobs.chain(endings).chain(scheduled).chain(steps);
        let clean_up = clean_up.map(|at| (at, Timer::Retention));
        Ok(jobs.chain(clean_up).min())
    }
}
