//! Why a message is given up: by the rule of `docs/protocol.md`, and for nothing else.
//!
//! An attempt counts if it timed out while its connection was open and its device not long asleep, or if the lease of a
//! poll ran out; so does progress. A message is also given up if connections often ended, over a long time, while it was
//! alone in flight.
//! What cannot be told from outside is judged in the mailbox's favour.

use tagpost_core::delivery::Delivery;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;

use super::links::Link;
use super::{Checked, Ledger, claim};

/// A message is given up for failing its device after this many connections that ended while it was alone in flight.
const DEATHS: usize = 10;
/// The least time between the first and the last of them.
const DYING: Millis = 600_000;
/// How long messages of other senders may be held up by one that fails their device.
const HELD_UP: Millis = 300_000;
/// The connection's token is over: that says nothing about a message.
const CLOSE_TOKEN: u16 = 4401;

/// In the JSON of a delivery that was given up.
const GIVEN_UP: &str = r#""state":"undeliverable""#;

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) at: Millis,
    /// `None` for a poll.
    pub(super) connection: Option<ConnectionId>,
}

impl Ledger {
    /// A mailbox has heard its device answer for a message.
    pub(crate) fn hears_answer(&mut self, device: usize, id: MessageId) {
        self.deliveries.entry((id, device)).or_default().answered = true;
    }

    /// A connection is over, at this time of the mailbox's clock; with the code if the mailbox closed it.
    pub(crate) fn link_over(
        &mut self,
        device: usize,
        connection: ConnectionId,
        code: Option<u16>,
        now: Millis,
    ) {
        let Some(link) = self.links.get_mut(&connection) else {
            return;
        };
        if link.over_at.is_some() {
            return;
        }
        link.over_at = Some(now);
        if code == Some(CLOSE_TOKEN) {
            return;
        }
        // A message that timed out may have made way for another. Then it is not known to be in flight.
        let over = now - self.time_to_acknowledge();
        let rows = &self.tables[device].inbox;
        let tracks = self.deliveries.iter_mut();
        let out = tracks.filter_map(|((id, to), track)| {
            let wire = track.wire?;
            let open = rows.get(id).is_some_and(|row| !row.settled);
            // The end of this connection may be what it was given up for.
            let given_up = track
                .settled
                .as_deref()
                .is_some_and(|text| text.contains(GIVEN_UP));
            let here = *to == device && wire.connection == Some(connection);
            let silent = !track.answered && !track.work.is_on();
            (here && (open || given_up) && silent).then_some((wire.at > over, track))
        });
        let mut out: Vec<_> = out.collect();
        let certain = out.iter().filter(|(certain, _)| *certain).count();
        for (is_certain, track) in &mut out {
            if certain == usize::from(*is_certain) {
                track.deaths.push(now);
            }
        }
    }

    /// Every message that was given up was so by the rule.
    pub(super) fn given_up_by_the_rule(&self) -> Checked {
        for (id, device, delivery) in &self.given_up {
            let Some(track) = self.deliveries.get(&(*id, *device)) else {
                continue;
            };
            let shortest = i64::from(self.limits.ack_timeout) * 1000;
            let silent = i64::from(self.limits.keepalive) * 2_500;
            // A time-out is noticed before the next attempt.
            let noticed = track.attempts.iter().skip(1).map(|next| next.at);
            let noticed = noticed.chain([delivery.at]);
            let ran_out = |(attempt, noticed): &(&Attempt, Millis)| {
                let link = attempt.connection.and_then(|it| self.links.get(&it));
                let over_at = link.and_then(|link| link.over_at).unwrap_or(Millis::MAX);
                let over = attempt.at + shortest;
                let alive =
                    |link: &Link| link.may_count_as_alive(over, *noticed, silent, 2 * self.skew);
                over <= over_at.min(delivery.at).saturating_add(self.skew) && link.is_none_or(alive)
            };
            // Progress may have timed out sooner.
            let counted = track.attempts.iter().zip(noticed).filter(ran_out).count();
            let counted = counted + track.work.times as usize;
            let lasted = match (track.deaths.first(), track.deaths.last()) {
                (Some(first), Some(last)) => last - first + self.skew,
                _ => 0,
            };
            let holds = match delivery.reason.as_deref() {
                Some("device_fails") => track.deaths.len() >= DEATHS && lasted >= DYING,
                Some("webhook_fails") => track.asked >= self.limits.max_webhook_attempts,
                _ => counted >= self.limits.max_attempts as usize,
            };
            claim("a message is given up only by the rule", holds, || {
                format!(
                    "{id} to device {device}: {counted} attempts ran out, the connection ended under it at {:?}: {delivery:?}",
                    track.deaths
                )
            })?;
        }
        Ok(())
    }

    /// From now on a device fails at one message in `one_in`, and is well otherwise.
    pub(crate) fn is_poisoned(&mut self, device: usize, one_in: u32, now: Millis) {
        self.poisoned.insert(device, (one_in, now));
    }

    /// Whether this message makes a device fail that fails at one message in `one_in`.
    pub(crate) fn is_poison(&self, one_in: u32, id: MessageId) -> bool {
        self.op_of(id).is_multiple_of(one_in)
    }

    /// Where a device fails at some messages, those of other senders and urgencies are not held up for long.
    pub(super) fn others_pass(&self) -> Checked {
        for ((id, device), track) in &self.deliveries {
            let (Some((one_in, since)), Some(end)) = (self.poisoned.get(device), &track.end) else {
                continue;
            };
            let line = |id: MessageId| {
                let op = self.publications.get(&self.op_of(id))?;
                Some((op.sender, op.urgency))
            };
            let to_device = |other: &&(MessageId, usize)| other.1 == *device;
            let poison = self
                .deliveries
                .keys()
                .filter(to_device)
                .any(|(other, _)| self.is_poison(*one_in, *other) && line(*other) == line(*id));
            // What a step brings comes when the step is taken.
            let first = end.steps.first().filter(|_| track.by_step);
            let given_at = first.map_or(id.time(), |step| step.at);
            let longest = (*since).max(given_at) + HELD_UP;
            claim(
                "a message that its device fails on does not delay others for long",
                poison || end.at <= longest + self.skew,
                || {
                    format!(
                        "{id} to device {device}: {end:?}, there were no faults from {since} on"
                    )
                },
            )?;
        }
        Ok(())
    }

    /// A message was given up.
    pub(super) fn gives_up(&mut self, id: MessageId, device: usize, delivery: &Delivery) {
        self.given_up.push((id, device, delivery.clone()));
    }
}
