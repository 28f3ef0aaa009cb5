//! Web Push, checked from outside: from the frames of user agents, the answers to application servers, and the rows.
//!
//! A message of a channel has no sender's mailbox, so nothing but its row, its receipt and what was sent tell of it.

mod channels;
mod ends;
mod receipts;
mod rows;
mod sent;

use std::collections::{BTreeMap, BTreeSet};

use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;
use tagpost_core::web_push::channel::Channel;
use tagpost_core::web_push::seal::PushUrl;

pub(crate) use self::sent::PushSent;
use super::{Ledger, broken};
use crate::plan::{Action, Plan, Push, PushOp};

/// All that was seen of Web Push.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    /// The publishes of the plan.
    ops: BTreeMap<u32, Push>,
    /// The endpoint that each was made to.
    endpoints: BTreeMap<u32, Registration>,
    messages: BTreeMap<MessageId, Message>,
    mailboxes: BTreeMap<usize, Mailbox>,
    links: BTreeMap<ConnectionId, Link>,
    /// The endpoints that lead nowhere any more.
    gone: BTreeSet<(usize, Registration)>,
    /// Those of them that ended in the last event of their device's mailbox.
    ended: BTreeSet<(usize, Registration)>,
    /// The channels that user agents remove, or have removed since they were last registered.
    leaving: BTreeSet<(usize, Channel)>,
    /// The messages that their senders have cancelled, or asked to.
    cancelled: BTreeSet<MessageId>,
    /// The receipts that an answer has carried.
    told: BTreeSet<MessageId>,
    /// The publish that a mailbox handles right now.
    arriving: Option<u32>,
}

/// A channel, and when it was registered: what an endpoint leads to.
type Registration = (Channel, Millis);

/// The rows of a mailbox about its channels, as last committed.
#[derive(Debug, Default)]
struct Mailbox {
    channels: BTreeMap<Channel, Millis>,
    /// The id of the user agent that holds them.
    agent: Option<String>,
    /// The messages of channels that are held.
    held: BTreeMap<MessageId, Held>,
    receipts: BTreeMap<MessageId, Receipt>,
}

/// The row of a message.
#[derive(Debug, Clone, Copy)]
struct Held {
    size: u64,
    expires_at: Millis,
}

/// The row of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Receipt {
    /// `None` once the channel is gone.
    channel: Option<Channel>,
    seq: i64,
    status: u16,
    at: Millis,
}

/// A connection of a user agent.
#[derive(Debug, Default)]
struct Link {
    /// The id that it has said, and that it was given.
    said: Option<String>,
    given: Option<String>,
    /// The messages that were sent over it.
    sent: BTreeSet<MessageId>,
}

/// A message of a channel.
#[derive(Debug, Default)]
struct Message {
    op: u32,
    device: usize,
    /// How many were accepted before it, by anyone.
    order: usize,
    /// When it was accepted, by its mailbox's clock.
    at: Millis,
    sends: Vec<PushSent>,
    /// How often it may have been sent besides, by a mailbox that failed.
    unsent: usize,
    /// What user agents have answered.
    answers: Vec<Answered>,
    /// It has ended: its row is gone, its answer was handled, or it has a receipt.
    over: bool,
    /// Its sender was told that it is taken.
    taken: bool,
    /// What its receipt said.
    receipt: Option<u16>,
    /// Its device was removed since.
    void: bool,
}

/// What a user agent has answered for a message.
#[derive(Debug, Clone, Copy)]
struct Answered {
    code: u32,
    /// How often it had been sent by then.
    attempts: usize,
    /// Whether its mailbox knows that, too: it has not failed since.
    is_certain: bool,
}

impl Message {
    /// How often it was sent, at most.
    fn attempts(&self) -> usize {
        self.sends.len() + self.unsent
    }
}

impl Pushes {
    pub(super) fn of(plan: &Plan) -> Self {
        let ops = plan.ops.iter().filter_map(|op| match &op.action {
            Action::WebPush(PushOp::Publish(push)) => Some((op.number, push.clone())),
            _ => None,
        });
        Self {
            ops: ops.collect(),
            ..Self::default()
        }
    }

    /// A device was removed, and all that it had is forgotten.
    pub(super) fn forget(&mut self, device: usize) {
        let messages = self.messages.values_mut();
        for message in messages.filter(|message| message.device == device) {
            message.void = true;
        }
    }

    /// Whether the device of a message was removed since.
    fn is_void(&self, id: MessageId) -> bool {
        self.messages.get(&id).is_some_and(|message| message.void)
    }

    /// The publish behind a message.
    fn push(&self, id: MessageId) -> Option<&Push> {
        self.ops.get(&self.messages.get(&id)?.op)
    }

    /// The endpoint that a message was published to.
    fn endpoint(&self, id: MessageId) -> Option<Registration> {
        self.endpoints.get(&self.messages.get(&id)?.op).copied()
    }

    /// Whether a message is one of a channel.
    pub(super) fn has(&self, id: MessageId) -> bool {
        self.messages.contains_key(&id)
    }

    /// Whether a message of a channel is in a row of this mailbox.
    pub(super) fn is_stored(&self, device: usize, id: MessageId) -> bool {
        let mailbox = self.mailboxes.get(&device);
        mailbox.is_some_and(|mailbox| mailbox.held.contains_key(&id))
    }

    /// The sizes of the stored messages of the channels of a device.
    pub(super) fn sizes(&self, device: usize) -> impl Iterator<Item = u64> {
        let mailbox = self.mailboxes.get(&device);
        let held = mailbox
            .into_iter()
            .flat_map(|mailbox| mailbox.held.values());
        held.map(|held| held.size)
    }

    /// The stored messages of the channels of a device, and when they expire.
    pub(super) fn expiries(&self, device: usize) -> impl Iterator<Item = (MessageId, Millis)> {
        let mailbox = self.mailboxes.get(&device);
        let held = mailbox.into_iter().flat_map(|mailbox| &mailbox.held);
        held.map(|(id, held)| (*id, held.expires_at))
    }

    /// The size of a message of a channel: its body is the number of its publish.
    pub(super) fn size(&self, id: MessageId) -> u64 {
        let message = self.messages.get(&id);
        message.map_or(0, |message| message.op.to_string().len() as u64)
    }

    /// Whether the user agent at this connection holds the channels of its device, and was told so.
    fn is_holder(&self, device: usize, connection: ConnectionId) -> bool {
        let link = self.links.get(&connection);
        let given = link.and_then(|link| link.given.as_ref());
        let mailbox = self.mailboxes.get(&device);
        given.is_some() && given == mailbox.and_then(|mailbox| mailbox.agent.as_ref())
    }

    /// Whether this endpoint leads to a channel.
    fn is_registered(&self, device: usize, (channel, since): Registration) -> bool {
        let mailbox = self.mailboxes.get(&device);
        mailbox.is_some_and(|mailbox| mailbox.channels.get(&channel) == Some(&since))
    }

    /// A message is seen for the first time, or again.
    fn learn(&mut self, device: usize, id: MessageId, op: u32, at: Millis) -> &mut Message {
        let order = self.messages.len();
        self.messages.entry(id).or_insert_with(|| Message {
            op,
            device,
            order,
            at,
            ..Message::default()
        })
    }
}

impl Ledger {
    /// A user agent opens a connection.
    pub(crate) fn agent_connects(&mut self, connection: ConnectionId) {
        self.push.links.insert(connection, Link::default());
    }

    /// Whether a connection is a user agent's.
    pub(super) fn is_agent(&self, connection: ConnectionId) -> bool {
        self.push.links.contains_key(&connection)
    }

    /// Whether a message is one of a channel, which only a user agent answers.
    pub(crate) fn is_push(&self, id: MessageId) -> bool {
        self.push.has(id)
    }

    /// An application server publishes to this endpoint.
    pub(crate) fn pushing(&mut self, op: u32, url: &PushUrl) {
        let registration = (url.channel, url.since);
        self.push.endpoints.insert(op, registration);
    }

    /// A mailbox is about to handle this publish; `None`: it is not any more.
    pub(crate) fn push_arrives(&mut self, op: Option<u32>) {
        self.push.arriving = op;
    }

    /// A sender asks to cancel a message of a channel.
    pub(crate) fn cancelling_push(&mut self, id: MessageId) {
        self.push.cancelled.insert(id);
    }

    /// A user agent's answer reaches a mailbox, which has lost what it had not stored so often.
    pub(crate) fn push_answered(&mut self, id: MessageId, code: u32, losses: u32) {
        if let Some(message) = self.push.messages.get_mut(&id) {
            let remembered = message.sends.iter().all(|sent| sent.losses == losses);
            message.answers.push(Answered {
                code,
                attempts: message.attempts(),
                is_certain: remembered && message.unsent == 0,
            });
        }
    }
}
