//! The rows of `groups`: messages that were settled when their publish was answered, several per row.
//!
//! A row is written once, read by any of its messages' ids, and overwritten or deleted as a whole. All its messages
//! were accepted in the same second, so that few rows can contain an id; rows may overlap.

use super::retention::{FirstRows, put};
use super::rows::states;
use crate::id::MessageId;
use crate::store::{Row, Store, StoreError, Value, from_json, to_json};
use crate::time::Millis;
use crate::trace::Trace;

/// The most bytes in a row. The platform allows 2 MB.
const ROW_BYTES: usize = 1_000_000;

/// The least id of the second of `id`, and that of the next.
fn second(id: MessageId) -> (MessageId, MessageId) {
    let start = id.time() - id.time().rem_euclid(1000);
    (MessageId::least(start), MessageId::least(start + 1000))
}

/// Stores messages that were settled by `done_at`, in the order of their ids, in as few rows as possible. `over` gives
/// the rows that they may overwrite.
pub(super) fn insert<'a>(
    store: &impl Store,
    mut over: impl FnMut() -> Result<Option<MessageId>, StoreError>,
    traces: impl Iterator<Item = &'a Trace>,
    done_at: Millis,
) -> Result<(), StoreError> {
    let mut row: Option<Group> = None;
    for trace in traces {
        let text = to_json(trace)?;
        match row.as_mut().filter(|row| row.has_room(trace, &text)) {
            Some(row) => row.add(trace, &text),
            None => {
                let full = row.replace(Group::of(trace, &text));
                full.map_or(Ok(()), |full| full.save(store, over()?, done_at))?;
            }
        }
    }
    row.map_or(Ok(()), |row| row.save(store, over()?, done_at))
}

/// A row that is being built.
struct Group {
    first: MessageId,
    last: MessageId,
    states: i64,
    messages: String,
}

impl Group {
    fn of(trace: &Trace, text: &str) -> Self {
        Self {
            first: trace.id,
            last: trace.id,
            states: states(&trace.deliveries),
            messages: format!("[{text}"),
        }
    }

    fn has_room(&self, trace: &Trace, text: &str) -> bool {
        second(self.first) == second(trace.id) && self.messages.len() + text.len() <= ROW_BYTES
    }

    fn add(&mut self, trace: &Trace, text: &str) {
        self.last = trace.id;
        self.states |= states(&trace.deliveries);
        self.messages.push(',');
        self.messages.push_str(text);
    }

    fn save(
        mut self,
        store: &impl Store,
        over: Option<MessageId>,
        done_at: Millis,
    ) -> Result<(), StoreError> {
        self.messages.push(']');
        let columns = ["first", "last", "states", "done_at", "messages"];
        let values = vec![
            self.first.into(),
            self.last.into(),
            self.states.into(),
            done_at.into(),
            self.messages.into(),
        ];
        put(store, "groups", &columns, values, over.map(Value::from))
    }
}

fn read(mut row: Row) -> Result<Vec<Trace>, StoreError> {
    from_json(&row.text()?)
}

/// Finds a message.
pub(super) fn find(store: &impl Store, id: MessageId) -> Result<Option<Trace>, StoreError> {
    let sql = "SELECT messages FROM groups WHERE first >= ? AND first <= ? AND last >= ?";
    for row in store.run(sql, &[second(id).0.into(), id.into(), id.into()])? {
        if let Some(trace) = read(row)?.into_iter().find(|trace| trace.id == id) {
            return Ok(Some(trace));
        }
    }
    Ok(None)
}

/// Changes a message, if it is here.
pub(super) fn change(
    store: &impl Store,
    id: MessageId,
    change: impl FnOnce(&mut Trace),
) -> Result<(), StoreError> {
    let sql = "SELECT first, messages FROM groups WHERE first >= ? AND first <= ? AND last >= ?";
    for mut row in store.run(sql, &[second(id).0.into(), id.into(), id.into()])? {
        let first = row.id()?;
        let mut traces = read(row)?;
        if let Some(trace) = traces.iter_mut().find(|trace| trace.id == id) {
            change(trace);
            let sql = "UPDATE groups SET messages = ? WHERE first = ?";
            return store
                .run(sql, &[to_json(&traces)?.into(), first.into()])
                .map(drop);
        }
    }
    Ok(())
}

/// Messages, newest first.
#[derive(Debug)]
pub(super) struct Newest {
    before: Option<MessageId>,
    states: i64,
    /// The rest of the current second, oldest first.
    second: Vec<Trace>,
}

impl Newest {
    /// Those before `before` with a delivery in one of these states.
    pub(super) fn before(before: Option<MessageId>, states: i64) -> Self {
        Self {
            before,
            states,
            second: Vec::new(),
        }
    }

    pub(super) fn next(&mut self, store: &impl Store) -> Result<Option<Trace>, StoreError> {
        let newest = "SELECT first FROM groups WHERE first < ? AND (states & ?) != 0 \
                      ORDER BY first DESC LIMIT 1";
        while self.second.is_empty() {
            let end = self.before.map_or(Value::Blob(vec![0xff; 17]), Value::from);
            let Some(mut row) = store.run(newest, &[end, self.states.into()])?.pop() else {
                return Ok(None);
            };
            self.read_second(store, second(row.id()?))?;
        }
        Ok(self.second.pop())
    }

    fn read_second(
        &mut self,
        store: &impl Store,
        (start, end): (MessageId, MessageId),
    ) -> Result<(), StoreError> {
        let sql =
            "SELECT messages FROM groups WHERE first >= ? AND first < ? AND (states & ?) != 0";
        for row in store.run(sql, &[start.into(), end.into(), self.states.into()])? {
            for trace in read(row)? {
                let wanted = states(&trace.deliveries) & self.states != 0;
                if wanted && self.before.is_none_or(|before| trace.id < before) {
                    self.second.push(trace);
                }
            }
        }
        // Each row is in order, but rows may overlap.
        self.second.sort_by_key(|trace| trace.id);
        self.before = Some(start);
        Ok(())
    }
}

/// The newest id.
pub(super) fn newest(store: &impl Store) -> Result<Option<MessageId>, StoreError> {
    let sql = "SELECT first FROM groups ORDER BY first DESC LIMIT 1";
    let Some(mut row) = store.run(sql, &[])?.pop() else {
        return Ok(None);
    };
    // Only a row of the same second can end later.
    let sql = "SELECT last FROM groups WHERE first >= ? ORDER BY last DESC LIMIT 1";
    let row = store.run(sql, &[second(row.id()?).0.into()])?.pop();
    row.map(|mut row| row.id()).transpose()
}

/// When the earliest of the oldest rows was done; see [`super::rows::oldest`].
pub(super) fn oldest(store: &impl Store) -> Result<Option<Millis>, StoreError> {
    let sql = "SELECT min(done_at) FROM (SELECT done_at FROM groups ORDER BY first LIMIT 100)";
    store
        .run(sql, &[])?
        .pop()
        .map_or(Ok(None), |mut row| row.opt_int())
}

/// The first rows, and when each was done.
pub(super) fn first(store: &impl Store, limit: u32) -> Result<FirstRows, StoreError> {
    let sql = "SELECT first, done_at FROM \
               (SELECT first, done_at FROM groups ORDER BY first LIMIT ?) ORDER BY done_at";
    let rows = store.run(sql, &[limit.into()])?;
    rows.into_iter()
        .map(|mut row| Ok((row.id()?, row.opt_int()?)))
        .collect()
}

/// The first and the last id of each of the first rows.
pub(super) fn in_order(
    store: &impl Store,
    limit: u32,
) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
    let sql = "SELECT first, last FROM groups ORDER BY first LIMIT ?";
    let rows = store.run(sql, &[limit.into()])?;
    rows.into_iter()
        .map(|mut row| Ok((row.id()?, row.id()?)))
        .collect()
}

/// Deletes the row that starts with this id.
pub(super) fn delete(store: &impl Store, first: MessageId) -> Result<(), StoreError> {
    store
        .run("DELETE FROM groups WHERE first = ?", &[first.into()])
        .map(drop)
}

/// Deletes up to `limit` rows that were done by `until`; returns how many.
pub(super) fn delete_done(
    store: &impl Store,
    until: Millis,
    limit: u32,
) -> Result<usize, StoreError> {
    let sql = "DELETE FROM groups WHERE first IN (SELECT first FROM groups \
               WHERE first < ? AND done_at <= ? ORDER BY first LIMIT ?) RETURNING first";
    // No message is done before it is accepted: later rows need not be read.
    let end = MessageId::least(until.saturating_add(1));
    let rows = store.run(sql, &[end.into(), until.into(), limit.into()])?;
    Ok(rows.len())
}
