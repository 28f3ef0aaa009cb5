//! Which messages wait for a device, and how much may wait at all.
//!
//! Messages to one device are handed over in their order, so one goes behind all older ones that have not
//! reached the device's mailbox. Most of these stand in [`super::device_queues`]. A job to many devices does not, see
//! [`super::unlisted`]: so opening a mailbox reads no deliveries, whatever is queued.
//!
//! A line may name who has gone meanwhile; whether a delivery waits is decided by its row.

use super::Outbox;
use super::job_rows::Job;
use super::part_rows;
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};

/// At most this many devices are in the lists of all jobs together.
const LISTED: usize = 10_000;

/// Seconds after which a full queue may have room.
const ROOM_IN: u32 = 10;

impl<S: Store> Outbox<'_, S> {
    /// Which of these devices an older message waits for, or may: older than `before`, or any. `looks` is how many
    /// more lookups this event may make.
    pub(super) fn behind(
        &mut self,
        devices: &[DeviceId],
        before: Option<MessageId>,
        looks: &mut usize,
    ) -> Result<Vec<DeviceId>, StoreError> {
        let mut behind = Vec::new();
        for device in devices {
            if self.is_behind_listed(device, before)?
                || self.is_behind_unlisted(device, before, looks)?
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
        // A message that is gone waits for nobody. That says nothing of whom it was for.
        Ok(stored.map_or(Some(false), |deliveries| known(&deliveries)))
    }

    /// Lets later messages to the same devices go behind this one.
    pub(super) fn wait_in_line(&mut self, id: MessageId, devices: &[DeviceId]) {
        for device in devices {
            self.memory.waiting.join(id, device);
        }
    }

    /// A delivery does not wait any more.
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

    /// The devices of a job that a pass has left over, if the lists have room for them.
    pub(super) fn listed(&self, id: MessageId, left: Vec<DeviceId>) -> Option<Vec<DeviceId>> {
        let others = self.memory.jobs.values().filter(|job| job.id != id);
        let listed: usize = others
            .filter_map(|job| job.left.as_ref())
            .map(Vec::len)
            .sum();
        Some(left).filter(|left| listed + left.len() <= LISTED)
    }

    /// Puts a job into the place of what was known of it, and its devices into their lines.
    pub(super) fn know_job(&mut self, job: Job) {
        for device in job.left.iter().flatten() {
            self.memory.waiting.join(job.id, device);
        }
        self.memory.jobs.insert(job.id, job);
    }

    /// A job is gone: nothing goes behind it any more.
    pub(super) fn forget_job(&mut self, id: MessageId) {
        self.memory.passes.remove(&id);
        self.memory.found.remove_job(id);
        let job = self.memory.jobs.remove(&id);
        for device in job.and_then(|job| job.left).into_iter().flatten() {
            self.memory.waiting.leave(id, &device);
        }
    }

    /// Why a message of `bytes` bytes cannot be queued, if it cannot: those that wait for a mailbox have reached
    /// `times` the limit of their number or of their bytes.
    pub(super) fn full(&self, bytes: u64, times: u32) -> Option<Problem> {
        // What a publish writes down before it leaves is under way, not queued.
        let jobs = self.memory.jobs.values();
        let queued = jobs.filter(|job| !self.memory.publishing.contains_key(&job.id));
        let (count, used) = queued.fold((0, 0), |(count, used), job| (count + 1, used + job.bytes));
        let (messages, most) = (
            self.cx.limits.max_queued_messages.saturating_mul(times),
            self.cx.limits.max_queued_bytes.saturating_mul(times.into()),
        );
        if count < messages && (used + bytes <= most || count == 0) {
            return None;
        }
        let detail = format!(
            "{count} publishes of {used} bytes wait for mailboxes; at most {messages} of {most} bytes may"
        );
        let mut problem = Problem::new(Code::TooManyRequests, detail);
        problem.retry_after = Some(ROOM_IN);
        Some(problem)
    }
}

/// The devices whose mailboxes have not taken a message.
pub(super) fn untaken(deliveries: &[Delivery]) -> Vec<DeviceId> {
    let untaken = deliveries.iter().filter(|delivery| !delivery.is_reached());
    untaken.map(|delivery| delivery.device.clone()).collect()
}
