//! Taking messages for the device, and settling them.
//!
//! A message that comes while the device is online and nothing waits before it goes on the wire
//! first, unstored; whoever handed it over waits. If the acknowledgement comes in time the message
//! was never written down; otherwise it is stored before anyone is told.

use std::collections::VecDeque;

use super::inbox_rows::{self, Found, Held, Key};
use super::link::{InFlight, Stored};
use super::report::Reports;
use super::{Effect, Mailbox};
use crate::call::Delivered;
use crate::delivery::{Delivery, State};
use crate::id::MessageId;
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How many settled deliveries that were never stored are remembered, so that a repeated call finds
/// them as long as the mailbox is awake.
const RECENT: usize = 256;

/// How many expired messages are settled in one event.
const BATCH: u32 = 500;

/// What the inbox keeps in memory; all of it can be had from the rows again, save `recent`.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Messages not settled, stored or on the wire.
    pub(super) messages: u32,
    /// Their payloads' bytes.
    pub(super) bytes: u64,
    /// Whether rows may wait that are not on the wire.
    pub(super) backlog: bool,
    /// All rows never sent up to this one are on the wire.
    pub(super) cursor: Option<Key>,
    /// Whether rows may wait that were on the wire before.
    pub(super) again: bool,
    pub(super) reports: Reports,
    recent: VecDeque<(MessageId, Delivery)>,
}

/// A call to deliver, as far as it got.
#[derive(Debug)]
pub enum Accepted {
    /// This is the answer.
    Answer(Delivered),
    /// Wait for [`Effect::Delivered`]; at this time call [`Mailbox::wait_is_over`].
    Wait(Millis),
}

/// What comes with a call to deliver besides the message.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Milliseconds to wait for the acknowledgement.
    pub wait: u32,
    /// Whether the call may have been made before.
    pub again: bool,
    /// The message that has to be here first.
    pub after: Option<MessageId>,
    /// From when on the call changes nothing.
    pub until: Millis,
}

impl<S: Store> Mailbox<S> {
    pub(super) fn open_inbox(&mut self, now: Now) -> Result<(), StoreError> {
        let totals = inbox_rows::totals(&self.store, now.at, self.limits.max_attempts)?;
        self.inbox.messages = totals.messages;
        self.inbox.bytes = totals.bytes;
        self.inbox.backlog = totals.messages > 0;
        self.inbox.again = totals.messages > 0;
        for (sender, key) in inbox_rows::all_settled(&self.store)? {
            self.inbox.reports.add(sender, key);
        }
        self.report_all(now)
    }

    /// Takes a message for this device.
    ///
    /// # Errors
    /// The store failed.
    pub fn deliver(
        &mut self,
        message: Message,
        terms: Terms,
        now: Now,
    ) -> Result<Accepted, StoreError> {
        let Some(device) = self.device().cloned() else {
            return Ok(Accepted::Answer(Delivered::UnknownDevice));
        };
        if now.at > terms.until || !self.follows(terms.after)? {
            return Ok(Accepted::Answer(Delivered::NotNow));
        }
        if self.waits_unstored(message.id) {
            return Ok(Accepted::Wait(now.at + i64::from(terms.wait)));
        }
        // The table is asked only about calls that may be repeats: a fresh id is not in it.
        if let known @ Delivered::Known(_) = self.look_in(message.id, terms.again, now)? {
            return Ok(Accepted::Answer(known));
        }
        let first = |state| Delivery::first(device.clone(), state, now.at);
        let now_or_never = message.expires_at <= message.sent_at;
        if message.expires_at <= now.at && !now_or_never {
            return Ok(self.never_stored(message.id, first(State::Expired)));
        }
        self.replace(&message, now)?;
        let bytes = self.inbox.bytes.saturating_add(u64::from(message.size));
        if self.inbox.messages >= self.limits.max_held_messages
            || bytes > self.limits.max_held_bytes
        {
            return Ok(self.never_stored(message.id, first(State::Refused).because("queue_full")));
        }
        self.check_link(now)?;
        // What waits goes first, and may turn out to be on the wire already.
        self.pump(now)?;
        let window = self
            .link
            .as_ref()
            .map_or(0, |link| link.window(&self.limits));
        if window > 0 && !self.inbox.backlog {
            // A message that must be there now or never has at least a second to be acknowledged.
            let wait = if now_or_never {
                terms.wait.max(1000)
            } else {
                terms.wait
            };
            return self.deliver_unstored(message, wait, now);
        }
        if now_or_never {
            return Ok(self.never_stored(message.id, first(State::Expired)));
        }
        inbox_rows::insert(&self.store, &message, now.at, None)?;
        self.inbox.messages += 1;
        self.inbox.bytes = bytes;
        self.inbox.backlog = true;
        let key = Key::of(&message);
        if self.inbox.cursor.is_some_and(|cursor| key < cursor) {
            self.inbox.cursor = None;
        }
        self.wake_by(message.expires_at);
        self.effects.push(Effect::Ready);
        Ok(Accepted::Answer(Delivered::Known(first(State::Held))))
    }

    fn deliver_unstored(
        &mut self,
        message: Message,
        wait: u32,
        now: Now,
    ) -> Result<Accepted, StoreError> {
        self.inbox.messages += 1;
        self.inbox.bytes += u64::from(message.size);
        self.send(&message, 1);
        let id = message.id;
        if let Some(link) = self.link.as_mut() {
            let entry = InFlight {
                rank: Key::of(&message).rank,
                attempt: 1,
                sent_at: now.at,
                store: Stored::Not(Box::new(message)),
            };
            link.in_flight.insert(id, entry);
        }
        if wait > 0 {
            return Ok(Accepted::Wait(now.at + i64::from(wait)));
        }
        self.wait_is_over(id, now).map(Accepted::Answer)
    }

    /// The acknowledgement of a message on the wire did not come in time: stores it, and says where
    /// it stands. Changes nothing where the message is settled or stored already.
    ///
    /// # Errors
    /// The store failed.
    pub fn wait_is_over(&mut self, id: MessageId, now: Now) -> Result<Delivered, StoreError> {
        if self.waits_unstored(id) {
            self.store_in_flight(id, true, now)?;
            self.pump(now)?;
        }
        self.look_in(id, true, now)
    }

    /// Whether a message is on the wire and not stored.
    fn waits_unstored(&self, id: MessageId) -> bool {
        let entry = self.link.as_ref().and_then(|link| link.in_flight.get(&id));
        entry.is_some_and(|entry| matches!(entry.store, Stored::Not(_)))
    }

    /// Stores a message that is on the wire and unstored, or settles it where it has expired.
    /// `linked` is false when the wire is gone.
    pub(super) fn store_in_flight(
        &mut self,
        id: MessageId,
        linked: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        let (Some(link), Some(device)) = (self.link.as_mut(), self.account.as_ref()) else {
            return Ok(());
        };
        let Some(entry) = link.in_flight.remove(&id) else {
            return Ok(());
        };
        let Stored::Not(message) = &entry.store else {
            link.in_flight.insert(id, entry);
            return Ok(());
        };
        if message.expires_at <= now.at {
            let delivery = sent_once(&device.device, &entry).then(State::Expired, now.at);
            let size = message.size;
            self.forget_unstored(id, size, delivery);
            return Ok(());
        }
        let due_at = entry.sent_at + self.backoff(1);
        let retry_at = if linked || self.limits.max_attempts <= 1 {
            due_at
        } else {
            0
        };
        inbox_rows::insert(&self.store, message, 0, Some((&entry, retry_at)))?;
        let expires_at = message.expires_at;
        if let (true, Some(link)) = (linked, self.link.as_mut()) {
            link.in_flight.insert(
                id,
                InFlight {
                    store: Stored::Row { due_at },
                    ..entry
                },
            );
            link.changed = true;
        }
        self.wake_by(expires_at);
        if retry_at > 0 {
            self.wake_by(retry_at);
        }
        Ok(())
    }

    /// The device has taken a message: `reply` is what it answers. Unknown and settled ids change
    /// nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn ack(
        &mut self,
        id: MessageId,
        reply: Option<Box<serde_json::value::RawValue>>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude(id, State::Delivered, now, |delivery| Delivery {
            reply,
            ..delivery
        })
    }

    /// The device refuses a message. Unknown and settled ids change nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn nack(
        &mut self,
        id: MessageId,
        reason: Option<String>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.conclude(id, State::Rejected, now, |delivery| Delivery {
            reason,
            ..delivery
        })
    }

    /// The sender takes a message back.
    ///
    /// # Errors
    /// The store failed.
    pub fn withdraw(&mut self, id: MessageId, now: Now) -> Result<Delivered, StoreError> {
        self.conclude(id, State::Cancelled, now, |delivery| delivery)?;
        self.look(id, now)
    }

    /// Where a message stands.
    ///
    /// # Errors
    /// The store failed.
    pub fn look(&mut self, id: MessageId, now: Now) -> Result<Delivered, StoreError> {
        self.look_in(id, true, now)
    }

    /// Ends a delivery, wherever its message is.
    fn conclude(
        &mut self,
        id: MessageId,
        state: State,
        now: Now,
        complete: impl FnOnce(Delivery) -> Delivery,
    ) -> Result<(), StoreError> {
        let Some(device) = self.device().cloned() else {
            return Ok(());
        };
        let waits_unstored = self.waits_unstored(id);
        let unstored = match self.link.as_mut() {
            Some(link) if waits_unstored => link.in_flight.remove(&id),
            _ => None,
        };
        if let Some(
            entry @ InFlight {
                store: Stored::Not(message),
                ..
            },
        ) = &unstored
        {
            let delivery = sent_once(&device, entry).then(state, now.at);
            self.forget_unstored(id, message.size, complete(delivery));
        } else if let Some(mut held) = inbox_rows::held(&self.store, id)? {
            if let Some(entry) = self.link.as_ref().and_then(|link| link.in_flight.get(&id)) {
                held.catch_up(entry);
            }
            let delivery = held.delivery(&device, true).then(state, now.at);
            self.settle(held, complete(delivery), now)?;
        }
        self.pump(now)
    }

    /// Writes down a stored delivery's last state, and reports it.
    pub(super) fn settle(
        &mut self,
        held: Held,
        delivery: Delivery,
        now: Now,
    ) -> Result<(), StoreError> {
        inbox_rows::save_settled(&self.store, held.key, &delivery)?;
        self.inbox.messages = self.inbox.messages.saturating_sub(1);
        self.inbox.bytes = self.inbox.bytes.saturating_sub(held.size);
        if let Some(link) = self.link.as_mut() {
            link.changed |= link.in_flight.remove(&held.key.id).is_some();
        }
        self.inbox.reports.add(held.sender.clone(), held.key);
        self.report(&held.sender, now)
    }

    /// Settles messages whose time has run out, and those on the wire for it.
    pub(super) fn expire(&mut self, now: Now) -> Result<(), StoreError> {
        let Some(device) = self.account.as_ref().map(|account| account.device.clone()) else {
            return Ok(());
        };
        let expired = inbox_rows::expired(&self.store, now.at, BATCH)?;
        for mut held in expired {
            if let Some(entry) = self
                .link
                .as_ref()
                .and_then(|link| link.in_flight.get(&held.key.id))
            {
                held.catch_up(entry);
            }
            let delivery = held.delivery(&device, false).then(State::Expired, now.at);
            self.settle(held, delivery, now)?;
        }
        Ok(())
    }

    /// Settles what a message with a topic replaces, stored or not.
    fn replace(&mut self, message: &Message, now: Now) -> Result<(), StoreError> {
        let Some(topic) = &message.topic else {
            return Ok(());
        };
        let same = |entry: &InFlight| match &entry.store {
            Stored::Not(other) => other.from == message.from && other.topic.as_ref() == Some(topic),
            Stored::Row { .. } => false,
        };
        let entries = self.link.iter().flat_map(|link| &link.in_flight);
        let unstored: Vec<MessageId> = entries
            .filter(|(_, entry)| same(entry))
            .map(|(id, _)| *id)
            .collect();
        let stored = inbox_rows::of_topic(&self.store, &message.from, topic)?;
        for id in unstored
            .into_iter()
            .chain(stored.into_iter().map(|held| held.key.id))
        {
            self.conclude(id, State::Replaced, now, |delivery| delivery)?;
        }
        Ok(())
    }

    /// Whether the message that has to come first is here or was.
    fn follows(&mut self, after: Option<MessageId>) -> Result<bool, StoreError> {
        let Some(id) = after else {
            return Ok(true);
        };
        let on_the_wire = self
            .link
            .as_ref()
            .is_some_and(|link| link.in_flight.contains_key(&id));
        let recent = self.inbox.recent.iter().any(|(known, _)| *known == id);
        Ok(on_the_wire || recent || inbox_rows::find(&self.store, id)?.is_some())
    }

    /// Where a message stands, asking the table only if `stored`.
    fn look_in(&mut self, id: MessageId, stored: bool, now: Now) -> Result<Delivered, StoreError> {
        let Some(device) = self.device().cloned() else {
            return Ok(Delivered::UnknownDevice);
        };
        if let Some((_, delivery)) = self.inbox.recent.iter().find(|(known, _)| *known == id) {
            return Ok(Delivered::Known(delivery.clone()));
        }
        let entry = self.link.as_ref().and_then(|link| link.in_flight.get(&id));
        if let Some(
            entry @ InFlight {
                store: Stored::Not(_),
                ..
            },
        ) = entry
        {
            return Ok(Delivered::Known(sent_once(&device, entry)));
        }
        if !stored {
            return Ok(Delivered::UnknownMessage);
        }
        Ok(match inbox_rows::find(&self.store, id)? {
            None => Delivered::UnknownMessage,
            Some(Found::Settled(delivery)) => Delivered::Known(delivery),
            Some(Found::Held(mut held)) => {
                if let Some(entry) = entry {
                    held.catch_up(entry);
                }
                let polled = held.attempts > 0 && held.retry_at > now.at;
                let on_the_wire = entry.is_some() || (self.link.is_none() && polled);
                Delivered::Known(held.delivery(&device, on_the_wire))
            }
        })
    }

    /// The answer for a message that is settled before it was anywhere.
    fn never_stored(&mut self, id: MessageId, delivery: Delivery) -> Accepted {
        self.remember(id, delivery.clone());
        Accepted::Answer(Delivered::Known(delivery))
    }

    /// Lets go of a message that was on the wire and never stored, and answers who waits for it.
    fn forget_unstored(&mut self, id: MessageId, size: u32, delivery: Delivery) {
        self.inbox.messages = self.inbox.messages.saturating_sub(1);
        self.inbox.bytes = self.inbox.bytes.saturating_sub(u64::from(size));
        self.remember(id, delivery.clone());
        self.effects
            .push(Effect::Delivered(id, Delivered::Known(delivery)));
    }

    fn remember(&mut self, id: MessageId, delivery: Delivery) {
        if self.inbox.recent.len() >= RECENT {
            self.inbox.recent.pop_front();
        }
        self.inbox.recent.push_back((id, delivery));
    }

    /// When something stored is due: an expiry, or a message that was sent and not acknowledged.
    pub(super) fn inbox_due(&mut self, now: Now) -> Result<Option<Millis>, StoreError> {
        let totals = inbox_rows::totals(&self.store, now.at, self.limits.max_attempts)?;
        let in_flight = self.link.iter().flat_map(|link| link.in_flight.values());
        let due = in_flight.filter_map(|entry| match entry.store {
            Stored::Row { due_at } => Some(due_at),
            Stored::Not(_) => None,
        });
        Ok(due.chain(totals.expires_at).chain(totals.retry_at).min())
    }
}

/// A delivery that is on the wire for the first time and not stored.
fn sent_once(device: &crate::id::DeviceId, entry: &InFlight) -> Delivery {
    let sent = Delivery::first(device.clone(), State::Sent, entry.sent_at);
    let steps = sent
        .steps
        .into_iter()
        .map(|step| crate::delivery::Step { attempt: 1, ..step });
    Delivery {
        attempts: 1,
        steps: steps.collect(),
        ..sent
    }
}
