//! Wake-ups, between the inbox, in which messages wait, and the knocks for them.

use super::Mailbox;
use super::output::Failure;
use super::pending::Awaited;
use super::wake::Wanted;
use crate::call::Subscribed;
use crate::message::Urgency;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::wake::Subscription;

impl<S: Store> Mailbox<S> {
    /// A message waits. If the device is neither connected nor polling, it is knocked.
    pub(super) fn knock_for(&mut self, urgency: Urgency, expires_at: Millis, now: Now) {
        if self.is_connected() {
            return;
        }
        // A poll whose token has expired meanwhile takes nothing.
        self.dismiss(now);
        if !self.pending.has(Awaited::Pollable) {
            self.wake().wait(urgency, expires_at, now);
        }
    }

    /// The connection has ended: knocks for the messages that wait, those that were in flight and the first of those
    /// behind them.
    pub(super) fn knock_for_missed(&mut self, now: Now) -> Result<(), StoreError> {
        if self.is_connected() || !self.wake().has_subscriptions() {
            return Ok(());
        }
        // What a knock was for already, the device comes for.
        let knocked = self.wake().knocked();
        self.inbox().tell_first_waiting(now, |urgency, expires_at| {
            let wanted = Wanted {
                urgency,
                expires_at,
            };
            !knocked.is_some_and(|knocked| knocked.covers(wanted))
        })
    }

    /// The alarm went off: the mailbox may have failed, and the connection ended without a word.
    pub(super) fn knock_after_failure(&mut self, now: Now) -> Result<(), StoreError> {
        match self.wake().may_have_missed() {
            true => self.knock_for_missed(now),
            false => Ok(()),
        }
    }

    /// Whether the device is connected. A user agent is not the device.
    pub(super) fn is_connected(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|it| it.takes_messages())
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
