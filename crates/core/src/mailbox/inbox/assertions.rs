//! The invariants of the inbox and its connection, checked after every event. Not part of a release build.

use super::connection::Stored;
use super::unstored::Unstored;
use super::{Inbox, Totals, rows};
use crate::id::MessageId;
use crate::message::Lane;
use crate::store::{Store, StoreError};

impl<S: Store> Inbox<'_, S> {
    /// Memory agrees with itself.
    pub(in crate::mailbox) fn assert_memory(&self) {
        let entries = self
            .connection
            .iter()
            .flat_map(|connection| &connection.in_flight);
        let in_flight = entries.filter_map(|(_, entry)| match &entry.store {
            Stored::Not(message) => Some(&**message),
            Stored::Row { .. } => None,
        });
        let queued = self.memory.queue.values().map(|queued| &*queued.message);
        let mut counted = Unstored::default();
        for message in in_flight.chain(queued) {
            counted.add(message);
            debug_assert!(
                !self.memory.awaited.contains(&message.id),
                "{} is unstored, but listed as stored while its call waits",
                message.id
            );
        }
        debug_assert_eq!(self.memory.unstored, counted, "unstored messages");
        if let Some(connection) = &*self.connection {
            let width = connection.width(&self.cx.limits) as usize;
            // The window of an address may become narrower.
            debug_assert!(
                connection.in_flight.len() <= width || !connection.is_socket(),
                "{} messages in a window of {width}",
                connection.in_flight.len()
            );
            let due = connection
                .in_flight
                .values()
                .filter_map(|entry| match entry.store {
                    Stored::Row { due_at } => Some(due_at),
                    Stored::Not(_) => None,
                });
            let due = due.chain(connection.expires_at).min();
            debug_assert!(
                due.is_none() || self.cx.timers.alarm().is_some(),
                "something is due at {due:?}, but no alarm is set"
            );
        } else {
            debug_assert!(
                self.memory.queue.is_empty(),
                "messages wait for room, but there is no connection"
            );
        }
    }

    /// How many of these messages have rows.
    fn rows_of(&self, ids: &[MessageId]) -> Result<usize, StoreError> {
        let of_devices = rows::these(&self.cx.store, Lane::Devices, ids)?.len();
        Ok(of_devices + rows::these(&self.cx.store, Lane::Channels, ids)?.len())
    }

    /// Memory agrees with the rows.
    pub(in crate::mailbox) fn assert_rows(&self) -> Result<(), StoreError> {
        if let Some(known) = self.cx.rows {
            let counted = Totals::count(&self.cx.store, None)?;
            debug_assert_eq!(
                (known.messages, known.bytes),
                (counted.messages, counted.bytes),
                "held messages, and their bytes"
            );
            debug_assert!(
                counted.expires_at.is_none() || known.expires_at <= counted.expires_at,
                "the first expiry is {:?} in memory and {:?} in the rows",
                known.expires_at,
                counted.expires_at
            );
            debug_assert!(
                counted.expires_at.is_none() || known.expires_at.is_some(),
                "no expiry in memory"
            );
        }
        let entries = self
            .connection
            .iter()
            .flat_map(|connection| &connection.in_flight);
        let (stored, unstored): (Vec<_>, Vec<_>) =
            entries.partition(|(_, entry)| matches!(entry.store, Stored::Row { .. }));
        let ids = |entries: Vec<(&MessageId, _)>| -> Vec<MessageId> {
            entries.into_iter().map(|(id, _)| *id).collect()
        };
        let stored = ids(stored);
        if !stored.is_empty() {
            let rows = self.rows_of(&stored)?;
            debug_assert_eq!(rows, stored.len(), "rows of stored messages in flight");
        }
        let unstored = ids(unstored);
        if !unstored.is_empty() {
            let rows = self.rows_of(&unstored)?;
            debug_assert_eq!(rows, 0, "rows of unstored messages");
        }
        Ok(())
    }
}
