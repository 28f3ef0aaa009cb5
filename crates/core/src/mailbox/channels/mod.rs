//! The channels of the device, and the user agent that holds them.
//!
//! A device has one user agent at a time. Another one may connect with the same URL; it takes over when it registers
//! its first channel, and not before, so that connecting writes nothing. All channels of the former one end then.
//!
//! A registration has a time of its own, `since`, which grows: a channel that is removed and registered again has
//! another endpoint, and the former one is gone. Not here: the messages of a channel, which the inbox has.

mod receipts;
mod register;
mod rows;

use std::collections::VecDeque;

use super::bucket::Bucket;
use super::connection::Connection;
use super::context::Context;
use super::news::News;
use crate::call::ChannelStatus;
use crate::id::MessageId;
use crate::problem::{Code, Problem};
use crate::protocol::{ToAgent, ToDevice};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::web_push::agent::AgentId;
use crate::web_push::channel::Channel;

/// How many user agents may take over from each other in [`TAKEOVER_PERIOD`]. Two with the same URL would do so
/// forever.
const MAX_TAKEOVERS: usize = 6;

/// One minute, in milliseconds.
const TAKEOVER_PERIOD: Millis = 60_000;

/// The channels, for one event.
#[derive(Debug)]
pub(super) struct Channels<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) connection: &'a mut Option<Connection>,
    pub(super) memory: &'a mut Memory,
}

/// What is kept in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What the rows say; `None` until it is needed.
    known: Option<Known>,
    /// The last id given to a message of a channel.
    last_id: Option<MessageId>,
    /// The number of the last receipt.
    last_receipt: i64,
    /// How often senders have published.
    bucket: Bucket,
    /// Channels that have ended in this event, until the inbox has ended their messages.
    ended: Vec<Channel>,
    /// When user agents have taken over, oldest first.
    takeovers: VecDeque<Millis>,
}

/// The totals of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Known {
    /// Whether there are tables. A device without channels has none.
    has_tables: bool,
    /// The user agent that holds the channels.
    agent: Option<AgentId>,
    /// How many channels there are.
    channels: u32,
    /// The `since` of all registrations up to now is at most this.
    last_since: Millis,
}

impl<S: Store> Channels<'_, S> {
    fn known(&mut self) -> Result<&mut Known, StoreError> {
        if self.memory.known.is_none() {
            self.memory.known = Some(rows::load(&self.cx.store)?);
        }
        Ok(self.memory.known.get_or_insert_default())
    }

    /// A user agent says hello. Its id stays its own only if it is the one that holds the channels.
    pub(super) fn hello(&mut self, said: Option<AgentId>, now: Now) -> Result<(), StoreError> {
        let held_by = self.known()?.agent;
        let (Some(connection), Some(device)) = (self.connection.as_mut(), self.cx.device()) else {
            return Ok(());
        };
        let fresh = AgentId::new(device, connection.id, now);
        let Some(agent) = connection.agent.as_mut() else {
            return Ok(());
        };
        agent.holds_channels = held_by.is_some() && said == held_by;
        let id = held_by.filter(|_| agent.holds_channels).unwrap_or(fresh);
        agent.id = Some(id);
        connection.stale = true;
        self.say(ToAgent::Hello { agent: id });
        Ok(())
    }

    /// Whether there is such a channel, registered at this time.
    pub(super) fn has(&mut self, channel: Channel, since: Millis) -> Result<bool, StoreError> {
        if self.known()?.channels == 0 {
            return Ok(false);
        }
        let row = rows::find(&self.cx.store, channel)?;
        Ok(row.is_some_and(|row| row.since == since))
    }

    /// Counts a publish.
    ///
    /// # Errors
    /// `too_many_requests`, with the seconds until there is room again.
    pub(super) fn may_publish(&mut self, now: Now) -> Result<(), Problem> {
        self.memory.bucket.take(&self.cx.limits, now.at)
    }

    /// The id of the next message. `stored` is the greatest id in the rows, unless [ids were
    /// given](Self::knows_last_id).
    pub(super) fn next_id(&mut self, stored: Option<MessageId>, now: Now) -> Option<MessageId> {
        let last = self.memory.last_id.or(stored);
        let id = MessageId::next(self.cx.device()?, now.at, last, now.random);
        self.memory.last_id = Some(id);
        Some(id)
    }

    /// Whether ids were given before, so that the rows need not be asked.
    pub(super) fn knows_last_id(&self) -> bool {
        self.memory.last_id.is_some()
    }

    /// A user agent connects while another is connected.
    ///
    /// # Errors
    /// `unavailable`: user agents have taken over from each other too often.
    pub(super) fn may_take_over(&mut self, now: Now) -> Result<(), Problem> {
        let takeovers = &mut self.memory.takeovers;
        takeovers.retain(|at| now.at - at < TAKEOVER_PERIOD && *at <= now.at);
        if takeovers.len() >= MAX_TAKEOVERS {
            let detail = "several clients with the same push URL keep taking over from each other";
            let mut problem = Problem::new(Code::Unavailable, detail);
            problem.retry_after = u32::try_from(TAKEOVER_PERIOD / 1000).ok();
            return Err(problem);
        }
        takeovers.push_back(now.at);
        Ok(())
    }

    /// The channels that have ended since this was last asked.
    pub(super) fn take_ended(&mut self) -> Vec<Channel> {
        std::mem::take(&mut self.memory.ended)
    }

    /// All channels, in the order of their ids.
    pub(super) fn list(&mut self) -> Result<Vec<ChannelStatus>, StoreError> {
        match self.known()?.has_tables {
            true => rows::list(&self.cx.store),
            false => Ok(Vec::new()),
        }
    }

    /// The device is removed.
    pub(super) fn forget_all(&mut self) -> Result<(), StoreError> {
        if self.known()?.has_tables {
            rows::clear(&self.cx.store)?;
        }
        self.memory.known = None;
        Ok(())
    }

    /// Asserts that memory agrees with the rows.
    pub(super) fn assert_rows(&self) -> Result<(), StoreError> {
        if let Some(known) = self.memory.known {
            let rows = rows::load(&self.cx.store)?;
            debug_assert_eq!(known, rows, "channels in memory, and their rows");
        }
        Ok(())
    }

    /// Answers the user agent.
    fn say(&mut self, said: ToAgent<'_>) {
        let connection = self.connection.as_ref();
        let frame = connection.and_then(|connection| connection.say(&ToDevice::Agent(said)));
        if let Some((output, _)) = frame {
            self.cx.push(output);
        }
    }
}
