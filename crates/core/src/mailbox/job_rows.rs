//! The rows of `jobs` and `keys`: what has to be known of a publish before it has gone everywhere.

use crate::id::{IdempotencyKey, MessageId};
use crate::message::Message;
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};
use crate::time::Millis;

/// The message that a key belongs to, and its fingerprint.
pub(super) fn key(
    store: &impl Store,
    key: &IdempotencyKey,
) -> Result<Option<(MessageId, Vec<u8>)>, StoreError> {
    let sql = "SELECT id, fingerprint FROM keys WHERE idempotency_key = ?";
    let row = store.run(sql, &[key.as_str().into()])?.pop();
    row.map(|mut row| Ok((row.id()?, row.blob()?))).transpose()
}

/// Remembers a key.
pub(super) fn insert_key(
    store: &impl Store,
    key: &IdempotencyKey,
    id: MessageId,
    fingerprint: [u8; 16],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO keys (idempotency_key, id, fingerprint) VALUES (?, ?, ?)";
    let fingerprint = Value::Blob(fingerprint.to_vec());
    store
        .run(sql, &[key.as_str().into(), id.into(), fingerprint])
        .map(drop)
}

/// Forgets a key.
pub(super) fn delete_key(store: &impl Store, key: &IdempotencyKey) -> Result<(), StoreError> {
    let sql = "DELETE FROM keys WHERE idempotency_key = ?";
    store.run(sql, &[key.as_str().into()]).map(drop)
}

/// A message with deliveries that their mailbox has not taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) id: MessageId,
    pub(super) retry_at: Millis,
    pub(super) tries: u32,
}

/// Stores a job.
pub(super) fn insert_job(
    store: &impl Store,
    message: &Message,
    retry_at: Millis,
    tries: u32,
) -> Result<Job, StoreError> {
    let id = message.id;
    let sql = "INSERT OR REPLACE INTO jobs (id, retry_at, tries, message) VALUES (?, ?, ?, ?)";
    let message = to_json(message)?;
    store
        .run(
            sql,
            &[id.into(), retry_at.into(), tries.into(), message.into()],
        )
        .map(|_| Job {
            id,
            retry_at,
            tries,
        })
}

/// Puts a job off.
pub(super) fn save_job(store: &impl Store, job: &Job) -> Result<(), StoreError> {
    let sql = "UPDATE jobs SET retry_at = ?, tries = ? WHERE id = ?";
    store
        .run(sql, &[job.retry_at.into(), job.tries.into(), job.id.into()])
        .map(drop)
}

/// Deletes a job.
pub(super) fn delete_job(store: &impl Store, id: MessageId) -> Result<(), StoreError> {
    store
        .run("DELETE FROM jobs WHERE id = ?", &[id.into()])
        .map(drop)
}

/// All jobs, oldest first.
pub(super) fn jobs(store: &impl Store) -> Result<Vec<Job>, StoreError> {
    let rows = store.run("SELECT id, retry_at, tries FROM jobs ORDER BY id", &[])?;
    let read = |mut row: Row| {
        Ok(Job {
            id: row.id()?,
            retry_at: row.int()?,
            tries: row.count()?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// The message of a job.
pub(super) fn job_message(
    store: &impl Store,
    id: MessageId,
) -> Result<Option<Message>, StoreError> {
    let row = store
        .run("SELECT message FROM jobs WHERE id = ?", &[id.into()])?
        .pop();
    row.map(|mut row| from_json(&row.text()?)).transpose()
}
