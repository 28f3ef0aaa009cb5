//! A delivery, one message to one device: its state, its steps, and the reply or reason.
//!
//! A delivery has one state at a time and reaches exactly one terminal state, by the transitions in
//! [`phase`]. Not here: the recipient's mailbox decides which event happens; the sender's mailbox records it.

pub mod phase;
mod state;
pub mod withdrawal;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::phase::{Event, IllegalTransition, Phase};
pub use self::state::State;
pub use self::withdrawal::Withdrawal;
use crate::id::DeviceId;
use crate::time::Millis;
use crate::wake::Woken;
use crate::webhook::Tried;

/// One step of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The state that it reached.
    pub event: State,
    /// When.
    pub at: Millis,
    /// The number of the latest attempt; 0 before the first.
    pub attempt: u32,
    /// What the device says about its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How the attempt failed, if the message was posted to an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Tried>,
}

impl Step {
    /// A step without a note.
    pub fn new(event: State, at: Millis, attempt: u32) -> Self {
        Self {
            event,
            at,
            attempt,
            note: None,
            tried: None,
        }
    }
}

/// One message to one device: its state, and all steps to it.
///
/// Mailboxes store and exchange deliveries in this form; [`crate::trace`] renders them for senders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// The device.
    pub device: DeviceId,
    /// Its state.
    pub state: State,
    /// When it reached that state.
    pub at: Millis,
    /// How often the message was sent.
    pub attempts: u32,
    /// What the device answered with its acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Box<RawValue>>,
    /// Whether the answer was longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reply_truncated: bool,
    /// Why it was rejected, refused or undeliverable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// All steps so far, oldest first; the last one is `state`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The number of the receipt that reports its terminal state, in the sender's mailbox alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<i64>,
    /// The knocks for the device that push services have taken while the message waited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub woken: Vec<Woken>,
}

impl Delivery {
    /// A delivery whose first step is `state`.
    pub fn first(device: DeviceId, state: State, at: Millis) -> Self {
        let steps = vec![Step::new(state, at, 0)];
        Self {
            device,
            state,
            at,
            attempts: 0,
            reply: None,
            reply_truncated: false,
            reason: None,
            steps,
            receipt: None,
            woken: Vec::new(),
        }
    }

    /// A delivery that has not reached the recipient's mailbox: `held`, without a step.
    pub fn unreached(device: DeviceId, since: Millis) -> Self {
        Self {
            steps: Vec::new(),
            ..Self::first(device, State::Held, since)
        }
    }

    /// Its phase, as far as the stored form tells. It does not tell whether the message itself is stored, nor
    /// a connection from a poll.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Held if self.steps.is_empty() => Phase::Unreached,
            State::Held if self.attempts == 0 => Phase::Waiting,
            State::Held => Phase::Again,
            State::Sent => Phase::InFlight,
            State::InProgress => Phase::InProgress,
            State::Delivered => Phase::Delivered,
            State::Rejected => Phase::Rejected,
            State::Expired => Phase::Expired,
            State::Replaced => Phase::Replaced,
            State::Refused => Phase::Refused,
            State::Undeliverable => Phase::Undeliverable,
            State::Cancelled if self.steps.len() == 1 => Phase::CancelledEarly,
            State::Cancelled => Phase::Cancelled,
        }
    }

    /// Whether the recipient's mailbox has taken it, or settled it.
    pub fn is_reached(&self) -> bool {
        self.phase() != Phase::Unreached
    }

    /// Whether the device has had it.
    pub fn was_sent(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step.event, State::Sent | State::InProgress))
    }

    /// Whether it is in a terminal state.
    pub fn is_settled(&self) -> bool {
        self.state.is_terminal()
    }

    /// The same delivery with a reason.
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same delivery after an event. [`Event::Send`] counts as an attempt.
    ///
    /// # Errors
    /// The event cannot happen in this phase.
    pub fn apply(self, event: Event, at: Millis) -> Result<Self, IllegalTransition> {
        let phase = self.phase();
        self.apply_in(phase, event, at)
    }

    /// The same, for a delivery whose exact phase the recipient's mailbox knows.
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
        self.steps.push(Step::new(state, at, self.attempts));
        Ok(Self { state, at, ..self })
    }

    /// Updates the sender's record with what the recipient's mailbox says. A terminal state is never
    /// overwritten, and no recipient's mailbox says that a delivery is unreached. Returns the earlier state if this
    /// changed anything.
    pub fn learn(&mut self, news: Self) -> Option<State> {
        debug_assert!(news.is_reached(), "{news:?} is no news");
        if self.is_settled() {
            return None;
        }
        Some(std::mem::replace(self, news).state)
    }
}

/// How many deliveries of one message are in each state; states without any are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Summary(BTreeMap<State, u64>);

impl Summary {
    /// Counts one more delivery.
    pub fn add(&mut self, state: State) {
        *self.0.entry(state).or_default() += 1;
    }

    /// Counts one delivery that went from one state to another.
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

    /// How many deliveries are in this state.
    pub fn count(&self, state: State) -> u64 {
        self.0.get(&state).copied().unwrap_or(0)
    }

    /// How many deliveries are not settled.
    pub fn open(&self) -> u64 {
        let open = self.0.iter().filter(|(state, _)| !state.is_terminal());
        open.map(|(_, count)| count).sum()
    }

    /// The states of all deliveries, as a set of [`State::bit`]s.
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

/// Deliveries to these devices, in their order, that have not reached their mailboxes.
pub fn unreached(devices: &[DeviceId], since: Millis) -> Vec<Delivery> {
    let deliveries = devices
        .iter()
        .map(|device| Delivery::unreached(device.clone(), since));
    deliveries.collect()
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
    fn each_step_is_kept_with_its_attempt() {
        let delivery = delivery("cam", State::Held)
            .apply(Event::Send, 2)
            .and_then(|sent| sent.apply(Event::Reject, 3))
            .unwrap()
            .with_reason("no");
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
