//! The receipts of application servers: each says the truth, is kept until it was seen, and is the same wherever it is
//! asked for.

use tagpost_core::call::{PushReceipt, PushState};
use tagpost_core::id::MessageId;
use tagpost_core::time::Millis;
use tagpost_core::web_push::channel::Channel;

use super::super::{Checked, Ledger, claim};
use super::Receipt;

/// What a receipt of a delivered message says.
const DELIVERED: u16 = 204;
/// The most that a mailbox keeps.
const MOST: usize = 1_000;

impl Ledger {
    /// A mailbox has stored a receipt.
    pub(super) fn has_receipt(
        &mut self,
        device: usize,
        id: MessageId,
        receipt: Receipt,
    ) -> Checked {
        if let Some(op) = self.push.arriving.filter(|_| !self.push.has(id)) {
            self.push.learn(device, id, op, receipt.at);
        }
        let what = || format!("{id} of device {device}: {receipt:?}");
        let push = self.push.push(id);
        claim(
            "a receipt is kept only where one is wanted",
            push.is_some_and(|push| push.receipt),
            what,
        )?;
        let delivered = receipt.status == DELIVERED;
        let ended_with_channel = receipt.channel.is_none() && !delivered;
        let holds = ended_with_channel || self.may_be(device, id, delivered);
        let message = self.push.messages.get_mut(&id);
        claim("a receipt of a push says what became of it", holds, || {
            format!("{}: {message:?}", what())
        })?;
        if let Some(message) = message {
            claim("a push has one receipt", message.receipt.is_none(), what)?;
            message.receipt = Some(receipt.status);
            message.over = true;
        }
        Ok(())
    }

    /// A receipt belongs to the channel of its message as long as that is registered.
    pub(super) fn receipt_has_channel(
        &self,
        device: usize,
        id: MessageId,
        receipt: Receipt,
    ) -> Checked {
        let endpoint = self.push.endpoint(id);
        let registered = endpoint.filter(|it| self.push.is_registered(device, *it));
        claim(
            "a receipt is kept with its channel, and outlives it",
            registered.map(|it| it.0) == receipt.channel,
            || format!("{id} of device {device}: {receipt:?} of {endpoint:?}"),
        )
    }

    /// A mailbox has deleted a receipt.
    pub(super) fn receipt_is_gone(
        &self,
        device: usize,
        id: MessageId,
        receipt: Receipt,
    ) -> Checked {
        let lapsed = receipt.at + self.retention() <= self.tables[device].latest;
        let kept = self
            .push
            .mailboxes
            .get(&device)
            .map_or(0, |it| it.receipts.len());
        claim(
            "a receipt of a push is kept until it is seen",
            self.push.is_void(id) || lapsed || kept >= MOST || self.push.told.contains(&id),
            || format!("{id} of device {device}: {receipt:?}"),
        )
    }

    /// An application server is told what became of a message.
    pub(crate) fn push_state_told(
        &self,
        device: usize,
        id: MessageId,
        state: PushState,
    ) -> Checked {
        let mailbox = self.push.mailboxes.get(&device);
        let receipt = mailbox.and_then(|mailbox| mailbox.receipts.get(&id));
        let is_held = self.push.is_stored(device, id);
        let wants = self.push.push(id).is_some_and(|push| push.receipt);
        let holds = match state {
            PushState::Settled(status) => receipt.is_some_and(|it| it.status == status),
            PushState::Open => receipt.is_none() && wants,
            PushState::Unknown => receipt.is_none() && !(is_held && wants),
        };
        claim(
            "the state of a push is what its receipt says",
            holds,
            || format!("{id} of device {device}: {state:?}, {receipt:?}"),
        )
    }

    /// An application server is told the receipts of a channel.
    pub(crate) fn push_receipts_told(
        &mut self,
        device: usize,
        (channel, since): (Channel, Millis),
        told: Option<&[PushReceipt]>,
    ) -> Checked {
        let is_registered = self.push.is_registered(device, (channel, since));
        let mailbox = self.push.mailboxes.entry(device).or_default();
        let of_channel = mailbox
            .receipts
            .iter()
            .filter(|(_, it)| it.channel == Some(channel));
        let mut kept: Vec<_> = of_channel
            .map(|(id, it)| (it.seq, *id, it.status))
            .collect();
        kept.sort_unstable();
        // The event that told them may have kept more of them afterwards.
        let holds = told.map_or(!is_registered, |told| {
            let told: Vec<_> = told
                .iter()
                .map(|it| (it.seq, it.message, it.status))
                .collect();
            is_registered && kept.starts_with(&told) && told.is_empty() == kept.is_empty()
        });
        claim(
            "the receipts of a channel are told in their order",
            holds,
            || format!("device {device}: {told:?}, but it keeps {kept:?}"),
        )?;
        let told = told.into_iter().flatten();
        self.push.told.extend(told.map(|receipt| receipt.message));
        Ok(())
    }
}
