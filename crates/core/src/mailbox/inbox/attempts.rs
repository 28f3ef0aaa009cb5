//! What became of the attempts to deliver one message.
//!
//! An attempt ends in one of three ways: it is answered; its time to acknowledge runs out while the device
//! is there, which counts against the message; or its connection ends first, which says nothing about the
//! message unless it happens again and again. A message under which connections keep ending is a
//! *suspect*. When it is sent, and what becomes of others meanwhile, is decided in [`super::send`].

use serde::{Deserialize, Serialize};

use crate::delivery::{State, Step};
use crate::time::{Millis, Now};

/// A message is a suspect once this many connections in a row have ended while it was in flight.
const SUSPECT: u32 = 3;

/// A suspect is given up once this many connections have ended while it was alone on them …
const ENDS: u32 = 10;

/// … and no sooner than this many milliseconds after the first of these.
const PERIOD: Millis = 600_000;

/// The longest pause before a suspect goes out again, in milliseconds. With pauses from 2 s on that double
/// up to it, ten connections take 13.5 minutes at least.
const LONGEST_PAUSE: Millis = 300_000;

/// Of more attempts than fit, this many of the first and of the latest keep their times.
const FIRST: usize = 4;
const LATEST: usize = 8;

/// The attempts at one message. Its JSON is kept in rows; `[]` is what earlier versions wrote for none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attempts {
    /// How often it was put on the wire.
    #[serde(rename = "n", skip_serializing_if = "is_zero")]
    pub(super) made: u32,
    /// How often its time to acknowledge ran out while the device was there.
    #[serde(rename = "o", skip_serializing_if = "is_zero")]
    pub(super) timed_out: u32,
    /// How many connections in a row ended while it was in flight.
    #[serde(rename = "l", skip_serializing_if = "is_zero")]
    lost: u32,
    /// How many of these had nothing else on the wire, since it became a suspect.
    #[serde(rename = "a", skip_serializing_if = "is_zero")]
    alone: u32,
    /// When the first of these ended.
    #[serde(rename = "s", skip_serializing_if = "is_zero")]
    alone_since: Millis,
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty")]
    times: Vec<Times>,
}

/// An attempt's number, when it was sent, and when its connection ended; 0 where it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Times(u32, Millis, Millis);

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// What the end of a connection says about the messages in flight on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// Nothing: the service ended it because of its token.
    None,
    /// Perhaps one of several.
    Shared,
    /// Perhaps this one, which had the wire to itself.
    Alone,
}

impl Attempts {
    /// Takes in an attempt that only the in-flight window knew.
    pub(super) fn note_sent(&mut self, attempt: u32, at: Millis) {
        if attempt > self.made {
            self.made = attempt;
            self.times.push(Times(attempt, at, 0));
            if self.times.len() > FIRST + LATEST {
                self.times.remove(FIRST);
            }
        }
    }

    /// The time to acknowledge ran out while the device was there, so the message does not end connections.
    pub(super) fn time_out(&mut self) {
        self.timed_out += 1;
        (self.lost, self.alone, self.alone_since) = (0, 0, 0);
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

    /// Forgets what speaks against the message.
    pub(super) fn absolve(&mut self) {
        (self.lost, self.alone, self.alone_since) = (0, 0, 0);
    }

    /// Whether connections keep ending while it is in flight.
    pub(super) fn is_suspect(&self) -> bool {
        self.lost >= SUSPECT
    }

    /// Whether it is to be given up because the device fails on it.
    pub(super) fn fails_device(&self, now: Now) -> bool {
        self.alone >= ENDS && now.at - self.alone_since >= PERIOD
    }

    /// When a suspect may go out again.
    pub(super) fn next_try(&self) -> Millis {
        let ended_at = self.times.last().map_or(0, |last| last.2);
        match self.alone {
            0 => 0,
            alone => ended_at + (1000 << alone.min(9)).min(LONGEST_PAUSE),
        }
    }

    /// Each attempt, and where its connection ended that it was held again.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step> {
        self.times
            .iter()
            .flat_map(|Times(attempt, sent_at, ended_at)| {
                let step = |event, at| Step {
                    event,
                    at,
                    attempt: *attempt,
                };
                let ended = (*ended_at > 0).then(|| step(State::Held, *ended_at));
                [Some(step(State::Sent, *sent_at)), ended]
                    .into_iter()
                    .flatten()
            })
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

    /// This many attempts of which each ended with its connection, alone on it, as soon as it was allowed.
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
    fn a_time_out_clears_a_suspect_and_the_end_of_a_token_blames_nobody() {
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
        let told: Vec<u32> = attempts.steps().map(|step| step.attempt).collect();
        assert_eq!(told.len(), 2 * (FIRST + LATEST));
        assert_eq!((told[0], told[7], told[8], told[23]), (1, 4, 993, 1_000));
        assert!(serde_json::to_string(&attempts).unwrap().len() < 500);
    }

    #[test]
    fn what_earlier_versions_wrote_for_no_attempt_is_none() {
        let none: Attempts = serde_json::from_str("[]").unwrap();
        assert_eq!(none, Attempts::default());
        assert_eq!(serde_json::to_string(&none).unwrap(), "{}");
    }
}
