//! Requests that wait for something to happen in the mailbox.
//!
//! Each waits for one thing with a channel of its own; who gives up says so with [`Waiters::tidy`].

use std::cell::RefCell;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use tagpost_core::call::DeliveryStatus;
use tagpost_core::id::MessageId;
use tagpost_core::problem::Problem;
use tagpost_core::time::Millis;
use tagpost_core::trace::Trace;
use worker::Delay;

/// All that wait, by what they wait for.
#[derive(Default)]
pub(super) struct Waiting {
    /// For a message to be here.
    pub(super) arrivals: Waiters<MessageId, ()>,
    /// For the end of a delivery that is on the wire.
    pub(super) deliveries: Waiters<MessageId, DeliveryStatus>,
    /// For the answer to a publish.
    pub(super) publishes: Waiters<MessageId, Result<Trace, Problem>>,
    /// For the last delivery of a message to settle.
    pub(super) traces: Waiters<MessageId, ()>,
    /// For a message to be taken back everywhere.
    pub(super) cancels: Waiters<MessageId, ()>,
    /// For a message to poll.
    pub(super) polls: Waiters<(), ()>,
    /// For tokens to be revoked.
    pub(super) revocations: Waiters<(), ()>,
    /// For the alarm to be set that was missing when the mailbox was opened.
    pub(super) waking: Waiters<(), ()>,
}

impl Waiting {
    /// Forgets the requests that gave up waiting, whatever it was for.
    pub(super) fn tidy(&self) {
        self.publishes.tidy();
        self.traces.tidy();
        self.cancels.tidy();
        self.polls.tidy();
    }
}

/// Those that wait for things of one kind, in the order in which they came.
pub(super) struct Waiters<K, T>(RefCell<Vec<(K, oneshot::Sender<T>)>>);

impl<K, T> Default for Waiters<K, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: PartialEq, T: Clone> Waiters<K, T> {
    /// Begins to wait.
    pub(super) fn add(&self, key: K) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.borrow_mut().push((key, sender));
        receiver
    }

    /// Forgets those that gave up waiting.
    pub(super) fn tidy(&self) {
        let mut waiters = self.0.borrow_mut();
        waiters.retain(|(_, sender)| !sender.is_canceled());
    }

    /// It has happened.
    pub(super) fn wake(&self, key: &K, value: &T) {
        for (_, sender) in self
            .0
            .borrow_mut()
            .extract_if(.., |(other, _)| other == key)
        {
            // Who has given up does not miss it.
            let _ = sender.send(value.clone());
        }
    }
}

/// What happened, or `None` after `millis`.
pub(super) async fn within<T>(receiver: oneshot::Receiver<T>, millis: Millis) -> Option<T> {
    let delay = Delay::from(Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
    match select(receiver, delay).await {
        Either::Left((happened, _)) => happened.ok(),
        Either::Right(((), _)) => None,
    }
}
