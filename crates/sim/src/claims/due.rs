//! The claims that hold between two events: the limits, and an alarm for everything due.

use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;

use super::rows::OutboxRow;
use super::{Checked, Ledger, Wire, claim};

/// The longest pause between two tries to reach another mailbox.
const LONGEST_PAUSE: Millis = 300_000;

/// What a mailbox finds overdue when it is opened waits for so long.
const OPENING_PAUSE: Millis = 1_000;

/// The alarm of a mailbox, by its clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alarm {
    pub(crate) at: Option<Millis>,
    /// It was postponed because the mailbox failed repeatedly: it may be later than what is due.
    pub(crate) postponed: bool,
    /// When the mailbox was opened: the latest time that its clock has shown then.
    pub(crate) opened_at: Millis,
}

impl Ledger {
    /// The limits of a device's mailbox, with the messages that calls wait for.
    pub(crate) fn quotas(
        &self,
        device: usize,
        waiting: &[MessageId],
        connection: Option<ConnectionId>,
        losses: u32,
    ) -> Checked {
        let (messages, bytes) = self.inbox_of(device, waiting);
        claim(
            "a removed device holds nothing",
            messages == 0 || self.is_bound(device),
            || format!("device {device} has {messages} messages"),
        )?;
        if let Some(connection) = connection {
            self.window_of_pushes(device, waiting, connection)?;
        }
        let limits = &self.limits;
        claim(
            "no more is held than allowed",
            messages <= limits.max_held_messages && bytes <= limits.max_held_bytes,
            || format!("device {device} has {messages} messages of {bytes} bytes"),
        )?;
        let rows = &self.tables[device].inbox;
        let stored = rows
            .iter()
            .filter(|(_, row)| !row.settled)
            .map(|(id, _)| id);
        let unstored = waiting.iter().filter(|id| self.is_unstored(**id, device));
        let out = |id: &&MessageId| {
            let track = self.deliveries.get(&(**id, device));
            let wire = track.filter(|track| !track.work.is_on());
            let wire = wire.and_then(|track| track.wire);
            // When its time is over a message may have made way for another.
            let over = self.tables[device].now - self.time_to_acknowledge();
            let same = |wire: Wire| {
                wire.connection == connection && wire.losses == losses && wire.at > over
            };
            connection.is_some() && wire.is_some_and(same)
        };
        let in_flight = stored.chain(unstored).filter(out).count();
        claim(
            "no more is in flight than allowed",
            connection.is_none_or(|connection| in_flight <= self.window(connection)),
            || format!("device {device} has {in_flight} in flight over {connection:?}"),
        )
    }

    /// A mailbox has accepted a message, which it is seen to have for the first time.
    pub(super) fn accepted(&mut self, sender: usize, id: MessageId) -> Checked {
        if self.messages.contains_key(&id) {
            return Ok(());
        }
        let order = self.handed_over;
        self.handed_over += 1;
        let message = self.messages.entry(id).or_default();
        (message.order, message.last_order) = (order, order);
        let tables = &self.tables[sender];
        let (life, times) = self.paces.entry(sender).or_default();
        // How fast it was before is forgotten with the memory.
        if *life != tables.life {
            (*life, *times) = (tables.life, Vec::new());
        }
        times.push(tables.now);
        let (rate, burst) = (self.limits.publish_rate, self.limits.publish_burst);
        for (first, count) in times.iter().rev().zip(1..) {
            // A clock that was set back and forward again counts some time twice.
            let span = (tables.now - first).max(0) + self.skew;
            let allowed = i64::from(burst) + span * i64::from(rate) / 1000 + 1;
            claim(
                "a device publishes no faster than allowed",
                count <= allowed,
                || format!("device {sender}: {count} messages in {span} ms"),
            )?;
        }
        Ok(())
    }

    /// The alarm of a device's mailbox, by its clock.
    pub(crate) fn alarm(
        &self,
        device: usize,
        alarm: Alarm,
        connection: Option<ConnectionId>,
        expires_at: Option<Millis>,
        losses: u32,
        now: Millis,
    ) -> Checked {
        let tables = &self.tables[device];
        // Something postponed by a clock that was set back afterwards counts from what the clock showed then.
        let then = now.max(tables.latest);
        let mut due: Vec<(&'static str, Millis)> = Vec::new();
        due.extend(expires_at.map(|at| ("a token's end", at)));
        due.extend(self.pushes_due(device, connection, losses));
        for (id, row) in &tables.inbox {
            if row.settled {
                due.push(("a report", then + LONGEST_PAUSE));
                continue;
            }
            due.push(("an expiry", row.expires_at));
            let track = self.deliveries.get(&(*id, device));
            if let Some(track) = track.filter(|track| track.work.is_on()) {
                let until = Some(track.work.until).filter(|until| *until > tables.latest);
                due.extend(until.map(|at| ("the end of progress", at)));
                continue;
            }
            let Some((track, wire)) = track.and_then(|track| Some((track, track.wire?))) else {
                continue;
            };
            // Progress that runs out is a time-out as well.
            let over = wire.at + self.backoff(wire.attempt + track.work.times);
            let same = wire.connection == connection && wire.losses == losses;
            let out = connection.is_some() && same && !row.has_timed_out(wire.attempt);
            let leased = row.attempts == wire.attempt && row.retry_at > tables.latest;
            let leased = leased && !wire.posted;
            if out || leased {
                due.push(("the time to acknowledge", over));
            }
        }
        due.extend(
            tables
                .jobs
                .values()
                .map(|at| ("a job", (*at).max(then + LONGEST_PAUSE))),
        );
        let ending = tables.endings.iter();
        due.extend(ending.map(|_| ("the end of what is not needed", then + LONGEST_PAUSE)));
        let steps = tables.outbox.values().filter_map(OutboxRow::next_step);
        due.extend(steps.map(|at| ("a step", at.max(then + LONGEST_PAUSE))));
        let scheduled = tables.schedule.values();
        due.extend(scheduled.map(|at| ("a hand-over", (*at).max(then + LONGEST_PAUSE))));
        let posts = self.posts_due(device).into_iter();
        due.extend(posts.map(|at| ("a request", at)));
        let knocks = self.knocks_due(device).into_iter();
        due.extend(knocks.map(|at| ("a knock", at.max(then))));
        let failing = &self.failing[device];
        due.extend(failing.due().map(|at| ("a failure", at.max(then))));
        let events = self.happened[device].due();
        due.extend(events.map(|at| ("an event", at.max(then))));
        let payloads = failing.kept_until();
        let kept = tables.outbox.values().filter_map(|row| row.done_at);
        // A clock may go from five minutes ahead to as much behind.
        let late = self.retention() / 4 + 2 * LONGEST_PAUSE;
        due.extend(kept.map(|at| {
            (
                "the end of retention",
                (at + self.retention()).max(then) + late,
            )
        }));
        due.extend(payloads.map(|at| ("the end of a payload", at.max(then) + late)));
        let earliest = now.max(alarm.opened_at + OPENING_PAUSE);
        for (what, at) in due {
            claim(
                "an alarm is set for everything due",
                alarm
                    .at
                    .is_some_and(|set| set <= at.max(earliest) || alarm.postponed),
                || {
                    format!(
                        "device {device} has an alarm at {alarm:?}, {what} is due at {at}, it is {now}"
                    )
                },
            )?;
        }
        Ok(())
    }
}
