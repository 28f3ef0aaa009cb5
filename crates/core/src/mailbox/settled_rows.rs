//! The rows of the table `inbox` that are settled: deliveries in a last state, whose receipts the sender's
//! mailbox has not taken.

use litemap::LiteMap;

use super::inbox_rows::Key;
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};

/// Stores the last state of a message that was never stored.
pub(super) fn insert(
    store: &impl Store,
    id: MessageId,
    sender: &DeviceId,
    delivery: &Delivery,
) -> Result<Key, StoreError> {
    let sql = "INSERT INTO inbox (rank, id, sender, topic, expires_at, size, held_at, attempts, \
               retry_at, sent, settled, body) VALUES (?, ?, ?, NULL, 0, 0, 0, 0, 0, '[]', ?, '')";
    let key = Key { rank: 0, id };
    let values = [
        key.rank.into(),
        id.into(),
        sender.as_str().into(),
        to_json(delivery)?.into(),
    ];
    store.run(sql, &values as &[Value])?;
    Ok(key)
}

/// Writes the last state of a delivery and lets go of the message.
pub(super) fn save(store: &impl Store, key: Key, delivery: &Delivery) -> Result<(), StoreError> {
    let sql = "UPDATE inbox SET settled = ?, body = '' WHERE rank = ? AND id = ?";
    store
        .run(
            sql,
            &[to_json(delivery)?.into(), key.rank.into(), key.id.into()],
        )
        .map(drop)
}

/// The settled deliveries of these keys, in their order.
pub(super) fn load(
    store: &impl Store,
    keys: &[Key],
) -> Result<Vec<(MessageId, Delivery)>, StoreError> {
    let sql = format!("SELECT id, settled FROM inbox WHERE {THESE} AND settled IS NOT NULL");
    let mut found: LiteMap<MessageId, Delivery> = LiteMap::new();
    for these in by_rank(keys)? {
        for mut row in store.run(&sql, &these)? {
            found.insert(row.id()?, from_json(&row.text()?)?);
        }
    }
    let in_order = keys
        .iter()
        .filter_map(|key| Some((key.id, found.remove(&key.id)?)));
    Ok(in_order.collect())
}

/// Every settled delivery's sender and key, oldest first.
pub(super) fn all(store: &impl Store) -> Result<Vec<(DeviceId, Key)>, StoreError> {
    let sql = "SELECT sender, rank, id FROM inbox WHERE settled IS NOT NULL ORDER BY id";
    let read = |mut row: Row| {
        let sender = row.text()?;
        let sender = sender
            .parse()
            .map_err(|error| StoreError(format!("inbox: {error}")))?;
        Ok((
            sender,
            Key {
                rank: row.int()?,
                id: row.id()?,
            },
        ))
    };
    store.run(sql, &[])?.into_iter().map(read).collect()
}

/// Deletes rows.
pub(super) fn delete(store: &impl Store, keys: &[Key]) -> Result<(), StoreError> {
    let sql = format!("DELETE FROM inbox WHERE {THESE}");
    for these in by_rank(keys)? {
        store.run(&sql, &these)?;
    }
    Ok(())
}

/// The rows of some keys of one rank, as [`by_rank`] has them.
const THESE: &str = "rank = ? AND id IN (SELECT unhex(value) FROM json_each(?))";

/// For each rank the parameters that name the rows of its keys: two, however many these are, so that a
/// statement's text is always the same.
fn by_rank(keys: &[Key]) -> Result<Vec<[Value; 2]>, StoreError> {
    let mut ranks: LiteMap<i64, Vec<String>> = LiteMap::new();
    for key in keys {
        let id = format!("{:032x}", u128::from_be_bytes(key.id.to_bytes()));
        ranks.entry(key.rank).or_default().push(id);
    }
    let parameters = |(rank, ids): (&i64, &Vec<String>)| Ok([(*rank).into(), to_json(ids)?.into()]);
    ranks.iter().map(parameters).collect()
}
