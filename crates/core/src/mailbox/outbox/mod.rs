//! Sending: messages that the device publishes, from their acceptance until what became of them is kept no longer.
//!
//! [`Outbox`] is the outbox at work on one event: it borrows what it remembers, the connection over which it
//! answers, and what all of a mailbox shares. It does not know the inbox.

mod assertions;
mod backlog;
mod device_queues;
mod dispatch;
mod group_commit;
mod group_rows;
mod job_rows;
mod jobs;
mod part_rows;
mod publish;
mod rate;
mod receipt_rows;
mod receipts;
mod recipients;
mod resolve;
mod retention;
mod rows;
mod sent;
mod sent_bytes;
mod under_way;
mod unlisted;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use litemap::LiteMap;

use self::device_queues::DeviceQueues;
use self::group_commit::Gathered;
use self::job_rows::Job;
use self::jobs::{Pass, Work};
use self::publish::Publishing;
use self::rate::Bucket;
use self::receipt_rows::Place;
use self::resolve::Resolving;
use self::retention::RecyclableRows;
use self::sent::Cancellation;
use self::sent_bytes::Size;
use self::unlisted::Found;
use super::account;
use super::connection::{self, Connection, ConnectionId, Ended, PublishFrame};
use super::context::{Context, SAFETY_DELAY};
use super::news::News;
use super::output::{CallPurpose, Failure, Output};
use super::timer::Timer;
use crate::id::{DeviceId, MessageId};
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The outbox, for one event.
#[derive(Debug)]
pub(super) struct Outbox<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) connection: &'a mut Option<Connection>,
    pub(super) memory: &'a mut Memory,
}

/// What the outbox keeps in memory. What is written down can be had from the rows again. The rest ends with
/// the memory: publishes that are not, frames whose targets are being resolved, and cancellations under way.
#[derive(Debug, Default)]
pub(super) struct Memory {
    last_id: Option<MessageId>,
    /// The number of the last receipt given out, once it was asked for.
    last_receipt: Option<i64>,
    /// The next receipts that the device has not seen, where more wait than go out at once.
    unseen: VecDeque<Place>,
    bucket: Bucket,
    /// What its reads may have other mailboxes asked.
    asks: Bucket,
    /// Frames whose targets are being resolved.
    resolving: Resolving,
    /// Publishes that are not answered.
    publishing: BTreeMap<MessageId, Publishing>,
    /// Their payloads' bytes, once for each device that they go to.
    under_way: u64,
    /// Publishes that are settled and not answered: they are to be written down together.
    gathered: Gathered,
    /// Calls to deliver that are under way, by device.
    calling: BTreeMap<DeviceId, BTreeSet<MessageId>>,
    /// Deliveries that have not reached their mailbox, by device: later ones go behind them.
    waiting: DeviceQueues,
    /// What was found of those that stand in no line.
    found: Found,
    /// All jobs, as their rows say.
    jobs: BTreeMap<MessageId, Job>,
    work: Option<Work>,
    /// From when on jobs are worked on: no call that a life before made can arrive then.
    retry_not_before: Millis,
    /// The newest message of a life before.
    opened_with: Option<MessageId>,
    /// How many more calls of jobs may follow from the last alarm.
    calls_left: usize,
    /// Jobs that are being passed through.
    passes: LiteMap<MessageId, Pass>,
    cancelling: LiteMap<MessageId, Cancellation>,
    cleaned_at: Millis,
    /// What is known of the bytes of all that is kept.
    size: Size,
    /// Rows of `outbox` that new ones may overwrite.
    recyclable: RecyclableRows,
    /// The same of `groups`.
    recyclable_groups: RecyclableRows,
}

impl<S: Store> Outbox<'_, S> {
    /// The mailbox is opened: takes in what an earlier life of it has left.
    pub(super) fn open(&mut self, now: Now) -> Result<(), StoreError> {
        let written = rows::newest(&self.cx.store)?.max(group_rows::newest(&self.cx.store)?);
        // Receipts of messages before this are not looked for: the one that it names may not be written down.
        let looked_from = self
            .cx
            .account
            .as_ref()
            .and_then(|account| account.unseen_from);
        self.memory.last_id = written.max(looked_from);
        self.memory.opened_with = self.memory.last_id;
        self.open_jobs(now)
    }

    /// A new connection is open: the device gets the receipts that it has not seen.
    pub(super) fn connected(&mut self) -> Result<(), StoreError> {
        self.memory.unseen.clear();
        self.send_receipts()
    }

    /// A connection has ended: notes which receipts went over it.
    pub(super) fn disconnected(&mut self, ended: &Ended) -> Result<(), StoreError> {
        if ended.closed_here {
            self.memory.resolving.forget(ended.connection);
        }
        self.note_receipts(Some(ended.receipts_seen))
    }

    /// Tokens were revoked: no frame that waits for its addresses is accepted any more.
    pub(super) fn refuse_frames(&mut self) {
        self.memory.resolving.clear();
    }

    /// Nothing more is worked on than this alarm's share.
    pub(super) fn alarm(&mut self, now: Now) -> Result<(), StoreError> {
        self.memory.calls_left = jobs::CALLS;
        self.work(now)?;
        self.clean_up(now)
    }

    /// Forgets everything this device sent, also what is not answered.
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
            let problem = Problem::new(Code::UnknownDevice, "the sending device was removed");
            self.cx.push(News::Published(id, Err(problem)));
        }
        for (id, _) in std::mem::take(&mut self.memory.cancelling) {
            self.cx.push(News::Cancelled(id));
        }
        self.memory.size = Size::default();
        self.memory.resolving.clear();
        self.memory.unseen.clear();
        self.memory.waiting.clear();
        self.memory.jobs.clear();
        self.memory.found.clear();
        self.memory.passes.clear();
        self.memory.work = None;
        Ok(())
    }
}
