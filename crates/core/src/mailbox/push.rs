//! Web Push: what a user agent says, and what application servers send, between the channels and the inbox.

use super::connection::CLOSE_SILENT;
use super::inbox::{Delivering, Terms};
use super::news::{Effect, News};
use super::output::{Failure, Reply};
use super::pending::{Awaited, Handshake, Next};
use super::{CallId, Mailbox};
use crate::call::{DeliveryStatus, PushState, Pushed};
use crate::delivery::State;
use crate::id::{MessageId, Sender};
use crate::message::{Lane, Target};
use crate::problem::Problem;
use crate::protocol::{AgentFrame, Handled};
use crate::publish::Draft;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::web_push::channel::Channel;

/// The most readers that wait for the receipt of a message, or for those of a channel. More are answered without
/// waiting.
const MAX_READERS: usize = 10;

impl<S: Store> Mailbox<S> {
    /// A user agent says this.
    pub(super) fn agent_says(&mut self, said: AgentFrame, now: Now) -> Result<(), StoreError> {
        match said {
            AgentFrame::Hello { agent } => self.channels().hello(agent, now),
            AgentFrame::Register { name, subscription } => {
                match self.outbox().may_ask(1, now) {
                    Ok(()) => self.channels().register(&name, subscription, now)?,
                    Err(_) => self.channels().refuse(&name),
                }
                self.end_channels(now)
            }
            AgentFrame::Unregister { name } => {
                match self.outbox().may_ask(1, now) {
                    Ok(()) => self.channels().unregister(&name)?,
                    Err(_) => self.channels().ignore(&name),
                }
                self.end_channels(now)
            }
            AgentFrame::Handled(messages) => {
                for (id, handled) in messages {
                    self.handled(id, handled, now)?;
                }
                self.keep_receipts(now)
            }
            AgentFrame::Unknown => Ok(()),
        }
    }

    /// The messages of channels that have ended in this event end now, before the window is filled.
    fn end_channels(&mut self, now: Now) -> Result<(), StoreError> {
        let ended = self.channels().take_ended();
        if ended.is_empty() {
            return Ok(());
        }
        let news = ended.iter().copied().map(News::ChannelEnded);
        news.for_each(|news| self.cx.push(news));
        let ended = ended.into_iter().map(Sender::from).collect();
        self.receive(|inbox| inbox.end_channels(&ended, now))
    }

    /// Keeps the receipts of the messages that have been settled so far: what comes next in this event may end their
    /// channel, or read them.
    fn keep_receipts(&mut self, now: Now) -> Result<(), StoreError> {
        for effect in std::mem::take(&mut self.cx.effects) {
            match effect {
                Effect::News(news @ News::PushSettled(..)) => self.hear(news, now)?,
                other => self.cx.effects.push(other),
            }
        }
        Ok(())
    }

    /// A user agent has handled a message.
    fn handled(&mut self, id: MessageId, handled: Handled, now: Now) -> Result<(), StoreError> {
        let reason = match handled {
            Handled::Delivered => None,
            // A user agent does not pass on a message that it has had before: then an earlier attempt was successful.
            Handled::Undelivered if self.inbox().attempts(id)? > 1 => None,
            Handled::Undelivered => Some("not_delivered"),
            Handled::Undecryptable => Some("decryption_error"),
            Handled::Failed => Some("handler_failed"),
        };
        self.inbox().conclude_handled(id, reason, now)
    }

    /// Whether a user agent may take over from the one that is connected.
    ///
    /// # Errors
    /// `unavailable`: that has happened too often.
    pub(super) fn may_take_over(&mut self, handshake: &Handshake, now: Now) -> Result<(), Problem> {
        let is_agent = |lane| lane == Lane::Channels;
        let live = self.connection.as_ref().map(|connection| connection.lane());
        match live.is_some_and(is_agent) && is_agent(handshake.codec.rules().lane) {
            true => self.channels().may_take_over(now),
            false => Ok(()),
        }
    }

    /// An application server publishes to a channel.
    pub(super) fn push(
        &mut self,
        id: CallId,
        channel: Channel,
        since: Millis,
        wait: u32,
        draft: Draft,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(device) = self.cx.device().cloned() else {
            self.answer(id, Reply::Pushed(Pushed::NoDevice));
            return Ok(());
        };
        if !self.channels().has(channel, since)? {
            self.answer(id, Reply::Pushed(Pushed::NoChannel));
            return Ok(());
        }
        if let Err(problem) = self.channels().may_publish(now) {
            let seconds = problem.retry_after.unwrap_or(1);
            self.answer(id, Reply::Pushed(Pushed::TooMany(seconds)));
            return Ok(());
        }
        let stored = match self.channels().knows_last_id() {
            true => None,
            false => self.inbox().last_of_channels()?,
        };
        let Some(message_id) = self.channels().next_id(stored, now) else {
            return Ok(());
        };
        let message = draft.into_message(message_id, channel, Target::Device(device), now.at);
        let terms = Terms {
            wait,
            after: None,
            until: now.at,
            is_last_try: true,
        };
        let pushed = match self.receive(|inbox| inbox.deliver_of_channel(message, terms, now))? {
            Some(Delivering::Wait(until)) => {
                let awaited = Awaited::Delivered(message_id);
                self.wait(awaited, id, None, Some(until), Next::Pushed, now);
                return Ok(());
            }
            Some(Delivering::Answer(delivered)) => pushed(message_id, &delivered),
            Some(Delivering::Early(..)) | None => Pushed::Taken(message_id),
        };
        self.answer(id, Reply::Pushed(pushed));
        Ok(())
    }

    /// An application server asks what became of a message. The call waits while it may still be delivered.
    pub(super) fn push_state(
        &mut self,
        id: CallId,
        message: MessageId,
        until: Millis,
        now: Now,
    ) -> Result<(), StoreError> {
        let state = match self.channels().receipt(message)? {
            Some(receipt) => PushState::Settled(receipt.status),
            None if !self.inbox().will_have_receipt(message)? => PushState::Unknown,
            None if now.at < until && self.has_room(Awaited::Receipt(message)) => {
                let awaited = Awaited::Receipt(message);
                self.wait(awaited, id, None, Some(until), Next::PushState, now);
                return Ok(());
            }
            None => PushState::Open,
        };
        self.answer(id, Reply::PushState(state));
        Ok(())
    }

    /// An application server reads the receipts of a channel after this one. The call waits while there are none.
    pub(super) fn push_receipts(
        &mut self,
        id: CallId,
        channel: Channel,
        since: Millis,
        after: Option<i64>,
        until: Millis,
        now: Now,
    ) -> Result<(), StoreError> {
        let receipts = self.channels().receipts(channel, since, after)?;
        let awaited = Awaited::Receipts(channel);
        let is_empty = receipts.as_ref().is_some_and(Vec::is_empty);
        if is_empty && now.at < until && self.has_room(awaited) {
            let next = Next::PushReceipts {
                channel,
                since,
                after,
            };
            self.wait(awaited, id, None, Some(until), next, now);
            return Ok(());
        }
        self.answer(id, Reply::PushReceipts(receipts));
        Ok(())
    }

    /// An application server wants no receipts for what it has sent. It counts as a publish: all that is held for
    /// channels is read.
    ///
    /// # Errors
    /// `too_many_requests`, and then nothing is dropped; or the store failed.
    pub(super) fn drop_push_receipts(
        &mut self,
        channel: Channel,
        since: Millis,
        now: Now,
    ) -> Result<(), Failure> {
        if !self.channels().has(channel, since)? {
            return Ok(());
        }
        self.channels().may_publish(now)?;
        self.channels().drop_receipts(channel)?;
        Ok(self.inbox().forget_receipts(&channel.into())?)
    }

    /// Whether one more reader may wait for this. Readers need no token, only a URL.
    fn has_room(&self, awaited: Awaited) -> bool {
        self.pending.count(awaited) < MAX_READERS
    }

    /// The operator, or the device itself, removes a channel, or all of them.
    pub(super) fn remove_channels(
        &mut self,
        channel: Option<Channel>,
        now: Now,
    ) -> Result<(), StoreError> {
        if let Some(channel) = channel {
            self.channels().revoke(channel)?;
            return self.end_channels(now);
        }
        self.channels().revoke_all()?;
        self.end_channels(now)?;
        let live = self.connection.as_ref().map(|connection| connection.lane());
        match live {
            Some(Lane::Channels) => self.hang_up(now, CLOSE_SILENT, "all channels are removed"),
            _ => Ok(()),
        }
    }
}

/// What the sender of this message is told.
pub(super) fn pushed(id: MessageId, delivered: &DeliveryStatus) -> Pushed {
    match delivered {
        DeliveryStatus::Known(delivery) if delivery.state == State::Refused => Pushed::Full,
        DeliveryStatus::UnknownDevice => Pushed::NoDevice,
        _ => Pushed::Taken(id),
    }
}
