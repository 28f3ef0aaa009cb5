//! The rows of the messages that a device sent, with their deliveries, receipts and keys.

use std::collections::BTreeMap;

use tagpost_core::delivery::Delivery;
use tagpost_core::id::MessageId;
use tagpost_core::store::{Row, Store, StoreError};
use tagpost_core::time::Millis;
use tagpost_core::trace::Trace;

use super::rows::{OutboxRow, all};
use super::{Checked, Ledger, broken, claim};
use crate::store::Sqlite;

impl Ledger {
    pub(super) fn read_outbox(&mut self, place: usize, store: &Sqlite, now: Millis) -> Checked {
        let sql = "SELECT id, accepted_at, expires_at, open, states, done_at, idempotency_key, deliveries, \
                   plan FROM outbox WHERE length(id) = 16";
        let read = |mut row: Row| {
            let id = row.id()?;
            let (accepted_at, expires_at) = (row.int()?, row.int()?);
            let (open, states): (u32, i64) = (row.count()?, row.int()?);
            let (done_at, key, text) = (row.opt_int()?, row.opt_text()?, row.opt_text()?);
            let plan = row.opt_text()?.map(|text| serde_json::from_str(&text));
            let plan = plan
                .transpose()
                .map_err(|error| StoreError(error.to_string()))?;
            Ok((
                id,
                expires_at,
                open,
                states,
                OutboxRow {
                    texts: text.into_iter().collect(),
                    accepted_at,
                    done_at,
                    key,
                    plan: plan.unwrap_or_default(),
                },
            ))
        };
        let tables = &self.tables[place];
        let seen = tables.account.map_or(0, |account| account.receipts_seen);
        let last = tables.receipts.last_key_value();
        let last = last.map_or(seen, |(last, _)| (*last).max(seen));
        let mut rows = BTreeMap::new();
        for (id, expires_at, open, states, mut row) in all(store, sql, read)? {
            if row.texts.is_empty() {
                let parts = "SELECT deliveries FROM parts WHERE id = ? ORDER BY first";
                let found = store.run(parts, &[id.into()]).map_err(broken)?;
                row.texts = found
                    .into_iter()
                    .map(|mut row| row.text())
                    .collect::<Result<_, _>>()
                    .map_err(broken)?;
            }
            let known = self.tables[place].outbox.get(&id);
            let same = |known: &OutboxRow| {
                known.texts == row.texts && known.done_at == row.done_at && known.plan == row.plan
            };
            if !known.is_some_and(same) {
                self.accepted(place, id)?;
                self.is_sent(place, id, expires_at);
                self.has_enough(id, &row)?;
                self.goes_where_it_leads(id, &row)?;
                let latest = self.tables[place].latest;
                self.escalates(id, &row, expires_at, latest)?;
                self.ends_without_delivery(id, &row, last)?;
                self.read_deliveries(id, &row, open, states, last)?;
                self.keep_key(place, id, &row)?;
            }
            rows.insert(id, row);
        }
        let left = "SELECT idempotency_key FROM keys WHERE id NOT IN \
                    (SELECT substr(id, -16) FROM outbox)";
        let left = all(store, left, |mut row: Row| row.text())?;
        claim("a key goes with its message", left.is_empty(), || {
            format!("device {place} keeps {left:?}")
        })?;
        for (id, row) in self.read_groups(place, store)? {
            claim(
                "a sent message has one row",
                rows.insert(id, row).is_none(),
                || id.to_string(),
            )?;
        }
        let before = std::mem::replace(&mut self.tables[place].outbox, rows);
        let mut gone = None;
        for (id, row) in &before {
            if self.tables[place].outbox.contains_key(id) {
                continue;
            }
            let receipts = &mut self.tables[place].receipts;
            receipts.retain(|_, (of, device)| {
                if *of == *id {
                    let track = self.deliveries.entry((*id, *device)).or_default();
                    track.lapsed = true;
                }
                *of != *id
            });
            let kept = row.done_at.is_some_and(|at| at + self.retention() <= now);
            let free = self
                .messages
                .get(id)
                .is_none_or(|message| message.void || !message.answered);
            let made_room = self.has_made_room(place, row);
            if made_room && !kept {
                gone = Some(*id);
            }
            claim(
                "a trace is kept for the retention time",
                kept || free || made_room,
                || format!("{id} was done at {:?} and is gone at {now}", row.done_at),
            )?;
        }
        match gone {
            Some(gone) => self.older_made_room_first(place, &before, gone),
            None => Ok(()),
        }
    }

    /// The messages in `groups`: all settled, each row summed up, nothing ever changed.
    fn read_groups(
        &mut self,
        place: usize,
        store: &Sqlite,
    ) -> Checked<Vec<(MessageId, OutboxRow)>> {
        let sql = "SELECT first, last, states, done_at, messages FROM groups";
        let read = |mut row: Row| {
            let (first, last) = (row.id()?, row.id()?);
            Ok((first, last, row.int()?, row.int()?, row.text()?))
        };
        let mut rows = Vec::new();
        for (first, last, states, done_at, text) in all(store, sql, read)? {
            let traces: Vec<Trace> = serde_json::from_str(&text).map_err(broken)?;
            let deliveries = traces.iter().flat_map(|trace| &trace.deliveries);
            let exact = deliveries.fold(0, |bits, delivery| bits | delivery.state.bit());
            let ids: Vec<MessageId> = traces.iter().map(|trace| trace.id).collect();
            let holds = (ids.first(), ids.last()) == (Some(&first), Some(&last))
                && ids.is_sorted_by(|a, b| a < b)
                && first.time().div_euclid(1000) == last.time().div_euclid(1000)
                && states == exact
                && traces.iter().all(Trace::is_settled);
            claim("a group sums up its messages", holds, || text.clone())?;
            for trace in traces {
                let row = OutboxRow {
                    texts: vec![serde_json::to_string(&trace.deliveries).map_err(broken)?],
                    accepted_at: trace.accepted_at,
                    done_at: Some(done_at),
                    key: None,
                    plan: trace.plan.clone(),
                };
                let known = self.tables[place].outbox.get(&trace.id);
                let same =
                    |known: &OutboxRow| known.texts == row.texts && known.done_at == row.done_at;
                claim("a group never changes", known.is_none_or(same), || {
                    format!("{known:?}, then {row:?}")
                })?;
                if known.is_none() {
                    self.is_sent(place, trace.id, trace.expires_at);
                    self.has_enough(trace.id, &row)?;
                    self.goes_where_it_leads(trace.id, &row)?;
                    let latest = self.tables[place].latest;
                    self.escalates(trace.id, &row, trace.expires_at, latest)?;
                    let states = trace.deliveries.iter();
                    let states = states.fold(0, |bits, delivery| bits | delivery.state.bit());
                    self.read_deliveries(trace.id, &row, 0, states, 0)?;
                }
                rows.push((trace.id, row));
            }
        }
        Ok(rows)
    }

    /// A message is in a row of its sender.
    fn is_sent(&mut self, place: usize, id: MessageId, expires_at: Millis) {
        let message = self.messages.entry(id).or_default();
        (message.sender, message.accepted) = (place, true);
        message.expire(expires_at);
    }

    fn read_deliveries(
        &mut self,
        id: MessageId,
        row: &OutboxRow,
        open: u32,
        states: i64,
        last: i64,
    ) -> Checked {
        let mut devices = Vec::new();
        let (mut still_open, mut exact) = (0, 0);
        for text in &row.texts {
            let deliveries: Vec<Delivery> = serde_json::from_str(text).map_err(broken)?;
            for delivery in deliveries {
                let device = self.places[&delivery.device];
                devices.push(device);
                exact |= delivery.state.bit();
                if delivery.state.is_terminal() {
                    self.ended(id, device, &delivery)?;
                } else {
                    still_open += 1;
                }
                if let Some(seq) = delivery.receipt {
                    self.keep_receipt(seq, id, device, last)?;
                }
            }
        }
        let is_done = open == 0 && !row.plan.has_steps();
        let holds =
            still_open == open && states & exact == exact && row.done_at.is_some() == is_done;
        claim("a message's row sums up its deliveries", holds, || {
            format!(
                "{id}: open {open} of {still_open}, states {states:b} of {exact:b}, done at {:?}",
                row.done_at
            )
        })?;
        let message = self.messages.entry(id).or_default();
        claim(
            "a message keeps its deliveries",
            message
                .devices
                .iter()
                .all(|device| devices.contains(device)),
            || format!("{id}: {:?}, then {devices:?}", message.devices),
        )?;
        message.devices = devices;
        Ok(())
    }

    /// `last` is the last number before this event.
    pub(super) fn keep_receipt(
        &mut self,
        seq: i64,
        id: MessageId,
        device: usize,
        last: i64,
    ) -> Checked {
        let sender = self.messages.get(&id).map_or(0, |message| message.sender);
        let known = self.tables[sender].receipts.insert(seq, (id, device));
        claim(
            "receipts are numbered upwards, each once",
            known.map_or(seq > last, |known| known == (id, device)),
            || format!("{seq} after {last}: {known:?}, then {id} to device {device}"),
        )
    }

    fn keep_key(&mut self, sender: usize, id: MessageId, row: &OutboxRow) -> Checked {
        let key = row
            .key
            .as_deref()
            .and_then(|key| key.trim_start_matches("key ").parse().ok());
        let Some(key) = key else { return Ok(()) };
        let known = self
            .keys
            .insert((sender, key), id)
            .filter(|known| *known != id);
        let kept = known.is_some_and(|known| self.tables[sender].outbox.contains_key(&known));
        claim(
            "an idempotency key never makes a second message",
            !kept,
            || format!("key {key}: {known:?}, then {id}"),
        )
    }
}
