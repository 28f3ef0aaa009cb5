//! Finding the receipts that the device has not seen. They are stored with their deliveries.
//!
//! They have no index: that would cost a row per receipt. When a device connects, the messages from
//! [`super::account::Account::unseen_from`] on are scanned for them.

use std::collections::{BinaryHeap, VecDeque};

use super::schedule_rows;
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::plan::{End, Plan};
use crate::protocol::Receipt;
use crate::store::{Row, Store, StoreError, Value, from_json};

/// How many messages one statement reads.
const BATCH: u32 = 500;

/// Where a receipt is stored. Ordered by its number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) seq: i64,
    id: MessageId,
    /// The first device of the part, for a delivery in `parts`.
    part: Option<DeviceId>,
}

/// The first receipts after a number.
struct Found {
    after: i64,
    limit: usize,
    places: BinaryHeap<Place>,
}

impl Found {
    fn add(&mut self, seq: i64, id: MessageId, part: Option<&DeviceId>) {
        if seq > self.after {
            let part = part.cloned();
            self.places.push(Place { seq, id, part });
            if self.places.len() > self.limit {
                self.places.pop();
            }
        }
    }

    fn add_all(
        &mut self,
        deliveries: &str,
        id: MessageId,
        part: Option<&DeviceId>,
    ) -> Result<(), StoreError> {
        let deliveries: Vec<Delivery> = from_json(deliveries)?;
        let numbers = deliveries.iter().filter_map(|delivery| delivery.receipt);
        numbers.for_each(|seq| self.add(seq, id, part));
        Ok(())
    }
}

/// The first `limit` receipts after `after` of messages from `from` on.
pub(super) fn unseen(
    store: &impl Store,
    from: Option<MessageId>,
    after: i64,
    limit: usize,
) -> Result<VecDeque<Place>, StoreError> {
    let mut found = Found {
        after,
        limit,
        places: BinaryHeap::new(),
    };
    // A message to a device has one delivery, unless it goes to others later, so its receipt is the row's; so is that
    // of one without a delivery.
    let sql = "SELECT id, receipt, (target ->> '$.device' IS NOT NULL AND plan ->> '$.escalation' IS NULL) \
               OR coalesce(deliveries = '[]', 0), deliveries IS NULL FROM outbox \
               WHERE id >= ? AND receipt > ? ORDER BY id LIMIT ?";
    let mut start = from.map_or(Value::Blob(Vec::new()), Value::from);
    loop {
        let rows = store.run(sql, &[start, after.into(), BATCH.into()])?;
        let more = rows.len() >= BATCH as usize;
        let mut last = None;
        for mut row in rows {
            let (id, seq) = (row.id()?, row.int()?);
            let (alone, in_parts) = (row.int()? == 1, row.int()? == 1);
            last = Some(id);
            if alone {
                found.add(seq, id, None);
            } else if in_parts {
                unseen_in_parts(store, id, &mut found)?;
            } else if let Some(deliveries) = deliveries(store, id, None)? {
                found.add_all(&deliveries, id, None)?;
            }
        }
        match last.and_then(MessageId::successor).filter(|_| more) {
            Some(next) => start = next.into(),
            None => break,
        }
    }
    Ok(found.places.into_sorted_vec().into())
}

fn unseen_in_parts(store: &impl Store, id: MessageId, found: &mut Found) -> Result<(), StoreError> {
    let sql = "SELECT first, deliveries FROM parts WHERE id = ? AND first > ? AND receipt > ? \
               ORDER BY first LIMIT 1";
    let mut first = None;
    let after = found.after;
    loop {
        let before = first.as_ref().map_or("", DeviceId::as_str);
        let mut rows = store.run(sql, &[id.into(), before.into(), after.into()])?;
        let Some(mut row) = rows.pop() else {
            return Ok(());
        };
        let device = read_device(&mut row)?;
        found.add_all(&row.text()?, id, Some(&device))?;
        first = Some(device);
    }
}

fn read_device(row: &mut Row) -> Result<DeviceId, StoreError> {
    let name = row.text()?;
    name.parse()
        .map_err(|error| StoreError(format!("parts: {error}")))
}

/// The receipts at these places, except those whose message is gone.
pub(super) fn load(store: &impl Store, places: &[Place]) -> Result<Vec<Receipt>, StoreError> {
    let mut receipts = Vec::new();
    // The receipts of a tag mostly follow each other.
    let mut row: Option<(&Place, Vec<Delivery>)> = None;
    for place in places {
        let same = |(known, _): &(&Place, _)| (known.id, &known.part) == (place.id, &place.part);
        let known = match row.take().filter(same) {
            Some((_, deliveries)) => deliveries,
            None => match deliveries(store, place.id, place.part.as_ref())? {
                Some(text) => from_json(&text)?,
                None => Vec::new(),
            },
        };
        let numbered = known
            .iter()
            .find(|delivery| delivery.receipt == Some(place.seq));
        receipts.extend(numbered.and_then(|delivery| receipt(place.id, delivery)));
        if known.is_empty() {
            let end = end(store, place.id)?;
            receipts.extend(end.and_then(|end| receipt_of_end(place.id, &end)));
        }
        row = Some((place, known));
    }
    Ok(receipts)
}

/// The receipt of a delivery that has one.
pub(super) fn receipt(id: MessageId, delivery: &Delivery) -> Option<Receipt> {
    Some(Receipt {
        seq: delivery.receipt?,
        id,
        device: Some(delivery.device.clone()),
        state: delivery.state,
        at: delivery.at,
        reply: delivery.reply.clone(),
        reason: delivery.reason.clone(),
    })
}

/// The receipt of a message that ended without a delivery.
pub(super) fn receipt_of_end(id: MessageId, end: &End) -> Option<Receipt> {
    Some(Receipt {
        seq: end.receipt?,
        id,
        device: None,
        state: end.state,
        at: end.at,
        reply: None,
        reason: end.reason.clone(),
    })
}

/// How a message without deliveries ended.
fn end(store: &impl Store, id: MessageId) -> Result<Option<End>, StoreError> {
    let row = store.run("SELECT plan FROM outbox WHERE id = ?", &[id.into()])?;
    let text = row.into_iter().next().map(|mut row| row.opt_text());
    let plan = text.transpose()?.flatten().map(|text| from_json(&text));
    Ok(plan.transpose()?.and_then(|plan: Plan| plan.end))
}

fn deliveries(
    store: &impl Store,
    id: MessageId,
    part: Option<&DeviceId>,
) -> Result<Option<String>, StoreError> {
    let rows = match part {
        None => store.run("SELECT deliveries FROM outbox WHERE id = ?", &[id.into()])?,
        Some(first) => store.run(
            "SELECT deliveries FROM parts WHERE id = ? AND first = ?",
            &[id.into(), first.as_str().into()],
        )?,
    };
    rows.into_iter()
        .next()
        .map_or(Ok(None), |mut row| row.opt_text())
}

/// The greatest receipt number of the messages from `from` on.
pub(super) fn last(store: &impl Store, from: Option<MessageId>) -> Result<Option<i64>, StoreError> {
    let from = from.map_or(Value::Blob(Vec::new()), Value::from);
    let mut rows = store.run("SELECT max(receipt) FROM outbox WHERE id >= ?", &[from])?;
    rows.pop().map_or(Ok(None), |mut row| row.opt_int())
}

/// The first message from `from` on that has a receipt after `seen`, or will have one.
pub(super) fn first_unseen(
    store: &impl Store,
    from: Option<MessageId>,
    seen: i64,
) -> Result<Option<MessageId>, StoreError> {
    let sql = "SELECT id FROM outbox WHERE id >= ? AND id < ? AND (done_at IS NULL OR receipt > ?) \
               ORDER BY id LIMIT 1";
    let from = from.map_or(Value::Blob(Vec::new()), Value::from);
    let end = schedule_rows::first_key();
    let row = store.run(sql, &[from, end, seen.into()])?.pop();
    row.map(|mut row| row.id()).transpose()
}
