//! The calls that a mailbox has not answered: what each waits for, and until when.
//!
//! This is only a table. Not here: what happens to a call when its wait ends, which the router decides. A call that is
//! answered immediately never enters it. A call whose caller is gone stays until what it waits for happens, or it times
//! out.

use std::collections::BTreeMap;

use super::connection::ConnectionId;
use super::inbox::Terms;
use super::output::CallId;
use crate::call::Call;
use crate::delivery::Delivery;
use crate::id::{DeviceId, MessageId};
use crate::message::Message;
use crate::problem::Problem;
use crate::protocol::Codec;
use crate::time::Millis;
use crate::token::Claims;
use crate::trace::Trace;
use crate::web_push::channel::Channel;

/// A token that is valid for longer than this many milliseconds needs no timer: no call waits as long.
const LONGEST_WAIT: Millis = 600_000;

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// The device to be added to the directory.
    Registration,
    /// The message before its own to arrive.
    Arrival(MessageId),
    /// The result of the delivery that it brought.
    Delivered(MessageId),
    /// The answer to its publish.
    Published(MessageId),
    /// A message to be settled, before its trace is read.
    Settled(MessageId),
    /// The mailboxes that are asked for the states in a trace.
    Lookups,
    /// A message to be cancelled.
    Cancelled(MessageId),
    /// A message to poll.
    Pollable,
    /// The address of the webhook to be tried.
    Tested,
    /// The receipt of a message of a channel.
    Receipt(MessageId),
    /// A receipt of any message of this channel.
    Receipts(Channel),
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    /// The token with which it was made. It is checked again before the answer.
    pub(super) caller: Option<Claims>,
    /// Until when it waits; `None` if what it waits for is certain to happen.
    pub(super) until: Option<Millis>,
    pub(super) next: Next,
}

/// What happens to a call when its wait ends.
#[derive(Debug)]
pub(super) enum Next {
    /// It is answered with what happened.
    Answer,
    /// It is answered with what a hook may say of it.
    Posted,
    /// It is handled.
    Serve {
        device: DeviceId,
        call: Box<Call>,
        enclosed: Option<String>,
    },
    /// The connection is opened.
    Open(Handshake),
    /// It is answered whether the message of a channel was taken.
    Pushed,
    /// The message is delivered, or refused as out of order.
    Deliver { message: Box<Message>, terms: Terms },
    /// The page of a trace is read.
    Trace { after: Option<DeviceId>, limit: u32 },
    /// It is answered with the trace, once `open` more mailboxes have answered.
    Lookup(Box<Lookup>),
    /// Messages are taken.
    Poll { limit: u32 },
    /// What became of the message is read.
    PushState,
    /// The receipts of a channel are read, after this one.
    PushReceipts {
        channel: Channel,
        since: Millis,
        after: Option<i64>,
    },
}

/// A connection that is to be opened.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) connection: ConnectionId,
    pub(super) codec: &'static dyn Codec,
    /// The window that the device asks for, if it does.
    pub(super) window: Option<u32>,
    /// Where the device reaches the service, if it is a user agent of Web Push.
    pub(super) origin: Option<String>,
}

/// A trace for which other mailboxes are asked.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) trace: Trace,
    pub(super) after: Option<DeviceId>,
    pub(super) limit: u32,
    /// The states that the mailboxes have answered.
    pub(super) answers: Vec<Delivery>,
    /// How many have not answered.
    pub(super) open: usize,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<(Awaited, CallId), Waiter>);

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether anything waits for this.
    pub(super) fn has(&self, awaited: Awaited) -> bool {
        self.0.range(all(awaited)).next().is_some()
    }

    /// How many calls wait for this.
    pub(super) fn count(&self, awaited: Awaited) -> usize {
        self.0.range(all(awaited)).count()
    }

    /// A call begins to wait. Returns when its wait ends or its token expires, whichever is earlier.
    pub(super) fn add(
        &mut self,
        awaited: Awaited,
        call: CallId,
        waiter: Waiter,
        now: Millis,
    ) -> Option<Millis> {
        let ends = waiter.ends(now);
        self.0.insert((awaited, call), waiter);
        ends
    }

    /// Removes the calls that wait for this, in the order of their arrival.
    pub(super) fn take(&mut self, awaited: Awaited) -> Vec<(CallId, Waiter)> {
        let mut taken = Vec::new();
        while let Some(call) = self
            .0
            .range(all(awaited))
            .next()
            .map(|((_, call), _)| *call)
        {
            taken.extend(self.take_call(awaited, call).map(|waiter| (call, waiter)));
        }
        taken
    }

    /// Ends at `at` the wait of all calls for this. Returns whether there are any.
    pub(super) fn end_at(&mut self, awaited: Awaited, at: Millis) -> bool {
        let mut found = false;
        for (_, waiter) in self.0.range_mut(all(awaited)) {
            waiter.until = Some(at);
            found = true;
        }
        found
    }

    /// Removes this call, if it waits for this.
    pub(super) fn take_call(&mut self, awaited: Awaited, call: CallId) -> Option<Waiter> {
        self.0.remove(&(awaited, call))
    }

    /// A trace for which other mailboxes are asked.
    pub(super) fn lookup(&mut self, call: CallId) -> Option<&mut Lookup> {
        match &mut self.0.get_mut(&(Awaited::Lookups, call))?.next {
            Next::Lookup(lookup) => Some(lookup),
            _ => None,
        }
    }

    /// Removes the calls that have timed out, in the order of their arrival.
    pub(super) fn take_due(&mut self, now: Millis) -> Vec<(Awaited, CallId, Waiter)> {
        self.take_if(|waiter| waiter.until.is_some_and(|until| until <= now))
            .map(|((awaited, call), waiter)| (awaited, call, waiter))
            .collect()
    }

    /// Removes the calls whose tokens are no longer valid, each with the reason.
    pub(super) fn take_refused(
        &mut self,
        judge: impl Fn(&Claims) -> Result<(), Problem>,
    ) -> Vec<(CallId, Problem)> {
        let refusal = |waiter: &Waiter| {
            waiter
                .caller
                .as_ref()
                .and_then(|claims| judge(claims).err())
        };
        let refused = self.take_if(|waiter| refusal(waiter).is_some());
        refused
            .filter_map(|((_, call), waiter)| Some((call, refusal(&waiter)?)))
            .collect()
    }

    /// When the next call times out, or the next token expires.
    pub(super) fn next(&self, now: Millis) -> Option<Millis> {
        self.0.values().filter_map(|waiter| waiter.ends(now)).min()
    }

    /// When the next call times out, regardless of tokens.
    pub(super) fn first_until(&self) -> Option<Millis> {
        self.0.values().filter_map(|waiter| waiter.until).min()
    }

    /// What a call waits for, and until when.
    pub(super) fn find(&self, call: CallId) -> Option<(Awaited, Option<Millis>)> {
        let mut calls = self.0.iter();
        calls
            .find(|((_, other), _)| *other == call)
            .map(|((awaited, _), waiter)| (*awaited, waiter.until))
    }

    fn take_if(
        &mut self,
        mut is_taken: impl FnMut(&Waiter) -> bool,
    ) -> impl Iterator<Item = ((Awaited, CallId), Waiter)> {
        let mut taken: Vec<_> = self
            .0
            .extract_if(.., |_, waiter| is_taken(waiter))
            .collect();
        taken.sort_unstable_by_key(|((_, call), _)| *call);
        taken.into_iter()
    }
}

impl Waiter {
    /// When the wait ends, or the token expires.
    fn ends(&self, now: Millis) -> Option<Millis> {
        let token = self.caller.as_ref().and_then(Claims::expires_at_millis);
        let token = token.filter(|at| at - now < LONGEST_WAIT);
        self.until.into_iter().chain(token).min()
    }
}

/// The keys of all calls that wait for this.
fn all(awaited: Awaited) -> std::ops::RangeInclusive<(Awaited, CallId)> {
    (awaited, CallId::MIN)..=(awaited, CallId::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    /// A call. `token` is when its token expires, in seconds.
    fn waiter(until: Option<Millis>, token: Option<i64>) -> Waiter {
        let claims = token.map(|expires_at| Claims {
            device: "cam".parse().unwrap(),
            issued_at: 0,
            expires_at: Some(expires_at),
            publish: None,
            tags: vec![],
            revocations: None,
            webhook: false,
            id: None,
        });
        Waiter {
            caller: claims,
            until,
            next: Next::Answer,
        }
    }

    fn id() -> MessageId {
        MessageId::next(&"door".parse().unwrap(), 0, None, 1)
    }

    fn calls<T>(taken: &[(CallId, T)]) -> Vec<CallId> {
        taken.iter().map(|(call, _)| *call).collect()
    }

    #[test]
    fn calls_that_wait_for_the_same_thing_are_taken_in_order_and_no_others() {
        let (mut pending, id) = (Pending::default(), id());
        for call in [3, 1, 2] {
            pending.add(Awaited::Delivered(id), call, waiter(None, None), 0);
        }
        pending.add(Awaited::Published(id), 4, waiter(None, None), 0);
        assert_eq!(calls(&pending.take(Awaited::Delivered(id))), [1, 2, 3]);
        assert!(pending.take(Awaited::Delivered(id)).is_empty());
        assert_eq!(calls(&pending.take(Awaited::Published(id))), [4]);
        assert!(pending.is_empty());
    }

    #[test]
    fn a_call_waits_until_it_times_out_or_its_token_expires() {
        let mut pending = Pending::default();
        let mut add =
            |call, until, token| pending.add(Awaited::Pollable, call, waiter(until, token), 0);
        assert_eq!(add(1, Some(7_000), Some(5)), Some(5_000));
        assert_eq!(add(2, Some(3_000), Some(5)), Some(3_000));
        assert_eq!(add(3, None, Some(3_600)), None, "no call waits as long");
        assert_eq!(add(4, None, None), None);
        assert_eq!(
            (pending.next(0), pending.first_until()),
            (Some(3_000), Some(3_000))
        );
        let due = pending.take_due(3_000);
        assert_eq!(
            due.iter().map(|(_, call, _)| *call).collect::<Vec<_>>(),
            [2]
        );
        let judge = |claims: &Claims| match claims.expires_at {
            Some(5) => Err(Problem::new(Code::Unauthorized, "expired")),
            _ => Ok(()),
        };
        assert_eq!(calls(&pending.take_refused(judge)), [1]);
        assert_eq!((pending.next(0), pending.first_until()), (None, None));
        assert!(!pending.is_empty(), "two calls have no timeout");
    }

    #[test]
    fn a_wait_that_is_ended_early_is_due_immediately() {
        let (mut pending, id) = (Pending::default(), id());
        let arrival = Awaited::Arrival(id);
        assert!(!pending.end_at(arrival, 10));
        pending.add(arrival, 1, waiter(Some(100), None), 0);
        assert!(pending.end_at(arrival, 10));
        assert_eq!(pending.next(0), Some(10));
        assert_eq!(pending.take_due(10).len(), 1);
    }
}
