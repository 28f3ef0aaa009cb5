//! Escalation: each step is taken once, when it is due and not before, while too few devices have acknowledged the
//! message, and it brings the message to the devices of its target alone.

use std::collections::BTreeSet;

use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::MessageId;
use tagpost_core::message::Target;
use tagpost_core::plan::escalation::{Outcome, Taken};
use tagpost_core::time::Millis;

use super::rows::OutboxRow;
use super::{Checked, Ledger, broken, claim};
use crate::plan::{Publication, To};

impl Ledger {
    /// A message's row has changed: what it says of its steps. `latest` is the latest that its mailbox's clock has
    /// shown.
    pub(super) fn escalates(
        &mut self,
        id: MessageId,
        row: &OutboxRow,
        expires_at: Millis,
        latest: Millis,
    ) -> Checked {
        let escalation = row.plan.escalation.as_deref();
        let (taken, steps) = escalation.map_or((&[][..], &[][..]), |it| (&it.taken, &it.steps));
        let deliveries = deliveries(row)?;
        // A step of a publish that was not stored may have been taken long before its row is seen.
        let message = self.messages.entry(id).or_default();
        let (known, before) = (message.devices.clone(), message.taken.clone());
        let is_first = known.is_empty();
        message.taken = taken.to_vec();
        for delivery in &deliveries {
            let device = self.places[&delivery.device];
            if !is_first && !known.contains(&device) {
                self.deliveries.entry((id, device)).or_default().by_step = true;
            }
        }
        let Some(publication) = self.publications.get(&self.op_of(id)).cloned() else {
            // Nobody was called, so nothing shows which publish it is.
            return Ok(());
        };
        let what = || format!("{id}: {row:?}, planned {:?}", publication.steps);
        let targets = taken.iter().map(|it| &it.to);
        let targets = targets.chain(steps.iter().map(|it| &it.to));
        let targets: Vec<Option<To>> = targets.map(|to| self.planned(to)).collect();
        let planned = publication.steps.iter();
        let planned: Vec<Option<To>> = planned.map(|(to, _)| Some(*to)).collect();
        let is_whole = steps.is_empty() || targets.len() == planned.len();
        claim(
            "the steps of a message are taken in their order, each once",
            planned.starts_with(&targets) && is_whole && taken.starts_with(&before),
            what,
        )?;
        let new = &taken[before.len()..];
        let added = self.added(id, &publication, new, &deliveries)?;
        let old = deliveries.iter().filter(|it| !added.contains(&it.device));
        let (delivered, open) = counts(old);
        let needed = u64::from(publication.acks.unwrap_or(1));
        let sent_at = row.plan.sent_at(row.accepted_at);
        for (step, (_, after)) in new.iter().zip(&publication.steps[before.len()..]) {
            let is_due = step.at >= sent_at + i64::from(*after) * 1000;
            claim(
                "a step is taken at its time, or once enough can no longer acknowledge",
                is_due || delivered + open < needed,
                what,
            )?;
            claim(
                "no step is taken once there are enough acknowledgements, or after the expiry",
                (delivered < needed || is_first) && step.at < expires_at,
                what,
            )?;
        }
        if steps.is_empty() && taken.len() < planned.len() {
            let (delivered, open) = counts(&deliveries);
            let mut ends = deliveries.iter().map(|it| it.state);
            let is_outdated = open == 0 && ends.any(|state| state == State::Replaced);
            let is_over = latest >= expires_at || self.cancelled.contains(&id) || is_outdated;
            claim(
                "steps are dropped by enough acknowledgements, a newer message, a cancellation or the expiry alone",
                delivered >= needed || is_over || row.plan.end.is_some(),
                what,
            )?;
        }
        let (delivered, _) = counts(&deliveries);
        claim(
            "enough acknowledgements drop the steps",
            delivered < needed || steps.is_empty(),
            what,
        )?;
        Ok(())
    }

    /// The devices that these steps have brought a message to.
    fn added(
        &mut self,
        id: MessageId,
        publication: &Publication,
        new: &[Taken],
        deliveries: &[Delivery],
    ) -> Checked<BTreeSet<tagpost_core::id::DeviceId>> {
        let known = &self.messages[&id].devices;
        let is_first = known.is_empty();
        // If the row is new, those that the step has just brought tell by their time.
        let is_added = |delivery: &&Delivery| {
            let is_unknown = !known.contains(&self.places[&delivery.device]);
            let at_step = new.iter().any(|step| step.at == delivery.at);
            is_unknown && (!is_first || (!delivery.is_reached() && at_step))
        };
        let added: Vec<&Delivery> = deliveries.iter().filter(is_added).collect();
        let told: usize = new
            .iter()
            .map(|step| match step.outcome {
                Outcome::Devices(count) => count as usize,
                Outcome::Code(_) => 0,
            })
            .sum();
        claim(
            "a message gets further deliveries by a step alone, as many as that says",
            is_first || added.len() == told,
            || format!("{id}: {new:?} added {added:?}"),
        )?;
        let reached = |device| {
            let targets = new.iter().filter_map(|step| self.planned(&step.to));
            let mut targets = targets.collect::<Vec<_>>().into_iter();
            targets.any(|to| self.leads_to(publication, to, device))
        };
        let strange = added.iter().find(|it| !reached(self.places[&it.device]));
        claim(
            "a step brings a message to the devices of its target",
            is_first || strange.is_none(),
            || format!("{id}: {new:?} added {strange:?}"),
        )?;
        let added: BTreeSet<_> = added.into_iter().map(|it| it.device.clone()).collect();
        for device in &added {
            let key = (id, self.places[device]);
            self.deliveries.entry(key).or_default().by_step = true;
        }
        Ok(added)
    }

    /// Whether a target may lead to this device.
    pub(super) fn leads_to(&self, publication: &Publication, to: To, device: usize) -> bool {
        let may_come = |tag: usize| {
            let is_echo = device == publication.sender;
            self.tags[tag].contains(&device) && (publication.echo || !is_echo)
        };
        match to {
            To::Device(named) => named == device,
            To::Tag(tag) => may_come(tag),
            To::Without(tag, excluded) => device != excluded && may_come(tag),
        }
    }

    /// A target of the plan.
    pub(super) fn planned(&self, to: &Target) -> Option<To> {
        let tag = |name: &str| name.strip_prefix("tag")?.parse().ok();
        match to {
            Target::Device(device) => self.places.get(device).copied().map(To::Device),
            Target::Tag(name) => tag(name.as_str()).map(To::Tag),
            Target::Match(expression) => match expression.names().as_slice() {
                [name, excluded] => {
                    let device = excluded.strip_prefix('@')?.parse().ok()?;
                    Some(To::Without(tag(name)?, *self.places.get(&device)?))
                }
                _ => None,
            },
        }
    }

    /// A mailbox calls for a device that a step alone leads to.
    pub(super) fn is_stored_before_it_is_called(&self, id: MessageId, device: usize) -> Checked {
        let Some(message) = self.messages.get(&id) else {
            return Ok(());
        };
        let publication = self.publications.get(&message.op);
        let by_step =
            publication.is_some_and(|it| !it.steps.is_empty() && !self.leads_to(it, it.to, device));
        claim(
            "a step is stored before its mailboxes are called",
            !by_step || message.devices.contains(&device),
            || format!("{id} to device {device}: {message:?}"),
        )
    }

    /// A message with steps left, or with calls for one, is among those that a mailbox remembers, and no other is.
    pub(super) fn steps_are_remembered(&self, place: usize, changed: bool) -> Checked {
        if !changed {
            return Ok(());
        }
        let tables = &self.tables[place];
        let with_steps = tables.outbox.iter().filter(|(_, row)| {
            let plan = &row.plan;
            plan.has_steps() || plan.is_calling()
        });
        let with_steps: Vec<_> = with_steps.map(|(id, _)| *id).collect();
        claim(
            "a message with steps is remembered until the last is taken or dropped",
            tables.escalations.iter().eq(&with_steps),
            || {
                format!(
                    "device {place}: {:?}, but {with_steps:?} have steps",
                    tables.escalations
                )
            },
        )
    }
}

impl OutboxRow {
    /// When the next step is due.
    pub(super) fn next_step(&self) -> Option<Millis> {
        let next = self.plan.next_step(self.plan.sent_at(self.accepted_at));
        next.map(|(_, at)| at)
    }
}

fn deliveries(row: &OutboxRow) -> Checked<Vec<Delivery>> {
    let parts = row.texts.iter();
    let parts = parts.map(|text| serde_json::from_str::<Vec<Delivery>>(text));
    let parts: Vec<_> = parts.collect::<Result<_, _>>().map_err(broken)?;
    Ok(parts.concat())
}

/// How many of these are acknowledged, and how many are not settled.
fn counts<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> (u64, u64) {
    let count = |(delivered, open), delivery: &Delivery| match delivery.state {
        State::Delivered => (delivered + 1, open),
        state if state.is_terminal() => (delivered, open),
        _ => (delivered, open + 1),
    };
    deliveries.into_iter().fold((0, 0), count)
}
