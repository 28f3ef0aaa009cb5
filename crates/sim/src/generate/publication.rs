//! The publishes of a plan.

use fastrand::Rng;
use tagpost_core::message::Urgency;

use super::{Operations, pick};
use crate::plan::{Later, Publication, To};

impl Operations<'_> {
    pub(super) fn publication(&mut self, sender: usize) -> Publication {
        let padding: &[usize] = if self.heavy {
            &[0, 100_000, 200_000, 250_000]
        } else {
            &[0, 0, 10, 60]
        };
        let rng = &mut *self.rng;
        let most = if self.crowded { 2 } else { 4 };
        let to = target(rng, most, self.tags, self.devices);
        let some = |rng: &mut Rng, most| (rng.u32(0..3) == 0).then(|| rng.u32(0..most));
        let urgency = [
            Urgency::VeryLow,
            Urgency::Low,
            Urgency::Normal,
            Urgency::Normal,
            Urgency::Normal,
            Urgency::High,
        ];
        let ttl = *pick(rng, &[0, 1, 5, 60, 600, 3_600, 3_600]);
        let mut steps: Vec<(To, u32)> = Vec::new();
        if ttl > 1 && rng.u32(0..3) == 0 {
            for _ in 0..rng.u32(1..=3) {
                let before = steps.last().map_or(0, |(_, after)| *after);
                let after = before + *pick(rng, &[1, 1, 3, 20, 300]);
                if after < ttl {
                    steps.push((target(rng, most, self.tags, self.devices), after));
                }
            }
        }
        Publication {
            sender,
            to,
            steps,
            frame: rng.bool(),
            ttl,
            topic: some(rng, 2),
            urgency: *pick(rng, &urgency),
            wait: *pick(rng, &[0, 1, 1, 3, 10]),
            key: some(rng, 3),
            echo: rng.u32(0..4) == 0,
            later: match rng.u32(0..10) {
                0 => Some(Later::Delay(*pick(rng, &[0, 1, 3, 20, 60]))),
                1 => Some(Later::At(*pick(rng, &[-5_000, 1, 40, 2_500, 60_000]))),
                _ => None,
            },
            acks: (rng.u32(0..3) == 0).then(|| rng.u32(1..=2)),
            padding: *pick(rng, padding),
            repeats: rng.u32(0..=2),
        }
    }
}

/// One target in `most` is no device.
fn target(rng: &mut Rng, most: u32, tags: usize, devices: usize) -> To {
    match rng.u32(0..most) {
        0 if rng.bool() => To::Without(rng.usize(0..tags), rng.usize(0..devices)),
        0 => To::Tag(rng.usize(0..tags)),
        _ => To::Device(rng.usize(0..devices)),
    }
}
