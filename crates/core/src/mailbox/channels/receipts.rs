//! Receipts for application servers: what became of the messages for which a receipt was requested (RFC 8030, section
//! 5.1).
//!
//! A receipt is one row. It is kept until its application server has seen it or the retention time has passed, and at
//! most [`MAX_RECEIPTS`] are kept for one device. Old ones are deleted when a new one is written: no alarm is set.

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
        let retention = i64::from(self.cx.limits.retention) * 1000;
        rows::drop_receipts(&self.cx.store, now.at - retention, MAX_RECEIPTS - 1)?;
        let last = rows::last_receipt(&self.cx.store)?.max(self.memory.last_receipt);
        self.memory.last_receipt = now.at.max(last + 1);
        let receipt = PushReceipt {
            seq: self.memory.last_receipt,
            message,
            status,
            at: now.at,
        };
        rows::save_receipt(&self.cx.store, channel, &receipt)?;
        self.cx.push(News::ReceiptKept(message, channel));
        Ok(())
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

    /// The receipts of a channel after this one, oldest first. Those up to it were seen, and are deleted. `None` if
    /// there is no such channel.
    pub(in crate::mailbox) fn receipts(
        &mut self,
        channel: Channel,
        since: Millis,
        seen: Option<i64>,
    ) -> Result<Option<Vec<PushReceipt>>, StoreError> {
        if !self.has(channel, since)? {
            return Ok(None);
        }
        if let Some(seen) = seen {
            rows::see_receipts(&self.cx.store, channel, seen)?;
        }
        rows::receipts(&self.cx.store, channel).map(Some)
    }
}
