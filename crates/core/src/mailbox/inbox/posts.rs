//! Posting messages to an address, for a device with a webhook: what differs from sending them over a socket.
//!
//! A message that the address has failed is stored with the outcome among [`super::lost`], which costs one row, and
//! pauses. If only one message is posted at a time, those of its sender and urgency wait behind it. Attempts do not end
//! a message before its TTL, unless `MAX_WEBHOOK_ATTEMPTS` says so. While the address is cut off, only the oldest
//! message that it has failed is tried, and suspects. While it has failed [`MOST_PAUSED`], no other message is posted.
//!
//! Not here: the request, and when an address is cut off.

use super::connection::{InFlight, Stored};
use super::expiry::has_expired;
use super::rows::{self, Held, Key};
use super::{Inbox, News};
use crate::delivery::{Event, State, Step};
use crate::id::MessageId;
use crate::mailbox::timer::Timer;
use crate::message::{Lane, Message};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::webhook::{PostError, Tried, pause};

/// While this many messages pause, or wait at a poll, no message is posted for the first time. So all of them are known
/// in their order, and the text that they are stored in stays short.
const MOST_PAUSED: usize = 64;

impl<S: Store> Inbox<'_, S> {
    /// Whether messages are posted, not sent over a socket.
    pub(super) fn is_posting(&self) -> bool {
        self.connection.as_ref().is_some_and(|it| !it.is_socket())
    }

    /// Posts a message, if messages are posted. Returns whether they are.
    pub(super) fn post(&mut self, message: &Message, attempt: u32) -> bool {
        let Some(posting) = self.connection.as_ref().and_then(|it| it.posting.as_ref()) else {
            return false;
        };
        posting.chain.count();
        self.cx.push(News::Post(Box::new(message.clone()), attempt));
        true
    }

    /// Whether those behind a message that the address has failed wait for it.
    pub(super) fn keeps_order(&self) -> bool {
        self.connection.as_ref().is_some_and(|it| it.keeps_order())
    }

    /// Whether messages that were never sent wait for one that the address has failed.
    pub(super) fn is_cut_off(&self) -> bool {
        self.connection.as_ref().is_some_and(|it| it.is_cut_off())
            && self.memory.lost.first_paused().is_some()
    }

    /// Whether no message is posted for the first time: the address is cut off, or has failed too many.
    pub(super) fn posts_no_others(&self) -> bool {
        let is_full = || self.is_posting() && self.memory.lost.holding_up() >= MOST_PAUSED;
        self.is_cut_off() || is_full()
    }

    /// Whether a message that was never sent waits behind another.
    pub(super) fn is_held_up(&self, message: &Message) -> bool {
        let (rank, keeps_order) = (Key::of(message).rank, self.keeps_order());
        let lost = &self.memory.lost;
        self.posts_no_others() || lost.holds_up_unsent(rank, &message.from, keeps_order)
    }

    /// Whether a message that was sent before is not posted now. A suspect does not wait until the address succeeds:
    /// others wait for it.
    pub(super) fn is_paused(&self, held: &Held, now: Now) -> bool {
        let pauses = held.attempts.paused_until().is_some_and(|at| at > now.at);
        let is_oldest = self.memory.lost.first_paused() == Some(held.key.id);
        let is_tried = is_oldest || held.attempts.is_suspect();
        self.is_posting() && (pauses || (self.is_cut_off() && !is_tried))
    }

    /// When the next pause ends, during which a socket may be open, or the address cut off; neither need last. Or when
    /// stored messages have to be posted that wait behind unstored ones: if these are lost in a crash, nothing else wakes
    /// the mailbox in time, since an address does not connect again.
    pub(in crate::mailbox) fn next_post(&self, now: Now) -> Option<Millis> {
        let pause_end = self.memory.lost.next_pause_end(now.at);
        let behind = self.behind_unstored().map(|after| now.at + after);
        pause_end.into_iter().chain(behind).min()
    }

    /// If stored messages wait, and all that are under way are only in memory: how long an answer may take.
    fn behind_unstored(&self) -> Option<Millis> {
        let connection = self.connection.as_ref()?;
        let posting = connection.posting.as_ref()?;
        let is_row = |entry: &InFlight| matches!(entry.store, Stored::Row { .. });
        let in_flight = &connection.in_flight;
        let is_unstored = !in_flight.is_empty() && !in_flight.values().any(is_row);
        let waits = self.cx.rows.as_ref().is_some_and(|rows| rows.messages > 0);
        (is_unstored && waits).then(|| posting.due_after())
    }

    /// The alarm went off: messages whose pauses are over are posted again.
    pub(super) fn post_again(&mut self, now: Now) {
        if self.is_posting() && self.memory.lost.has_pause_over(now.at) {
            self.rescan();
        }
    }

    /// The address succeeds again, or is another: no message pauses any longer, nor after memory is lost.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn end_pauses(&mut self, now: Now) -> Result<(), StoreError> {
        if self.memory.lost.next_pause_end(now.at).is_some() {
            self.memory.lost.end_pauses(now.at);
            self.save_lost()?;
        }
        if self.memory.lost.first_paused().is_some() {
            self.rescan();
        }
        Ok(())
    }

    /// Whether more would be posted, if further requests might follow from this event.
    pub(in crate::mailbox) fn has_to_go_on(&self, now: Now) -> bool {
        let connection = self.connection.as_ref();
        let never_sent = self.memory.backlog && !self.posts_no_others();
        let waits = never_sent || self.memory.again || !self.memory.queue.is_empty();
        let waits = waits || self.suspect_due(now).is_some();
        waits && connection.is_some_and(|it| it.has_to_go_on(&self.cx.limits))
    }

    /// The address has failed this attempt, and asks to be left alone for at least this many seconds. An attempt that is
    /// not under way changes nothing: a socket has taken over, or another address. Returns whether it was under way.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn post_failed(
        &mut self,
        id: MessageId,
        attempt: u32,
        tried: Tried,
        at_least: Option<u32>,
        now: Now,
    ) -> Result<bool, StoreError> {
        if !self.is_posted(id, attempt) {
            return Ok(false);
        }
        self.pause_posted(id, attempt, tried, at_least, now)?;
        Ok(true)
    }

    fn pause_posted(
        &mut self,
        id: MessageId,
        attempt: u32,
        tried: Tried,
        at_least: Option<u32>,
        now: Now,
    ) -> Result<(), StoreError> {
        if self.unstored(id).is_some() {
            self.store_unstored(id, now)?;
            // It may have expired.
            if !self.is_posted(id, attempt) {
                return Ok(());
            }
            self.memory.awaited.insert(id);
        }
        // What waits in memory may have to wait behind it.
        self.store_queue(now)?;
        let held = rows::held(&self.cx.store, Lane::Devices, id)?.map(|held| self.up_to_date(held));
        let (Some(mut held), Some(device)) = (held, self.cx.device().cloned()) else {
            return Ok(());
        };
        let phase = self.phase_of(&held, now).after(Event::Fail)?;
        if let Some(connection) = self.connection.as_mut() {
            connection.in_flight.remove(&id);
        }
        let until = now.at + pause(held.attempts.failed + 1, at_least, now.random);
        held.attempts.fail(tried, now.at, until);
        if has_expired(held.expires_at, now) {
            let delivery = held.after(&device, phase, Event::Expire, now.at)?;
            return self.settle(held, delivery, now);
        }
        if held.attempts.failed >= self.cx.limits.max_webhook_attempts {
            let delivery = held.after(&device, phase, Event::GiveUp, now.at)?;
            return self.settle(held, delivery.with_reason("webhook_fails"), now);
        }
        self.watch_step(id, &held.sender, || Step {
            tried: Some(tried),
            ..Step::new(State::Held, now.at, attempt)
        });
        self.memory.lost.insert(&held);
        self.save_lost()?;
        self.rescan();
        self.cx.wake_by(Timer::Post, until);
        Ok(())
    }

    /// No answer has come, and none will.
    pub(super) fn answer_lost(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let entry = self.connection.iter().find_map(|it| it.in_flight.get(&id));
        match entry.map(|entry| entry.attempt) {
            Some(attempt) => {
                let tried = Tried::Error(PostError::Timeout);
                self.post_failed(id, attempt, tried, None, now).map(drop)
            }
            None => Ok(()),
        }
    }

    /// Whether this attempt is under way.
    pub(in crate::mailbox) fn is_posted(&self, id: MessageId, attempt: u32) -> bool {
        let mut entries = self
            .connection
            .iter()
            .filter_map(|it| it.in_flight.get(&id));
        self.is_posting() && entries.any(|entry| entry.attempt == attempt)
    }
}
