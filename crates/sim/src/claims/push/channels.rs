//! Channels: they belong to one user agent, their endpoints lead to them as long as they are registered, and their
//! messages end with them.

use tagpost_core::call::{ChannelStatus, Pushed};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;
use tagpost_core::web_push::channel::Channel;
use tagpost_core::web_push::seal::PushUrl;

use super::super::{Checked, Ledger, claim};

impl Ledger {
    /// A user agent says hello with this id.
    pub(crate) fn says_hello(&mut self, connection: ConnectionId, id: Option<String>) {
        self.push.links.entry(connection).or_default().said = id;
    }

    /// A mailbox tells a user agent its id.
    pub(crate) fn greeted(
        &mut self,
        device: usize,
        connection: ConnectionId,
        uaid: &str,
    ) -> Checked {
        let mailbox = self.push.mailboxes.entry(device).or_default();
        let holder = mailbox.agent.as_deref();
        let link = self.push.links.entry(connection).or_default();
        let keeps = link.said.as_deref() == Some(uaid);
        let may_keep = link.said.is_some() && link.said.as_deref() == holder;
        claim(
            "a user agent keeps its id while it holds the channels, and no longer",
            keeps == may_keep && link.given.is_none(),
            || format!("device {device}, held by {holder:?}: {link:?}, now {uaid}"),
        )?;
        link.given = Some(uaid.to_owned());
        Ok(())
    }

    /// A user agent removes a channel. One event may register it, and remove it again.
    pub(crate) fn leaving(&mut self, device: usize, channel: Channel) {
        self.push.leaving.insert((device, channel));
    }

    /// A channel is registered with this endpoint. The same event may have registered it anew, with another key, or the
    /// operator may have removed it.
    pub(crate) fn registered(&mut self, device: usize, url: &PushUrl) -> Checked {
        let leaves = (device, url.channel);
        let mailbox = self.push.mailboxes.get(&device);
        let now = mailbox.and_then(|mailbox| mailbox.channels.get(&url.channel));
        let ended = self
            .push
            .ended
            .contains(&(device, (url.channel, url.since)));
        let is_followed = match now {
            Some(since) => *since > url.since,
            None => ended || url.since >= self.tables[device].now,
        };
        claim(
            "an endpoint leads to a registered channel",
            now == Some(&url.since) || is_followed || self.push.leaving.contains(&leaves),
            || format!("{url:?} of device {device}"),
        )?;
        self.push.leaving.remove(&leaves);
        Ok(())
    }

    /// The operator reads the channels of a device.
    pub(crate) fn channels_listed(&self, device: usize, listed: &[ChannelStatus]) -> Checked {
        let mailbox = self.push.mailboxes.get(&device);
        let channels = mailbox.into_iter().flat_map(|mailbox| &mailbox.channels);
        let listed = listed.iter().map(|status| (status.channel, status.since));
        claim(
            "the channels of a device are listed",
            channels
                .map(|(channel, since)| (*channel, *since))
                .eq(listed),
            || format!("device {device}: {mailbox:?}"),
        )
    }

    /// A mailbox has handled a publish: it has answered it, or lets it wait for the end of this message. `beside` are
    /// all messages that calls wait for, and `connection` is the one that the mailbox has.
    pub(crate) fn push_arrived(
        &mut self,
        device: usize,
        op: u32,
        (answer, waiting): (Option<&Pushed>, Option<MessageId>),
        beside: &[MessageId],
        connection: Option<ConnectionId>,
        now: Millis,
    ) -> Checked {
        self.push.arriving = None;
        let Some(endpoint) = self.push.endpoints.get(&op).copied() else {
            return Ok(());
        };
        let what = || format!("publish {op} to device {device}: {answer:?}, {waiting:?}");
        let is_taken = waiting.is_some() || matches!(answer, Some(Pushed::Taken(_)));
        let is_refused = matches!(answer, Some(Pushed::NoChannel | Pushed::NoDevice));
        let is_registered = self.push.is_registered(device, endpoint);
        claim(
            "a publish to a removed channel is refused",
            is_registered || !is_taken,
            what,
        )?;
        claim(
            "a publish to a registered channel is not refused for want of one",
            !is_registered || !is_refused,
            what,
        )?;
        let taken = match answer {
            Some(Pushed::Taken(id)) => Some(*id),
            _ => waiting,
        };
        let Some(id) = taken else { return Ok(()) };
        self.push.learn(device, id, op, now);
        let (most, _) = self.inbox_of(device, beside);
        let is_kept = self.push.is_stored(device, id) || waiting.is_some();
        let half = self.limits.max_held_messages.div_ceil(2);
        claim(
            "messages of channels leave half of the room to those of devices",
            !is_kept || most <= half,
            || format!("{}: {most} are held", what()),
        )?;
        let is_absent = !connection.is_some_and(|it| self.push.is_holder(device, it));
        self.now_or_never(device, id, is_absent, waiting.is_some())
    }

    /// A push with TTL 0 is not kept. If nobody waits for its receipt, its call does not wait either.
    fn now_or_never(&self, device: usize, id: MessageId, is_absent: bool, waits: bool) -> Checked {
        let Some(push) = self.push.push(id).filter(|push| push.ttl == 0) else {
            return Ok(());
        };
        let message = self.push.messages.get(&id);
        claim(
            "a push with TTL 0 to an absent user agent ends at once",
            !waits || (push.receipt && !is_absent),
            || format!("{id} to device {device}: {message:?}"),
        )
    }
}
