//! The states of a delivery, as they are stored and as senders see them.
//!
//! A terminal state is final. Not here: how a delivery gets from one state to another; see [`super::phase`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The device is offline, its in-flight window is full, or its mailbox has not been reached yet.
    Held,
    /// In flight, or leased to a poll.
    Sent,
    /// The device has it and works on it.
    InProgress,
    /// The device acknowledged it.
    Delivered,
    /// The device rejected it.
    Rejected,
    /// Its TTL ran out first.
    Expired,
    /// A newer message of the same topic and sender took its place.
    Replaced,
    /// The mailbox would not take it.
    Refused,
    /// It timed out as often as allowed, or the device fails on it.
    Undeliverable,
    /// The sender cancelled it before it was acknowledged.
    Cancelled,
}

impl State {
    /// All states, in the order of the documentation.
    pub const ALL: [State; 10] = [
        State::Held,
        State::Sent,
        State::InProgress,
        State::Delivered,
        State::Rejected,
        State::Expired,
        State::Replaced,
        State::Refused,
        State::Undeliverable,
        State::Cancelled,
    ];

    /// Its name, as written in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Held => "held",
            State::Sent => "sent",
            State::InProgress => "in_progress",
            State::Delivered => "delivered",
            State::Rejected => "rejected",
            State::Expired => "expired",
            State::Replaced => "replaced",
            State::Refused => "refused",
            State::Undeliverable => "undeliverable",
            State::Cancelled => "cancelled",
        }
    }

    /// Whether nothing can follow this state.
    pub fn is_terminal(self) -> bool {
        !matches!(self, State::Held | State::Sent | State::InProgress)
    }

    /// Whether the device itself answered the message.
    pub fn is_answer(self) -> bool {
        matches!(self, State::Delivered | State::Rejected)
    }

    /// Whether the delivery has failed: the device has not got the message, or would not take it, and nobody wanted
    /// that.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            State::Expired | State::Undeliverable | State::Refused | State::Rejected
        )
    }

    /// The state's own bit, for sets of states in one number. The sets are stored, so a state keeps its bit.
    pub fn bit(self) -> i64 {
        let place = match self {
            State::Held => 0,
            State::Sent => 1,
            State::Delivered => 2,
            State::Rejected => 3,
            State::Expired => 4,
            State::Replaced => 5,
            State::Refused => 6,
            State::Undeliverable => 7,
            State::Cancelled => 8,
            State::InProgress => 9,
        };
        1 << place
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_held_sent_and_in_progress_can_be_followed_by_another_state() {
        let open: Vec<State> = State::ALL
            .into_iter()
            .filter(|state| !state.is_terminal())
            .collect();
        assert_eq!(open, [State::Held, State::Sent, State::InProgress]);
    }

    #[test]
    fn every_state_has_a_bit_of_its_own() {
        let all = State::ALL
            .into_iter()
            .fold(0, |bits, state| bits ^ state.bit());
        assert_eq!(all, 0b11_1111_1111);
    }
}
