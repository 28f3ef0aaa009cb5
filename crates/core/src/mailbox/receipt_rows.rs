//! The rows of `receipts`: those that the device has not seen.

use crate::frame::Receipt;
use crate::store::{Store, StoreError, from_json, to_json};
use crate::time::Millis;

/// Stores a receipt.
pub(super) fn insert(store: &impl Store, receipt: &Receipt, at: Millis) -> Result<(), StoreError> {
    let sql = "INSERT INTO receipts (seq, at, receipt) VALUES (?, ?, ?)";
    store
        .run(
            sql,
            &[receipt.seq.into(), at.into(), to_json(receipt)?.into()],
        )
        .map(drop)
}

/// Receipts after `seq`, oldest first.
pub(super) fn after(store: &impl Store, seq: i64, limit: u32) -> Result<Vec<Receipt>, StoreError> {
    let sql = "SELECT receipt FROM receipts WHERE seq > ? ORDER BY seq LIMIT ?";
    let rows = store.run(sql, &[seq.into(), limit.into()])?;
    rows.into_iter()
        .map(|mut row| from_json(&row.text()?))
        .collect()
}

/// Deletes receipts up to `seq`.
pub(super) fn delete(store: &impl Store, seq: i64) -> Result<(), StoreError> {
    store
        .run("DELETE FROM receipts WHERE seq <= ?", &[seq.into()])
        .map(drop)
}

/// The number and time of the oldest receipt, and the number of the newest.
pub(super) fn span(store: &impl Store) -> Result<Option<(i64, Millis, i64)>, StoreError> {
    let sql = "SELECT seq, at, (SELECT max(seq) FROM receipts) FROM receipts ORDER BY seq LIMIT 1";
    let row = store.run(sql, &[])?.pop();
    row.map(|mut row| Ok((row.int()?, row.int()?, row.int()?)))
        .transpose()
}

/// The number of the newest receipt that is not younger than `at`, among the oldest `limit`.
pub(super) fn until(store: &impl Store, at: Millis, limit: u32) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT max(seq) FROM (SELECT seq FROM receipts WHERE at <= ? ORDER BY seq LIMIT ?)";
    let row = store.run(sql, &[at.into(), limit.into()])?.pop();
    row.map_or(Ok(None), |mut row| row.opt_int())
}
