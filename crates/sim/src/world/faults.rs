//! The faults of an object: crashes of the object and of its isolate, a wrong configuration, a full store, and leaving
//! memory.

use tagpost_core::time::Millis;

use super::World;
use super::serve::Of;
use crate::chance::chance;
use crate::plan::Moment;

/// How long an object has to be idle before it may leave memory.
const IDLE: Millis = 10_000;

impl World<'_> {
    /// A crash of the plan.
    pub(super) fn order_crash(&mut self, device: usize, moment: Moment) {
        match moment {
            Moment::Now | Moment::NowKeepingSockets => {
                self.note(|names| format!("{} crashes", names[device]));
                self.crash(device, moment == Moment::NowKeepingSockets);
            }
            Moment::Within(_) | Moment::Committed(_) => self.objects[device].doom = Some(moment),
        }
    }

    /// The isolate of a device's mailbox crashes, with all other objects in it.
    pub(super) fn crash_isolate(&mut self, device: usize, keep_sockets: bool) {
        let seed = self.plan.seed;
        let isolate = |object: usize| chance(seed, &[13, object as u64]).u32(0..self.plan.isolates);
        let failed = isolate(device);
        for object in 0..self.objects.len() {
            if isolate(object) == failed {
                self.note(|names| format!("{} crashes with its isolate", names[object]));
                self.crash(object, keep_sockets);
            }
        }
    }

    /// A configuration is deployed with which no mailbox can be opened. The next one is correct.
    pub(super) fn misconfigure(&mut self, lasts: Millis) {
        self.misconfigured_until = self.now + lasts;
        (0..self.objects.len()).for_each(|object| self.crash(object, false));
    }

    /// Whether a mailbox is open or can be opened.
    pub(super) fn can_open(&self, object: usize) -> bool {
        self.now >= self.misconfigured_until || self.objects[object].mailbox.is_some()
    }

    /// Ends all faults.
    pub(super) fn repair(&mut self) {
        self.misconfigured_until = 0;
        self.mixed_until = 0;
        for object in 0..self.objects.len() {
            self.objects[object].doom = None;
            self.objects[object].answer_doom = None;
            self.objects[object].full_until = 0;
            self.set_clock(object, 0);
        }
    }

    /// Memory is lost, and with it everything that waits; the store keeps what was committed.
    pub(super) fn crash(&mut self, object: usize, keep_sockets: bool) {
        self.most_held = self.most_held.max(self.objects[object].lose_memory());
        self.ledger.forgets_what_is_in_flight(object);
        self.ledger.forgets_requests(object);
        let host = &mut self.objects[object];
        host.life += 1;
        host.losses += 1;
        host.under_way = 0;
        host.disarm();
        host.heard.clear();
        host.answered.clear();
        for (_, served) in std::mem::take(&mut host.served) {
            match served.of {
                Of::Call(call) => self.fail(call),
                Of::Handshake(connection) => self.fail_handshake(connection),
                Of::Watcher => {}
            }
        }
        if !keep_sockets {
            self.cut_off(object);
        }
    }

    /// Evicts the mailbox if the plan evicts whenever possible.
    pub(super) fn may_sleep(&mut self, object: usize) {
        if self.plan.sleeps {
            self.evict(object);
        }
    }

    /// Memory is lost, if the object is idle.
    pub(super) fn evict(&mut self, object: usize) {
        let host = &mut self.objects[object];
        if host.is_idle() && host.mailbox.is_some() && self.now - host.busy_at >= IDLE {
            let held = host.lose_memory();
            host.disarm();
            host.life += 1;
            self.most_held = self.most_held.max(held);
            self.ledger.forgets_requests(object);
            self.note(|names| format!("{} leaves memory", names[object]));
        }
    }
}
