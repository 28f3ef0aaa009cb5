//! Retention: rows older than `RETENTION` are recycled or deleted: traces with their idempotency keys and receipts.
//!
//! A new row overwrites the oldest of its table that was kept long enough, which costs one row; to insert
//! it and to delete the other would be two. So in a steady stream the clean-up is free. Only rows that
//! nothing else belongs to are overwritten: no key, no parts, no job.
//!
//! The rest is deleted by the alarm, in batches, and not at every message's own hour: an alarm costs a
//! row, so one serves all that became due in a sixteenth of the retention time, at most an hour.

use std::collections::VecDeque;

use super::SAFETY_DELAY;
use super::jobs::FIRST_RETRY;
use super::{Outbox, Timer};
use super::{group_rows, rows};
use crate::id::MessageId;
use crate::store::{Store, StoreError, Value};
use crate::time::{Millis, Now};

/// How many rows of a table go in one event.
const BATCH: u32 = 500;

/// How many rows are looked at for those that can be overwritten: the first ones, so that a table full of
/// others is not gone through for each message.
const WINDOW: u32 = 100;

/// The first rows of a table, and when those were done that can be overwritten, in the order of that.
pub(super) type FirstRows = Vec<(MessageId, Option<Millis>)>;

/// The rows of a table that can be overwritten, as far as they were looked for.
#[derive(Debug, Default)]
pub(super) struct RecyclableRows {
    /// When each was done, the oldest first. Nothing happens to such a row before it is past retention; then it may be
    /// deleted.
    found: VecDeque<(Millis, MessageId)>,
    /// No other row is past retention before this.
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

    /// The oldest row that was done by `until`, once. `look` reads the first rows of the table.
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

/// Writes a row over that with the key `over`, or as a new one where there is none. The key is the first
/// of the columns.
pub(super) fn put(
    store: &impl Store,
    table: &str,
    columns: &[&str],
    mut values: Vec<Value>,
    over: Option<MessageId>,
) -> Result<(), StoreError> {
    let names = columns.join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    if let Some(over) = over
        && let Some(key) = columns.first()
    {
        let sql = format!("UPDATE {table} SET ({names}) = ({places}) WHERE {key} = ? RETURNING 1");
        values.push(over.into());
        if !store.run(&sql, &values)?.is_empty() {
            return Ok(());
        }
        values.pop();
    }
    let sql = format!("INSERT INTO {table} ({names}) VALUES ({places})");
    store.run(&sql, &values).map(drop)
}

impl<S: Store> Outbox<'_, S> {
    fn retention(&self) -> Millis {
        i64::from(self.cx.limits.retention) * 1000
    }

    /// What was done by then was kept long enough.
    pub(super) fn kept_until(&self, now: Now) -> Millis {
        now.at - self.retention()
    }

    /// What is due within this time waits for one alarm.
    fn slack(&self) -> Millis {
        (self.retention() / 16).clamp(1_000, 3_600_000)
    }

    /// When something of this time may be cleaned up.
    pub(super) fn clean_up_at(&self, at: Millis) -> Millis {
        let slack = self.slack();
        (at + self.retention() + slack).max(self.memory.cleaned_at + slack)
    }

    /// A row of `outbox` for the next one to overwrite.
    pub(super) fn recyclable_row(&mut self, now: Now) -> Result<Option<MessageId>, StoreError> {
        let until = self.kept_until(now);
        let recyclable = &mut self.memory.recyclable;
        recyclable.take(&self.cx.store, until, now, rows::first)
    }

    /// Deletes what was kept long enough.
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

    /// From when on the first row counts as kept. Until then there is nothing to overwrite either.
    fn oldest(&mut self, now: Now) -> Result<Option<Millis>, StoreError> {
        let alone = rows::oldest(&self.cx.store, now.at)?;
        let grouped = group_rows::oldest(&self.cx.store)?;
        self.memory.recyclable = RecyclableRows::from(alone.unwrap_or(now.at));
        self.memory.recyclable_groups = RecyclableRows::from(grouped.unwrap_or(now.at));
        Ok(alone.into_iter().chain(grouped).min())
    }

    /// When the outbox has something to do: a job, or something to clean up.
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
        // Nothing else would wake a mailbox that fails while a publish is under way.
        let published = self.memory.publishing.values().filter(|it| it.stored);
        let published = published.map(|_| now.at + SAFETY_DELAY);
        let jobs = jobs.chain(published).map(|at| (at, Timer::Job));
        let clean_up = clean_up.map(|at| (at, Timer::Retention));
        Ok(jobs.chain(clean_up).min())
    }
}
