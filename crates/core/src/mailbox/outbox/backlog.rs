//! Which messages wait for a device, and how much may wait at all.
//!
//! Messages to one device are handed over in their order, so one goes behind all older ones that have not
//! reached the device's mailbox. Most of these stand in [`super::device_queues`]. A job to many devices does not: it is
//! *unlisted* until a pass has shown whom it leaves over, and whether it waits for a device is looked up in
//! its rows when that device is needed. So opening a mailbox reads no deliveries, whatever is queued.
//!
//! A line may name who has gone meanwhile; whether a delivery waits is decided by its row.

use litemap::LiteMap;

use super::Outbox;
use super::job_rows::{self, Job};
use super::part_rows;
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};

/// At most this many devices are in the lists of all jobs together.
const LISTED: usize = 10_000;

/// At most this many jobs are looked into in one event, once for each device. What would take more waits for them all,
/// as if each were to the same devices.
const LOOKED_INTO: usize = 2_000;

/// At most this many devices have what was found for them remembered.
const REMEMBERED: usize = 1_000;

/// Seconds after which a full queue may have room.
const ROOM_IN: u32 = 10;

/// The oldest unlisted job that waits for a device, as far as it was looked up.
#[derive(Debug, Default)]
pub(super) struct Found(LiteMap<DeviceId, Option<MessageId>>);

impl Found {
    fn remember(&mut self, device: &DeviceId, job: Option<MessageId>) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(device.clone(), job);
    }

    /// There is a new job, which may wait for anyone.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// This job does not wait for the device any more.
    fn forget(&mut self, id: MessageId, device: &DeviceId) {
        if self.0.get(device) == Some(&Some(id)) {
            self.0.remove(device);
        }
    }

    /// This job is listed or gone.
    fn forget_job(&mut self, id: MessageId) {
        self.0.retain(|_, job| *job != Some(id));
    }
}

impl<S: Store> Outbox<'_, S> {
    /// Which of these devices an older message waits for: older than `before`, or any.
    pub(super) fn behind(
        &mut self,
        devices: &[DeviceId],
        before: Option<MessageId>,
    ) -> Result<Vec<DeviceId>, StoreError> {
        let unlisted = self
            .unlisted()
            .filter(|id| before.is_none_or(|it| *id < it));
        if unlisted.count() * devices.len() > LOOKED_INTO {
            return Ok(devices.to_vec());
        }
        let mut behind = Vec::new();
        for device in devices {
            if self.is_behind(device, before)? {
                behind.push(device.clone());
            }
        }
        Ok(behind)
    }

    fn is_behind(
        &mut self,
        device: &DeviceId,
        before: Option<MessageId>,
    ) -> Result<bool, StoreError> {
        let is_older = |id: MessageId| before.is_none_or(|before| id < before);
        while let Some(id) = self.memory.waiting.first(device) {
            if !is_older(id) {
                break;
            }
            if self.waits(id, device)? {
                return Ok(true);
            }
            self.leave(id, device);
        }
        if !self.unlisted().any(is_older) {
            return Ok(false);
        }
        let found = match self.memory.found.0.get(device) {
            Some(found) => *found,
            None => self.look_for(device)?,
        };
        Ok(found.is_some_and(is_older))
    }

    /// The oldest unlisted job that waits for a device.
    fn look_for(&mut self, device: &DeviceId) -> Result<Option<MessageId>, StoreError> {
        let mut found = job_rows::unlisted_job_with(&self.cx.store, device, None)?;
        while let Some(id) = found {
            if self.waits(id, device)? {
                break;
            }
            found = job_rows::unlisted_job_with(&self.cx.store, device, Some(id))?;
        }
        self.memory.found.remember(device, found);
        Ok(found)
    }

    /// Whether a message waits until the mailbox of a device takes it.
    pub(super) fn waits(&self, id: MessageId, device: &DeviceId) -> Result<bool, StoreError> {
        if let Some(publishing) = self.memory.publishing.get(&id) {
            let mut deliveries = publishing.deliveries.iter();
            let known = deliveries.find(|delivery| delivery.device == *device);
            return Ok(known.is_some_and(|delivery| !delivery.is_reached()));
        }
        if !self.memory.jobs.contains_key(&id) {
            return Ok(false);
        }
        let delivery = part_rows::delivery(&self.cx.store, id, device)?;
        Ok(delivery.is_some_and(|delivery| !delivery.is_reached()))
    }

    /// Jobs without a list, oldest first.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = MessageId> {
        let unlisted = self.memory.jobs.values().filter(|job| job.left.is_none());
        unlisted.map(|job| job.id)
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
        self.memory.found.forget(id, device);
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
        self.memory.found.forget_job(job.id);
        if let Some(left) = &job.left {
            for device in left {
                self.memory.waiting.join(job.id, device);
            }
        } else {
            self.memory.found.clear();
        }
        self.memory.jobs.insert(job.id, job);
    }

    /// A job is gone: nothing goes behind it any more.
    pub(super) fn forget_job(&mut self, id: MessageId) {
        self.memory.passes.remove(&id);
        self.memory.found.forget_job(id);
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
