//! The ends of messages of channels: each has a cause, and none is lost.

use tagpost_core::id::MessageId;
use tagpost_core::time::Millis;

use super::super::{Checked, Ledger, claim};

/// The codes of an acknowledgement, besides none.
const ACKNOWLEDGED: u32 = 100;
const UNDELIVERED: u32 = 102;

impl Ledger {
    /// The row of a message is gone.
    pub(super) fn push_is_gone(
        &mut self,
        device: usize,
        id: MessageId,
        expires_at: Millis,
    ) -> Checked {
        let latest = self.tables[device].latest;
        let has_cause = self.may_be_forgotten(device, id)
            || self.may_be(device, id, true)
            || self.may_be(device, id, false)
            || expires_at <= latest;
        let message = self.push.messages.get_mut(&id);
        claim("a push ends only for a reason", has_cause, || {
            format!("{id} of device {device}: {message:?}")
        })?;
        if let Some(message) = message {
            message.over = true;
        }
        self.is_receipted(device, id)
    }

    /// A message whose sender wants a receipt has ended: it has one, unless the sender itself has ended it.
    pub(super) fn is_receipted(&self, device: usize, id: MessageId) -> Checked {
        let wants = self.push.push(id).is_some_and(|push| push.receipt);
        let message = self.push.messages.get(&id);
        let has = message.is_some_and(|message| message.receipt.is_some());
        claim(
            "every end of a push is told by its receipt",
            !wants || has || self.push.is_void(id) || self.is_ended_by_sender(id),
            || format!("{id} of device {device}: {message:?}"),
        )
    }

    /// Whether a message may have ended without an answer: its channel or its device is gone, or its sender has ended
    /// it.
    pub(super) fn may_be_forgotten(&self, device: usize, id: MessageId) -> bool {
        let endpoint = self.push.endpoint(id);
        let is_registered = endpoint.is_some_and(|it| self.push.is_registered(device, it));
        !is_registered || self.is_ended_by_sender(id)
    }

    /// Whether its sender may have replaced or cancelled a message.
    fn is_ended_by_sender(&self, id: MessageId) -> bool {
        self.push.cancelled.contains(&id) || self.may_be_replaced(id)
    }

    /// Whether a later message, or the one that is being accepted, has the same topic and channel.
    fn may_be_replaced(&self, id: MessageId) -> bool {
        let Some(message) = self.push.messages.get(&id) else {
            return false;
        };
        let of = |op: u32| {
            let topic = self.push.ops.get(&op)?.topic?;
            Some((topic, *self.push.endpoints.get(&op)?))
        };
        let Some(mine) = of(message.op) else {
            return false;
        };
        let later = self.push.messages.values();
        let mut later = later.filter(|other| other.order > message.order);
        later.any(|other| of(other.op) == Some(mine))
            || self.push.arriving.is_some_and(|op| of(op) == Some(mine))
    }

    /// Whether a message may be acknowledged, or have failed. What cannot be told from outside is judged in the
    /// mailbox's favour.
    pub(super) fn may_be(&self, device: usize, id: MessageId, acknowledged: bool) -> bool {
        let (Some(message), Some(push)) = (self.push.messages.get(&id), self.push.push(id)) else {
            return false;
        };
        let answered = message.answers.iter().any(|answer| match answer.code {
            0 | ACKNOWLEDGED => acknowledged,
            // A user agent passes a message on once.
            UNDELIVERED => !answer.is_certain || acknowledged == (answer.attempts > 1),
            _ => !acknowledged,
        });
        if acknowledged {
            return answered;
        }
        let latest = self.tables[device].latest;
        let has_expired = latest >= message.at + i64::from(push.ttl) * 1_000;
        let is_given_up = message.attempts() >= self.limits.max_attempts as usize;
        answered || has_expired || is_given_up
    }

    /// A mailbox has handled a user agent's answer about a message, in an event that was committed.
    pub(in crate::claims) fn push_has_answered(&mut self, device: usize, id: MessageId) -> Checked {
        let is_held = self.push.is_stored(device, id);
        let message = self.push.messages.get_mut(&id);
        claim(
            "a push settles when its user agent has answered",
            !is_held,
            || format!("{id} of device {device}: {message:?}"),
        )?;
        if let Some(message) = message {
            message.over = true;
        }
        Ok(())
    }

    /// A sender is told that its message is taken: it is stored, or has ended.
    pub(crate) fn push_taken(&mut self, device: usize, op: u32, id: MessageId) -> Checked {
        let now = self.tables[device].now;
        let message = self.push.learn(device, id, op, now);
        message.taken = true;
        let push = self.push.push(id);
        let is_kept = self.push.is_stored(device, id)
            || push.is_none_or(|push| push.ttl == 0)
            || self.may_be_forgotten(device, id)
            || self.may_be(device, id, true)
            || self.may_be(device, id, false);
        claim(
            "a push is taken once it is stored or has ended",
            is_kept,
            || format!("{id} of device {device}: {:?}", self.push.messages.get(&id)),
        )
    }

    /// The messages of a channel end with it.
    pub(super) fn ends_with_channel(&self, device: usize) -> Checked {
        let mailbox = self.push.mailboxes.get(&device);
        let mut held = mailbox.into_iter().flat_map(|mailbox| mailbox.held.keys());
        let left = held.find(|id| {
            let endpoint = self.push.endpoint(**id);
            !endpoint.is_some_and(|endpoint| self.push.is_registered(device, endpoint))
        });
        claim(
            "the messages of a channel end with it",
            left.is_none(),
            || format!("device {device} holds {left:?}: {mailbox:?}"),
        )
    }

    /// Nothing has failed for a while: what has expired is gone, and in the end everything.
    pub(in crate::claims) fn no_push_is_left(&self, late: impl Fn(Millis) -> bool) -> Checked {
        for (device, mailbox) in &self.push.mailboxes {
            let left = mailbox.held.iter().find(|(_, held)| late(held.expires_at));
            claim("no push is stuck", left.is_none(), || {
                format!("device {device} holds {left:?}")
            })?;
        }
        Ok(())
    }

    /// The history is over.
    pub(in crate::claims) fn pushes_have_ended(&self) -> Checked {
        self.no_push_is_left(|_| true)?;
        let taken = self
            .push
            .messages
            .iter()
            .filter(|(_, message)| message.taken);
        taken
            .into_iter()
            .try_for_each(|(id, message)| self.is_receipted(message.device, *id))
    }
}
