//! The rows of endings: messages with enough acknowledged deliveries, while others are still open. They are rows of
//! `jobs`, behind all others, and have nothing but a key; see [`super::job_table`].

use super::job_table::{BATCH, Kind};
use crate::id::MessageId;
use crate::store::{Store, StoreError};

/// Stores that the other deliveries of a message are to be cancelled.
pub(super) fn insert(store: &impl Store, id: MessageId) -> Result<(), StoreError> {
    let sql = "INSERT INTO jobs (id, retry_at, tries, bytes, message) VALUES (?, 0, 0, 0, '')";
    store.run(sql, &[Kind::Ending.key(id)]).map(drop)
}

/// Every delivery of a message is settled.
pub(super) fn delete(store: &impl Store, id: MessageId) -> Result<(), StoreError> {
    let sql = "DELETE FROM jobs WHERE id = ?";
    store.run(sql, &[Kind::Ending.key(id)]).map(drop)
}

/// The next messages behind `last`, oldest first, and whether there may be more.
pub(super) fn after(
    store: &impl Store,
    last: MessageId,
) -> Result<(Vec<MessageId>, bool), StoreError> {
    let sql = "SELECT substr(id, 2) FROM jobs WHERE id > ? ORDER BY id LIMIT ?";
    let rows = store.run(sql, &[Kind::Ending.key(last), BATCH.into()])?;
    let has_more = rows.len() >= BATCH as usize;
    let ids: Result<_, StoreError> = rows.into_iter().map(|mut row| row.id()).collect();
    Ok((ids?, has_more))
}

/// Whether a message has a row.
pub(super) fn has(store: &impl Store, id: MessageId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM jobs WHERE id = ?";
    Ok(!store.run(sql, &[Kind::Ending.key(id)])?.is_empty())
}
