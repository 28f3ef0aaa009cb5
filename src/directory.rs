//! The directory in D1: which devices there are, and which tags lead to them. All its SQL is here.
//!
//! The directory is an index for people and for publishes by tag. Whether a device is known, and which
//! of its tokens hold, is decided by its mailbox alone: what is written here follows it. What was just looked
//! up is remembered for a moment, see `recent`; what changes that is answered when the moment is over.

mod recent;

use std::str::FromStr;
use std::time::Duration;

use js_sys::{Array, ArrayIntoIter};
use litemap::LiteMap;
use serde::Serialize;
use tagpost_core::id::{DeviceId, InvalidName, Tag};
use tagpost_core::time::Millis;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Delay, Env, Result};

use crate::clock;

/// A device as the directory lists it.
#[derive(Debug, Serialize)]
pub(crate) struct Device {
    /// Its name.
    pub(crate) device: DeviceId,
    /// Since when it is known.
    pub(crate) created_at: Millis,
}

/// A tag as the directory lists it.
#[derive(Debug, Serialize)]
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
pub(crate) struct Directory(JsValue);

/// The directory's database.
pub(crate) fn database(env: &Env) -> Directory {
    // A binding that is missing fails with the first statement.
    let database = js_sys::Reflect::get(env, &JsValue::from_str("DB"));
    Directory(database.unwrap_or_default())
}

/// Enters a device; changes nothing where it is there already.
pub(crate) async fn register(
    db: &Directory,
    device: &DeviceId,
    now: Millis,
) -> Result<Registration> {
    let insert = statement(
        "INSERT INTO devices (device, address, created_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING RETURNING created_at",
        [
            text(device),
            number(device.address() as f64),
            number(now as f64),
        ],
    );
    let [inserted, found] = run(db, [insert, created_at(device)]).await?;
    let mut found = found.into_iter();
    let created_at = found.next().map(|mut row| row.number()).transpose()?;
    Ok(Registration {
        created: !inserted.is_empty(),
        created_at: created_at.ok_or("the device that was entered is not there")? as Millis,
    })
}

/// Forgets a device and its tags; whether it was there.
pub(crate) async fn forget(db: &Directory, device: &DeviceId) -> Result<bool> {
    let tags = statement(
        "DELETE FROM tags WHERE device = ?1 RETURNING tag",
        [text(device)],
    );
    let device = statement(
        "DELETE FROM devices WHERE device = ?1 RETURNING created_at",
        [text(device)],
    );
    let [unbound, deleted] = run(db, [tags, device]).await?;
    if !unbound.is_empty() {
        forgotten().await;
    }
    Ok(!deleted.is_empty())
}

/// Lets a tag lead to a device; whether the device is known. Changes nothing where it is not.
pub(crate) async fn bind(db: &Directory, tag: &Tag, device: &DeviceId) -> Result<bool> {
    let insert = statement(
        "INSERT INTO tags (tag, device) SELECT ?1, device FROM devices WHERE device = ?2
         ON CONFLICT DO NOTHING RETURNING tag",
        [text(tag), text(device)],
    );
    change(db, tag, device, insert).await
}

/// Lets a tag not lead to a device any more; whether the device is known.
pub(crate) async fn unbind(db: &Directory, tag: &Tag, device: &DeviceId) -> Result<bool> {
    let delete = statement(
        "DELETE FROM tags WHERE tag = ?1 AND device = ?2 RETURNING tag",
        [text(tag), text(device)],
    );
    change(db, tag, device, delete).await
}

/// Changes where a tag leads, and returns when nobody goes by what was before; whether the device is known.
/// Several changes of one tag that are made at the same time are done when all have returned.
async fn change(db: &Directory, tag: &Tag, device: &DeviceId, change: Array) -> Result<bool> {
    let before = statement(
        "SELECT device FROM tags WHERE tag = ?1 LIMIT 2",
        [text(tag)],
    );
    let [before, changed, found] = run(db, [before, change, created_at(device)]).await?;
    let is_known = !found.is_empty();
    // One that changed nothing may repeat one that was cut off while it waited.
    if is_known && (before.len() == 1 || changed.is_empty()) {
        forgotten().await;
    }
    Ok(is_known)
}

/// Returns when what was remembered before it was called is not any more.
async fn forgotten() {
    Delay::from(Duration::from_millis(recent::LIFE.unsigned_abs())).await;
}

/// The devices of a tag, at most `limit` of them.
///
/// A nearby replica is asked first, unless the tag was looked up a moment ago. It may lag behind, so what
/// it does not know is asked of the primary: a tag that was just bound is found.
pub(crate) async fn resolve(db: &Directory, tag: &Tag, limit: u32) -> Result<Vec<DeviceId>> {
    let mut found = resolve_many(db, std::slice::from_ref(tag), limit).await?;
    Ok(found.remove(tag).unwrap_or_default())
}

/// [`resolve`] for each of these tags; one without devices is absent.
pub(crate) async fn resolve_many(
    db: &Directory,
    tags: &[Tag],
    limit: u32,
) -> Result<LiteMap<Tag, Vec<DeviceId>>> {
    let asked_at = clock();
    let mut found = LiteMap::<Tag, Vec<DeviceId>>::new();
    for tag in tags {
        if let Some(device) = recent::device_of(tag, asked_at) {
            found.insert(tag.clone(), vec![device]);
        }
    }
    for constraint in ["first-unconstrained", "first-primary"] {
        let missing: Vec<Tag> = tags
            .iter()
            .filter(|tag| !found.contains_key(tag))
            .cloned()
            .collect();
        if missing.is_empty() {
            break;
        }
        for (tag, devices) in resolve_at(db, constraint, &missing, limit).await? {
            recent::remember(&tag, &devices, asked_at, clock());
            found.insert(tag, devices);
        }
    }
    Ok(found)
}

#[wasm_bindgen(module = "/src/directory.js")]
extern "C" {
    #[wasm_bindgen(js_name = lookUp, catch)]
    async fn look_up(
        db: &JsValue,
        constraint: &str,
        statement: &str,
        tags: Vec<String>,
        limit: u32,
    ) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = run, catch)]
    async fn run_all(db: &JsValue, statements: Array) -> std::result::Result<JsValue, JsValue>;
}

/// The tags are one parameter, because a statement takes no more than 100. A row holds 10,000 devices
/// as one JSON text, at most 0.7 of the 2 MB that a value may have: a row each would cross into wasm
/// one by one.
const RESOLVE: &str = "SELECT tag, json_group_array(device) FROM (
        SELECT tag, device, row_number() OVER (PARTITION BY tag ORDER BY device) AS n
        FROM tags WHERE tag IN (SELECT value FROM json_each(?1))
    ) WHERE n <= ?2 GROUP BY tag, n / 10000";

async fn resolve_at(
    db: &Directory,
    constraint: &str,
    tags: &[Tag],
    limit: u32,
) -> Result<LiteMap<Tag, Vec<DeviceId>>> {
    let names = tags.iter().map(Tag::to_string).collect();
    let rows = look_up(&db.0, constraint, RESOLVE, names, limit).await?;
    let mut found = LiteMap::<Tag, Vec<DeviceId>>::new();
    for mut row in rows_of(&rows) {
        let (name, devices) = (row.text()?, row.text()?);
        if let Some(tag) = tags.iter().find(|tag| tag.as_str() == name) {
            let devices: Vec<DeviceId> = serde_json::from_str(&devices)?;
            found.entry(tag.clone()).or_default().extend(devices);
        }
    }
    Ok(found)
}

/// The tags that lead to a device.
pub(crate) async fn tags_of(db: &Directory, device: &DeviceId) -> Result<Vec<Tag>> {
    let select = statement(
        "SELECT tag FROM tags WHERE device = ?1 ORDER BY tag",
        [text(device)],
    );
    let [found] = run(db, [select]).await?;
    found.into_iter().map(|mut row| row.name()).collect()
}

/// The devices after `after`, ordered by name.
pub(crate) async fn devices(
    db: &Directory,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Page<Device>> {
    let select = statement(
        "SELECT device, created_at FROM devices WHERE device > ?1 ORDER BY device LIMIT ?2",
        [after.map_or_else(start, text), one_more_than(limit)],
    );
    let [found] = run(db, [select]).await?;
    let devices = found.into_iter().map(|mut row| {
        Ok(Device {
            device: row.name()?,
            created_at: row.number()? as Millis,
        })
    });
    Ok(page(devices.collect::<Result<_>>()?, limit))
}

/// The tags after `after`, ordered by name, each with the number of its devices.
pub(crate) async fn tags(db: &Directory, after: Option<&Tag>, limit: u32) -> Result<Page<Tagged>> {
    let select = statement(
        "SELECT tag, COUNT(*) FROM tags WHERE tag > ?1 GROUP BY tag ORDER BY tag LIMIT ?2",
        [after.map_or_else(start, text), one_more_than(limit)],
    );
    let [found] = run(db, [select]).await?;
    let tags = found.into_iter().map(|mut row| {
        Ok(Tagged {
            tag: row.name()?,
            devices: row.number()? as u32,
        })
    });
    Ok(page(tags.collect::<Result<_>>()?, limit))
}

/// The devices of a tag after `after`, ordered by name.
pub(crate) async fn members(
    db: &Directory,
    tag: &Tag,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Page<DeviceId>> {
    let select = statement(
        "SELECT device FROM tags WHERE tag = ?1 AND device > ?2 ORDER BY device LIMIT ?3",
        [
            text(tag),
            after.map_or_else(start, text),
            one_more_than(limit),
        ],
    );
    let [found] = run(db, [select]).await?;
    let devices = found.into_iter().map(|mut row| row.name());
    Ok(page(devices.collect::<Result<_>>()?, limit))
}

/// The devices with this address: one of them sent the messages whose ids carry it.
pub(crate) async fn senders(db: &Directory, address: u64) -> Result<Vec<DeviceId>> {
    let select = statement(
        "SELECT device FROM devices WHERE address = ?1 ORDER BY device",
        [number(address as f64)],
    );
    let [found] = run(db, [select]).await?;
    found.into_iter().map(|mut row| row.name()).collect()
}

fn created_at(device: &DeviceId) -> Array {
    statement(
        "SELECT created_at FROM devices WHERE device = ?1",
        [text(device)],
    )
}

/// A statement with its parameters.
fn statement<const N: usize>(sql: &str, parameters: [JsValue; N]) -> Array {
    [text(sql)].into_iter().chain(parameters).collect()
}

/// Runs the statements in one transaction, and answers the rows of each.
async fn run<const N: usize>(db: &Directory, statements: [Array; N]) -> Result<[Vec<Row>; N]> {
    let answers = run_all(&db.0, statements.into_iter().collect()).await?;
    let answers: Vec<Vec<Row>> = Array::from(&answers)
        .iter()
        .map(|rows| rows_of(&rows))
        .collect();
    answers
        .try_into()
        .map_err(|_| "D1 answered another number of statements".into())
}

/// One row of an answer, read column by column.
struct Row(ArrayIntoIter);

fn rows_of(rows: &JsValue) -> Vec<Row> {
    let rows = Array::from(rows).into_iter();
    rows.map(|row| Row(Array::from(&row).into_iter())).collect()
}

impl Row {
    fn text(&mut self) -> Result<String> {
        let column = self.0.next().and_then(|value| value.as_string());
        column.ok_or_else(|| "D1 answered no text where some was expected".into())
    }

    fn name<T: FromStr<Err = InvalidName>>(&mut self) -> Result<T> {
        let name = self.text()?.parse();
        name.map_err(|name: InvalidName| format!("in the directory, {name}").into())
    }

    fn number(&mut self) -> Result<f64> {
        let column = self.0.next().and_then(|value| value.as_f64());
        column.ok_or_else(|| "D1 answered no number where one was expected".into())
    }
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
