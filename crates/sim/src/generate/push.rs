//! Web Push in a plan: its operations come between the others.

use fastrand::Rng;
use tagpost_core::message::Urgency;
use tagpost_core::time::Millis;

use super::pick;
use crate::chance::{chance, happens};
use crate::plan::{Action, Aftermath, Aside, Op, Plan, Push, PushOp};

/// Histories, of a thousand, in which devices are user agents.
const PUSHED: u32 = 250;

/// No message of a channel is kept longer, so that all have ended when the history does.
const TTLS: [u32; 7] = [0, 0, 1, 5, 60, 600, 600];

/// Adds user agents and application servers to the plans of some seeds.
pub(super) fn add(plan: &mut Plan, heavy: bool) {
    let rng = &mut chance(plan.seed, &[30]);
    let is_special = heavy || plan.crowd > 0 || plan.pile.is_some();
    if is_special || !happens(rng, PUSHED) {
        return;
    }
    plan.limits.push_ack_timeout = rng.u32(2..=20);
    plan.limits.push_wait_ms = *pick(rng, &[1, 150, 150, 2_000]);
    // A device that fails at messages after the last fault delays others longer if its user agent comes first.
    if plan.aftermath == Aftermath::Poisoned {
        plan.aftermath = Aftermath::Lively;
    }
    let number = plan.ops.iter().map(|op| op.number).max().unwrap_or(0);
    let pace = *pick(rng, &[30, 500, 2_000, 20_000]);
    let mut added = Added {
        devices: plan.devices.min(rng.usize(1..=2)),
        busy: rng.bool(),
        rng,
        number,
        pace,
        published: Vec::new(),
    };
    added.among(&mut plan.ops);
}

struct Added<'a> {
    rng: &'a mut Rng,
    /// The first of the devices are user agents.
    devices: usize,
    /// Little else happens than publishing.
    busy: bool,
    number: u32,
    pace: Millis,
    /// The numbers of the publishes so far.
    published: Vec<u32>,
}

impl Added<'_> {
    fn among(&mut self, ops: &mut Vec<Op>) {
        let mut added = Vec::new();
        for device in 0..self.devices {
            added.push(PushOp::Connect { device, new: true });
            added.extend((0..2).map(|channel| PushOp::Register {
                device,
                channel,
                key: None,
            }));
        }
        // The answers take a while.
        let begin = added.len();
        for _ in 0..self.rng.u32(8..=40) {
            let op = self.op();
            added.push(op);
        }
        let mut place = 0;
        for (count, op) in added.into_iter().enumerate() {
            let gap = match count {
                count if count < begin => 300,
                _ => self.gap(),
            };
            self.number += 1;
            if matches!(op, PushOp::Publish(_)) {
                self.published.push(self.number);
            }
            let action = Action::WebPush(op);
            let number = self.number;
            let op = Op {
                number,
                gap,
                action,
            };
            ops.insert(place, op);
            place += 1;
            if count >= begin && place < ops.len() && self.rng.bool() {
                place += self.rng.usize(1..=ops.len() - place).min(2);
            }
        }
    }

    fn gap(&mut self) -> Millis {
        let pace = self.pace;
        match self.rng.u32(0..8) {
            0..=3 => self.rng.i64(0..=3),
            4..=6 => self.rng.i64(0..=pace),
            _ => self.rng.i64(0..=pace * 5),
        }
    }

    fn op(&mut self) -> PushOp {
        let device = self.rng.usize(0..self.devices);
        let channel = self.rng.usize(0..2);
        let of = match self.published.len() {
            0 => 0,
            count => self.published[self.rng.usize(0..count)],
        };
        let kinds = if self.busy { 64 } else { 103 };
        match self.rng.u32(0..kinds) {
            0..=55 => PushOp::Publish(self.push(device, channel)),
            56..=63 => PushOp::Connect { device, new: false },
            64..=72 => PushOp::Register {
                device,
                channel,
                key: *pick(self.rng, &[None, None, None, Some(1), Some(2)]),
            },
            73..=76 => PushOp::Unregister { device, channel },
            77..=80 => PushOp::Revoke {
                device,
                channel: *pick(self.rng, &[None, Some(channel), Some(channel)]),
            },
            81..=83 => PushOp::Cancel { of },
            84..=87 => PushOp::Ask {
                of,
                wait: *pick(self.rng, &[0, 2, 20]),
            },
            88..=91 => PushOp::Receipts {
                device,
                channel,
                wait: *pick(self.rng, &[0, 2, 20]),
            },
            92..=93 => PushOp::Connect { device, new: true },
            94..=95 => PushOp::Return { device },
            96..=98 => PushOp::Say {
                device,
                what: *pick(
                    self.rng,
                    &[
                        Aside::Ping,
                        Aside::Broadcasts,
                        Aside::Hello,
                        Aside::UnknownVersion,
                    ],
                ),
            },
            99 => PushOp::List { device },
            _ => PushOp::Meddle { device },
        }
    }

    fn push(&mut self, device: usize, channel: usize) -> Push {
        let rng = &mut *self.rng;
        let urgency = [
            Urgency::VeryLow,
            Urgency::Low,
            Urgency::Normal,
            Urgency::Normal,
            Urgency::Normal,
            Urgency::High,
        ];
        Push {
            device,
            channel,
            former: rng.u32(0..10) == 0,
            ttl: *pick(rng, &TTLS),
            topic: (rng.u32(0..3) == 0).then(|| rng.u32(0..2)),
            urgency: *pick(rng, &urgency),
            wait: *pick(rng, &[0, 0, 0, 1, 5]),
            receipt: rng.bool(),
        }
    }
}
