//! The state machine of a delivery: its phases, what can happen to it, and where that leads.
//!
//! [`TRANSITIONS`] is all there is: what is not in it cannot happen. A [`Phase`] is finer than the [`State`]
//! that senders see, which is what is written down and goes over the wire. Which event happens is not decided
//! here, but by the mailboxes.

use super::State;

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not in the recipient's mailbox yet: the call is under way, or a job of the sender's mailbox.
    Unreached,
    /// In the recipient's memory; waits for room in the in-flight window while its publish waits.
    Queued,
    /// Stored at the recipient, and never sent.
    Waiting,
    /// Sent over a connection while its publish waits; in the recipient's memory alone.
    Unstored,
    /// Sent over a connection, and stored.
    InFlight,
    /// Stored; a poll took it and has until the end of its lease to acknowledge it.
    Leased,
    /// Stored, and sent before: that attempt timed out or ended with its connection.
    Again,
    /// Terminal: the device acknowledged it.
    Delivered,
    /// Terminal: the device refused it.
    Rejected,
    /// Terminal: its TTL ran out first.
    Expired,
    /// Terminal: a newer message of the same topic and sender took its place.
    Replaced,
    /// Terminal: the mailbox would not take or keep it.
    Refused,
    /// Terminal: not acknowledged in time as often as allowed; or the device fails on it.
    Undeliverable,
    /// Terminal: the sender took it back.
    Cancelled,
    /// Terminal: the sender took it back before it came to the recipient's mailbox.
    Withdrawn,
}

/// What can happen to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It waits in memory for room in the window.
    Queue,
    /// It is written down.
    Store,
    /// It goes out over a connection.
    Send,
    /// A poll takes it.
    Lease,
    /// Its time to acknowledge is over while the device was there.
    TimeOut,
    /// The connection that it was in flight on ends.
    Disconnect,
    /// The device acknowledges it.
    Acknowledge,
    /// The device refuses it.
    Reject,
    /// Its TTL is over, or it had to be there now or never and cannot.
    Expire,
    /// A newer message of its topic is taken.
    Replace,
    /// The queue is full, or the device is removed.
    Refuse,
    /// It had all its attempts, or the device fails on it.
    GiveUp,
    /// The sender takes it back.
    Cancel,
}

use Phase::{
    Again, Cancelled, Delivered, Expired, InFlight, Leased, Queued, Refused, Rejected, Replaced,
    Undeliverable, Unreached, Unstored, Waiting, Withdrawn,
};

/// The phases of a delivery that is open in the recipient's mailbox.
pub const AT_RECIPIENT: &[Phase] = &[Queued, Waiting, Unstored, InFlight, Leased, Again];

/// From which phases an event leads to which. A device may acknowledge what was not sent to it as far as its
/// mailbox knows: a mailbox that crashed has forgotten what was in flight unstored.
pub const TRANSITIONS: &[(&[Phase], Event, Phase)] = &[
    (&[Unreached], Event::Queue, Queued),
    (&[Unreached, Queued], Event::Store, Waiting),
    (&[Unreached, Queued], Event::Send, Unstored),
    (&[Unstored], Event::Store, InFlight),
    (&[Waiting, Again], Event::Send, InFlight),
    (&[Waiting, Again], Event::Lease, Leased),
    (&[InFlight, Leased], Event::TimeOut, Again),
    (&[Unstored, InFlight], Event::Disconnect, Again),
    (AT_RECIPIENT, Event::Acknowledge, Delivered),
    (AT_RECIPIENT, Event::Reject, Rejected),
    (&[Unreached], Event::Expire, Expired),
    (AT_RECIPIENT, Event::Expire, Expired),
    (&[Unreached], Event::Replace, Replaced),
    (AT_RECIPIENT, Event::Replace, Replaced),
    (&[Unreached], Event::Refuse, Refused),
    (&[Waiting, Leased, Again], Event::Refuse, Refused),
    (&[Again], Event::GiveUp, Undeliverable),
    (&[Unreached], Event::Cancel, Withdrawn),
    (AT_RECIPIENT, Event::Cancel, Cancelled),
];

/// An event that cannot happen in this phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a delivery that is {phase:?} cannot {event:?}")]
pub struct IllegalTransition {
    /// Where the delivery is.
    pub phase: Phase,
    /// What was to happen to it.
    pub event: Event,
}

impl Phase {
    /// All phases, in the order of a delivery's way.
    pub const ALL: [Phase; 15] = [
        Unreached,
        Queued,
        Waiting,
        Unstored,
        InFlight,
        Leased,
        Again,
        Delivered,
        Rejected,
        Expired,
        Replaced,
        Refused,
        Undeliverable,
        Cancelled,
        Withdrawn,
    ];

    /// The state that senders see.
    pub fn state(self) -> State {
        match self {
            Unreached | Queued | Waiting | Again => State::Held,
            Unstored | InFlight | Leased => State::Sent,
            Delivered => State::Delivered,
            Rejected => State::Rejected,
            Expired => State::Expired,
            Replaced => State::Replaced,
            Refused => State::Refused,
            Undeliverable => State::Undeliverable,
            Cancelled | Withdrawn => State::Cancelled,
        }
    }

    /// The phase that an event leads to.
    ///
    /// # Errors
    /// It cannot happen in this phase.
    pub fn after(self, event: Event) -> Result<Phase, IllegalTransition> {
        let mut rows = TRANSITIONS.iter();
        let row = rows.find(|(from, it, _)| *it == event && from.contains(&self));
        let illegal = IllegalTransition { phase: self, event };
        row.map(|(_, _, to)| *to).ok_or(illegal)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nothing_follows_a_terminal_phase() {
        for (from, event, _) in TRANSITIONS {
            let terminal = from.iter().find(|phase| phase.state().is_terminal());
            assert_eq!(terminal, None, "{event:?}");
        }
        for phase in Phase::ALL {
            let open = TRANSITIONS.iter().any(|(from, ..)| from.contains(&phase));
            assert_eq!(open, !phase.state().is_terminal(), "{phase:?}");
        }
    }

    #[test]
    fn an_event_leads_from_a_phase_to_one_other() {
        let mut seen = BTreeSet::new();
        for (from, event, _) in TRANSITIONS {
            for phase in *from {
                let pair = format!("{phase:?} {event:?}");
                assert!(seen.insert(pair.clone()), "{pair} is twice in the table");
            }
        }
    }

    #[test]
    fn every_phase_can_be_reached() {
        let mut reached = vec![Unreached];
        for _ in Phase::ALL {
            for (from, _, to) in TRANSITIONS {
                if from.iter().any(|phase| reached.contains(phase)) && !reached.contains(to) {
                    reached.push(*to);
                }
            }
        }
        let missing: Vec<_> = Phase::ALL
            .into_iter()
            .filter(|phase| !reached.contains(phase))
            .collect();
        assert_eq!(missing, []);
    }

    #[test]
    fn what_is_not_in_the_table_is_an_error_that_says_what_was_tried() {
        let illegal = Delivered.after(Event::Expire).unwrap_err();
        assert_eq!(
            illegal.to_string(),
            "a delivery that is Delivered cannot Expire"
        );
        assert!(Unreached.after(Event::Acknowledge).is_err());
        assert!(Unstored.after(Event::GiveUp).is_err());
    }
}
