//! Keeping the payloads of failed deliveries, so that their sender can send them again.
//!
//! A payload is kept as long as the sender's mailbox keeps the trace, at most [`MOST`] of them, and no more bytes than
//! the device may have waiting. Those that failed first go first. The account's row says when the first is past its
//! retention: a mailbox that keeps none reads and writes nothing.
//!
//! Messages of channels are not kept: nobody could ask for them. Neither are those of a device that is removed.

use super::rows::{self, Found, Held};
use super::{Inbox, Timer, kept_rows};
use crate::delivery::{Delivery, State};
use crate::id::{DeviceId, MessageId};
use crate::message::{Lane, Message};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The most payloads that are kept.
const MOST: usize = 100;

impl<S: Store> Inbox<'_, S> {
    /// The delivery of a message that was never stored has ended: keeps the payload if it has failed.
    pub(super) fn keep_unstored(
        &mut self,
        message: &Message,
        delivery: &Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        if !delivery.state.is_failure() || message.lane() == Lane::Channels {
            return Ok(());
        }
        // Senders that a full queue refuses do not displace what has waited.
        let displaces = delivery.state != State::Refused;
        if self.make_room_for(message.id, message.size.into(), displaces)? {
            let until = now.at + self.cx.limits.retention_ms();
            kept_rows::insert(&self.cx.store, message, until)?;
            self.kept(until)?;
        }
        Ok(())
    }

    /// The delivery of a stored message is about to be settled: keeps the payload if it has failed. A stored message is
    /// refused only if its device is removed.
    pub(super) fn keep_stored(
        &mut self,
        held: &Held,
        delivery: &Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        let is_channel = rows::lane_of(held.key.rank) == Lane::Channels;
        if !delivery.state.is_failure() || delivery.state == State::Refused || is_channel {
            return Ok(());
        }
        if self.make_room_for(held.key.id, held.size, true)? {
            let until = now.at + self.cx.limits.retention_ms();
            kept_rows::copy(&self.cx.store, held.key, until)?;
            self.kept(until)?;
        }
        Ok(())
    }

    /// Makes room for a payload of this size, if it displaces others: those that failed first go first. Returns whether
    /// there is room then.
    fn make_room_for(
        &mut self,
        id: MessageId,
        size: u64,
        displaces: bool,
    ) -> Result<bool, StoreError> {
        let most = self.cx.limits.max_held_bytes;
        let mut kept = match self.memory.kept.take() {
            Some(kept) => kept,
            None => kept_rows::sizes(&self.cx.store)?.into(),
        };
        kept.retain(|(known, _)| *known != id);
        kept.push_back((id, size));
        let mut bytes: u64 = kept.iter().map(|(_, size)| size).sum();
        if !displaces && (kept.len() > MOST || bytes > most) {
            kept.pop_back();
            self.memory.kept = Some(kept);
            return Ok(false);
        }
        let mut gone = Vec::new();
        while kept.len() > MOST || bytes > most {
            let Some((old, size)) = kept.pop_front() else {
                break;
            };
            bytes -= size;
            gone.push(old);
        }
        self.memory.kept = Some(kept);
        if !gone.is_empty() {
            kept_rows::delete(&self.cx.store, &gone)?;
        }
        Ok(!gone.contains(&id))
    }

    /// A payload is kept until this time.
    fn kept(&mut self, until: Millis) -> Result<(), StoreError> {
        let Some(account) = self.cx.account.as_mut() else {
            return Ok(());
        };
        // It is a bound: what is kept longer is found with the first.
        if account.kept_until.is_none_or(|first| until < first) {
            account.kept_until = Some(until);
            account.save_kept_until(&self.cx.store)?;
        }
        if let Some((at, timer)) = self.payloads_due() {
            self.cx.wake_by(timer, at);
        }
        Ok(())
    }

    /// The payload of a message of this sender, if it waits here or is kept.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn payload(
        &self,
        id: MessageId,
        from: &DeviceId,
        now: Now,
    ) -> Result<Option<Message>, StoreError> {
        if self.cx.device().is_none() {
            return Ok(None);
        }
        let queued = self.queued(id).map(|queued| &*queued.message);
        let message = match queued.or_else(|| self.unstored(id)) {
            Some(message) => Some(message.clone()),
            None => match rows::find(&self.cx.store, id)? {
                Some(Found::Held(held)) => Some(rows::message(&self.cx.store, held.key)?),
                _ => kept_rows::load(&self.cx.store, id, now.at)?,
            },
        };
        Ok(message.filter(|message| message.from.device().as_ref() == Some(from)))
    }

    /// The alarm went off: deletes the payloads that are past their retention.
    pub(super) fn forget_old_payloads(&mut self, now: Now) -> Result<(), StoreError> {
        if self.payloads_due().is_none_or(|(at, _)| at > now.at) {
            return Ok(());
        }
        self.memory.kept = None;
        kept_rows::delete_due(&self.cx.store, now.at)?;
        let first = kept_rows::first_until(&self.cx.store)?;
        self.save_kept_until(first)
    }

    /// The device is removed: nothing is kept for it.
    pub(in crate::mailbox) fn forget_payloads(&mut self) -> Result<(), StoreError> {
        let account = self.cx.account.as_ref();
        if account.is_none_or(|account| account.kept_until.is_none()) {
            return Ok(());
        }
        self.memory.kept = None;
        kept_rows::delete_all(&self.cx.store)?;
        self.save_kept_until(None)
    }

    fn save_kept_until(&mut self, until: Option<Millis>) -> Result<(), StoreError> {
        match self.cx.account.as_mut() {
            Some(account) if account.kept_until != until => {
                account.kept_until = until;
                account.save_kept_until(&self.cx.store)
            }
            _ => Ok(()),
        }
    }

    /// When payloads are deleted next. One alarm serves all that are past their retention by then.
    pub(super) fn payloads_due(&self) -> Option<(Millis, Timer)> {
        let until = self.cx.account.as_ref()?.kept_until?;
        let slack = self.cx.limits.clean_up_slack();
        Some((until + slack, Timer::Retention))
    }
}
