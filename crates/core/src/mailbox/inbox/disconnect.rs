//! The end of a connection: its state is stored, and its in-flight messages are held for the next connection.
//!
//! Everything about the messages in flight is stored in the account's row, which is written anyway. Not here:
//! what the end means for a message, and when one is given up, which [`super::attempts`] decides.

use super::attempts::Blame;
use super::connection::{CLOSE_SILENT, CLOSE_TOKEN, Ended, InFlight, Stored};
use super::rows::{self, Held};
use super::{Inbox, News, Output};
use crate::delivery::Event;
use crate::id::{DeviceId, MessageId};
use crate::message::Lane;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::watch::Watched;

impl<S: Store> Inbox<'_, S> {
    /// Closes the connection, if there is one.
    pub(in crate::mailbox) fn hang_up(
        &mut self,
        now: Now,
        code: u16,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        if let Some(connection) = &*self.connection {
            let (id, code_said) = (connection.id, connection.codec.close_code(code));
            if connection.is_socket() {
                self.cx.push(Output::Close {
                    connection: id,
                    code: code_said,
                    reason,
                });
            }
            self.disconnect(Some(code), now)?;
        }
        Ok(())
    }

    /// Closes a connection whose token has expired.
    pub(in crate::mailbox) fn check_token(&mut self, now: Now) -> Result<(), StoreError> {
        let expires_at = self
            .connection
            .as_ref()
            .and_then(|connection| connection.expires_at);
        if expires_at.is_some_and(|at| at <= now.at) {
            self.hang_up(now, CLOSE_TOKEN, "token expired")?;
        }
        Ok(())
    }

    /// Closes a connection whose token has expired, or that has shown no sign of life.
    pub(super) fn check_connection(&mut self, now: Now) -> Result<(), StoreError> {
        self.check_token(now)?;
        let Some(connection) = &*self.connection else {
            return Ok(());
        };
        if !connection.is_alive(&now, &self.cx.limits) {
            self.hang_up(now, CLOSE_SILENT, "no sign of life")
        } else {
            self.close_stuck(false, now)
        }
    }

    /// Closes a connection that has sent too much without an acknowledgement, once a message times out or none in
    /// flight can.
    pub(super) fn close_stuck(&mut self, due: bool, now: Now) -> Result<(), StoreError> {
        let mut connection = self.connection.iter();
        if connection
            .any(|connection| connection.is_stuck() && (due || connection.in_flight.is_empty()))
        {
            self.hang_up(now, CLOSE_SILENT, "nothing is acknowledged")?;
        }
        Ok(())
    }

    /// Keeps what only the connection knew, and drops the connection. `code` is given if the service closes it. A
    /// message in flight may be the cause, unless the token is. The outbox writes the account's row afterwards: see
    /// [`Ended`].
    pub(in crate::mailbox) fn disconnect(
        &mut self,
        code: Option<u16>,
        now: Now,
    ) -> Result<(), StoreError> {
        let (Some(connection), Some(account)) =
            (self.connection.as_mut(), self.cx.account.as_ref())
        else {
            return Ok(());
        };
        let (device, seen_at) = (account.device.clone(), connection.seen_at(&now));
        let ended = Ended {
            connection: connection.id,
            receipts_seen: connection.receipts.seen,
            closed_here: code.is_some(),
        };
        let (lane, is_socket) = (connection.lane(), connection.is_socket());
        let in_flight = std::mem::take(&mut connection.in_flight);
        let had_some = !in_flight.is_empty();
        let blame = match in_flight.len() {
            // What is sent once a connection is given up after a number of connections.
            _ if code == Some(CLOSE_TOKEN) || lane == Lane::Channels || !is_socket => Blame::None,
            // What the device works on may be the cause as well.
            1 if self.memory.lost.in_progress(now.at) == 0 => Blame::Alone,
            _ => Blame::Shared,
        };
        for (id, entry) in in_flight {
            self.lose(id, entry, &device, blame, now)?;
        }
        self.store_queue(now)?;
        if is_socket {
            self.note_ended(ended, seen_at)?;
        } else if had_some {
            self.save_lost()?;
        }
        *self.connection = None;
        self.answer_awaited(now)?;
        self.memory.cursor = None;
        self.memory.again = true;
        self.memory.backlog = true;
        self.cx.push(News::Disconnected);
        if is_socket {
            self.cx.tell_watchers(|| Watched::Presence {
                online: false,
                at: now.at,
            });
        }
        Ok(())
    }

    /// Updates the account after a socket's end. The outbox writes its row.
    fn note_ended(&mut self, ended: Ended, seen_at: Millis) -> Result<(), StoreError> {
        self.note_lost()?;
        let totals = self.cx.kept_totals();
        if let Some(account) = self.cx.account.as_mut() {
            if self.cx.rows.is_some() {
                account.held = totals;
            }
            account.last_seen_at = Some(seen_at);
        }
        self.cx.ended = Some(ended);
        Ok(())
    }

    /// A message was in flight when its connection ended.
    fn lose(
        &mut self,
        id: MessageId,
        entry: InFlight,
        device: &DeviceId,
        blame: Blame,
        now: Now,
    ) -> Result<(), StoreError> {
        let found = match &entry.store {
            Stored::Row { .. } => rows::held(&self.cx.store, rows::lane_of(entry.rank), id)?,
            Stored::Not(message) => {
                if !self.store_sent(message, &entry, now)? {
                    return Ok(());
                }
                self.memory.awaited.insert(id);
                Some(Held::of(message))
            }
        };
        let Some(held) = found else {
            return Ok(());
        };
        let mut held = self.up_to_date(held);
        held.catch_up(&entry);
        let phase = entry.phase().after(Event::Disconnect)?;
        held.attempts.connection_ended(blame, now.at);
        let is_given_up = match held.key.is_of(Lane::Devices) {
            true => held.attempts.fails_device(now),
            false => held.attempts.made >= self.cx.limits.max_attempts,
        };
        if is_given_up {
            let delivery = held.after(device, phase, Event::GiveUp, now.at)?;
            return self.settle(held, delivery.with_reason("device_fails"), now);
        }
        self.memory.lost.insert(&held);
        self.watch_held(&held, now);
        Ok(())
    }

    /// Stores the lost messages in the account's row.
    pub(super) fn save_lost(&mut self) -> Result<(), StoreError> {
        self.note_lost()?;
        match &self.cx.account {
            Some(account) => account.save_lost(&self.cx.store),
            None => Ok(()),
        }
    }

    /// Updates the account with the lost messages. Its row is written later.
    fn note_lost(&mut self) -> Result<(), StoreError> {
        while let Some((key, mut attempts)) = self.memory.lost.overflow() {
            let lane = rows::lane_of(key.rank);
            if let Some(held) = rows::held(&self.cx.store, lane, key.id)? {
                attempts.absolve();
                let paused_until = attempts.paused_until().unwrap_or(0);
                let retry_at = attempts.in_progress_until().max(paused_until);
                let retry_at = retry_at.max(held.retry_at);
                let held = Held {
                    attempts,
                    retry_at,
                    ..held
                };
                rows::save_sent_before(&self.cx.store, &held)?;
                self.memory.marked = true;
            }
        }
        let lost = self.memory.lost.to_text()?;
        if let Some(account) = self.cx.account.as_mut() {
            account.lost = lost;
        }
        Ok(())
    }
}
