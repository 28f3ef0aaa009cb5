//! The one alarm of an object: at least once, late at times, again after a failure.

use tagpost_core::time::Millis;

use super::{Event, World};
use crate::chance::{chance, happens};
use crate::claims::Checked;

/// How soon the platform repeats an alarm that failed.
const RETRY: Millis = 2_000;

impl World<'_> {
    /// An event that set the alarm is committed.
    pub(super) fn set_alarm(&mut self, object: usize, at: Millis) {
        let weather = self.weather();
        let host = &mut self.objects[object];
        host.alarm = Some(at);
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

    /// The clock of a mailbox's machine is set: it is off by so much from now on.
    pub(super) fn set_clock(&mut self, object: usize, by: Millis) {
        let host = &mut self.objects[object];
        host.skew = by;
        let token = host.alarm_token;
        if let Some(at) = host.alarm {
            self.at(at - by, Event::Alarm { object, token });
        }
    }

    /// The alarm goes off, if it is still the one.
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
        host.alarm = None;
        self.note(|names| format!("the alarm of {} goes off", names[object]));
        let done = self.event(object, |mailbox, now| mailbox.alarm(now))?;
        if done.is_none() {
            let host = &mut self.objects[object];
            if host.alarm.is_none() {
                host.alarm = Some(at);
                self.after(RETRY, Event::Alarm { object, token });
            }
            return Ok(());
        }
        let mut rng = chance(self.plan.seed, &[4, object as u64, token]);
        if happens(&mut rng, self.weather().twice) {
            let delay = rng.i64(0..=3_000);
            self.after(delay, Event::AlarmAgain { object });
        }
        Ok(())
    }

    /// It goes off although it has.
    pub(super) fn alarm_again(&mut self, object: usize) -> Checked {
        self.note(|names| format!("the alarm of {} goes off once more", names[object]));
        self.event(object, |mailbox, now| mailbox.alarm(now))
            .map(drop)
    }
}
