//! The outcomes of the attempts to deliver one message.
//!
//! An attempt ends in one of three ways: it is answered; it times out while the device is connected, which counts
//! against the message; or its connection ends first, which says nothing about the message unless it happens
//! repeatedly. A message during which connections keep ending is a *suspect*. In between the device may say that it
//! works on the message. Not here: when a suspect is sent, and what happens to other messages meanwhile, which
//! [`super::send`] decides.

use serde::{Deserialize, Serialize};

use crate::delivery::{State, Step};
use crate::time::{Millis, Now};
use crate::webhook::Tried;

/// A message is a suspect once this many connections in a row have ended while it was in flight.
const SUSPECT: u32 = 3;

/// A suspect is given up once this many connections have ended while it was alone in flight …
const ENDS: u32 = 10;

/// … and no sooner than this many milliseconds after the first of these.
const PERIOD: Millis = 600_000;

/// The longest pause before a suspect is sent again, in milliseconds. The pauses start at 2 s and double, so ten
/// connections take at least 13.5 minutes.
const LONGEST_PAUSE: Millis = 300_000;

/// The times of this many first and latest attempts are kept.
const FIRST: usize = 4;
const LATEST: usize = 8;

/// The attempts to deliver one message. Its JSON is stored in rows; earlier versions wrote `[]` for no attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attempts {
    /// How often it was sent.
    #[serde(rename = "n", skip_serializing_if = "is_zero")]
    pub(super) made: u32,
    /// How often it timed out while the device was connected.
    #[serde(rename = "o", skip_serializing_if = "is_zero")]
    pub(super) timed_out: u32,
    /// How many connections in a row ended while it was in flight.
    #[serde(rename = "l", skip_serializing_if = "is_zero")]
    lost: u32,
    /// How many of these had nothing else in flight, since it became a suspect.
    #[serde(rename = "a", skip_serializing_if = "is_zero")]
    alone: u32,
    /// When the first of these ended.
    #[serde(rename = "s", skip_serializing_if = "is_zero")]
    alone_since: Millis,
    /// How often the address that it was posted to has failed.
    #[serde(rename = "f", skip_serializing_if = "is_zero")]
    pub(super) failed: u32,
    /// Until when it is not posted again, or 0.
    #[serde(rename = "u", skip_serializing_if = "is_zero")]
    paused_until: Millis,
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty")]
    times: Vec<Times>,
    /// How the attempts failed that were posted.
    #[serde(rename = "w", skip_serializing_if = "Vec::is_empty")]
    tried: Vec<(u32, Tried)>,
    /// The latest progress. Rows are searched for its third field.
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
}

/// An attempt's number, when it was sent, and when its connection ended, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Times(u32, Millis, Millis);

/// Progress: the number of the latest attempt, when the device said it, until when, and its note. Until when is 0
/// once it has ended. Only the latest is kept, so that a device can repeat it as often as it likes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress(u32, Millis, Millis, Option<String>);

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// What the end of a connection says about a message in flight on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// Not the cause: the service closed the connection because of its token.
    None,
    /// A possible cause, like others in flight.
    Shared,
    /// The possible cause: it was alone in flight.
    Alone,
}

impl Attempts {
    /// Adds an attempt that only the in-flight window knew.
    pub(super) fn note_sent(&mut self, attempt: u32, at: Millis) {
        if attempt > self.made {
            self.made = attempt;
            self.paused_until = 0;
            self.end_progress();
            self.times.push(Times(attempt, at, 0));
            if self.times.len() > FIRST + LATEST {
                self.times.remove(FIRST);
            }
        }
    }

    /// The last attempt timed out while the device was connected, so this message does not end connections.
    pub(super) fn time_out(&mut self) {
        self.timed_out += 1;
        (self.lost, self.alone, self.alone_since) = (0, 0, 0);
    }

    /// The address has failed the last attempt, so this message does not end connections. It is not posted again until
    /// this time.
    pub(super) fn fail(&mut self, tried: Tried, at: Millis, until: Millis) {
        self.absolve();
        self.failed = self.failed.saturating_add(1);
        self.paused_until = until;
        if let Some(last) = self.times.last_mut() {
            last.2 = at;
        }
        self.tried.push((self.made, tried));
        if self.tried.len() > FIRST + LATEST {
            self.tried.remove(FIRST);
        }
    }

    /// Until when it is not posted again, if an address has failed the last attempt.
    pub(super) fn paused_until(&self) -> Option<Millis> {
        Some(self.paused_until).filter(|until| *until > 0)
    }

    /// Ends the pause at this time, if that is earlier.
    pub(super) fn end_pause(&mut self, at: Millis) {
        self.paused_until = self.paused_until.min(at);
    }

    /// The connection of the last attempt has ended.
    pub(super) fn connection_ended(&mut self, blame: Blame, at: Millis) {
        if let Some(last) = self.times.last_mut() {
            last.2 = at;
        }
        if blame == Blame::None {
            return;
        }
        if blame == Blame::Alone && self.is_suspect() {
            if self.alone == 0 {
                self.alone_since = at;
            }
            self.alone = self.alone.saturating_add(1);
        }
        self.lost = self.lost.saturating_add(1);
    }

    /// The device works on it until this time: it is not why connections end, and does not pause.
    pub(super) fn note_progress(&mut self, at: Millis, until: Millis, note: Option<String>) {
        self.absolve();
        self.paused_until = 0;
        self.progress = Some(Progress(self.made, at, until, note));
    }

    /// Ends the progress. Returns until when it would have lasted, if there was any.
    pub(super) fn end_progress(&mut self) -> Option<Millis> {
        let until = &mut self.progress.as_mut()?.2;
        Some(std::mem::take(until)).filter(|until| *until > 0)
    }

    /// Forgets the progress, which another record has.
    pub(super) fn forget_progress(&mut self) {
        self.progress = None;
    }

    /// Until when the device works on it, or 0.
    pub(super) fn in_progress_until(&self) -> Millis {
        self.progress.as_ref().map_or(0, |progress| progress.2)
    }

    /// Whether the device works on it.
    pub(super) fn is_in_progress(&self, now: Millis) -> bool {
        self.in_progress_until() > now
    }

    /// Takes over the progress of an older record of the same message, if that has the later one.
    pub(super) fn learn_progress(&mut self, older: &Attempts) {
        let said_at = |attempts: &Attempts| attempts.progress.as_ref().map(|progress| progress.1);
        if said_at(older) > said_at(self) {
            self.progress = older.progress.clone();
        }
    }

    /// Clears the suspicion.
    pub(super) fn absolve(&mut self) {
        (self.lost, self.alone, self.alone_since) = (0, 0, 0);
    }

    /// Whether connections keep ending while it is in flight.
    pub(super) fn is_suspect(&self) -> bool {
        self.lost >= SUSPECT
    }

    /// Whether to give it up because the device fails on it.
    pub(super) fn fails_device(&self, now: Now) -> bool {
        self.alone >= ENDS && now.at - self.alone_since >= PERIOD
    }

    /// When a suspect may be sent again.
    pub(super) fn next_try(&self) -> Millis {
        let ended_at = self.times.last().map_or(0, |last| last.2);
        match self.alone {
            0 => 0,
            alone => ended_at + (1000 << alone.min(9)).min(LONGEST_PAUSE),
        }
    }

    /// A step for each attempt, followed by one for being held again if its connection ended; and one for progress.
    pub(super) fn steps(&self) -> Vec<Step> {
        let times = self.times.iter();
        let attempts = times.flat_map(|Times(attempt, sent_at, ended_at)| {
            let mut tried = self.tried.iter();
            let tried = tried.find(|(number, _)| number == attempt);
            let ended = (*ended_at > 0).then(|| Step {
                tried: tried.map(|(_, tried)| *tried),
                ..Step::new(State::Held, *ended_at, *attempt)
            });
            [Some(Step::new(State::Sent, *sent_at, *attempt)), ended]
        });
        let progress = self.progress.iter().map(|Progress(attempt, at, _, note)| {
            let step = Step::new(State::InProgress, *at, *attempt);
            Some(Step {
                note: note.clone(),
                ..step
            })
        });
        let mut steps: Vec<Step> = attempts.chain(progress).flatten().collect();
        steps.sort_by_key(|step| (step.attempt, step.at));
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at: Millis) -> Now {
        Now {
            at,
            pong_at: None,
            random: 0,
        }
    }

    /// This many attempts, each made as early as possible, alone in flight, and ended with its connection.
    fn crashes(count: u32) -> (Attempts, Millis) {
        let mut attempts = Attempts::default();
        let mut now = 1;
        for _ in 0..count {
            now = attempts.next_try().max(now + 1);
            attempts.note_sent(attempts.made + 1, now);
            attempts.connection_ended(Blame::Alone, now);
        }
        (attempts, now)
    }

    #[test]
    fn the_third_connection_that_ends_makes_a_suspect() {
        assert!(!crashes(2).0.is_suspect());
        assert!(crashes(3).0.is_suspect());
    }

    #[test]
    fn a_suspect_is_given_up_after_ten_connections_alone_and_ten_minutes() {
        let (attempts, now) = crashes(12);
        assert!(!attempts.fails_device(at(now)));
        let (attempts, now) = crashes(13);
        assert!(attempts.fails_device(at(now)));
        assert_eq!(now / 1000, 810, "pauses of 2, 4, 8 … 256 and 300 s");
    }

    #[test]
    fn a_time_out_clears_a_suspect_and_the_end_of_a_token_blames_no_message() {
        let (mut attempts, _) = crashes(5);
        attempts.time_out();
        assert!(!attempts.is_suspect());
        assert_eq!((attempts.made, attempts.timed_out), (5, 1));
        for _ in 0..10 {
            attempts.connection_ended(Blame::None, 9);
        }
        assert!(!attempts.is_suspect());
    }

    #[test]
    fn a_thousand_attempts_take_no_more_room_than_twelve() {
        let (attempts, _) = crashes(1_000);
        let told: Vec<u32> = attempts.steps().iter().map(|step| step.attempt).collect();
        assert_eq!(told.len(), 2 * (FIRST + LATEST));
        assert_eq!((told[0], told[7], told[8], told[23]), (1, 4, 993, 1_000));
        assert!(serde_json::to_string(&attempts).unwrap().len() < 500);
    }

    #[test]
    fn the_empty_list_of_earlier_versions_is_no_attempts() {
        let none: Attempts = serde_json::from_str("[]").unwrap();
        assert_eq!(none, Attempts::default());
        assert_eq!(serde_json::to_string(&none).unwrap(), "{}");
    }
}
