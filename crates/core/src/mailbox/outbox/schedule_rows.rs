//! The rows of scheduled messages. They are rows of `outbox` whose keys have the byte 255 before the id, which puts
//! them behind all others. When such a message is handed over, the row of the message that is sent overwrites it:
//! this is one row written, where a table of their own would need two. The devices are stored before any of them is
//! called, so that a hand-over that is made again goes to the same devices.

use super::retention::put;
use crate::delivery::Delivery;
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::message::Target;
use crate::plan::{Plan, Schedule};
use crate::publish::Draft;
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};
use crate::time::Millis;
use crate::trace::Trace;

/// The byte before the id.
const PREFIX: u8 = 0xff;

/// All keys of scheduled messages are this or greater, all others are less.
pub(super) fn first_key() -> Value {
    Value::Blob(vec![PREFIX])
}

/// The key of a scheduled message.
pub(super) fn key(id: MessageId) -> Value {
    Value::Blob([&[PREFIX], id.to_bytes().as_slice()].concat())
}

/// A scheduled message.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) id: MessageId,
    pub(super) to: Target,
    pub(super) plan: Plan,
    pub(super) draft: Draft,
    /// The devices that it was handed over to, if that was done and forgotten.
    pub(super) devices: Option<Vec<DeviceId>>,
}

const COLUMNS: &str = "substr(id, 2), target, plan, draft, deliveries";

impl Scheduled {
    fn read(mut row: Row) -> Result<Self, StoreError> {
        let (id, to) = (row.id()?, from_json(&row.text()?)?);
        let (plan, draft) = (from_json(&row.text()?)?, from_json(&row.text()?)?);
        let deliveries = row.opt_text()?.map(|text| from_json(&text)).transpose()?;
        let names = |deliveries: Vec<Delivery>| {
            let devices = deliveries.into_iter().map(|delivery| delivery.device);
            devices.collect()
        };
        Ok(Self {
            id,
            to,
            plan,
            draft,
            devices: deliveries.map(names),
        })
    }

    fn schedule(&self) -> Option<&Schedule> {
        self.plan.schedule.as_ref()
    }

    /// Its devices, if they need not be looked up: it was handed over to them, or its sender named one.
    pub(super) fn known_devices(&self) -> Option<Vec<DeviceId>> {
        match &self.to {
            Target::Device(device) => Some(vec![device.clone()]),
            Target::Tag(_) | Target::Match(_) => self.devices.clone(),
        }
    }

    /// Its plan once it is handed over, at this time if it was not before.
    pub(super) fn handed_over(&self, now: Millis) -> Plan {
        let mut plan = self.plan.clone();
        if let Some(schedule) = &mut plan.schedule {
            schedule.handed_over_at.get_or_insert(now);
        }
        plan
    }

    /// Its trace before it is handed over.
    pub(super) fn trace(&self) -> Trace {
        let times = self.schedule();
        let deliver_at = times.map_or(0, |schedule| schedule.deliver_at);
        let mut plan = self.plan.clone();
        if let Some(schedule) = &mut plan.schedule {
            schedule.handed_over_at = None;
        }
        Trace {
            id: self.id,
            to: self.to.clone(),
            accepted_at: times.map_or(0, |schedule| schedule.accepted_at),
            expires_at: deliver_at + i64::from(self.draft.ttl) * 1000,
            deliveries: Vec::new(),
            plan,
            page: None,
        }
    }
}

/// Stores a message, over the row with the key `over` if there is one.
pub(super) fn insert(
    store: &impl Store,
    over: Option<Value>,
    scheduled: &Scheduled,
) -> Result<(), StoreError> {
    let trace = scheduled.trace();
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
    let draft_key = scheduled.draft.key.as_ref().map(IdempotencyKey::as_str);
    let values = vec![
        key(scheduled.id),
        to_json(&scheduled.to)?.into(),
        trace.accepted_at.into(),
        trace.expires_at.into(),
        Value::Int(1),
        Value::Int(0),
        Value::Null,
        draft_key.into(),
        Value::Null,
        Value::Null,
        Value::Null,
        to_json(&scheduled.plan)?.into(),
        to_json(&scheduled.draft)?.into(),
    ];
    put(store, "outbox", &columns, values, over)
}

/// Stores to which devices a message is being handed over, and when.
pub(super) fn save_devices(
    store: &impl Store,
    id: MessageId,
    deliveries: &[Delivery],
    plan: &Plan,
) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET deliveries = ?, plan = ? WHERE id = ?";
    let values = [to_json(&deliveries)?.into(), to_json(plan)?.into(), key(id)];
    store.run(sql, &values as &[Value]).map(drop)
}

/// A message.
pub(super) fn load(store: &impl Store, id: MessageId) -> Result<Option<Scheduled>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM outbox WHERE id = ?");
    let row = store.run(&sql, &[key(id)])?.pop();
    row.map(Scheduled::read).transpose()
}

/// Each message with its times. The messages themselves are not read.
pub(super) fn all(store: &impl Store) -> Result<Vec<(MessageId, Schedule)>, StoreError> {
    let sql = "SELECT substr(id, 2), json_extract(plan, '$.schedule') FROM outbox \
               WHERE id >= ? ORDER BY id";
    let rows = store.run(sql, &[first_key()])?;
    rows.into_iter()
        .map(|mut row| Ok((row.id()?, from_json(&row.text()?)?)))
        .collect()
}

/// The newest message before `before`.
pub(super) fn newest_before(
    store: &impl Store,
    before: Option<MessageId>,
) -> Result<Option<Trace>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM outbox WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1");
    let end = before.map_or_else(|| Value::Blob(vec![PREFIX; 18]), key);
    let row = store.run(&sql, &[first_key(), end])?.pop();
    let scheduled = row.map(Scheduled::read).transpose()?;
    Ok(scheduled.map(|scheduled| scheduled.trace()))
}
