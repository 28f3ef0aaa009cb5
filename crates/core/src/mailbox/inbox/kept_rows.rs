//! The rows of the table `inbox` that are payloads of failed deliveries, kept in case the sender sends them again.
//!
//! They have a rank of their own, before all others, and `settled` is empty, which keeps them out of both indexes. They
//! count in no queue, and are never sent.

use super::rows::{Key, hex};
use crate::id::MessageId;
use crate::message::Message;
use crate::store::{Row, Store, StoreError, from_json, to_json};
use crate::time::Millis;

/// Keeps a message that was never stored.
pub(super) fn insert(
    store: &impl Store,
    message: &Message,
    until: Millis,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO inbox (rank, id, sender, topic, expires_at, size, held_at, attempts, \
               retry_at, sent, settled, body) VALUES (-2, ?, ?, NULL, ?, ?, 0, 0, 0, '[]', '', ?)";
    let values = [
        message.id.into(),
        message.from.as_str().into(),
        until.into(),
        message.size.into(),
        to_json(message)?.into(),
    ];
    store.run(sql, &values).map(drop)
}

/// Keeps the message of a row.
pub(super) fn copy(store: &impl Store, key: Key, until: Millis) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO inbox (rank, id, sender, topic, expires_at, size, held_at, attempts, \
               retry_at, sent, settled, body) \
               SELECT -2, id, sender, NULL, ?, size, 0, 0, 0, '[]', '', body FROM inbox \
               WHERE rank = ? AND id = ?";
    let values = [until.into(), key.rank.into(), key.id.into()];
    store.run(sql, &values).map(drop)
}

/// The message of this id that is kept at this time.
pub(super) fn load(
    store: &impl Store,
    id: MessageId,
    now: Millis,
) -> Result<Option<Message>, StoreError> {
    let sql = "SELECT body FROM inbox WHERE rank = -2 AND id = ? AND expires_at > ?";
    let row = store.run(sql, &[id.into(), now.into()])?.pop();
    row.map(|mut row| from_json(&row.text()?)).transpose()
}

/// The ids of all, in the order in which they failed, each with the bytes of its payload.
pub(super) fn sizes(store: &impl Store) -> Result<Vec<(MessageId, u64)>, StoreError> {
    let sql = "SELECT id, size FROM inbox WHERE rank = -2 ORDER BY expires_at, id";
    let read = |mut row: Row| Ok((row.id()?, row.count()?));
    store.run(sql, &[])?.into_iter().map(read).collect()
}

/// Deletes some.
pub(super) fn delete(store: &impl Store, ids: &[MessageId]) -> Result<(), StoreError> {
    let sql = "DELETE FROM inbox WHERE rank = -2 AND id IN (SELECT unhex(value) FROM json_each(?))";
    store.run(sql, &[to_json(&hex(ids))?.into()]).map(drop)
}

/// Deletes those that are kept until this time.
pub(super) fn delete_due(store: &impl Store, now: Millis) -> Result<(), StoreError> {
    let sql = "DELETE FROM inbox WHERE rank = -2 AND expires_at <= ?";
    store.run(sql, &[now.into()]).map(drop)
}

/// Deletes all.
pub(super) fn delete_all(store: &impl Store) -> Result<(), StoreError> {
    store
        .run("DELETE FROM inbox WHERE rank = -2", &[])
        .map(drop)
}

/// Until when the first is kept.
pub(super) fn first_until(store: &impl Store) -> Result<Option<Millis>, StoreError> {
    let sql = "SELECT min(expires_at) FROM inbox WHERE rank = -2";
    let mut rows = store.run(sql, &[])?;
    rows.pop().map_or(Ok(None), |mut row| row.opt_int())
}
