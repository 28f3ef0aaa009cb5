//! The rows of the table `inbox`: all statements on it, and what a row means.
//!
//! A row with `settled` is a delivery in a last state whose receipt the sender's mailbox has not
//! taken; every other row is a message to deliver. Which of these are on the wire is not in the rows.

use super::link::InFlight;
use crate::delivery::{Delivery, State, Step};
use crate::id::{DeviceId, MessageId, Topic};
use crate::message::{Message, Urgency};
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};
use crate::time::Millis;

/// The key of a row; its order is the order of delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// 0 for the highest urgency.
    pub(super) rank: i64,
    pub(super) id: MessageId,
}

impl Key {
    pub(super) fn of(message: &Message) -> Self {
        let rank = match message.urgency {
            Urgency::High => 0,
            Urgency::Normal => 1,
            Urgency::Low => 2,
            Urgency::VeryLow => 3,
        };
        Self {
            rank,
            id: message.id,
        }
    }
}

/// A message to deliver.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: Key,
    pub(super) sender: DeviceId,
    pub(super) expires_at: Millis,
    pub(super) size: u64,
    /// When it was stored to wait; 0 where it went on the wire before it was stored.
    held_at: Millis,
    pub(super) attempts: u32,
    /// When it may be sent again, or, after the last attempt, when it is given up.
    pub(super) retry_at: Millis,
    /// When it was sent, each time.
    sent: Vec<Millis>,
}

/// All but the message itself, which is read one by one with [`message`]: a payload may be large.
const COLUMNS: &str = "rank, id, sender, expires_at, size, held_at, attempts, retry_at, sent";

impl Held {
    fn read(mut row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            key: Key {
                rank: row.int()?,
                id: row.id()?,
            },
            sender: row
                .text()?
                .parse()
                .map_err(|error| StoreError(format!("inbox: {error}")))?,
            expires_at: row.int()?,
            size: row.count()?,
            held_at: row.int()?,
            attempts: row.count()?,
            retry_at: row.int()?,
            sent: from_json(&row.text()?)?,
        })
    }

    /// Counts one more attempt.
    pub(super) fn send(&mut self, at: Millis, retry_at: Millis) {
        self.attempts += 1;
        self.sent.push(at);
        self.retry_at = retry_at;
    }

    /// Takes over what only the in-flight window knew.
    pub(super) fn catch_up(&mut self, entry: &InFlight) {
        if entry.attempt > self.attempts {
            self.attempts = entry.attempt;
            self.sent.push(entry.sent_at);
        }
    }

    /// Where this delivery stands.
    pub(super) fn delivery(&self, device: &DeviceId, on_the_wire: bool) -> Delivery {
        let held = (self.held_at > 0).then_some(Step {
            event: State::Held,
            at: self.held_at,
            attempt: 0,
        });
        let sent = self.sent.iter().zip(1..);
        let sent = sent.map(|(at, attempt)| Step {
            event: State::Sent,
            at: *at,
            attempt,
        });
        let steps: Vec<Step> = held.into_iter().chain(sent).collect();
        Delivery {
            device: device.clone(),
            state: if on_the_wire {
                State::Sent
            } else {
                State::Held
            },
            at: steps.last().map_or(0, |step| step.at),
            attempts: self.attempts,
            reply: None,
            reason: None,
            steps,
            receipt: None,
        }
    }
}

/// What the table says of a message.
#[derive(Debug)]
pub(super) enum Found {
    Held(Held),
    Settled(Delivery),
}

/// What a mailbox has to know of its inbox before it can go on.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Rows that are not settled.
    pub(super) messages: u32,
    /// Their payloads' bytes.
    pub(super) bytes: u64,
    /// The earliest expiry among them.
    pub(super) expires_at: Option<Millis>,
    /// Whether there are rows that are.
    pub(super) settled: bool,
}

/// Stores a message. `sent` is `Some` where it is on the wire already.
pub(super) fn insert(
    store: &impl Store,
    message: &Message,
    held_at: Millis,
    sent: Option<(&InFlight, Millis)>,
) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO inbox (rank, id, sender, topic, expires_at, size, held_at, attempts, \
               retry_at, sent, settled, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)";
    let key = Key::of(message);
    let (attempts, retry_at, times) = match sent {
        Some((entry, due_at)) => (entry.attempt, due_at, to_json(&[entry.sent_at])?),
        None => (0, 0, "[]".to_owned()),
    };
    let values = [
        key.rank.into(),
        key.id.into(),
        message.from.as_str().into(),
        message.topic.as_ref().map(Topic::as_str).into(),
        message.expires_at.into(),
        message.size.into(),
        held_at.into(),
        attempts.into(),
        retry_at.into(),
        times.into(),
        to_json(message)?.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// The row of a message, whatever its urgency.
pub(super) fn find(store: &impl Store, id: MessageId) -> Result<Option<Found>, StoreError> {
    let sql = format!("SELECT settled, {COLUMNS} FROM inbox WHERE rank IN (0, 1, 2, 3) AND id = ?");
    let Some(mut row) = store.run(&sql, &[id.into()])?.pop() else {
        return Ok(None);
    };
    Ok(Some(match row.opt_text()? {
        Some(settled) => Found::Settled(from_json(&settled)?),
        None => Found::Held(Held::read(row)?),
    }))
}

/// The message to deliver that has this id.
pub(super) fn held(store: &impl Store, id: MessageId) -> Result<Option<Held>, StoreError> {
    Ok(match find(store, id)? {
        Some(Found::Held(held)) => Some(held),
        Some(Found::Settled(_)) | None => None,
    })
}

/// The message of a row that is not settled.
pub(super) fn message(store: &impl Store, key: Key) -> Result<Message, StoreError> {
    let sql = "SELECT body FROM inbox WHERE rank = ? AND id = ?";
    let row = store.run(sql, &[key.rank.into(), key.id.into()])?.pop();
    let mut row = row.ok_or_else(|| StoreError("a message that is gone".to_owned()))?;
    from_json(&row.text()?)
}

/// The messages to deliver of this sender and topic.
pub(super) fn of_topic(
    store: &impl Store,
    sender: &DeviceId,
    topic: &Topic,
) -> Result<Vec<Held>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM inbox WHERE sender = ? AND topic = ? AND settled IS NULL");
    read(
        store,
        &sql,
        &[sender.as_str().into(), topic.as_str().into()],
    )
}

/// Messages that were sent before, oldest first, after `after`; only those due by `due` where given.
pub(super) fn sent_before(
    store: &impl Store,
    after: Option<MessageId>,
    due: Option<Millis>,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM inbox INDEXED BY inbox_again WHERE attempts > 0 AND settled IS NULL \
         AND id > ? AND retry_at <= ? ORDER BY id LIMIT ?"
    );
    let after = after.map_or(Value::Blob(Vec::new()), Value::from);
    read(
        store,
        &sql,
        &[after, due.unwrap_or(MAX_INT).into(), limit.into()],
    )
}

/// The greatest number that the platform carries exactly.
const MAX_INT: i64 = (1 << 53) - 1;

/// Messages that were never sent, in order of delivery, after `after`.
pub(super) fn never_sent(
    store: &impl Store,
    after: Option<Key>,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM inbox WHERE (rank, id) > (?, ?) AND attempts = 0 AND settled IS NULL \
         ORDER BY rank, id LIMIT ?"
    );
    let (rank, id) = after.map_or((Value::Int(-1), Value::Blob(Vec::new())), |key| {
        (key.rank.into(), key.id.into())
    });
    read(store, &sql, &[rank, id, limit.into()])
}

/// Messages that expired by `now`.
pub(super) fn expired(
    store: &impl Store,
    now: Millis,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM inbox WHERE settled IS NULL AND expires_at <= ? LIMIT ?");
    read(store, &sql, &[now.into(), limit.into()])
}

/// Any messages to deliver.
pub(super) fn any(store: &impl Store, limit: u32) -> Result<Vec<Held>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM inbox WHERE settled IS NULL LIMIT ?");
    read(store, &sql, &[limit.into()])
}

/// Writes how often and when a message was sent.
pub(super) fn save_attempts(store: &impl Store, held: &Held) -> Result<(), StoreError> {
    let sql = "UPDATE inbox SET attempts = ?, retry_at = ?, sent = ? WHERE rank = ? AND id = ?";
    let values = [
        held.attempts.into(),
        held.retry_at.into(),
        to_json(&held.sent)?.into(),
        held.key.rank.into(),
        held.key.id.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// Counts what there is to deliver. Goes through the whole table.
pub(super) fn totals(store: &impl Store) -> Result<Totals, StoreError> {
    let sql = "SELECT count(*) FILTER (WHERE settled IS NULL), \
               coalesce(sum(size) FILTER (WHERE settled IS NULL), 0), \
               min(expires_at) FILTER (WHERE settled IS NULL), \
               count(*) FILTER (WHERE settled IS NOT NULL) > 0 FROM inbox";
    let Some(mut row) = store.run(sql, &[])?.pop() else {
        return Ok(Totals::default());
    };
    Ok(Totals {
        messages: row.count()?,
        bytes: row.count()?,
        expires_at: row.opt_int()?,
        settled: row.int()? > 0,
    })
}

/// The earliest time after `now` at which a message that was sent is due again, or at which one that was
/// sent as often as allowed is given up.
pub(super) fn next_retry(
    store: &impl Store,
    now: Millis,
    max_attempts: u32,
) -> Result<Option<Millis>, StoreError> {
    let sql = "SELECT min(retry_at) FROM inbox INDEXED BY inbox_again \
               WHERE attempts > 0 AND settled IS NULL AND (retry_at > ? OR attempts >= ?)";
    let mut rows = store.run(sql, &[now.into(), max_attempts.into()])?;
    rows.pop().map_or(Ok(None), |mut row| row.opt_int())
}

fn read(store: &impl Store, sql: &str, values: &[Value]) -> Result<Vec<Held>, StoreError> {
    store
        .run(sql, values)?
        .into_iter()
        .map(Held::read)
        .collect()
}

/// Messages that were sent and were not to be sent again until now.
pub(super) fn leases_over(
    store: &impl Store,
    now: Millis,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM inbox INDEXED BY inbox_again WHERE attempts > 0 AND settled IS NULL \
         AND retry_at > 0 AND retry_at <= ? LIMIT ?"
    );
    read(store, &sql, &[now.into(), limit.into()])
}

/// How many messages were sent and may not be sent again yet.
pub(super) fn leased(store: &impl Store, now: Millis) -> Result<u32, StoreError> {
    let sql = "SELECT count(*) FROM inbox INDEXED BY inbox_again \
               WHERE attempts > 0 AND settled IS NULL AND retry_at > ?";
    store
        .run(sql, &[now.into()])?
        .pop()
        .map_or(Ok(0), |mut row| row.count())
}
