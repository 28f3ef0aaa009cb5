//! The directory in D1: which devices there are, and which tags lead to them. All its SQL is here.
//!
//! The directory is an index for people and for publishes by tag. Whether a device is known, and which
//! of its tokens hold, is decided by its mailbox alone: what is written here follows it.

use std::collections::BTreeMap;

use js_sys::Array;
use serde::{Deserialize, Serialize};
use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::time::Millis;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{D1Database, D1PreparedStatement, D1Result, Env, Result};

/// A device as the directory lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    /// Its name.
    pub(crate) device: DeviceId,
    /// Since when it is known.
    pub(crate) created_at: Millis,
}

/// A tag as the directory lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tagged {
    /// Its name.
    pub(crate) tag: Tag,
    /// How many devices it leads to.
    pub(crate) devices: u32,
}

/// Whether [`register`] found the device.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Whether it was not there before.
    pub(crate) created: bool,
    /// Since when it is there.
    pub(crate) created_at: Millis,
}

/// One page of a list that is ordered by name.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The entries.
    pub(crate) entries: Vec<T>,
    more: bool,
}

impl<T> Page<T> {
    /// The cursor of the page after this one, where there is one: the name of the last entry.
    pub(crate) fn next<'a, N>(&'a self, name: impl Fn(&'a T) -> &'a N) -> Option<&'a N> {
        self.entries.last().filter(|_| self.more).map(name)
    }
}

/// The directory's database.
pub(crate) fn database(env: &Env) -> Result<D1Database> {
    env.d1("DB")
}

/// Enters a device; changes nothing where it is there already.
pub(crate) async fn register(
    db: &D1Database,
    device: &DeviceId,
    now: Millis,
) -> Result<Registration> {
    let insert = db
        .prepare(
            "INSERT INTO devices (device, address, created_at) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING RETURNING created_at",
        )
        .bind(&[
            text(device),
            number(device.address() as f64),
            number(now as f64),
        ])?;
    let select = created_at(db, device)?;
    let [inserted, found] = batch(db, [insert, select]).await?;
    let created = rows::<CreatedAt>(&inserted)?.pop();
    let found = rows::<CreatedAt>(&found)?.pop();
    found
        .map(|row| Registration {
            created: created.is_some(),
            created_at: row.created_at,
        })
        .ok_or_else(|| worker::Error::from("the device that was entered is not there"))
}

/// Forgets a device and its tags; whether it was there.
pub(crate) async fn forget(db: &D1Database, device: &DeviceId) -> Result<bool> {
    let tags = db
        .prepare("DELETE FROM tags WHERE device = ?1")
        .bind(&[text(device)])?;
    let device = db
        .prepare("DELETE FROM devices WHERE device = ?1 RETURNING created_at")
        .bind(&[text(device)])?;
    let [_, deleted] = batch(db, [tags, device]).await?;
    Ok(!rows::<CreatedAt>(&deleted)?.is_empty())
}

/// Lets a tag lead to a device; whether the device is known. Changes nothing where it is not.
pub(crate) async fn bind(db: &D1Database, tag: &Tag, device: &DeviceId) -> Result<bool> {
    let insert = db
        .prepare(
            "INSERT INTO tags (tag, device) SELECT ?1, device FROM devices WHERE device = ?2
             ON CONFLICT DO NOTHING",
        )
        .bind(&[text(tag), text(device)])?;
    let [_, found] = batch(db, [insert, created_at(db, device)?]).await?;
    Ok(!rows::<CreatedAt>(&found)?.is_empty())
}

/// Lets a tag not lead to a device any more; whether the device is known.
pub(crate) async fn unbind(db: &D1Database, tag: &Tag, device: &DeviceId) -> Result<bool> {
    let delete = db
        .prepare("DELETE FROM tags WHERE tag = ?1 AND device = ?2")
        .bind(&[text(tag), text(device)])?;
    let [_, found] = batch(db, [delete, created_at(db, device)?]).await?;
    Ok(!rows::<CreatedAt>(&found)?.is_empty())
}

/// The devices of a tag, at most `limit` of them. Requests that arrive together share a query.
///
/// A nearby replica is asked first. It may lag behind, so what it does not know is asked of the
/// primary: a tag that was just bound is found.
pub(crate) async fn resolve(db: &D1Database, tag: &Tag, limit: u32) -> Result<Vec<DeviceId>> {
    let mut found = resolve_many(db, std::slice::from_ref(tag), limit).await?;
    Ok(found.remove(tag).unwrap_or_default())
}

/// [`resolve`] for each of these tags; one without devices is absent.
pub(crate) async fn resolve_many(
    db: &D1Database,
    tags: &[Tag],
    limit: u32,
) -> Result<BTreeMap<Tag, Vec<DeviceId>>> {
    let mut found = resolve_at(db, "first-unconstrained", tags, limit).await?;
    let missing: Vec<Tag> = tags
        .iter()
        .filter(|tag| !found.contains_key(tag))
        .cloned()
        .collect();
    if !missing.is_empty() {
        found.extend(resolve_at(db, "first-primary", &missing, limit).await?);
    }
    Ok(found)
}

#[wasm_bindgen(module = "/src/lookup.js")]
extern "C" {
    #[wasm_bindgen(js_name = lookUp, catch)]
    async fn look_up(
        db: &JsValue,
        constraint: &str,
        statement: &str,
        tags: Vec<String>,
        limit: u32,
    ) -> std::result::Result<JsValue, JsValue>;
}

/// The tags are one parameter, because a statement takes no more than 100. A row holds 10,000 devices
/// as one JSON text, at most 0.7 of the 2 MB that a value may have: a row each would cross into wasm
/// one by one.
const RESOLVE: &str = "SELECT tag, json_group_array(device) FROM (
        SELECT tag, device, row_number() OVER (PARTITION BY tag ORDER BY device) AS n
        FROM tags WHERE tag IN (SELECT value FROM json_each(?1))
    ) WHERE n <= ?2 GROUP BY tag, n / 10000";

async fn resolve_at(
    db: &D1Database,
    constraint: &str,
    tags: &[Tag],
    limit: u32,
) -> Result<BTreeMap<Tag, Vec<DeviceId>>> {
    let names = tags.iter().map(Tag::to_string).collect();
    let rows = look_up(db.as_ref(), constraint, RESOLVE, names, limit).await?;
    let mut found = BTreeMap::<Tag, Vec<DeviceId>>::new();
    for row in Array::from(&rows) {
        let mut columns = Array::from(&row).into_iter().map(|value| value.as_string());
        let (Some(Some(name)), Some(Some(devices))) = (columns.next(), columns.next()) else {
            return Err("D1 answered something else than tags and devices".into());
        };
        if let Some(tag) = tags.iter().find(|tag| tag.as_str() == name) {
            let devices: Vec<DeviceId> = serde_json::from_str(&devices)?;
            found.entry(tag.clone()).or_default().extend(devices);
        }
    }
    Ok(found)
}

/// The tags that lead to a device.
pub(crate) async fn tags_of(db: &D1Database, device: &DeviceId) -> Result<Vec<Tag>> {
    #[derive(Deserialize)]
    struct Row {
        tag: Tag,
    }

    let result = db
        .prepare("SELECT tag FROM tags WHERE device = ?1 ORDER BY tag")
        .bind(&[text(device)])?
        .all()
        .await?;
    Ok(rows::<Row>(&result)?
        .into_iter()
        .map(|row| row.tag)
        .collect())
}

/// The devices after `after`, ordered by name.
pub(crate) async fn devices(
    db: &D1Database,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Page<Device>> {
    let result = db
        .prepare(
            "SELECT device, created_at FROM devices WHERE device > ?1 ORDER BY device LIMIT ?2",
        )
        .bind(&[after.map_or_else(start, text), one_more_than(limit)])?
        .all()
        .await?;
    Ok(page(rows(&result)?, limit))
}

/// The tags after `after`, ordered by name, each with the number of its devices.
pub(crate) async fn tags(db: &D1Database, after: Option<&Tag>, limit: u32) -> Result<Page<Tagged>> {
    let result = db
        .prepare(
            "SELECT tag, COUNT(*) AS devices FROM tags
             WHERE tag > ?1 GROUP BY tag ORDER BY tag LIMIT ?2",
        )
        .bind(&[after.map_or_else(start, text), one_more_than(limit)])?
        .all()
        .await?;
    Ok(page(rows(&result)?, limit))
}

/// The devices of a tag after `after`, ordered by name.
pub(crate) async fn members(
    db: &D1Database,
    tag: &Tag,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Page<DeviceId>> {
    let result = db
        .prepare("SELECT device FROM tags WHERE tag = ?1 AND device > ?2 ORDER BY device LIMIT ?3")
        .bind(&[
            text(tag),
            after.map_or_else(start, text),
            one_more_than(limit),
        ])?
        .all()
        .await?;
    let devices = rows::<Named>(&result)?
        .into_iter()
        .map(|row| row.device)
        .collect();
    Ok(page(devices, limit))
}

/// The devices with this address: one of them sent the messages whose ids carry it.
pub(crate) async fn senders(db: &D1Database, address: u64) -> Result<Vec<DeviceId>> {
    let result = db
        .prepare("SELECT device FROM devices WHERE address = ?1 ORDER BY device")
        .bind(&[number(address as f64)])?
        .all()
        .await?;
    Ok(rows::<Named>(&result)?
        .into_iter()
        .map(|row| row.device)
        .collect())
}

#[derive(Deserialize)]
struct CreatedAt {
    created_at: Millis,
}

#[derive(Deserialize)]
struct Named {
    device: DeviceId,
}

fn created_at(db: &D1Database, device: &DeviceId) -> Result<D1PreparedStatement> {
    db.prepare("SELECT created_at FROM devices WHERE device = ?1")
        .bind(&[text(device)])
}

/// Runs the statements in one transaction.
async fn batch<const N: usize>(
    db: &D1Database,
    statements: [D1PreparedStatement; N],
) -> Result<[D1Result; N]> {
    let results = db.batch(statements.into()).await?;
    results
        .try_into()
        .map_err(|_| worker::Error::from("D1 answered another number of statements"))
}

fn rows<T: for<'a> Deserialize<'a>>(result: &D1Result) -> Result<Vec<T>> {
    result.results()
}

/// Cuts off the one entry that was asked for only to see whether there are more.
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

/// Numbers travel as doubles: exact up to 2⁵³, which an address (40 bits) and a time stay far below.
fn number(value: f64) -> JsValue {
    JsValue::from_f64(value)
}
