//! Webhooks in a plan: their operations come between the others.

use fastrand::Rng;
use tagpost_core::message::Urgency;
use tagpost_core::time::Millis;

use super::pick;
use crate::chance::{chance, happens};
use crate::plan::{Action, Aftermath, Conduct, Hook, Moment, Op, Plan, Publication, To, WebhookOp};

/// Histories, of a thousand, in which a device is an address.
const HOOKED: u32 = 200;

/// Of those, of a thousand, the ones in which more messages wait for the address than one event may post.
const PILED: u32 = 100;

/// How many messages wait then.
const PILE: u32 = 70;

/// How many addresses a device has had, or will have.
const ADDRESSES: u32 = 2;

/// Adds an address to the plans of some seeds. A device that is one has no phone: what is knocked for is claimed of
/// devices that have to come.
pub(super) fn add(plan: &mut Plan, heavy: bool) {
    let rng = &mut chance(plan.seed, &[41]);
    let is_special = heavy || plan.crowd > 0 || plan.pile.is_some();
    let of_agents = |op: &Op| matches!(op.action, Action::WebPush(_));
    if is_special || plan.ops.iter().any(of_agents) || !happens(rng, HOOKED) {
        return;
    }
    let device = rng.usize(0..plan.devices.min(2));
    let has_phone =
        |op: &Op| matches!(op.action, Action::Subscribe { device: of, .. } if of == device);
    plan.ops.retain(|op| !has_phone(op));
    // A device that fails at messages after the last fault delays others longer if they pause at its address.
    if plan.aftermath == Aftermath::Poisoned {
        plan.aftermath = Aftermath::Lively;
    }
    if rng.u32(0..6) == 0 {
        plan.limits.max_webhook_attempts = rng.u32(2..=5);
    }
    let number = plan.ops.iter().map(|op| op.number).max().unwrap_or(0);
    let pace = *pick(rng, &[500, 2_000, 20_000, 200_000]);
    let width = *pick(rng, &[1, 1, 1, 2, 16]);
    let mut added = Added {
        sender: (device + 1) % plan.devices,
        device,
        width,
        rng,
        number,
        pace,
    };
    if happens(added.rng, PILED) {
        added.pile(&mut plan.ops);
    } else {
        added.among(&mut plan.ops);
    }
}

struct Added<'a> {
    rng: &'a mut Rng,
    /// Who publishes most of what is for it.
    sender: usize,
    /// Which device is an address.
    device: usize,
    /// How many messages are mostly posted at a time.
    width: u32,
    number: u32,
    pace: Millis,
}

impl Added<'_> {
    fn among(&mut self, ops: &mut Vec<Op>) {
        let device = self.device;
        // While a device has a socket, nothing is posted.
        if self.rng.u32(0..4) > 0 {
            ops.retain(|op| !connects(op, device));
        }
        let hook = Hook {
            address: 0,
            width: self.width,
            ..self.hook()
        };
        let own = self.rng.u32(0..4) == 0;
        let mut added = vec![Action::Webhook(WebhookOp::Set { device, own, hook })];
        for address in 0..ADDRESSES {
            let conduct = self.conduct();
            added.push(Action::Webhook(WebhookOp::Conduct {
                device,
                address,
                conduct,
            }));
        }
        let begin = added.len();
        for _ in 0..self.rng.u32(6..=40) {
            added.push(self.action());
        }
        let mut place = 0;
        for (count, action) in added.into_iter().enumerate() {
            let gap = if count < begin { 10 } else { self.gap() };
            let op = self.numbered(gap, action);
            ops.insert(place, op);
            place += 1;
            if count >= begin && place < ops.len() && self.rng.bool() {
                place += self.rng.usize(1..=ops.len() - place).min(3);
            }
        }
    }

    /// Many messages wait before the device becomes an address.
    fn pile(&mut self, ops: &mut Vec<Op>) {
        let device = self.device;
        let mut added = vec![self.numbered(
            0,
            Action::Leave {
                device,
                close: true,
            },
        )];
        for _ in 0..PILE {
            let publication = plain(self.sender, device, 600);
            let gap = self.rng.i64(100..=200);
            added.push(self.numbered(gap, Action::Publish(publication)));
        }
        let hook = Hook {
            address: 0,
            width: *pick(self.rng, &[1, 16]),
            timeout: 15,
            messages: true,
            receipts: true,
        };
        let own = false;
        let set = WebhookOp::Set { device, own, hook };
        added.push(self.numbered(2_000, Action::Webhook(set)));
        // The device does not come, and what it answers it says at its address.
        let polls = |op: &Op| matches!(op.action, Action::Poll { device: of, .. } if of == device);
        ops.retain(|op| !connects(op, device) && !polls(op));
        ops.splice(0..0, added);
    }

    fn numbered(&mut self, gap: Millis, action: Action) -> Op {
        self.number += 1;
        let number = self.number;
        Op {
            number,
            gap,
            action,
        }
    }

    fn gap(&mut self) -> Millis {
        let pace = self.pace;
        match self.rng.u32(0..8) {
            0..=2 => self.rng.i64(0..=10),
            3..=6 => self.rng.i64(0..=pace),
            _ => self.rng.i64(0..=pace * 5),
        }
    }

    fn action(&mut self) -> Action {
        match self.rng.u32(0..8) {
            0..=4 => Action::Publish(self.publication()),
            _ => Action::Webhook(self.op()),
        }
    }

    /// Most are for the address, and some of those that it sends bring it receipts.
    fn publication(&mut self) -> Publication {
        let (device, other) = (self.device, self.sender);
        let rng = &mut *self.rng;
        let (sender, to) = if rng.u32(0..5) == 0 {
            (device, other)
        } else {
            (other, device)
        };
        let ttl = *pick(rng, &[0, 5, 60, 600, 3_600, 3_600, 3_600]);
        let rarely = |rng: &mut Rng| (rng.u32(0..8) == 0).then(|| rng.u32(0..2));
        Publication {
            frame: rng.u32(0..4) == 0,
            topic: rarely(rng),
            urgency: *pick(
                rng,
                &[
                    Urgency::Normal,
                    Urgency::Normal,
                    Urgency::Normal,
                    Urgency::High,
                ],
            ),
            wait: *pick(rng, &[0, 0, 1, 10]),
            key: rarely(rng),
            repeats: rng.u32(0..=1),
            ..plain(sender, to, ttl)
        }
    }

    fn op(&mut self) -> WebhookOp {
        let device = self.device;
        let address = self.rng.u32(0..ADDRESSES);
        match self.rng.u32(0..40) {
            0..=9 => WebhookOp::Set {
                device,
                own: self.rng.u32(0..4) == 0,
                hook: self.hook(),
            },
            10..=11 => WebhookOp::Remove { device },
            12..=14 => WebhookOp::Rotate { device },
            15..=16 => WebhookOp::Test { device },
            17..=28 => WebhookOp::Conduct {
                device,
                address,
                conduct: self.conduct(),
            },
            _ => WebhookOp::CrashAtAnswer {
                device,
                moment: match self.rng.u32(0..4) {
                    0 => Moment::Committed(self.rng.u32(0..4)),
                    _ => Moment::Within(self.rng.u32(0..12)),
                },
            },
        }
    }

    fn hook(&mut self) -> Hook {
        let rng = &mut *self.rng;
        let (messages, receipts) = *pick(
            rng,
            &[(true, true), (true, true), (true, false), (false, true)],
        );
        Hook {
            address: rng.u32(0..ADDRESSES),
            width: if rng.u32(0..4) == 0 {
                *pick(rng, &[1, 2, 16])
            } else {
                self.width
            },
            timeout: *pick(rng, &[1, 5, 15, 60]),
            messages,
            receipts,
        }
    }

    fn conduct(&mut self) -> Conduct {
        match self.rng.u32(0..24) {
            0..=3 => Conduct::Takes,
            4..=5 => Conduct::Late(*pick(self.rng, &[900, 5_000, 70_000])),
            6 => Conduct::Works,
            7 => Conduct::Rejects,
            8 => Conduct::Gone,
            9..=10 => Conduct::Busy,
            11..=13 => Conduct::Fails,
            14 => Conduct::Hangs,
            15 => Conduct::Absent,
            _ => Conduct::AsItComes,
        }
    }
}

/// Whether this brings a socket of a device.
fn connects(op: &Op, device: usize) -> bool {
    let of = match op.action {
        Action::Connect { device, .. } | Action::Flap { device, .. } => Some(device),
        _ => None,
    };
    of == Some(device)
}

/// A message to one device that nothing else is wanted of.
fn plain(sender: usize, device: usize, ttl: u32) -> Publication {
    Publication {
        sender,
        to: To::Device(device),
        steps: Vec::new(),
        frame: false,
        ttl,
        topic: None,
        urgency: Urgency::Normal,
        wait: 0,
        key: None,
        echo: false,
        acks: None,
        later: None,
        padding: 0,
        repeats: 0,
    }
}
