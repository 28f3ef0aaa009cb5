//! Settled deliveries on their way to the mailboxes of their senders.
//!
//! One call at a time to each sender, with all that has come together meanwhile; a row is deleted
//! when the sender's mailbox has taken it, not before.

use std::collections::VecDeque;

use litemap::LiteMap;

use super::inbox_rows::{self, Key};
use super::jobs::SAFETY_DELAY;
use super::{Effect, Errand, Mailbox};
use crate::call::{Call, Settled};
use crate::id::DeviceId;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How many settled deliveries one call reports at most.
const BATCH: usize = 100;

/// The longest pause between two calls to a mailbox that does not answer.
const LONGEST_PAUSE: Millis = 300_000;

/// What is to be reported, by sender.
#[derive(Debug, Default)]
pub(super) struct Reports {
    by_sender: LiteMap<DeviceId, Pending>,
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
    /// Reports to this sender, unless that is being done or has just failed.
    pub(super) fn report(&mut self, sender: &DeviceId, now: Now) -> Result<(), StoreError> {
        let Some(pending) = self.inbox.reports.by_sender.get_mut(sender) else {
            return Ok(());
        };
        if pending.calling > 0 || pending.retry_at > now.at {
            return Ok(());
        }
        let mut settled = Vec::new();
        for key in pending.keys.iter().take(BATCH) {
            if let Some(delivery) = inbox_rows::settled(&self.store, *key)? {
                settled.push(Settled {
                    id: key.id,
                    delivery,
                });
            }
            pending.calling += 1;
        }
        if pending.calling > 0 {
            // A mailbox that fails before the answer has to wake some time. An alarm that is set for
            // the message's attempt will do: moving it would cost a row a message.
            let soon = now.at + LONGEST_PAUSE;
            if self.alarm.is_none_or(|alarm| alarm > soon) {
                self.wake_by(now.at + SAFETY_DELAY);
            }
            let (errand, call) = (Errand::Report, Call::Receipts { settled });
            self.effects.push(Effect::Call {
                to: sender.clone(),
                errand,
                call,
            });
        }
        Ok(())
    }

    /// Reports to every sender that waits for something.
    pub(super) fn report_all(&mut self, now: Now) -> Result<(), StoreError> {
        let senders: Vec<DeviceId> = self.inbox.reports.by_sender.keys().cloned().collect();
        senders
            .iter()
            .try_for_each(|sender| self.report(sender, now))
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
            for key in pending.keys.drain(..calling.min(pending.keys.len())) {
                inbox_rows::delete(&self.store, key)?;
            }
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
        let pending = self.inbox.reports.by_sender.values();
        let due = pending.map(|pending| match pending.calling {
            0 => pending.retry_at,
            _ => now.at + SAFETY_DELAY,
        });
        due.min()
    }
}
