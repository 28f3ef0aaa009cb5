//! Everything that a mailbox does at a time of its own, and the two clocks that wake it.
//!
//! One clock is the *alarm*: it outlives the mailbox's memory, and each time it is set costs a row. The other is the
//! *timer*: it costs nothing, and goes with the memory. A [`Timer`] says which of them it needs. Every other file
//! asks for a time through [`Timers::set`], so this list is complete.
//!
//! A clock is never moved later. One that is early finds nothing due, and is set again.

use crate::time::Millis;

/// What a mailbox wants to be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    // The alarm.
    /// A stored message expires.
    Expiry,
    /// A stored message was sent over the connection or taken by a poll, and is not acknowledged in time.
    Ack,
    /// A message that connections broke on may be sent again, alone.
    Suspect,
    /// The token of the connection expires, and the connection is closed.
    ConnectionToken,
    /// Reports that a sender's mailbox did not take are repeated.
    Report,
    /// Jobs go on: deliveries that have not reached their mailbox are tried again.
    Job,
    /// Rows are past their retention.
    Retention,

    // The timer.
    /// The event loop has had its turn: frames that waited for those right behind them are handled.
    FrameTurn,
    /// Settled publishes have waited for others, and are written.
    GroupCommit,
    /// Reports have waited for others to the same sender, and are made.
    ReportBatch,
    /// A call has waited long enough for what [`super::Awaited`] says, or its caller's token expires.
    Call,
}

/// What both clocks are set to.
#[derive(Debug, Default)]
pub(super) struct Timers {
    alarm: Option<Millis>,
    /// The alarm outside is later.
    alarm_moved: bool,
    frame_turn: Option<Millis>,
    group_commit: Option<Millis>,
    report_batch: Option<Millis>,
    call: Option<Millis>,
}

impl Timers {
    /// Those of a mailbox whose alarm is set to `alarm`.
    pub(super) fn with_alarm(alarm: Option<Millis>) -> Self {
        Self {
            alarm,
            ..Self::default()
        }
    }

    /// Makes sure that the mailbox is woken for this at `at` at the latest.
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

    /// Whether the time for this has come, which is forgotten then.
    pub(super) fn take_due(&mut self, timer: Timer, now: Millis) -> bool {
        let slot = self.slot(timer);
        slot.is_some_and(|slot| slot.take_if(|at| *at <= now).is_some())
    }

    /// Whether the mailbox is to be woken for this. Of what the alarm is for this is not known.
    pub(super) fn is_set(&mut self, timer: Timer) -> bool {
        self.slot(timer).is_some_and(|slot| slot.is_some())
    }

    /// The mailbox is not to be woken for this any more.
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
        // What this event does need not be asked for, as opening the mailbox for it has done.
        self.alarm_moved = false;
    }

    /// What the alarm has to be set to, if it has to be set. Asked once an event: each time costs a row.
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

    /// Where the timer for this is kept; `None` where it is the alarm.
    fn slot(&mut self, timer: Timer) -> Option<&mut Option<Millis>> {
        match timer {
            Timer::FrameTurn => Some(&mut self.frame_turn),
            Timer::GroupCommit => Some(&mut self.group_commit),
            Timer::ReportBatch => Some(&mut self.report_batch),
            Timer::Call => Some(&mut self.call),
            Timer::Expiry
            | Timer::Ack
            | Timer::Suspect
            | Timer::ConnectionToken
            | Timer::Report
            | Timer::Job
            | Timer::Retention => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_moves_to_an_earlier_time_and_never_to_a_later_one() {
        let mut timers = Timers::with_alarm(Some(50));
        timers.set(Timer::Job, 60);
        assert_eq!((timers.alarm(), timers.take_alarm()), (Some(50), None));
        timers.set(Timer::Expiry, 40);
        timers.set(Timer::Report, 45);
        assert_eq!(timers.take_alarm(), Some(40));
        assert_eq!(timers.take_alarm(), None, "it is set once");
        timers.set(Timer::GroupCommit, 15);
        timers.set(Timer::GroupCommit, 20);
        assert_eq!((timers.timer(), timers.alarm()), (Some(15), Some(40)));
    }

    #[test]
    fn each_use_of_the_timer_has_a_time_of_its_own() {
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
            assert!(!timers.take_due(timer, at), "{timer:?} is over");
        }
        assert_eq!((timers.timer(), timers.alarm()), (None, None));
    }
}
