//! The statements on the rows of the table `inbox` that hold messages of channels. They are deleted once they are
//! settled.

use std::collections::BTreeSet;

use super::rows::{Key, ranks};
use crate::id::{MessageId, Sender};
use crate::message::Lane;
use crate::store::{Store, StoreError, to_json};

/// The messages to deliver of these channels, in one scan.
pub(super) fn of_channels(
    store: &impl Store,
    channels: &BTreeSet<Sender>,
) -> Result<Vec<MessageId>, StoreError> {
    let sql = "SELECT id FROM inbox WHERE rank BETWEEN ? AND ? \
               AND sender IN (SELECT value FROM json_each(?))";
    let [first, last] = ranks(Lane::Channels);
    let channels = to_json(channels)?;
    let rows = store.run(sql, &[first.into(), last.into(), channels.as_str().into()])?;
    rows.into_iter().map(|mut row| row.id()).collect()
}

/// The greatest id of the messages of channels: the last of each rank, which the key finds without a scan.
pub(super) fn last_of_channels(store: &impl Store) -> Result<Option<MessageId>, StoreError> {
    let sql = "SELECT id FROM inbox WHERE rank = ? ORDER BY id DESC LIMIT 1";
    let [first, last] = ranks(Lane::Channels);
    let mut greatest = None;
    for rank in first..=last {
        for mut row in store.run(sql, &[rank.into()])? {
            greatest = greatest.max(Some(row.id()?));
        }
    }
    Ok(greatest)
}

/// The messages to deliver of a channel: their sender wants no receipts for them.
pub(super) fn forget_receipts(store: &impl Store, channel: &Sender) -> Result<(), StoreError> {
    let sql = "UPDATE inbox SET body = json_remove(body, '$.payload.receipt') \
               WHERE rank BETWEEN ? AND ? AND sender = ? AND json_extract(body, '$.payload.receipt')";
    let [first, last] = ranks(Lane::Channels);
    let values = [first.into(), last.into(), channel.as_str().into()];
    store.run(sql, &values).map(drop)
}

/// Deletes a row.
pub(super) fn delete(store: &impl Store, key: Key) -> Result<(), StoreError> {
    let sql = "DELETE FROM inbox WHERE rank = ? AND id = ?";
    store.run(sql, &[key.rank.into(), key.id.into()]).map(drop)
}
