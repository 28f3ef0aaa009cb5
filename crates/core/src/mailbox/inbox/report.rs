//! Reporting settled deliveries to their senders' mailboxes.
//!
//! There is one call at a time to each sender, with everything that has settled since the last one. A row is deleted
//! only once the sender's mailbox has recorded it. While a long queue drains, a report waits briefly for the next
//! acknowledgements. A mailbox that wakes reads its settled rows in pages, one with each event about reports.

use std::collections::{BTreeMap, VecDeque};

use super::connection::Connection;
use super::settled_rows;
use super::{CallPurpose, Inbox, Output, Timer};
use super::{OPENING_PAUSE, SAFETY_DELAY};
use crate::call::{Call, Settled};
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The most settled deliveries in one call.
const BATCH: usize = 100;

/// How many rows are read at a time.
const PAGE: u32 = 500;

/// The most milliseconds that a report waits for others to the same sender, if more are expected.
const MAX_DELAY: Millis = 100;

/// The longest pause between two calls to a mailbox that does not answer.
const LONGEST_PAUSE: Millis = 300_000;

/// The deliveries to report, by sender.
#[derive(Debug, Default)]
pub(super) struct Reports {
    by_sender: BTreeMap<DeviceId, Pending>,
    /// The rows that are not read yet; `None` if all are.
    unread: Option<Unread>,
}

#[derive(Debug)]
struct Unread {
    /// They come after this message.
    after: Option<MessageId>,
}

#[derive(Debug, Default)]
struct Pending {
    ids: VecDeque<MessageId>,
    /// How many of them, from the first, the current call reports.
    calling: usize,
    failures: u32,
    retry_at: Millis,
}

impl Reports {
    pub(super) fn is_empty(&self) -> bool {
        self.by_sender.is_empty() && self.unread.is_none()
    }

    pub(super) fn add(&mut self, sender: &DeviceId, id: MessageId) {
        // A row that is not read yet will be read with the others.
        let unread = self.unread.as_ref();
        if unread.is_none_or(|unread| unread.after >= Some(id)) {
            let pending = self.by_sender.entry(sender.clone()).or_default();
            pending.ids.push_back(id);
        }
    }
}

impl<S: Store> Inbox<'_, S> {
    /// The mailbox is opened: the rows that are there are reported soon. Not at once; see [`OPENING_PAUSE`].
    pub(super) fn open_reports(&mut self, now: Now) -> Result<(), StoreError> {
        self.memory.reports.unread = Some(Unread { after: None });
        self.read_reports()?;
        let soon = now.at + OPENING_PAUSE;
        for pending in self.memory.reports.by_sender.values_mut() {
            pending.retry_at = soon;
            self.cx.wake_by(Timer::Report, soon);
        }
        Ok(())
    }

    /// Reads the next page of unread rows.
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

    /// Reports to this sender, or waits briefly if more reports are expected.
    pub(super) fn report(&mut self, sender: &DeviceId, now: Now) -> Result<(), StoreError> {
        let pending = self.memory.reports.by_sender.get(sender);
        let enough = pending.is_some_and(|pending| pending.ids.len() >= BATCH);
        if enough || !self.connection.as_ref().is_some_and(Connection::gathers) {
            return self.report_now(sender, now);
        }
        self.report_soon(now);
        Ok(())
    }

    /// Reports a little later. The answer to the call that delivered a message has its state, too, and a report that is
    /// there first is refused.
    pub(super) fn report_soon(&mut self, now: Now) {
        self.ensure_alarm(now);
        self.cx.wake_by(Timer::ReportBatch, now.at + MAX_DELAY);
    }

    /// The answer to a cancellation already carries its state; the report is only a safeguard. It is sent with the next
    /// report to this sender, or with the next check for lost calls. Sent immediately, it would race the answers of up
    /// to a hundred mailboxes, which the sender's mailbox records together.
    pub(super) fn report_later(&mut self, sender: &DeviceId, now: Now) {
        if let Some(pending) = self.memory.reports.by_sender.get_mut(sender)
            && pending.ids.len() == 1
        {
            pending.retry_at = now.at + SAFETY_DELAY;
        }
        self.ensure_alarm(now);
    }

    /// Reports to this sender, unless a call is under way or has just failed.
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
        self.ensure_alarm(now);
        Ok(())
    }

    /// Ensures that the mailbox wakes if it crashes before a report is recorded. An alarm that is set for a message's
    /// time-out is good enough: moving it would cost a row per message.
    fn ensure_alarm(&mut self, now: Now) {
        let soon = now.at + LONGEST_PAUSE;
        if self.cx.timers.alarm().is_none_or(|alarm| alarm > soon) {
            self.cx.wake_by(Timer::Report, now.at + SAFETY_DELAY);
        }
    }

    /// Reports to every sender.
    pub(in crate::mailbox) fn report_all(&mut self, now: Now) -> Result<(), StoreError> {
        self.read_reports()?;
        let senders: Vec<DeviceId> = self.memory.reports.by_sender.keys().cloned().collect();
        senders
            .iter()
            .try_for_each(|sender| self.report_now(sender, now))
    }

    /// A sender's mailbox has recorded a report, or could not be reached.
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

    /// When the next report has to be repeated, or its call checked in case it was lost.
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
