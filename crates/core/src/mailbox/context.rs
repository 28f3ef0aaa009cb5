//! What the inbox and the outbox both need: the rows, the limits, the account, the clocks, and a place for what comes of an event.
//!
//! It is handed to whichever of them is at work. It belongs to neither, and knows neither.

use super::account::Account;
use super::connection::Ended;
use super::news::Effect;
use super::timer::{Timer, Timers};
use super::totals::Totals;
use crate::id::DeviceId;
use crate::limits::Limits;
use crate::store::Store;
use crate::time::Millis;

/// When a mailbox looks after something that it is busy with, should it have failed meanwhile.
pub(super) const SAFETY_DELAY: Millis = 30_000;

#[derive(Debug)]
pub(super) struct Context<S> {
    pub(super) store: S,
    pub(super) limits: Limits,
    pub(super) account: Option<Account>,
    /// What the inbox holds in rows, once it is counted.
    pub(super) rows: Option<Totals>,
    /// When the rows were counted last for an expiry, since the mailbox is awake.
    pub(super) recounted_at: Millis,
    /// The connection that ended in this event, until the outbox has been told.
    pub(super) ended: Option<Ended>,
    pub(super) timers: Timers,
    /// What came of this event so far.
    pub(super) effects: Vec<Effect>,
}

impl<S: Store> Context<S> {
    /// The device behind this mailbox, if there is one.
    pub(super) fn device(&self) -> Option<&DeviceId> {
        let account = self.account.as_ref()?;
        (account.created_at > 0).then_some(&account.device)
    }

    /// Makes sure that the mailbox is woken for this at `at` at the latest.
    pub(super) fn wake_by(&mut self, timer: Timer, at: Millis) {
        self.timers.set(timer, at);
    }

    /// Something has to happen outside, or calls may be waiting for it.
    pub(super) fn push(&mut self, effect: impl Into<Effect>) {
        self.effects.push(effect.into());
    }
}
