//! The state machine of a delivery: its phases, its events, and the transitions between them.
//!
//! [`TRANSITIONS`] lists all of them: an event that is not in it for a phase is an error. A [`Phase`] is finer than
//! the [`State`] that is stored and that senders see. Not here: the mailboxes decide which event happens.

use super::State;

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not in the recipient's mailbox yet: the sender's mailbox is calling it, or has a job for it.
    Unreached,
    /// In the memory of the recipient's mailbox, waiting for room in the in-flight window.
    Queued,
    /// Stored at the recipient, and never sent.
    Waiting,
    /// Sent over a connection while its publish waits; only in the memory of the recipient's mailbox.
    Unstored,
    /// Sent over a connection, and stored.
    InFlight,
    /// Stored; a poll took it and has until the end of the lease to acknowledge it.
    Leased,
    /// Stored; the device works on it, and has until the end of the time that it asked for.
    InProgress,
    /// Stored, and to be sent again: the last attempt or the device's progress timed out, or the connection ended.
    Again,
    /// Terminal: the device acknowledged it.
    Delivered,
    /// Terminal: the device rejected it.
    Rejected,
    /// Terminal: its TTL ran out first.
    Expired,
    /// Terminal: a newer message of the same topic and sender took its place.
    Replaced,
    /// Terminal: the recipient's mailbox did not take it, or dropped it with its device.
    Refused,
    /// Terminal: it timed out as often as allowed, or the device fails on it.
    Undeliverable,
    /// Terminal: the sender cancelled it.
    Cancelled,
    /// Terminal: the sender cancelled it before it reached the recipient's mailbox.
    CancelledEarly,
}

/// What can happen to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It waits in memory for room in the window.
    Queue,
    /// It is written to storage.
    Store,
    /// It is sent over a connection.
    Send,
    /// A poll takes it.
    Lease,
    /// The device says that it works on it.
    Progress,
    /// The device did not acknowledge it in time, though it was connected or polling, or worked on it.
    TimeOut,
    /// The address that it was posted to has failed: it did not take the message, or did not answer.
    Fail,
    /// The connection that it was in flight on ends.
    Disconnect,
    /// The device acknowledges it.
    Acknowledge,
    /// The device rejects it.
    Reject,
    /// Its TTL ran out, or its TTL is 0 and it cannot be delivered immediately.
    Expire,
    /// The mailbox takes a newer message of its topic and sender.
    Replace,
    /// The queue is full, or the device is removed.
    Refuse,
    /// It timed out as often as allowed, or the device fails on it.
    GiveUp,
    /// The sender cancels it.
    Cancel,
}

use Phase::{
    Again, Cancelled, CancelledEarly, Delivered, Expired, InFlight, InProgress, Leased, Queued,
    Refused, Rejected, Replaced, Undeliverable, Unreached, Unstored, Waiting,
};

/// The phases of an unsettled delivery in the recipient's mailbox.
pub const AT_RECIPIENT: &[Phase] = &[
    Queued, Waiting, Unstored, InFlight, Leased, InProgress, Again,
];

/// Every transition: from any of these phases, by this event, to that phase. A device may acknowledge a message in
/// any phase at the recipient: a mailbox that crashed has forgotten what was in flight and not stored. Before a device
/// works on a message that is only in memory, the message is stored.
pub const TRANSITIONS: &[(&[Phase], Event, Phase)] = &[
    (&[Unreached], Event::Queue, Queued),
    (&[Unreached, Queued], Event::Store, Waiting),
    (&[Unreached, Queued], Event::Send, Unstored),
    (&[Unstored], Event::Store, InFlight),
    (&[Waiting, Again], Event::Send, InFlight),
    (&[Waiting, Again], Event::Lease, Leased),
    (
        &[Waiting, InFlight, Leased, InProgress, Again],
        Event::Progress,
        InProgress,
    ),
    (&[InFlight, Leased, InProgress], Event::TimeOut, Again),
    (&[InFlight], Event::Fail, Again),
    (&[Unstored, InFlight], Event::Disconnect, Again),
    (AT_RECIPIENT, Event::Acknowledge, Delivered),
    (AT_RECIPIENT, Event::Reject, Rejected),
    (&[Unreached], Event::Expire, Expired),
    (AT_RECIPIENT, Event::Expire, Expired),
    (&[Unreached], Event::Replace, Replaced),
    (AT_RECIPIENT, Event::Replace, Replaced),
    (&[Unreached], Event::Refuse, Refused),
    (
        &[Waiting, Leased, InProgress, Again],
        Event::Refuse,
        Refused,
    ),
    (&[Again], Event::GiveUp, Undeliverable),
    (&[Unreached], Event::Cancel, CancelledEarly),
    (AT_RECIPIENT, Event::Cancel, Cancelled),
];

/// An event that cannot happen in this phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a delivery that is {phase:?} cannot {event:?}")]
pub struct IllegalTransition {
    /// The delivery's phase.
    pub phase: Phase,
    /// The event.
    pub event: Event,
}

impl Phase {
    /// All phases, in the order of their declaration.
    pub const ALL: [Phase; 16] = [
        Unreached,
        Queued,
        Waiting,
        Unstored,
        InFlight,
        Leased,
        InProgress,
        Again,
        Delivered,
        Rejected,
        Expired,
        Replaced,
        Refused,
        Undeliverable,
        Cancelled,
        CancelledEarly,
    ];

    /// The state that senders see.
    pub fn state(self) -> State {
        match self {
            Unreached | Queued | Waiting | Again => State::Held,
            Unstored | InFlight | Leased => State::Sent,
            InProgress => State::InProgress,
            Delivered => State::Delivered,
            Rejected => State::Rejected,
            Expired => State::Expired,
            Replaced => State::Replaced,
            Refused => State::Refused,
            Undeliverable => State::Undeliverable,
            Cancelled | CancelledEarly => State::Cancelled,
        }
    }

    /// The phase that an event leads to.
    ///
    /// # Errors
    /// The event cannot happen in this phase.
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
