//! Failures: telling the directory of each failed delivery of a message that this device sent.
//!
//! A failure is written to a row in the transaction that stores it, and the row is deleted once the directory lists the
//! failure. So a crash forgets none, and the directory may be told of one twice, which changes nothing. What is due is
//! in the account's row: a mailbox without failures writes and reads nothing. No delivery depends on the directory.
//!
//! Not here: which deliveries have failed, and the payloads, which stay at the recipients.

mod rows;
mod state;

use self::state::State;
use super::context::Context;
use super::output::Output;
use super::timer::Timer;
use crate::failure::FailedDelivery;
use crate::schema;
use crate::store::{Store, StoreError, from_json, to_json};
use crate::time::{Millis, Now};

/// The most failures that the directory is told of at a time.
const BATCH: u32 = 100;

/// With more rows, the oldest are dropped.
const MAX_ROWS: u32 = 10_000;

/// The failures, for one event.
#[derive(Debug)]
pub(super) struct Failures<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) memory: &'a mut Memory,
}

/// What is kept in memory: what the account's row says, and what the directory is being told.
#[derive(Debug, Default)]
pub(super) struct Memory {
    state: State,
    /// The account does not say it yet.
    stale: bool,
    /// The number of the last record.
    last: u64,
    /// The last row of the record that has no answer.
    sending: Option<i64>,
}

impl<S: Store> Failures<'_, S> {
    /// The mailbox is opened.
    pub(super) fn open(&mut self) -> Result<(), StoreError> {
        let account = self.cx.account.as_ref();
        if let Some(text) = account.and_then(|account| account.failures.as_deref()) {
            self.memory.state = from_json(text)?;
        }
        Ok(())
    }

    /// A delivery has failed, or was sent again. The directory is told at the end of the event.
    pub(super) fn keep(&mut self, failure: &FailedDelivery) -> Result<(), StoreError> {
        if !self.cx.records_failures {
            return Ok(());
        }
        let Memory { state, stale, .. } = &mut *self.memory;
        // That a failure was sent again displaces none that the directory does not know.
        if failure.resent_as.is_some() && state.rows >= MAX_ROWS {
            return Ok(());
        }
        *stale = true;
        if state.rows == 0 {
            schema::create_failures(&self.cx.store)?;
        }
        rows::insert(&self.cx.store, failure)?;
        state.rows += 1;
        if state.rows > MAX_ROWS {
            let dropped = rows::delete_oldest(&self.cx.store, BATCH)?;
            state.rows -= dropped;
            state.dropped += dropped;
        }
        Ok(())
    }

    /// The event ends: tells the directory of the oldest failures, if it may be told now.
    pub(super) fn record(&mut self, now: Now) -> Result<(), StoreError> {
        let state = &self.memory.state;
        if state.rows == 0 {
            return Ok(());
        }
        if !self.cx.records_failures {
            return self.forget();
        }
        let due_at = state.due_at(now.at);
        if due_at <= now.at {
            self.send(now)?;
        }
        if let Some((at, timer)) = self.next_due(now) {
            self.cx.wake_by(timer, at);
        }
        Ok(())
    }

    fn send(&mut self, now: Now) -> Result<(), StoreError> {
        let found = rows::first(&self.cx.store, BATCH)?;
        let Memory {
            state,
            stale,
            last,
            sending,
        } = &mut *self.memory;
        *stale = true;
        *sending = found.last().map(|(seq, _)| *seq);
        if sending.is_none() {
            debug_assert!(false, "no rows, but {state:?}");
            *state = State::default();
            return Ok(());
        }
        *last += 1;
        let (number, dropped) = (*last, state.dropped);
        state.begin(now.at);
        let failures = found.into_iter().map(|(_, failure)| failure);
        self.cx.push(Output::Record {
            number,
            failures: failures.collect(),
            dropped,
        });
        Ok(())
    }

    /// The directory has answered the record of this number, or could not be reached.
    pub(super) fn recorded(
        &mut self,
        number: u64,
        taken: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        // The answer to one that was given up comes too late: the next has the same failures.
        let is_last = number == self.memory.last;
        let sent = self.memory.sending.take_if(|_| is_last);
        let Some(sent) = sent else {
            return Ok(());
        };
        self.memory.stale = true;
        match taken {
            true => {
                let rows = rows::delete_to(&self.cx.store, sent)?;
                self.memory.state.succeed(rows);
            }
            false => self.memory.state.fail(now.at),
        }
        Ok(())
    }

    /// When the directory is told next, after now: what is due by now it is told at the end of the event.
    pub(super) fn next_due(&self, now: Now) -> Option<(Millis, Timer)> {
        let state = &self.memory.state;
        let at = state.due_at(now.at);
        (state.rows > 0 && at > now.at).then_some((at, Timer::Failures))
    }

    /// The directory lists failures no longer: drops those that it does not know.
    fn forget(&mut self) -> Result<(), StoreError> {
        rows::delete_all(&self.cx.store)?;
        self.memory.state = State::default();
        self.memory.sending = None;
        self.memory.stale = true;
        Ok(())
    }

    /// Asserts that memory agrees with the rows.
    pub(super) fn assert_rows(&self) -> Result<(), StoreError> {
        let rows = match schema::has_failures(&self.cx.store)? {
            true => rows::count(&self.cx.store)?,
            false => 0,
        };
        debug_assert_eq!(self.memory.state.rows, rows, "rows of failures");
        Ok(())
    }

    /// Writes what has changed in this event to the account's row.
    pub(super) fn note(&mut self) -> Result<(), StoreError> {
        let Memory { state, stale, .. } = &mut *self.memory;
        let Some(account) = self.cx.account.as_mut().filter(|_| *stale) else {
            return Ok(());
        };
        *stale = false;
        let text = match state.rows {
            0 => None,
            _ => Some(to_json(state)?),
        };
        if account.failures != text {
            account.failures = text;
            account.save_failures(&self.cx.store)?;
        }
        Ok(())
    }
}
