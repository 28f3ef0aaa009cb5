//! Escalation: to whom else a message goes if too few devices acknowledge it in time.
//!
//! The steps of a message are taken in their order, each once. Those that are not needed any more are dropped: enough
//! devices have acknowledged the message, it was cancelled, it has expired, or a newer message of its topic has
//! replaced it. Not here: finding the devices of a step, and delivering to them; see the outbox.

use serde::{Deserialize, Serialize};

use crate::delivery::{State, Summary};
use crate::message::Target;
use crate::problem::Code;
use crate::time::Millis;

/// The most steps of a message.
pub const MAX_STEPS: usize = 8;

/// A step that may be taken later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// To whom the message goes as well.
    pub to: Target,
    /// How many seconds after the message was handed over.
    pub after: u32,
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its target.
    pub to: Target,
    /// When.
    pub at: Millis,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The message went to this many devices that did not have it before.
    Devices(u32),
    /// Its target led nowhere, or to too many devices: the code of that problem.
    Code(String),
}

impl Outcome {
    /// The step has failed.
    pub fn failed(code: Code) -> Self {
        Self::Code(code.as_str().to_owned())
    }
}

/// The escalation of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The steps that may still be taken, the next first.
    pub steps: Vec<Step>,
    /// The steps that were taken, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Taken>,
    /// Whether the message may come back to its sender by a step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub echo: bool,
    /// The next step does not wait for its time: enough acknowledgements can no longer come without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_early: bool,
    /// Mailboxes are being called for a step, and their answers are not stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_calling: bool,
}

impl Escalation {
    /// The escalation of a message that is being accepted; `None` if it has no steps, as most messages.
    pub fn of(steps: &[Step], echo: bool) -> Option<Box<Self>> {
        let escalation = || Self {
            steps: steps.to_vec(),
            taken: Vec::new(),
            echo,
            is_early: false,
            is_calling: false,
        };
        (!steps.is_empty()).then(|| Box::new(escalation()))
    }

    /// The next step, and when it is due, if the message was handed over at `sent_at`.
    pub fn next(&self, sent_at: Millis) -> Option<(&Step, Millis)> {
        let step = self.steps.first()?;
        let at = match self.is_early {
            true => sent_at,
            false => sent_at + i64::from(step.after) * 1000,
        };
        Some((step, at))
    }

    /// The next step is taken.
    pub fn take(&mut self, outcome: Outcome, at: Millis) {
        if self.steps.is_empty() {
            return;
        }
        let to = self.steps.remove(0).to;
        self.is_early = false;
        self.taken.push(Taken { to, at, outcome });
    }

    /// The deliveries are in these states, and `needed` acknowledgements are enough. Drops the steps if there are
    /// enough, or if a newer message of the topic has replaced this one. If there can no longer be enough, the next
    /// step does not wait. Returns whether anything has changed.
    pub fn judge(&mut self, deliveries: &Summary, needed: u64) -> bool {
        if self.steps.is_empty() {
            return false;
        }
        let (delivered, open) = (deliveries.count(State::Delivered), deliveries.open());
        let is_outdated = open == 0 && deliveries.count(State::Replaced) > 0;
        if delivered >= needed || is_outdated {
            self.steps.clear();
            self.is_early = false;
            return true;
        }
        let is_early = delivered + open < needed;
        std::mem::replace(&mut self.is_early, is_early) != is_early
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escalation() -> Box<Escalation> {
        let step = |name, after| Step {
            to: Target::named(name).unwrap(),
            after,
        };
        let steps = [step("managers", 60), step("@boss", 300)];
        Escalation::of(&steps, false).unwrap()
    }

    /// The name and the time of the next step of a message that was handed over at 5.
    fn next(escalation: &Escalation) -> Option<(String, Millis)> {
        let (step, at) = escalation.next(5)?;
        Some((serde_json::to_string(&step.to).unwrap(), at))
    }

    /// The states of this many acknowledged and this many open deliveries.
    fn counts(delivered: u64, open: u64) -> Summary {
        [(State::Delivered, delivered), (State::Held, open)]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_message_that_a_newer_one_has_replaced_does_not_escalate() {
        let mut it = escalation();
        let mut deliveries = counts(0, 1);
        deliveries.add(State::Replaced);
        assert!(!it.judge(&deliveries, 1), "another device has it yet");
        deliveries.move_one(State::Held, State::Expired);
        assert!(it.judge(&deliveries, 1));
        assert_eq!(next(&it), None);
    }

    #[test]
    fn steps_are_taken_in_their_order_at_their_times() {
        let mut it = escalation();
        let managers = r#"{"tag":"managers"}"#.to_owned();
        assert_eq!(next(&it), Some((managers, 60_005)));
        it.take(Outcome::Devices(2), 60_007);
        let boss = r#"{"device":"boss"}"#.to_owned();
        assert_eq!(next(&it), Some((boss, 300_005)));
        it.take(Outcome::failed(Code::UnknownTag), 300_005);
        assert_eq!(next(&it), None);
        let taken: Vec<_> = it.taken.iter().map(|it| (it.at, &it.outcome)).collect();
        let failed = Outcome::Code("unknown_tag".to_owned());
        assert_eq!(taken, [(60_007, &Outcome::Devices(2)), (300_005, &failed)]);
    }

    #[test]
    fn enough_acknowledgements_drop_the_steps_and_one_too_few_do_not() {
        let mut it = escalation();
        assert!(!it.judge(&counts(1, 3), 2));
        assert!(next(&it).is_some());
        assert!(it.judge(&counts(2, 2), 2));
        assert_eq!(next(&it), None);
        assert!(!it.judge(&counts(3, 0), 2), "it is no news");
    }

    #[test]
    fn the_next_step_does_not_wait_if_enough_can_no_longer_acknowledge() {
        let mut it = escalation();
        assert!(!it.judge(&counts(0, 2), 2));
        assert!(it.judge(&counts(0, 1), 2));
        assert_eq!(next(&it).unwrap().1, 5);
        assert!(!it.judge(&counts(0, 0), 2), "it is no news");
        it.take(Outcome::Devices(2), 6);
        assert!(
            !it.judge(&counts(0, 2), 2),
            "the step has brought two more devices"
        );
        assert_eq!(next(&it).unwrap().1, 300_005);
    }

    #[test]
    fn a_message_without_steps_has_no_escalation() {
        assert_eq!(Escalation::of(&[], true), None);
    }
}
