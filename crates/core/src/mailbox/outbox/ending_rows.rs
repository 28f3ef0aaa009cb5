//! The rows of `endings`: messages of which enough deliveries are acknowledged, and others are still open.

use crate::id::MessageId;
use crate::store::{Store, StoreError};

/// Stores that the other deliveries of a message are to be cancelled.
pub(super) fn insert(store: &impl Store, id: MessageId) -> Result<(), StoreError> {
    let sql = "INSERT INTO endings (id) VALUES (?)";
    store.run(sql, &[id.into()]).map(drop)
}

/// Every delivery of a message is settled.
pub(super) fn delete(store: &impl Store, id: MessageId) -> Result<(), StoreError> {
    let sql = "DELETE FROM endings WHERE id = ?";
    store.run(sql, &[id.into()]).map(drop)
}

/// The first messages, oldest first.
pub(super) fn first(store: &impl Store, limit: u32) -> Result<Vec<MessageId>, StoreError> {
    let sql = "SELECT id FROM endings ORDER BY id LIMIT ?";
    let rows = store.run(sql, &[limit.into()])?;
    rows.into_iter().map(|mut row| row.id()).collect()
}
