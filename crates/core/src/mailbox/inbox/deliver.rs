//! Accepting messages for the device.
//!
//! If the device is online and no message waits, a message is sent immediately (`unstored.rs`) or waits for room in
//! the window (`queue.rs`). Any other message is stored, or settled immediately.

use super::connection::Stored;
use super::expiry::arrives_late;
use super::rows::{self, Found, Key, SameTopic};
use super::{Inbox, News};
use crate::call::DeliveryStatus;
use crate::delivery::{Delivery, Event, Phase, State};
use crate::id::{DeviceId, MessageId};
use crate::message::{Lane, Message, turn};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How long a call waits for its predecessor. Calls are made in order; the platform lets one overtake another by a few
/// milliseconds at most, if an event of a mailbox waits for another to end.
pub(in crate::mailbox) const PREDECESSOR_WAIT: Millis = 100;

/// The result of a call to deliver.
#[derive(Debug)]
pub(in crate::mailbox) enum Delivering {
    /// This is the answer.
    Answer(DeliveryStatus),
    /// [`News::Delivered`] will have the answer, or [`Inbox::end_wait`] at this time.
    Wait(Millis),
    /// Nothing was done: this message has to arrive first.
    Early(Box<Message>, MessageId),
}

/// What comes with a call to deliver besides the message.
#[derive(Debug, Clone, Copy)]
pub(in crate::mailbox) struct Terms {
    /// Milliseconds to wait for the acknowledgement.
    pub(in crate::mailbox) wait: u32,
    /// The message that has to arrive first.
    pub(in crate::mailbox) after: Option<MessageId>,
    /// When the call expires: after that it changes nothing.
    pub(in crate::mailbox) until: Millis,
    /// The call has waited for its predecessor, and waits no longer.
    pub(in crate::mailbox) is_last_try: bool,
}

/// The decision about a call to deliver, made before anything is changed.
enum Arrival {
    /// It changes nothing, and this is the answer.
    Answer(DeliveryStatus),
    /// This message has to arrive first.
    Early(MessageId),
    /// The message is here already, unstored: this call waits for its result, too.
    Again,
    /// Its delivery is settled by this event.
    Ends(Event),
    /// It is taken. `beside` is how many other messages are held then.
    Taken {
        replaces: Vec<MessageId>,
        beside: usize,
    },
}

/// What happens to a message that is taken.
enum Destination {
    /// Sent, unstored.
    InFlight,
    /// Behind others that wait for room in the window.
    Queue,
    /// Stored in a row.
    Row,
    /// Nowhere: its TTL is 0 and there is no room.
    Nowhere,
}

impl<S: Store> Inbox<'_, S> {
    /// Takes a message for this device.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn deliver(
        &mut self,
        message: Message,
        terms: Terms,
        now: Now,
    ) -> Result<Delivering, StoreError> {
        let Some(device) = self.cx.device().cloned() else {
            return self.refused_before(message.id).map(Delivering::Answer);
        };
        match self.arrival(&message, &terms, now)? {
            Arrival::Answer(answer) => Ok(Delivering::Answer(answer)),
            Arrival::Early(after) => Ok(Delivering::Early(Box::new(message), after)),
            Arrival::Again => Ok(Delivering::Wait(now.at + i64::from(terms.wait))),
            Arrival::Ends(event) => self.never_stored(&message, device, event, now),
            Arrival::Taken { replaces, beside } => {
                self.take(message, device, terms.wait, &replaces, beside, now)
            }
        }
    }

    /// Decides about a call to deliver.
    fn arrival(
        &mut self,
        message: &Message,
        terms: &Terms,
        now: Now,
    ) -> Result<Arrival, StoreError> {
        if now.at > terms.until {
            return Ok(Arrival::Answer(DeliveryStatus::OutOfOrder));
        }
        if let Some(after) = terms.after
            && !self.follows(after)?
        {
            // The predecessor is settled already: waiting cannot help.
            let mut recent = self.memory.recent.iter();
            let is_final = terms.is_last_try || recent.any(|(known, _)| *known == after);
            return Ok(match is_final {
                true => Arrival::Answer(DeliveryStatus::OutOfOrder),
                false => Arrival::Early(after),
            });
        }
        if self.waits_unstored(message.id) {
            return Ok(Arrival::Again);
        }
        let stored = self.has_rows()?;
        if let known @ DeliveryStatus::Known(_) = self.find_delivery(message.id, stored, now)? {
            return Ok(Arrival::Answer(known));
        }
        if arrives_late(message, now) {
            return Ok(Arrival::Ends(Event::Expire));
        }
        let replaced = self.same_topic(message)?;
        let turn = turn(message.id, message.sent_at);
        if replaced.iter().any(|other| other.turn > turn) {
            return Ok(Arrival::Ends(Event::Replace));
        }
        let freed: u64 = replaced.iter().map(|other| other.size).sum();
        let (messages, bytes) = self.held()?;
        let beside = messages as usize - replaced.len();
        let bytes = bytes - freed + u64::from(message.size);
        let (most, most_bytes) = self.most_held(message.lane());
        if beside >= most || bytes > most_bytes {
            return Ok(Arrival::Ends(Event::Refuse));
        }
        let replaces = replaced.into_iter().map(|other| other.id).collect();
        Ok(Arrival::Taken { replaces, beside })
    }

    /// How many messages, and how many bytes of them, may be held once one of this lane is taken. Whoever has the
    /// endpoint of a channel can publish to it, so that messages of channels leave half of the room to the others.
    fn most_held(&self, lane: Lane) -> (usize, u64) {
        let limits = &self.cx.limits;
        let (messages, bytes) = (limits.max_held_messages, limits.max_held_bytes);
        match lane {
            Lane::Devices => (messages as usize, bytes),
            Lane::Channels => (messages.div_ceil(2) as usize, bytes.div_ceil(2)),
        }
    }

    /// Takes a message, which replaces these. Its call waits for `wait` milliseconds.
    fn take(
        &mut self,
        message: Message,
        device: DeviceId,
        wait: u32,
        replaces: &[MessageId],
        beside: usize,
        now: Now,
    ) -> Result<Delivering, StoreError> {
        self.check_connection(now)?;
        let now_or_never = message.is_now_or_never();
        if now_or_never && !replaces.is_empty() && !self.may_replace(&message, beside, now) {
            return self.never_stored(&message, device, Event::Expire, now);
        }
        let lane = message.lane();
        for id in replaces {
            self.conclude(lane, *id, Event::Replace, now, |delivery| delivery)?;
        }
        // Waiting messages go first, and may turn out to be in flight already.
        self.pump(now)?;
        match self.destination(&message, wait, now) {
            // A message with TTL 0 has at least a second to be acknowledged.
            Destination::InFlight if now_or_never => {
                self.deliver_unstored(message, wait.max(1000), now)
            }
            Destination::InFlight => self.deliver_unstored(message, wait, now),
            Destination::Queue => {
                self.watch_message(&message, State::Held, 0, now.at);
                Ok(self.queue(message, wait, now))
            }
            Destination::Row => {
                self.watch_message(&message, State::Held, 0, now.at);
                self.store_queue(now)?;
                self.store_before(&message, now)?;
                self.store_waiting(&message, now.at)?;
                let held = Delivery::unreached(device, now.at).apply(Event::Store, now.at)?;
                Ok(Delivering::Answer(DeliveryStatus::Known(held)))
            }
            Destination::Nowhere => self.never_stored(&message, device, Event::Expire, now),
        }
    }

    /// Whether a message with TTL 0 may replace another: only if memory and the window have room for it and for
    /// everything that waits.
    fn may_replace(&self, message: &Message, beside: usize, now: Now) -> bool {
        let roomy = self.connection.as_ref().is_some_and(|connection| {
            connection.lane() == message.lane()
                && connection.is_ready()
                && !connection.is_stuck()
                && beside < connection.width(&self.cx.limits) as usize
        });
        self.memory.unstored.has_room_for(message)
            && (self.is_free(message, now) || (roomy && !self.memory.lost.has_suspects()))
    }

    /// Decides what happens to a message that is taken.
    fn destination(&self, message: &Message, wait: u32, now: Now) -> Destination {
        let is_free = self.is_free(message, now);
        if message.is_now_or_never() && !(is_free && self.memory.unstored.has_room_for(message)) {
            Destination::Nowhere
        } else if is_free {
            Destination::InFlight
        } else if wait > 0 && self.may_queue(message) {
            Destination::Queue
        } else {
            Destination::Row
        }
    }

    /// Stores a message that has waited since `held_at`.
    pub(super) fn store_waiting(
        &mut self,
        message: &Message,
        held_at: Millis,
    ) -> Result<(), StoreError> {
        rows::insert(&self.cx.store, message, held_at, None)?;
        self.cx.row_added(message.size, message.expires_at)?;
        self.memory.backlog = true;
        let key = Key::of(message);
        if self.memory.cursor.is_some_and(|cursor| key < cursor) {
            self.memory.cursor = None;
        }
        self.cx.push(News::Pollable);
        self.tell_waiting(key, message.expires_at);
        Ok(())
    }

    /// The answer of a mailbox without a device: the message may have been taken before the device was removed.
    pub(super) fn refused_before(&self, id: MessageId) -> Result<DeliveryStatus, StoreError> {
        let found = match self.cx.account {
            Some(_) => rows::find(&self.cx.store, id)?,
            None => None,
        };
        Ok(match found {
            Some(Found::Settled(delivery)) => DeliveryStatus::Known(delivery),
            _ => DeliveryStatus::UnknownDevice,
        })
    }

    /// Whether a message can be sent immediately, because nothing waits before it.
    fn is_free(&self, message: &Message, now: Now) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|it| it.lane() == message.lane() && it.window(&self.cx.limits) > 0)
            && !self.memory.backlog
            && self.memory.queue.is_empty()
            && !self.is_reserved(now)
            && !self.is_held_up(message)
    }

    /// The messages that a message with a topic replaces, stored or not.
    pub(super) fn same_topic(&self, message: &Message) -> Result<Vec<SameTopic>, StoreError> {
        let Some(topic) = &message.topic else {
            return Ok(Vec::new());
        };
        let entries = self
            .connection
            .iter()
            .flat_map(|connection| &connection.in_flight);
        let unstored = entries.filter_map(|(_, entry)| match &entry.store {
            Stored::Not(other)
                if other.from == message.from && other.topic.as_ref() == Some(topic) =>
            {
                Some(SameTopic::of(other))
            }
            _ => None,
        });
        let queued = self.memory.queue.values().filter(|queued| {
            queued.message.from == message.from && queued.message.topic.as_ref() == Some(topic)
        });
        let queued = queued.map(|queued| SameTopic::of(&queued.message));
        let stored = rows::of_topic(&self.cx.store, &message.from, topic)?;
        Ok(unstored.chain(queued).chain(stored).collect())
    }

    /// Whether the predecessor has arrived.
    fn follows(&mut self, id: MessageId) -> Result<bool, StoreError> {
        let in_flight = self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.in_flight.contains_key(&id));
        let found = rows::find(&self.cx.store, id)?;
        // One that was cancelled before it arrived says nothing of those before it.
        let is_stored = found.is_some_and(|found| match found {
            Found::Held(_) => true,
            Found::Settled(delivery) => delivery.phase() != Phase::CancelledEarly,
        });
        if in_flight || self.queued(id).is_some() || is_stored {
            return Ok(true);
        }
        // A predecessor that the device has not answered may be tried again: its state may be forgotten before the
        // sender's mailbox knows it.
        let mut recent = self.memory.recent.iter();
        Ok(recent.any(|(known, delivery)| *known == id && delivery.state.is_answer()))
    }
}
