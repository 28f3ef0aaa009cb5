//! What the inbox and the outbox report to the router, because calls may be waiting for it.
//!
//! They do not know which calls wait, or whether any do.

use super::output::Output;
use crate::call::DeliveryStatus;
use crate::delivery::State;
use crate::failure::FailedDelivery;
use crate::id::{MessageId, Sender};
use crate::message::{Message, Urgency};
use crate::problem::Problem;
use crate::protocol::Receipt;
use crate::time::Millis;
use crate::token::TokenId;
use crate::trace::Trace;
use crate::watch::Watched;
use crate::web_push::channel::Channel;

/// Something that calls may be waiting for.
#[derive(Debug)]
pub(super) enum News {
    /// A call to deliver this message was handled: calls that wait behind it can continue.
    Arrived(MessageId),
    /// The result for the calls that deliver this message.
    Delivered(MessageId, DeliveryStatus),
    /// The answer to the publish of this message.
    Published(MessageId, Result<Trace, Problem>),
    /// Every delivery of this message is in a terminal state.
    Settled(MessageId),
    /// Every delivery of this message that can be cancelled is cancelled.
    Cancelled(MessageId),
    /// There is a message to poll.
    Pollable,
    /// A message waits for a connection or a poll: its urgency, and when it expires.
    Waits(Urgency, Millis),
    /// A message is to be posted to the address of the webhook, as this attempt.
    Post(Box<Message>, u32),
    /// These receipts are to be posted to the address of the webhook.
    PostReceipts(Vec<Receipt>),
    /// The connection has ended.
    Disconnected,
    /// A message of a channel, for which a receipt was requested, is in a terminal state.
    PushSettled(MessageId, Sender, State),
    /// Messages, for which receipts were requested, have ended with their channel; oldest first.
    PushEnded(Vec<MessageId>),
    /// There is a receipt for this message of this channel.
    ReceiptKept(MessageId, Channel),
    /// A channel has ended.
    ChannelEnded(Channel),
    /// A delivery of a message of this device has failed, and that is stored.
    Failed(Box<FailedDelivery>),
    /// All tokens were revoked.
    Revoked,
    /// This token was revoked.
    TokenRevoked(TokenId),
    /// The device was removed.
    Removed,
    /// Something that watchers are told.
    Watched(Watched),
}

/// A result of an event.
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
