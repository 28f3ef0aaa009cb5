//! Duplicate detection: the ids of recent messages, each with the answer that was given.
//!
//! A message is shown to the application once. If it is received again and was answered, on a connection that
//! broke, the same answer is repeated. If it is not answered yet, there is nothing to do.
//!
//! The memory is bounded. The service repeats only messages in flight, at most a window of them at a time. This
//! remembers many windows.

use std::collections::{HashMap, VecDeque};

use tagpost_core::id::MessageId;

/// How many messages are remembered: eight of the largest windows.
const CAPACITY: usize = 1_024;

/// The recent messages.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The frame that answered each; `None` while the application has it.
    answers: HashMap<MessageId, Option<String>>,
    /// The ids, oldest first.
    order: VecDeque<MessageId>,
}

/// What there is to do about a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sighting<'a> {
    /// Show it to the application.
    First,
    /// Nothing: the application has it.
    Unanswered,
    /// Answer it with this frame.
    Answered(&'a str),
}

impl Seen {
    /// A message came.
    pub(crate) fn see(&mut self, id: MessageId) -> Sighting<'_> {
        if !self.answers.contains_key(&id) {
            self.insert(id, None);
            return Sighting::First;
        }
        match self.answers.get(&id) {
            Some(Some(frame)) => Sighting::Answered(frame),
            _ => Sighting::Unanswered,
        }
    }

    /// The application answered a message. Whether that is its first answer, which is the one that counts.
    pub(crate) fn answer(&mut self, id: MessageId, frame: &str) -> bool {
        match self.answers.get_mut(&id) {
            Some(Some(_)) => false,
            Some(answer) => {
                *answer = Some(frame.to_owned());
                true
            }
            // It was forgotten while the application had it; it may still come again.
            None => {
                self.insert(id, Some(frame.to_owned()));
                true
            }
        }
    }

    /// The answer to a message was refused. Whether there was one, and another may be given now.
    pub(crate) fn retract(&mut self, id: MessageId) -> bool {
        let answer = self.answers.get_mut(&id);
        answer.is_some_and(|answer| answer.take().is_some())
    }

    /// Whether the application has answered a message.
    pub(crate) fn is_answered(&self, id: MessageId) -> bool {
        matches!(self.answers.get(&id), Some(Some(_)))
    }

    /// A message was withdrawn. If it comes again all the same, it is shown again.
    pub(crate) fn forget(&mut self, id: MessageId) {
        if self.answers.remove(&id).is_some() {
            self.order.retain(|known| *known != id);
        }
    }

    fn insert(&mut self, id: MessageId, answer: Option<String>) {
        if self.order.len() >= CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
        self.order.push_back(id);
        self.answers.insert(id, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> MessageId {
        format!("01HF7YAT00FYHWCC{number:010}").parse().unwrap()
    }

    #[test]
    fn a_message_is_shown_once() {
        let mut seen = Seen::default();
        assert_eq!(seen.see(id(1)), Sighting::First);
        assert_eq!(seen.see(id(1)), Sighting::Unanswered);
        assert_eq!(seen.see(id(2)), Sighting::First);
    }

    #[test]
    fn an_answered_message_that_comes_again_is_answered_the_same() {
        let mut seen = Seen::default();
        seen.see(id(1));
        assert!(seen.answer(id(1), "ack"));
        assert!(!seen.answer(id(1), "nack"), "a second answer counted");
        assert_eq!(seen.see(id(1)), Sighting::Answered("ack"));
    }

    #[test]
    fn a_message_whose_answer_was_refused_can_be_answered_again() {
        let mut seen = Seen::default();
        seen.see(id(1));
        assert!(seen.answer(id(1), "bad") && seen.retract(id(1)));
        assert!(!seen.retract(id(1)), "told twice");
        assert_eq!(seen.see(id(1)), Sighting::Unanswered);
        assert!(seen.answer(id(1), "ack"));
    }

    #[test]
    fn a_withdrawn_message_that_comes_again_is_shown_again() {
        let mut seen = Seen::default();
        seen.see(id(1));
        seen.forget(id(1));
        assert_eq!(seen.see(id(1)), Sighting::First);
        assert_eq!(seen.order.len(), 1);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_is_forgotten_first() {
        let mut seen = Seen::default();
        for number in 0..10 * CAPACITY {
            seen.see(id(number));
            seen.answer(id(number), "ack");
        }
        assert_eq!((seen.answers.len(), seen.order.len()), (CAPACITY, CAPACITY));
        assert_eq!(seen.see(id(9 * CAPACITY)), Sighting::Answered("ack"));
        assert_eq!(seen.see(id(0)), Sighting::First);
    }

    #[test]
    fn a_forgotten_message_can_still_be_answered() {
        let mut seen = Seen::default();
        (0..=CAPACITY).for_each(|number| _ = seen.see(id(number)));
        assert!(seen.answer(id(0), "ack"));
        assert_eq!(seen.see(id(0)), Sighting::Answered("ack"));
        assert_eq!(seen.order.len(), CAPACITY);
    }
}
