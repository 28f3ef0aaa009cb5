//! What the account's row says of failures: how many the directory does not list yet, and when it is told next.

use serde::{Deserialize, Serialize};

use crate::mailbox::backoff::{ANSWER_TIME, LONGEST_PAUSE, pause};
use crate::time::Millis;

/// The state of the failures of a device that the directory does not list yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// How many rows there are.
    #[serde(rename = "n")]
    pub(super) rows: u32,
    /// How often the directory was told of the oldest.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) tries: u32,
    /// When it is told next; 0 is now.
    pub(super) due_at: Millis,
    /// How many were dropped that the log does not mention yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) dropped: u32,
}

impl State {
    /// When the directory may be told. A clock that was set back does not delay it for longer than any pause.
    pub(super) fn due_at(&self, now: Millis) -> Millis {
        self.due_at.min(now + LONGEST_PAUSE)
    }

    /// The directory is told, and has to answer in time.
    pub(super) fn begin(&mut self, now: Millis) {
        self.tries += 1;
        self.due_at = now + ANSWER_TIME.max(pause(self.tries));
        self.dropped = 0;
    }

    /// It could not be told.
    pub(super) fn fail(&mut self, now: Millis) {
        self.due_at = now + pause(self.tries);
    }

    /// It lists this many of them.
    pub(super) fn succeed(&mut self, rows: u32) {
        self.rows -= rows;
        (self.tries, self.due_at) = (0, 0);
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_up_to_five_minutes_and_begin_anew_after_a_success() {
        let mut state = State {
            rows: 3,
            ..State::default()
        };
        let mut pauses = Vec::new();
        for _ in 0..9 {
            state.begin(0);
            state.fail(0);
            pauses.push(state.due_at / 1000);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        state.succeed(2);
        assert_eq!((state.rows, state.tries, state.due_at), (1, 0, 0));
    }

    #[test]
    fn a_clock_that_was_set_back_delays_nothing_for_longer_than_a_pause() {
        let state = State {
            due_at: 9_000_000,
            ..State::default()
        };
        assert_eq!(state.due_at(1_000), 301_000);
        assert_eq!(state.due_at(8_999_000), 9_000_000);
    }
}
