//! Requests that wait for something to happen in the mailbox.
//!
//! Each waits for one thing with a channel of its own; who gives up says so with [`Waiters::tidy`].

use std::cell::RefCell;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use litemap::LiteMap;
use tagpost_core::call::Delivered;
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
    pub(super) deliveries: Waiters<MessageId, Delivered>,
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
        self.publishes.tidy_all();
        self.traces.tidy_all();
        self.cancels.tidy_all();
        self.polls.tidy_all();
    }
}

/// Those that wait for things of one kind.
pub(super) struct Waiters<K, T>(RefCell<LiteMap<K, Vec<oneshot::Sender<T>>>>);

impl<K, T> Default for Waiters<K, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Ord, T: Clone> Waiters<K, T> {
    /// Begins to wait.
    pub(super) fn add(&self, key: K) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.0.borrow_mut();
        let same = waiters.entry(key).or_default();
        same.retain(|sender| !sender.is_canceled());
        same.push(sender);
        receiver
    }

    /// Forgets those that gave up waiting.
    pub(super) fn tidy(&self, key: &K) {
        let mut waiters = self.0.borrow_mut();
        if let Some(same) = waiters.get_mut(key) {
            same.retain(|sender| !sender.is_canceled());
            if same.is_empty() {
                waiters.remove(key);
            }
        }
    }

    /// Forgets all that gave up waiting.
    fn tidy_all(&self) {
        let mut waiters = self.0.borrow_mut();
        for (_, same) in waiters.iter_mut() {
            same.retain(|sender| !sender.is_canceled());
        }
        waiters.retain(|_, same| !same.is_empty());
    }

    /// It has happened.
    pub(super) fn wake(&self, key: &K, value: &T) {
        let woken = self.0.borrow_mut().remove(key);
        for sender in woken.into_iter().flatten() {
            // Who has given up does not miss it.
            let _ = sender.send(value.clone());
        }
    }
}

/// What happened, or `None` after so many milliseconds.
pub(super) async fn within<T>(receiver: oneshot::Receiver<T>, millis: Millis) -> Option<T> {
    let delay = Delay::from(Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
    match select(receiver, delay).await {
        Either::Left((happened, _)) => happened.ok(),
        Either::Right(((), _)) => None,
    }
}
