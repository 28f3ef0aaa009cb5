//! What is sent to user agents: each message once over a connection, in order, and only to the one it is meant for.

use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;

use super::super::{Checked, Ledger, claim};
use super::{Message, Pushes};
use crate::world::Notification;

/// A sending of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PushSent {
    pub(crate) connection: ConnectionId,
    /// How often the mailbox has lost what it had not stored.
    pub(crate) losses: u32,
    /// By the clock of the mailbox.
    pub(crate) at: Millis,
}

impl Ledger {
    /// A message is sent to a user agent.
    pub(crate) fn push_sent(
        &mut self,
        device: usize,
        notification: &Notification,
        sent: PushSent,
    ) -> Checked {
        let Notification { channel, id, op } = notification;
        let (id, op) = (*id, *op);
        let what = || format!("{id} of publish {op} to device {device}: {sent:?}");
        let push = self.push.ops.get(&op).cloned();
        let push = push.ok_or_else(|| super::broken(what()))?;
        self.push.learn(device, id, op, sent.at);
        let endpoint = self.push.endpoints.get(&op).copied();
        let is_right = endpoint.is_some_and(|it| it.0.to_string() == *channel);
        claim("a push comes in its own channel", is_right, what)?;
        let is_registered = endpoint.is_some_and(|it| self.push.is_registered(device, it));
        claim(
            "a push goes only to a registered channel",
            is_registered,
            what,
        )?;
        claim(
            "a push goes only to the user agent that holds its channel",
            self.push.is_holder(device, sent.connection),
            what,
        )?;
        let link = self.push.links.entry(sent.connection).or_default();
        claim(
            "a push is sent once over a connection",
            link.sent.insert(id),
            what,
        )?;
        let most = self.limits.max_attempts as usize;
        let skew = self.skew;
        let message = self.push.learn(device, id, op, sent.at);
        let expires_at = message.at + i64::from(push.ttl) * 1_000;
        claim(
            "a push is not sent after it has expired",
            push.ttl == 0 || sent.at < expires_at + skew,
            || format!("{}: {message:?}", what()),
        )?;
        claim(
            "a push with TTL 0 is sent once",
            push.ttl > 0 || message.attempts() == 0,
            what,
        )?;
        claim(
            "a push is not sent again once it has ended",
            !message.over,
            || format!("{}: {message:?}", what()),
        )?;
        // An attempt that was not stored is forgotten in a failure.
        let forgotten = message
            .sends
            .first()
            .map_or(0, |first| sent.losses - first.losses);
        claim(
            "a push is sent over at most MAX_ATTEMPTS connections",
            message.sends.len() < most + forgotten as usize,
            || format!("{}: {message:?}", what()),
        )?;
        let is_first = message.sends.is_empty();
        message.sends.push(sent);
        if is_first && push.ttl > 0 {
            return self.push_goes_in_order(device, id);
        }
        Ok(())
    }

    /// A message may have been sent, by a mailbox that failed.
    pub(crate) fn push_not_sent(&mut self, id: MessageId) {
        if let Some(message) = self.push.messages.get_mut(&id) {
            message.unsent += 1;
        }
    }

    /// A message is sent for the first time: no later one of its channel and urgency was sent before it.
    fn push_goes_in_order(&self, device: usize, id: MessageId) -> Checked {
        let of = |id: MessageId| {
            let push = self.push.push(id)?;
            (push.ttl > 0).then_some((self.push.endpoint(id)?, push.urgency))
        };
        let order = self.push.messages.get(&id).map_or(0, |it| it.order);
        let later = self.push.messages.iter().find(|(other, message)| {
            message.order > order
                && message.device == device
                && !message.sends.is_empty()
                && of(**other) == of(id)
        });
        claim(
            "the messages of a channel are sent in the order in which they were accepted",
            later.is_none(),
            || format!("{id} to device {device} goes after {later:?}"),
        )
    }

    /// A mailbox has handled an event, with a user agent that reads at this connection. `waiting` are the messages that
    /// calls wait for.
    pub(in crate::claims) fn room_for_pushes_is_used(
        &self,
        device: usize,
        waiting: &[MessageId],
        connection: ConnectionId,
        now: Millis,
    ) -> Checked {
        let Some(mailbox) = self.push.mailboxes.get(&device) else {
            return Ok(());
        };
        let link = self.push.links.get(&connection);
        let Some(link) = link.filter(|_| self.push.is_holder(device, connection)) else {
            return Ok(());
        };
        let open = self.open_pushes(device, waiting);
        let (out, mut idle): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|id| link.sent.contains(id));
        idle.retain(|id| {
            mailbox
                .held
                .get(id)
                .is_none_or(|held| held.expires_at > now)
        });
        claim(
            "what can be sent to a user agent is sent",
            idle.is_empty() || out.len() >= self.limits.max_in_flight as usize,
            || {
                format!(
                    "{idle:?} wait for device {device}, {out:?} are in flight over {connection}"
                )
            },
        )
    }

    /// No more is in flight to a user agent than allowed.
    pub(in crate::claims) fn window_of_pushes(
        &self,
        device: usize,
        waiting: &[MessageId],
        connection: ConnectionId,
    ) -> Checked {
        let Some(link) = self.push.links.get(&connection) else {
            return Ok(());
        };
        let mut open = self.open_pushes(device, waiting);
        open.retain(|id| link.sent.contains(id));
        claim(
            "no more is in flight to a user agent than allowed",
            open.len() <= self.limits.max_in_flight as usize,
            || format!("device {device} has {open:?} in flight over {connection}"),
        )
    }

    /// The messages of channels that a mailbox has, stored or not.
    fn open_pushes(&self, device: usize, waiting: &[MessageId]) -> Vec<MessageId> {
        let mailbox = self.push.mailboxes.get(&device);
        let held = mailbox.into_iter().flat_map(|mailbox| mailbox.held.keys());
        let is_unstored =
            |id: &&MessageId| self.push.has(**id) && !self.push.is_stored(device, **id);
        held.chain(waiting.iter().filter(is_unstored))
            .copied()
            .collect()
    }

    /// What a mailbox has to wake for: the expiry of each message, and the time to acknowledge those in flight.
    pub(in crate::claims) fn pushes_due(
        &self,
        device: usize,
        connection: Option<ConnectionId>,
        losses: u32,
    ) -> Vec<(&'static str, Millis)> {
        let timeout = i64::from(self.limits.push_ack_timeout) * 1_000;
        let mailbox = self.push.mailboxes.get(&device);
        let held = mailbox.into_iter().flat_map(|mailbox| &mailbox.held);
        let due = held.flat_map(|(id, held)| {
            let last = self.push.messages.get(id).and_then(|it| it.sends.last());
            let out = last.filter(|it| Some(it.connection) == connection && it.losses == losses);
            let acknowledged = out.map(|sent| ("a user agent's time", sent.at + timeout));
            acknowledged
                .into_iter()
                .chain([("the expiry of a push", held.expires_at)])
        });
        due.collect()
    }

    /// A mailbox closes the connection of a user agent because it does not answer, or, if `unread`, because it does not
    /// read.
    pub(crate) fn agent_is_silent(
        &self,
        device: usize,
        connection: ConnectionId,
        unread: bool,
        now: Millis,
    ) -> Checked {
        let timeout = i64::from(self.limits.push_ack_timeout) * 1_000;
        let is_over = |message: &Message| {
            let last = message.sends.last();
            let here = last.filter(|sent| sent.connection == connection);
            here.is_some_and(|sent| sent.at + timeout <= now + self.skew)
        };
        // All channels are removed: the user agent learns it from its next hello.
        let mailbox = self.push.mailboxes.get(&device);
        let has_none = mailbox.is_none_or(|mailbox| mailbox.agent.is_none());
        let Pushes { messages, .. } = &self.push;
        claim(
            "a user agent is not disconnected without a reason",
            unread || has_none || messages.values().any(is_over),
            || format!("connection {connection} of device {device}"),
        )
    }
}
