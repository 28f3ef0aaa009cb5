//! The limit on the stored bytes of a sender, in the histories in which it can be reached: what makes room for a
//! publish, and when there is none.

use std::collections::BTreeMap;

use tagpost_core::delivery::Delivery;
use tagpost_core::id::MessageId;
use tagpost_core::limits::Limits;
use tagpost_core::time::Millis;

use super::rows::OutboxRow;
use super::{Checked, Ledger, claim};

/// For so long a mailbox takes it that there is no room.
const CHECK_INTERVAL: Millis = 1_000;

/// Whether the limit can be reached.
pub(crate) fn is_tight(limits: &Limits) -> bool {
    limits.max_sent_bytes < Limits::default().max_sent_bytes
}

/// Whether there was no room for the reply of this delivery.
pub(super) fn lost_its_reply(delivery: &Delivery) -> bool {
    delivery.reason.as_deref() == Some("reply_not_kept")
}

impl Ledger {
    /// Whether a message that is gone has made room for others: it was settled, and its sender can learn that it is gone.
    pub(super) fn has_made_room(&self, sender: usize, row: &OutboxRow) -> bool {
        let account = self.tables[sender].account;
        let truncated_before = account.and_then(|account| account.truncated_before);
        let is_told = truncated_before.is_some_and(|at| at >= row.accepted_at);
        is_tight(&self.limits) && row.done_at.is_some() && is_told
    }

    /// Of the rows of before, this one has made room, as the newest.
    pub(super) fn older_made_room_first(
        &self,
        sender: usize,
        before: &BTreeMap<MessageId, OutboxRow>,
        gone: MessageId,
    ) -> Checked {
        // Those of one second may share a row.
        let second = |id: MessageId| id.time().div_euclid(1000);
        let rows = &self.tables[sender].outbox;
        let mut older = before
            .iter()
            .filter(|(id, row)| row.done_at.is_some() && second(**id) < second(gone));
        let left = older.find(|(id, _)| rows.contains_key(*id));
        claim(
            "the oldest settled message makes room",
            left.is_none(),
            || format!("device {sender} has {left:?}, but {gone} is gone"),
        )
    }

    /// A mailbox refuses a publish, because too much is stored, at this time of its clock.
    pub(crate) fn has_no_room(&self, sender: usize, now: Millis) -> Checked {
        let since = |row: &OutboxRow| row.done_at.map(|at| now - at);
        let settled = |row: &OutboxRow| since(row) > Some(CHECK_INTERVAL + self.skew);
        let mut rows = self.tables[sender].outbox.iter();
        let left = rows.find(|(_, row)| settled(row));
        claim(
            "there is no room only if no message is settled",
            is_tight(&self.limits) && left.is_none(),
            || format!("device {sender} is refused at {now}, and has {left:?}"),
        )
    }
}
