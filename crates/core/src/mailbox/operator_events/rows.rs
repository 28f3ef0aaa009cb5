//! The rows of the table `operator_events`. Row 0 says how far the events have come; each other is an event that was not
//! taken yet.

use serde_json::value::RawValue;

use crate::operator_event::Numbered;
use crate::store::{Row, Store, StoreError};

/// Writes an event.
pub(super) fn insert(store: &impl Store, seq: i64, event: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO operator_events (seq, event) VALUES (?, ?)";
    store.run(sql, &[seq.into(), event.into()]).map(drop)
}

/// The first events, oldest first.
pub(super) fn first(store: &impl Store, limit: u32) -> Result<Vec<Numbered>, StoreError> {
    let sql = "SELECT seq, event FROM operator_events WHERE seq > 0 ORDER BY seq LIMIT ?";
    let read = |mut row: Row| {
        let seq = row.int()?;
        let event = RawValue::from_string(row.text()?);
        let event = event.map_err(|error| StoreError(format!("operator_events: {error}")))?;
        Ok(Numbered { seq, event })
    };
    let rows = store.run(sql, &[limit.into()])?;
    rows.into_iter().map(read).collect()
}

/// Deletes the events up to this one; returns how many.
pub(super) fn delete_to(store: &impl Store, last: i64) -> Result<u32, StoreError> {
    let sql = "DELETE FROM operator_events WHERE seq > 0 AND seq <= ? RETURNING 1";
    let rows = store.run(sql, &[last.into()])?;
    Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
}

/// How many events there are, and the number of the last; 0 if there is none.
pub(super) fn count(store: &impl Store) -> Result<(u32, i64), StoreError> {
    let sql = "SELECT count(*), coalesce(max(seq), 0) FROM operator_events WHERE seq > 0";
    let found = store.run(sql, &[])?.pop();
    found.map_or(Ok((0, 0)), |mut row| Ok((row.count()?, row.int()?)))
}

/// Row 0, if there is one.
pub(super) fn progress(store: &impl Store) -> Result<Option<String>, StoreError> {
    let sql = "SELECT event FROM operator_events WHERE seq = 0";
    let found = store.run(sql, &[])?.pop();
    found.map(|mut row| row.text()).transpose()
}

/// Writes row 0.
pub(super) fn save_progress(store: &impl Store, text: &str) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO operator_events (seq, event) VALUES (0, ?)";
    store.run(sql, &[text.into()]).map(drop)
}
