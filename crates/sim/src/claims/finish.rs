//! The claims about a system that had time to settle, and about its end.

use tagpost_core::time::Millis;

use super::rows::OutboxRow;
use super::{Checked, Ledger, claim};
use crate::plan::Aftermath;

impl Ledger {
    /// Nothing has failed from `healed_at` until `now`: everything due long enough before has happened.
    pub(crate) fn nothing_is_stuck(
        &self,
        healed_at: Millis,
        now: Millis,
        limit: Millis,
    ) -> Checked {
        let late = |due: Millis| due.max(healed_at) + limit < now;
        let slack = self.retention() / 8 + limit;
        self.no_push_is_left(late)?;
        for (device, tables) in self.tables.iter().enumerate() {
            let held = tables.inbox.values().filter(|row| !row.settled);
            let due = held.map(|row| ("an expiry", row.expires_at));
            let due = due.chain(tables.outbox.iter().map(|(id, row)| match row.done_at {
                Some(at) => ("the end of retention", at + self.retention() + slack),
                None => {
                    let expires_at = self.messages.get(id).map_or(0, |it| it.expires_at);
                    let ends_at = row
                        .plan
                        .enough_at
                        .map_or(expires_at, |at| at.min(expires_at));
                    ("a report of the end", ends_at)
                }
            }));
            let scheduled = tables.schedule.values();
            let due = due.chain(scheduled.map(|at| ("a hand-over", *at)));
            let steps = tables.outbox.values().filter_map(OutboxRow::next_step);
            let due = due.chain(steps.map(|at| ("a step", at)));
            for (what, at) in due {
                claim("nothing is stuck", !late(at), || {
                    format!("device {device}: {what} was due at {at}, it is {now}")
                })?;
            }
        }
        Ok(())
    }

    /// There have been no faults for a while: nothing may be left to do, except deletions after the retention.
    pub(crate) fn nothing_is_left_undone(&self, aftermath: Aftermath) -> Checked {
        for (device, tables) in self.tables.iter().enumerate() {
            let open = tables.outbox.iter().find(|(_, row)| row.done_at.is_none());
            claim(
                "every delivery reaches a terminal state",
                open.is_none(),
                || format!("device {device} sent {open:?}"),
            )?;
            let left = tables.inbox.iter().next();
            claim("nothing is stuck", left.is_none(), || {
                format!("device {device} holds {left:?}")
            })?;
            let scheduled = tables.schedule.iter().next();
            claim(
                "every scheduled message is handed over",
                scheduled.is_none(),
                || format!("device {device} has scheduled {scheduled:?}"),
            )?;
            let job = tables.jobs.iter().next();
            claim("every job finishes", job.is_none(), || {
                format!("device {device} has the job {job:?}")
            })?;
            let failing = &self.failing[device];
            claim("every failure is told", failing.is_over(), || {
                format!("device {device}: {failing:?}")
            })?;
            self.events_are_taken(device)?;
            if aftermath == Aftermath::Quiet {
                continue;
            }
            for (seq, (id, to)) in &tables.receipts {
                let void = self.messages.get(id).is_none_or(|message| message.void);
                let track = self.deliveries.get(&(*id, *to));
                claim(
                    "every receipt arrives",
                    void || track.is_some_and(|track| track.reported),
                    || format!("device {device} keeps receipt {seq} of {id}: {track:?}"),
                )?;
            }
        }
        Ok(())
    }

    /// No event is left; `alarms` are those still set.
    pub(crate) fn finish(&self, alarms: &[Option<Millis>]) -> Checked {
        for (id, message) in self
            .messages
            .iter()
            .filter(|(_, message)| message.answered && !message.void)
        {
            for device in &message.devices {
                let track = self.deliveries.get(&(*id, *device));
                let end = track.and_then(|track| track.end.as_ref());
                claim("no answered publish is lost", end.is_some(), || {
                    format!("{id} to device {device}: {track:?}")
                })?;
                let told =
                    track.is_some_and(|track| track.in_answer || track.reported || track.lapsed);
                claim("every terminal state is reported", told, || {
                    format!("{id} to device {device}: {track:?}")
                })?;
            }
        }
        self.pushes_have_ended()?;
        self.failures_are_listed()?;
        self.events_are_published_once()?;
        self.given_up_by_the_rule()?;
        self.others_pass()?;
        self.in_order()?;
        for (device, (tables, alarm)) in self.tables.iter().zip(alarms).enumerate() {
            let empty = tables.inbox.is_empty()
                && tables.outbox.is_empty()
                && tables.jobs.is_empty()
                && tables.schedule.is_empty()
                && tables.endings.is_empty()
                && tables.escalations.is_empty()
                && tables.receipts.is_empty()
                && self.failing[device].is_empty();
            claim("nothing is kept forever", empty, || {
                format!("device {device}: {tables:?}, {:?}", self.failing[device])
            })?;
            claim(
                "no alarm is left when nothing is due",
                alarm.is_none(),
                || format!("device {device}: {alarm:?}"),
            )?;
        }
        Ok(())
    }

    /// Messages of one sender and urgency first went to a device, and first reached it, in the order in
    /// which they were handed over. One that a step brings counts from when the step was taken. A message that was
    /// accepted earlier than it was handed over may also take the place of its id, before others that wait.
    fn in_order(&self) -> Checked {
        let sent = self.first_sent.iter().map(|of| ("go out", of));
        let heard = self.first_heard.iter().map(|of| ("arrive", of));
        for (how, ((device, sender, urgency), ids)) in sent.chain(heard) {
            // By ids it cannot be told: one whose last id was forgotten follows a clock that was set back.
            let accepted = |id: &_| {
                let track = self.deliveries.get(&(*id, *device));
                if track.is_some_and(|track| track.by_step) {
                    return None;
                }
                let message = self.messages.get(id)?;
                (message.accepted && !message.void).then_some((message, *id))
            };
            let places: Vec<_> = ids.iter().filter_map(accepted).collect();
            let holds = places.iter().enumerate().all(|(n, (message, id))| {
                let mut later = places.iter().skip(n + 1);
                later.all(|(other, other_id)| {
                    let is_late = message.deliver_at.is_some();
                    message.order < other.last_order || (is_late && id < other_id)
                })
            });
            claim(
                "messages arrive in the order in which they were handed over",
                holds,
                || format!("device {sender} to device {device}, {urgency:?}, they {how}: {ids:?}"),
            )?;
        }
        Ok(())
    }
}
