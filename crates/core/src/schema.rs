//! The tables of a mailbox, and their migrations.
//!
//! Rows written are what the platform bills for, so each table has one key and is its own index. The two partial
//! indexes hold only messages with a topic, and messages whose own row says that they were sent.
//! Tables are created when a device is registered: a mailbox without a device stores nothing.

mod steps;

use self::steps::{ACCOUNT_6, ACCOUNT_7, ACCOUNT_8, JOBS_5, from_1, from_2, from_3};
use crate::store::{Store, StoreError};

/// The version of the tables that this program reads and writes.
pub const VERSION: i64 = 8;

/// The tables of this version.
const TABLES: &[&str] = &[
    // The device itself: one row, number 1. `created_at` is 0 while there is no device; the row then still remembers
    // the revocation. `receipts_seen` is the last receipt that the device is known to have seen; all later ones,
    // including those to come, belong to messages from `unseen_from` on. `held` counts what the inbox holds if that
    // is much. `lost` lists the messages in flight on connections that ended, and those in progress.
    // `truncated_before` is when the newest message that was dropped early, for lack of room, was accepted. `wake` is
    // the state of its wake-ups, NULL while it has no subscriptions. `failures` is how far the failures have come that
    // the directory does not list yet, NULL if there are none. `kept_until` is when the first payload of a failed
    // delivery is past its retention, NULL if none is kept. `webhook` is the address that it is, with its secrets, NULL
    // if it is none.
    "CREATE TABLE account (
        one INTEGER PRIMARY KEY,
        schema INTEGER NOT NULL,
        device TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        revocations INTEGER NOT NULL,
        revoked_at INTEGER NOT NULL,
        last_seen_at INTEGER,
        last_receipt INTEGER NOT NULL,
        receipts_seen INTEGER NOT NULL DEFAULT 0,
        unseen_from BLOB,
        held TEXT,
        lost TEXT,
        truncated_before INTEGER,
        wake TEXT,
        failures TEXT,
        kept_until INTEGER,
        webhook TEXT
    )",
    // Messages for this device. `rank` is 0 for the highest urgency, so that the key's order is the order of
    // delivery. Once the delivery is in a terminal state, `rank` is -1, `settled` holds the delivery and `body` is
    // empty; the row stays until the sender's mailbox has recorded it. A row of rank -2 is the payload of a failed
    // delivery: `settled` is empty, and the row stays until `expires_at`. `sent` holds the outcome of each attempt.
    // `attempts` is 0 while the account's `lost` covers the message's attempts; it is set once a poll has taken the
    // message, or if `lost` does not cover them. `retry_at` is the end of a poll's lease, or of the progress of a
    // message that a poll has taken, or 0.
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
    // Messages that this device sent, except those in `groups`. `open` counts the deliveries that are not
    // in a terminal state, `states` has a bit for each state that some delivery is in, and `done_at` is NULL
    // while `open` is not 0. Up to 100 deliveries are in the row itself. Those of larger tags are in `parts`, 100
    // to a row, keyed by the first device's name; `summary` counts them by state, and is NULL if version 2 wrote
    // the row. Each delivery holds the number of its receipt; `receipt` is the greatest of them. `plan` is what else
    // the device wants of the message, mostly NULL. A message that is handed over later has the byte 255 before its id
    // until then; `draft` is the message without an id, and the last column because it may be long and is rarely read.
    "CREATE TABLE outbox (
        id BLOB PRIMARY KEY,
        target TEXT NOT NULL,
        accepted_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        open INTEGER NOT NULL,
        states INTEGER NOT NULL,
        done_at INTEGER,
        idempotency_key TEXT,
        deliveries TEXT,
        receipt INTEGER,
        summary TEXT,
        plan TEXT,
        draft TEXT
    ) WITHOUT ROWID",
    "CREATE TABLE parts (
        id BLOB NOT NULL,
        first TEXT NOT NULL,
        deliveries TEXT NOT NULL,
        receipt INTEGER,
        PRIMARY KEY (id, first)
    ) WITHOUT ROWID",
    GROUPS,
    "CREATE TABLE keys (
        idempotency_key TEXT PRIMARY KEY,
        id BLOB NOT NULL,
        fingerprint BLOB NOT NULL
    ) WITHOUT ROWID",
    JOBS,
];

/// Messages with deliveries that have not reached their recipients' mailboxes. `bytes` is the length of `message`;
/// `audience` is a hash of the names of its recipients, NULL if the message has got further ones, or if version 2 wrote
/// the row; `left_over` lists the devices of these deliveries, and is NULL if they are many or not known. The message
/// is the last column because it may be long and is rarely read. The table has rows of two other kinds, behind those.
/// With the byte 254 before its id: a message with steps of an escalation that are not taken, or whose deliveries are
/// being made; only `bytes` and `message` count. With the byte 255: a message with enough acknowledged deliveries,
/// while others are still open; only the key counts.
const JOBS: &str = "CREATE TABLE jobs (
        id BLOB PRIMARY KEY,
        retry_at INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        audience BLOB,
        left_over TEXT,
        message TEXT NOT NULL
    ) WITHOUT ROWID";

/// Messages that were settled before their publish was answered. Each group commit is one row, which is written
/// once and deleted as a whole. `first` and `last` are its smallest and greatest id, of the same second; `states` and
/// `done_at` are as in `outbox`.
const GROUPS: &str = "CREATE TABLE groups (
        first BLOB PRIMARY KEY,
        last BLOB NOT NULL,
        states INTEGER NOT NULL,
        done_at INTEGER NOT NULL,
        messages TEXT NOT NULL
    ) WITHOUT ROWID";

/// The tables of a device that has channels of Web Push. They are created when it registers the first, so that no other
/// device has them. `since` is when a channel was registered, `key` the hash of the key that it is bound to.
/// `user_agent` has one row, number 1: the user agent that holds the channels, NULL if none does, and the greatest
/// `since` of the channels that are gone.
const CHANNELS: &[&str] = &[
    "CREATE TABLE channels (
        channel BLOB PRIMARY KEY,
        since INTEGER NOT NULL,
        key BLOB
    ) WITHOUT ROWID",
    "CREATE TABLE user_agent (
        one INTEGER PRIMARY KEY,
        id TEXT,
        last_since INTEGER NOT NULL
    )",
    // What became of the messages whose senders asked for a receipt; `seq` grows. `channel` is empty if it has ended.
    "CREATE TABLE push_receipts (
        message BLOB PRIMARY KEY,
        channel BLOB NOT NULL,
        seq INTEGER NOT NULL,
        status INTEGER NOT NULL,
        at INTEGER NOT NULL
    ) WITHOUT ROWID",
];

/// The last pairing code of a device that has had one: one row, number 1. The table is created with the first.
/// `number` is the number in the code; `granted` is what its token will permit, and NULL once the code was used.
const PAIRING: &[&str] = &["CREATE TABLE pairing (
        one INTEGER PRIMARY KEY,
        number INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        granted TEXT
    )"];

/// How often all hooks of a device were revoked: one row, number 1. The table is created with the first revocation, so
/// that no other device has it.
const HOOKS: &str = "CREATE TABLE IF NOT EXISTS hooks (
        one INTEGER PRIMARY KEY,
        revocations INTEGER NOT NULL
    )";

/// Tokens of the device that were revoked one by one. The table is created with the first, so that no other device has
/// it. `expires_at` is when the token expires, NULL if it does not or that is not known.
const REVOKED_TOKENS: &str = "CREATE TABLE IF NOT EXISTS revoked_tokens (
        id TEXT PRIMARY KEY,
        revoked_at INTEGER NOT NULL,
        expires_at INTEGER
    ) WITHOUT ROWID";

/// Where a device can be knocked. The table is created with the first subscription, so that no other device has it.
const SUBSCRIPTIONS: &str = "CREATE TABLE IF NOT EXISTS subscriptions (
        id INTEGER PRIMARY KEY,
        label TEXT,
        endpoint TEXT NOT NULL,
        created_at INTEGER NOT NULL
    )";

/// Failed deliveries that the directory does not list yet. The table is created with the first failure, so that no other
/// device has it. `seq` grows while there are rows.
const FAILURES: &str = "CREATE TABLE IF NOT EXISTS failures (
        seq INTEGER PRIMARY KEY,
        failure TEXT NOT NULL
    )";

/// The operator's events that wait to be taken, by their numbers; row 0 says how far they have come. The table is created
/// with the first, so that no other device has it.
const OPERATOR_EVENTS: &str = "CREATE TABLE IF NOT EXISTS operator_events (
        seq INTEGER PRIMARY KEY,
        event TEXT NOT NULL
    )";

/// The last event that was taken from each mailbox. Only the mailbox has it from which the service publishes.
const EVENT_SOURCES: &str = "CREATE TABLE IF NOT EXISTS event_sources (
        device TEXT PRIMARY KEY,
        last INTEGER NOT NULL
    ) WITHOUT ROWID";

/// Whether the mailbox has, or had, events.
pub fn has_operator_events(store: &impl Store) -> Result<bool, StoreError> {
    has_table(store, "operator_events")
}

/// Creates the table of events, if there is none.
pub fn create_operator_events(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, &[OPERATOR_EVENTS])
}

/// Creates the table of the mailboxes that have told of events, if there is none.
pub fn create_event_sources(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, &[EVENT_SOURCES])
}

/// Whether deliveries of the device's messages have failed.
pub fn has_failures(store: &impl Store) -> Result<bool, StoreError> {
    has_table(store, "failures")
}

/// Creates the table of failures, if there is none.
pub fn create_failures(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, &[FAILURES])
}

/// Creates the table of subscriptions, if there is none.
pub fn create_subscriptions(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, &[SUBSCRIPTIONS])
}

/// Whether the device has, or had, channels.
pub fn has_channels(store: &impl Store) -> Result<bool, StoreError> {
    has_table(store, "channels")
}

/// Creates the tables of channels.
pub fn create_channels(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, CHANNELS)
}

/// Whether the device has, or had, a pairing code.
pub fn has_pairing(store: &impl Store) -> Result<bool, StoreError> {
    has_table(store, "pairing")
}

/// Creates the table of the pairing code.
pub fn create_pairing(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, PAIRING)
}

/// Whether hooks of the device have been revoked.
pub fn has_hooks(store: &impl Store) -> Result<bool, StoreError> {
    has_table(store, "hooks")
}

/// Creates the table of revoked hooks, if there is none.
pub fn create_hooks(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, &[HOOKS])
}

/// Creates the table of tokens that were revoked one by one, if there is none.
pub fn create_revoked_tokens(store: &impl Store) -> Result<(), StoreError> {
    run_all(store, &[REVOKED_TOKENS])
}

/// Whether there is this table.
fn has_table(store: &impl Store, name: &str) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?";
    let [mut row] = rows(store.run(sql, &[name.into()])?)?;
    Ok(row.int()? > 0)
}

/// The version of the tables in `store`; 0 if there are none.
pub fn version(store: &impl Store) -> Result<i64, StoreError> {
    found(store).map(|(version, _)| version)
}

/// The version of the tables in `store`, 0 if there are none; and whether tokens of the device were revoked one by one.
/// Both are read together, because every mailbox that opens has to know them.
pub fn found(store: &impl Store) -> Result<(i64, bool), StoreError> {
    let sql = "SELECT coalesce(sum(name = 'account'), 0), coalesce(sum(name = ?), 0) \
               FROM sqlite_master WHERE type = 'table'";
    let [mut row] = rows(store.run(sql, &["revoked_tokens".into()])?)?;
    let (has_account, has_revoked) = (row.int()? > 0, row.int()? > 0);
    if !has_account {
        return Ok((0, false));
    }
    let mut found = store.run("SELECT schema FROM account WHERE one = 1", &[])?;
    // Nothing in this program leaves tables without that row; they would be empty.
    let version = found.pop().map_or(Ok(VERSION), |mut row| row.int())?;
    Ok((version, has_revoked))
}

/// Migrates the tables from `version` to [`VERSION`], in place.
///
/// # Errors
/// The store failed, or was written by a newer program.
pub fn upgrade(store: &impl Store, version: i64) -> Result<(), StoreError> {
    match version {
        VERSION => return Ok(()),
        0 => return run_all(store, TABLES),
        1 => {
            from_1(store)?;
            from_2(store)?;
            from_3(store)?;
        }
        2 => {
            from_2(store)?;
            from_3(store)?;
        }
        3 => from_3(store)?,
        4 => run_all(store, JOBS_5)?,
        5..=7 => {}
        _ => {
            return Err(StoreError(format!(
                "schema {version} is newer than {VERSION}"
            )));
        }
    }
    if version < 6 {
        run_all(store, ACCOUNT_6)?;
    }
    if version < 7 {
        run_all(store, ACCOUNT_7)?;
    }
    run_all(store, ACCOUNT_8)?;
    let sql = "UPDATE account SET schema = ? WHERE one = 1";
    store.run(sql, &[VERSION.into()]).map(drop)
}

fn run_all(store: &impl Store, statements: &[&str]) -> Result<(), StoreError> {
    statements
        .iter()
        .try_for_each(|statement| store.run(statement, &[]).map(drop))
}

fn rows<T, const N: usize>(rows: Vec<T>) -> Result<[T; N], StoreError> {
    let found = rows.len();
    rows.try_into()
        .map_err(|_| StoreError(format!("{found} rows where {N} were expected")))
}
