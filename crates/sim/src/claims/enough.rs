//! First answer wins: once enough devices have acknowledged a message, and not before, its other deliveries are
//! cancelled.

use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::MessageId;

use super::rows::OutboxRow;
use super::{Checked, Ledger, broken, claim};

impl Ledger {
    /// A message's row says when it had enough acknowledgements if it has as many as its sender needs.
    pub(super) fn has_enough(&self, id: MessageId, row: &OutboxRow) -> Checked {
        let publication = self.publications.get(&self.op_of(id));
        claim(
            "a message needs as many acknowledgements as its sender says",
            publication.is_none_or(|it| it.acks == row.plan.acks_needed),
            || format!("{id}: {publication:?}, but {:?}", row.plan),
        )?;
        let Some(needed) = row.plan.acks_needed else {
            return Ok(());
        };
        let mut delivered = 0;
        for text in &row.texts {
            let deliveries: Vec<Delivery> = serde_json::from_str(text).map_err(broken)?;
            let acknowledged = deliveries.iter().filter(|it| it.state == State::Delivered);
            delivered += acknowledged.count();
        }
        claim(
            "a message has enough acknowledgements as soon as it has those that its sender needs",
            (delivered >= needed as usize) == row.plan.enough_at.is_some(),
            || format!("{id}: {delivered} of {needed}, {:?}", row.plan),
        )
    }

    /// Whether the sender's mailbox has stored that a message has enough acknowledgements.
    pub(super) fn is_enough(&self, id: MessageId) -> bool {
        let Some(message) = self.messages.get(&id).filter(|message| !message.void) else {
            return true;
        };
        let row = self.tables[message.sender].outbox.get(&id);
        row.is_some_and(|row| row.plan.enough_at.is_some())
    }

    /// A message with enough acknowledgements and an open delivery is being ended, and no other message is.
    pub(super) fn rest_is_ending(&self, place: usize, changed: bool) -> Checked {
        if !changed {
            return Ok(());
        }
        let tables = &self.tables[place];
        let open = tables.outbox.iter().filter(|(_, row)| {
            let is_enough = row.plan.enough_at.is_some();
            is_enough && row.done_at.is_none()
        });
        let open: Vec<_> = open.map(|(id, _)| *id).collect();
        claim(
            "what is not needed any more is being cancelled until it is settled",
            tables.endings.iter().eq(&open),
            || {
                format!(
                    "device {place}: {:?}, but {open:?} are open",
                    tables.endings
                )
            },
        )
    }
}
