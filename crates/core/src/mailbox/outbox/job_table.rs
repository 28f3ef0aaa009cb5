//! The table `jobs`: what is left to do for stored messages.
//!
//! A row is a job, which delivers the message, or its steps, or its ending. The key of a job is the message's id. Steps
//! have the byte 254 before the id and endings the byte 255, which puts them behind all jobs. A message may have a row
//! of each kind. They share a table so that opening a mailbox finds all of them in one scan: the scan of an empty table
//! costs as much as a row, and in most mailboxes nothing is left to do.
//! Not here: the statements on the rows of one kind; see [`super::job_rows`], [`super::escalation_rows`] and
//! [`super::ending_rows`].

use super::escalation_rows::Pending;
use super::job_rows::Job;
use crate::id::MessageId;
use crate::plan::Plan;
use crate::store::{Row, Store, StoreError, Value, from_json};
use crate::time::Millis;

/// How many endings are read at a time, and how many have room in the first batch.
pub(super) const BATCH: u32 = 100;

/// What a row that is not a job says of its message.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Kind {
    /// Steps of its escalation are left, or deliveries of the last one are being made.
    Steps = 0xfe,
    /// It has enough acknowledged deliveries, while others are still open.
    Ending = 0xff,
}

impl Kind {
    /// All keys of this kind are greater.
    pub(super) fn first_key(self) -> Value {
        Value::Blob(vec![self as u8])
    }

    /// The key of this kind's row of a message.
    pub(super) fn key(self, id: MessageId) -> Value {
        Value::Blob([&[self as u8], id.to_bytes().as_slice()].concat())
    }
}

/// All jobs and all messages with steps, and the first endings. Each is in the order of the ids.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) jobs: Vec<Job>,
    pub(super) steps: Vec<Pending>,
    pub(super) endings: Vec<MessageId>,
    /// There may be more endings.
    pub(super) has_more: bool,
}

impl Rows {
    /// Reads them. The messages themselves are not read. Jobs and steps are limited by `max_queued_messages`, so one
    /// batch has room for all of them and for some endings. Endings have no such limit: only their first batch is read.
    pub(super) fn read(store: &impl Store, max_queued_messages: u32) -> Result<Self, StoreError> {
        // Publishes with a key may use twice the limit.
        let limit = max_queued_messages.saturating_mul(2).saturating_add(BATCH);
        let mut found = Self::default();
        let mut last = Value::Blob(Vec::new());
        loop {
            let rows = batch(store, last.clone(), limit)?;
            let is_full = rows.len() >= limit as usize;
            for row in rows {
                last = found.add(row)?;
            }
            // The limit may have been greater when they were accepted.
            if !is_full || !found.endings.is_empty() {
                found.has_more = is_full;
                return Ok(found);
            }
        }
    }

    /// Adds a row. Returns its key.
    fn add(&mut self, mut row: Row) -> Result<Value, StoreError> {
        const STEPS: u8 = Kind::Steps as u8;
        const ENDING: u8 = Kind::Ending as u8;
        let key = row.blob()?;
        let (kind, id) = match key.as_slice() {
            [kind @ (STEPS | ENDING), id @ ..] if id.len() == 16 => (Some(*kind), id),
            id => (None, id),
        };
        let wrong = || StoreError(format!("a key of jobs has {} bytes", key.len()));
        let id = MessageId::from_bytes(id).ok_or_else(wrong)?;
        match kind {
            None => self.jobs.push(Job::read(id, &mut row)?),
            Some(STEPS) => self.steps.push(steps(id, row)?),
            Some(_) => self.endings.push(id),
        }
        Ok(Value::Blob(key))
    }
}

/// The first rows whose keys are greater than `last`.
fn batch(store: &impl Store, last: Value, limit: u32) -> Result<Vec<Row>, StoreError> {
    // The plan is in the message's own row. It is looked up for rows of steps only.
    let sql = "SELECT id, retry_at, tries, bytes, audience, left_over, \
               CASE WHEN id > ? AND id < ? THEN \
               (SELECT json_array(accepted_at, json(plan)) FROM outbox WHERE outbox.id = substr(jobs.id, 2)) END \
               FROM jobs WHERE id > ? ORDER BY id LIMIT ?";
    let (steps, endings) = (Kind::Steps.first_key(), Kind::Ending.first_key());
    store.run(sql, &[steps, endings, last, limit.into()])
}

fn steps(id: MessageId, mut row: Row) -> Result<Pending, StoreError> {
    let Job { bytes, .. } = Job::read(id, &mut row)?;
    // Without its message nothing is left to do: the plan of such a row is empty.
    let found: Option<(Millis, Option<Plan>)> =
        row.opt_text()?.map(|text| from_json(&text)).transpose()?;
    let (accepted_at, plan) = found.unwrap_or_default();
    let plan = plan.unwrap_or_default();
    Ok(Pending {
        id,
        bytes,
        sent_at: plan.sent_at(accepted_at),
        plan,
    })
}
