//! All timers of a mailbox, and the two clocks that serve them.
//!
//! The *alarm* outlives the mailbox's memory; setting it costs a row. The *timer* costs nothing, and is lost with the
//! memory. Each [`Timer`] belongs to one of the two. Every other file sets a time through
//! [`super::Context::wake_by`], so the list is complete.
//!
//! A clock is never moved later. If one goes off early, nothing is due, and it is set again.

use crate::time::Millis;

/// What a mailbox wants to be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    // The alarm.
    /// A stored message expires.
    Expiry,
    /// A stored message was sent over the connection or taken by a poll, and is not acknowledged in time.
    Ack,
    /// The device has worked on a message for as long as it said.
    Progress,
    /// A suspect may be sent again, alone.
    Suspect,
    /// A message is posted to an address: again after a pause, or because no further request could follow from an event.
    Post,
    /// The token of the connection expires, and the connection is closed.
    ConnectionToken,
    /// Reports that a sender's mailbox has not recorded are repeated.
    Report,
    /// Jobs continue: unreached deliveries are tried again.
    Job,
    /// A scheduled message is handed over.
    Schedule,
    /// A step of an escalation is taken.
    Escalation,
    /// Mailboxes are asked again to cancel what is no longer needed, because enough devices have acknowledged it.
    Ending,
    /// Rows are past their retention.
    Retention,
    /// A device is knocked: again, because a push service has not taken the knock or not answered, or for a message
    /// that came right after a knock.
    Knock,
    /// The directory is told of failures again, because it has not taken them.
    Failures,
    /// Events are told again, because they were not taken; a burst of them ends; or a device has been away for long.
    OperatorEvents,

    // The timer.
    /// One turn of the event loop is over: frames that waited for the frames right after them are handled.
    FrameTurn,
    /// Settled publishes that waited for others are written.
    GroupCommit,
    /// Reports that waited for others to the same sender are sent.
    ReportBatch,
    /// A call that waits for something (see [`super::Awaited`]) times out, or its caller's token expires.
    Call,
}

/// The times that both clocks are set to.
#[derive(Debug, Default)]
pub(super) struct Timers {
    alarm: Option<Millis>,
    /// The platform's alarm is not set to `alarm` yet.
    alarm_moved: bool,
    frame_turn: Option<Millis>,
    group_commit: Option<Millis>,
    report_batch: Option<Millis>,
    call: Option<Millis>,
}

impl Timers {
    /// The timers of a mailbox that was just opened, whose alarm is set to `alarm`.
    pub(super) fn with_alarm(alarm: Option<Millis>) -> Self {
        Self {
            alarm,
            ..Self::default()
        }
    }

    /// The mailbox is open. If that asked for an alarm, what is overdue waits until `at`: a mailbox that fails again as
    /// soon as it is open would be woken without a pause.
    pub(super) fn put_off(&mut self, at: Millis) {
        if self.alarm_moved {
            self.alarm = self.alarm.map(|alarm| alarm.max(at));
        }
    }

    /// Makes sure that the mailbox is woken for this no later than `at`.
    pub(super) fn set(&mut self, timer: Timer, at: Millis) {
        let set = match self.slot(timer) {
            Some(slot) => slot,
            None => {
                self.alarm_moved |= self.alarm.is_none_or(|alarm| at < alarm);
                &mut self.alarm
            }
        };
        *set = Some(set.map_or(at, |set| set.min(at)));
    }

    /// Whether this is due. If so, it is cleared.
    pub(super) fn take_due(&mut self, timer: Timer, now: Millis) -> bool {
        let slot = self.slot(timer);
        slot.is_some_and(|slot| slot.take_if(|at| *at <= now).is_some())
    }

    /// Whether this is set. Always `false` for what belongs to the alarm.
    pub(super) fn is_set(&mut self, timer: Timer) -> bool {
        self.slot(timer).is_some_and(|slot| slot.is_some())
    }

    /// Clears this, unless it belongs to the alarm.
    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(slot) = self.slot(timer) {
            *slot = None;
        }
    }

    /// What the alarm is set to.
    pub(super) fn alarm(&self) -> Option<Millis> {
        self.alarm
    }

    /// The alarm has gone off.
    pub(super) fn alarm_gone(&mut self) {
        self.alarm = None;
        // Opening the mailbox may have asked for this very alarm, which is being handled now.
        self.alarm_moved = false;
    }

    /// What the alarm has to be set to, if it has to be set. Called once per event, because setting it costs a row.
    pub(super) fn take_alarm(&mut self) -> Option<Millis> {
        let moved = std::mem::take(&mut self.alarm_moved);
        self.alarm.filter(|_| moved)
    }

    /// What the timer is set to.
    pub(super) fn timer(&self) -> Option<Millis> {
        let Self {
            frame_turn,
            group_commit,
            report_batch,
            call,
            ..
        } = self;
        let all = [frame_turn, group_commit, report_batch, call];
        all.into_iter().flatten().min().copied()
    }

    /// The time of this; `None` if it belongs to the alarm.
    fn slot(&mut self, timer: Timer) -> Option<&mut Option<Millis>> {
        match timer {
            Timer::FrameTurn => Some(&mut self.frame_turn),
            Timer::GroupCommit => Some(&mut self.group_commit),
            Timer::ReportBatch => Some(&mut self.report_batch),
            Timer::Call => Some(&mut self.call),
            Timer::Expiry
            | Timer::Ack
            | Timer::Progress
            | Timer::Suspect
            | Timer::Post
            | Timer::ConnectionToken
            | Timer::Report
            | Timer::Job
            | Timer::Schedule
            | Timer::Escalation
            | Timer::Ending
            | Timer::Retention
            | Timer::Knock
            | Timer::Failures
            | Timer::OperatorEvents => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_moved_to_an_earlier_time_and_never_to_a_later_one() {
        let mut timers = Timers::with_alarm(Some(50));
        timers.set(Timer::Job, 60);
        assert_eq!((timers.alarm(), timers.take_alarm()), (Some(50), None));
        timers.set(Timer::Expiry, 40);
        timers.set(Timer::Report, 45);
        assert_eq!(timers.take_alarm(), Some(40));
        assert_eq!(timers.take_alarm(), None, "it is set only once");
        timers.set(Timer::GroupCommit, 15);
        timers.set(Timer::GroupCommit, 20);
        assert_eq!((timers.timer(), timers.alarm()), (Some(15), Some(40)));
    }

    #[test]
    fn an_alarm_that_opening_asked_for_is_put_off_and_one_that_is_set_is_not() {
        let mut timers = Timers::with_alarm(Some(50));
        timers.put_off(100);
        assert_eq!((timers.alarm(), timers.take_alarm()), (Some(50), None));
        timers.set(Timer::Job, 20);
        timers.put_off(100);
        assert_eq!(timers.take_alarm(), Some(100));
        timers.set(Timer::Job, 120);
        assert_eq!(timers.take_alarm(), None);
    }

    #[test]
    fn each_use_of_the_timer_has_its_own_time() {
        let uses = [
            Timer::FrameTurn,
            Timer::GroupCommit,
            Timer::ReportBatch,
            Timer::Call,
        ];
        let mut timers = Timers::default();
        for (at, timer) in (10..).zip(uses) {
            timers.set(timer, at);
        }
        for (at, timer) in (10..).zip(uses) {
            assert_eq!(timers.timer(), Some(at));
            assert!(!timers.take_due(timer, at - 1));
            assert!(timers.take_due(timer, at));
            assert!(!timers.take_due(timer, at), "{timer:?} is cleared");
        }
        assert_eq!((timers.timer(), timers.alarm()), (None, None));
    }
}
