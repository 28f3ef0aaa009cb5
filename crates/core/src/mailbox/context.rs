//! What all components share: the store, the limits, the account, the timers, and the effects of the event.
//!
//! It is lent to whichever of them handles the event. It belongs to none of them, and knows none.

use std::rc::Rc;

use super::account::Account;
use super::connection::Ended;
use super::news::{Effect, News};
use super::timer::{Timer, Timers};
use super::totals::Totals;
use crate::delivery::Delivery;
use crate::id::DeviceId;
use crate::limits::Limits;
use crate::store::Store;
use crate::time::Millis;
use crate::wake::{Knocks, Woken};
use crate::watch::{Watched, Watching};
use crate::web_push::seal::Keys;

/// When a mailbox checks on work in progress, in case it has crashed meanwhile.
pub(super) const SAFETY_DELAY: Millis = 30_000;

/// How many milliseconds a mailbox that was just opened waits before it does what it finds overdue, and before it
/// calls other mailboxes of its own accord. Without the pause, two mailboxes that fail whenever they write would open
/// each other without end.
pub(super) const OPENING_PAUSE: Millis = 1_000;

#[derive(Debug)]
pub(super) struct Context<S> {
    pub(super) store: S,
    pub(super) limits: Limits,
    pub(super) account: Option<Account>,
    /// The totals of the inbox's rows, once they are counted.
    pub(super) rows: Option<Totals>,
    /// When the rows were last counted for an expiry, since the mailbox was opened.
    pub(super) recounted_at: Millis,
    /// The connection that ended in this event, until the outbox is informed.
    pub(super) ended: Option<Ended>,
    pub(super) timers: Timers,
    /// The effects of this event so far.
    pub(super) effects: Vec<Effect>,
    /// What seals the endpoints of channels.
    pub(super) push_keys: Option<Rc<Keys>>,
    /// Which messages knock.
    pub(super) knocks: Knocks,
    /// Whether the directory lists failures.
    pub(super) records_failures: bool,
    /// Whether anybody watches.
    pub(super) watching: Watching,
    /// The last knock that each push service has taken.
    pub(super) woken: Vec<Woken>,
}

impl<S: Store> Context<S> {
    /// The device of this mailbox, if it is registered.
    pub(super) fn device(&self) -> Option<&DeviceId> {
        let account = self.account.as_ref()?;
        (account.created_at > 0).then_some(&account.device)
    }

    /// The same delivery with the knocks that were taken since this mailbox has it.
    pub(super) fn with_woken(&self, delivery: Delivery) -> Delivery {
        let since = delivery.steps.first().map(|step| step.at);
        let woken = self.woken.iter();
        let woken = woken.filter(|woken| since.is_some_and(|since| since <= woken.at));
        Delivery {
            woken: woken.cloned().collect(),
            ..delivery
        }
    }

    /// Makes sure that the mailbox is woken for this no later than `at`.
    pub(super) fn wake_by(&mut self, timer: Timer, at: Millis) {
        self.timers.set(timer, at);
    }

    /// Tells the watchers, if there are any.
    pub(super) fn tell_watchers(&mut self, watched: impl FnOnce() -> Watched) {
        if self.watching > Watching::Nobody {
            self.push(News::Watched(watched()));
        }
    }

    /// Adds an output or news.
    pub(super) fn push(&mut self, effect: impl Into<Effect>) {
        self.effects.push(effect.into());
    }
}
