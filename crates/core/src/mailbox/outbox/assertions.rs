//! The outbox's invariants, checked after every event. Not part of a release build.

use super::sent::weight;
use super::{Outbox, ending_rows, job_table, schedule_rows};
use crate::id::MessageId;
use crate::store::{Store, StoreError};

/// At most this many devices of a job are compared with the queues.
const SHORT: usize = 200;

impl<S: Store> Outbox<'_, S> {
    /// Memory agrees with itself.
    pub(in crate::mailbox) fn assert_memory(&self) {
        let outbox = &*self.memory;
        let bytes = outbox.publishing.values().map(|it| it.bytes).sum::<u64>();
        debug_assert_eq!(outbox.under_way, bytes, "bytes under way");
        let calls = |id: &MessageId| {
            let devices = outbox.calling.values();
            devices.filter(|calls| calls.contains(id)).count()
        };
        for (id, publishing) in &outbox.publishing {
            debug_assert_eq!(publishing.open, calls(id), "calls of the publish {id}");
        }
        if let Some(work) = &outbox.work {
            debug_assert_eq!(work.open, calls(&work.id), "calls of the job {}", work.id);
        }
        for calls in outbox.calling.values() {
            debug_assert!(!calls.is_empty(), "a called device without a message");
        }
        for id in outbox.passes.keys() {
            debug_assert!(outbox.jobs.contains_key(id), "a pass without its job, {id}");
        }
        // A publish that is stored before its calls joins the queues only when a call fails.
        let queued = |id: &MessageId| !outbox.publishing.contains_key(id);
        for (id, job) in outbox.jobs.iter().filter(|(id, _)| queued(id)) {
            let left = job.left.iter().flatten();
            for device in left.take(SHORT) {
                let first = outbox.waiting.first(device);
                debug_assert!(
                    first.is_some_and(|first| first <= *id),
                    "{id} waits for {device}, whose queue begins with {first:?}"
                );
            }
        }
        let (gathered, bytes) = outbox.gathered.traces();
        let deliveries = gathered.flat_map(|trace| &trace.deliveries);
        debug_assert_eq!(
            bytes,
            deliveries.map(weight).sum::<usize>(),
            "bytes gathered"
        );
    }

    /// Memory agrees with the rows.
    pub(in crate::mailbox) fn assert_rows(&self) -> Result<(), StoreError> {
        let found = job_table::Rows::read(&self.cx.store, self.cx.limits.max_queued_messages)?;
        let rows: Vec<MessageId> = found.jobs.iter().map(|job| job.id).collect();
        let known: Vec<MessageId> = self.memory.jobs.keys().copied().collect();
        debug_assert_eq!(rows, known, "jobs");
        let rows: Vec<MessageId> = found.steps.iter().map(|pending| pending.id).collect();
        let known: Vec<MessageId> = self.memory.escalations.stored().collect();
        debug_assert_eq!(rows, known, "steps");
        for id in self.memory.endings.ids() {
            let has_row = ending_rows::has(&self.cx.store, id)?;
            debug_assert!(has_row, "the ending of {id} is not stored");
        }
        let rows = schedule_rows::all(&self.cx.store)?;
        let known = self.memory.schedules.ids();
        debug_assert!(rows.iter().map(|row| row.0).eq(known), "schedule: {rows:?}");
        for (device, first) in self.memory.found.0.iter() {
            let passed = |id: MessageId| first.job.is_none_or(|first| id < first);
            for id in self
                .unlisted()
                .map(|job| job.id)
                .take_while(|id| passed(*id))
            {
                let waits = self.waits(id, device)? == Some(true);
                debug_assert!(
                    !waits,
                    "{id} waits for {device}; the cache says it does not"
                );
            }
        }
        Ok(())
    }
}
