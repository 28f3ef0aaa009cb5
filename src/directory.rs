//! The directory in D1: which devices there are, which tags are bound to them, and which deliveries have failed. All its
//! SQL is here, in `resolve` and in `failures`.
//!
//! It is an index, for people and for publishes to a tag. Only a device's mailbox decides whether the device is
//! known and which of its tokens are valid; the directory follows it. Lookups are cached for a second (see
//! `recent`), and a change is answered only after the caches have expired.

pub(crate) mod failures;
mod recent;
mod resolve;

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::time::Millis;
use wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement, D1Result, Delay, Env, Result};

pub(crate) use self::resolve::resolve;
use crate::fault;

/// How long D1 may take to answer a query.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The error of a query that took longer.
const TIMED_OUT: &str = "D1 did not answer in time";

/// What errors of D1 that are temporary contain, beside its name.
/// <https://developers.cloudflare.com/d1/best-practices/retry-queries/>
const TEMPORARY: [&str; 5] = [
    TIMED_OUT,
    "Network connection lost",
    "storage caused object to be reset",
    "reset because its code was updated",
    "D1 DB is overloaded",
];

/// Whether a failure with this cause was D1's, and may not come again. Other services of the platform lose connections,
/// too.
pub(crate) fn is_temporary(cause: &str) -> bool {
    cause.contains("D1") && TEMPORARY.iter().any(|text| cause.contains(text))
}

/// A device as the directory lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    /// Its name.
    pub(crate) device: DeviceId,
    /// When it was registered.
    pub(crate) created_at: Millis,
}

/// A tag as the directory lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tagged {
    /// Its name.
    pub(crate) tag: Tag,
    /// How many devices it is bound to.
    pub(crate) devices: u32,
}

/// The result of [`register`].
#[derive(Debug)]
pub(crate) struct Registration {
    /// Whether the device is new.
    pub(crate) created: bool,
    /// When it was registered.
    pub(crate) created_at: Millis,
}

/// One page of a list, ordered by name.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The entries.
    pub(crate) entries: Vec<T>,
    more: bool,
}

impl<T> Page<T> {
    /// The cursor of the next page, if there is one: the name of the last entry.
    pub(crate) fn next<'a, N>(&'a self, name: impl Fn(&'a T) -> &'a N) -> Option<&'a N> {
        self.entries.last().filter(|_| self.more).map(name)
    }
}

/// The directory's database.
pub(crate) fn database(env: &Env) -> Result<D1Database> {
    env.d1("DB")
}

/// Adds a device, unless it is there already.
pub(crate) async fn register(
    db: &D1Database,
    device: &DeviceId,
    now: Millis,
) -> Result<Registration> {
    let insert = statement(
        db,
        "INSERT INTO devices (device, address, created_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING RETURNING created_at",
        &[
            text(device),
            number(device.address() as f64),
            number(now as f64),
        ],
    )?;
    let [inserted, found] = batch(db, [insert, find(db, device)?]).await?;
    let found = found.results::<Device>()?.pop();
    Ok(Registration {
        created: !is_empty(&inserted)?,
        created_at: found
            .ok_or("the device that was just added is not there")?
            .created_at,
    })
}

/// Deletes a device and its tags; returns whether it was there.
pub(crate) async fn forget(db: &D1Database, device: &DeviceId) -> Result<bool> {
    let tags = statement(
        db,
        "DELETE FROM tags WHERE device = ?1 RETURNING tag",
        &[text(device)],
    )?;
    let device = statement(
        db,
        "DELETE FROM devices WHERE device = ?1 RETURNING created_at",
        &[text(device)],
    )?;
    let [unbound, deleted] = batch(db, [tags, device]).await?;
    if !is_empty(&unbound)? {
        caches_expired().await;
    }
    Ok(!is_empty(&deleted)?)
}

/// A change of a binding.
#[derive(Debug)]
pub(crate) enum Change {
    /// Bind the tag to the device, unless the device has this many tags already.
    Bind {
        /// The limit; `None` for the operator, who has none.
        limit: Option<u32>,
    },
    /// Unbind it.
    Unbind,
}

/// What a [`change`] leads to.
#[derive(Debug)]
pub(crate) enum Binding {
    /// The tag is bound to the device.
    Bound,
    /// The tag is not bound to the device.
    Unbound,
    /// The device is not known; nothing was changed.
    UnknownDevice,
}

/// Changes a binding, and returns once no publish uses the earlier ones.
/// Changes of one tag that are made at the same time apply once all of them have returned.
pub(crate) async fn change(
    db: &D1Database,
    tag: &Tag,
    device: &DeviceId,
    change: Change,
) -> Result<Binding> {
    let names = [text(tag), text(device)];
    let change = match change {
        Change::Bind { limit } => {
            let [tag, device] = names.clone();
            let limit = limit.map_or(JsValue::NULL, |limit| number(limit.into()));
            let insert =
                "INSERT INTO tags (tag, device) SELECT ?1, device FROM devices WHERE device = ?2
                 AND (?3 IS NULL OR (SELECT COUNT(*) FROM tags WHERE device = ?2) < ?3)
                 ON CONFLICT DO NOTHING RETURNING tag";
            statement(db, insert, &[tag, device, limit])?
        }
        Change::Unbind => {
            let delete = "DELETE FROM tags WHERE tag = ?1 AND device = ?2 RETURNING tag";
            statement(db, delete, &names)?
        }
    };
    let before = "SELECT device FROM tags WHERE tag = ?1 LIMIT 2";
    let before = statement(db, before, &[text(tag)])?;
    let after = "SELECT tag FROM tags WHERE tag = ?1 AND device = ?2";
    let after = statement(db, after, &names)?;
    let statements = [before, change, after, find(db, device)?];
    let [before, changed, after, found] = batch(db, statements).await?;
    if is_empty(&found)? {
        return Ok(Binding::UnknownDevice);
    }
    let had_one_device = before.results::<IgnoredAny>()?.len() == 1;
    // A change that changes nothing may be the repeat of one that was cut off while it waited.
    if had_one_device || is_empty(&changed)? {
        caches_expired().await;
    }
    match is_empty(&after)? {
        true => Ok(Binding::Unbound),
        false => Ok(Binding::Bound),
    }
}

/// Waits until everything that any isolate has cached so far has expired.
async fn caches_expired() {
    Delay::from(Duration::from_millis(recent::LIFE.unsigned_abs())).await;
}

/// The tags that a device is bound to.
pub(crate) async fn tags_of(db: &D1Database, device: &DeviceId) -> Result<Vec<Tag>> {
    let select = statement(
        db,
        "SELECT tag FROM tags WHERE device = ?1 ORDER BY tag",
        &[text(device)],
    )?;
    column(select).await
}

/// The devices after `after`, ordered by name.
pub(crate) async fn devices(
    db: &D1Database,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Page<Device>> {
    let select = statement(
        db,
        "SELECT device, created_at FROM devices WHERE device > ?1 ORDER BY device LIMIT ?2",
        &[after.map_or_else(start, text), one_more_than(limit)],
    )?;
    Ok(page(in_time(select.all()).await?.results()?, limit))
}

/// The tags after `after`, ordered by name, each with the number of its devices.
pub(crate) async fn tags(db: &D1Database, after: Option<&Tag>, limit: u32) -> Result<Page<Tagged>> {
    let select = statement(
        db,
        "SELECT tag, COUNT(*) AS devices FROM tags WHERE tag > ?1 GROUP BY tag ORDER BY tag LIMIT ?2",
        &[after.map_or_else(start, text), one_more_than(limit)],
    )?;
    Ok(page(in_time(select.all()).await?.results()?, limit))
}

/// The devices of a tag after `after`, ordered by name.
pub(crate) async fn members(
    db: &D1Database,
    tag: &Tag,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Page<DeviceId>> {
    let select = statement(
        db,
        "SELECT device FROM tags WHERE tag = ?1 AND device > ?2 ORDER BY device LIMIT ?3",
        &[
            text(tag),
            after.map_or_else(start, text),
            one_more_than(limit),
        ],
    )?;
    Ok(page(column(select).await?, limit))
}

/// The devices with this address: one of them sent the messages that have it in their ids.
pub(crate) async fn senders(db: &D1Database, address: u64) -> Result<Vec<DeviceId>> {
    let select = statement(
        db,
        "SELECT device FROM devices WHERE address = ?1 ORDER BY device",
        &[number(address as f64)],
    )?;
    column(select).await
}

/// The statement that finds a device.
fn find(db: &D1Database, device: &DeviceId) -> Result<D1PreparedStatement> {
    statement(
        db,
        "SELECT device, created_at FROM devices WHERE device = ?1",
        &[text(device)],
    )
}

/// A statement with its parameters.
fn statement(db: &D1Database, sql: &str, parameters: &[JsValue]) -> Result<D1PreparedStatement> {
    db.prepare(sql).bind(parameters)
}

/// The answer of D1, unless it takes too long.
async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    let answer = pin!(async {
        fault::cause_armed("directory").await;
        answer.await
    });
    match select(answer, Delay::from(TIMEOUT)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(TIMED_OUT.into()),
    }
}

/// Runs the statements in one transaction.
async fn batch<const N: usize>(
    db: &D1Database,
    statements: [D1PreparedStatement; N],
) -> Result<[D1Result; N]> {
    let results = in_time(db.batch(statements.into())).await?;
    let results = results.try_into();
    results.map_err(|_| "D1 answered a different number of statements".into())
}

/// Whether a statement returned no rows.
fn is_empty(result: &D1Result) -> Result<bool> {
    Ok(result.results::<IgnoredAny>()?.is_empty())
}

/// The values of a statement that selects one column.
async fn column<T: DeserializeOwned>(select: D1PreparedStatement) -> Result<Vec<T>> {
    let rows = in_time(select.raw::<T>()).await?;
    Ok(rows.into_iter().flatten().collect())
}

/// Removes the extra entry, which was selected only to see whether there is another page.
fn page<T>(mut entries: Vec<T>, limit: u32) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() > limit;
    entries.truncate(limit);
    Page { entries, more }
}

fn one_more_than(limit: u32) -> JsValue {
    number(f64::from(limit) + 1.0)
}

/// Sorts before every name.
fn start() -> JsValue {
    JsValue::from_str("")
}

fn text(name: impl ToString) -> JsValue {
    JsValue::from_str(&name.to_string())
}

/// Numbers are passed as doubles, exact up to 2⁵³; an address (40 bits) and a time are far below.
fn number(value: f64) -> JsValue {
    JsValue::from_f64(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_at_d1_is_told_from_what_does_not_and_from_others() {
        for cause in [
            TIMED_OUT,
            "D1_ERROR: Network connection lost.",
            "D1_ERROR: Internal error in D1 DB storage caused object to be reset.",
            "D1_ERROR: D1 DB reset because its code was updated.",
            "D1_ERROR: D1 DB is overloaded. Too many requests queued.",
        ] {
            assert!(is_temporary(cause), "{cause}");
        }
        for cause in ["D1_ERROR: no such table: tags", "Network connection lost."] {
            assert!(!is_temporary(cause), "{cause}");
        }
    }
}
