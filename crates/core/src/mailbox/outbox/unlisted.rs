//! Jobs that are in no device queue, and which of them waits for a device.
//!
//! A job to many devices is *unlisted* until a pass has shown which devices it leaves over. Whether it waits for a
//! device is looked up in its rows when that matters. Jobs to the same devices have the same [`Audience`]: if a device
//! is not among the recipients of one job, other jobs of that audience need no lookup.
//!
//! A result stays true, because a delivery that was taken never waits again. So if one event may make no further
//! lookups, the next event continues. Until then an unlisted job counts as waiting for the device: this delays a
//! message, but never lets it overtake another.

use litemap::LiteMap;
use sha2::{Digest as _, Sha256};

use super::Outbox;
use super::job_rows::Job;
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError};

/// The most lookups in one event.
pub(super) const MAX_LOOKUPS: usize = 150;

/// The most devices whose results are cached.
const MAX_CACHED: usize = 1_000;

/// A hash of the recipients of a message. One that has got further recipients has none.
pub(super) type Audience = [u8; 16];

/// The audience of a message with these deliveries, which are in the order of their devices.
pub(super) fn audience(deliveries: &[Delivery]) -> Audience {
    let mut hash = Sha256::new();
    for delivery in deliveries {
        hash.update(delivery.device.as_str());
        // No name contains it, so two different lists never hash the same text.
        hash.update("\n");
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut audience = [0; 16];
    audience.copy_from_slice(digest.split_at(16).0);
    audience
}

/// The results of lookups, by device.
#[derive(Debug, Default)]
pub(super) struct Found(pub(super) LiteMap<DeviceId, First>);

/// No unlisted job before `job` waits for the device; if that is `None`, none does.
#[derive(Debug, Clone, Copy)]
pub(super) struct First {
    pub(super) job: Option<MessageId>,
    /// Whether `job` itself is known to wait for the device.
    waits: bool,
}

impl Found {
    fn remember(&mut self, device: &DeviceId, first: First) {
        if self.0.len() >= MAX_CACHED {
            self.0.clear();
        }
        self.0.insert(device.clone(), first);
    }

    /// This job is unlisted from now on, and may wait for any device.
    pub(super) fn add_job(&mut self, id: MessageId) {
        for (_, first) in self.0.iter_mut() {
            if first.job.is_none_or(|job| id < job) {
                let (job, waits) = (Some(id), false);
                *first = First { job, waits };
            }
        }
    }

    /// This job no longer waits for the device.
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
    /// The unlisted jobs, oldest first.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = &Job> {
        let jobs = self.memory.jobs.values();
        jobs.filter(|job| job.left.is_none())
    }

    /// Whether an unlisted job waits for a device, or may wait: one older than `before`, or any. `lookups` is how many
    /// more lookups this event may make.
    pub(super) fn is_behind_unlisted(
        &mut self,
        device: &DeviceId,
        before: Option<MessageId>,
        lookups: &mut usize,
    ) -> Result<bool, StoreError> {
        let known = self.memory.found.0.get(device).copied();
        let first = match known {
            Some(first) if first.waits || first.job.is_none() => first,
            _ => {
                let had = *lookups;
                let from = known.and_then(|first| first.job);
                let first = self.look_for(device, from, before, lookups)?;
                if *lookups < had {
                    self.memory.found.remember(device, first);
                }
                first
            }
        };
        Ok(first
            .job
            .is_some_and(|id| before.is_none_or(|before| id < before)))
    }

    /// Finds the first unlisted job from `from` to `before` that waits for a device.
    fn look_for(
        &self,
        device: &DeviceId,
        from: Option<MessageId>,
        before: Option<MessageId>,
        lookups: &mut usize,
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
            // The deliveries of an unanswered publish are in memory.
            if !self.memory.publishing.contains_key(&job.id) {
                if *lookups == 0 {
                    return Ok(at(false));
                }
                *lookups -= 1;
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
