//! The rows of `parts`: the deliveries of a message to many devices, [`super::rows::PART`] in each, in
//! the order of their devices. Their summary is in the message's own row.

use super::rows::last_receipt;
use crate::delivery::{Delivery, Summary};
use crate::id::{DeviceId, MessageId};
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};

/// Stores one part. Its devices never change.
pub(super) fn save(store: &impl Store, id: MessageId, part: &[Delivery]) -> Result<(), StoreError> {
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

/// Those of `devices` that are unreached. Successive devices of the same part are read once.
pub(super) fn untaken_of(
    store: &impl Store,
    id: MessageId,
    devices: Vec<DeviceId>,
) -> Result<Vec<DeviceId>, StoreError> {
    let (mut untaken, mut read) = (Vec::new(), Vec::new());
    for device in devices {
        let find = |read: &[Delivery]| {
            let delivery = read.iter().find(|delivery| delivery.device == device);
            delivery.map(Delivery::is_reached)
        };
        let mut taken = find(&read);
        if taken.is_none() {
            read = stored_with(store, id, &device)?.unwrap_or_default();
            taken = find(&read);
        }
        if taken == Some(false) {
            untaken.push(device);
        }
    }
    Ok(untaken)
}

/// The deliveries in the row that has the delivery to this device, if there is one. `None` if there is no such message.
pub(super) fn stored_with(
    store: &impl Store,
    id: MessageId,
    device: &DeviceId,
) -> Result<Option<Vec<Delivery>>, StoreError> {
    let sql = "SELECT coalesce(deliveries, (SELECT deliveries FROM parts WHERE parts.id = outbox.id \
               AND first <= ? ORDER BY first DESC LIMIT 1)) FROM outbox WHERE id = ?";
    let row = store.run(sql, &[device.as_str().into(), id.into()])?.pop();
    let read = |mut row: Row| match row.opt_text()? {
        Some(text) => from_json(&text),
        None => Ok(Vec::new()),
    };
    row.map(read).transpose()
}

/// The part that has the delivery to a device.
pub(super) fn with(
    store: &impl Store,
    id: MessageId,
    device: &DeviceId,
) -> Result<Option<Vec<Delivery>>, StoreError> {
    let sql =
        "SELECT deliveries FROM parts WHERE id = ? AND first <= ? ORDER BY first DESC LIMIT 1";
    let row = store.run(sql, &[id.into(), device.as_str().into()])?.pop();
    row.map(|mut row| from_json(&row.text()?)).transpose()
}

/// The first part that starts after this device.
pub(super) fn next(
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

/// The deliveries in `parts` after this device, up to the end of one part; `None` if there are none.
pub(super) fn rest_after(
    store: &impl Store,
    id: MessageId,
    after: Option<&DeviceId>,
) -> Result<Option<Vec<Delivery>>, StoreError> {
    if let Some(after) = after
        && let Some(mut part) = with(store, id, after)?
    {
        part.retain(|delivery| delivery.device > *after);
        if !part.is_empty() {
            return Ok(Some(part));
        }
    }
    next(store, id, after)
}

/// How many deliveries in `parts` are in which state.
pub(super) fn summary(store: &impl Store, id: MessageId) -> Result<Summary, StoreError> {
    let sql = "SELECT json_quote(json_extract(value, '$.state')), count(*) \
               FROM parts, json_each(parts.deliveries) WHERE parts.id = ? GROUP BY 1";
    let counts = store.run(sql, &[id.into()])?;
    let count = |mut row: Row| Ok((from_json(&row.text()?)?, row.count()?));
    counts.into_iter().map(count).collect()
}
