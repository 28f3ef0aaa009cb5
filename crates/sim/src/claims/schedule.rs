//! Scheduled messages: kept until their time, not handed over before it, and not forgotten after it.

use std::collections::BTreeMap;

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::protocol::Receipt;
use tagpost_core::store::Row;
use tagpost_core::time::Millis;

use super::rows::{OutboxRow, all};
use super::{Checked, Ledger, NOBODY, claim};
use crate::store::Sqlite;

impl Ledger {
    /// What a mailbox has scheduled.
    pub(super) fn read_schedule(&mut self, place: usize, store: &Sqlite) -> Checked {
        let read = |mut row: Row| Ok((row.id()?, row.int()?));
        let sql = "SELECT substr(id, 2), plan ->> '$.schedule.deliver_at' FROM outbox \
                   WHERE length(id) = 17";
        let rows = all(store, sql, read)?;
        let rows: BTreeMap<MessageId, Millis> = rows.into_iter().collect();
        for (id, deliver_at) in &rows {
            if !self.messages.contains_key(id) {
                self.accepted(place, *id)?;
                self.messages.entry(*id).or_default().sender = place;
            }
            let message = self.messages.entry(*id).or_default();
            message.deliver_at = Some(*deliver_at);
        }
        let before = std::mem::replace(&mut self.tables[place].schedule, rows);
        for id in before.into_keys() {
            let tables = &self.tables[place];
            let void = self.messages.get(&id).is_none_or(|message| message.void);
            claim(
                "a scheduled message is kept until it is handed over or ends",
                void || tables.schedule.contains_key(&id) || tables.outbox.contains_key(&id),
                || format!("{id} of device {place} is gone"),
            )?;
        }
        Ok(())
    }

    /// A message is handed over, at this time of its mailbox's clock. Its place in the order counts from now.
    pub(super) fn hands_over(&mut self, id: MessageId, now: Millis) -> Checked {
        let order = self.handed_over;
        let tables = &self.tables;
        let Some(message) = self.messages.get_mut(&id) else {
            return Ok(());
        };
        let Some(deliver_at) = message.deliver_at else {
            return Ok(());
        };
        let sender = &tables[message.sender];
        let is_first = !std::mem::replace(&mut message.is_handed_over, true);
        // A hand-over that was lost with the memory is made again, and may count from then.
        let is_again = sender.schedule.contains_key(&id) && sender.life != message.life;
        if is_first || is_again {
            (message.last_order, message.life) = (order, sender.life);
            self.handed_over += 1;
        }
        if is_first {
            message.order = order;
        }
        // A clock that is set back afterwards changes nothing.
        if !is_first {
            return Ok(());
        }
        claim(
            "nothing is handed over before its time",
            deliver_at <= now,
            || format!("{id} at {now}, not at {deliver_at}"),
        )
    }

    /// A message ended without a delivery.
    pub(super) fn ends_without_delivery(
        &mut self,
        id: MessageId,
        row: &OutboxRow,
        last: i64,
    ) -> Checked {
        let Some(end) = row.plan.end.clone() else {
            return Ok(());
        };
        let holds = match (end.state, end.reason.as_deref()) {
            (State::Cancelled, None) => self.cancelled.contains(&id),
            (State::Refused, Some("unknown_tag" | "tag_too_large")) => true,
            _ => false,
        };
        let is_whole = row.done_at == Some(end.at) && row.texts == ["[]"];
        claim(
            "a message without a delivery was scheduled, and led nowhere or was cancelled",
            holds && is_whole && row.plan.schedule.is_some(),
            || format!("{id}: {row:?}"),
        )?;
        let message = self.messages.entry(id).or_default();
        let before = message.end.replace(end.clone());
        claim(
            "a message ends once",
            before.is_none_or(|before| before == end),
            || format!("{id}: {row:?}"),
        )?;
        if let Some(seq) = end.receipt {
            self.keep_receipt(seq, id, NOBODY, last)?;
        }
        Ok(())
    }

    /// A receipt of a message without deliveries reaches its sender.
    pub(super) fn receipt_of_end(&mut self, receipt: &Receipt) -> Checked {
        let message = self.messages.get(&receipt.id);
        let end = message.and_then(|message| message.end.as_ref());
        claim(
            "a receipt without a device has the message's end",
            end.is_some_and(|end| {
                (end.state, end.at, &end.reason) == (receipt.state, receipt.at, &receipt.reason)
            }),
            || format!("{receipt:?}, but {end:?}"),
        )?;
        let track = self.deliveries.entry((receipt.id, NOBODY)).or_default();
        track.reported = true;
        Ok(())
    }
}
