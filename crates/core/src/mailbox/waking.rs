//! Wake-ups, between the inbox, in which messages wait, and the knocks for them.

use super::Mailbox;
use super::output::Failure;
use super::pending::Awaited;
use crate::call::Subscribed;
use crate::message::{Lane, Urgency};
use crate::store::Store;
use crate::time::{Millis, Now};
use crate::wake::Subscription;

impl<S: Store> Mailbox<S> {
    /// A message waits. If the device is neither connected nor polling, it is knocked.
    pub(super) fn knock_for(&mut self, urgency: Urgency, expires_at: Millis, now: Now) {
        let live = self.connection.as_ref().map(|connection| connection.lane());
        if live == Some(Lane::Devices) || self.pending.has(Awaited::Pollable) {
            return;
        }
        self.wake().wait(urgency, expires_at, now);
    }

    /// Stores where the device can be knocked. It counts as a read that asks one mailbox.
    ///
    /// # Errors
    /// `too_many_requests`, `unknown_device`, `too_many_subscriptions`; or the store failed.
    pub(super) fn subscribe(
        &mut self,
        subscription: Subscription,
        now: Now,
    ) -> Result<Subscribed, Failure> {
        self.outbox().may_ask(1, now)?;
        self.wake().subscribe(subscription, now)
    }
}
