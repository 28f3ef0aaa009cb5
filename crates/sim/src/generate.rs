//! The plan of a seed.
//!
//! Each seed draws its own mix of devices, faults, limits and operations. Many histories that each specialise reach
//! more than one history in which everything fails all the time.

use fastrand::Rng;
use tagpost_core::time::Millis;

use self::kind::{KINDS, Kind};
use crate::chance::{chance, happens};
use crate::plan::{Action, Aftermath, Answers, Manner, Moment, Op, Plan, To};

/// Histories, of a thousand, with a tag of more devices than fit one row.
const CROWDED: u32 = 4;
/// Histories, of a thousand, whose mailboxes start without tables. Creating them takes longer than most histories.
const BARE: u32 = 10;
/// Histories, of a thousand, with large payloads.
const HEAVY: u32 = 2;
/// Histories, of a thousand, about a mailbox with a large backlog.
const PILED: u32 = 1;
/// Histories, of a thousand, in which everybody is silent after the last fault.
const QUIET: u32 = 250;
/// How many phones a device may have.
const PHONES: u32 = 3;
/// Histories, of a thousand, in which devices still fail at messages after the last fault.
const POISONED: u32 = 30;

mod kind;
mod publication;
mod push;
mod setting;
mod webhook;

impl Plan {
    /// The plan of this seed.
    pub(crate) fn of(seed: u64) -> Self {
        let rng = &mut chance(seed, &[]);
        let most = if rng.u32(0..4) == 0 { 6 } else { 3 };
        let devices = rng.usize(2..=most);
        let heavy = happens(rng, HEAVY);
        let crowd = if happens(rng, if heavy { 300 } else { CROWDED }) {
            rng.usize(95..=150)
        } else {
            0
        };
        let everyone = (0..devices + crowd).collect();
        let tags = vec![
            (0..devices).filter(|_| rng.bool()).chain([0]).collect(),
            everyone,
        ];
        let count = match rng.u32(0..20) {
            0 => rng.u32(20..50),
            _ if heavy => rng.u32(5..30),
            1..=5 => rng.u32(10..20),
            _ => rng.u32(3..10),
        };
        let mut plan = Self {
            seed,
            limits: setting::limits(rng, heavy),
            devices,
            crowd,
            tags,
            weather: setting::weather(rng),
            bare: happens(rng, BARE),
            sleeps: rng.bool(),
            isolates: rng.u32(1..=4),
            aftermath: match rng.u32(0..1000) {
                drawn if drawn < QUIET => Aftermath::Quiet,
                drawn if drawn < QUIET + POISONED => Aftermath::Poisoned,
                _ => Aftermath::Lively,
            },
            pile: happens(rng, PILED).then(|| setting::pile(rng)),
            ops: Vec::new(),
        };
        if plan.pile.is_none() {
            plan.ops = Operations::new(rng, &plan, heavy).take(count);
        }
        push::add(&mut plan, heavy);
        webhook::add(&mut plan, heavy);
        plan
    }
}

/// Draws operations, one after the other.
struct Operations<'a> {
    rng: &'a mut Rng,
    devices: usize,
    tags: usize,
    /// Few publishes go to a tag with a crowd, and its history is short.
    crowded: bool,
    /// Payloads are large.
    heavy: bool,
    /// A device keeps failing at messages.
    poisoned: bool,
    weights: Vec<(Kind, u32)>,
    /// How far clocks are off at most.
    clocks: Millis,
    pace: Millis,
    /// The numbers of the publishes so far.
    published: Vec<u32>,
    number: u32,
}

impl<'a> Operations<'a> {
    fn new(rng: &'a mut Rng, plan: &Plan, heavy: bool) -> Self {
        let weights = KINDS.map(|(kind, weight)| {
            // Each history does without some kinds and has much of others.
            let factor = *pick(rng, &[0, 1, 1, 3]);
            let always = matches!(kind, Kind::Publish | Kind::Connect);
            (kind, weight * if always { factor.max(1) } else { factor })
        });
        let pace = *pick(rng, &[30, 500, 2_000, 20_000]);
        let crowded = plan.crowd > 0;
        let tags = plan.tags.len();
        Self {
            rng,
            devices: plan.devices,
            tags,
            crowded,
            heavy,
            poisoned: plan.aftermath == Aftermath::Poisoned,
            weights: weights.into(),
            clocks: plan.weather.clocks,
            pace,
            published: Vec::new(),
            number: 0,
        }
    }

    fn take(mut self, count: u32) -> Vec<Op> {
        if self.heavy && self.rng.bool() {
            return self.unread(count);
        }
        let mut ops = Vec::new();
        for device in 0..self.devices {
            if self.rng.bool() {
                let manner = setting::manner(self.rng);
                ops.push(self.op(0, Action::Manner { device, manner }));
            }
            if self.rng.u32(0..3) > 0 {
                ops.push(self.op(
                    0,
                    Action::Connect {
                        device,
                        expires_in: None,
                    },
                ));
            }
        }
        for _ in 0..count {
            let gap = self.gap();
            let action = self.action();
            let op = self.op(gap, action);
            if matches!(op.action, Action::Publish(_)) {
                self.published.push(op.number);
            }
            ops.push(op);
        }
        if self.poisoned {
            // Of what is left one in two makes it fail.
            let manner = Manner {
                answers: Answers::Poisoned(2),
                ..Manner::GOOD
            };
            ops.push(self.op(0, Action::Manner { device: 0, manner }));
        }
        ops
    }

    /// A device that reads nothing gets large messages, until that has had its time.
    fn unread(mut self, count: u32) -> Vec<Op> {
        let manner = Manner {
            answers: Answers::Deaf,
            ..Manner::GOOD
        };
        let connect = Action::Connect {
            device: 0,
            expires_in: None,
        };
        let manner = Action::Manner { device: 0, manner };
        let mut ops = vec![self.op(0, manner), self.op(0, connect)];
        for _ in 0..count {
            let gap = self.gap();
            let mut publication = self.publication(1);
            publication.to = To::Device(0);
            publication.ttl = 600;
            publication.steps.retain(|(_, after)| *after < 600);
            ops.push(self.op(gap, Action::Publish(publication)));
        }
        ops.push(self.op(120_000, Action::Status { device: 0 }));
        ops
    }

    fn op(&mut self, gap: Millis, action: Action) -> Op {
        self.number += 1;
        Op {
            number: self.number,
            gap,
            action,
        }
    }

    fn gap(&mut self) -> Millis {
        let pace = self.pace;
        match self.rng.u32(0..8) {
            0..=2 => self.rng.i64(0..=3),
            3..=6 => self.rng.i64(0..=pace),
            _ => self.rng.i64(0..=pace * 5),
        }
    }

    fn action(&mut self) -> Action {
        let device = self.rng.usize(0..self.devices);
        match self.kind() {
            Kind::Publish => Action::Publish(self.publication(device)),
            Kind::Connect => {
                let expires_in = (self.rng.u32(0..6) == 0).then(|| self.rng.i64(1..=30));
                Action::Connect { device, expires_in }
            }
            Kind::Leave => Action::Leave {
                device,
                close: self.rng.bool(),
            },
            Kind::Manner => Action::Manner {
                device,
                manner: setting::manner(self.rng),
            },
            Kind::Repeat => Action::Repeat { of: self.earlier() },
            Kind::Poll => {
                let wait = *pick(self.rng, &[0, 0, 1, 10]);
                Action::Poll {
                    device,
                    limit: self.rng.u32(1..=4),
                    wait,
                }
            }
            Kind::Cancel => Action::Cancel { of: self.earlier() },
            Kind::Ask => match self.rng.u32(0..5) {
                0 => Action::List { device },
                1 => Action::Status { device },
                2 => Action::Look {
                    device,
                    limit: *pick(self.rng, &[1, 3, 100]),
                },
                _ => Action::Trace {
                    of: self.earlier(),
                    wait: *pick(self.rng, &[0, 0, 2, 20]),
                },
            },
            Kind::BadFrames => Action::BadFrames {
                device,
                count: *pick(self.rng, &[1, 9, 10]),
            },
            Kind::Crash => {
                let moment = match self.rng.u32(0..6) {
                    0 => Moment::Now,
                    1 => Moment::NowKeepingSockets,
                    2 => Moment::Committed(self.rng.u32(0..4)),
                    _ => Moment::Within(self.rng.u32(0..12)),
                };
                Action::Crash { device, moment }
            }
            Kind::Flap => Action::Flap {
                device,
                times: *pick(self.rng, &[3, 12, 12, 30, 100, 300]),
                pace: *pick(self.rng, &[100, 1_000, 5_000, 60_000]),
            },
            Kind::Nap => Action::Nap {
                device,
                lasts: *pick(self.rng, &[500, 5_000, 20_000, 60_000, 160_000, 500_000]),
                catches_up: self.rng.bool(),
            },
            Kind::TakeOver => Action::TakeOver { device },
            Kind::Isolate => Action::Isolate {
                device,
                keep_sockets: self.rng.bool(),
            },
            Kind::Full => Action::Full {
                device,
                lasts: *pick(self.rng, &[100, 5_000, 90_000, 600_000]),
            },
            Kind::Misconfigure => Action::Misconfigure {
                lasts: *pick(self.rng, &[1_000, 30_000, 200_000, 3_600_000]),
            },
            Kind::Mix => Action::Mix {
                lasts: *pick(self.rng, &[1_000, 30_000, 300_000]),
            },
            Kind::Deploy => Action::Deploy,
            Kind::Evict => Action::Evict { device },
            Kind::Skew => Action::Skew {
                device,
                by: self.rng.i64(-self.clocks..=self.clocks),
            },
            Kind::Remove if self.rng.bool() => Action::Remove { device },
            Kind::Remove => Action::Register {
                device,
                foreign: self.rng.bool(),
            },
            Kind::Subscribe => Action::Subscribe {
                device,
                phone: self.rng.u32(0..PHONES),
            },
            Kind::Unsubscribe => Action::Unsubscribe {
                device,
                phone: self.rng.bool().then(|| self.rng.u32(0..PHONES)),
            },
            Kind::Bind => Action::Bind {
                device,
                tag: self.rng.usize(0..self.tags),
                bind: self.rng.bool(),
            },
            Kind::Tokens => match self.rng.u32(0..4) {
                0 => Action::Revoke { device },
                1 => Action::RevokeToken {
                    device,
                    ends_in: *pick(self.rng, &[None, Some(1_000), Some(60_000)]),
                },
                _ => Action::Register {
                    device,
                    foreign: self.rng.bool(),
                },
            },
        }
    }

    fn kind(&mut self) -> Kind {
        let total: u32 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.rng.u32(0..total);
        for (kind, weight) in &self.weights {
            if drawn < *weight {
                return *kind;
            }
            drawn -= weight;
        }
        Kind::Publish
    }

    fn earlier(&mut self) -> u32 {
        match self.published.len() {
            0 => 0,
            count => self.published[self.rng.usize(0..count)],
        }
    }
}

fn pick<'a, T>(rng: &mut Rng, choices: &'a [T]) -> &'a T {
    &choices[rng.usize(0..choices.len())]
}

#[cfg(test)]
mod tests;
