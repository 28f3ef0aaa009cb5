//! The one alarm of an object. It goes off at least once, sometimes late, and is repeated after a failure until the
//! platform gives up.
//!
//! The platform repeats a failed alarm six times, after 2, 4 … 64 s, and then deletes it. The entry (`src/entry.js`)
//! prevents that: it postpones the alarm before the last try. That needs no Rust, and no room in a full store: an alarm
//! overwrites the previous one.

use tagpost_core::mailbox::Input;
use tagpost_core::time::Millis;

use super::{Event, World};
use crate::chance::{chance, happens};
use crate::claims::Checked;

/// The pause before the first repetition of a failed alarm.
const RETRY: Millis = 2_000;
/// How often the platform repeats it.
const RETRIES: u32 = 6;
/// The repetition at which the entry postpones the alarm.
const POSTPONED_AT: u32 = 5;
/// By how much.
const POSTPONED_BY: Millis = 120_000;

impl World<'_> {
    /// An event is committed that set the alarm.
    pub(super) fn set_alarm(&mut self, object: usize, at: Millis) {
        let weather = self.weather();
        let host = &mut self.objects[object];
        host.alarm = Some(at);
        (host.alarm_retries, host.alarm_from) = (0, 0);
        host.alarm_token += 1;
        let token = host.alarm_token;
        let due = at - host.skew;
        let mut rng = chance(self.plan.seed, &[3, object as u64, token]);
        let late = if happens(&mut rng, weather.late_alarms) {
            rng.i64(0..=weather.late_by)
        } else {
            0
        };
        self.at(due.max(self.now) + late, Event::Alarm { object, token });
    }

    /// The clock of a mailbox's machine is set: from now on it is off by this much.
    pub(super) fn set_clock(&mut self, object: usize, by: Millis) {
        let host = &mut self.objects[object];
        host.skew = by;
        let token = host.alarm_token;
        if let Some(at) = host.alarm {
            self.at(at - by, Event::Alarm { object, token });
        }
    }

    /// The alarm goes off, unless another was set meanwhile.
    pub(super) fn alarm(&mut self, object: usize, token: u64) -> Checked {
        let host = &mut self.objects[object];
        let due = host.alarm.filter(|_| host.alarm_token == token);
        let Some(at) = due else { return Ok(()) };
        if self.now + host.skew < at {
            self.at(
                at - self.objects[object].skew,
                Event::Alarm { object, token },
            );
            return Ok(());
        }
        // The platform pauses before it repeats an alarm, whatever the clock shows.
        if self.now < host.alarm_from {
            return Ok(());
        }
        if host.alarm_retries >= POSTPONED_AT {
            let later = self.now + host.skew + POSTPONED_BY;
            self.note(|names| format!("the alarm of {} is postponed", names[object]));
            self.set_alarm(object, later);
            self.objects[object].postponed = true;
            return Ok(());
        }
        (host.alarm, host.postponed) = (None, false);
        self.note(|names| format!("the alarm of {} goes off", names[object]));
        let done = self.ring(object)?;
        if done.is_none() {
            self.repeat_alarm(object, at, token);
            return Ok(());
        }
        let mut rng = chance(self.plan.seed, &[4, object as u64, token]);
        if happens(&mut rng, self.weather().twice) {
            let delay = rng.i64(0..=3_000);
            self.after(delay, Event::AlarmAgain { object });
        }
        Ok(())
    }

    /// The alarm has failed. The platform repeats or deletes it, unless another was set before it failed.
    fn repeat_alarm(&mut self, object: usize, at: Millis, token: u64) {
        let host = &mut self.objects[object];
        if host.alarm.is_some() {
            return;
        }
        if host.alarm_retries == RETRIES {
            self.note(|names| format!("the alarm of {} is given up", names[object]));
            return;
        }
        let pause = RETRY << host.alarm_retries;
        host.alarm_retries += 1;
        host.alarm_from = self.now + pause;
        host.alarm = Some(at);
        self.after(pause, Event::Alarm { object, token });
    }

    /// An alarm that has gone off does so again.
    pub(super) fn alarm_again(&mut self, object: usize) -> Checked {
        self.note(|names| format!("the alarm of {} goes off once more", names[object]));
        self.ring(object).map(drop)
    }

    fn ring(&mut self, object: usize) -> Checked<Option<()>> {
        self.objects[object].ringing = true;
        let done = self.event(object, Input::Alarm);
        self.objects[object].ringing = false;
        if matches!(done, Ok(Some(()))) {
            self.ledger.has_rung(object);
        }
        done
    }
}
