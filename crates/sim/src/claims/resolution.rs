//! Whom a message goes to: exactly the devices that the directory found for its target, when it was asked for that
//! message or later.
//!
//! A device that binds or unbinds itself counts from when it is answered. Not here: the devices of steps, see
//! [`super::escalation`].

use std::collections::{BTreeMap, BTreeSet};

use tagpost_core::delivery::Delivery;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::message::Target;
use tagpost_core::time::Millis;

use super::rows::OutboxRow;
use super::{Checked, Ledger, broken, claim};
use crate::plan::To;

/// What the directory has found, for each sender and target, and when last.
#[derive(Debug, Default)]
pub(super) struct Found {
    sets: BTreeMap<(usize, To), BTreeMap<BTreeSet<usize>, Millis>>,
    /// When each publish was first made.
    made: BTreeMap<u32, Millis>,
}

impl Ledger {
    /// A device makes a publish, at this true time.
    pub(crate) fn publishes(&mut self, op: u32, now: Millis) {
        self.found.made.entry(op).or_insert(now);
    }

    /// The directory finds the devices of a target for this sender, at this true time.
    pub(crate) fn finds(&mut self, sender: usize, to: &Target, devices: &[DeviceId], now: Millis) {
        let devices = devices.iter().map(|device| self.places[device]).collect();
        if let Some(to) = self.planned(to) {
            let sets = self.found.sets.entry((sender, to)).or_default();
            sets.insert(devices, now);
        }
    }

    /// A device has bound itself to a tag.
    pub(crate) fn joins(&mut self, device: usize, tag: usize) {
        if let Some(devices) = self.tags.get_mut(tag).filter(|it| !it.contains(&device)) {
            devices.push(device);
        }
    }

    /// The devices that a tag has, or has had.
    pub(crate) fn ever_in(&self, tag: usize) -> impl Iterator<Item = usize> {
        self.tags.get(tag).into_iter().flatten().copied()
    }

    /// A message's row has changed: its deliveries, unless steps may have added some.
    pub(super) fn goes_where_it_leads(&self, id: MessageId, row: &OutboxRow) -> Checked {
        let op = self.op_of(id);
        let Some(publication) = self.publications.get(&op).filter(|it| it.steps.is_empty()) else {
            return Ok(());
        };
        let mut devices = BTreeSet::new();
        for text in &row.texts {
            let deliveries: Vec<Delivery> = serde_json::from_str(text).map_err(broken)?;
            devices.extend(deliveries.iter().map(|it| self.places[&it.device]));
        }
        let message = self.messages.get(&id);
        let (sender, to) = (publication.sender, publication.to);
        // A scheduled message is resolved when it is handed over, by its mailbox's clock.
        let due = message.and_then(|it| it.deliver_at).unwrap_or(0) - self.skew;
        let made = self.found.made.get(&op).copied().unwrap_or(0);
        let sets = self.found.sets.get(&(sender, to)).into_iter().flatten();
        let mut sets = sets.filter(|(_, at)| **at >= made.max(due));
        let same = |(set, _): (&BTreeSet<usize>, &Millis)| {
            let expected = set
                .iter()
                .filter(|device| publication.echo || **device != sender);
            expected.eq(&devices)
        };
        let holds = match to {
            To::Device(device) => devices.iter().all(|it| *it == device),
            To::Tag(_) | To::Without(..) => devices.is_empty() || sets.any(same),
        };
        claim(
            "a message goes to exactly the devices that its target has when it is published",
            holds,
            || {
                let found = self.found.sets.get(&(sender, to));
                format!(
                    "{id} of publish {op}, made at {made} and due at {due}, goes to {devices:?}, found were {found:?}"
                )
            },
        )
    }
}
