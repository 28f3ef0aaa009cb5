//! What becomes of a message at one device: its state, its steps, and the words that came back.
//!
//! A delivery has one state at a time and reaches exactly one terminal state; [`phase`] says how. The
//! recipient's mailbox decides it; the sender's mailbox records it. Neither is done here.

pub mod phase;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::phase::{Event, IllegalTransition, Phase};
use crate::id::DeviceId;
use crate::time::Millis;

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Stored; the device is offline, its in-flight window is full, or its mailbox is not reached yet.
    Held,
    /// Stored and on the wire; not yet acknowledged.
    Sent,
    /// The device acknowledged it.
    Delivered,
    /// The device refused it.
    Rejected,
    /// Its TTL ran out first.
    Expired,
    /// A newer message of the same topic and sender took its place.
    Replaced,
    /// The mailbox would not take it.
    Refused,
    /// Not acknowledged in time as often as allowed; or the device fails on it.
    Undeliverable,
    /// The sender took it back before it was acknowledged.
    Cancelled,
}

impl State {
    /// All states, in the order of the documentation.
    pub const ALL: [State; 9] = [
        State::Held,
        State::Sent,
        State::Delivered,
        State::Rejected,
        State::Expired,
        State::Replaced,
        State::Refused,
        State::Undeliverable,
        State::Cancelled,
    ];

    /// Whether nothing can follow this state.
    pub fn is_terminal(self) -> bool {
        !matches!(self, State::Held | State::Sent)
    }

    /// Whether the device itself brought it about.
    pub fn is_answer(self) -> bool {
        matches!(self, State::Delivered | State::Rejected)
    }

    /// A bit of its own for each state, for sets of states in one number.
    pub fn bit(self) -> i64 {
        1 << (self as u32)
    }
}

/// One step on the way of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The state that was reached.
    pub event: State,
    /// When.
    pub at: Millis,
    /// Which attempt to send it this belongs to; 0 before the first.
    pub attempt: u32,
}

/// One message to one device: the state it is in, and how it came to be.
///
/// This is the form in which mailboxes tell each other and keep it; [`crate::trace`] renders it for senders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// The device.
    pub device: DeviceId,
    /// The state it is in.
    pub state: State,
    /// Since when.
    pub at: Millis,
    /// How often it was put on the wire.
    pub attempts: u32,
    /// What the device answered with its acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Box<RawValue>>,
    /// Why it was rejected, refused or undeliverable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// All steps so far, oldest first; the last one is `state`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// In the sender's mailbox, the number of the receipt that reports its terminal state; else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<i64>,
}

impl Delivery {
    /// A delivery that is in its first state, with nothing before it.
    pub fn first(device: DeviceId, state: State, at: Millis) -> Self {
        let steps = vec![Step {
            event: state,
            at,
            attempt: 0,
        }];
        Self {
            device,
            state,
            at,
            attempts: 0,
            reply: None,
            reason: None,
            steps,
            receipt: None,
        }
    }

    /// A delivery that has not reached the recipient's mailbox: held, and without a step.
    pub fn unreached(device: DeviceId, since: Millis) -> Self {
        Self {
            steps: Vec::new(),
            ..Self::first(device, State::Held, since)
        }
    }

    /// Where it is, as far as what is written down tells. A delivery that is read back does not say whether it is
    /// stored, nor whether a connection or a poll has it.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Held if self.steps.is_empty() => Phase::Unreached,
            State::Held if self.attempts == 0 => Phase::Waiting,
            State::Held => Phase::Again,
            State::Sent => Phase::InFlight,
            State::Delivered => Phase::Delivered,
            State::Rejected => Phase::Rejected,
            State::Expired => Phase::Expired,
            State::Replaced => Phase::Replaced,
            State::Refused => Phase::Refused,
            State::Undeliverable => Phase::Undeliverable,
            State::Cancelled if self.steps.len() == 1 => Phase::Withdrawn,
            State::Cancelled => Phase::Cancelled,
        }
    }

    /// Whether the recipient's mailbox has taken it, or settled it.
    pub fn is_reached(&self) -> bool {
        self.phase() != Phase::Unreached
    }

    /// Whether it is in a terminal state.
    pub fn is_settled(&self) -> bool {
        self.state.is_terminal()
    }

    /// The same delivery with a reason.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same delivery after an event. To be sent makes an attempt.
    ///
    /// # Errors
    /// It cannot happen to a delivery in this phase.
    pub fn apply(self, event: Event, at: Millis) -> Result<Self, IllegalTransition> {
        let phase = self.phase();
        self.apply_in(phase, event, at)
    }

    /// The same for a delivery of which the recipient's mailbox knows more exactly where it is.
    pub(crate) fn apply_in(
        mut self,
        phase: Phase,
        event: Event,
        at: Millis,
    ) -> Result<Self, IllegalTransition> {
        let state = phase.after(event)?.state();
        if event == Event::Send {
            self.attempts += 1;
        }
        self.steps.push(Step {
            event: state,
            at,
            attempt: self.attempts,
        });
        Ok(Self { state, at, ..self })
    }

    /// The sender's mailbox learns what the recipient's says. A terminal state stays, whatever comes after it, and
    /// nobody who knows a delivery says that it is unreached. Returns the state before if this changed something.
    pub fn learn(&mut self, news: Self) -> Option<State> {
        debug_assert!(news.is_reached(), "{news:?} is no news");
        if self.is_settled() {
            return None;
        }
        Some(std::mem::replace(self, news).state)
    }
}

/// How many deliveries of one message are in which state; states without one are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Summary(BTreeMap<State, u64>);

impl Summary {
    /// Counts one delivery more.
    pub fn add(&mut self, state: State) {
        *self.0.entry(state).or_default() += 1;
    }

    /// A delivery has gone from one state to another.
    pub fn move_one(&mut self, from: State, to: State) {
        debug_assert!(self.0.contains_key(&from), "no delivery is {from:?}");
        if let Some(count) = self.0.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&from);
            }
        }
        self.add(to);
    }

    /// How many deliveries are not settled.
    pub fn open(&self) -> u64 {
        let open = self.0.iter().filter(|(state, _)| !state.is_terminal());
        open.map(|(_, count)| count).sum()
    }

    /// The states that some delivery is in, as a set of [`State::bit`].
    pub fn states(&self) -> i64 {
        self.0.keys().fold(0, |bits, state| bits | state.bit())
    }
}

impl FromIterator<(State, u64)> for Summary {
    fn from_iter<I: IntoIterator<Item = (State, u64)>>(counts: I) -> Self {
        let mut summary = Self::default();
        for (state, count) in counts {
            summary.0.insert(state, count);
        }
        summary
    }
}

/// Counts `deliveries` by state.
pub fn summary<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> Summary {
    let mut summary = Summary::default();
    for delivery in deliveries {
        summary.add(delivery.state);
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(device: &str, state: State) -> Delivery {
        Delivery::first(device.parse().unwrap(), state, 1)
    }

    #[test]
    fn only_held_and_sent_can_be_followed_by_another_state() {
        let open: Vec<State> = State::ALL
            .into_iter()
            .filter(|state| !state.is_terminal())
            .collect();
        assert_eq!(open, [State::Held, State::Sent]);
    }

    #[test]
    fn every_state_has_a_bit_of_its_own() {
        let all = State::ALL
            .into_iter()
            .fold(0, |bits, state| bits ^ state.bit());
        assert_eq!(all, 0b1_1111_1111);
    }

    #[test]
    fn each_step_is_kept_with_its_attempt() {
        let delivery = delivery("cam", State::Held)
            .apply(Event::Send, 2)
            .and_then(|sent| sent.apply(Event::Reject, 3))
            .unwrap()
            .because("no");
        assert_eq!((delivery.state, delivery.at), (State::Rejected, 3));
        assert_eq!(delivery.reason.as_deref(), Some("no"));
        let steps: Vec<_> = delivery
            .steps
            .iter()
            .map(|step| (step.event, step.at, step.attempt))
            .collect();
        assert_eq!(
            steps,
            [
                (State::Held, 1, 0),
                (State::Sent, 2, 1),
                (State::Rejected, 3, 1)
            ]
        );
    }

    #[test]
    fn a_delivery_that_is_settled_has_no_second_terminal_state() {
        for state in State::ALL.into_iter().filter(|it| it.is_terminal()) {
            for (_, event, _) in phase::TRANSITIONS {
                let illegal = delivery("cam", state).apply(*event, 2).unwrap_err();
                assert_eq!(illegal.event, *event);
            }
            let mut known = delivery("cam", state);
            assert_eq!(known.learn(delivery("cam", State::Expired)), None);
            assert_eq!((known.state, known.at), (state, 1));
        }
    }

    #[test]
    fn each_phase_is_written_as_the_state_that_senders_see() {
        let ends = |(_, _, to): &&(_, _, Phase)| to.state().is_terminal();
        for (from, event, to) in phase::TRANSITIONS.iter().filter(ends) {
            for before in *from {
                let mut known = delivery("cam", before.state());
                if *before == Phase::Unreached {
                    known.steps.clear();
                }
                let after = known.apply_in(*before, *event, 2).unwrap();
                let read: Delivery =
                    serde_json::from_str(&serde_json::to_string(&after).unwrap()).unwrap();
                assert_eq!(read.phase().state(), to.state(), "{before:?}, {event:?}");
            }
        }
    }

    #[test]
    fn a_delivery_reads_back_as_it_was_written() {
        let text = r#"{"device":"cam","state":"delivered","at":3,"attempts":2,"reply":{"open": true},"steps":[{"event":"delivered","at":3,"attempt":2}]}"#;
        let delivery: Delivery = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&delivery).unwrap(), text);
    }

    #[test]
    fn a_summary_follows_a_delivery_and_reads_back_as_it_was_written() {
        let deliveries = [State::Held, State::Held].map(|state| delivery("cam", state));
        let mut summary = summary(&deliveries);
        summary.move_one(State::Held, State::Delivered);
        assert_eq!(summary.open(), 1);
        summary.move_one(State::Held, State::Delivered);
        assert_eq!(summary.open(), 0);
        assert_eq!(summary.states(), State::Delivered.bit());
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(text, r#"{"delivered":2}"#);
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }

    #[test]
    fn a_summary_counts_each_state_in_the_documented_order() {
        let deliveries =
            [State::Refused, State::Held, State::Refused].map(|state| delivery("cam", state));
        let summary = serde_json::to_string(&summary(&deliveries)).unwrap();
        assert_eq!(summary, r#"{"held":1,"refused":2}"#);
    }
}
