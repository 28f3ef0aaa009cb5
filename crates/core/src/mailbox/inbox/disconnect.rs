//! The end of a connection: what it knew is written down, and what it had in flight waits for the next.
//!
//! All that is known of the messages in flight goes into the account's row, which is written anyway. What
//! the end says about them, and when one is given up because the device fails on it, is said in
//! [`super::attempts`].

use super::Mailbox;
use super::attempts::Blame;
use super::link::{InFlight, Stored};
use super::rows::{self, Held};
use crate::delivery::Event;
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError};
use crate::time::Now;

impl<S: Store> Mailbox<S> {
    /// Writes down what only the connection knew, and forgets it. `blames` is whether its end may be the
    /// doing of a message.
    pub(in crate::mailbox) fn disconnect(
        &mut self,
        blames: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        let (Some(link), Some(account)) = (self.link.as_mut(), self.account.as_ref()) else {
            return Ok(());
        };
        let (device, seen_at) = (account.device.clone(), link.seen_at(&now));
        let in_flight = std::mem::take(&mut link.in_flight);
        let blame = match in_flight.len() {
            _ if !blames => Blame::None,
            1 => Blame::Alone,
            _ => Blame::Shared,
        };
        for (id, entry) in in_flight {
            self.lose(id, entry, &device, blame, now)?;
        }
        self.store_queue(now)?;
        self.note_inbox()?;
        self.seen(seen_at)?;
        self.link = None;
        self.answer_awaited(now)?;
        self.inbox.cursor = None;
        self.inbox.again = true;
        self.inbox.backlog = true;
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
            Stored::Row { .. } => rows::held(&self.store, id)?,
            Stored::Not(message) => {
                if !self.store_sent(message, &entry, now)? {
                    return Ok(());
                }
                self.inbox.awaited.insert(id);
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
        if held.attempts.fails_device(now) {
            let delivery = held.after(device, phase, Event::GiveUp, now.at)?;
            return self.settle(held, delivery.because("device_fails"), now);
        }
        self.inbox.lost.insert(&held);
        Ok(())
    }

    /// Prepares the account's row to be written with what is known of the inbox.
    fn note_inbox(&mut self) -> Result<(), StoreError> {
        while let Some((id, mut attempts)) = self.inbox.lost.overflow() {
            if let Some(held) = rows::held(&self.store, id)? {
                attempts.absolve();
                rows::save_sent_before(&self.store, &Held { attempts, ..held })?;
            }
        }
        let totals = self.kept_totals();
        let lost = self.inbox.lost.to_text()?;
        if let Some(account) = self.account.as_mut() {
            account.lost = lost;
            if self.inbox.rows.is_some() {
                account.held = totals;
            }
        }
        Ok(())
    }
}
