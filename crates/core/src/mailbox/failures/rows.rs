//! The rows of the table `failures`, which only a device has whose deliveries have failed. They are written in the
//! transaction that stores the failure, and deleted once the directory lists it.

use crate::failure::FailedDelivery;
use crate::store::{Row, Store, StoreError, from_json, to_json};

/// Writes a row, behind all others.
pub(super) fn insert(store: &impl Store, failure: &FailedDelivery) -> Result<(), StoreError> {
    let sql = "INSERT INTO failures (failure) VALUES (?)";
    store.run(sql, &[to_json(failure)?.into()]).map(drop)
}

/// The first rows, oldest first, each with its number.
pub(super) fn first(
    store: &impl Store,
    limit: u32,
) -> Result<Vec<(i64, FailedDelivery)>, StoreError> {
    let sql = "SELECT seq, failure FROM failures ORDER BY seq LIMIT ?";
    let read = |mut row: Row| Ok((row.int()?, from_json(&row.text()?)?));
    let rows = store.run(sql, &[limit.into()])?;
    rows.into_iter().map(read).collect()
}

/// Deletes all rows up to this one; returns how many.
pub(super) fn delete_to(store: &impl Store, last: i64) -> Result<u32, StoreError> {
    let sql = "DELETE FROM failures WHERE seq <= ? RETURNING 1";
    Ok(number(store.run(sql, &[last.into()])?))
}

/// Deletes the oldest rows; returns how many.
pub(super) fn delete_oldest(store: &impl Store, limit: u32) -> Result<u32, StoreError> {
    let sql = "DELETE FROM failures WHERE seq IN \
               (SELECT seq FROM failures ORDER BY seq LIMIT ?) RETURNING 1";
    Ok(number(store.run(sql, &[limit.into()])?))
}

/// How many rows there are.
pub(super) fn count(store: &impl Store) -> Result<u32, StoreError> {
    let mut found = store.run("SELECT count(*) FROM failures", &[])?;
    found.pop().map_or(Ok(0), |mut row| row.count())
}

/// Deletes all rows.
pub(super) fn delete_all(store: &impl Store) -> Result<(), StoreError> {
    store.run("DELETE FROM failures", &[]).map(drop)
}

fn number(rows: Vec<Row>) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}
