//! What goes into a mailbox and what comes out of it, as values.
//!
//! [`Input`] is all that can happen to a mailbox, [`Output`] all that it wants done outside. Neither knows the
//! platform.

use std::rc::Rc;

use super::connection::ConnectionId;
use super::inbox::Page;
use crate::call::{Call, DeliveryStatus, Registered, Request, Status};
use crate::id::{DeviceId, MessageId};
use crate::message::{Message, Target};
use crate::problem::Problem;
use crate::protocol::{Codec, Frame};
use crate::store::StoreError;
use crate::time::Millis;
use crate::token::Claims;
use crate::trace::Trace;

/// Names a call to the mailbox. Whoever makes the calls numbers them, in their order; a number is used once in the
/// memory of a mailbox.
pub type CallId = u64;

/// Something that happens to a mailbox.
#[derive(Debug)]
pub enum Input {
    /// The mailbox was opened, and nothing has happened yet.
    Wake,
    /// It is asked something. It answers once, with [`Output::Reply`].
    Call {
        /// Which call.
        id: CallId,
        /// What is asked.
        request: Request,
        /// What came beside the call.
        enclosed: Option<String>,
    },
    /// Its device wants to open a connection. It answers once, with [`Output::Reply`].
    Open {
        /// Which call.
        id: CallId,
        /// The name of the connection.
        connection: ConnectionId,
        /// What is spoken over it.
        codec: &'static dyn Codec,
        /// The token.
        claims: Claims,
        /// How many messages the device wants in flight at most; no more than the limit are.
        window: Option<u32>,
    },
    /// A frame came over a connection.
    Frame {
        /// Which connection.
        connection: ConnectionId,
        /// The frame.
        frame: Frame,
    },
    /// A connection is gone, with or without a close.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// A call of its own, [`Output::Call`], was answered, or failed.
    Returned {
        /// Whose mailbox was called.
        from: DeviceId,
        /// What for.
        purpose: CallPurpose,
        /// The answer; `None` where there is none.
        answer: Option<String>,
    },
    /// The devices of the targets that [`Output::Resolve`] asked for: at most one more than `MAX_FANOUT` of each. A
    /// target that is not among them has none.
    Resolved(Result<Vec<(Target, Vec<DeviceId>)>, Problem>),
    /// The device was entered into the directory, as [`Output::Register`] asked, or could not be.
    Registered {
        /// Whether it was.
        entered: bool,
    },
    /// The alarm went off, now or a while ago.
    Alarm,
    /// The time has come that [`super::Mailbox::poll_timeout`] named. It counts as come whatever the clock shows: that
    /// may have been set back.
    Timeout(Millis),
}

/// Something that has to happen outside, in the order given.
#[derive(Debug)]
pub enum Output {
    /// Accept the socket of this connection, which [`Input::Open`] named.
    Accept(ConnectionId),
    /// Send this frame.
    Send {
        /// Over which connection.
        connection: ConnectionId,
        /// The frame.
        frame: Frame,
    },
    /// Close the connection. The mailbox has released it already.
    Close {
        /// Which.
        connection: ConnectionId,
        /// The WebSocket close code.
        code: u16,
        /// The reason that goes with it.
        reason: &'static str,
    },
    /// Attach this text to the connection's socket, to be handed to [`super::Mailbox::open`].
    Attach {
        /// Which.
        connection: ConnectionId,
        /// The text.
        attachment: String,
    },
    /// Make this call, and hand in its answer as [`Input::Returned`].
    Call {
        /// Whose mailbox.
        to: DeviceId,
        /// What for.
        purpose: CallPurpose,
        /// The call.
        call: Call,
        /// What goes beside it: the same text for all calls that hand over the same message.
        enclosed: Option<Rc<str>>,
    },
    /// Look up the devices of these tags and expressions, and hand them in as [`Input::Resolved`]. One such query is under way at a
    /// time.
    Resolve(Vec<Target>),
    /// Enter this device into the directory, and say so with [`Input::Registered`]. One such query is under way at a
    /// time.
    Register(DeviceId),
    /// Answer a call.
    Reply(CallId, Reply),
    /// Set the alarm, for [`Input::Alarm`] at this time or earlier.
    Alarm(Millis),
}

/// The answer to a call.
#[derive(Debug)]
pub enum Reply {
    /// The caller cannot have what it asked for.
    Problem(Problem),
    /// What came beside the call cannot be read: another version of the service made it. Says why.
    NotUnderstood(String),
    /// The connection is open.
    Opened,
    /// To [`Call::Publish`].
    Published(Trace),
    /// To [`Call::Trace`] and [`Call::Cancel`].
    Trace(Trace),
    /// To [`Call::Messages`].
    Messages {
        /// The messages, newest first.
        traces: Vec<Trace>,
        /// Whether there may be more before them.
        more: bool,
        /// When the newest message was accepted whose retention ended early, for want of room.
        truncated_before: Option<Millis>,
    },
    /// To [`Call::Inbox`]: messages, each with its attempt.
    Polled(Vec<(Message, u32)>),
    /// To [`Call::Waiting`].
    Waiting(Page),
    /// To [`Call::Ack`] and [`Call::Nack`].
    Done,
    /// To [`Call::MayAsk`] and [`Call::Report`].
    Taken,
    /// To [`Call::Status`].
    Status(Status),
    /// To [`Call::Register`], [`Call::Revoke`] and [`Call::Remove`].
    Registered(Registered),
    /// To [`Call::Deliver`], [`Call::CancelDelivery`] and [`Call::GetDelivery`].
    Delivery(DeliveryStatus),
}

/// What a call to another mailbox is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallPurpose {
    /// Handing over this message.
    Deliver(MessageId),
    /// Taking this message back.
    Cancel(MessageId),
    /// Reporting deliveries that were settled.
    Report,
    /// Asking for the state of a delivery, for the trace that this call wants.
    GetDelivery(CallId),
}

/// Why something had no effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The caller asked for something that cannot be; nothing was changed.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
