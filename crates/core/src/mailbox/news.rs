//! What the inbox and the outbox tell the router about: something that calls may be waiting for.
//!
//! They do not know who waits, nor whether anybody does.

use super::output::Output;
use crate::call::DeliveryStatus;
use crate::id::MessageId;
use crate::problem::Problem;
use crate::trace::Trace;

/// Something that calls may be waiting for.
#[derive(Debug)]
pub(super) enum News {
    /// A call to deliver this message was handled: those that follow it may be, too.
    Arrived(MessageId),
    /// What became of a message that calls to deliver it wait for.
    Delivered(MessageId, DeliveryStatus),
    /// The answer to the publish of this message.
    Published(MessageId, Result<Trace, Problem>),
    /// Every delivery of this message is in a terminal state.
    Settled(MessageId),
    /// All that can be taken back of this message is.
    Cancelled(MessageId),
    /// There is something for a poll to take.
    Pollable,
    /// Tokens were revoked.
    Revoked,
}

/// What comes of an event, in its order.
#[derive(Debug)]
pub(super) enum Effect {
    Output(Output),
    News(News),
}

impl From<Output> for Effect {
    fn from(output: Output) -> Self {
        Self::Output(output)
    }
}

impl From<News> for Effect {
    fn from(news: News) -> Self {
        Self::News(news)
    }
}
