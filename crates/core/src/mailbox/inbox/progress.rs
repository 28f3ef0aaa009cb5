//! Progress: the device says that it has a message and works on it.
//!
//! Such a message is stored, takes no place in the in-flight window, and is not sent until its time has run out. One
//! that a poll has taken keeps that time in its row; any other is among the messages in [`super::lost`]. Either way
//! progress costs one row. The sender's mailbox is told, and stores nothing.

use super::expiry::has_expired;
use super::rows::{self, Held};
use super::{Inbox, News, Timer};
use crate::call::{Call, Progress};
use crate::delivery::{Event, Phase, State, Step};
use crate::id::{DeviceId, MessageId};
use crate::mailbox::output::{CallPurpose, Output};
use crate::message::Lane;
use crate::store::{Store, StoreError};
use crate::time::Now;

impl<S: Store> Inbox<'_, S> {
    /// The device works on a message for `seconds`, or, without a number, for the time that it has to acknowledge one.
    /// Unknown and settled ids change nothing, and neither do messages with a TTL of 0, which are never stored.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn progress(
        &mut self,
        id: MessageId,
        seconds: Option<u32>,
        note: Option<String>,
        now: Now,
    ) -> Result<(), StoreError> {
        if !self.store_for_progress(id, now)? {
            return Ok(());
        }
        let Some(held) = rows::held(&self.cx.store, Lane::Devices, id)? else {
            return self.tell_late(id, now);
        };
        let Some(device) = self.cx.device().cloned() else {
            return Ok(());
        };
        // One that has expired is settled by the alarm.
        if has_expired(held.expires_at, now) {
            return Ok(());
        }
        let mut held = self.up_to_date(held);
        self.phase_of(&held, now).after(Event::Progress)?;
        let seconds = seconds.unwrap_or(self.cx.limits.ack_timeout);
        let until = (now.at + i64::from(seconds) * 1000).min(held.expires_at);
        held.attempts.note_progress(now.at, until, note.clone());
        if let Some(connection) = self.connection.as_mut() {
            connection.stale |= connection.in_flight.remove(&id).is_some();
        }
        let (sender, attempt) = (held.sender.device(), held.attempts.made);
        self.watch_step(id, &held.sender, || Step {
            note: note.clone(),
            ..Step::new(State::InProgress, now.at, attempt)
        });
        self.keep_progress(held)?;
        self.cx.wake_by(Timer::Progress, until);
        // A channel of Web Push has no mailbox to tell.
        let Some(to) = sender else {
            return Ok(());
        };
        let progress = Progress {
            id,
            device,
            note,
            until,
        };
        self.cx.push(Output::Call {
            to,
            purpose: CallPurpose::ReportProgress,
            call: Call::ReportProgress(progress),
            enclosed: None,
        });
        Ok(())
    }

    /// Stores a message that is in memory only; the call that delivered it keeps waiting. Returns whether it may be in
    /// progress.
    fn store_for_progress(&mut self, id: MessageId, now: Now) -> Result<bool, StoreError> {
        if let Some(queued) = self.queued(id) {
            if queued.message.is_now_or_never() {
                return Ok(false);
            }
            self.end_queueing(id, now)?;
        } else if let Some(message) = self.unstored(id) {
            if message.is_now_or_never() {
                return Ok(false);
            }
            self.store_unstored(id, now)?;
            // It may have expired.
            if self.connection.as_ref().is_some_and(|it| it.has(id)) {
                self.memory.awaited.insert(id);
            }
        }
        Ok(true)
    }

    fn keep_progress(&mut self, mut held: Held) -> Result<(), StoreError> {
        let id = held.key.id;
        let held_up_others = self.memory.lost.is_suspect(id) || self.is_posting();
        if held.retry_at > 0 {
            // Its row is in the index of those that were sent, so it can show the time at no further cost.
            held.retry_at = held.attempts.in_progress_until();
            rows::save_attempts(&self.cx.store, &held)?;
            held.attempts.forget_progress();
            self.memory.lost.update(id, &held.attempts);
        } else {
            self.memory.lost.insert(&held);
            self.save_lost()?;
        }
        // What was held up by it may be sent now.
        if held_up_others {
            self.rescan();
        }
        Ok(())
    }

    /// Ends the progress that has run out of the messages that are not leased: they are to be sent again.
    pub(super) fn end_progress(&mut self, device: &DeviceId, now: Now) -> Result<(), StoreError> {
        for id in self.memory.lost.progress_over(now.at) {
            // It may have been sent again already.
            if self.connection.as_ref().is_some_and(|it| it.has(id)) {
                continue;
            }
            let Some(held) = rows::held(&self.cx.store, Lane::Devices, id)? else {
                self.memory.lost.remove(id);
                continue;
            };
            let mut held = self.up_to_date(held);
            let phase = self.run_out(&mut held)?;
            if let Some(end) = self.must_end(&held, now) {
                let delivery = held.after(device, phase, end, now.at)?;
                self.settle(held, delivery, now)?;
                continue;
            }
            self.memory.lost.update(id, &held.attempts);
            self.watch_held(&held, now);
            self.rescan();
            self.cx.push(News::Pollable);
            self.tell_waiting(held.key, held.expires_at);
        }
        Ok(())
    }

    /// The lease or the progress of a message has run out. Progress counts as a time-out only if the device is
    /// connected: a device that is not cannot repeat it.
    pub(super) fn run_out(&self, held: &mut Held) -> Result<Phase, StoreError> {
        if held.attempts.paused_until().is_some() {
            // It is no lease that runs out, but a pause.
            return Ok(Phase::Again);
        }
        let Some(until) = held.attempts.end_progress() else {
            held.attempts.time_out();
            return Ok(Phase::Leased.after(Event::TimeOut)?);
        };
        let mut connection = self.connection.iter();
        if connection.any(|it| it.is_socket() && it.connected_at <= until) {
            held.attempts.time_out();
        }
        Ok(Phase::InProgress.after(Event::TimeOut)?)
    }

    /// How many messages are leased to a poll, and how many are in progress.
    pub(in crate::mailbox) fn at_work(&self, now: Now) -> Result<(u32, u32), StoreError> {
        let (leased, in_rows) = match self.memory.marked {
            true => rows::at_work(&self.cx.store, now.at)?,
            false => (0, 0),
        };
        let leased = if self.has_leases() { leased } else { 0 };
        Ok((leased, in_rows + self.memory.lost.in_progress(now.at)))
    }
}
