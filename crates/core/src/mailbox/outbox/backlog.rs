//! Which messages wait for a device, and how many may wait.
//!
//! Messages to one device are delivered in order, so a message waits behind all older ones that have not reached the
//! device's mailbox. Most of these are in [`super::device_queues`]. A job to many devices is not, see
//! [`super::unlisted`]: so opening a mailbox reads no deliveries, however many are queued.
//!
//! A queue may contain messages that no longer wait; the row of a delivery decides whether it waits.

use super::Outbox;
use super::job_rows::Job;
use super::part_rows;
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};

/// The most devices in the lists of all jobs together.
const MAX_LISTED: usize = 10_000;

/// The `Retry-After` of a full queue, in seconds.
const FULL_RETRY_AFTER: u32 = 10;

impl<S: Store> Outbox<'_, S> {
    /// Those of these devices that an older message waits for, or may wait for: older than `before`, or any. `lookups`
    /// is how many more lookups this event may make.
    pub(super) fn behind(
        &mut self,
        devices: &[DeviceId],
        before: Option<MessageId>,
        lookups: &mut usize,
    ) -> Result<Vec<DeviceId>, StoreError> {
        let mut behind = Vec::new();
        for device in devices {
            if self.is_behind_listed(device, before)?
                || self.is_behind_unlisted(device, before, lookups)?
            {
                behind.push(device.clone());
            }
        }
        Ok(behind)
    }

    fn is_behind_listed(
        &mut self,
        device: &DeviceId,
        before: Option<MessageId>,
    ) -> Result<bool, StoreError> {
        while let Some(id) = self.memory.waiting.first(device) {
            if before.is_some_and(|before| id >= before) {
                break;
            }
            if self.waits(id, device)? == Some(true) {
                return Ok(true);
            }
            self.leave(id, device);
        }
        Ok(false)
    }

    /// Whether a message waits until the mailbox of a device takes it; `None` if it is not for that device.
    pub(super) fn waits(
        &self,
        id: MessageId,
        device: &DeviceId,
    ) -> Result<Option<bool>, StoreError> {
        let known = |deliveries: &[Delivery]| {
            let mut deliveries = deliveries.iter();
            let known = deliveries.find(|delivery| delivery.device == *device);
            known.map(|delivery| !delivery.is_reached())
        };
        if let Some(publishing) = self.memory.publishing.get(&id) {
            return Ok(known(&publishing.deliveries));
        }
        if !self.memory.jobs.contains_key(&id) {
            return Ok(Some(false));
        }
        let stored = part_rows::stored_with(&self.cx.store, id, device)?;
        // A deleted message waits for no device. It does not tell whom it was for.
        Ok(stored.map_or(Some(false), |deliveries| known(&deliveries)))
    }

    /// Queues a message for these devices: later messages to them wait behind it.
    pub(super) fn enqueue(&mut self, id: MessageId, devices: &[DeviceId]) {
        for device in devices {
            self.memory.waiting.join(id, device);
        }
    }

    /// A delivery no longer waits.
    pub(super) fn leave(&mut self, id: MessageId, device: &DeviceId) {
        self.memory.waiting.leave(id, device);
        self.memory.found.leave(id, device);
        let left = self
            .memory
            .jobs
            .get_mut(&id)
            .and_then(|it| it.left.as_mut());
        if let Some(left) = left
            && let Ok(place) = left.binary_search(device)
        {
            left.remove(place);
        }
        if let Some(pass) = self.memory.passes.get_mut(&id) {
            pass.left.retain(|other| other != device);
        }
    }

    /// The devices that a pass has left over, if the lists have room for them.
    pub(super) fn listed(&self, id: MessageId, left: Vec<DeviceId>) -> Option<Vec<DeviceId>> {
        let others = self.memory.jobs.values().filter(|job| job.id != id);
        let listed: usize = others
            .filter_map(|job| job.left.as_ref())
            .map(Vec::len)
            .sum();
        Some(left).filter(|left| listed + left.len() <= MAX_LISTED)
    }

    /// Replaces what is known of a job, and queues it for its devices.
    pub(super) fn know_job(&mut self, job: Job) {
        for device in job.left.iter().flatten() {
            self.memory.waiting.join(job.id, device);
        }
        self.memory.jobs.insert(job.id, job);
    }

    /// A job is gone: nothing waits behind it any more.
    pub(super) fn forget_job(&mut self, id: MessageId) {
        self.memory.passes.remove(&id);
        self.memory.found.remove_job(id);
        let job = self.memory.jobs.remove(&id);
        for device in job.and_then(|job| job.left).into_iter().flatten() {
            self.memory.waiting.leave(id, &device);
        }
    }

    /// Why a message of `bytes` bytes cannot be queued, if it cannot: the queued messages have reached `times` the
    /// limit of their number or of their bytes.
    pub(super) fn full(&self, bytes: u64, times: u32) -> Option<Problem> {
        // A publish that is stored before its calls is under way, not queued.
        let jobs = self.memory.jobs.values();
        let queued = jobs.filter(|job| !self.memory.publishing.contains_key(&job.id));
        let (scheduled, escalating) =
            (self.memory.schedules.size(), self.memory.escalations.size());
        let waiting = (scheduled.0 + escalating.0, scheduled.1 + escalating.1);
        let (count, used) =
            queued.fold(waiting, |(count, used), job| (count + 1, used + job.bytes));
        let (messages, most) = (
            self.cx.limits.max_queued_messages.saturating_mul(times),
            self.cx.limits.max_queued_bytes.saturating_mul(times.into()),
        );
        if count < messages && (used + bytes <= most || count == 0) {
            return None;
        }
        let detail = format!(
            "{count} publishes with {used} bytes are queued; at most {messages} with {most} bytes may be"
        );
        let mut problem = Problem::new(Code::TooManyRequests, detail);
        problem.retry_after = Some(FULL_RETRY_AFTER);
        Some(problem)
    }
}

/// The devices whose deliveries are unreached.
pub(super) fn untaken(deliveries: &[Delivery]) -> Vec<DeviceId> {
    let untaken = deliveries.iter().filter(|delivery| !delivery.is_reached());
    untaken.map(|delivery| delivery.device.clone()).collect()
}
