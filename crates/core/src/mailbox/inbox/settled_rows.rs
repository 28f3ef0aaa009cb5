//! The rows of the table `inbox` that are settled: deliveries in a terminal state that the sender's mailbox
//! has not recorded yet.
//!
//! They have a rank of their own, before all others, so that they are found without scanning the messages to deliver.
//! Moving a row there costs no more than updating it.

use litemap::LiteMap;

use super::rows::{Key, hex};
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};

/// The rank of a settled row.
const SETTLED: i64 = -1;

/// Stores the terminal state of a message that was never stored.
pub(super) fn insert(
    store: &impl Store,
    id: MessageId,
    sender: &DeviceId,
    delivery: &Delivery,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO inbox (rank, id, sender, topic, expires_at, size, held_at, attempts, \
               retry_at, sent, settled, body) VALUES (?, ?, ?, NULL, 0, 0, 0, 0, 0, '[]', ?, '')";
    let values = [
        SETTLED.into(),
        id.into(),
        sender.as_str().into(),
        to_json(delivery)?.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// Stores the terminal state of a delivery, and drops the message.
pub(super) fn save(store: &impl Store, key: Key, delivery: &Delivery) -> Result<(), StoreError> {
    let sql = "UPDATE inbox SET rank = ?, settled = ?, body = '' WHERE rank = ? AND id = ?";
    let values = [
        SETTLED.into(),
        to_json(delivery)?.into(),
        key.rank.into(),
        key.id.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// The settled deliveries of these messages, in their order.
pub(super) fn load(
    store: &impl Store,
    ids: &[MessageId],
) -> Result<Vec<(MessageId, Delivery)>, StoreError> {
    let sql = format!("SELECT id, settled FROM inbox WHERE {THESE}");
    let mut found: LiteMap<MessageId, Delivery> = LiteMap::new();
    for mut row in store.run(&sql, &[to_json(&hex(ids))?.into()])? {
        found.insert(row.id()?, from_json(&row.text()?)?);
    }
    let in_order = ids.iter().filter_map(|id| Some((*id, found.remove(id)?)));
    Ok(in_order.collect())
}

/// The senders and ids of `limit` settled deliveries after this message, oldest first.
pub(super) fn next(
    store: &impl Store,
    after: Option<MessageId>,
    limit: u32,
) -> Result<Vec<(DeviceId, MessageId)>, StoreError> {
    let sql = "SELECT sender, id FROM inbox WHERE rank = ? AND id > ? ORDER BY id LIMIT ?";
    let after = after.map_or(Value::Blob(Vec::new()), Value::from);
    let read = |mut row: Row| {
        let sender = row.text()?;
        let sender = sender
            .parse()
            .map_err(|error| StoreError(format!("inbox: {error}")))?;
        Ok((sender, row.id()?))
    };
    let rows = store.run(sql, &[SETTLED.into(), after, limit.into()])?;
    rows.into_iter().map(read).collect()
}

/// Deletes the rows of these messages.
pub(super) fn delete(store: &impl Store, ids: &[MessageId]) -> Result<(), StoreError> {
    let sql = format!("DELETE FROM inbox WHERE {THESE}");
    store.run(&sql, &[to_json(&hex(ids))?.into()]).map(drop)
}

/// The rows of some messages. All their ids are one parameter, so that the text of a statement is always the same.
const THESE: &str = "rank = -1 AND id IN (SELECT unhex(value) FROM json_each(?))";
