//! Messages that wait for a connected device are sent while its in-flight window has room.
//!
//! If it cannot be seen from outside whether the mailbox has a reason to wait, it is assumed to have one.

use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;

use super::{Checked, Ledger, claim};

/// After this many attempts over connections a message may be a suspect, which others make way for.
const SUSPECT: usize = 3;

impl Ledger {
    /// A mailbox has handled an event at `now`, by its clock. Its device is connected, shows life and reads.
    /// `waiting` are the messages that calls wait for.
    pub(crate) fn room_is_used(
        &self,
        device: usize,
        waiting: &[MessageId],
        connection: ConnectionId,
        now: Millis,
    ) -> Checked {
        if self.is_agent(connection) {
            return self.room_for_pushes_is_used(device, waiting, connection, now);
        }
        let rows = &self.tables[device].inbox;
        let open = rows.iter().filter(|(_, row)| !row.settled);
        let stored = open.clone().map(|(id, _)| *id);
        let unstored = waiting.iter().copied();
        let unstored = unstored.filter(|id| self.is_unstored(*id, device) && !self.push.has(*id));
        let works = |id: &MessageId| {
            let track = self.deliveries.get(&(*id, device));
            track.is_some_and(|track| track.work.may_be_on(now))
        };
        // One that was sent again may, by a clock that was set back, be in progress once more: it may take a place.
        let out = |id: &MessageId| {
            let track = self.deliveries.get(&(*id, device));
            let track = track.filter(|track| !track.work.is_on());
            let wire = track.and_then(|track| track.wire);
            wire.is_some_and(|wire| wire.connection == Some(connection))
        };
        let in_flight = stored.chain(unstored.clone()).filter(out).count();
        if in_flight >= self.window(connection) {
            return Ok(());
        }
        // A lease and progress end when the alarm goes off for them, which may be late.
        let due = open.filter(|(_, row)| row.expires_at > now && row.retry_at == 0);
        let mut due = due.map(|(id, _)| *id).chain(unstored);
        let Some(idle) = due.find(|id| !out(id) && !works(id)) else {
            return Ok(());
        };
        let may_be_suspect = |id: &MessageId| {
            let track = self.deliveries.get(&(*id, device));
            let attempts = track.iter().flat_map(|track| &track.attempts);
            let over_connections = attempts.filter(|attempt| attempt.connection.is_some());
            over_connections.take(SUSPECT).count() == SUSPECT
        };
        let makes_way = rows
            .iter()
            .any(|(id, row)| !row.settled && may_be_suspect(id));
        claim("what can be sent is sent", makes_way, || {
            format!(
                "{idle} waits for device {device} at {now}, with {in_flight} in flight over {connection}: {:?}",
                self.deliveries.get(&(idle, device))
            )
        })
    }
}
