//! Receiving: messages for the device, from the call that brings each until its sender's mailbox knows what became of it.
//!
//! [`Inbox`] is the inbox at work on one event: it borrows what it remembers, the connection over which it
//! sends, and what all of a mailbox shares. It does not know the outbox.

mod assertions;
mod attempts;
mod deliver;
mod disconnect;
mod listing;
mod lost;
mod poll;
mod queue;
mod report;
mod rows;
mod send;
mod settle;
mod settled_rows;
mod unstored;

use std::collections::{BTreeSet, VecDeque};

use litemap::LiteMap;

pub(super) use self::deliver::{Delivering, PREDECESSOR_WAIT, Terms};
pub use self::listing::{Page, Place, Waiting};
use self::lost::Lost;
use self::queue::Queued;
use self::report::Reports;
use self::rows::Key;
use self::unstored::Unstored;
use super::connection::{self, Connection, Stored};
use super::context::{Context, SAFETY_DELAY};
use super::news::News;
use super::output::{CallPurpose, Failure, Output};
use super::timer::Timer;
use super::totals::Totals;
use crate::delivery::Delivery;
use crate::id::MessageId;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The inbox, for one event.
#[derive(Debug)]
pub(super) struct Inbox<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) connection: &'a mut Option<Connection>,
    pub(super) memory: &'a mut Memory,
}

/// What the inbox keeps in memory. The rows say it again after a sleep, save what calls wait for, which keeps
/// the mailbox awake (`unstored`, `queue` and `awaited`), and save `recent`.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What is not: on the wire, or in `queue`.
    unstored: Unstored,
    /// Messages that wait for room on the wire, in order of delivery.
    queue: LiteMap<Key, Queued>,
    /// What connections that ended knew of messages in flight.
    lost: Lost,
    /// Whether rows may wait that are not on the wire and could be.
    backlog: bool,
    /// All rows never sent up to this one are on the wire, or behind a suspect.
    cursor: Option<Key>,
    /// Whether rows may wait that were on the wire before.
    again: bool,
    /// Messages that were stored while the calls that brought them wait.
    awaited: BTreeSet<MessageId>,
    reports: Reports,
    /// What was settled and never stored, oldest first: a repeated call finds it while the mailbox is awake.
    recent: VecDeque<(MessageId, Delivery)>,
}

impl<S: Store> Inbox<'_, S> {
    /// The mailbox is opened: takes in what an earlier life of it has left.
    pub(super) fn open(&mut self, now: Now) -> Result<(), StoreError> {
        if let Some(account) = &self.cx.account {
            self.cx.rows = account.held;
            self.memory.lost = Lost::load(&self.cx.store, &account.lost)?;
        }
        self.memory.backlog = true;
        self.memory.again = true;
        self.open_reports(now)
    }

    /// Does everything that is due.
    pub(super) fn alarm(&mut self, now: Now) -> Result<(), StoreError> {
        self.check_connection(now)?;
        self.expire(now)?;
        self.send_again(now)?;
        self.pump(now)?;
        if self.connection.is_none() && self.suspect_due(now).is_some() {
            self.cx.push(News::Pollable);
        }
        self.report_all(now)
    }

    /// A new connection is open: how many messages there are for it. What a poll took and was not acknowledged
    /// goes over it, too.
    pub(super) fn connected(&mut self) -> Result<u32, StoreError> {
        let (held, _) = self.held()?;
        self.memory.again = held > 0;
        self.memory.backlog = self.memory.again;
        Ok(held)
    }

    /// What the rows are together. Where there is none, nothing waits to be sent.
    fn rows(&mut self) -> Result<&mut Totals, StoreError> {
        let waits = self.cx.rows()?.messages > 0;
        self.memory.backlog &= waits;
        self.memory.again &= waits;
        self.cx.rows()
    }

    /// How many messages there are that have not ended, and their bytes.
    pub(super) fn held(&mut self) -> Result<(u32, u64), StoreError> {
        let unstored = self.memory.unstored;
        let rows = self.rows()?;
        Ok((
            rows.messages + unstored.messages,
            rows.bytes + unstored.bytes,
        ))
    }

    /// When something stored is due: an expiry, a message that was sent and not acknowledged, or a suspect.
    /// The table is not gone through for it: see [`Inbox::expire`].
    pub(super) fn next_due(&mut self, now: Now) -> Result<Option<(Millis, Timer)>, StoreError> {
        let rows = self.rows()?;
        if rows.messages == 0 {
            rows.expires_at = None;
            return Ok(None);
        }
        let expires_at = self.cx.next_expiry()?;
        let retry_at = rows::next_retry(&self.cx.store, now.at)?;
        // A suspect whose time has come waits for the wire to be empty.
        let suspect = self.next_suspect(now);
        let in_flight = self
            .connection
            .iter()
            .flat_map(|connection| connection.in_flight.values());
        let due = in_flight.filter_map(|entry| match entry.store {
            Stored::Row { due_at } => Some(due_at),
            Stored::Not(_) => None,
        });
        let acks = due.chain(retry_at).map(|at| (at, Timer::Ack));
        let expiry = expires_at.map(|at| (at, Timer::Expiry));
        let suspect = suspect.map(|at| (at, Timer::Suspect));
        Ok(acks.chain(expiry).chain(suspect).min())
    }
}
