//! Receiving: messages for the device, from the call that delivers each until its sender's mailbox has recorded its
//! terminal state.
//!
//! [`Inbox`] is the inbox while it handles one event: it borrows its memory, the connection over which it sends, and
//! the shared context. It does not know the outbox.

mod assertions;
mod attempts;
mod channel_rows;
mod channels;
mod deliver;
mod disconnect;
mod expiry;
mod kept;
mod kept_rows;
mod key;
mod listing;
mod lost;
mod poll;
mod posts;
mod progress;
mod queue;
mod report;
mod rows;
mod send;
mod settle;
mod settled_rows;
mod unstored;
mod watched;
mod withdraw;

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
use super::context::{Context, OPENING_PAUSE, SAFETY_DELAY};
use super::news::News;
use super::output::{CallPurpose, Failure, Output};
use super::timer::Timer;
use super::totals::Totals;
use crate::delivery::Delivery;
use crate::id::MessageId;
use crate::message::{Lane, Urgency};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The inbox, for one event.
#[derive(Debug)]
pub(super) struct Inbox<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) connection: &'a mut Option<Connection>,
    pub(super) memory: &'a mut Memory,
}

/// What the inbox keeps in memory. After hibernation it is rebuilt from the rows, except `recent`, and except what open
/// calls wait for (`unstored`, `queue` and `awaited`): these calls keep the mailbox awake.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The unstored messages: in flight, or in `queue`.
    unstored: Unstored,
    /// Messages that wait for room in the window, in order of delivery.
    queue: LiteMap<Key, Queued>,
    /// Messages that were in flight on ended connections, or that the device works on.
    lost: Lost,
    /// Whether there may be rows that could be sent now.
    backlog: bool,
    /// All never-sent rows up to this one are in flight, in progress, or behind a suspect.
    cursor: Option<Key>,
    /// Whether rows that were sent before may wait.
    again: bool,
    /// Whether there may be rows that a poll has taken, or that show for another reason that they were sent.
    marked: bool,
    /// Stored messages whose calls still wait.
    awaited: BTreeSet<MessageId>,
    reports: Reports,
    /// The payloads of failed deliveries that are kept, in the order in which they failed, each with its bytes, once
    /// they are read.
    kept: Option<VecDeque<(MessageId, u64)>>,
    /// Deliveries that were settled without being stored, oldest first, for repeated calls.
    recent: VecDeque<(MessageId, Delivery)>,
}

impl<S: Store> Inbox<'_, S> {
    /// The mailbox is opened: loads what has to be in memory.
    pub(super) fn open(&mut self, now: Now) -> Result<(), StoreError> {
        if let Some(account) = &self.cx.account {
            self.cx.rows = account.held;
            self.memory.lost = Lost::load(&self.cx.store, &account.lost)?;
        }
        self.memory.backlog = true;
        self.memory.again = true;
        self.memory.marked = true;
        self.open_reports(now)
    }

    /// The alarm went off: handles everything that is due.
    pub(super) fn alarm(&mut self, now: Now) -> Result<(), StoreError> {
        self.check_connection(now)?;
        self.expire(now)?;
        self.forget_old_payloads(now)?;
        self.send_again(now)?;
        self.post_again(now);
        self.pump(now)?;
        let connection = self.connection.as_ref();
        let takes_none = connection.is_none_or(|it| !it.takes_messages());
        if takes_none && self.suspect_due(now).is_some() {
            self.cx.push(News::Pollable);
        }
        self.report_all(now)
    }

    /// A new connection is open. Returns how many messages there are for it, including leased ones.
    pub(super) fn connected(&mut self) -> Result<u32, StoreError> {
        let (held, _) = self.held()?;
        self.memory.again = held > 0;
        self.memory.backlog = self.memory.again;
        Ok(held)
    }

    /// A stored message of a device is to be sent, for the first time or again.
    fn tell_waiting(&mut self, key: Key, expires_at: Millis) {
        if key.is_of(Lane::Devices) {
            self.cx.push(News::Waits(key.urgency(), expires_at));
        }
    }

    /// Tells of the messages that were sent, and of as many behind them as a window has: the most urgent come first. Of
    /// these, it tells of those with an urgency and an expiry that are `wanted`.
    pub(super) fn tell_first_waiting(
        &mut self,
        now: Now,
        wanted: impl Fn(Urgency, Millis) -> bool,
    ) -> Result<(), StoreError> {
        let lost = u32::try_from(self.memory.lost.len()).unwrap_or(u32::MAX);
        let most = self.cx.limits.max_in_flight.saturating_add(lost);
        let mut first = self.sent_before(Lane::Devices, None, Some(now.at), most)?;
        // The rows of lost messages are among these.
        let store = &self.cx.store;
        first.extend(rows::waiting(store, Lane::Devices, None, &[], most)?);
        for held in first {
            let held = self.up_to_date(held);
            let is_wanted = wanted(held.key.urgency(), held.expires_at);
            if is_wanted && !held.attempts.is_in_progress(now.at) {
                self.tell_waiting(held.key, held.expires_at);
            }
        }
        Ok(())
    }

    /// The totals of the rows. Without rows, nothing waits to be sent.
    fn rows(&mut self) -> Result<&mut Totals, StoreError> {
        let waits = self.cx.rows()?.messages > 0;
        self.memory.backlog &= waits;
        self.memory.again &= waits;
        self.memory.marked &= waits;
        self.cx.rows()
    }

    /// The number of unsettled messages, and their bytes.
    pub(super) fn held(&mut self) -> Result<(u32, u64), StoreError> {
        let unstored = self.memory.unstored;
        let rows = self.rows()?;
        Ok((
            rows.messages + unstored.messages,
            rows.bytes + unstored.bytes,
        ))
    }

    /// When a stored message is due: it expires, it times out, its progress runs out, or it is a suspect to be sent or to
    /// be posted again; or when payloads are past their retention.
    /// This does not scan the table: see [`Inbox::expire`].
    pub(super) fn next_due(&mut self, now: Now) -> Result<Option<(Millis, Timer)>, StoreError> {
        let kept = self.payloads_due();
        let rows = self.rows()?;
        if rows.messages == 0 {
            rows.expires_at = None;
            return Ok(kept);
        }
        let expires_at = self.cx.next_expiry()?;
        let retry_at = rows::next_retry(&self.cx.store, now.at)?;
        // A suspect that is due waits until nothing is in flight.
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
        let progress = self.memory.lost.next_progress_end(now.at);
        let progress = progress.map(|at| (at, Timer::Progress));
        let expiry = expires_at.map(|at| (at, Timer::Expiry));
        let suspect = suspect.map(|at| (at, Timer::Suspect));
        let post = self.next_post(now).map(|at| (at, Timer::Post));
        let messages = acks.chain(progress).chain(expiry).chain(suspect);
        let messages = messages.chain(post);
        Ok(messages.chain(kept).min())
    }
}
