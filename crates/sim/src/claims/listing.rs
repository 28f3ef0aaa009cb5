//! The list of what waits for a device: all of it, in the order of delivery, and nothing else.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tagpost_core::id::MessageId;
use tagpost_core::mailbox::Page;
use tagpost_core::time::Millis;

use super::{Checked, Ledger, claim};

impl Ledger {
    /// A page of what waits is read, at this time of the mailbox's clock. `waiting` are the messages that calls wait for.
    pub(crate) fn lists_what_waits(
        &self,
        device: usize,
        page: &Page,
        waiting: &[MessageId],
        now: Millis,
    ) -> Checked {
        let listed: Vec<MessageId> = page.messages.iter().map(|waiting| waiting.id).collect();
        let (pushes, messages): (Vec<_>, Vec<_>) = listed
            .iter()
            .copied()
            .partition(|id: &MessageId| self.push.has(*id));
        let place = |id: &MessageId| {
            let op = self.publications.get(&self.op_of(*id));
            op.map(|op| (Reverse(op.urgency), *id))
        };
        let places: Vec<_> = messages.iter().filter_map(place).collect();
        claim(
            "what waits is listed in the order of delivery",
            listed == [messages.clone(), pushes].concat() && places.is_sorted(),
            || format!("{listed:?} of device {device}"),
        )?;
        let open = self.expiries(device, waiting);
        // It may have expired and be settled at the end of the event.
        let ended = |id: &MessageId| self.was_settled_at(device, *id, now);
        let other = messages
            .iter()
            .find(|id| !open.contains_key(*id) && !ended(id));
        claim("only what waits is listed", other.is_none(), || {
            format!("{other:?} does not wait for device {device}")
        })?;
        let mut due = open.iter().filter(|(_, expires_at)| **expires_at > now);
        let missing = due.find(|(id, _)| !listed.contains(id));
        claim(
            "all that waits is listed",
            missing.is_none() || page.next.is_some(),
            || format!("{listed:?} of device {device}, but not {missing:?}"),
        )
    }

    /// The messages that wait for a device, and when they expire.
    fn expiries(&self, device: usize, waiting: &[MessageId]) -> BTreeMap<MessageId, Millis> {
        let rows = self.tables[device].inbox.iter();
        let stored = rows.filter(|(_, row)| !row.settled);
        let stored = stored.map(|(id, row)| (*id, row.expires_at));
        let unstored = waiting.iter().filter(|id| self.is_unstored(**id, device));
        let unstored = unstored.filter_map(|id| Some((*id, self.messages.get(id)?.expires_at)));
        stored
            .chain(unstored)
            .chain(self.push.expiries(device))
            .collect()
    }
}
