//! The rows of the table `inbox`: the statements on it, and what a row means.
//!
//! A row of rank -1 is a delivery in a terminal state that the sender's mailbox has not recorded yet: see
//! [`super::settled_rows`]. Every other row is a message to deliver. Not in the rows: which messages are in flight, and
//! which were when a connection ended; see [`super::lost`].

use super::attempts::Attempts;
use super::connection::InFlight;
pub(super) use super::key::{Key, lane_of, ranks};
use crate::delivery::{Delivery, Event, IllegalTransition, Phase, State, Step};
use crate::id::{DeviceId, MessageId, Sender, Topic};
use crate::message::{Lane, Message, Turn, turn};
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};
use crate::time::Millis;

/// A message to deliver.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: Key,
    pub(super) sender: Sender,
    pub(super) expires_at: Millis,
    pub(super) size: u64,
    /// Since when it is held; 0 if it was sent before it was stored.
    pub(super) held_at: Millis,
    /// When its lease ends, or its progress if a poll has taken it; 0 if neither.
    pub(super) retry_at: Millis,
    pub(super) attempts: Attempts,
}

/// All columns except the message itself. [`message`] reads messages one by one, because payloads may be large.
const COLUMNS: &str = "rank, id, sender, expires_at, size, held_at, retry_at, sent";

impl Held {
    /// A message that has just been stored.
    pub(super) fn of(message: &Message) -> Self {
        Self {
            key: Key::of(message),
            sender: message.from.clone(),
            expires_at: message.expires_at,
            size: u64::from(message.size),
            held_at: 0,
            retry_at: 0,
            attempts: Attempts::default(),
        }
    }

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
            retry_at: row.int()?,
            attempts: from_json(&row.text()?)?,
        })
    }

    /// Adds what a record of its attempts in [`super::lost`] knows better.
    pub(super) fn learn(&mut self, known: &Attempts) {
        if known.made >= self.attempts.made {
            let row = std::mem::replace(&mut self.attempts, known.clone());
            self.attempts.learn_progress(&row);
        }
    }

    /// Adds the attempt that only the in-flight window knew.
    pub(super) fn catch_up(&mut self, entry: &InFlight) {
        self.attempts.note_sent(entry.attempt, entry.sent_at);
    }

    /// Its delivery, in this phase.
    pub(super) fn delivery(&self, device: &DeviceId, phase: Phase) -> Delivery {
        let held = (self.held_at > 0).then(|| Step::new(State::Held, self.held_at, 0));
        let steps: Vec<Step> = held.into_iter().chain(self.attempts.steps()).collect();
        Delivery {
            device: device.clone(),
            state: phase.state(),
            at: steps.last().map_or(0, |step| step.at),
            attempts: self.attempts.made,
            reply: None,
            reply_truncated: false,
            reason: None,
            steps,
            receipt: None,
            woken: Vec::new(),
        }
    }

    /// Its delivery after an event that happens in this phase.
    pub(super) fn after(
        &self,
        device: &DeviceId,
        phase: Phase,
        event: Event,
        at: Millis,
    ) -> Result<Delivery, IllegalTransition> {
        self.delivery(device, phase).apply_in(phase, event, at)
    }
}

/// A message that another one of its sender and topic may replace.
#[derive(Debug)]
pub(super) struct SameTopic {
    pub(super) id: MessageId,
    pub(super) size: u64,
    pub(super) turn: Turn,
}

impl SameTopic {
    pub(super) fn of(message: &Message) -> Self {
        Self {
            id: message.id,
            size: message.size.into(),
            turn: turn(message.id, message.sent_at),
        }
    }
}

/// A row: a message to deliver, or a settled delivery.
#[derive(Debug)]
pub(super) enum Found {
    Held(Held),
    Settled(Delivery),
}

/// Stores a message. `sent` is its attempt and when that was sent, if it was sent.
pub(super) fn insert(
    store: &impl Store,
    message: &Message,
    held_at: Millis,
    sent: Option<(u32, Millis)>,
) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO inbox (rank, id, sender, topic, expires_at, size, held_at, attempts, \
               retry_at, sent, settled, body) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?, NULL, ?)";
    let key = Key::of(message);
    let mut attempts = Attempts::default();
    if let Some((attempt, at)) = sent {
        attempts.note_sent(attempt, at);
    }
    let values = [
        key.rank.into(),
        key.id.into(),
        message.from.as_str().into(),
        message.topic.as_ref().map(Topic::as_str).into(),
        message.expires_at.into(),
        message.size.into(),
        held_at.into(),
        to_json(&attempts)?.into(),
        to_json(message)?.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// The row of a message of a device, whatever its urgency.
pub(super) fn find(store: &impl Store, id: MessageId) -> Result<Option<Found>, StoreError> {
    let sql =
        format!("SELECT settled, {COLUMNS} FROM inbox WHERE rank IN (-1, 0, 1, 2, 3) AND id = ?");
    let Some(mut row) = store.run(&sql, &[id.into()])?.pop() else {
        return Ok(None);
    };
    Ok(Some(match row.opt_text()? {
        Some(settled) => Found::Settled(from_json(&settled)?),
        None => Found::Held(Held::read(row)?),
    }))
}

/// The message to deliver of this lane and id.
pub(super) fn held(
    store: &impl Store,
    lane: Lane,
    id: MessageId,
) -> Result<Option<Held>, StoreError> {
    if lane == Lane::Channels {
        let sql = format!("SELECT {COLUMNS} FROM inbox WHERE rank IN (4, 5, 6, 7) AND id = ?");
        return Ok(read(store, &sql, &[id.into()])?.pop());
    }
    Ok(match find(store, id)? {
        Some(Found::Held(held)) => Some(held),
        Some(Found::Settled(_)) | None => None,
    })
}

/// The messages to deliver of this lane among these, oldest first.
pub(super) fn these(
    store: &impl Store,
    lane: Lane,
    ids: &[MessageId],
) -> Result<Vec<Held>, StoreError> {
    let ranks = if lane == Lane::Devices {
        "0, 1, 2, 3"
    } else {
        "4, 5, 6, 7"
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM inbox WHERE rank IN ({ranks}) \
         AND id IN (SELECT unhex(value) FROM json_each(?)) ORDER BY id"
    );
    read(store, &sql, &[to_json(&hex(ids))?.into()])
}

/// Ids as hexadecimal text, which the statements turn back into bytes.
pub(super) fn hex(ids: &[MessageId]) -> Vec<String> {
    let hex = |id: &MessageId| format!("{:032x}", u128::from_be_bytes(id.to_bytes()));
    ids.iter().map(hex).collect()
}

/// The message of a row that is not settled.
pub(super) fn message(store: &impl Store, key: Key) -> Result<Message, StoreError> {
    let sql = "SELECT body FROM inbox WHERE rank = ? AND id = ?";
    let row = store.run(sql, &[key.rank.into(), key.id.into()])?.pop();
    let mut row = row.ok_or_else(|| StoreError("inbox: a message is missing".to_owned()))?;
    from_json(&row.text()?)
}

/// The messages to deliver of this sender and topic.
pub(super) fn of_topic(
    store: &impl Store,
    sender: &Sender,
    topic: &Topic,
) -> Result<Vec<SameTopic>, StoreError> {
    let sql = "SELECT id, size, json_extract(body, '$.sent_at') FROM inbox \
               WHERE sender = ? AND topic = ? AND settled IS NULL";
    let rows = store.run(sql, &[sender.as_str().into(), topic.as_str().into()])?;
    let read = |mut row: Row| {
        let (id, size) = (row.id()?, row.count()?);
        let turn = turn(id, row.int()?);
        Ok(SameTopic { id, size, turn })
    };
    rows.into_iter().map(read).collect()
}

/// Messages whose rows show that they were sent before, oldest first, after `after`: polled ones, and others that
/// [`save_sent_before`] has marked. If `due` is given, only those without a lease at that time.
pub(super) fn polled(
    store: &impl Store,
    lane: Lane,
    after: Option<MessageId>,
    due: Option<Millis>,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM inbox INDEXED BY inbox_again WHERE attempts > 0 AND settled IS NULL \
         AND id > ? AND retry_at <= ? AND rank BETWEEN ? AND ? ORDER BY id LIMIT ?"
    );
    let after = after.map_or(Value::Blob(Vec::new()), Value::from);
    let due = due.unwrap_or(MAX_INT);
    let [first, last] = ranks(lane);
    read(
        store,
        &sql,
        &[after, due.into(), first.into(), last.into(), limit.into()],
    )
}

/// The greatest integer that the platform represents exactly.
const MAX_INT: i64 = (1 << 53) - 1;

/// Messages of a lane whose rows do not show that they were sent, in order of delivery, after `after`. Those of
/// `held_up` are excluded: each is a rank and a sender, with a space between.
pub(super) fn waiting(
    store: &impl Store,
    lane: Lane,
    after: Option<Key>,
    held_up: &[String],
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM inbox WHERE (rank, id) > (?, ?) AND (rank, id) < (? + 1, x'') AND attempts = 0 \
         AND rank || ' ' || sender NOT IN (SELECT value FROM json_each(?)) ORDER BY rank, id LIMIT ?"
    );
    // Both bounds are positions: a bound on `rank` alone makes SQLite read one row more of each rank.
    let [first, last] = ranks(lane);
    let [rank, id] = position(after, first);
    let held_up = to_json(&held_up)?;
    read(
        store,
        &sql,
        &[rank, id, last.into(), held_up.into(), limit.into()],
    )
}

/// All messages to deliver, by urgency and age, after `after`.
pub(super) fn list(
    store: &impl Store,
    after: Option<Key>,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM inbox WHERE (rank, id) > (?, ?) ORDER BY rank, id LIMIT ?");
    let [rank, id] = position(after, 0);
    read(store, &sql, &[rank, id, limit.into()])
}

/// The oldest message to deliver of each urgency: one row for each, however many wait.
pub(super) fn oldest(store: &impl Store) -> Result<Vec<MessageId>, StoreError> {
    let sql = "SELECT (SELECT min(id) FROM inbox WHERE rank = value) AS oldest \
               FROM json_each('[0,1,2,3,4,5,6,7]') WHERE oldest IS NOT NULL";
    let rows = store.run(sql, &[])?.into_iter();
    rows.map(|mut row| row.id()).collect()
}

/// The position to read after; without a key, the position before all messages from the rank `first` on.
fn position(after: Option<Key>, first: i64) -> [Value; 2] {
    match after {
        Some(key) => [key.rank.into(), key.id.into()],
        None => [first.into(), Value::Blob(Vec::new())],
    }
}

/// Messages that expired by `now`.
pub(super) fn expired(
    store: &impl Store,
    now: Millis,
    limit: u32,
) -> Result<Vec<Held>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM inbox WHERE rank >= 0 AND expires_at <= ? LIMIT ?");
    read(store, &sql, &[now.into(), limit.into()])
}

/// Any messages to deliver.
pub(super) fn any(store: &impl Store, limit: u32) -> Result<Vec<Held>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM inbox WHERE rank >= 0 LIMIT ?");
    read(store, &sql, &[limit.into()])
}

/// Marks a message as sent before, so that [`polled`] finds it. It is leased until `retry_at`; if that is 0, it waits
/// again.
pub(super) fn save_sent_before(store: &impl Store, held: &Held) -> Result<(), StoreError> {
    let sql = "UPDATE inbox SET attempts = ?, retry_at = ?, sent = ? WHERE rank = ? AND id = ?";
    let values = [
        held.attempts.made.max(1).into(),
        held.retry_at.into(),
        to_json(&held.attempts)?.into(),
        held.key.rank.into(),
        held.key.id.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// Updates the attempts. Does not change an indexed column, so that it costs one row.
pub(super) fn save_attempts(store: &impl Store, held: &Held) -> Result<(), StoreError> {
    let sql = "UPDATE inbox SET retry_at = ?, sent = ? WHERE rank = ? AND id = ?";
    let values = [
        held.retry_at.into(),
        to_json(&held.attempts)?.into(),
        held.key.rank.into(),
        held.key.id.into(),
    ];
    store.run(sql, &values as &[Value]).map(drop)
}

/// When the next lease ends after `now`, or the next progress that a row shows.
pub(super) fn next_retry(store: &impl Store, now: Millis) -> Result<Option<Millis>, StoreError> {
    let sql = "SELECT min(retry_at) FROM inbox INDEXED BY inbox_again \
               WHERE attempts > 0 AND settled IS NULL AND retry_at > ?";
    let mut rows = store.run(sql, &[now.into()])?;
    rows.pop().map_or(Ok(None), |mut row| row.opt_int())
}

/// Messages whose leases have run out, or the progress that their rows show.
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

/// How many messages are leased, and how many are in progress as their rows show.
pub(super) fn at_work(store: &impl Store, now: Millis) -> Result<(u32, u32), StoreError> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE json_extract(sent, '$.p[2]') > 0) \
               FROM inbox INDEXED BY inbox_again WHERE attempts > 0 AND settled IS NULL AND retry_at > ?";
    let Some(mut row) = store.run(sql, &[now.into()])?.pop() else {
        return Ok((0, 0));
    };
    let (all, in_progress): (u32, u32) = (row.count()?, row.count()?);
    Ok((all - in_progress, in_progress))
}

fn read(store: &impl Store, sql: &str, values: &[Value]) -> Result<Vec<Held>, StoreError> {
    store
        .run(sql, values)?
        .into_iter()
        .map(Held::read)
        .collect()
}
