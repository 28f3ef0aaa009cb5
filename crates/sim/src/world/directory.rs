//! The directory: which devices have which tags. The Worker queries it for a publish over HTTP, and mailboxes do.

use std::collections::BTreeMap;

use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::mailbox::Input;
use tagpost_core::message::Target;
use tagpost_core::time::Millis;

use super::{Event, World};
use crate::chance::{chance, happens};
use crate::claims::Checked;

/// How long a query takes.
const ANSWERS_IN: Millis = 3;

impl World<'_> {
    /// A mailbox asks for the devices of targets.
    pub(super) fn look_up(&mut self, object: usize, targets: Vec<Target>) {
        let host = &mut self.objects[object];
        host.under_way += 1;
        let life = host.life;
        let found = targets.into_iter().map(|target| {
            let devices = self.find(object, &target);
            (target, devices)
        });
        let found = found.collect();
        let latency = self.weather().latency;
        let delay = ANSWERS_IN + chance(self.plan.seed, &[34, self.next]).i64(0..=latency);
        let resolved = Event::Resolved {
            object,
            life,
            found,
        };
        self.after(delay, resolved);
    }

    /// A device is bound to a tag, or unbound.
    pub(super) fn bind(&mut self, device: usize, tag: usize, bind: bool) {
        let to = if bind { "to" } else { "from" };
        self.note(|names| format!("{} binds or unbinds itself: {to} tag{tag}", names[device]));
        match bind {
            true => {
                self.tags[tag].insert(device);
                self.ledger.joins(device, tag);
            }
            false => {
                self.tags[tag].remove(&device);
            }
        }
    }

    /// The directory has found the devices of targets.
    pub(super) fn resolved(
        &mut self,
        object: usize,
        life: u32,
        found: Vec<(Target, Vec<DeviceId>)>,
    ) -> Checked {
        if !self.is_answered(object, life) {
            return Ok(());
        }
        self.event(object, Input::Resolved(Ok(found))).map(drop)
    }

    /// A mailbox adds its device to the directory.
    pub(super) fn enter(&mut self, object: usize) {
        let host = &mut self.objects[object];
        host.under_way += 1;
        let life = host.life;
        self.after(ANSWERS_IN, Event::Entered { object, life });
    }

    /// A device was added to the directory.
    pub(super) fn entered(&mut self, object: usize, life: u32) -> Checked {
        if !self.is_answered(object, life) {
            return Ok(());
        }
        self.event(object, Input::Registered { entered: true })
            .map(drop)
    }

    /// A call or query of a mailbox returns. Whether the mailbox still waits for it: it may have lost its memory.
    pub(super) fn is_answered(&mut self, object: usize, life: u32) -> bool {
        let host = &mut self.objects[object];
        if host.life != life {
            return false;
        }
        host.under_way -= 1;
        self.keep_awake(object);
        true
    }

    /// The devices of a target, as the Worker finds them for a sender.
    pub(super) fn find(&mut self, sender: usize, to: &Target) -> Vec<DeviceId> {
        let devices = self.addresses(to);
        if sender >= self.clients.len() {
            return devices;
        }
        self.ledger.finds(sender, to, &devices, self.now);
        devices
    }

    fn addresses(&self, to: &Target) -> Vec<DeviceId> {
        match to {
            Target::Device(device) => vec![device.clone()],
            Target::Tag(tag) => self.devices_of(tag),
            Target::Match(expression) => {
                let mut sets = BTreeMap::<DeviceId, u8>::new();
                let names = expression.names();
                let names = names.iter().filter_map(|name| Target::named(name).ok());
                for (n, name) in names.enumerate() {
                    for device in self.addresses(&name) {
                        *sets.entry(device).or_default() |= 1 << n;
                    }
                }
                sets.retain(|_, set| expression.matches(*set));
                sets.into_keys().collect()
            }
        }
    }

    /// The devices of a tag, from the directory or from a stale copy of it.
    fn devices_of(&self, tag: &Tag) -> Vec<DeviceId> {
        let place = tag.as_str().trim_start_matches("tag").parse().ok();
        let Some(place) = place.filter(|place: &usize| *place < self.tags.len()) else {
            return Vec::new();
        };
        let mut rng = chance(self.plan.seed, &[10, self.next]);
        let stale = happens(&mut rng, self.weather().stale);
        let has =
            |device: &usize| self.tags[place].contains(device) && self.ledger.is_bound(*device);
        let bound = self
            .ledger
            .ever_in(place)
            .filter(|device| stale || has(device));
        bound.map(|device| self.names[device].clone()).collect()
    }
}
