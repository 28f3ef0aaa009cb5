//! Taking messages for the device.
//!
//! A message that comes while the device is online and nothing waits before it goes on the wire at once,
//! as `unstored.rs` says, or waits for room there, as `queue.rs` says. Every other is stored, or ends here.

use std::collections::{BTreeSet, VecDeque};

use litemap::LiteMap;

use super::link::Stored;
use super::lost::Lost;
use super::queue::Queued;
use super::report::Reports;
use super::rows::{self, Found, Key};
use super::totals::Totals;
use super::unstored::Unstored;
use super::{Effect, Mailbox};
use crate::call::Delivered;
use crate::delivery::{Delivery, Event};
use crate::id::MessageId;
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// How long after it was accepted a message that must be there now or never is in time.
const NOW: Millis = 10_000;

/// How long a call waits for the one that has to come first. Calls are made in order, and the platform lets
/// one overtake another by a few milliseconds at most, where a mailbox's event waits for another to end.
const OVERTAKING: Millis = 100;

/// What the inbox keeps in memory. The rows say it again after a sleep, save what calls wait for, which keeps
/// the mailbox awake (`unstored`, `queue` and `awaited`), and save `recent`.
#[derive(Debug, Default)]
pub(in crate::mailbox) struct Inbox {
    /// What is stored, once it is counted.
    pub(in crate::mailbox) rows: Option<Totals>,
    /// When they were counted last for an expiry, since the mailbox is awake.
    pub(in crate::mailbox) recounted_at: Millis,
    /// What is not: on the wire, or in `queue`.
    pub(in crate::mailbox) unstored: Unstored,
    /// Messages that wait for room on the wire, in order of delivery.
    pub(in crate::mailbox) queue: LiteMap<Key, Queued>,
    /// What connections that ended knew of messages in flight.
    pub(in crate::mailbox) lost: Lost,
    /// Whether rows may wait that are not on the wire and could be.
    pub(in crate::mailbox) backlog: bool,
    /// All rows never sent up to this one are on the wire, or behind a suspect.
    pub(in crate::mailbox) cursor: Option<Key>,
    /// Whether rows may wait that were on the wire before.
    pub(in crate::mailbox) again: bool,
    /// Messages that were stored while the calls that brought them wait.
    pub(in crate::mailbox) awaited: BTreeSet<MessageId>,
    pub(in crate::mailbox) reports: Reports,
    /// What was settled and never stored, oldest first: a repeated call finds it while the mailbox is awake.
    pub(in crate::mailbox) recent: VecDeque<(MessageId, Delivery)>,
}

/// A call to deliver, as far as it got.
#[derive(Debug)]
pub enum Accepted {
    /// This is the answer.
    Answer(Delivered),
    /// Wait for [`Effect::Delivered`]; at this time call [`Mailbox::wait_is_over`].
    Wait(Millis),
    /// It cannot be taken yet.
    Early(Box<Early>),
}

/// A call to deliver that came before the one that it follows: call [`Mailbox::deliver`] again.
#[derive(Debug)]
pub struct Early {
    /// What is to be delivered.
    pub message: Message,
    /// On which terms.
    pub terms: Terms,
    /// As soon as a call to deliver this message was handled.
    pub after: MessageId,
    /// At this time at the latest.
    pub until: Millis,
}

/// What comes with a call to deliver besides the message.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Milliseconds to wait for the acknowledgement.
    pub wait: u32,
    /// The message that has to be here first.
    pub after: Option<MessageId>,
    /// From when on the call changes nothing.
    pub until: Millis,
    /// Whether it has waited for the one that has to be here first.
    pub waited: bool,
}

impl<S: Store> Mailbox<S> {
    pub(in crate::mailbox) fn open_inbox(&mut self, now: Now) -> Result<(), StoreError> {
        if let Some(account) = &self.account {
            self.inbox.rows = account.held;
            self.inbox.lost = Lost::load(&self.store, &account.lost)?;
        }
        self.inbox.backlog = true;
        self.inbox.again = true;
        self.open_reports(now)
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
            return self.refused_before(message.id).map(Accepted::Answer);
        };
        if now.at > terms.until {
            return Ok(Accepted::Answer(Delivered::NotNow));
        }
        if let Some(after) = terms.after
            && !self.follows(after)?
        {
            // One that has ended here is waited for in vain.
            let mut recent = self.inbox.recent.iter();
            if terms.waited || recent.any(|(known, _)| *known == after) {
                return Ok(Accepted::Answer(Delivered::NotNow));
            }
            let terms = Terms {
                waited: true,
                ..terms
            };
            return Ok(Accepted::Early(Box::new(Early {
                message,
                terms,
                after,
                until: now.at + OVERTAKING,
            })));
        }
        if self.waits_unstored(message.id) {
            return Ok(Accepted::Wait(now.at + i64::from(terms.wait)));
        }
        let stored = self.has_rows()?;
        if let known @ Delivered::Known(_) = self.look_in(message.id, stored, now)? {
            return Ok(Accepted::Answer(known));
        }
        let now_or_never = message.is_now_or_never();
        let missed = now_or_never && now.at > message.sent_at + NOW;
        if missed || (message.expires_at <= now.at && !now_or_never) {
            return Ok(self.never_stored(message.id, device, Event::Expire, now)?);
        }
        let replaced = self.same_topic(&message)?;
        if replaced.iter().any(|(id, _)| *id > message.id) {
            return Ok(self.never_stored(message.id, device, Event::Replace, now)?);
        }
        let freed: u64 = replaced.iter().map(|(_, size)| size).sum();
        let (messages, bytes) = self.held()?;
        let messages = messages as usize - replaced.len().min(messages as usize);
        let bytes = bytes.saturating_sub(freed) + u64::from(message.size);
        if messages >= self.limits.max_held_messages as usize || bytes > self.limits.max_held_bytes
        {
            return Ok(self.never_stored(message.id, device, Event::Refuse, now)?);
        }
        self.check_link(now)?;
        // A message that must be there now or never replaces another only if there is room for it: in memory,
        // and in the window for it and for all that waits.
        let roomy = self
            .link
            .as_ref()
            .is_some_and(|link| !link.is_stuck() && messages < link.width(&self.limits) as usize);
        let fits = self.inbox.unstored.has_room_for(&message)
            && (self.is_free(&message, now) || (roomy && !self.inbox.lost.has_suspects()));
        if now_or_never && !fits && !replaced.is_empty() {
            return Ok(self.never_stored(message.id, device, Event::Expire, now)?);
        }
        for (id, _) in replaced {
            self.conclude(id, Event::Replace, now, |delivery| delivery)?;
        }
        // What waits goes first, and may turn out to be on the wire already.
        self.pump(now)?;
        let is_free = self.is_free(&message, now);
        if now_or_never && !(is_free && self.inbox.unstored.has_room_for(&message)) {
            return Ok(self.never_stored(message.id, device, Event::Expire, now)?);
        }
        if is_free {
            // A message that must be there now or never has at least a second to be acknowledged.
            let wait = if now_or_never {
                terms.wait.max(1000)
            } else {
                terms.wait
            };
            return self.deliver_unstored(message, wait, now);
        }
        if terms.wait > 0 && self.may_queue(&message) {
            return Ok(self.queue(message, terms.wait, now));
        }
        self.store_queue(now)?;
        self.store_before(&message, now)?;
        self.store_waiting(&message, now.at)?;
        let held = Delivery::unreached(device, now.at).apply(Event::Store, now.at)?;
        Ok(Accepted::Answer(Delivered::Known(held)))
    }

    /// Stores a message that waits since `held_at`.
    pub(in crate::mailbox) fn store_waiting(
        &mut self,
        message: &Message,
        held_at: Millis,
    ) -> Result<(), StoreError> {
        rows::insert(&self.store, message, held_at, None)?;
        self.row_added(message.size, message.expires_at)?;
        self.inbox.backlog = true;
        let key = Key::of(message);
        if self.inbox.cursor.is_some_and(|cursor| key < cursor) {
            self.inbox.cursor = None;
        }
        self.effects.push(Effect::Ready);
        Ok(())
    }

    /// What a mailbox without a device says of a message: perhaps it had been taken when the device went.
    fn refused_before(&self, id: MessageId) -> Result<Delivered, StoreError> {
        let found = match self.account {
            Some(_) => rows::find(&self.store, id)?,
            None => None,
        };
        Ok(match found {
            Some(Found::Settled(delivery)) => Delivered::Known(delivery),
            _ => Delivered::UnknownDevice,
        })
    }

    /// Whether a message can go on the wire at once, because nothing waits before it.
    fn is_free(&self, message: &Message, now: Now) -> bool {
        let link = self.link.as_ref();
        link.is_some_and(|link| link.window(&self.limits) > 0)
            && !self.inbox.backlog
            && self.inbox.queue.is_empty()
            && !self.is_reserved(now)
            && !self
                .inbox
                .lost
                .holds_up_line(Key::of(message).rank, &message.from)
    }

    /// What a message with a topic replaces, stored or not, with the bytes of each.
    fn same_topic(&self, message: &Message) -> Result<Vec<(MessageId, u64)>, StoreError> {
        let Some(topic) = &message.topic else {
            return Ok(Vec::new());
        };
        let entries = self.link.iter().flat_map(|link| &link.in_flight);
        let unstored = entries.filter_map(|(id, entry)| match &entry.store {
            Stored::Not(other)
                if other.from == message.from && other.topic.as_ref() == Some(topic) =>
            {
                Some((*id, u64::from(other.size)))
            }
            _ => None,
        });
        let queued = self.inbox.queue.values().filter(|queued| {
            queued.message.from == message.from && queued.message.topic.as_ref() == Some(topic)
        });
        let queued = queued.map(|queued| (queued.message.id, u64::from(queued.message.size)));
        let unstored = unstored.chain(queued);
        let stored = rows::of_topic(&self.store, &message.from, topic)?;
        let stored = stored.into_iter().map(|held| (held.key.id, held.size));
        Ok(unstored.chain(stored).collect())
    }

    /// Whether the message that has to come first is here or was.
    fn follows(&mut self, id: MessageId) -> Result<bool, StoreError> {
        let on_the_wire = self
            .link
            .as_ref()
            .is_some_and(|link| link.in_flight.contains_key(&id));
        if on_the_wire || self.queued(id).is_some() || rows::find(&self.store, id)?.is_some() {
            return Ok(true);
        }
        // One that the device has not answered, and that is forgotten before its sender's mailbox knows how
        // it ended, is tried again.
        let mut recent = self.inbox.recent.iter();
        Ok(recent.any(|(known, delivery)| *known == id && delivery.state.is_answer()))
    }

    /// When something stored is due: an expiry, a message that was sent and not acknowledged, or a suspect.
    /// The table is not gone through for it: see [`Mailbox::expire`].
    pub(in crate::mailbox) fn inbox_due(&mut self, now: Now) -> Result<Option<Millis>, StoreError> {
        let rows = self.rows()?;
        if rows.messages == 0 {
            rows.expires_at = None;
            return Ok(None);
        }
        let expires_at = self.next_expiry()?;
        let retry_at = rows::next_retry(&self.store, now.at)?;
        // A suspect whose time has come waits for the wire to be empty.
        let suspect = self.next_suspect(now);
        let in_flight = self.link.iter().flat_map(|link| link.in_flight.values());
        let due = in_flight.filter_map(|entry| match entry.store {
            Stored::Row { due_at } => Some(due_at),
            Stored::Not(_) => None,
        });
        Ok(due.chain(suspect).chain(expires_at).chain(retry_at).min())
    }
}
