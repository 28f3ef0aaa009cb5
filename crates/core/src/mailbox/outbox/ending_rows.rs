//! The rows of `endings`: messages with enough acknowledged deliveries, while others are still open.

use crate::id::MessageId;
use crate::store::{Store, StoreError, Value};

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

/// The messages behind `last`, or the first ones, oldest first.
pub(super) fn after(
    store: &impl Store,
    last: Option<MessageId>,
    limit: u32,
) -> Result<Vec<MessageId>, StoreError> {
    let sql = "SELECT id FROM endings WHERE id > ? ORDER BY id LIMIT ?";
    let last = last.map_or_else(|| Value::Blob(Vec::new()), Value::from);
    let rows = store.run(sql, &[last, limit.into()])?;
    rows.into_iter().map(|mut row| row.id()).collect()
}
