//! Messages sent to a device, and receipts sent to a sender.

use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::message::{Message, Urgency};
use tagpost_core::protocol::Receipt;
use tagpost_core::time::Millis;

use super::attempts::Attempt;
use super::{Checked, Ledger, Wire, claim};

/// How long after its acceptance a message with TTL 0 may still be sent: its call may be late, and a large tag takes a
/// while.
const NOW_OR_NEVER: Millis = 10_000;

/// A message in flight.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) id: MessageId,
    pub(crate) from: usize,
    pub(crate) sent_at: Millis,
    pub(crate) expires_at: Millis,
    pub(crate) attempt: u32,
    pub(crate) urgency: Urgency,
    /// `None` for a poll and for an address.
    pub(crate) connection: Option<ConnectionId>,
    /// To an address.
    pub(crate) is_posted: bool,
    /// How often the mailbox has lost what it had not stored.
    pub(crate) losses: u32,
    /// How often it has lost its memory.
    pub(crate) lives: u32,
    /// By the clock of the mailbox.
    pub(crate) now: Millis,
}

impl Ledger {
    /// A message is sent to a polling device.
    pub(crate) fn polled(
        &mut self,
        device: usize,
        message: &Message,
        attempt: u32,
        now: Millis,
        (losses, lives): (u32, u32),
    ) -> Checked {
        let sent = Sent {
            id: message.id,
            from: self.places[&message
                .from
                .device()
                .ok_or_else(|| super::broken("not from a device"))?],
            sent_at: message.sent_at,
            expires_at: message.expires_at,
            attempt,
            urgency: message.urgency,
            connection: None,
            is_posted: false,
            losses,
            lives,
            now,
        };
        self.sent(device, sent)
    }

    /// A message is sent to a device.
    pub(crate) fn sent(&mut self, device: usize, sent: Sent) -> Checked {
        let what = || format!("to device {device}: {sent:?}");
        let in_time = if sent.expires_at > sent.sent_at {
            sent.now < sent.expires_at
        } else {
            sent.now < sent.sent_at + NOW_OR_NEVER + self.skew
        };
        claim("nothing is sent after it has expired", in_time, what)?;
        let key = (sent.id, device);
        let track = self.deliveries.entry(key).or_default();
        let over = track.end.is_some() || track.settled.is_some();
        claim(
            "nothing is sent again once its terminal state is committed",
            !over,
            what,
        )?;
        let worked = self.sent_again(device, sent.id, sent.now)?;
        self.is_fetched(device, sent.id);
        let track = self.deliveries.entry(key).or_default();
        claim(
            "a withdrawn message is not sent again",
            track.withdrawn != Some((sent.losses, sent.lives)),
            what,
        )?;
        let wire = Wire {
            attempt: sent.attempt,
            at: sent.now,
            connection: sent.connection,
            posted: sent.is_posted,
            losses: sent.losses,
            lives: sent.lives,
        };
        // An answer that the mailbox did not take, over a connection that it had closed, counts for nothing.
        track.answered = false;
        (track.pause, track.asked_until) = (None, None);
        track.attempts.push(Attempt {
            at: sent.now,
            connection: sent.connection,
        });
        let row = self.tables[device].inbox.get(&sent.id);
        let stored_at = track.stored_at.filter(|_| row.is_some());
        // Only with one at a time an address has an order.
        let in_order = !sent.is_posted || self.posts_in_order(device);
        let track = self.deliveries.entry(key).or_default();
        match track.wire.replace(wire) {
            None => {
                let first = sent.attempt == 1 || sent.losses > 0;
                claim("the first attempt has the number 1", first, what)?;
                track.socket_first = sent.connection.is_some();
                self.goes_behind_what_was_sent(device, &sent)?;
                if in_order {
                    self.first_sent
                        .entry((device, sent.from, sent.urgency))
                        .or_default()
                        .push(sent.id);
                }
            }
            Some(before) => {
                // An attempt that was not stored is lost with the memory.
                let later = stored_at.is_none_or(|at| at > before.at);
                let forgotten = before.losses < sent.losses
                    || ((later || before.posted) && before.lives < sent.lives);
                claim(
                    "attempts grow",
                    sent.attempt == before.attempt + 1 || forgotten,
                    || format!("{}, after {before:?}", what()),
                )?;
                let same_link = before.connection == sent.connection;
                let had_its_time =
                    sent.now + 2 * self.skew >= before.at + self.time_to_acknowledge();
                claim(
                    "a device gets its full time to acknowledge",
                    !same_link || sent.connection.is_none() || had_its_time || forgotten || worked,
                    || format!("{}, after {before:?}", what()),
                )?;
                // It may have run out on a connection that ended since.
                if had_its_time || forgotten {
                    self.deliveries.entry(key).or_default().time_outs += 1;
                }
            }
        }
        Ok(())
    }

    /// A message has reached a device over a socket.
    pub(crate) fn heard(
        &mut self,
        device: usize,
        connection: ConnectionId,
        id: MessageId,
        from: &DeviceId,
        urgency: Urgency,
    ) {
        // What is on its way over a connection that was taken over may come when it will.
        let newer = self.has_newer(device, connection);
        let track = self.deliveries.entry((id, device)).or_default();
        // The answer to a poll may be lost, and what it took comes again when its time is up.
        if !std::mem::replace(&mut track.heard, true) && track.socket_first && !newer {
            let key = (device, self.places[from], urgency);
            self.first_heard.entry(key).or_default().push(id);
        }
    }

    /// A message is sent for the first time: earlier ones of its sender and urgency that were sent before come first. A
    /// message that a poll took after the connection was opened comes when its lease has run out, by the alarm.
    fn goes_behind_what_was_sent(&self, device: usize, sent: &Sent) -> Checked {
        let Some(connection) = sent.connection else {
            return Ok(());
        };
        let opened_at = self
            .links
            .get(&connection)
            .map_or(sent.now, |link| link.opened_at);
        let rows = self.tables[device].inbox.iter().filter(|(id, row)| {
            let polled = row.attempts > 0 && row.retry_at <= sent.now;
            !row.settled && polled && row.expires_at > sent.now && self.is_in_line(**id, sent)
        });
        for (id, row) in rows {
            let wire = self
                .deliveries
                .get(&(*id, device))
                .and_then(|track| track.wire);
            let out = wire.is_some_and(|wire| wire.connection == Some(connection));
            let works = self.works_on(*id, device);
            let leased =
                row.retry_at > opened_at && wire.is_some_and(|wire| wire.connection.is_none());
            claim(
                "unacknowledged messages are sent first",
                out || leased || works,
                || format!("{sent:?} goes before {id}: {row:?}"),
            )?;
        }
        Ok(())
    }

    /// Whether a device works on a message, or has done so since it was last sent.
    pub(super) fn works_on(&self, id: MessageId, device: usize) -> bool {
        let track = self.deliveries.get(&(id, device));
        track.is_some_and(|track| track.work.is_on())
    }

    /// Whether a message is of the same sender and urgency.
    pub(super) fn is_in_line(&self, id: MessageId, sent: &Sent) -> bool {
        let op = self.publications.get(&self.op_of(id));
        op.is_some_and(|op| op.sender == sent.from && op.urgency == sent.urgency)
    }

    /// A receipt leaves a sender's mailbox.
    pub(crate) fn receipt_sent(&self, sender: usize, receipt: &Receipt) -> Checked {
        let account = self.tables[sender].account;
        claim(
            "a receipt that is recorded as seen is not sent again",
            account.is_none_or(|account| account.receipts_seen < receipt.seq),
            || format!("{receipt:?}: {account:?}"),
        )
    }

    /// A receipt reaches a device; `last` is the receipt before it on the same connection.
    pub(crate) fn receipt_arrived(
        &mut self,
        sender: usize,
        receipt: &Receipt,
        last: Option<i64>,
    ) -> Checked {
        let what = || format!("to device {sender}: {receipt:?}");
        claim(
            "receipts are sent in the order of their numbers",
            last.is_none_or(|last| last < receipt.seq),
            || format!("{} after {last:?}", what()),
        )?;
        if self
            .messages
            .get(&receipt.id)
            .is_none_or(|message| message.void)
        {
            return Ok(());
        }
        let Some(device) = &receipt.device else {
            return self.receipt_of_end(receipt);
        };
        let device = self.places[device];
        let track = self.deliveries.entry((receipt.id, device)).or_default();
        track.reported = true;
        let words = |words: Option<&Box<serde_json::value::RawValue>>| {
            words.map(|words| words.get().to_owned())
        };
        let holds = track.end.as_ref().is_some_and(|end| {
            end.state == receipt.state
                && end.at == receipt.at
                && end.reason == receipt.reason
                && words(end.reply.as_ref()) == words(receipt.reply.as_ref())
        });
        claim("a receipt has the delivery's terminal state", holds, || {
            format!("{}, but it is {:?}", what(), track.end)
        })
    }
}
