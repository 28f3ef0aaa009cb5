//! The inputs and outputs of a mailbox, as values.
//!
//! [`Input`] is everything that can happen to a mailbox, [`Output`] everything that it wants done outside. Neither
//! depends on the platform.

use std::rc::Rc;

use super::connection::{Chain, ConnectionId};
use super::inbox::Page;
use crate::call::{
    Call, ChannelStatus, DeliveryStatus, IssuedCode, Posted, PushReceipt, PushState, Pushed,
    Registered, Request, Status, Subscribed, SubscriptionStatus, WebhookTried,
};
use crate::failure::{FailedDelivery, PayloadSources, ResendPlan};
use crate::hook::Revocations;
use crate::id::{DeviceId, MessageId};
use crate::message::{Message, Target, Urgency};
use crate::problem::Problem;
use crate::protocol::{Codec, Frame};
use crate::store::StoreError;
use crate::time::Millis;
use crate::token::Claims;
use crate::trace::Trace;
use crate::wake::{Endpoint, KnockAnswer, SubscriptionId};
use crate::webhook::{Post, PostError, PostResponse, Secret, WebhookStatus};

/// Identifies a call to the mailbox. The shell numbers the calls in the order of their arrival. A number is used once
/// in the lifetime of a mailbox in memory.
pub type CallId = u64;

/// Something that happens to a mailbox.
#[derive(Debug)]
pub enum Input {
    /// The mailbox was opened, and nothing has happened yet.
    Wake,
    /// A call. It is answered once, with [`Output::Reply`].
    Call {
        /// Which call.
        id: CallId,
        /// The request.
        request: Request,
        /// The text that came with the call.
        enclosed: Option<String>,
    },
    /// The device wants to open a connection. It is answered once, with [`Output::Reply`].
    Open {
        /// Which call.
        id: CallId,
        /// The name of the connection.
        connection: ConnectionId,
        /// Its protocol.
        codec: &'static dyn Codec,
        /// The token.
        claims: Claims,
        /// The in-flight window that the device asks for. The limit applies, too.
        window: Option<u32>,
        /// Where the device reaches the service, for the endpoints of its channels.
        origin: Option<String>,
    },
    /// Somebody wants to watch. It is answered once, with [`Output::Reply`].
    Watch {
        /// Which call.
        id: CallId,
        /// The name of the watcher's socket, of which only frames and the end are inputs.
        connection: ConnectionId,
        /// The token of the device; `None` if it is the operator.
        caller: Option<Claims>,
        /// Whether the watcher is told payloads.
        payload: bool,
    },
    /// A frame was received over a connection.
    Frame {
        /// Which connection.
        connection: ConnectionId,
        /// The frame.
        frame: Frame,
    },
    /// A connection is gone, with or without a close frame.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// An [`Output::Call`] was answered, or failed.
    Returned {
        /// Whose mailbox was called.
        from: DeviceId,
        /// What for.
        purpose: CallPurpose,
        /// The answer; `None` if the call failed.
        answer: Option<String>,
    },
    /// The devices of the targets of an [`Output::Resolve`]: for each target at most one more than `MAX_FANOUT`. A
    /// target that is missing has none.
    Resolved(Result<Vec<(Target, Vec<DeviceId>)>, Problem>),
    /// The result of an [`Output::Register`].
    Registered {
        /// Whether the device is in the directory.
        entered: bool,
    },
    /// A push service has answered an [`Output::Knock`], or could not be reached.
    Knocked {
        /// Which subscription.
        subscription: SubscriptionId,
        /// The number of the knock.
        number: i64,
        /// The answer.
        answer: KnockAnswer,
    },
    /// The directory has answered an [`Output::Record`], or could not be reached. It may be missing.
    Recorded {
        /// The number of the record.
        number: u64,
        /// Whether the failures are stored.
        taken: bool,
    },
    /// An [`Output::Post`] was answered, or could not be made.
    Posted {
        /// What for.
        purpose: PostPurpose,
        /// The chain of the output.
        chain: Chain,
        /// The answer, or why there is none.
        outcome: Result<PostResponse, PostError>,
        /// How long it took, in milliseconds.
        millis: u32,
    },
    /// The alarm went off, now or earlier.
    Alarm,
    /// This time, which [`super::Mailbox::poll_timeout`] named, has passed. It counts as passed even if the clock shows
    /// less: the clock may have been set back.
    Timeout(Millis),
}

/// Something that has to happen outside, in the order given.
#[derive(Debug)]
pub enum Output {
    /// Accept the socket of this connection, which [`Input::Open`] or [`Input::Watch`] named.
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
        /// The reason in the close frame.
        reason: &'static str,
    },
    /// Attach this text to the connection's socket. [`super::Mailbox::open`] gets it back.
    Attach {
        /// Which.
        connection: ConnectionId,
        /// The text.
        attachment: String,
    },
    /// Make this call. Its answer is an [`Input::Returned`].
    Call {
        /// Whose mailbox.
        to: DeviceId,
        /// What for.
        purpose: CallPurpose,
        /// The call.
        call: Call,
        /// The text that goes with it, shared by all calls that deliver the same message.
        enclosed: Option<Rc<str>>,
    },
    /// Look up the devices of these tags and expressions. The answer is an [`Input::Resolved`]. Only one such query
    /// runs at a time.
    Resolve(Vec<Target>),
    /// Add this device to the directory. The answer is an [`Input::Registered`]. Only one such query runs at a time.
    Register(DeviceId),
    /// Knock at this device: publish a push without a body. The answer is an [`Input::Knocked`]; it may be missing.
    Knock {
        /// Which subscription.
        subscription: SubscriptionId,
        /// The number of the knock, for its answer.
        number: i64,
        /// Where to.
        endpoint: Endpoint,
        /// Where the device reaches this service, which is how the service introduces itself.
        origin: String,
        /// For how many seconds the push service may keep it.
        ttl: u32,
        /// The greatest urgency of the messages that it is for.
        urgency: Urgency,
    },
    /// List these failures in the directory, at most 100; one that is listed already changes nothing, unless it was sent
    /// again. The answer is an [`Input::Recorded`].
    Record {
        /// For the answer.
        number: u64,
        /// The failures, oldest first.
        failures: Vec<FailedDelivery>,
        /// How many others were dropped since the last record, because too many were waiting.
        dropped: u32,
    },
    /// Make this request, and follow no redirect. The answer is an [`Input::Posted`].
    Post {
        /// What for.
        purpose: PostPurpose,
        /// For the answer.
        chain: Chain,
        /// The request.
        post: Post,
    },
    /// Tell the operator that nothing is posted any longer: the address of the webhook has said that it is gone.
    AddressGone,
    /// Answer a call.
    Reply(CallId, Reply),
    /// Set the alarm, for [`Input::Alarm`] at this time or earlier.
    Alarm(Millis),
}

/// The answer to a call.
#[derive(Debug)]
pub enum Reply {
    /// The request is refused.
    Problem(Problem),
    /// The text that came with the call cannot be read, with the cause. Another version of the service made it.
    NotUnderstood(String),
    /// The connection is open, or the watcher watches.
    Opened,
    /// To [`Call::Publish`].
    Published(Trace),
    /// To [`Call::PublishFromHook`].
    Posted(Posted),
    /// To [`Call::Trace`] and [`Call::Cancel`].
    Trace(Trace),
    /// To [`Call::Messages`].
    Messages {
        /// The messages, newest first.
        traces: Vec<Trace>,
        /// Whether there may be more before them.
        more: bool,
        /// When the newest message was accepted whose retention ended early, because storage was full.
        truncated_before: Option<Millis>,
    },
    /// To [`Call::Inbox`]: messages, each with its attempt.
    Polled(Vec<(Message, u32)>),
    /// To [`Call::Waiting`].
    Waiting(Page),
    /// To [`Call::Ack`], [`Call::Nack`], [`Call::Progress`], [`Call::RevokeToken`] and [`Call::RevokeHooks`].
    Done,
    /// To [`Call::MayAsk`], [`Call::Report`] and [`Call::ReportProgress`].
    Taken,
    /// To [`Call::Status`].
    Status(Status),
    /// To [`Call::Register`], [`Call::Revoke`] and [`Call::Remove`].
    Registered(Registered),
    /// To [`Call::IssueCode`].
    IssuedCode(IssuedCode),
    /// To [`Call::ExchangeCode`].
    Paired(Claims),
    /// To [`Call::Revocations`].
    Revocations(Revocations),
    /// To [`Call::Deliver`], [`Call::CancelDelivery`] and [`Call::GetDelivery`].
    Delivery(DeliveryStatus),
    /// To [`Call::FindPayload`].
    PayloadSources(PayloadSources),
    /// To [`Call::GetPayload`]; `None` if it is not here.
    Payload(Option<Message>),
    /// To [`Call::PlanResend`].
    ResendPlan(ResendPlan),
    /// To [`Call::Push`].
    Pushed(Pushed),
    /// To [`Call::PushState`].
    PushState(PushState),
    /// To [`Call::PushReceipts`].
    PushReceipts(Option<Vec<PushReceipt>>),
    /// To [`Call::Channels`].
    Channels(Vec<ChannelStatus>),
    /// To [`Call::TakeEvents`]: the number of the last that was taken.
    EventsTaken(i64),
    /// To [`Call::Subscribe`].
    Subscribed(Subscribed),
    /// To [`Call::Subscriptions`].
    Subscriptions(Vec<SubscriptionStatus>),
    /// To [`Call::SetWebhook`] and [`Call::GetWebhook`].
    Webhook {
        /// The webhook.
        webhook: WebhookStatus,
        /// Its secret, if it is new.
        secret: Option<Secret>,
    },
    /// To [`Call::RotateWebhook`].
    WebhookSecret(Secret),
    /// To [`Call::TestWebhook`].
    WebhookTried(WebhookTried),
}

/// What a call to another mailbox is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallPurpose {
    /// Delivering this message.
    Deliver(MessageId),
    /// Cancelling this message.
    Cancel(MessageId),
    /// Reporting settled deliveries.
    Report,
    /// Reporting that the device works on a message.
    ReportProgress,
    /// Telling of events.
    TakeEvents,
    /// Asking for the state of a delivery, for the trace that this call reads.
    GetDelivery(CallId),
}

/// What a request to the address of a webhook is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostPurpose {
    /// A message.
    Message {
        /// Which.
        id: MessageId,
        /// The number of the attempt.
        attempt: u32,
    },
    /// Receipts.
    Receipts {
        /// The number of the request.
        batch: u32,
        /// The number of the last receipt.
        seq: i64,
    },
    /// To try the address, for this call.
    Test(CallId),
}

/// Why something had no effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The request is refused; nothing was changed.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
