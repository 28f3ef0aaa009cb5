//! The calls to a mailbox: from the Worker for a client, and from other mailboxes.
//!
//! A call is one request to one mailbox, with one answer. The Worker has checked the credential before
//! it calls; the mailbox checks only what it alone knows (revocation, rate, its own messages).
//! The shell transports calls.
//!
//! Whatever may be long (a draft, a message) is a separate text beside the call, so that all calls
//! that deliver one message share one text.

mod answer;
mod hook;
mod listed;
mod push;
mod timeout;
mod wake;
mod webhook;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::answer::{DeliveryStatus, IssuedCode, Progress, Registered, Settled, Status, TAKEN};
pub use self::hook::Posted;
pub use self::listed::ListedState;
pub use self::push::{ChannelStatus, PushReceipt, PushState, Pushed};
pub use self::timeout::{CLIENT_TIMEOUT, SERVICE_TIMEOUT};
pub use self::wake::{Subscribed, SubscriptionStatus};
pub use self::webhook::{WebhookAnswer, WebhookTried};

use crate::delivery::Withdrawal;
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::mailbox::Place;
use crate::message::Target;
use crate::publish::Resend;
use crate::time::Millis;
use crate::token::{Claims, Grant, TokenId};
use crate::trace;
use crate::wake::{Subscription, SubscriptionId};
use crate::web_push::channel::Channel;
use crate::webhook::{Secret, Setting};

/// One request to the mailbox of `device`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Whose mailbox this is; the platform does not tell an object its own name.
    #[serde(with = "crate::id::owner")]
    pub device: DeviceId,
    /// The token's claims, if the device itself asks; `None` for the admin key and for calls between
    /// mailboxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Claims>,
    /// The request.
    pub call: Call,
}

/// What a mailbox can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Accept a message from this device and deliver it to each of `devices`. The text beside the call is the
    /// JSON of a [`crate::publish::Draft`].
    Publish {
        /// The tag or device that the sender named.
        to: Target,
        /// The devices that `to` resolved to.
        devices: Vec<DeviceId>,
        /// Seconds to wait, as the draft says.
        wait: u32,
    },
    /// Accept a message from a hook of this device, as [`Self::Publish`] does; answered by a [`Posted`].
    PublishFromHook {
        /// The target of the hook.
        to: Target,
        /// The devices that `to` resolved to.
        devices: Vec<DeviceId>,
        /// Seconds to wait, as the draft says.
        wait: u32,
        /// How often the device's hooks had been revoked when this one was made.
        revocations: u32,
    },
    /// The trace of a message that this device sent.
    Trace {
        /// The message.
        id: MessageId,
        /// Seconds to wait until every delivery is in a terminal state.
        wait: u32,
        /// Only deliveries to devices after this one.
        #[serde(default)]
        after: Option<DeviceId>,
        /// At most this many deliveries.
        #[serde(default = "page")]
        limit: u32,
    },
    /// The messages that this device sent, newest first.
    Messages {
        /// Only messages in this state, or with a delivery in it.
        state: Option<ListedState>,
        /// At most this many.
        limit: u32,
        /// Only messages older than this one.
        before: Option<MessageId>,
    },
    /// Cancel every delivery of a message that is not in a terminal state.
    Cancel {
        /// The message.
        id: MessageId,
    },
    /// How a message that this device sent is sent again; answered by a [`ResendPlan`](crate::failure::ResendPlan).
    PlanResend {
        /// The message, and to whom.
        resend: Resend,
        /// The key of the request.
        key: Option<IdempotencyKey>,
    },
    /// Where the payload of a message that this device sent may be; answered by
    /// [`PayloadSources`](crate::failure::PayloadSources).
    FindPayload {
        /// The message.
        id: MessageId,
    },
    /// Messages for a device without a WebSocket; they count as sent.
    Inbox {
        /// At most this many.
        limit: u32,
        /// Seconds to wait for the first.
        wait: u32,
    },
    /// The messages held for this device; none counts as sent.
    Waiting {
        /// At most this many.
        limit: u32,
        /// Only messages after this place.
        after: Option<Place>,
        /// Whether to include the payloads.
        payload: bool,
    },
    /// The device acknowledges a message.
    Ack {
        /// The message.
        id: MessageId,
        /// Its reply.
        reply: Option<Box<RawValue>>,
    },
    /// The device rejects a message.
    Nack {
        /// The message.
        id: MessageId,
        /// Its reason.
        reason: Option<String>,
    },
    /// The device works on a message.
    Progress {
        /// The message.
        id: MessageId,
        /// For how many seconds; `None` is the time to acknowledge a message.
        seconds: Option<u32>,
        /// What it says about its work.
        note: Option<String>,
    },
    /// Presence and queue of this device; answered by a [`Status`].
    Status,
    /// A read of this device that asks up to `mailboxes` other mailboxes; answered by `[]`.
    MayAsk {
        /// How many mailboxes.
        mailboxes: u32,
    },
    /// Register the device if it is not known; answered by a [`Registered`].
    Register,
    /// Revoke all tokens of this device issued so far; answered by a [`Registered`].
    Revoke,
    /// Revoke one token of this device.
    RevokeToken {
        /// Which.
        id: TokenId,
        /// When it expires; `None` if it does not, or that is not known.
        expires_at: Option<Millis>,
    },
    /// Forget the device; answered by a [`Registered`].
    Remove,
    /// Issue a pairing code for this device, which ends an earlier one; answered by an [`IssuedCode`].
    IssueCode {
        /// What the token will permit.
        grant: Grant,
    },
    /// Exchange a pairing code; answered by the [`Claims`] of the token.
    ExchangeCode {
        /// The number in the code.
        number: i64,
    },
    /// What a new hook of this device has to know; answered by [`crate::hook::Revocations`].
    Revocations,
    /// Revoke all hooks of this device made so far.
    RevokeHooks,
    /// From a sender's mailbox: take this message for this device; answered by a [`DeliveryStatus`]. The text
    /// beside the call is the JSON of a [`crate::message::Message`].
    Deliver {
        /// Milliseconds to wait for the acknowledgement if the device is online.
        wait: u32,
        /// An earlier message that must have reached this mailbox first, if that is not certain yet.
        after: Option<MessageId>,
        /// When the caller stops waiting: a call that arrives later changes nothing.
        until: Millis,
    },
    /// From a recipient's mailbox: these deliveries of yours reached a terminal state; answered by `[]`.
    #[serde(rename = "receipts")]
    Report {
        /// The deliveries, oldest first.
        settled: Vec<Settled>,
    },
    /// From a recipient's mailbox: its device works on a message of yours; answered by `[]`. Nothing is lost if it is
    /// not.
    ReportProgress(Progress),
    /// From a sender's mailbox: cancel the delivery; answered by a [`DeliveryStatus`].
    #[serde(rename = "withdraw")]
    CancelDelivery {
        /// The message.
        id: MessageId,
        /// Its sender.
        #[serde(with = "crate::id::owner")]
        from: DeviceId,
        /// Why: [`Withdrawal::Cancelled`] or [`Withdrawal::Enough`].
        #[serde(default, skip_serializing_if = "Withdrawal::is_default")]
        reason: Withdrawal,
    },
    /// From an application server: take this message of a channel; answered by a [`Pushed`]. The text beside the call
    /// is the JSON of a [`crate::publish::Draft`], whose payload is a [`crate::web_push::content::Content`].
    Push {
        /// The channel.
        channel: Channel,
        /// When it was registered.
        since: Millis,
        /// Milliseconds to wait for the acknowledgement if the device is online.
        wait: u32,
    },
    /// From an application server: what became of this message, for which it has asked a receipt? Answered by a
    /// [`PushState`].
    PushState {
        /// The message.
        id: MessageId,
        /// Seconds to wait for its terminal state.
        wait: u32,
    },
    /// From an application server: the receipts of a channel; answered by a list of [`PushReceipt`]s, or null if there
    /// is no such channel.
    PushReceipts {
        /// The channel.
        channel: Channel,
        /// When it was registered.
        since: Millis,
        /// The application server has seen all receipts up to this one.
        seen: Option<i64>,
        /// Only those after this one: the others are on their way to the application server.
        after: Option<i64>,
        /// Seconds to wait for the first.
        wait: u32,
    },
    /// From an application server: delete the receipts of a channel, and keep none for the messages that it has sent.
    DropPushReceipts {
        /// The channel.
        channel: Channel,
        /// When it was registered.
        since: Millis,
    },
    /// From an application server: stop delivering this message of a channel.
    CancelPush {
        /// The message.
        id: MessageId,
    },
    /// The channels of this device.
    Channels,
    /// Remove a channel of this device, or all.
    RemoveChannels {
        /// The channel; `None` is all.
        channel: Option<Channel>,
    },
    /// Store where this device can be knocked; answered by a [`Subscribed`].
    Subscribe(Subscription),
    /// Where this device can be knocked.
    Subscriptions,
    /// Remove a subscription of this device, or all.
    Unsubscribe {
        /// The subscription; `None` is all.
        id: Option<SubscriptionId>,
    },
    /// Set the address that this device is; answered by a [`WebhookAnswer`].
    SetWebhook {
        /// What is set.
        setting: Setting,
        /// The secret that it has if it is the first.
        secret: Secret,
    },
    /// The webhook of this device; answered by a [`WebhookAnswer`].
    GetWebhook,
    /// Remove the webhook of this device.
    RemoveWebhook,
    /// Replace the secret of this device's webhook; answered by this secret.
    RotateWebhook {
        /// The new secret.
        secret: Secret,
    },
    /// Try the address of this device's webhook; answered by a [`WebhookTried`].
    TestWebhook,
    /// From a sender's mailbox: what state is the delivery in? Answered by a [`DeliveryStatus`].
    #[serde(rename = "look")]
    GetDelivery {
        /// The message.
        id: MessageId,
    },
    /// For its sender: a message for this device, waiting or kept because its delivery has failed; answered by the
    /// [`crate::message::Message`], or null.
    GetPayload {
        /// The message.
        id: MessageId,
        /// Its sender.
        #[serde(with = "crate::id::owner")]
        from: DeviceId,
    },
    /// To the mailbox from which the service publishes: publish these events of `from`'s mailbox; answered by the number
    /// of the last that was taken, then or before. The text beside the call is the JSON of a list of
    /// [`crate::operator_event::Numbered`], by number.
    TakeEvents {
        /// Whose mailbox tells of them.
        from: DeviceId,
    },
}

/// For callers of an earlier version, which do not send a limit.
fn page() -> u32 {
    trace::MAX_PAGE_DELIVERIES
}

impl Call {
    /// The call's name.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Publish { .. } => "publish",
            Call::PublishFromHook { .. } => "publish_from_hook",
            Call::Trace { .. } => "trace",
            Call::Messages { .. } => "messages",
            Call::Cancel { .. } => "cancel",
            Call::PlanResend { .. } => "plan_resend",
            Call::FindPayload { .. } => "find_payload",
            Call::GetPayload { .. } => "get_payload",
            Call::Inbox { .. } => "inbox",
            Call::Waiting { .. } => "waiting",
            Call::Ack { .. } => "ack",
            Call::Nack { .. } => "nack",
            Call::Progress { .. } => "progress",
            Call::Status => "status",
            Call::MayAsk { .. } => "may_ask",
            Call::Register => "register",
            Call::Revoke => "revoke",
            Call::RevokeToken { .. } => "revoke_token",
            Call::Remove => "remove",
            Call::IssueCode { .. } => "issue_code",
            Call::ExchangeCode { .. } => "exchange_code",
            Call::Revocations => "revocations",
            Call::RevokeHooks => "revoke_hooks",
            Call::Deliver { .. } => "deliver",
            Call::Report { .. } => "receipts",
            Call::ReportProgress(_) => "report_progress",
            Call::CancelDelivery { .. } => "withdraw",
            Call::GetDelivery { .. } => "look",
            Call::Push { .. } => "push",
            Call::PushState { .. } => "push_state",
            Call::PushReceipts { .. } => "push_receipts",
            Call::DropPushReceipts { .. } => "drop_push_receipts",
            Call::CancelPush { .. } => "cancel_push",
            Call::Channels => "channels",
            Call::RemoveChannels { .. } => "remove_channels",
            Call::Subscribe(_) => "subscribe",
            Call::Subscriptions => "subscriptions",
            Call::Unsubscribe { .. } => "unsubscribe",
            Call::TakeEvents { .. } => "take_events",
            Call::SetWebhook { .. } => "set_webhook",
            Call::GetWebhook => "get_webhook",
            Call::RemoveWebhook => "remove_webhook",
            Call::RotateWebhook { .. } => "rotate_webhook",
            Call::TestWebhook => "test_webhook",
        }
    }
}
