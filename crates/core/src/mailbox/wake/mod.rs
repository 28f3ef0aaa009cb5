//! Wake-ups: knocking at a device that is not connected, by the push services of its subscriptions.
//!
//! A message that waits for the device makes a knock due, in the transaction that stores the message. What is due is in
//! the account's row, so a crash forgets nothing, and a device without subscriptions costs no row and no read. No
//! delivery depends on a knock: the message is held anyway.
//!
//! A device that has fetched nothing is knocked at most once in 30 seconds. Not here: what a knock is on the wire.

mod rows;
mod state;

use self::rows::SubscriptionRow;
pub(super) use self::state::Wanted;
use self::state::{Known, State};
use super::context::Context;
use super::output::{Failure, Output};
use super::timer::Timer;
use crate::call::{Subscribed, SubscriptionStatus};
use crate::message::Urgency;
use crate::problem::{Code, Problem};
use crate::schema;
use crate::store::{Store, StoreError, from_json, to_json};
use crate::time::{Millis, Now};
use crate::wake::{KnockAnswer, Subscription, SubscriptionId};

/// The most subscriptions of a device.
const MAX_SUBSCRIPTIONS: usize = 8;

/// The longest time that push services keep a push, in seconds: four weeks.
const LONGEST_TTL: Millis = 2_419_200;

/// The wake-ups, for one event.
#[derive(Debug)]
pub(super) struct Wake<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) memory: &'a mut Memory,
}

/// What is kept in memory: what the account's row says.
#[derive(Debug, Default)]
pub(super) struct Memory {
    state: State,
    /// The account does not say it yet.
    stale: bool,
    /// The alarm has gone off since the mailbox was opened.
    has_rung: bool,
}

impl<S: Store> Wake<'_, S> {
    /// The mailbox is opened.
    pub(super) fn open(&mut self) -> Result<(), StoreError> {
        let account = self.cx.account.as_ref();
        if let Some(text) = account.and_then(|account| account.wake.as_deref()) {
            self.memory.state = from_json(text)?;
            self.cx.woken = self.memory.state.woken();
        }
        Ok(())
    }

    /// A message waits, and the device is not here. The knock is sent at the end of the event.
    pub(super) fn wait(&mut self, urgency: Urgency, expires_at: Millis, now: Now) {
        let state = &mut self.memory.state;
        if state.subscriptions.is_empty() || !self.cx.knocks.include(urgency) {
            return;
        }
        let wanted = Wanted {
            urgency,
            expires_at,
        };
        self.memory.stale |= state.wait(wanted, now.at);
    }

    /// The device is here, and fetches what waits.
    pub(super) fn fetched(&mut self) {
        self.memory.stale |= self.memory.state.fetch();
    }

    /// A push service has answered the knock of this number.
    pub(super) fn answered(
        &mut self,
        id: SubscriptionId,
        number: i64,
        answer: KnockAnswer,
        now: Now,
    ) -> Result<(), StoreError> {
        if answer == KnockAnswer::Gone {
            return self.unsubscribe(Some(id));
        }
        let state = &mut self.memory.state;
        self.memory.stale |= state.answered(id, number, answer, now.at);
        Ok(())
    }

    /// What the last knock was for, until the device fetches messages.
    pub(super) fn knocked(&self) -> Option<Wanted> {
        self.memory.state.knock.map(|knock| knock.wanted)
    }

    /// Whether there is a place where the device can be knocked.
    pub(super) fn has_subscriptions(&self) -> bool {
        !self.memory.state.subscriptions.is_empty()
    }

    /// The alarm went off. Returns whether messages may wait that the device was not knocked for: what was in flight when
    /// the mailbox failed is known only now.
    pub(super) fn may_have_missed(&mut self) -> bool {
        let is_first = !std::mem::replace(&mut self.memory.has_rung, true);
        self.has_subscriptions() && (is_first || self.memory.state.knock.is_none())
    }

    /// When something is due next, after now: what is due by now is sent at the end of the event.
    pub(super) fn next_due(&self, now: Now) -> Option<(Millis, Timer)> {
        let at = self.memory.state.next_due(now.at)?;
        Some((at, Timer::Knock))
    }

    /// The event ends: sends the knocks that are due, unless there is nothing any more that they would be for. Returns
    /// whether the messages that they were for have expired, and others may wait.
    pub(super) fn knock(&mut self, now: Now) -> Result<bool, StoreError> {
        if !self.memory.state.is_due(now.at) {
            self.wake_for_due(now);
            return Ok(false);
        }
        self.memory.stale = true;
        self.memory.state.knock_later(now.at);
        let is_on = self.cx.knocks.include(Urgency::High);
        let knock = self.memory.state.knock;
        let knock = knock.filter(|knock| knock.wanted.expires_at > now.at);
        match knock {
            _ if !is_on || self.cx.rows()?.messages == 0 => self.memory.state.drop_due(),
            Some(knock) => self.send(knock.wanted, now)?,
            None => {
                self.memory.state.drop_due();
                return Ok(true);
            }
        }
        self.wake_for_due(now);
        Ok(false)
    }

    fn send(&mut self, wanted: Wanted, now: Now) -> Result<(), StoreError> {
        let seconds = (wanted.expires_at - now.at + 999) / 1000;
        let ttl = u32::try_from(seconds.clamp(1, LONGEST_TTL)).unwrap_or(1);
        let number = self.memory.state.last;
        for subscription in self.memory.state.take_due(now.at) {
            if let Some(endpoint) = rows::endpoint(&self.cx.store, subscription)? {
                self.cx.push(Output::Knock {
                    subscription,
                    number,
                    endpoint,
                    origin: self.memory.state.origin.clone(),
                    ttl,
                    urgency: wanted.urgency,
                });
            }
        }
        Ok(())
    }

    fn wake_for_due(&mut self, now: Now) {
        if let Some((at, timer)) = self.next_due(now) {
            self.cx.wake_by(timer, at);
        }
    }
}

/// The subscriptions, and the account's row.
impl<S: Store> Wake<'_, S> {
    /// Stores a subscription. The same endpoint again keeps its id.
    ///
    /// # Errors
    /// `unknown_device`, `too_many_subscriptions`, or the store failed.
    pub(super) fn subscribe(
        &mut self,
        subscription: Subscription,
        now: Now,
    ) -> Result<Subscribed, Failure> {
        if self.cx.device().is_none() {
            return Err(Problem::unknown_device().into());
        }
        let Subscription {
            endpoint,
            host,
            label,
            origin,
        } = subscription;
        let mut rows = self.rows()?.into_iter();
        let found = rows.find(|row| row.endpoint == endpoint);
        let state = &mut self.memory.state;
        if found.is_none() && state.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            let detail = format!("a device has at most {MAX_SUBSCRIPTIONS}; remove one");
            return Err(Problem::new(Code::TooManySubscriptions, detail).into());
        }
        if state.origin != origin {
            state.origin = origin;
            self.memory.stale = true;
        }
        let (row, created) = match found {
            Some(row) if row.label == label => return Ok(self.subscribed(row, false)),
            Some(row) => (SubscriptionRow { label, ..row }, false),
            None => {
                let id = SubscriptionId::random(now.random);
                self.memory.state.add(id, host, now.at);
                self.memory.stale = true;
                schema::create_subscriptions(&self.cx.store)?;
                let row = SubscriptionRow {
                    id,
                    label,
                    endpoint,
                    created_at: now.at,
                };
                (row, true)
            }
        };
        rows::save(&self.cx.store, &row)?;
        Ok(self.subscribed(row, created))
    }

    fn subscribed(&self, row: SubscriptionRow, created: bool) -> Subscribed {
        Subscribed {
            created,
            subscription: self.status(row),
        }
    }

    /// All subscriptions, oldest first.
    ///
    /// # Errors
    /// `unknown_device`, or the store failed.
    pub(super) fn list(&self) -> Result<Vec<SubscriptionStatus>, Failure> {
        if self.cx.device().is_none() {
            return Err(Problem::unknown_device().into());
        }
        let rows = self.rows()?.into_iter();
        Ok(rows.map(|row| self.status(row)).collect())
    }

    /// Removes a subscription, or all.
    pub(super) fn unsubscribe(&mut self, id: Option<SubscriptionId>) -> Result<(), StoreError> {
        let known = &mut self.memory.state.subscriptions;
        let is_meant = |known: &mut Known| id.is_none_or(|id| id == known.id);
        let removed: Vec<Known> = known.extract_if(.., is_meant).collect();
        for known in removed {
            rows::delete(&self.cx.store, known.id)?;
            self.memory.stale = true;
        }
        Ok(())
    }

    fn rows(&self) -> Result<Vec<SubscriptionRow>, StoreError> {
        match self.memory.state.subscriptions.is_empty() {
            true => Ok(Vec::new()),
            false => rows::list(&self.cx.store),
        }
    }

    fn status(&self, row: SubscriptionRow) -> SubscriptionStatus {
        let mut known = self.memory.state.subscriptions.iter();
        let known = known.find(|known| known.id == row.id);
        SubscriptionStatus {
            id: row.id,
            label: row.label,
            host: known.map_or_else(String::new, |known| known.host.clone()),
            created_at: row.created_at,
            knocked_at: known.and_then(|known| known.knocked_at),
        }
    }

    /// Updates the account, whose row is written later. Returns whether it has to be.
    pub(super) fn note(&mut self) -> Result<bool, StoreError> {
        let Memory { state, stale, .. } = &mut *self.memory;
        let Some(account) = self.cx.account.as_mut().filter(|_| *stale) else {
            return Ok(false);
        };
        if state.subscriptions.is_empty() {
            *state = State::default();
        }
        let text = match state.subscriptions.is_empty() {
            true => None,
            false => Some(to_json(state)?),
        };
        account.wake = text;
        self.cx.woken = state.woken();
        *stale = false;
        Ok(true)
    }

    /// Writes what has changed in this event.
    pub(super) fn keep(&mut self) -> Result<(), StoreError> {
        match (self.note()?, &self.cx.account) {
            (true, Some(account)) => account.save_wake(&self.cx.store),
            _ => Ok(()),
        }
    }
}
