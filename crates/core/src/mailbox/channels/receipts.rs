//! Receipts for application servers: what became of the messages for which a receipt was requested (RFC 8030, section
//! 5.1).
//!
//! A receipt is one row. It is kept until its application server has seen it or the retention time has passed, and at
//! most [`MAX_RECEIPTS`] are kept for one device. Old ones are deleted when a new one is written: no alarm is set. A
//! receipt outlives its channel, but then only the message's own URL finds it.

use super::rows;
use super::{Channels, News};
use crate::call::PushReceipt;
use crate::delivery::State;
use crate::id::{MessageId, Sender};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::web_push::channel::Channel;

/// The most receipts of a device. Beyond it the oldest are dropped.
const MAX_RECEIPTS: u32 = 1_000;

/// What a receipt says: the status that RFC 8030, section 6.3, names for it.
const ACKNOWLEDGED: u16 = 204;
/// The message will not be delivered.
const GONE: u16 = 410;

impl<S: Store> Channels<'_, S> {
    /// A message for which a receipt was requested is in a terminal state. One that was replaced or cancelled by its
    /// sender has no receipt.
    pub(in crate::mailbox) fn keep_receipt(
        &mut self,
        message: MessageId,
        sender: &Sender,
        state: State,
        now: Now,
    ) -> Result<(), StoreError> {
        let status = match state {
            State::Delivered => ACKNOWLEDGED,
            State::Replaced | State::Cancelled => return Ok(()),
            _ => GONE,
        };
        let Some(channel) = sender.channel().filter(|_| self.cx.device().is_some()) else {
            return Ok(());
        };
        self.make_room(1, now)?;
        self.keep(message, Some(channel), status, now)?;
        self.cx.push(News::ReceiptKept(message, channel));
        Ok(())
    }

    /// Messages for which receipts were requested have ended with their channel: they will not be delivered.
    pub(in crate::mailbox) fn keep_ended(
        &mut self,
        messages: &[MessageId],
        now: Now,
    ) -> Result<(), StoreError> {
        if self.cx.device().is_none() {
            return Ok(());
        }
        // Of more than that the oldest would be dropped.
        let newest = messages.rchunks(MAX_RECEIPTS as usize).next();
        let newest = newest.unwrap_or_default();
        self.make_room(u32::try_from(newest.len()).unwrap_or(MAX_RECEIPTS), now)?;
        newest
            .iter()
            .try_for_each(|message| self.keep(*message, None, GONE, now))
    }

    /// Drops receipts until there is room for `more`, and those past the retention time.
    fn make_room(&mut self, more: u32, now: Now) -> Result<(), StoreError> {
        let most = MAX_RECEIPTS.saturating_sub(more);
        rows::drop_receipts(&self.cx.store, now.at - self.cx.limits.retention_ms(), most)?;
        let last = rows::last_receipt(&self.cx.store)?;
        self.memory.last_receipt = self.memory.last_receipt.max(last);
        Ok(())
    }

    /// Writes a receipt, for which there is room. One without a channel is only found by its message.
    fn keep(
        &mut self,
        message: MessageId,
        channel: Option<Channel>,
        status: u16,
        now: Now,
    ) -> Result<(), StoreError> {
        self.memory.last_receipt = now.at.max(self.memory.last_receipt + 1);
        let receipt = PushReceipt {
            seq: self.memory.last_receipt,
            message,
            status,
            at: now.at,
        };
        rows::save_receipt(&self.cx.store, channel, &receipt)
    }

    /// The receipt of a message.
    pub(in crate::mailbox) fn receipt(
        &mut self,
        message: MessageId,
    ) -> Result<Option<PushReceipt>, StoreError> {
        match self.known()?.has_tables {
            true => rows::receipt(&self.cx.store, message),
            false => Ok(None),
        }
    }

    /// The receipts of a channel after this one, oldest first. `None` if there is no such channel.
    pub(in crate::mailbox) fn receipts(
        &mut self,
        channel: Channel,
        since: Millis,
        after: Option<i64>,
    ) -> Result<Option<Vec<PushReceipt>>, StoreError> {
        if !self.has(channel, since)? {
            return Ok(None);
        }
        rows::receipts(&self.cx.store, channel, after).map(Some)
    }

    /// The application server of a channel has seen the receipts up to this one: they are deleted.
    pub(in crate::mailbox) fn see_receipts(
        &mut self,
        channel: Channel,
        since: Millis,
        seen: i64,
    ) -> Result<(), StoreError> {
        match self.has(channel, since)? {
            true => rows::see_receipts(&self.cx.store, channel, seen),
            false => Ok(()),
        }
    }

    /// Deletes all receipts of a channel.
    pub(in crate::mailbox) fn drop_receipts(&mut self, channel: Channel) -> Result<(), StoreError> {
        rows::forget_receipts(&self.cx.store, channel)
    }
}
