//! The answers that the service has not confirmed yet.
//!
//! An answer is unconfirmed from before it is written until a `pong` comes for a `ping` that was written
//! after it: frames arrive in order, so the service has read it by then. If the service fails after that,
//! the message comes again and is answered from memory. Unconfirmed answers are written again on the next
//! connection.
//!
//! This says when a ping is wanted. Not here: when it is written, which the connection decides.

use std::collections::VecDeque;

use tagpost_core::id::MessageId;

/// Unconfirmed answers, and the pings that will confirm them.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed {
    /// Numbered in the order in which they are written, oldest first.
    answers: VecDeque<(u64, MessageId, String)>,
    /// The number of the next answer.
    next: u64,
    /// For each ping of this connection without a pong: the number of the first answer written after it.
    pings: VecDeque<u64>,
}

impl Unconfirmed {
    /// This answer is about to be written.
    pub(crate) fn add(&mut self, id: MessageId, frame: &str) {
        self.remove(id);
        self.answers.push_back((self.next, id, frame.to_owned()));
        self.next += 1;
    }

    /// The service did not take the answer to this message.
    pub(crate) fn remove(&mut self, id: MessageId) {
        self.answers.retain(|(_, answered, _)| *answered != id);
    }

    /// There is a new connection, and its first frame is a ping: no answer was written before that.
    pub(crate) fn connected(&mut self) {
        self.pings.clear();
        self.pings.push_back(0);
    }

    /// What has to be written again on a new connection, oldest first.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &str> {
        self.answers.iter().map(|(_, _, frame)| frame.as_str())
    }

    /// A ping was written.
    pub(crate) fn pinged(&mut self) {
        self.pings.push_back(self.next);
    }

    /// A pong came: it is for the oldest ping.
    pub(crate) fn ponged(&mut self) {
        if let Some(confirmed) = self.pings.pop_front() {
            self.answers.retain(|(number, ..)| *number >= confirmed);
        }
    }

    /// Whether there are answers that no ping under way would confirm. One ping at a time is enough.
    pub(crate) fn wants_ping(&self) -> bool {
        self.pings.is_empty() && !self.answers.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> MessageId {
        format!("01HF7YAT00FYHWCC{number:010}").parse().unwrap()
    }

    fn connected() -> Unconfirmed {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.connected();
        unconfirmed.ponged();
        unconfirmed
    }

    #[test]
    fn a_pong_confirms_what_was_written_before_its_ping_and_no_more() {
        let mut unconfirmed = connected();
        unconfirmed.add(id(1), "first");
        assert!(unconfirmed.wants_ping());
        unconfirmed.pinged();
        unconfirmed.add(id(2), "second");
        assert!(!unconfirmed.wants_ping(), "one is under way");
        unconfirmed.ponged();
        assert_eq!(unconfirmed.frames().collect::<Vec<_>>(), ["second"]);
        assert!(unconfirmed.wants_ping());
        unconfirmed.pinged();
        unconfirmed.ponged();
        assert!(unconfirmed.is_empty() && !unconfirmed.wants_ping());
    }

    #[test]
    fn the_first_pong_of_a_connection_confirms_nothing() {
        let mut unconfirmed = connected();
        unconfirmed.add(id(1), "first");
        unconfirmed.pinged();
        unconfirmed.connected();
        unconfirmed.ponged();
        assert_eq!(unconfirmed.frames().collect::<Vec<_>>(), ["first"]);
        unconfirmed.ponged();
        assert!(!unconfirmed.is_empty(), "a pong without a ping counted");
    }

    #[test]
    fn an_answer_given_again_is_confirmed_by_a_later_ping() {
        let mut unconfirmed = connected();
        unconfirmed.add(id(1), "first");
        unconfirmed.pinged();
        unconfirmed.add(id(1), "first");
        unconfirmed.ponged();
        assert_eq!(unconfirmed.frames().collect::<Vec<_>>(), ["first"]);
        unconfirmed.remove(id(1));
        assert!(unconfirmed.is_empty());
    }
}
