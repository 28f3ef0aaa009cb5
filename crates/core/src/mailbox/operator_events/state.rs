//! How far the events of a mailbox have come: their numbers, how many are not taken yet, and when they are told next.

use serde::{Deserialize, Serialize};

use crate::mailbox::backoff::{ANSWER_TIME, LONGEST_PAUSE, pause};
use crate::time::{Millis, Now};

/// The state of the events that are not taken yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The number of the last event. It never begins anew.
    pub(super) last: i64,
    /// How many are not taken.
    #[serde(rename = "n")]
    pub(super) rows: u32,
    /// How often the oldest was told.
    #[serde(default, skip_serializing_if = "is_zero")]
    tries: u32,
    /// When they are told next; 0 is now.
    due_at: Millis,
    /// How many were told last.
    #[serde(skip)]
    told: u32,
}

impl State {
    /// The number of a new event.
    pub(super) fn add(&mut self) -> i64 {
        self.last += 1;
        self.rows += 1;
        self.last
    }

    /// When they may be told. A clock that was set back does not delay it for longer than any pause.
    pub(super) fn due_at(&self, now: Millis) -> Millis {
        self.due_at.min(now + LONGEST_PAUSE)
    }

    /// So many are told, and the answer has to come in time.
    pub(super) fn begin(&mut self, told: usize, now: Millis) {
        self.told = u32::try_from(told).unwrap_or(u32::MAX);
        self.tries = self.tries.saturating_add(1);
        self.due_at = now + ANSWER_TIME.max(pause(self.tries));
    }

    /// None was taken. The pause is up to a half shorter than it might be: otherwise the mailboxes for whose events there
    /// was no room together would tell them together again, forever.
    pub(super) fn fail(&mut self, now: Now) {
        let longest = pause(self.tries);
        let shorter = (now.random % (longest as u64 / 2 + 1)) as Millis;
        self.due_at = now.at + longest - shorter;
    }

    /// This many were taken. If there was no room for the others, they are told after a pause.
    pub(super) fn succeed(&mut self, rows: u32, now: Now) {
        self.rows -= rows;
        (self.tries, self.due_at) = (0, 0);
        if rows < self.told {
            self.tries = 1;
            self.fail(now);
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at: Millis, random: u64) -> Now {
        Now {
            at,
            pong_at: None,
            random,
        }
    }

    #[test]
    fn the_pauses_grow_up_to_five_minutes_and_begin_anew_after_a_success() {
        let mut state = State::default();
        state.add();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            state.begin(1, 0);
            state.fail(at(0, 0));
            pauses.push(state.due_at / 1000);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
        state.fail(at(0, 150_000));
        assert_eq!(state.due_at, 150_000, "the shortest");
        state.succeed(1, at(0, 0));
        assert_eq!((state.rows, state.tries, state.due_at), (0, 0, 0));
    }

    #[test]
    fn what_there_was_no_room_for_is_told_after_a_pause() {
        let mut state = State::default();
        for _ in 0..3 {
            state.add();
        }
        state.begin(3, 0);
        state.succeed(1, at(0, 0));
        assert_eq!((state.rows, state.due_at), (2, 5_000));
        state.begin(2, 5_000);
        state.succeed(2, at(6_000, 0));
        assert_eq!((state.rows, state.due_at), (0, 0));
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let mut state = State::default();
        assert_eq!((state.add(), state.add()), (1, 2));
        state.succeed(2, at(0, 0));
        assert_eq!(state.add(), 3);
    }

    #[test]
    fn a_clock_that_was_set_back_delays_nothing_for_longer_than_a_pause() {
        let state = State {
            due_at: 9_000_000,
            ..State::default()
        };
        assert_eq!(state.due_at(1_000), 301_000);
    }
}
