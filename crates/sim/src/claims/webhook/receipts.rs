//! Receipts to an address: in the order of their numbers, none left out, at least once.

use tagpost_core::protocol::Receipt;
use tagpost_core::time::Millis;
use tagpost_core::webhook::Events;

use super::{GRACE, address};
use crate::claims::{Checked, Ledger, claim};

/// How many are posted at a time.
const MOST: usize = 100;

impl Ledger {
    /// Receipts leave a mailbox for an address, in the request of this number, at this time of its clock. The address
    /// may take so long to answer.
    pub(crate) fn receipts_posted(
        &mut self,
        device: usize,
        url: &str,
        (batch, seq): (u32, i64),
        receipts: &[Receipt],
        (now, timeout): (Millis, Millis),
    ) -> Checked {
        let what = || format!("from device {device}: {receipts:?}");
        let webhook = &self.webhooks[device];
        let state = webhook.state.as_ref();
        let wanted = state.is_some_and(|it| it.setting.posts(Events::Receipt));
        claim(
            "receipts are posted to an address that wants them only",
            wanted && address(state) == Some(url),
            what,
        )?;
        claim(
            "receipts are posted in the order of their numbers",
            receipts.is_sorted_by(|before, after| before.seq < after.seq)
                && receipts.last().is_some_and(|last| last.seq == seq)
                && receipts.len() <= MOST,
            what,
        )?;
        claim(
            "receipts are posted when those before them were answered",
            webhook.receipts.is_none(),
            || format!("{}, {webhook:?}", what()),
        )?;
        receipts
            .iter()
            .try_for_each(|receipt| self.receipt_sent(device, receipt))?;
        let tables = &self.tables[device];
        let noted = tables.account.map_or(0, |account| account.receipts_seen);
        let seen = self.seen.get(&device).copied().unwrap_or(0).max(noted);
        let first = receipts.first().map_or(seq, |receipt| receipt.seq);
        let mut before = tables.receipts.range(..first);
        let left_out = before.find(|(seq, (id, _))| {
            let void = self.messages.get(id).is_none_or(|message| message.void);
            **seq > seen && !void
        });
        claim("no receipt is left out", left_out.is_none(), || {
            format!("{}, but not {left_out:?}", what())
        })?;
        self.webhooks[device].receipts = Some((batch, now + timeout + GRACE));
        Ok(())
    }

    /// An address takes receipts, whether its answer arrives or not.
    pub(crate) fn address_takes(&mut self, device: usize, receipts: &[Receipt]) -> Checked {
        let mut last = None;
        for receipt in receipts {
            self.receipt_arrived(device, receipt, last)?;
            last = Some(receipt.seq);
        }
        last.into_iter().for_each(|seq| self.seen(device, seq));
        Ok(())
    }
}
