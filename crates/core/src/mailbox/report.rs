//! Settled deliveries on their way to the mailboxes of their senders.
//!
//! One call at a time to each sender, with all that has come together meanwhile; a row is deleted
//! when the sender's mailbox has taken it, not before. While a pile goes out, calls wait a little for
//! what is acknowledged next: many senders may have a part in it.

use std::collections::VecDeque;

use litemap::LiteMap;

use super::inbox_rows::Key;
use super::jobs::SAFETY_DELAY;
use super::settled_rows;
use super::{Effect, Errand, Mailbox};
use crate::call::{Call, Settled};
use crate::id::DeviceId;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How many settled deliveries one call reports at most.
const BATCH: usize = 100;

/// Milliseconds for which a report waits for others to the same sender while more are to be expected.
const PATIENCE: Millis = 100;

/// The longest pause between two calls to a mailbox that does not answer.
const LONGEST_PAUSE: Millis = 300_000;

/// What is to be reported, by sender.
#[derive(Debug, Default)]
pub(super) struct Reports {
    by_sender: LiteMap<DeviceId, Pending>,
    /// A tick is to come.
    ticking: bool,
}

#[derive(Debug, Default)]
struct Pending {
    keys: VecDeque<Key>,
    /// So many of the first are in a call.
    calling: usize,
    failures: u32,
    retry_at: Millis,
}

impl Reports {
    pub(super) fn is_empty(&self) -> bool {
        self.by_sender.is_empty()
    }

    pub(super) fn add(&mut self, sender: DeviceId, key: Key) {
        self.by_sender
            .entry(sender)
            .or_default()
            .keys
            .push_back(key);
    }
}

impl<S: Store> Mailbox<S> {
    /// Reports to this sender, unless more is to be expected in a moment.
    pub(super) fn report(&mut self, sender: &DeviceId, now: Now) -> Result<(), StoreError> {
        let pending = self.inbox.reports.by_sender.get(sender);
        let enough = pending.is_some_and(|pending| pending.keys.len() >= BATCH);
        if enough || !self.gathers() {
            return self.report_now(sender, now);
        }
        self.look_after_reports(now);
        let reports = &mut self.inbox.reports;
        if !reports.ticking {
            reports.ticking = true;
            self.effects.push(Effect::Tick(now.at + PATIENCE));
        }
        Ok(())
    }

    /// The time for which reports wait for others is over.
    pub(super) fn report_gathered(&mut self, now: Now) -> Result<(), StoreError> {
        if std::mem::take(&mut self.inbox.reports.ticking) {
            self.report_all(now)?;
        }
        Ok(())
    }

    /// Reports to this sender, unless that is being done or has just failed.
    fn report_now(&mut self, sender: &DeviceId, now: Now) -> Result<(), StoreError> {
        let Some(pending) = self.inbox.reports.by_sender.get_mut(sender) else {
            return Ok(());
        };
        if pending.calling > 0 || pending.retry_at > now.at {
            return Ok(());
        }
        let keys: Vec<Key> = pending.keys.iter().take(BATCH).copied().collect();
        if keys.is_empty() {
            return Ok(());
        }
        pending.calling = keys.len();
        let settled = settled_rows::load(&self.store, &keys)?
            .into_iter()
            .map(|(id, delivery)| Settled { id, delivery });
        let call = Call::Receipts {
            settled: settled.collect(),
        };
        self.effects.push(Effect::Call {
            to: sender.clone(),
            errand: Errand::Report,
            call,
        });
        self.look_after_reports(now);
        Ok(())
    }

    /// A mailbox that fails before a report is taken has to wake some time. An alarm that is set for the
    /// message's attempt will do: moving it would cost a row a message.
    fn look_after_reports(&mut self, now: Now) {
        let soon = now.at + LONGEST_PAUSE;
        if self.alarm.is_none_or(|alarm| alarm > soon) {
            self.wake_by(now.at + SAFETY_DELAY);
        }
    }

    /// Reports to every sender that waits for something.
    pub(super) fn report_all(&mut self, now: Now) -> Result<(), StoreError> {
        let senders: Vec<DeviceId> = self.inbox.reports.by_sender.keys().cloned().collect();
        senders
            .iter()
            .try_for_each(|sender| self.report_now(sender, now))
    }

    /// A sender's mailbox has taken what was reported, or could not be reached.
    pub(super) fn reported(
        &mut self,
        sender: &DeviceId,
        taken: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(pending) = self.inbox.reports.by_sender.get_mut(sender) else {
            return Ok(());
        };
        let calling = std::mem::take(&mut pending.calling);
        if taken {
            pending.failures = 0;
            let keys = pending.keys.drain(..calling.min(pending.keys.len()));
            settled_rows::delete(&self.store, &keys.collect::<Vec<_>>())?;
            if pending.keys.is_empty() {
                self.inbox.reports.by_sender.remove(sender);
                return Ok(());
            }
            return self.report(sender, now);
        }
        pending.failures += 1;
        pending.retry_at = now.at + (1000 << pending.failures.min(9)).min(LONGEST_PAUSE);
        let retry_at = pending.retry_at;
        self.wake_by(retry_at);
        Ok(())
    }

    /// When the next sender is to be tried again, or looked after should its call have been lost.
    pub(super) fn reports_due(&self, now: Now) -> Option<Millis> {
        let Reports { by_sender, ticking } = &self.inbox.reports;
        let due = by_sender.values().map(|pending| {
            let under_way = pending.calling > 0 || (*ticking && pending.retry_at <= now.at);
            if under_way {
                now.at + SAFETY_DELAY
            } else {
                pending.retry_at
            }
        });
        due.min()
    }
}
