//! Receipts: numbering them, sending them, and what the device has seen of them.
//!
//! A terminal state that the publish's own answer did not carry becomes a receipt: a number stored with the delivery.
//! The last seen receipt is a cursor in the socket's attachment, stored from time to time.
//! Not here: recording terminal states; see [`super::record`].

use super::News;
use super::Outbox;
use super::connection::{Connection, Receipts};
use super::receipt_rows::{self, Place};
use crate::delivery::Delivery;
use crate::id::MessageId;
use crate::plan::End;
use crate::protocol::{Receipt, ToDevice};
use crate::store::{Store, StoreError};
use crate::time::Now;

/// How many receipts are sent at a time to a device with a backlog of them.
const WINDOW: usize = 500;

/// How many are posted to an address at a time.
const POSTED: usize = 100;

/// How many positions of the backlog are cached; beyond that the rows are scanned again.
const MAX_CACHED: usize = 20_000;

/// The cursor is stored at the latest after this many receipts were sent.
const SAVE_EVERY: u32 = 100;

impl<S: Store> Outbox<'_, S> {
    /// The number of the last receipt. It is read when it is first needed, and then kept in memory.
    pub(super) fn last_receipt(&mut self) -> Result<i64, StoreError> {
        if let Some(last) = self.memory.last_receipt {
            return Ok(last);
        }
        let account = self.cx.account.as_ref();
        let from = account.and_then(|account| account.unseen_from);
        let noted = account.map(|account| account.last_receipt.max(account.receipts_seen));
        let sent = self
            .connection
            .as_ref()
            .map(|connection| connection.receipts.sent);
        let last = receipt_rows::last(&self.cx.store, from)?;
        let last = last.max(noted).max(sent).unwrap_or(0);
        self.memory.last_receipt = Some(last);
        Ok(last)
    }

    /// The number of the next receipt. Numbers must grow even when all earlier receipts are gone and the mailbox has
    /// hibernated: the clock ensures that without a stored counter.
    pub(super) fn next_receipt(&mut self, now: Now) -> Result<i64, StoreError> {
        let seq = (self.last_receipt()? + 1).max(now.at);
        self.memory.last_receipt = Some(seq);
        Ok(seq)
    }

    /// Numbers a receipt for each delivery that is in a terminal state and has none. They have to be stored before they
    /// are sent.
    pub(super) fn number(
        &mut self,
        deliveries: &mut [Delivery],
        now: Now,
    ) -> Result<(), StoreError> {
        for delivery in deliveries {
            if delivery.state.is_terminal() && delivery.receipt.is_none() {
                delivery.receipt = Some(self.next_receipt(now)?);
            }
        }
        Ok(())
    }

    /// The deliveries of a message that is being handed over are about to be stored. If its publish was answered
    /// before, what has settled gets receipts now.
    pub(super) fn number_answered(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let publishing = self.memory.publishing.get_mut(&id);
        let answered = publishing.filter(|publishing| publishing.is_answered);
        let Some(publishing) = answered else {
            return Ok(());
        };
        let mut deliveries = std::mem::take(&mut publishing.deliveries);
        let before = self.last_receipt()?;
        self.number(&mut deliveries, now)?;
        for delivery in deliveries.iter().filter(|it| it.receipt > Some(before)) {
            self.send_receipt(id, delivery);
        }
        if let Some(publishing) = self.memory.publishing.get_mut(&id) {
            publishing.deliveries = deliveries;
        }
        Ok(())
    }

    /// Sends the receipt of a delivery if it has one and the device is connected. A backlog goes first, or
    /// `receipts_seen` would cover receipts that were never sent.
    pub(super) fn send_receipt(&mut self, id: MessageId, delivery: &Delivery) {
        let receipt = receipt_rows::receipt(id, delivery);
        if let Some(receipt) = receipt.filter(|_| self.is_free()) {
            self.put_receipts(vec![receipt]);
        }
    }

    /// The same for a message that ended without a delivery.
    pub(super) fn send_receipt_of_end(&mut self, id: MessageId, end: Option<&End>) {
        let receipt = end.and_then(|end| receipt_rows::receipt_of_end(id, end));
        if let Some(receipt) = receipt.filter(|_| self.is_free()) {
            self.put_receipts(vec![receipt]);
        }
    }

    /// Whether a receipt may be sent immediately.
    fn is_free(&mut self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|it| !it.receipts.paused && it.takes_receipts()) && !self.withhold()
    }

    /// Whether no request to the address may follow from this event. Receipts then wait for [`Self::send_receipts`].
    fn withhold(&mut self) -> bool {
        let connection = self.connection.as_mut();
        let exhausted = connection.filter(|it| it.is_exhausted());
        self.memory.withheld = exhausted.is_some();
        if let Some(connection) = exhausted {
            connection.receipts.paused = true;
        }
        self.memory.withheld
    }

    /// Whether receipts wait only because no further request may follow from an event.
    pub(in crate::mailbox) fn withholds_receipts(&self) -> bool {
        let has_address = self.connection.as_ref().is_some_and(|it| !it.is_socket());
        self.memory.withheld && has_address
    }

    /// Sends receipts. To an address one request is made at a time: more are sent when it has seen these.
    fn put_receipts(&mut self, receipts: Vec<Receipt>) {
        let (Some(connection), Some(last)) = (self.connection.as_mut(), receipts.last()) else {
            return;
        };
        connection.receipts.sent = last.seq;
        let count = u32::try_from(receipts.len()).unwrap_or(u32::MAX);
        connection.receipts.unnoted = connection.receipts.unnoted.saturating_add(count);
        connection.stale = true;
        if let Some(posting) = &connection.posting {
            posting.chain.count();
            connection.receipts.paused = true;
            self.cx.push(News::PostReceipts(receipts));
            return;
        }
        for receipt in &receipts {
            let said = connection.say(&ToDevice::Receipt(receipt));
            self.cx
                .effects
                .extend(said.map(|(output, _)| output.into()));
        }
    }

    /// The address has not taken receipts: none is sent until [`Self::send_receipts`].
    pub(in crate::mailbox) fn receipts_failed(&mut self) {
        if let Some(connection) = self.connection.as_mut() {
            connection.receipts.sent = connection.receipts.seen;
            connection.receipts.paused = true;
        }
        self.memory.unseen.clear();
        self.memory.withheld = false;
    }

    /// Sends the unseen receipts that were not sent over this connection yet, at most [`WINDOW`] of them, or [`POSTED`].
    /// More are sent when the device has seen these: to an address nothing else until then.
    pub(in crate::mailbox) fn send_receipts(&mut self) -> Result<(), StoreError> {
        self.memory.withheld = false;
        let connection = self.connection.as_ref();
        let has_room = |it: &Connection| {
            let under_way = !it.is_socket() && it.receipts.sent > it.receipts.seen;
            it.takes_receipts() && !under_way
        };
        if !connection.is_some_and(has_room) || self.withhold() {
            return Ok(());
        }
        let Some(connection) = self.connection.as_ref() else {
            return Ok(());
        };
        let (mut after, is_socket) = (connection.receipts.sent, connection.is_socket());
        let (mut room, mut all) = (if is_socket { WINDOW } else { POSTED }, false);
        let mut found = Vec::new();
        while room > 0 && !(all && self.memory.unseen.is_empty()) {
            if self.memory.unseen.is_empty() {
                let from = self
                    .cx
                    .account
                    .as_ref()
                    .and_then(|account| account.unseen_from);
                self.memory.unseen = receipt_rows::unseen(&self.cx.store, from, after, MAX_CACHED)?;
                all = self.memory.unseen.len() < MAX_CACHED;
            }
            let count = room.min(self.memory.unseen.len());
            let places: Vec<Place> = self.memory.unseen.drain(..count).collect();
            // Receipts whose message is gone do not count: if none were sent, the device would never ask for more.
            let receipts = receipt_rows::load(&self.cx.store, &places)?;
            room -= receipts.len().min(room);
            found.extend(receipts);
            after = places.last().map_or(after, |place| place.seq);
        }
        let is_posted = !is_socket && !found.is_empty();
        self.put_receipts(found);
        if let Some(connection) = self.connection.as_mut() {
            let paused = room == 0 || is_posted;
            connection.stale |= connection.receipts.paused != paused;
            connection.receipts.paused = paused;
        }
        Ok(())
    }

    /// The device has seen all receipts up to `seq`.
    pub(in crate::mailbox) fn receipts_seen(&mut self, seq: i64) -> Result<(), StoreError> {
        let Some(connection) = self.connection.as_mut() else {
            return Ok(());
        };
        // A receipt that was not sent was not seen, whatever the device says.
        let seq = seq.min(connection.receipts.sent);
        if seq <= connection.receipts.seen {
            return Ok(());
        }
        connection.receipts.seen = seq;
        connection.stale = true;
        let Receipts {
            sent,
            paused,
            unnoted,
            ..
        } = connection.receipts;
        // What an address has seen is nowhere else.
        if unnoted >= SAVE_EVERY || !connection.is_socket() {
            connection.receipts.unnoted = 0;
            self.note_receipts(Some(seq))?;
        }
        if paused && seq == sent {
            self.send_receipts()
        } else {
            Ok(())
        }
    }

    /// Stores the account. `seen` is the last receipt that the device has seen over a connection, if there was one.
    pub(in crate::mailbox) fn note_receipts(
        &mut self,
        seen: Option<i64>,
    ) -> Result<(), StoreError> {
        let Some(account) = self.cx.account.as_mut() else {
            return Ok(());
        };
        let last_receipt = self.memory.last_receipt.unwrap_or(0);
        account.last_receipt = account.last_receipt.max(last_receipt);
        if let Some(seen) = seen {
            let seen = seen.max(account.receipts_seen);
            account.receipts_seen = seen;
            let unseen = receipt_rows::first_unseen(&self.cx.store, account.unseen_from, seen)?;
            // A message that is not stored yet may get a receipt, too.
            let unwritten = self.memory.publishing.keys().next().copied();
            let gathered = self.memory.gathered.first();
            let scheduled = self.memory.schedules.first();
            let from = [unseen, unwritten, gathered, scheduled]
                .into_iter()
                .flatten()
                .min();
            account.unseen_from = from.or(self.memory.last_id).max(account.unseen_from);
        }
        account.save(&self.cx.store)
    }
}
