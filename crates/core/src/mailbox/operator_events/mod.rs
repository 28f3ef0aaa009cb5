//! The operator's events of this mailbox: told to the mailbox from which the service publishes them.
//!
//! An event is written to a row in the transaction that makes it happen, with a number that no other event of this
//! mailbox ever has. The row is deleted once that mailbox says that it has taken the number. It takes each number once,
//! so what is told twice is published once. A mailbox to which nothing happens writes nothing; one of a service without
//! `EVENTS_TAG` reads nothing either. No delivery depends on this.
//!
//! Of each type at most ten a minute are told one by one. The others are counted, and told as one summary when the
//! minute is over; so are those for which there is no room. None is dropped.
//!
//! Not here: how an event is published, which is [`super::taking`].

mod burst;
mod presence;
mod rows;
mod state;

use std::rc::Rc;

use serde_json::value::RawValue;

use self::burst::Bursts;
use self::presence::{Change, Presence};
pub(super) use self::presence::{Life, Reach};
use self::state::State;
use super::context::Context;
use super::output::{CallPurpose, Output};
use super::timer::Timer;
use crate::call::Call;
use crate::id::{DeviceId, owner};
use crate::operator_event::OperatorEvent;
use crate::schema;
use crate::store::{Store, StoreError, from_json, to_json};
use crate::time::{Millis, Now};

/// The most events that are told at a time.
const BATCH: u32 = 100;

/// With as many rows, further events are only counted.
const MAX_ROWS: u32 = 1_000;

/// The events, for one event of the mailbox.
#[derive(Debug)]
pub(super) struct OperatorEvents<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) memory: &'a mut Memory,
}

/// What is kept in memory: what row 0 says.
#[derive(Debug, Default)]
pub(super) struct Memory {
    state: State,
    bursts: Bursts,
    presence: Presence,
    /// It is read.
    is_open: bool,
    /// Row 0, as it is stored; `None` if there is no table.
    stored: Option<String>,
}

impl<S: Store> OperatorEvents<'_, S> {
    /// An event of the mailbox begins: reads row 0, unless that is read.
    pub(super) fn open(&mut self, now: Now) -> Result<(), StoreError> {
        if self.cx.events.is_none() || self.memory.is_open {
            return Ok(());
        }
        self.memory.is_open = true;
        if self.cx.account.is_none() || !schema::has_operator_events(&self.cx.store)? {
            return Ok(());
        }
        let Some(text) = rows::progress(&self.cx.store)? else {
            return Ok(());
        };
        let Memory {
            state,
            bursts,
            presence,
            stored,
            ..
        } = &mut *self.memory;
        let [first, second, third]: [Box<RawValue>; 3] = from_json(&text)?;
        // No number may be given twice. The others may be of another version, and no mailbox ends for that.
        *state = from_json(first.get())?;
        *bursts = serde_json::from_str(second.get()).unwrap_or_default();
        *presence = serde_json::from_str(third.get()).unwrap_or_default();
        *stored = Some(text);
        if let Some((at, timer)) = self.next_due(now) {
            self.cx.wake_by(timer, at);
        }
        Ok(())
    }

    /// Something has happened.
    pub(super) fn keep(&mut self, event: &OperatorEvent<'_>, now: Now) -> Result<(), StoreError> {
        if !self.is_source() {
            return Ok(());
        }
        self.end_bursts(now)?;
        let has_room = self.memory.state.rows < MAX_ROWS;
        if self.memory.bursts.count(event.kind(), has_room, now.at) {
            let text = event.json(now.at).map_err(unwritten)?;
            self.insert(&text)?;
        }
        Ok(())
    }

    /// The event of the mailbox ends: tells what may be told now. `reach`: whether the device can be reached.
    pub(super) fn tell(&mut self, reach: Reach, now: Now) -> Result<(), StoreError> {
        if !self.is_source() {
            return Ok(());
        }
        self.note_presence(reach, now)?;
        self.end_bursts(now)?;
        let state = &self.memory.state;
        if state.rows > 0 && state.due_at(now.at) <= now.at {
            self.send(now)?;
        }
        if let Some((at, timer)) = self.next_due(now) {
            self.cx.wake_by(timer, at);
        }
        Ok(())
    }

    fn note_presence(&mut self, reach: Reach, now: Now) -> Result<(), StoreError> {
        let away_after = self.cx.events.as_ref().and_then(|it| it.away_after);
        let Some(away_after) = away_after else {
            return Ok(());
        };
        let Some(device) = self.cx.device().cloned() else {
            self.memory.presence = Presence::default();
            return Ok(());
        };
        let changed = self.memory.presence.note(reach, away_after, now.at);
        if let Reach::Online(Some(life)) = reach {
            // Nothing else wakes the mailbox of a device that vanishes without a word.
            let check_at = life.check_at(away_after);
            self.cx.wake_by(Timer::OperatorEvents, check_at);
        }
        let device = &device;
        let event = match changed {
            None => return Ok(()),
            Some(Change::Away(since)) => OperatorEvent::Away { device, since },
            Some(Change::Back(since)) => OperatorEvent::Back { device, since },
        };
        self.keep(&event, now)
    }

    /// Writes the summaries of the bursts that are over.
    fn end_bursts(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(device) = self.owner() else {
            return Ok(());
        };
        while self.memory.state.rows < MAX_ROWS {
            let Some((kind, burst)) = self.memory.bursts.take_over(now.at) else {
                break;
            };
            let text = kind.summary(&burst.summary(&device), now.at);
            self.insert(&text.map_err(unwritten)?)?;
        }
        Ok(())
    }

    fn insert(&mut self, event: &str) -> Result<(), StoreError> {
        if self.memory.stored.is_none() {
            schema::create_operator_events(&self.cx.store)?;
        }
        let seq = self.memory.state.add();
        rows::insert(&self.cx.store, seq, event)
    }

    fn send(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(from) = self.owner() else {
            return Ok(());
        };
        let found = rows::first(&self.cx.store, BATCH)?;
        if found.is_empty() {
            debug_assert!(false, "no rows, but {:?}", self.memory.state);
            self.memory.state.rows = 0;
            return Ok(());
        }
        self.memory.state.begin(found.len(), now.at);
        self.cx.push(Output::Call {
            to: owner::events(),
            purpose: CallPurpose::TakeEvents,
            call: Call::TakeEvents { from },
            enclosed: Some(Rc::from(to_json(&found)?)),
        });
        Ok(())
    }

    /// The mailbox from which the service publishes has answered with the number of the last event that it has taken, or
    /// could not be reached.
    pub(super) fn taken(&mut self, last: Option<i64>, now: Now) -> Result<(), StoreError> {
        if self.memory.state.rows == 0 {
            return Ok(());
        }
        let rows = match last {
            Some(last) if last > 0 => rows::delete_to(&self.cx.store, last)?,
            _ => 0,
        };
        match rows {
            0 => self.memory.state.fail(now),
            _ => self.memory.state.succeed(rows, now),
        }
        Ok(())
    }

    /// When something is due next, after now: what is due by now is done at the end of the event.
    pub(super) fn next_due(&self, now: Now) -> Option<(Millis, Timer)> {
        let settings = self.cx.events.as_ref()?;
        let Memory {
            state,
            bursts,
            presence,
            ..
        } = &*self.memory;
        let is_registered = self.cx.device().is_some();
        let away_after = settings.away_after.filter(|_| is_registered);
        let due = [
            (state.rows > 0).then(|| state.due_at(now.at)),
            bursts.next_end(now.at).filter(|_| state.rows < MAX_ROWS),
            away_after.and_then(|away_after| presence.away_at(away_after)),
        ];
        let later = due.into_iter().flatten().filter(|at| *at > now.at);
        later.min().map(|at| (at, Timer::OperatorEvents))
    }

    /// Writes what has changed in this event to row 0.
    pub(super) fn note(&mut self) -> Result<(), StoreError> {
        let Memory {
            state,
            bursts,
            presence,
            is_open,
            stored,
        } = &mut *self.memory;
        let is_new = stored.is_none();
        let is_empty = *state == State::default() && bursts.is_empty() && presence.is_default();
        if !*is_open || is_new && is_empty {
            return Ok(());
        }
        let text = to_json(&(&*state, &*bursts, &*presence))?;
        if stored.as_ref() != Some(&text) {
            if is_new {
                schema::create_operator_events(&self.cx.store)?;
            }
            rows::save_progress(&self.cx.store, &text)?;
            *stored = Some(text);
        }
        Ok(())
    }

    /// Asserts that memory agrees with the rows.
    pub(super) fn assert_rows(&self) -> Result<(), StoreError> {
        let Memory { state, stored, .. } = &*self.memory;
        if stored.is_none() {
            return Ok(());
        }
        debug_assert_eq!(rows::progress(&self.cx.store)?, *stored, "row 0");
        let (rows, last) = rows::count(&self.cx.store)?;
        debug_assert_eq!(state.rows, rows, "rows of events");
        debug_assert!(state.last >= last, "{} was given before", state.last + 1);
        Ok(())
    }

    /// Whether this mailbox tells of events. The one from which the service publishes does not: there are no events about
    /// events.
    fn is_source(&self) -> bool {
        self.cx.events.is_some() && self.owner().is_some_and(|device| device != owner::events())
    }

    /// Whose mailbox this is, even if the device is removed.
    fn owner(&self) -> Option<DeviceId> {
        let account = self.cx.account.as_ref()?;
        Some(account.device.clone())
    }
}

fn unwritten(error: serde_json::Error) -> StoreError {
    StoreError(format!("an event: {error}"))
}
