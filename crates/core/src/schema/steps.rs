//! The steps from one version of the tables to the next. Released steps never change.

use serde::Deserialize;

use super::{GROUPS, JOBS, run_all};
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError, Value, from_json, to_json};

/// From version 1, which kept each unseen receipt in a row of its own and had no groups.
pub(super) fn from_1(store: &impl Store) -> Result<(), StoreError> {
    run_all(
        store,
        &[
            "ALTER TABLE account ADD COLUMN receipts_seen INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE account ADD COLUMN unseen_from BLOB",
            "ALTER TABLE outbox ADD COLUMN receipt INTEGER",
            "ALTER TABLE parts ADD COLUMN receipt INTEGER",
            GROUPS,
        ],
    )?;
    let next = "SELECT seq, receipt FROM receipts WHERE seq > ? ORDER BY seq LIMIT 1";
    let mut after = 0;
    while let Some(mut row) = store.run(next, &[Value::Int(after)])?.pop() {
        after = row.int()?;
        number_1(store, after, &from_json(&row.text()?)?)?;
    }
    store.run("DROP TABLE receipts", &[]).map(drop)
}

/// From version 2, which did not distinguish attempts that timed out from those that ended with their connection,
/// found settled rows by scanning all, and had no summary of a large tag's deliveries, and no length, recipients or
/// remaining devices of a job.
pub(super) fn from_2(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, INBOX_3)?;
    run_all(store, OUTBOX_3)
}

/// From version 3, which had neither plans nor scheduled messages, nor what came after them.
pub(super) fn from_3(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, OUTBOX_4)
}

/// The changes of version 3 to the inbox's tables.
const INBOX_3: &[&str] = &[
    "ALTER TABLE account ADD COLUMN held TEXT",
    "ALTER TABLE account ADD COLUMN lost TEXT",
    "UPDATE inbox SET rank = -1 WHERE settled IS NOT NULL",
    // In version 2, `retry_at` was the time-out of any attempt, not only of a poll's lease.
    "UPDATE inbox SET retry_at = 0, sent = json_object('n', attempts, 't', json((
        SELECT json_group_array(json_array(key + 1, value, 0)) FROM json_each(inbox.sent)
    ))) WHERE attempts > 0 AND settled IS NULL",
];

/// The changes of version 3 to the outbox's tables.
const OUTBOX_3: &[&str] = &[
    "ALTER TABLE account ADD COLUMN truncated_before INTEGER",
    "ALTER TABLE outbox ADD COLUMN summary TEXT",
    "ALTER TABLE jobs RENAME TO jobs_2",
    JOBS,
    "INSERT INTO jobs (id, retry_at, tries, bytes, message) \
     SELECT id, retry_at, tries, length(CAST(message AS BLOB)), message FROM jobs_2",
    "DROP TABLE jobs_2",
];

/// The changes of version 4 to the outbox's tables.
const OUTBOX_4: &[&str] = &[
    "ALTER TABLE outbox ADD COLUMN plan TEXT",
    "ALTER TABLE outbox ADD COLUMN draft TEXT",
];

/// The changes of version 5: what version 4 kept in `endings` is in `jobs`.
pub(super) const JOBS_5: &[&str] = &[
    "INSERT INTO jobs (id, retry_at, tries, bytes, message) \
     SELECT CAST(x'ff' || id AS BLOB), 0, 0, 0, '' FROM endings",
    "DROP TABLE endings",
];

/// The changes of version 6, which every earlier version lacks.
pub(super) const ACCOUNT_6: &[&str] = &["ALTER TABLE account ADD COLUMN wake TEXT"];

/// The changes of version 7, which every earlier version lacks.
pub(super) const ACCOUNT_7: &[&str] = &[
    "ALTER TABLE account ADD COLUMN failures TEXT",
    "ALTER TABLE account ADD COLUMN kept_until INTEGER",
];

/// The changes of version 8, which every earlier version lacks.
pub(super) const ACCOUNT_8: &[&str] = &["ALTER TABLE account ADD COLUMN webhook TEXT"];

/// A receipt of version 1, without the fields that its message has, too.
#[derive(Deserialize)]
struct Receipt1 {
    id: MessageId,
    device: DeviceId,
}

/// Writes a receipt's number to its delivery.
fn number_1(store: &impl Store, seq: i64, receipt: &Receipt1) -> Result<(), StoreError> {
    let (id, device) = (Value::from(receipt.id), receipt.device.as_str());
    let whole = "SELECT '', deliveries FROM outbox WHERE id = ? AND deliveries IS NOT NULL";
    let part = "SELECT first, deliveries FROM parts WHERE id = ? AND first <= ? \
                ORDER BY first DESC LIMIT 1";
    let mut found = store.run(whole, std::slice::from_ref(&id))?;
    if found.is_empty() {
        found = store.run(part, &[id.clone(), device.into()])?;
    }
    // A message past its retention is gone, and its receipts with it.
    let Some(mut row) = found.pop() else {
        return Ok(());
    };
    let first = row.text()?;
    let mut deliveries: Vec<Delivery> = from_json(&row.text()?)?;
    let mut all = deliveries.iter_mut();
    if let Some(delivery) = all.find(|delivery| delivery.device == receipt.device) {
        delivery.receipt = Some(seq);
    }
    let text = Value::from(to_json(&deliveries)?);
    if first.is_empty() {
        let sql = "UPDATE outbox SET deliveries = ?, receipt = ? WHERE id = ?";
        return store.run(sql, &[text, seq.into(), id]).map(drop);
    }
    let sql = "UPDATE parts SET deliveries = ?, receipt = ? WHERE id = ? AND first = ?";
    store.run(sql, &[text, seq.into(), id.clone(), first.into()])?;
    let sql = "UPDATE outbox SET receipt = ? WHERE id = ?";
    store.run(sql, &[seq.into(), id]).map(drop)
}
