//! The tables of a mailbox, and how an older form of them becomes the present one.
//!
//! Rows written are what costs on this platform, so each table has one key and is its own index;
//! the partial indexes hold rows only of messages that have a topic or were sent more than once.
//! Tables are made when a device is registered: a mailbox without a device stores nothing.

use crate::store::{Store, StoreError, Value};

/// The schema's version that this program reads and writes.
pub const VERSION: i64 = 1;

/// The statements that lead from version `n` to `n + 1`, by `n`.
const STEPS: [&[&str]; VERSION as usize] = [&[
    // The device itself: one row, number 1. `created_at` is 0 while there is no device; what was
    // revoked is remembered also then.
    "CREATE TABLE account (
        one INTEGER PRIMARY KEY,
        schema INTEGER NOT NULL,
        device TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        revocations INTEGER NOT NULL,
        revoked_at INTEGER NOT NULL,
        last_seen_at INTEGER,
        last_receipt INTEGER NOT NULL
    )",
    // Messages for this device. `rank` is 0 for the highest urgency, so that the key's order is the
    // order of delivery. `settled` holds the delivery once it is in a last state and stays until the
    // sender's mailbox has taken the receipt; `body` is empty from then on.
    "CREATE TABLE inbox (
        rank INTEGER NOT NULL,
        id BLOB NOT NULL,
        sender TEXT NOT NULL,
        topic TEXT,
        expires_at INTEGER NOT NULL,
        size INTEGER NOT NULL,
        held_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        retry_at INTEGER NOT NULL,
        sent TEXT NOT NULL,
        settled TEXT,
        body TEXT NOT NULL,
        PRIMARY KEY (rank, id)
    ) WITHOUT ROWID",
    "CREATE INDEX inbox_topic ON inbox (sender, topic) WHERE topic IS NOT NULL AND settled IS NULL",
    "CREATE INDEX inbox_again ON inbox (id) WHERE attempts > 0 AND settled IS NULL",
    // Messages this device sent. `open` counts the deliveries that are not in a last state, `states` is
    // a set of bits, one a state that some delivery is in, and `done_at` is NULL while `open` is not 0. Up to 100 deliveries stand in the row
    // itself, those of larger tags in `parts`, 100 a row, keyed by the first device's name.
    "CREATE TABLE outbox (
        id BLOB PRIMARY KEY,
        target TEXT NOT NULL,
        accepted_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        open INTEGER NOT NULL,
        states INTEGER NOT NULL,
        done_at INTEGER,
        idempotency_key TEXT,
        deliveries TEXT
    ) WITHOUT ROWID",
    "CREATE TABLE parts (
        id BLOB NOT NULL,
        first TEXT NOT NULL,
        deliveries TEXT NOT NULL,
        PRIMARY KEY (id, first)
    ) WITHOUT ROWID",
    "CREATE TABLE keys (
        idempotency_key TEXT PRIMARY KEY,
        id BLOB NOT NULL,
        fingerprint BLOB NOT NULL
    ) WITHOUT ROWID",
    // Messages with deliveries that their mailbox has not taken yet.
    "CREATE TABLE jobs (
        id BLOB PRIMARY KEY,
        retry_at INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        message TEXT NOT NULL
    ) WITHOUT ROWID",
    // Receipts that this device has not seen.
    "CREATE TABLE receipts (
        seq INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        receipt TEXT NOT NULL
    )",
]];

/// The version of the tables in `store`; 0 where there are none.
pub fn version(store: &impl Store) -> Result<i64, StoreError> {
    let table = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'account'";
    let [mut row] = rows(store.run(table, &[])?)?;
    if row.int()? == 0 {
        return Ok(0);
    }
    let mut found = store.run("SELECT schema FROM account WHERE one = 1", &[])?;
    // Tables without the one row are left by nothing this program does; they are empty then.
    found.pop().map_or(Ok(VERSION), |mut row| row.int())
}

/// Brings the tables from `version` to [`VERSION`], in place.
///
/// # Errors
/// The store failed, or was written by a newer program.
pub fn upgrade(store: &impl Store, version: i64) -> Result<(), StoreError> {
    let from = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(steps) = STEPS.get(from..) else {
        return Err(StoreError(format!(
            "schema {version} is newer than {VERSION}"
        )));
    };
    for statement in steps.iter().copied().flatten() {
        store.run(statement, &[])?;
    }
    if (1..VERSION).contains(&version) {
        store.run(
            "UPDATE account SET schema = ? WHERE one = 1",
            &[Value::Int(VERSION)],
        )?;
    }
    Ok(())
}

fn rows<T, const N: usize>(rows: Vec<T>) -> Result<[T; N], StoreError> {
    let found = rows.len();
    rows.try_into()
        .map_err(|_| StoreError(format!("{found} rows where {N} were expected")))
}
