//! Group commit: publishes that settle at about the same time are written as one row, and only then answered.
//!
//! A lone publish is written and answered immediately. While others of this device are under way, it waits for them
//! briefly: rows written dominate the cost, and 15 ms of latency do not matter.

use super::failed::tell_failed;
use super::publish::Publishing;
use super::rows::{self, Head};
use super::sent::weight;
use super::{ConnectionId, Outbox, Timer, group_rows};
use crate::id::MessageId;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::trace::Trace;

/// The most milliseconds that a publish waits for others. 20 are promised, because timers may be slightly late.
const MAX_DELAY: Millis = 15;

/// At this many publishes the batch is written.
const MAX_BATCH: usize = 256;

/// At about this many bytes of deliveries the batch is written.
const MAX_BATCH_BYTES: usize = 500_000;

/// A publish that is settled, but neither stored nor answered.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) trace: Trace,
    /// The frames that it answers.
    frames: Vec<(ConnectionId, Option<String>)>,
}

/// Publishes that are settled, but not stored.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    publishes: Vec<Ended>,
    bytes: usize,
}

impl Gathered {
    /// All of them, in the order of their ids.
    pub(super) fn take(&mut self) -> Vec<Ended> {
        self.bytes = 0;
        let mut publishes = std::mem::take(&mut self.publishes);
        publishes.sort_unstable_by_key(|publish| publish.trace.id);
        publishes
    }

    /// The traces, and their bytes.
    pub(super) fn traces(&self) -> (impl Iterator<Item = &Trace>, usize) {
        (self.publishes.iter().map(|it| &it.trace), self.bytes)
    }

    /// The least id among them.
    pub(super) fn first(&self) -> Option<MessageId> {
        self.publishes.iter().map(|it| it.trace.id).min()
    }
}

impl<S: Store> Outbox<'_, S> {
    /// Adds a publish that is settled and whose mailboxes have all answered.
    pub(super) fn gather(&mut self, publishing: Publishing) {
        let gathered = &mut self.memory.gathered;
        gathered.bytes += publishing.deliveries.iter().map(weight).sum::<usize>();
        // This drops the payload: it may be long, and is no longer needed.
        let Publishing {
            message,
            deliveries,
            plan,
            frames,
            ..
        } = publishing;
        let trace = Trace::of(message, deliveries, plan);
        gathered.publishes.push(Ended { trace, frames });
    }

    /// Stores the gathered publishes, unless it pays to wait for more.
    pub(super) fn write_or_wait(&mut self, now: Now) -> Result<(), StoreError> {
        let gathered = &mut self.memory.gathered;
        if gathered.publishes.is_empty() {
            return Ok(());
        }
        let enough = gathered.publishes.len() >= MAX_BATCH || gathered.bytes >= MAX_BATCH_BYTES;
        if enough || self.memory.publishing.is_empty() {
            return self.write_gathered(now);
        }
        self.cx.wake_by(Timer::GroupCommit, now.at + MAX_DELAY);
        Ok(())
    }

    /// Stores the gathered publishes, and answers them.
    pub(in crate::mailbox) fn write_gathered(&mut self, now: Now) -> Result<(), StoreError> {
        self.cx.timers.clear(Timer::GroupCommit);
        let mut answers = Vec::new();
        for Ended { mut trace, frames } in self.memory.gathered.take() {
            let unheard = self.publisher_gone(&frames);
            let mut receipts_after = None;
            if unheard {
                receipts_after = Some(self.last_receipt()?);
                // Its receipts have to be stored, which takes a row of its own.
                self.number(&mut trace.deliveries, now)?;
                let (over, head) = (self.recyclable_row(now)?, Head::of_trace(&trace));
                let deliveries = &trace.deliveries;
                rows::insert(&self.cx.store, over, &head, None, deliveries, Some(now.at))?;
            }
            answers.push((trace, frames, receipts_after));
        }
        if answers.is_empty() {
            return Ok(());
        }
        let until = self.kept_until(now);
        let heard = answers.iter().filter(|(_, _, after)| after.is_none());
        let heard = heard.map(|(trace, _, _)| trace);
        let over = || {
            self.memory
                .recyclable_groups
                .take(&self.cx.store, until, now, group_rows::first)
        };
        group_rows::insert(&self.cx.store, over, heard, now.at)?;
        self.cx.wake_by(Timer::Retention, self.clean_up_at(now.at));
        for (trace, frames, receipts_after) in answers {
            tell_failed(self.cx, trace.id, &trace.to, &trace.deliveries);
            self.tell(trace, &frames, receipts_after);
        }
        Ok(())
    }
}
