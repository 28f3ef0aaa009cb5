//! The rows of `outbox`: messages that the device sent. Messages that were settled when their publish was answered are
//! in `groups` instead.
//!
//! The deliveries of a message are in its own row, or, if there are more than [`PART`], in rows of `parts` with that
//! many each. A delivery without steps is unreached.

use super::part_rows;
use super::retention::{FirstRows, put};
use super::schedule_rows;
use crate::delivery::{Delivery, Summary, summary};
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::message::{Message, Target};
use crate::plan::Plan;
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};
use crate::time::Millis;
use crate::trace::{DeliveryPage, Page, Trace};

/// The most deliveries in one row.
pub(super) const PART: usize = 100;

/// The row of a message that this device sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: MessageId,
    pub(super) to: Target,
    pub(super) accepted_at: Millis,
    pub(super) expires_at: Millis,
    /// `None` if they are in `parts`.
    pub(super) deliveries: Option<Vec<Delivery>>,
    /// What else this device wants of it.
    pub(super) plan: Plan,
    /// Of the deliveries in `parts`; `None` if an earlier version wrote the row.
    summary: Option<Summary>,
}

const COLUMNS: &str = "id, target, accepted_at, expires_at, deliveries, summary, plan";

impl Sent {
    fn read(mut row: Row) -> Result<Self, StoreError> {
        let id = row.id()?;
        let to = from_json(&row.text()?)?;
        let (accepted_at, expires_at) = (row.int()?, row.int()?);
        let deliveries = row.opt_text()?.map(|text| from_json(&text)).transpose()?;
        let summary = row.opt_text()?.map(|text| from_json(&text)).transpose()?;
        let plan = row.opt_text()?.map(|text| from_json(&text)).transpose()?;
        Ok(Self {
            id,
            to,
            accepted_at,
            expires_at,
            deliveries,
            plan: plan.unwrap_or_default(),
            summary,
        })
    }
}

impl Sent {
    /// How many deliveries in `parts` are in which state.
    pub(super) fn summary_of_parts(&self, store: &impl Store) -> Result<Summary, StoreError> {
        match &self.summary {
            Some(summary) => Ok(summary.clone()),
            None => part_rows::summary(store, self.id),
        }
    }

    /// Whether its TTL is 0; see [`Message::is_now_or_never`].
    pub(super) fn is_now_or_never(&self) -> bool {
        self.expires_at <= self.sent_at()
    }

    /// When it was handed over.
    pub(super) fn sent_at(&self) -> Millis {
        self.plan.sent_at(self.accepted_at)
    }
}

/// The states of `deliveries` as a set of bits.
pub(super) fn states<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> i64 {
    deliveries
        .into_iter()
        .fold(0, |bits, delivery| bits | delivery.state.bit())
}

/// The greatest receipt number among `deliveries`.
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
        .filter(|delivery| !delivery.state.is_terminal())
        .count();
    u32::try_from(open).unwrap_or(u32::MAX)
}

/// What is stored of a message beside its deliveries.
#[derive(Debug)]
pub(super) struct Head<'a> {
    id: MessageId,
    to: &'a Target,
    accepted_at: Millis,
    expires_at: Millis,
    plan: &'a Plan,
}

impl<'a> Head<'a> {
    pub(super) fn of(message: &'a Message, plan: &'a Plan) -> Self {
        Self {
            plan,
            id: message.id,
            to: &message.to,
            accepted_at: plan.accepted_at(message.sent_at),
            expires_at: message.expires_at,
        }
    }

    pub(super) fn of_trace(trace: &'a Trace) -> Self {
        Self {
            id: trace.id,
            to: &trace.to,
            accepted_at: trace.accepted_at,
            expires_at: trace.expires_at,
            plan: &trace.plan,
        }
    }
}

/// Stores a message with all its deliveries, over the row with the key `over` if there is one. `done_at` is when the
/// last delivery was settled.
pub(super) fn insert(
    store: &impl Store,
    over: Option<Value>,
    head: &Head<'_>,
    key: Option<&IdempotencyKey>,
    deliveries: &[Delivery],
    done_at: Option<Millis>,
) -> Result<(), StoreError> {
    let whole = deliveries.len() <= PART;
    if !whole {
        for part in deliveries.chunks(PART) {
            part_rows::save(store, head.id, part)?;
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
        "summary",
        "plan",
        "draft",
    ];
    let values = vec![
        head.id.into(),
        to_json(head.to)?.into(),
        head.accepted_at.into(),
        head.expires_at.into(),
        open(deliveries).into(),
        (states(deliveries) | head.plan.end.as_ref().map_or(0, |end| end.state.bit())).into(),
        done_at.into(),
        key.map(IdempotencyKey::as_str).into(),
        if whole {
            to_json(&deliveries)?.into()
        } else {
            Value::Null
        },
        last_receipt(deliveries)
            .or_else(|| head.plan.end.as_ref()?.receipt)
            .into(),
        if whole {
            Value::Null
        } else {
            to_json(&summary(deliveries))?.into()
        },
        plan_text(head.plan)?,
        Value::Null,
    ];
    put(store, "outbox", &columns, values, over)
}

/// A plan as it is stored: nothing if it is empty.
fn plan_text(plan: &Plan) -> Result<Value, StoreError> {
    Ok(match plan.is_empty() {
        true => Value::Null,
        false => to_json(plan)?.into(),
    })
}

/// Updates the deliveries that are in the message's own row, and its plan if that has changed.
pub(super) fn save(
    store: &impl Store,
    id: MessageId,
    deliveries: &[Delivery],
    done_at: Option<Millis>,
    plan: Option<&Plan>,
) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET open = ?, states = ?, done_at = ?, deliveries = ?, receipt = ?, \
               plan = coalesce(?, plan) WHERE id = ?";
    let values = [
        open(deliveries).into(),
        states(deliveries).into(),
        done_at.into(),
        to_json(&deliveries)?.into(),
        last_receipt(deliveries).into(),
        plan.map_or(Ok(Value::Null), plan_text)?,
        id.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// Updates the summary of the deliveries in `parts`, when all were settled, their last receipt if there is a new one,
/// and the plan if that has changed.
pub(super) fn save_parts_state(
    store: &impl Store,
    id: MessageId,
    summary: &Summary,
    done_at: Option<Millis>,
    receipt: Option<i64>,
    plan: Option<&Plan>,
) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET states = ?, open = ?, done_at = ?, summary = ?, \
               receipt = coalesce(?, receipt), plan = coalesce(?, plan) WHERE id = ?";
    let values = [
        summary.states().into(),
        u32::try_from(summary.open()).unwrap_or(u32::MAX).into(),
        done_at.into(),
        to_json(summary)?.into(),
        receipt.into(),
        plan.map_or(Ok(Value::Null), plan_text)?,
        id.into(),
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

/// A page of the message's trace.
pub(super) fn trace(
    store: &impl Store,
    id: MessageId,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Option<Trace>, StoreError> {
    load(store, id)?
        .map(|sent| page(store, sent, after, limit))
        .transpose()
}

/// The trace with the page of deliveries that begins after this device. Only the parts of that page are read.
fn page(
    store: &impl Store,
    sent: Sent,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Trace, StoreError> {
    let summary = match sent.deliveries {
        Some(_) => None,
        None => Some(sent.summary_of_parts(store)?),
    };
    let mut trace = Trace {
        id: sent.id,
        to: sent.to,
        accepted_at: sent.accepted_at,
        expires_at: sent.expires_at,
        deliveries: sent.deliveries.unwrap_or_default(),
        plan: sent.plan,
        page: None,
    };
    let Some(summary) = summary else {
        return Ok(trace.into_page(after, limit));
    };
    let mut page = DeliveryPage::new(limit);
    let mut rest = part_rows::rest_after(store, trace.id, after)?;
    while let Some(part) = rest {
        let last = part.last().map(|delivery| delivery.device.clone());
        let room = part.into_iter().all(|delivery| page.add(delivery));
        rest = match room {
            true => part_rows::next(store, trace.id, last.as_ref())?,
            false => None,
        };
    }
    let (deliveries, next) = page.done();
    trace.deliveries = deliveries;
    trace.page = Some(Page { summary, next });
    Ok(trace)
}

/// The newest message before `before` with a delivery in one of these states, and its first `limit`
/// deliveries.
pub(super) fn newest_before(
    store: &impl Store,
    before: Option<MessageId>,
    states: i64,
    limit: u32,
) -> Result<Option<Trace>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox WHERE id < ? AND (states & ?) != 0 ORDER BY id DESC LIMIT 1"
    );
    let end = before.map_or_else(schedule_rows::first_key, Value::from);
    let row = store.run(&sql, &[end, states.into()])?.pop();
    row.map(|row| page(store, Sent::read(row)?, None, limit))
        .transpose()
}

/// The newest message that was sent, and whether there are scheduled ones, whose keys come last.
pub(super) fn newest(store: &impl Store) -> Result<(Option<MessageId>, bool), StoreError> {
    let sql = "SELECT id >= ?, id FROM outbox ORDER BY id DESC LIMIT 1";
    let Some(mut row) = store.run(sql, &[schedule_rows::first_key()])?.pop() else {
        return Ok((None, false));
    };
    if row.int()? == 0 {
        return Ok((Some(row.id()?), false));
    }
    let sql = "SELECT id FROM outbox WHERE id < ? ORDER BY id DESC LIMIT 1";
    let row = store.run(sql, &[schedule_rows::first_key()])?.pop();
    Ok((row.map(|mut row| row.id()).transpose()?, true))
}

/// When the earliest of the oldest messages was done; an unsettled one counts as done `now`. Newer messages that were
/// done earlier are found once these are deleted: reading all would be a scan whenever the mailbox wakes.
pub(super) fn oldest(store: &impl Store, now: Millis) -> Result<Option<Millis>, StoreError> {
    let sql = "SELECT min(coalesce(done_at, ?)) FROM \
               (SELECT done_at FROM outbox ORDER BY id LIMIT 100)";
    store
        .run(sql, &[now.into()])?
        .pop()
        .map_or(Ok(None), |mut row| row.opt_int())
}

/// The first messages, and when each was done. The time is `None` for a message with a key, parts or a job: its row
/// must not be overwritten.
pub(super) fn first(store: &impl Store, limit: u32) -> Result<FirstRows, StoreError> {
    let sql = "SELECT id, done FROM \
               (SELECT id, CASE WHEN idempotency_key IS NULL AND deliveries IS NOT NULL \
               AND id NOT IN (SELECT id FROM jobs) THEN done_at END AS done \
               FROM outbox WHERE id < ? ORDER BY id LIMIT ?) ORDER BY done";
    let rows = store.run(sql, &[schedule_rows::first_key(), limit.into()])?;
    rows.into_iter()
        .map(|mut row| Ok((row.id()?, row.opt_int()?)))
        .collect()
}

/// A message that is settled.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) id: MessageId,
    pub(super) accepted_at: Millis,
    pub(super) key: Option<String>,
}

/// The first settled messages. Reads past all that are unsettled.
pub(super) fn settled_in_order(store: &impl Store, limit: u32) -> Result<Vec<Settled>, StoreError> {
    let sql = "SELECT id, accepted_at, idempotency_key FROM outbox \
               WHERE done_at IS NOT NULL ORDER BY id LIMIT ?";
    let read = |mut row: Row| {
        Ok(Settled {
            id: row.id()?,
            accepted_at: row.int()?,
            key: row.opt_text()?,
        })
    };
    let rows = store.run(sql, &[limit.into()])?;
    rows.into_iter().map(read).collect()
}

/// Messages that were done by `until`, each with its idempotency key.
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
