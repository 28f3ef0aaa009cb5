//! Settled deliveries on their way to the mailboxes of their senders.
//!
//! One call at a time to each sender, with all that has come together meanwhile; a row is deleted
//! when the sender's mailbox has taken it, not before. While a pile goes out, calls wait a little for
//! what is acknowledged next: many senders may have a part in it. A mailbox that wakes reads the rows of so
//! many at a time, the next with the next event that has to do with reports.

use std::collections::{BTreeMap, VecDeque};

use super::SAFETY_DELAY;
use super::connection::Connection;
use super::settled_rows;
use super::{CallPurpose, Inbox, Output, Timer};
use crate::call::{Call, Settled};
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How many settled deliveries one call reports at most.
const BATCH: usize = 100;

/// How many rows are read at a time.
const PAGE: u32 = 500;

/// Milliseconds for which a report waits for others to the same sender while more are to be expected.
const MAX_DELAY: Millis = 100;

/// The longest pause between two calls to a mailbox that does not answer.
const LONGEST_PAUSE: Millis = 300_000;

/// What is to be reported, by sender.
#[derive(Debug, Default)]
pub(super) struct Reports {
    by_sender: BTreeMap<DeviceId, Pending>,
    /// Rows after this message are not read yet; `None` where all are.
    unread: Option<Unread>,
}

#[derive(Debug)]
struct Unread {
    after: Option<MessageId>,
}

#[derive(Debug, Default)]
struct Pending {
    ids: VecDeque<MessageId>,
    /// How many of the first are in a call.
    calling: usize,
    failures: u32,
    retry_at: Millis,
}

impl Reports {
    pub(super) fn is_empty(&self) -> bool {
        self.by_sender.is_empty() && self.unread.is_none()
    }

    pub(super) fn add(&mut self, sender: &DeviceId, id: MessageId) {
        // One that is not read yet is found with the others.
        let unread = self.unread.as_ref();
        if unread.is_none_or(|unread| unread.after >= Some(id)) {
            let pending = self.by_sender.entry(sender.clone()).or_default();
            pending.ids.push_back(id);
        }
    }
}

impl<S: Store> Inbox<'_, S> {
    /// Begins with the rows that an earlier life of the mailbox has left.
    pub(super) fn open_reports(&mut self, now: Now) -> Result<(), StoreError> {
        self.memory.reports.unread = Some(Unread { after: None });
        self.report_all(now)
    }

    /// Reads the next rows that are not read yet.
    fn read_reports(&mut self) -> Result<(), StoreError> {
        let Some(Unread { after }) = self.memory.reports.unread else {
            return Ok(());
        };
        let rows = settled_rows::next(&self.cx.store, after, PAGE)?;
        let more = rows.len() >= PAGE as usize;
        let last = rows.last().map(|(_, id)| *id);
        let reports = &mut self.memory.reports;
        reports.unread = None;
        for (sender, id) in rows {
            reports.add(&sender, id);
        }
        reports.unread = last
            .filter(|_| more)
            .map(|last| Unread { after: Some(last) });
        Ok(())
    }

    /// Reports to this sender, unless more is to be expected in a moment.
    pub(super) fn report(&mut self, sender: &DeviceId, now: Now) -> Result<(), StoreError> {
        let pending = self.memory.reports.by_sender.get(sender);
        let enough = pending.is_some_and(|pending| pending.ids.len() >= BATCH);
        if enough || !self.connection.as_ref().is_some_and(Connection::gathers) {
            return self.report_now(sender, now);
        }
        self.look_after_reports(now);
        self.cx.wake_by(Timer::ReportBatch, now.at + MAX_DELAY);
        Ok(())
    }

    /// What a sender took back is told by the answer to its call. The report only makes sure of it: it goes with the
    /// next to this sender, or when the mailbox looks after what may have been lost. At once, it would race the
    /// answers of a hundred mailboxes, which the sender's records together.
    pub(super) fn report_later(&mut self, sender: &DeviceId, now: Now) {
        if let Some(pending) = self.memory.reports.by_sender.get_mut(sender)
            && pending.ids.len() == 1
        {
            pending.retry_at = now.at + SAFETY_DELAY;
        }
        self.look_after_reports(now);
    }

    /// Reports to this sender, unless that is being done or has just failed.
    fn report_now(&mut self, sender: &DeviceId, now: Now) -> Result<(), StoreError> {
        let Some(pending) = self.memory.reports.by_sender.get_mut(sender) else {
            return Ok(());
        };
        let failed = pending.failures > 0 && pending.retry_at > now.at;
        if pending.calling > 0 || failed {
            return Ok(());
        }
        let ids: Vec<MessageId> = pending.ids.iter().take(BATCH).copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        pending.calling = ids.len();
        let settled = settled_rows::load(&self.cx.store, &ids)?
            .into_iter()
            .map(|(id, delivery)| Settled { id, delivery });
        let call = Call::Report {
            settled: settled.collect(),
        };
        self.cx.push(Output::Call {
            to: sender.clone(),
            purpose: CallPurpose::Report,
            call,
            enclosed: None,
        });
        self.look_after_reports(now);
        Ok(())
    }

    /// A mailbox that fails before a report is taken has to wake some time. An alarm that is set for the
    /// message's attempt will do: moving it would cost a row a message.
    fn look_after_reports(&mut self, now: Now) {
        let soon = now.at + LONGEST_PAUSE;
        if self.cx.timers.alarm().is_none_or(|alarm| alarm > soon) {
            self.cx.wake_by(Timer::Report, now.at + SAFETY_DELAY);
        }
    }

    /// Reports to every sender that waits for something.
    pub(in crate::mailbox) fn report_all(&mut self, now: Now) -> Result<(), StoreError> {
        self.read_reports()?;
        let senders: Vec<DeviceId> = self.memory.reports.by_sender.keys().cloned().collect();
        senders
            .iter()
            .try_for_each(|sender| self.report_now(sender, now))
    }

    /// A sender's mailbox has taken what was reported, or could not be reached.
    pub(in crate::mailbox) fn reported(
        &mut self,
        sender: &DeviceId,
        taken: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(pending) = self.memory.reports.by_sender.get_mut(sender) else {
            return Ok(());
        };
        let calling = std::mem::take(&mut pending.calling);
        if taken {
            pending.failures = 0;
            let taken = pending.ids.drain(..calling.min(pending.ids.len()));
            settled_rows::delete(&self.cx.store, &taken.collect::<Vec<_>>())?;
            if !pending.ids.is_empty() {
                return self.report(sender, now);
            }
            self.memory.reports.by_sender.remove(sender);
            return match self.memory.reports.unread {
                Some(_) => self.report_all(now),
                None => Ok(()),
            };
        }
        pending.failures += 1;
        pending.retry_at = now.at + (1000 << pending.failures.min(9)).min(LONGEST_PAUSE);
        let retry_at = pending.retry_at;
        self.cx.wake_by(Timer::Report, retry_at);
        Ok(())
    }

    /// When the next sender is to be tried again, or looked after should its call have been lost.
    pub(in crate::mailbox) fn reports_due(&mut self, now: Now) -> Option<Millis> {
        let gathering = self.cx.timers.is_set(Timer::ReportBatch);
        let reports = &self.memory.reports;
        let due = reports.by_sender.values().map(|pending| {
            let under_way = pending.calling > 0 || (gathering && pending.retry_at <= now.at);
            if under_way {
                now.at + SAFETY_DELAY
            } else {
                pending.retry_at
            }
        });
        let unread = reports.unread.as_ref();
        due.chain(unread.map(|_| now.at + SAFETY_DELAY)).min()
    }
}
