//! The rows of the messages that a device sent: the statements on `outbox` and `parts`. Those that were
//! settled by their own answer are in `groups` instead.
//!
//! The deliveries of a message stand in its own row, or, if there are more than [`PART`], in rows of
//! `parts` of that many each. A delivery without steps has not reached its mailbox.

use super::retention::{FirstRows, put};
use crate::delivery::Delivery;
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::message::{Message, Target};
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};
use crate::time::Millis;
use crate::trace::Trace;

/// How many deliveries stand in one row.
pub(super) const PART: usize = 100;

/// The row of a message that this device sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: MessageId,
    pub(super) to: Target,
    pub(super) accepted_at: Millis,
    pub(super) expires_at: Millis,
    /// How many of its deliveries are not settled.
    pub(super) open: u32,
    /// The states that its deliveries are in, as a set of bits.
    pub(super) states: i64,
    /// `None` where they are in `parts`.
    pub(super) deliveries: Option<Vec<Delivery>>,
}

const COLUMNS: &str = "id, target, accepted_at, expires_at, open, states, deliveries";

impl Sent {
    fn read(mut row: Row) -> Result<Self, StoreError> {
        let id = row.id()?;
        let to = from_json(&row.text()?)?;
        let (accepted_at, expires_at) = (row.int()?, row.int()?);
        let (open, states) = (row.count()?, row.int()?);
        let deliveries = row.opt_text()?.map(|text| from_json(&text)).transpose()?;
        Ok(Self {
            id,
            to,
            accepted_at,
            expires_at,
            open,
            states,
            deliveries,
        })
    }
}

/// The states of `deliveries` as a set of bits.
pub(super) fn states<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> i64 {
    deliveries
        .into_iter()
        .fold(0, |bits, delivery| bits | delivery.state.bit())
}

/// The greatest number of a receipt among `deliveries`.
pub(super) fn last_receipt(deliveries: &[Delivery]) -> Option<i64> {
    deliveries
        .iter()
        .filter_map(|delivery| delivery.receipt)
        .max()
}

/// How many of `deliveries` are not settled.
fn open(deliveries: &[Delivery]) -> u32 {
    let open = deliveries
        .iter()
        .filter(|delivery| !delivery.state.is_last())
        .count();
    u32::try_from(open).unwrap_or(u32::MAX)
}

/// Stores a message with all its deliveries, over another's row if there is one to be overwritten;
/// `done_at` is when the last of them was settled.
pub(super) fn insert(
    store: &impl Store,
    over: Option<MessageId>,
    message: &Message,
    key: Option<&IdempotencyKey>,
    deliveries: &[Delivery],
    done_at: Option<Millis>,
) -> Result<(), StoreError> {
    let whole = deliveries.len() <= PART;
    if !whole {
        for part in deliveries.chunks(PART) {
            save_part(store, message.id, part)?;
        }
    }
    let columns = [
        "id",
        "target",
        "accepted_at",
        "expires_at",
        "open",
        "states",
        "done_at",
        "idempotency_key",
        "deliveries",
        "receipt",
    ];
    let values = vec![
        message.id.into(),
        to_json(&message.to)?.into(),
        message.sent_at.into(),
        message.expires_at.into(),
        open(deliveries).into(),
        states(deliveries).into(),
        done_at.into(),
        key.map(IdempotencyKey::as_str).into(),
        if whole {
            to_json(&deliveries)?.into()
        } else {
            Value::Null
        },
        last_receipt(deliveries).into(),
    ];
    put(store, "outbox", &columns, values, over)
}

/// Writes the deliveries of a message that stand in its own row.
pub(super) fn save(
    store: &impl Store,
    id: MessageId,
    deliveries: &[Delivery],
    done_at: Option<Millis>,
) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET open = ?, states = ?, done_at = ?, deliveries = ?, receipt = ? \
               WHERE id = ?";
    let values = [
        open(deliveries).into(),
        states(deliveries).into(),
        done_at.into(),
        to_json(&deliveries)?.into(),
        last_receipt(deliveries).into(),
        id.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// Writes which states the deliveries in `parts` are in, since when all are settled, and their last
/// receipt if it is a new one.
pub(super) fn save_parts_state(
    store: &impl Store,
    id: MessageId,
    states: i64,
    open: u32,
    done_at: Option<Millis>,
    receipt: Option<i64>,
) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET states = ?, open = ?, done_at = ?, receipt = coalesce(?, receipt) \
               WHERE id = ?";
    let values = [
        states.into(),
        open.into(),
        done_at.into(),
        receipt.into(),
        id.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// Writes one part, whose devices are the same as before.
pub(super) fn save_part(
    store: &impl Store,
    id: MessageId,
    part: &[Delivery],
) -> Result<(), StoreError> {
    let Some(first) = part.first() else {
        return Ok(());
    };
    let sql = "INSERT OR REPLACE INTO parts (id, first, deliveries, receipt) VALUES (?, ?, ?, ?)";
    let values = [
        id.into(),
        first.device.as_str().into(),
        to_json(&part)?.into(),
        last_receipt(part).into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// The message's row.
pub(super) fn load(store: &impl Store, id: MessageId) -> Result<Option<Sent>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM outbox WHERE id = ?");
    store
        .run(&sql, &[id.into()])?
        .pop()
        .map(Sent::read)
        .transpose()
}

/// The message with all its deliveries.
pub(super) fn trace(store: &impl Store, id: MessageId) -> Result<Option<Trace>, StoreError> {
    load(store, id)?
        .map(|sent| complete(store, sent))
        .transpose()
}

/// Adds the deliveries that stand elsewhere.
fn complete(store: &impl Store, sent: Sent) -> Result<Trace, StoreError> {
    let deliveries = match sent.deliveries {
        Some(deliveries) => deliveries,
        None => parts(store, sent.id)?,
    };
    let Sent {
        id,
        to,
        accepted_at,
        expires_at,
        ..
    } = sent;
    Ok(Trace {
        id,
        to,
        accepted_at,
        expires_at,
        deliveries,
    })
}

/// The part in which a device stands.
pub(super) fn part_with(
    store: &impl Store,
    id: MessageId,
    device: &DeviceId,
) -> Result<Option<Vec<Delivery>>, StoreError> {
    let sql =
        "SELECT deliveries FROM parts WHERE id = ? AND first <= ? ORDER BY first DESC LIMIT 1";
    let row = store.run(sql, &[id.into(), device.as_str().into()])?.pop();
    row.map(|mut row| from_json(&row.text()?)).transpose()
}

/// The first part after the one that starts with `after`.
pub(super) fn part_after(
    store: &impl Store,
    id: MessageId,
    after: Option<&DeviceId>,
) -> Result<Option<Vec<Delivery>>, StoreError> {
    let sql = "SELECT deliveries FROM parts WHERE id = ? AND first > ? ORDER BY first LIMIT 1";
    let row = store
        .run(sql, &[id.into(), after.map_or("", DeviceId::as_str).into()])?
        .pop();
    row.map(|mut row| from_json(&row.text()?)).transpose()
}

fn parts(store: &impl Store, id: MessageId) -> Result<Vec<Delivery>, StoreError> {
    let sql = "SELECT deliveries FROM parts WHERE id = ? ORDER BY first";
    let mut all = Vec::new();
    for mut row in store.run(sql, &[id.into()])? {
        all.extend(from_json::<Vec<Delivery>>(&row.text()?)?);
    }
    Ok(all)
}

/// The states of all deliveries in `parts`.
pub(super) fn parts_states(store: &impl Store, id: MessageId) -> Result<i64, StoreError> {
    Ok(states(&parts(store, id)?))
}

/// The newest message before `before` with a delivery in one of these states.
pub(super) fn newest_before(
    store: &impl Store,
    before: Option<MessageId>,
    states: i64,
) -> Result<Option<Trace>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox WHERE id < ? AND (states & ?) != 0 ORDER BY id DESC LIMIT 1"
    );
    let end = before.map_or(Value::Blob(vec![0xff; 17]), Value::from);
    let row = store.run(&sql, &[end, states.into()])?.pop();
    row.map(|row| complete(store, Sent::read(row)?)).transpose()
}

/// The newest id.
pub(super) fn newest(store: &impl Store) -> Result<Option<MessageId>, StoreError> {
    let row = store
        .run("SELECT id FROM outbox ORDER BY id DESC LIMIT 1", &[])?
        .pop();
    row.map(|mut row| row.id()).transpose()
}

/// When the first of the oldest messages was done; one that is not counts as done `now`. Later ones
/// that were done before are found when these have gone: looking at all would be a scan for each time
/// the mailbox wakes.
pub(super) fn oldest(store: &impl Store, now: Millis) -> Result<Option<Millis>, StoreError> {
    let sql = "SELECT min(coalesce(done_at, ?)) FROM \
               (SELECT done_at FROM outbox ORDER BY id LIMIT 100)";
    store
        .run(sql, &[now.into()])?
        .pop()
        .map_or(Ok(None), |mut row| row.opt_int())
}

/// The first messages, and when those were done that can be overwritten: nothing else belongs to them.
pub(super) fn first(store: &impl Store, limit: u32) -> Result<FirstRows, StoreError> {
    let sql = "SELECT id, done FROM \
               (SELECT id, CASE WHEN idempotency_key IS NULL AND deliveries IS NOT NULL \
               AND id NOT IN (SELECT id FROM jobs) THEN done_at END AS done \
               FROM outbox ORDER BY id LIMIT ?) ORDER BY done";
    let rows = store.run(sql, &[limit.into()])?;
    rows.into_iter()
        .map(|mut row| Ok((row.id()?, row.opt_int()?)))
        .collect()
}

/// Messages that were done by `until`, with their idempotency keys.
pub(super) fn done(
    store: &impl Store,
    until: Millis,
    limit: u32,
) -> Result<Vec<(MessageId, Option<String>)>, StoreError> {
    let sql = "SELECT id, idempotency_key FROM outbox WHERE done_at <= ? LIMIT ?";
    let rows = store.run(sql, &[until.into(), limit.into()])?;
    rows.into_iter()
        .map(|mut row| Ok((row.id()?, row.opt_text()?)))
        .collect()
}

/// Deletes a message, its parts, its job and its key.
pub(super) fn delete(
    store: &impl Store,
    id: MessageId,
    key: Option<&str>,
) -> Result<(), StoreError> {
    store.run("DELETE FROM outbox WHERE id = ?", &[id.into()])?;
    store.run("DELETE FROM parts WHERE id = ?", &[id.into()])?;
    store.run("DELETE FROM jobs WHERE id = ?", &[id.into()])?;
    if let Some(key) = key {
        store.run("DELETE FROM keys WHERE idempotency_key = ?", &[key.into()])?;
    }
    Ok(())
}

/// Deletes everything this device sent.
pub(super) fn delete_all(store: &impl Store) -> Result<(), StoreError> {
    for table in ["outbox", "parts", "groups", "keys", "jobs"] {
        store.run(&format!("DELETE FROM {table}"), &[])?;
    }
    Ok(())
}
