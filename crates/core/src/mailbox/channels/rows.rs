//! The rows of the tables `channels`, `user_agent` and `push_receipts`, which only a device with channels has.

use super::Known;
use crate::call::{ChannelStatus, PushReceipt};
use crate::id::MessageId;
use crate::schema;
use crate::store::{Row, Store, StoreError, Value};
use crate::time::Millis;
use crate::web_push::agent::AgentId;
use crate::web_push::channel::{Channel, KeyHash};

/// A row of `channels`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChannelRow {
    pub(super) channel: Channel,
    pub(super) since: Millis,
    /// The hash of the key that it is bound to.
    pub(super) key: Option<KeyHash>,
}

impl ChannelRow {
    fn read(mut row: Row) -> Result<Self, StoreError> {
        let channel = Channel::from_bytes(&row.blob()?);
        Ok(Self {
            channel: channel.ok_or_else(|| StoreError("channels: not a UUID".to_owned()))?,
            since: row.int()?,
            key: row.opt_bytes()?,
        })
    }
}

pub(super) fn load(store: &impl Store) -> Result<Known, StoreError> {
    if !schema::has_channels(store)? {
        return Ok(Known::default());
    }
    let mut known = Known {
        has_tables: true,
        ..Known::default()
    };
    let sql = "SELECT count(*), coalesce(max(since), 0) FROM channels";
    for mut row in store.run(sql, &[])? {
        known.channels = row.count()?;
        known.last_since = row.int()?;
    }
    for mut row in store.run("SELECT id, last_since FROM user_agent WHERE one = 1", &[])? {
        known.agent = row.opt_text()?.as_deref().and_then(AgentId::read);
        known.last_since = known.last_since.max(row.int()?);
    }
    Ok(known)
}

/// Stores which user agent holds the channels, and the last `since`.
pub(super) fn save_agent(
    store: &impl Store,
    agent: Option<AgentId>,
    last_since: Millis,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO user_agent (one, id, last_since) VALUES (1, ?, ?)";
    let agent = agent.map(|agent| agent.to_string());
    store.run(sql, &[agent.into(), last_since.into()]).map(drop)
}

/// The row of a channel.
pub(super) fn find(store: &impl Store, channel: Channel) -> Result<Option<ChannelRow>, StoreError> {
    let sql = "SELECT channel, since, key FROM channels WHERE channel = ?";
    let row = store.run(sql, &[id(channel)])?.pop();
    row.map(ChannelRow::read).transpose()
}

/// Adds a channel.
pub(super) fn save(store: &impl Store, row: &ChannelRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO channels (channel, since, key) VALUES (?, ?, ?)";
    let key = row.key.map_or(Value::Null, |key| Value::Blob(key.to_vec()));
    store
        .run(sql, &[id(row.channel), row.since.into(), key])
        .map(drop)
}

/// Deletes a channel. Its receipts are without a channel from then on: whoever registers it again must not get them.
pub(super) fn delete(store: &impl Store, channel: Channel) -> Result<(), StoreError> {
    store.run("DELETE FROM channels WHERE channel = ?", &[id(channel)])?;
    let sql = "UPDATE push_receipts SET channel = x'' WHERE channel = ?";
    store.run(sql, &[id(channel)]).map(drop)
}

pub(super) fn list(store: &impl Store) -> Result<Vec<ChannelStatus>, StoreError> {
    let sql = "SELECT channel, since, key FROM channels ORDER BY channel";
    let rows = store.run(sql, &[])?.into_iter().map(ChannelRow::read);
    rows.map(|row| {
        row.map(|row| ChannelStatus {
            channel: row.channel,
            since: row.since,
            restricted: row.key.is_some(),
        })
    })
    .collect()
}

/// Adds a receipt, of a channel that has not ended if there is one.
pub(super) fn save_receipt(
    store: &impl Store,
    channel: Option<Channel>,
    receipt: &PushReceipt,
) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO push_receipts (message, channel, seq, status, at) VALUES (?, ?, ?, ?, ?)";
    let values = [
        receipt.message.into(),
        channel.map_or(Value::Blob(Vec::new()), id),
        receipt.seq.into(),
        u32::from(receipt.status).into(),
        receipt.at.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// The greatest `seq`, or 0.
pub(super) fn last_receipt(store: &impl Store) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce(max(seq), 0) FROM push_receipts";
    let mut rows = store.run(sql, &[])?;
    rows.pop().map_or(Ok(0), |mut row| row.int())
}

/// The receipt of a message.
pub(super) fn receipt(
    store: &impl Store,
    message: MessageId,
) -> Result<Option<PushReceipt>, StoreError> {
    let sql = "SELECT seq, message, status, at FROM push_receipts WHERE message = ?";
    let row = store.run(sql, &[message.into()])?.pop();
    row.map(read_receipt).transpose()
}

/// The receipts of a channel after this one, oldest first.
pub(super) fn receipts(
    store: &impl Store,
    channel: Channel,
    after: Option<i64>,
) -> Result<Vec<PushReceipt>, StoreError> {
    let sql = "SELECT seq, message, status, at FROM push_receipts WHERE channel = ? AND seq > ? ORDER BY seq";
    let rows = store.run(sql, &[id(channel), after.unwrap_or(0).into()])?;
    rows.into_iter().map(read_receipt).collect()
}

fn read_receipt(mut row: Row) -> Result<PushReceipt, StoreError> {
    Ok(PushReceipt {
        seq: row.int()?,
        message: row.id()?,
        status: row.count()?,
        at: row.int()?,
    })
}

/// Deletes the receipts of a channel up to this one.
pub(super) fn see_receipts(
    store: &impl Store,
    channel: Channel,
    seen: i64,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM push_receipts WHERE channel = ? AND seq <= ?";
    store.run(sql, &[id(channel), seen.into()]).map(drop)
}

/// Deletes the receipts of a channel.
pub(super) fn forget_receipts(store: &impl Store, channel: Channel) -> Result<(), StoreError> {
    let sql = "DELETE FROM push_receipts WHERE channel = ?";
    store.run(sql, &[id(channel)]).map(drop)
}

/// Deletes the receipts up to this time, and all but the `most` newest.
pub(super) fn drop_receipts(
    store: &impl Store,
    until: Millis,
    most: u32,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM push_receipts WHERE at <= ? OR seq <= \
               (SELECT seq FROM push_receipts ORDER BY seq DESC LIMIT 1 OFFSET ?)";
    store.run(sql, &[until.into(), most.into()]).map(drop)
}

/// Deletes all rows.
pub(super) fn clear(store: &impl Store) -> Result<(), StoreError> {
    store.run("DELETE FROM channels", &[])?;
    store.run("DELETE FROM push_receipts", &[])?;
    store.run("DELETE FROM user_agent", &[]).map(drop)
}

fn id(channel: Channel) -> Value {
    Value::Blob(channel.to_bytes().to_vec())
}
