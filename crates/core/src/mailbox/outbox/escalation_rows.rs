//! The rows of steps, and the deliveries that a step adds to a message. They are rows of `jobs`, behind the jobs; see
//! [`super::job_table`].
//!
//! A row is there from the time when a message with steps is stored until the last of them is taken or dropped, and its
//! deliveries are stored or part of a job. The steps themselves are in the plan, in the message's own row.

use super::job_table::Kind;
use super::part_rows;
use super::rows::{self, PART, Sent};
use crate::delivery::{Delivery, Summary, summary};
use crate::id::{DeviceId, MessageId};
use crate::message::Message;
use crate::plan::Plan;
use crate::store::{Store, StoreError, from_json, to_json};
use crate::time::Millis;

/// What is known of a message with steps, without reading it.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: MessageId,
    /// The length of the message's JSON.
    pub(super) bytes: u64,
    /// When it was handed over.
    pub(super) sent_at: Millis,
    pub(super) plan: Plan,
}

impl Sent {
    /// When the next step of its escalation is due.
    pub(super) fn next_step_at(&self) -> Option<Millis> {
        self.plan.next_step_at(self.sent_at())
    }
}

/// Stores a message with steps. Returns the length of its JSON.
pub(super) fn insert(store: &impl Store, message: &Message) -> Result<u64, StoreError> {
    let json = to_json(message)?;
    let bytes = json.len() as u64;
    let length = i64::try_from(bytes).unwrap_or(i64::MAX);
    let sql = "INSERT INTO jobs (id, retry_at, tries, bytes, message) VALUES (?, 0, 0, ?, ?)";
    let values = [Kind::Steps.key(message.id), length.into(), json.into()];
    store.run(sql, &values).map(|_| bytes)
}

/// Nothing is left to do for the steps of a message.
pub(super) fn delete(store: &impl Store, id: MessageId) -> Result<(), StoreError> {
    let sql = "DELETE FROM jobs WHERE id = ?";
    store.run(sql, &[Kind::Steps.key(id)]).map(drop)
}

/// A message with steps.
pub(super) fn message(store: &impl Store, id: MessageId) -> Result<Option<Message>, StoreError> {
    let sql = "SELECT message FROM jobs WHERE id = ?";
    let row = store.run(sql, &[Kind::Steps.key(id)])?.pop();
    row.map(|mut row| from_json(&row.text()?)).transpose()
}

/// Stores the plan of a message, and when it was settled, if it is.
pub(super) fn save_plan(
    store: &impl Store,
    id: MessageId,
    plan: &Plan,
    done_at: Option<Millis>,
) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET plan = ?, done_at = coalesce(done_at, ?) WHERE id = ?";
    let values = [to_json(plan)?.into(), done_at.into(), id.into()];
    store.run(sql, &values).map(drop)
}

/// How many deliveries of a message are in which state.
pub(super) fn states(store: &impl Store, sent: &Sent) -> Result<Summary, StoreError> {
    match &sent.deliveries {
        Some(deliveries) => Ok(summary(deliveries)),
        None => sent.summary_of_parts(store),
    }
}

/// The devices that a message has deliveries to, in the order of their names.
pub(super) fn devices(store: &impl Store, sent: &Sent) -> Result<Vec<DeviceId>, StoreError> {
    let names = |deliveries: &[Delivery]| {
        let names = deliveries.iter().map(|delivery| delivery.device.clone());
        names.collect::<Vec<_>>()
    };
    if let Some(deliveries) = &sent.deliveries {
        return Ok(names(deliveries));
    }
    let mut devices = Vec::new();
    while let Some(part) = part_rows::next(store, sent.id, devices.last())? {
        let before = devices.len();
        devices.extend(names(&part));
        debug_assert!(devices.len() > before, "an empty part");
    }
    Ok(devices)
}

/// Stores the new deliveries of a message, and its plan. The parts of a large tag keep their order: a new delivery
/// joins the part that its device belongs to.
pub(super) fn add(
    store: &impl Store,
    sent: &Sent,
    new: Vec<Delivery>,
    plan: &Plan,
) -> Result<(), StoreError> {
    let Some(known) = &sent.deliveries else {
        let mut summary = sent.summary_of_parts(store)?;
        new.iter().for_each(|it| summary.add(it.state));
        add_to_parts(store, sent.id, new)?;
        return rows::save_parts_state(store, sent.id, &summary, None, None, Some(plan));
    };
    let all = merged(known.clone(), new);
    if all.len() <= PART {
        return rows::save(store, sent.id, &all, None, Some(plan));
    }
    for part in all.chunks(PART) {
        part_rows::save(store, sent.id, part)?;
    }
    let sql = "UPDATE outbox SET deliveries = NULL WHERE id = ?";
    store.run(sql, &[sent.id.into()])?;
    rows::save_parts_state(store, sent.id, &summary(&all), None, None, Some(plan))
}

/// Adds deliveries to the parts that their devices belong to, each part once. One before all others joins the first.
fn add_to_parts(
    store: &impl Store,
    id: MessageId,
    mut new: Vec<Delivery>,
) -> Result<(), StoreError> {
    new.sort_unstable_by(|one, other| one.device.cmp(&other.device));
    let mut new = new.into_iter().peekable();
    let mut part = part_rows::next(store, id, None)?;
    while let Some(known) = part {
        let next = part_rows::next(store, id, known.last().map(|it| &it.device))?;
        let until = next.iter().flatten().next().map(|it| it.device.clone());
        let belongs = |it: &Delivery| until.as_ref().is_none_or(|until| it.device < *until);
        let more: Vec<Delivery> = std::iter::from_fn(|| new.next_if(belongs)).collect();
        if !more.is_empty() {
            replace_part(store, id, known, more)?;
        }
        part = next;
    }
    Ok(())
}

/// A part grows by these deliveries. It may begin with another device then, or become two.
fn replace_part(
    store: &impl Store,
    id: MessageId,
    known: Vec<Delivery>,
    more: Vec<Delivery>,
) -> Result<(), StoreError> {
    let first = known.first().map(|it| it.device.clone());
    let all = merged(known, more);
    if let Some(first) = first.filter(|first| all.first().is_some_and(|it| it.device != *first)) {
        let sql = "DELETE FROM parts WHERE id = ? AND first = ?";
        store.run(sql, &[id.into(), first.as_str().into()])?;
    }
    for part in all.chunks(PART) {
        part_rows::save(store, id, part)?;
    }
    Ok(())
}

/// All these deliveries, in the order of their devices.
fn merged(mut known: Vec<Delivery>, new: Vec<Delivery>) -> Vec<Delivery> {
    known.extend(new);
    known.sort_unstable_by(|one, other| one.device.cmp(&other.device));
    known
}
