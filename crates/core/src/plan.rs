//! What a sender wants of a message beyond one delivery to each recipient, and how far that has come.
//!
//! The plan is stored with the message in the sender's mailbox; recipients do not see it. An empty plan is not stored,
//! so a message without one costs nothing more. Not here: who is asked to cancel, and when; see the outbox.

pub mod escalation;

use serde::{Deserialize, Serialize};

use self::escalation::{Escalation, Outcome, Step};
use crate::delivery::{State, Summary};
use crate::id::MessageId;
use crate::publish::Draft;
use crate::time::Millis;

/// The most messages that a plan lists as sent again.
pub const MAX_RESENT: usize = 20;

/// The plan of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How many acknowledgements are enough: then all other deliveries are cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acks_needed: Option<u32>,
    /// When there were enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enough_at: Option<Millis>,
    /// When it was or will be handed over, if not when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// To whom else it goes if too few devices acknowledge it in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Box<Escalation>>,
    /// The message that it sends again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend_of: Option<MessageId>,
    /// The last messages that sent it again, oldest first, at most [`MAX_RESENT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resent_as: Vec<MessageId>,
    /// How it ended, if it was never delivered to anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// The times of a scheduled message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The time that its sender named.
    pub deliver_at: Millis,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// The bytes of its payload.
    pub bytes: u64,
    /// When it was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_over_at: Option<Millis>,
}

/// The end of a message without deliveries: it was cancelled before its time, or its target led nowhere then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// `cancelled` or `refused`.
    pub state: State,
    /// When.
    pub at: Millis,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The number of its receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<i64>,
}

impl Plan {
    /// The plan of a message that is being accepted.
    pub fn of(draft: &Draft) -> Self {
        Self {
            acks_needed: draft.acks_needed,
            escalation: Escalation::of(&draft.escalate, draft.echo),
            resend_of: draft.resend.as_ref().map(|resend| resend.of),
            ..Self::default()
        }
    }

    /// When the message was accepted, if it was handed over at `sent_at`.
    pub fn accepted_at(&self, sent_at: Millis) -> Millis {
        let schedule = self.schedule.as_ref();
        schedule.map_or(sent_at, |schedule| schedule.accepted_at)
    }

    /// When the message was handed over, if it was accepted at `accepted_at`.
    pub fn sent_at(&self, accepted_at: Millis) -> Millis {
        let schedule = self.schedule.as_ref();
        let handed_over_at = schedule.and_then(|schedule| schedule.handed_over_at);
        handed_over_at.unwrap_or(accepted_at)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The message was sent again as this one.
    pub fn note_resent(&mut self, id: MessageId) {
        if self.resent_as.len() >= MAX_RESENT {
            self.resent_as.remove(0);
        }
        self.resent_as.push(id);
    }

    /// The steps that may still be taken, the next first.
    pub fn steps(&self) -> &[Step] {
        let escalation = self.escalation.as_ref();
        escalation.map_or(&[], |escalation| &escalation.steps)
    }

    /// Whether steps may still be taken.
    pub fn has_steps(&self) -> bool {
        !self.steps().is_empty()
    }

    /// Whether a step was taken.
    pub fn has_escalated(&self) -> bool {
        let escalation = self.escalation.as_ref();
        escalation.is_some_and(|it| !it.taken.is_empty())
    }

    /// Whether mailboxes are being called for a step.
    pub fn is_calling(&self) -> bool {
        self.escalation.as_ref().is_some_and(|it| it.is_calling)
    }

    /// The next step, and when it is due, if the message was handed over at `sent_at`.
    pub fn next_step(&self, sent_at: Millis) -> Option<(&Step, Millis)> {
        self.escalation.as_ref()?.next(sent_at)
    }

    /// When the next step is due.
    pub fn next_step_at(&self, sent_at: Millis) -> Option<Millis> {
        self.next_step(sent_at).map(|(_, at)| at)
    }

    /// The next step is taken.
    pub fn take_step(&mut self, outcome: Outcome, now: Millis) {
        if let Some(escalation) = &mut self.escalation {
            escalation.take(outcome, now);
        }
    }

    /// No further step is taken.
    pub fn drop_steps(&mut self) {
        if let Some(escalation) = &mut self.escalation {
            escalation.steps.clear();
            escalation.is_early = false;
        }
    }

    /// Notes whether mailboxes are being called for a step.
    pub fn note_calling(&mut self, is_calling: bool) {
        if let Some(escalation) = &mut self.escalation {
            escalation.is_calling = is_calling;
        }
    }

    /// Notes what follows from the states of the deliveries.
    pub fn judge(&mut self, deliveries: &Summary, now: Millis) -> Verdict {
        let is_enough = self.note_enough(deliveries.count(State::Delivered), now);
        let needed = self.acks_needed.unwrap_or(1).into();
        let escalation = self.escalation.as_mut();
        let has_new_step = escalation.is_some_and(|it| it.judge(deliveries, needed));
        Verdict {
            is_enough,
            is_changed: is_enough || has_new_step,
        }
    }

    /// Notes that enough devices have acknowledged the message, if they have and it was not noted before. Returns
    /// whether it did.
    fn note_enough(&mut self, delivered: u64, now: Millis) -> bool {
        let is_enough = self
            .acks_needed
            .is_some_and(|needed| delivered >= needed.into());
        let is_news = is_enough && self.enough_at.is_none();
        if is_news {
            self.enough_at = Some(now);
        }
        is_news
    }
}

/// What follows from the states of the deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// There are enough acknowledgements now, for the first time: the other deliveries are to be cancelled.
    pub is_enough: bool,
    /// The plan has changed.
    pub is_changed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(acks_needed: Option<u32>) -> Plan {
        Plan {
            acks_needed,
            ..Plan::default()
        }
    }

    #[test]
    fn enough_is_as_many_as_are_needed_and_is_noted_once() {
        let mut plan = needs(Some(2));
        assert!(!plan.note_enough(1, 5));
        assert_eq!(plan.enough_at, None);
        assert!(plan.note_enough(2, 6));
        assert!(!plan.note_enough(3, 7));
        assert_eq!(plan.enough_at, Some(6));
    }

    #[test]
    fn a_message_that_needs_no_number_of_acknowledgements_never_has_enough() {
        let mut plan = needs(None);
        assert!(!plan.note_enough(1_000, 5));
        assert!(plan.is_empty());
    }

    #[test]
    fn one_acknowledgement_is_enough_to_drop_the_steps_of_a_message_that_needs_no_number() {
        let step = Step {
            to: crate::message::Target::named("boss").unwrap(),
            after: 1,
        };
        let with_steps = |acks_needed| Plan {
            escalation: Escalation::of(std::slice::from_ref(&step), false),
            ..needs(acks_needed)
        };
        let states = [(State::Delivered, 1), (State::Held, 1)]
            .into_iter()
            .collect();
        let (mut any, mut two) = (with_steps(None), with_steps(Some(2)));
        let (is_enough, is_changed) = (false, true);
        // The others go on: nothing is cancelled.
        let dropped = Verdict {
            is_enough,
            is_changed,
        };
        assert_eq!(any.judge(&states, 5), dropped);
        assert!(!any.has_steps() && any.enough_at.is_none());
        let nothing = Verdict {
            is_enough,
            is_changed: false,
        };
        assert_eq!(two.judge(&states, 5), nothing);
        assert!(two.has_steps());
    }

    #[test]
    fn only_the_last_messages_that_sent_it_again_are_noted() {
        let mut plan = needs(None);
        for at in 0..25 {
            plan.note_resent(MessageId::least(at));
        }
        let noted: Vec<i64> = plan.resent_as.iter().map(|id| id.time()).collect();
        assert_eq!(noted, (5..25).collect::<Vec<i64>>());
    }

    #[test]
    fn only_acknowledgements_count() {
        let states = State::ALL.into_iter().map(|state| (state, 1)).collect();
        assert!(needs(Some(1)).judge(&states, 5).is_enough);
        assert!(!needs(Some(2)).judge(&states, 5).is_enough);
    }

    #[test]
    fn an_empty_plan_is_written_as_nothing() {
        assert_eq!(serde_json::to_string(&needs(None)).unwrap(), "{}");
        let text = r#"{"acks_needed":1,"enough_at":6}"#;
        let plan: Plan = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&plan).unwrap(), text);
    }
}
