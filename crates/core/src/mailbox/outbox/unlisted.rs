//! Jobs that stand in no line: which of them waits for a device.
//!
//! A job to many devices is *unlisted* until a pass has shown whom it leaves over. Whether it waits for a device is
//! looked up in its rows when that device is needed. Jobs to the same devices have the same [`Audience`]: if a device
//! is not among those of one job, the others of that audience need no lookup.
//!
//! What was found stays true, because a delivery that was taken never waits again. So lookups that are too many for
//! one event go on in the next. Until then the device counts as waited for: that delays a message, and never lets it
//! overtake another.

use litemap::LiteMap;
use sha2::{Digest as _, Sha256};

use super::Outbox;
use super::job_rows::Job;
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError};

/// At most this many lookups are made in one event.
pub(super) const MAX_LOOKUPS: usize = 150;

/// At most this many devices have what was found for them remembered.
const REMEMBERED: usize = 1_000;

/// Stands for the set of devices that a message is addressed to, which never changes.
pub(super) type Audience = [u8; 16];

/// The audience of a message with these deliveries, which are in the order of their devices.
pub(super) fn audience(deliveries: &[Delivery]) -> Audience {
    let mut hash = Sha256::new();
    for delivery in deliveries {
        hash.update(delivery.device.as_str());
        // No name contains it, so that two different lists do not read the same.
        hash.update("\n");
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut audience = [0; 16];
    audience.copy_from_slice(digest.split_at(16).0);
    audience
}

/// What was found of each device, as far as it was looked for.
#[derive(Debug, Default)]
pub(super) struct Found(pub(super) LiteMap<DeviceId, First>);

/// No unlisted job before `job` waits for the device; none at all if that is `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct First {
    pub(super) job: Option<MessageId>,
    /// Whether `job` itself is known to wait for the device.
    waits: bool,
}

impl Found {
    fn remember(&mut self, device: &DeviceId, first: First) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(device.clone(), first);
    }

    /// This job is unlisted from now on, and may wait for anyone.
    pub(super) fn add_job(&mut self, id: MessageId) {
        for (_, first) in self.0.iter_mut() {
            if first.job.is_none_or(|job| id < job) {
                let (job, waits) = (Some(id), false);
                *first = First { job, waits };
            }
        }
    }

    /// This job does not wait for the device any more.
    pub(super) fn leave(&mut self, id: MessageId, device: &DeviceId) {
        if let Some(first) = self.0.get_mut(device).filter(|it| it.job == Some(id)) {
            first.waits = false;
        }
    }

    /// This job is gone.
    pub(super) fn remove_job(&mut self, id: MessageId) {
        for (_, first) in self.0.iter_mut() {
            first.waits &= first.job != Some(id);
        }
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<S: Store> Outbox<'_, S> {
    /// Jobs without a list, oldest first.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = &Job> {
        let jobs = self.memory.jobs.values();
        jobs.filter(|job| job.left.is_none())
    }

    /// Whether an unlisted job waits for a device, or may: one older than `before`, or any. `looks` is how many
    /// more lookups this event may make.
    pub(super) fn is_behind_unlisted(
        &mut self,
        device: &DeviceId,
        before: Option<MessageId>,
        looks: &mut usize,
    ) -> Result<bool, StoreError> {
        let known = self.memory.found.0.get(device).copied();
        let first = match known {
            Some(first) if first.waits || first.job.is_none() => first,
            _ => {
                let had = *looks;
                let from = known.and_then(|first| first.job);
                let first = self.look_for(device, from, before, looks)?;
                if *looks < had {
                    self.memory.found.remember(device, first);
                }
                first
            }
        };
        Ok(first
            .job
            .is_some_and(|id| before.is_none_or(|before| id < before)))
    }

    /// Looks for the first unlisted job that waits for a device, of those from `from` to `before`.
    fn look_for(
        &self,
        device: &DeviceId,
        from: Option<MessageId>,
        before: Option<MessageId>,
        looks: &mut usize,
    ) -> Result<First, StoreError> {
        let mut others: Vec<Audience> = Vec::new();
        for job in self.unlisted().filter(|job| Some(job.id) >= from) {
            let at = |waits| First {
                job: Some(job.id),
                waits,
            };
            if before.is_some_and(|before| job.id >= before) {
                return Ok(at(false));
            }
            if job.audience.is_some_and(|it| others.contains(&it)) {
                continue;
            }
            // That of a publish which is not answered is in memory.
            if !self.memory.publishing.contains_key(&job.id) {
                if *looks == 0 {
                    return Ok(at(false));
                }
                *looks -= 1;
            }
            match self.waits(job.id, device)? {
                Some(true) => return Ok(at(true)),
                Some(false) => {}
                None => others.extend(job.audience),
            }
        }
        Ok(First {
            job: None,
            waits: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(names: &[&str]) -> Audience {
        let deliveries = names.iter().map(|name| {
            let device = name.parse().unwrap();
            Delivery::unreached(device, 1_800_000_000_000)
        });
        audience(&deliveries.collect::<Vec<_>>())
    }

    #[test]
    fn every_set_of_devices_has_an_audience_of_its_own() {
        let sets: &[&[&str]] = &[
            &[],
            &["a"],
            &["ab"],
            &["a", "b"],
            &["a", "bc"],
            &["ab", "c"],
        ];
        let audiences: Vec<Audience> = sets.iter().map(|names| to(names)).collect();
        for (n, one) in audiences.iter().enumerate() {
            assert!(
                !audiences.iter().skip(n + 1).any(|other| other == one),
                "{:?}",
                sets[n]
            );
        }
        assert_eq!(to(&["a", "b"]), to(&["a", "b"]));
    }
}
