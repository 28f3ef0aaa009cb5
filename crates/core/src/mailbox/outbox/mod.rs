//! Sending: messages that the device publishes, from their acceptance to the end of their retention.
//!
//! [`Outbox`] is the outbox while it handles one event: it borrows its memory, the connection over which it answers,
//! and the shared context. It does not know the inbox.

mod assertions;
mod backlog;
mod device_queues;
mod dispatch;
mod ending_rows;
mod enough;
mod escalate;
mod escalation_rows;
mod failed;
mod further;
mod group_commit;
mod group_rows;
mod job_rows;
mod job_table;
mod jobs;
mod lost_hand_overs;
mod part_rows;
mod progress;
mod publish;
mod rate;
mod receipt_rows;
mod receipts;
mod recipients;
mod record;
mod resend;
mod resolve;
mod retention;
mod rows;
mod schedule;
mod schedule_rows;
mod sent;
mod sent_bytes;
mod under_way;
mod unlisted;

use std::collections::{BTreeMap, VecDeque};

use litemap::LiteMap;

use self::device_queues::DeviceQueues;
use self::enough::Endings;
use self::escalate::Escalations;
use self::group_commit::Gathered;
use self::job_rows::Job;
use self::jobs::{Pass, Work};
use self::publish::Publishing;
use self::receipt_rows::Place;
use self::resolve::Resolving;
use self::retention::RecyclableRows;
use self::schedule::Schedules;
use self::sent::Cancellation;
use self::sent_bytes::Size;
use self::unlisted::Found;
use super::account;
use super::bucket::{self, Bucket};
use super::connection::{self, Connection, ConnectionId, Ended, PublishFrame};
use super::context::{Context, SAFETY_DELAY};
use super::news::News;
use super::output::{CallPurpose, Failure, Output};
use super::timer::Timer;
use crate::id::{DeviceId, MessageId};
use crate::message::Turn;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The outbox, for one event.
#[derive(Debug)]
pub(super) struct Outbox<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) connection: &'a mut Option<Connection>,
    pub(super) memory: &'a mut Memory,
}

/// What the outbox keeps in memory. Some of it can be rebuilt from the rows. The rest is lost with the memory:
/// publishes that are not stored, frames whose targets are being resolved, and cancellations in progress.
#[derive(Debug, Default)]
pub(super) struct Memory {
    last_id: Option<MessageId>,
    /// The number of the last receipt, once it is known.
    last_receipt: Option<i64>,
    /// The next unseen receipts, if more wait than are sent at a time.
    unseen: VecDeque<Place>,
    /// Receipts wait, because no further request to the address may follow from an event.
    withheld: bool,
    /// Limits publishes.
    bucket: Bucket,
    /// Limits reads that ask other mailboxes.
    asks: Bucket,
    /// Frames whose targets are being resolved.
    resolving: Resolving,
    /// Publishes that are not answered.
    publishing: BTreeMap<MessageId, Publishing>,
    /// Their payloads' bytes, once for each recipient.
    under_way: u64,
    /// Publishes that are settled and not answered: they will be stored together.
    gathered: Gathered,
    /// Calls to deliver that are under way, by device, in the order in which they were made.
    calling: BTreeMap<DeviceId, Vec<MessageId>>,
    /// Unreached deliveries, by device: later ones wait behind them.
    waiting: DeviceQueues,
    /// The results of lookups in unlisted jobs.
    found: Found,
    /// All jobs, as stored.
    jobs: BTreeMap<MessageId, Job>,
    work: Option<Work>,
    /// When older jobs may be processed: no call from before the mailbox was opened can arrive after that.
    retry_not_before: Millis,
    /// The newest message when the mailbox was opened.
    opened_with: Option<MessageId>,
    /// How many more calls for jobs the last alarm allows.
    calls_left: usize,
    /// Jobs that are being passed through.
    passes: LiteMap<MessageId, Pass>,
    cancelling: LiteMap<MessageId, Cancellation>,
    /// Messages that are handed over later.
    schedules: Schedules,
    /// The turn of the scheduled message that was handed over last.
    last_turn: Option<Turn>,
    /// Messages whose other deliveries are being cancelled, because enough are acknowledged.
    endings: Endings,
    /// Messages with steps of an escalation.
    escalations: Escalations,
    cleaned_at: Millis,
    /// When the stored bytes were last checked.
    size: Size,
    /// Rows of `outbox` that new ones may overwrite.
    recyclable: RecyclableRows,
    /// The same for `groups`.
    recyclable_groups: RecyclableRows,
}

impl<S: Store> Outbox<'_, S> {
    /// The mailbox is opened: loads what has to be in memory. `alarm` is the time that the alarm is set to,
    /// also if that has passed.
    pub(super) fn open(&mut self, alarm: Option<Millis>, now: Now) -> Result<(), StoreError> {
        let (sent, has_scheduled) = rows::newest(&self.cx.store)?;
        let written = sent.max(group_rows::newest(&self.cx.store)?);
        // New ids must not be less than `unseen_from`, or their receipts would not be found. The message that it names
        // may not have been stored.
        let looked_from = self
            .cx
            .account
            .as_ref()
            .and_then(|account| account.unseen_from);
        self.memory.last_id = written.max(looked_from);
        self.memory.opened_with = self.memory.last_id;
        let rows = job_table::Rows::read(&self.cx.store, self.cx.limits.max_queued_messages)?;
        self.open_endings(rows.endings, rows.has_more, now);
        self.open_jobs(rows.jobs, now);
        self.open_escalations(rows.steps, now)?;
        if has_scheduled {
            self.open_schedule(alarm)?;
        }
        Ok(())
    }

    /// A new connection is open: the device gets the receipts that it has not seen.
    pub(super) fn connected(&mut self) -> Result<(), StoreError> {
        self.memory.unseen.clear();
        self.send_receipts()
    }

    /// A connection has ended: stores which receipts the device has seen.
    pub(super) fn disconnected(&mut self, ended: &Ended) -> Result<(), StoreError> {
        if ended.closed_here {
            self.memory.resolving.forget(ended.connection);
        }
        self.note_receipts(Some(ended.receipts_seen))
    }

    /// Tokens were revoked: drops the frames whose targets are being resolved.
    pub(super) fn refuse_frames(&mut self) {
        self.memory.resolving.clear();
    }

    /// The alarm went off: processes jobs, up to one alarm's calls, and cleans up.
    pub(super) fn alarm(&mut self, now: Now) -> Result<(), StoreError> {
        self.memory.calls_left = jobs::CALLS;
        self.end_due(now)?;
        self.escalate_due(now)?;
        self.hand_over_due(now)?;
        self.work(now)?;
        self.clean_up(now)
    }

    /// Deletes everything this device sent, including unanswered publishes.
    pub(super) fn forget_all(&mut self) -> Result<(), StoreError> {
        rows::delete_all(&self.cx.store)?;
        let publishing = std::mem::take(&mut self.memory.publishing);
        let gathered = self.memory.gathered.take().into_iter();
        self.memory.under_way = 0;
        if let Some(account) = &mut self.cx.account {
            account.truncated_before = None;
        }
        let gathered = gathered.map(|publish| publish.trace.id);
        for id in publishing.into_keys().chain(gathered) {
            self.cx.push(News::Published(id, Err(publish::removed())));
        }
        for (id, _) in std::mem::take(&mut self.memory.cancelling) {
            self.cx.push(News::Cancelled(id));
        }
        self.memory.endings.clear();
        self.memory.escalations.clear();
        self.memory.schedules.clear();
        self.memory.size = Size::default();
        self.memory.resolving.clear();
        self.memory.resolving.clear_due();
        self.memory.unseen.clear();
        self.memory.waiting.clear();
        self.memory.jobs.clear();
        self.memory.found.clear();
        self.memory.passes.clear();
        self.memory.work = None;
        Ok(())
    }
}
