//! What a mailbox wants done outside, and why it did nothing.

use std::rc::Rc;

use super::connection::ConnectionId;
use crate::call::{Call, DeliveryStatus};
use crate::id::{DeviceId, MessageId};
use crate::message::Target;
use crate::problem::Problem;
use crate::protocol::Frame;
use crate::publish::Draft;
use crate::store::StoreError;
use crate::time::Millis;
use crate::trace::Trace;

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
    /// Make this call, and hand its answer to [`super::Mailbox::returned`].
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
    /// Resolve the target of a published frame, one after the other, and go on with
    /// [`super::Mailbox::publish_frame`].
    Resolve(Box<PublishFrame>),
    /// Have [`super::Mailbox::alarm`] called at this time or earlier.
    Alarm(Millis),
    /// Have [`super::Mailbox::tick`] called at this time, at most a tenth of a second from now, and stay awake till then.
    Tick(Millis),
    /// Answer the calls to deliver this message that wait.
    Delivered(MessageId, DeliveryStatus),
    /// Answer the publishes that wait for this message.
    Published(MessageId, Result<Trace, Problem>),
    /// Every delivery of this message is in a terminal state: its traces need not wait any longer.
    Settled(MessageId),
    /// All that can be taken back of this message is.
    Cancelled(MessageId),
    /// There is something to take: polls need not wait any longer.
    Ready,
    /// Tokens were revoked: whoever waits for an answer is to be admitted again, with [`super::Mailbox::admit`].
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
pub enum CallPurpose {
    /// Handing over this message.
    Deliver(MessageId),
    /// Taking this message back.
    Cancel(MessageId),
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
