//! The mailbox of one device: its presence, its inbox and its outbox, as a state machine.
//!
//! Events are methods that take [`Now`]; what has to happen outside is read from
//! [`Mailbox::take_effects`] after each. Between two events a mailbox may be dropped and opened again:
//! it goes on from its rows and from what it attached to its socket.
//!
//! Its invariants:
//! - a delivery is decided here, by the addressed device's mailbox, and recorded in the sender's;
//! - a call to deliver is answered once the message is acknowledged, stored or settled, never before;
//! - a settled delivery stays until the sender's mailbox has taken it; a receipt until its device has
//!   seen it;
//! - an alarm is set no later than the earliest thing due, and none when nothing is.
//!
//! A failed store makes the mailbox worthless: see [`StoreError`].

mod account;
mod connection;
mod events;
mod inbox;
mod outbox;
mod rate;
mod registration;
mod totals;

use std::rc::Rc;

use self::account::Account;
pub use self::connection::ConnectionId;
use self::connection::Link;
use self::inbox::Inbox;
pub use self::inbox::{Accepted, Early, Terms};
pub use self::inbox::{Page, Place, Waiting};
pub use self::outbox::Cancelled;
use self::outbox::Outbox;
pub use self::outbox::Published;
use crate::call::{Call, Delivered, Status};
use crate::id::{DeviceId, MessageId};
use crate::limits::Limits;
use crate::message::Target;
use crate::problem::Problem;
use crate::protocol::{Codecs, Frame};
use crate::publish::Draft;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::trace::Trace;

/// The mailbox of one device.
#[derive(Debug)]
pub struct Mailbox<S> {
    store: S,
    limits: Limits,
    account: Option<Account>,
    link: Option<Link>,
    inbox: Inbox,
    outbox: Outbox,
    /// What its reads may have other mailboxes asked.
    asks: rate::Bucket,
    /// The alarm is set no later than this.
    alarm: Option<Millis>,
    /// What it is set to outside is later.
    alarm_moved: bool,
    effects: Vec<Effect>,
}

/// Something that has to happen outside, in the order given.
#[derive(Debug)]
pub enum Effect {
    /// Send this frame.
    Send {
        /// Over which connection.
        connection: ConnectionId,
        /// The frame.
        frame: Frame,
    },
    /// Close the connection. The mailbox has let go of it already.
    Close {
        /// Which.
        connection: ConnectionId,
        /// The WebSocket close code.
        code: u16,
        /// The reason that goes with it.
        reason: &'static str,
    },
    /// Attach this text to the connection's socket, to be handed to [`Mailbox::open`].
    Attach {
        /// Which.
        connection: ConnectionId,
        /// The text.
        attachment: String,
    },
    /// Make this call, and hand its answer to [`Mailbox::returned`].
    Call {
        /// Whose mailbox.
        to: DeviceId,
        /// What for.
        errand: Errand,
        /// The call.
        call: Call,
        /// What goes beside it: the same text for all calls that hand over the same message.
        enclosed: Option<Rc<str>>,
    },
    /// Resolve the target of a published frame, one after the other, and go on with
    /// [`Mailbox::publish_frame`].
    Resolve(Box<PublishFrame>),
    /// Have [`Mailbox::alarm`] called at this time or earlier.
    Alarm(Millis),
    /// Have [`Mailbox::tick`] called at this time, at most a tenth of a second from now, and stay awake till then.
    Tick(Millis),
    /// Answer the calls to deliver this message that wait.
    Delivered(MessageId, Delivered),
    /// Answer the publishes that wait for this message.
    Published(MessageId, Result<Trace, Problem>),
    /// Every delivery of this message is in a terminal state: its traces need not wait any longer.
    Settled(MessageId),
    /// All that can be taken back of this message is.
    Cancelled(MessageId),
    /// There is something to take: polls need not wait any longer.
    Ready,
    /// Tokens were revoked: whoever waits for an answer is to be admitted again, with [`Mailbox::admit`].
    Revoked,
}

/// A message that came in a frame, before its target is resolved.
#[derive(Debug)]
pub struct PublishFrame {
    /// The connection it came over.
    pub connection: ConnectionId,
    /// The device's own name for the frame.
    pub reference: Option<String>,
    /// To whom it is addressed.
    pub to: Target,
    /// The message.
    pub draft: Draft,
}

/// What a call to another mailbox is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Handing over this message.
    Deliver(MessageId),
    /// Taking this message back.
    Withdraw(MessageId),
    /// Reporting deliveries that were settled.
    Report,
}

/// Why an event had no effect.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The caller asked for something that cannot be; nothing was changed.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

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
        let links = attachments
            .iter()
            .filter_map(|text| Link::from_attachment(text, codecs));
        let mut mailbox = Self {
            store,
            limits,
            account,
            link: links.max_by_key(|link| link.connected_at),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            asks: rate::Bucket::default(),
            // One that should have gone off by now may have been lost with a crash.
            alarm: alarm.filter(|at| *at > now.at),
            alarm_moved: false,
            effects: Vec::new(),
        };
        if mailbox.account.is_some() {
            // One that is to come was set no later than what the inbox has due; one that kept failing, no later
            // than two minutes after the failure.
            let inbox_due = mailbox.alarm.is_none();
            mailbox.open_inbox(now)?;
            mailbox.open_outbox(now)?;
            mailbox.wake_for(inbox_due, now)?;
        }
        Ok(mailbox)
    }

    /// What has to happen outside since this was last asked, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        if let Some(link) = self.link.as_mut().filter(|link| link.changed) {
            let (connection, attachment) = (link.id, link.attachment());
            self.effects.push(Effect::Attach {
                connection,
                attachment,
            });
        }
        // Once an event: each time costs a row.
        if let Some(at) = self.alarm.filter(|_| self.alarm_moved) {
            self.effects.push(Effect::Alarm(at));
        }
        self.alarm_moved = false;
        std::mem::take(&mut self.effects)
    }

    /// The alarm went off, now or a while ago: does everything that is due.
    ///
    /// # Errors
    /// The store failed.
    pub fn alarm(&mut self, now: Now) -> Result<(), StoreError> {
        self.alarm = None;
        // What this event does need not be asked for, as opening the mailbox for it has done.
        self.alarm_moved = false;
        if self.account.is_none() {
            return Ok(());
        }
        self.check_link(now)?;
        self.expire(now)?;
        self.send_again(now)?;
        self.pump(now)?;
        if self.link.is_none() && self.suspect_due(now).is_some() {
            self.effects.push(Effect::Ready);
        }
        self.report_all(now)?;
        self.outbox.calls_left = outbox::CALLS;
        self.work(now)?;
        self.clean_up(now)?;
        self.wake_for(true, now)
    }

    /// Presence and queue.
    ///
    /// # Errors
    /// The store failed.
    pub fn status(&mut self, now: Now) -> Result<Status, StoreError> {
        let online = self.is_online(&now);
        let (messages, held_bytes) = match self.account {
            Some(_) => self.held()?,
            None => (0, 0),
        };
        let polled = self.leased(now)?;
        let account = self.account.as_ref();
        let link = self.link.as_ref();
        let in_flight = match link {
            Some(link) => u32::try_from(link.in_flight.len()).unwrap_or(u32::MAX),
            None => 0,
        };
        let seen = link.map(|link| link.seen_at(&now));
        Ok(Status {
            known: self.device().is_some(),
            online,
            connected_at: link.filter(|_| online).map(|link| link.connected_at),
            last_seen_at: seen.max(account.and_then(|account| account.last_seen_at)),
            held: messages.saturating_sub(in_flight).saturating_sub(polled),
            in_flight: in_flight + polled,
            held_bytes,
        })
    }

    /// The device behind this mailbox, if there is one.
    fn device(&self) -> Option<&DeviceId> {
        let account = self.account.as_ref()?;
        (account.created_at > 0).then_some(&account.device)
    }

    /// Whether the device has a live socket.
    fn is_online(&self, now: &Now) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.is_alive(now, &self.limits))
    }

    /// Makes sure that the alarm is not later than `at`. An earlier one is left where it is: moving it
    /// costs a row, and what it finds not due yet it sets again.
    fn wake_by(&mut self, at: Millis) {
        if self.alarm.is_none_or(|alarm| at < alarm) {
            self.alarm = Some(at);
            self.alarm_moved = true;
        }
    }

    /// Sets the alarm to the earliest thing due, if there is one; what the inbox has due is looked for if
    /// `inbox`.
    fn wake_for(&mut self, inbox: bool, now: Now) -> Result<(), StoreError> {
        let inbox_due = if inbox { self.inbox_due(now)? } else { None };
        let due = [
            inbox_due,
            self.link_due(),
            self.reports_due(now),
            self.outbox_due(now)?,
        ];
        if let Some(at) = due.into_iter().flatten().min() {
            self.wake_by(at);
        }
        Ok(())
    }
}
