//! The mailbox of one device: its connection, its inbox and its outbox, as a state machine.
//!
//! This file is the router between the three, which do not know each other: the inbox and the outbox are lent the
//! connection and the [`Context`] for one event. Its methods are of three kinds:
//! - *inputs* take [`Now`]: calls of other mailboxes and of clients, frames, answers to calls, timers;
//! - *polls* take out what an input has left: [`Mailbox::take_effects`], to be asked after each;
//! - *queries* change nothing that is kept.
//!
//! Between two inputs a mailbox may be dropped and opened again: it goes on from its rows and from what it
//! attached to its socket.
//!
//! Its invariants:
//! - a delivery is decided by the recipient's mailbox, and recorded in the sender's;
//! - a call to deliver is answered once the message is acknowledged, stored or settled, never before;
//! - a settled delivery stays until the sender's mailbox has taken it; a receipt until its device has
//!   seen it;
//! - an alarm is set no later than the earliest thing due, and none when nothing is.
//!
//! A failed store makes the mailbox worthless: see [`StoreError`].

mod account;
mod connection;
mod context;
mod effect;
mod inbox;
mod outbox;
mod presence;
mod registration;
mod totals;

use serde_json::value::RawValue;

use self::account::Account;
use self::connection::Connection;
pub use self::connection::ConnectionId;
use self::context::Context;
pub use self::effect::{CallPurpose, Effect, Failure, PublishFrame};
use self::inbox::Inbox;
pub use self::inbox::{Accepted, Early, Page, Place, Terms, Waiting};
use self::outbox::Outbox;
pub use self::outbox::{Cancelled, Published};
use crate::call::{DeliveryStatus, Settled, TAKEN};
use crate::delivery::State;
use crate::id::{DeviceId, MessageId};
use crate::limits::Limits;
use crate::message::{Message, Target};
use crate::problem::Problem;
use crate::protocol::Codecs;
use crate::publish::Draft;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::trace::Trace;

/// The mailbox of one device.
#[derive(Debug)]
pub struct Mailbox<S> {
    cx: Context<S>,
    connection: Option<Connection>,
    inbox: inbox::Memory,
    outbox: outbox::Memory,
}

impl<S: Store> Mailbox<S> {
    fn inbox(&mut self) -> Inbox<'_, S> {
        Inbox {
            cx: &mut self.cx,
            connection: &mut self.connection,
            memory: &mut self.inbox,
        }
    }

    fn outbox(&mut self) -> Outbox<'_, S> {
        Outbox {
            cx: &mut self.cx,
            connection: &mut self.connection,
            memory: &mut self.outbox,
        }
    }

    /// Lets the inbox work, which may end the connection: the outbox is told then.
    fn receive<T>(
        &mut self,
        work: impl FnOnce(&mut Inbox<'_, S>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let outcome = work(&mut self.inbox())?;
        if let Some(ended) = self.cx.ended.take() {
            self.outbox().disconnected(&ended)?;
        }
        Ok(outcome)
    }
}

/// Opening, timers, effects.
impl<S: Store> Mailbox<S> {
    /// Opens the mailbox over its rows and the attachments of its open sockets, which speak one of these
    /// protocols, with the time that its alarm is set to.
    ///
    /// # Errors
    /// The store failed.
    pub fn open(
        store: S,
        limits: Limits,
        codecs: &Codecs,
        attachments: &[String],
        alarm: Option<Millis>,
        now: Now,
    ) -> Result<Self, StoreError> {
        let account = Account::load(&store)?;
        let connections = attachments.iter();
        let connections = connections.filter_map(|text| Connection::from_attachment(text, codecs));
        let mut mailbox = Self {
            cx: Context {
                store,
                limits,
                account,
                rows: None,
                recounted_at: 0,
                ended: None,
                // One that should have gone off by now may have been lost with a crash.
                alarm: alarm.filter(|at| *at > now.at),
                alarm_moved: false,
                effects: Vec::new(),
            },
            connection: connections.max_by_key(|connection| connection.connected_at),
            inbox: inbox::Memory::default(),
            outbox: outbox::Memory::default(),
        };
        if mailbox.cx.account.is_some() {
            // One that is to come was set no later than what the inbox has due; one that kept failing, no later
            // than two minutes after the failure.
            let inbox_due = mailbox.cx.alarm.is_none();
            mailbox.inbox().open(now)?;
            mailbox.outbox().open(now)?;
            mailbox.wake_for(inbox_due, now)?;
        }
        Ok(mailbox)
    }

    /// What has to happen outside since this was last asked, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        debug_assert!(self.cx.ended.is_none(), "the outbox was not told");
        if let Some(connection) = self.connection.as_mut().filter(|it| it.stale) {
            let (id, attachment) = (connection.id, connection.attachment());
            self.cx.effects.push(Effect::Attach {
                connection: id,
                attachment,
            });
        }
        // Once an event: each time costs a row.
        if let Some(at) = self.cx.alarm.filter(|_| self.cx.alarm_moved) {
            self.cx.effects.push(Effect::Alarm(at));
        }
        self.cx.alarm_moved = false;
        if cfg!(debug_assertions) {
            self.inbox().assert_memory();
            self.outbox().assert_memory();
        }
        std::mem::take(&mut self.cx.effects)
    }

    /// Asserts that memory and rows agree. Tests do so after each event; it takes statements of its own, and
    /// changes nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn assert_rows(&mut self) -> Result<(), StoreError> {
        if cfg!(debug_assertions) && self.cx.account.is_some() {
            self.inbox().assert_rows()?;
            self.outbox().assert_rows()?;
        }
        Ok(())
    }

    /// The alarm went off, now or a while ago: does everything that is due.
    ///
    /// # Errors
    /// The store failed.
    pub fn alarm(&mut self, now: Now) -> Result<(), StoreError> {
        self.cx.alarm = None;
        // What this event does need not be asked for, as opening the mailbox for it has done.
        self.cx.alarm_moved = false;
        if self.cx.account.is_none() {
            return Ok(());
        }
        self.receive(|inbox| inbox.alarm(now))?;
        self.outbox().alarm(now)?;
        self.wake_for(true, now)
    }

    /// The time that [`Effect::Tick`] named has come.
    ///
    /// # Errors
    /// The store failed.
    pub fn tick(&mut self, now: Now) -> Result<(), StoreError> {
        self.outbox().tick(now)?;
        self.inbox().tick(now)
    }

    /// Sets the alarm to the earliest thing due, if there is one; what the inbox has due is looked for if
    /// `inbox`.
    fn wake_for(&mut self, inbox: bool, now: Now) -> Result<(), StoreError> {
        let inbox_due = match inbox {
            true => self.inbox().next_due(now)?,
            false => None,
        };
        let due = [
            inbox_due,
            self.token_expires_at(),
            self.inbox().reports_due(now),
            self.outbox().next_due(now)?,
        ];
        if let Some(at) = due.into_iter().flatten().min() {
            self.cx.wake_by(at);
        }
        Ok(())
    }
}

/// What other mailboxes call, and how calls to them return.
impl<S: Store> Mailbox<S> {
    /// A sender's mailbox brings a message for this device.
    ///
    /// # Errors
    /// The store failed.
    pub fn deliver(
        &mut self,
        message: Message,
        terms: Terms,
        now: Now,
    ) -> Result<Accepted, StoreError> {
        self.receive(|inbox| inbox.deliver(message, terms, now))
    }

    /// The acknowledgement of a message did not come in time: stores it, and answers its state.
    /// Changes nothing where the message is settled or stored already.
    ///
    /// # Errors
    /// The store failed.
    pub fn wait_is_over(&mut self, id: MessageId, now: Now) -> Result<DeliveryStatus, StoreError> {
        self.receive(|inbox| inbox.wait_is_over(id, now))
    }

    /// A sender's mailbox takes a message back, also one that has not come.
    ///
    /// # Errors
    /// The store failed.
    pub fn cancel_delivery(
        &mut self,
        id: MessageId,
        from: &DeviceId,
        now: Now,
    ) -> Result<DeliveryStatus, StoreError> {
        self.receive(|inbox| inbox.cancel_delivery(id, from, now))
    }

    /// A sender's mailbox asks for the state of a delivery.
    ///
    /// # Errors
    /// The store failed.
    pub fn get_delivery(&mut self, id: MessageId, now: Now) -> Result<DeliveryStatus, StoreError> {
        self.inbox().get_delivery(id, now)
    }

    /// A recipient's mailbox reports deliveries that were settled. Those of messages that this mailbox
    /// does not know were never answered, or are no longer kept.
    ///
    /// # Errors
    /// `unavailable` while one of the messages is being handed over: its mailbox has to know it until
    /// that call is over, or would take it for a new one. The store failed.
    pub fn take_report(&mut self, settled: Vec<Settled>, now: Now) -> Result<(), Failure> {
        self.outbox().take_report(settled, now)
    }

    /// A mailbox has answered a call, or could not be reached.
    ///
    /// # Errors
    /// The store failed.
    pub fn returned(
        &mut self,
        from: &DeviceId,
        purpose: CallPurpose,
        answer: Option<&str>,
        now: Now,
    ) -> Result<(), StoreError> {
        let delivered =
            || answer.and_then(|text| serde_json::from_str::<DeliveryStatus>(text).ok());
        match purpose {
            // Anything else is said by a version that means something else by it.
            CallPurpose::Report => self.inbox().reported(from, answer == Some(TAKEN), now),
            CallPurpose::Cancel(id) => self.outbox().cancel_answered(id, from, delivered(), now),
            CallPurpose::Deliver(id) => match self.outbox().called(id, from, delivered(), now)? {
                true => self.wake_for(true, now),
                false => Ok(()),
            },
        }
    }
}

/// What the device does as a recipient, besides over its connection.
impl<S: Store> Mailbox<S> {
    /// The device has taken a message: `reply` is what it answers. Unknown and settled ids change
    /// nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn ack(
        &mut self,
        id: MessageId,
        reply: Option<Box<RawValue>>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.receive(|inbox| inbox.ack(id, reply, now))
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
        self.receive(|inbox| inbox.nack(id, reason, now))
    }

    /// Takes up to `limit` messages for a device without a WebSocket, each with its attempt, and fewer
    /// where they are large. They count as sent, and come again when they are not acknowledged in time.
    ///
    /// # Errors
    /// The store failed.
    pub fn poll(&mut self, limit: u32, now: Now) -> Result<Vec<(Message, u32)>, StoreError> {
        if self.inbox().seen_polling(now) {
            self.outbox().note_receipts(None)?;
        }
        self.inbox().poll(limit, now)
    }

    /// Query: up to `limit` messages that wait for the device, after `after`; fewer where their payloads are large.
    ///
    /// # Errors
    /// `unknown_device`, or the store failed.
    pub fn list_waiting(
        &mut self,
        limit: u32,
        after: Option<Place>,
        payload: bool,
        now: Now,
    ) -> Result<Page, Failure> {
        self.inbox().list_waiting(limit, after, payload, now)
    }
}

/// What the device does as a sender, besides over its connection.
impl<S: Store> Mailbox<S> {
    /// Accepts a message of this device. `devices` is what its target resolved to, or one more than
    /// `MAX_FANOUT` of them.
    ///
    /// # Errors
    /// `too_many_requests`, `outbox_full`, `unknown_tag`, `tag_too_large`,
    /// `idempotency_mismatch`, `unknown_device`, or the store failed.
    pub fn publish(
        &mut self,
        to: Target,
        devices: Vec<DeviceId>,
        draft: Draft,
        now: Now,
    ) -> Result<Published, Failure> {
        self.outbox().accept(to, devices, draft, None, now)
    }

    /// Takes a message back wherever it is not in a terminal state.
    ///
    /// # Errors
    /// `unknown_message`; `too_many_requests`; or the store failed.
    pub fn cancel(&mut self, id: MessageId, now: Now) -> Result<Cancelled, Failure> {
        self.outbox().cancel(id, now)
    }

    /// Counts a read of this device that asks up to `mailboxes` other mailboxes.
    ///
    /// # Errors
    /// `too_many_requests`, with the seconds after which the same read is let through.
    pub fn may_ask(&mut self, mailboxes: u32, now: Now) -> Result<(), Problem> {
        self.outbox().may_ask(mailboxes, now)
    }

    /// Query: a page of the trace of a message, and the devices on it whose mailboxes know more by now.
    ///
    /// # Errors
    /// `unknown_message`, or the store failed.
    pub fn trace(
        &mut self,
        id: MessageId,
        after: Option<&DeviceId>,
        limit: u32,
    ) -> Result<(Trace, Vec<DeviceId>), Failure> {
        self.outbox().trace(id, after, limit)
    }

    /// Query: the messages this device sent, newest first, and whether there may be more before them.
    ///
    /// # Errors
    /// The store failed.
    pub fn messages(
        &mut self,
        state: Option<State>,
        before: Option<MessageId>,
        limit: u32,
    ) -> Result<(Vec<Trace>, bool), StoreError> {
        self.outbox().messages(state, before, limit)
    }

    /// Query: when the newest message was accepted whose retention ended early, for want of room.
    pub fn truncated_before(&self) -> Option<Millis> {
        self.cx.account.as_ref()?.truncated_before
    }
}
