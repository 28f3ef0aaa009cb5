//! The rows of the tables `channels` and `user_agent`, which only a device with channels has.

use super::Known;
use crate::call::ChannelStatus;
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

/// Adds a channel, or replaces it.
pub(super) fn save(store: &impl Store, row: &ChannelRow) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO channels (channel, since, key) VALUES (?, ?, ?)";
    let key = row.key.map_or(Value::Null, |key| Value::Blob(key.to_vec()));
    store
        .run(sql, &[id(row.channel), row.since.into(), key])
        .map(drop)
}

pub(super) fn delete(store: &impl Store, channel: Channel) -> Result<(), StoreError> {
    let sql = "DELETE FROM channels WHERE channel = ?";
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

/// Deletes all rows.
pub(super) fn clear(store: &impl Store) -> Result<(), StoreError> {
    store.run("DELETE FROM channels", &[])?;
    store.run("DELETE FROM user_agent", &[]).map(drop)
}

fn id(channel: Channel) -> Value {
    Value::Blob(channel.to_bytes().to_vec())
}
