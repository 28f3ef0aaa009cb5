//! What is told of a mailbox: how many messages wait for its device, and how many are in progress.

use tagpost_core::call::Status;
use tagpost_core::delivery::Delivery;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;

use super::{Checked, Ledger, claim};

impl Ledger {
    /// The operator reads the status of a device, at this time of its mailbox's clock.
    pub(crate) fn status_read(
        &self,
        device: usize,
        status: &Status,
        waiting: &[MessageId],
        now: Millis,
    ) -> Checked {
        let (messages, bytes) = self.inbox_of(device, waiting);
        // One that has expired may be settled at the end of the event that tells the status.
        let told = status.held + status.in_flight + status.in_progress;
        let more = told.saturating_sub(messages) as usize;
        let is_told = match more {
            0 => told == messages && status.held_bytes == bytes,
            more => more <= self.settled_at(device, now),
        };
        let holds = status.known == self.is_bound(device) && is_told;
        claim("a device's status is what its mailbox holds", holds, || {
            format!("{status:?}, but there are {messages} messages of {bytes} bytes")
        })?;
        self.counts_progress(device, status.in_progress, now)
    }

    /// How many messages of a device were settled at this time of its mailbox's clock.
    fn settled_at(&self, device: usize, now: Millis) -> usize {
        let ids = self.tables[device].inbox.keys();
        ids.filter(|id| self.was_settled_at(device, **id, now))
            .count()
    }

    /// Whether a message of a device was settled at this time of its mailbox's clock.
    pub(super) fn was_settled_at(&self, device: usize, id: MessageId, now: Millis) -> bool {
        let track = self.deliveries.get(&(id, device));
        let settled = track.and_then(|track| track.settled.as_ref());
        let settled = settled.and_then(|text| serde_json::from_str::<Delivery>(text).ok());
        settled.is_some_and(|delivery| delivery.at == now)
    }

    /// A connection greets its device, at this time of its mailbox's clock.
    pub(crate) fn welcomed(
        &self,
        device: usize,
        connection: ConnectionId,
        (held, in_progress): (u32, u32),
        now: Millis,
    ) -> Checked {
        let rows = self.tables[device].inbox.values();
        let waiting = rows.filter(|row| !row.settled).count();
        claim(
            "a welcome counts the waiting messages",
            (held + in_progress) as usize >= waiting,
            || format!("connection {connection}: {held} and {in_progress} instead of {waiting}"),
        )?;
        self.counts_progress(device, in_progress, now)
    }

    /// The messages not settled of a device, and their bytes; `waiting` are those that calls wait for.
    pub(super) fn inbox_of(&self, device: usize, waiting: &[MessageId]) -> (u32, u64) {
        let rows = &self.tables[device].inbox;
        let stored = rows.values().filter(|row| !row.settled).map(|row| row.size);
        let stored = stored.chain(self.push.sizes(device));
        let unstored = waiting.iter().filter(|id| self.is_unstored(**id, device));
        let unstored = unstored.map(|id| {
            let message = self.messages.get(id);
            message.map_or_else(|| self.push.size(*id), |message| u64::from(message.size))
        });
        stored
            .chain(unstored)
            .fold((0, 0), |(count, bytes), size| (count + 1, bytes + size))
    }

    /// Whether a message that a call waits for is alone in flight.
    pub(super) fn is_unstored(&self, id: MessageId, device: usize) -> bool {
        if self.push.has(id) {
            return !self.push.is_stored(device, id);
        }
        let track = self.deliveries.get(&(id, device));
        track.is_none_or(|track| track.stored_at.is_none())
    }
}
