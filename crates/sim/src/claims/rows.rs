//! The rows of a mailbox as last committed, and the changes that are allowed.

use std::collections::{BTreeMap, BTreeSet};

use tagpost_core::delivery::Delivery;
use tagpost_core::id::MessageId;
use tagpost_core::plan::Plan;
use tagpost_core::store::{Row, Store, StoreError};
use tagpost_core::time::Millis;
use tagpost_core::token::TokenId;

use super::revoked::RevokedRow;
use super::{Checked, KnockSent, Ledger, broken, claim};
use crate::store::Sqlite;

/// The tables of one mailbox.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// The last reading of its clock.
    pub(super) now: Millis,
    /// How often it has lost its memory.
    pub(super) life: u32,
    /// The latest that its clock has shown.
    pub(super) latest: Millis,
    pub(super) account: Option<Account>,
    /// The tokens of the device that were revoked one by one.
    pub(super) revoked: BTreeMap<TokenId, RevokedRow>,
    pub(super) inbox: BTreeMap<MessageId, InboxRow>,
    pub(super) outbox: BTreeMap<MessageId, OutboxRow>,
    /// When each job is due.
    pub(super) jobs: BTreeMap<MessageId, Millis>,
    /// When each scheduled message is handed over.
    pub(super) schedule: BTreeMap<MessageId, Millis>,
    /// Of which messages there are enough acknowledgements, and others are not cancelled yet.
    pub(super) endings: BTreeSet<MessageId>,
    /// Which messages have steps left, or calls for one.
    pub(super) escalations: BTreeSet<MessageId>,
    /// Whose receipt each number is.
    pub(super) receipts: BTreeMap<i64, (MessageId, usize)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) created_at: Millis,
    pub(super) revocations: u32,
    pub(super) revoked_at: Millis,
    /// The last receipt that the device is known to have seen.
    pub(super) receipts_seen: i64,
    /// Of what it sent before, some may have made room.
    pub(super) truncated_before: Option<Millis>,
}

#[derive(Debug)]
pub(super) struct InboxRow {
    pub(super) settled: bool,
    pub(super) size: u64,
    pub(super) expires_at: Millis,
    pub(super) attempts: u32,
    pub(super) retry_at: Millis,
    /// The last attempt that it says anything of.
    pub(super) last: u32,
    time_outs: u32,
}

impl InboxRow {
    /// Whether the time of this attempt is over, so that it is not in flight any more: it has made way for
    /// another message. The first attempt may be noted before.
    pub(super) fn has_timed_out(&self, attempt: u32) -> bool {
        self.last == attempt && self.time_outs > 0
    }
}

#[derive(Debug)]
pub(super) struct OutboxRow {
    /// As JSON, in parts where there are many.
    pub(super) texts: Vec<String>,
    pub(super) accepted_at: Millis,
    pub(super) done_at: Option<Millis>,
    pub(super) key: Option<String>,
    pub(super) plan: Plan,
}

impl Ledger {
    /// A mailbox committed an event, at this time of its clock. It called for these messages, in this order,
    /// and knocks like this.
    pub(crate) fn committed(
        &mut self,
        place: usize,
        store: &Sqlite,
        now: Millis,
        life: u32,
        called: &[MessageId],
        knocks: &[KnockSent],
    ) -> Checked {
        let tables = &mut self.tables[place];
        (tables.now, tables.latest, tables.life) = (now, now.max(tables.latest), life);
        let written = store.take_written();
        if self.told.is_publisher(place) {
            return self.read_published(store, written);
        }
        // What was due by a clock that was set back since is due.
        let latest = self.tables[place].latest;
        for id in called {
            self.hands_over(*id, latest)?;
        }
        self.accepts(place, store, written.outbox, called)?;
        if written.account {
            self.read_account(place, store)?;
        }
        self.read_revoked(place, store, now, written)?;
        if written.outbox || written.groups {
            self.read_outbox(place, store, now)?;
        }
        if written.jobs {
            self.read_jobs(place, store)?;
        }
        if written.outbox {
            self.read_schedule(place, store)?;
        }
        self.rest_is_ending(place, written.outbox || written.jobs)?;
        self.steps_are_remembered(place, written.outbox || written.jobs)?;
        if written.inbox {
            self.read_inbox(place, store, now)?;
        }
        self.read_channels(place, store, now, written)?;
        self.read_failures(place, store, written)?;
        self.read_events(place, store, written)?;
        self.read_webhook(place, store, written)?;
        self.read_knocks(place, store, written, knocks, now)
    }

    /// Reads what is left to do for its messages: one row each of a job, of steps and of an ending.
    fn read_jobs(&mut self, place: usize, store: &Sqlite) -> Checked {
        let jobs = "SELECT id, retry_at FROM jobs WHERE length(id) = 16";
        let jobs = all(store, jobs, |mut row| Ok((row.id()?, row.int()?)))?;
        let others = |prefix: &str| {
            let rows = format!(
                "SELECT substr(id, 2) FROM jobs WHERE length(id) = 17 AND substr(id, 1, 1) = {prefix}"
            );
            all(store, &rows, |mut row| row.id())
        };
        let (steps, endings) = (others("x'fe'")?, others("x'ff'")?);
        let tables = &mut self.tables[place];
        tables.jobs = jobs.into_iter().collect();
        tables.escalations = steps.into_iter().collect();
        tables.endings = endings.into_iter().collect();
        Ok(())
    }

    /// What a mailbox has accepted in one event, in the order of the ids: it called for some of it, and has rows of
    /// some.
    fn accepts(
        &mut self,
        place: usize,
        store: &Sqlite,
        written: bool,
        called: &[MessageId],
    ) -> Checked {
        let mut new: BTreeSet<_> = called.iter().copied().collect();
        if written && !called.is_empty() {
            new.extend(all(
                store,
                "SELECT id FROM outbox WHERE length(id) = 16",
                |mut row: Row| row.id(),
            )?);
        }
        new.into_iter().try_for_each(|id| self.accepted(place, id))
    }

    fn read_account(&mut self, place: usize, store: &Sqlite) -> Checked {
        let read = |mut row: Row| {
            Ok(Account {
                created_at: row.int()?,
                revocations: row.count()?,
                revoked_at: row.int()?,
                receipts_seen: row.int()?,
                truncated_before: row.opt_int()?,
            })
        };
        let account = all(
            store,
            "SELECT created_at, revocations, revoked_at, receipts_seen, truncated_before FROM account",
            read,
        )?
        .pop();
        let was_there = self.is_bound(place);
        self.has_happened(place, account);
        self.tables[place].account = account;
        if was_there && !self.is_bound(place) {
            self.push.forget(place);
            // All it ever sent is forgotten with it.
            for message in self
                .messages
                .values_mut()
                .filter(|message| message.sender == place)
            {
                message.void = true;
            }
            self.keys.retain(|(sender, _), _| *sender != place);
        }
        self.what_is_seen_was_seen(place)
    }

    /// Receipts that are noted as seen have reached their device, and it has said so.
    fn what_is_seen_was_seen(&self, place: usize) -> Checked {
        let tables = &self.tables[place];
        let noted = tables.account.map_or(0, |account| account.receipts_seen);
        let said = self.seen.get(&place).copied().unwrap_or(0);
        claim(
            "a receipt counts as seen only if it was seen",
            noted <= said,
            || format!("device {place} has seen {said}, and {noted} is noted"),
        )?;
        for (seq, receipt) in tables.receipts.range(..=noted) {
            let void = self.messages.get(&receipt.0).is_none_or(|it| it.void);
            let track = self.deliveries.get(receipt);
            claim(
                "a receipt is kept until it is seen",
                void || track.is_some_and(|track| track.reported),
                || format!("receipt {seq} of device {place}: {track:?}"),
            )?;
        }
        Ok(())
    }

    fn read_inbox(&mut self, place: usize, store: &Sqlite, now: Millis) -> Checked {
        let sql = "SELECT id, size, expires_at, attempts, retry_at, settled, \
                   coalesce(sent ->> '$.n', 0), coalesce(sent ->> '$.o', 0) FROM inbox \
                   WHERE sender NOT LIKE '~%' AND rank > -2";
        let read = |mut row: Row| {
            let id = row.id()?;
            let size = row.count()?;
            let (expires_at, attempts, retry_at) = (row.int()?, row.count()?, row.int()?);
            let text = row.opt_text()?;
            let settled = text.is_some();
            let (last, time_outs) = (row.count()?, row.count()?);
            Ok((
                id,
                InboxRow {
                    settled,
                    size,
                    expires_at,
                    attempts,
                    retry_at,
                    last,
                    time_outs,
                },
                text,
            ))
        };
        let mut rows = BTreeMap::new();
        for (id, row, text) in all(store, sql, read)? {
            let track = self.deliveries.entry((id, place)).or_default();
            track.stored_at.get_or_insert(now);
            if let Some(text) = text
                && track.settled.as_ref() != Some(&text)
            {
                let delivery: Delivery = serde_json::from_str(&text).map_err(broken)?;
                self.settled(id, place, &delivery, text)?;
            }
            claim(
                "a message has one row",
                rows.insert(id, row).is_none(),
                || id.to_string(),
            )?;
        }
        let before = std::mem::replace(&mut self.tables[place].inbox, rows);
        self.one_of_a_topic(place)?;
        let gone = before
            .into_iter()
            .filter(|(id, _)| !self.tables[place].inbox.contains_key(id));
        for (id, row) in gone.collect::<Vec<_>>() {
            claim(
                "a held message is kept until it is settled",
                row.settled,
                || id.to_string(),
            )?;
            let Some(message) = self.messages.get(&id) else {
                continue;
            };
            let awaited = !message.void && self.tables[message.sender].outbox.contains_key(&id);
            let told = self
                .deliveries
                .get(&(id, place))
                .is_some_and(|track| track.end.is_some());
            claim(
                "a settled delivery stays until its sender's mailbox has taken it",
                told || !awaited,
                || id.to_string(),
            )?;
        }
        Ok(())
    }

    pub(super) fn retention(&self) -> Millis {
        i64::from(self.limits.retention) * 1000
    }
}

pub(super) fn all<T>(
    store: &Sqlite,
    sql: &str,
    read: impl Fn(Row) -> Result<T, StoreError>,
) -> Checked<Vec<T>> {
    let rows = store.run(sql, &[]).map_err(broken)?;
    rows.into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(broken)
}
