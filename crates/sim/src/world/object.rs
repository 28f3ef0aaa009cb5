//! The platform's object around a mailbox: what it has in memory, what waits in it, and its alarm.

use std::collections::BTreeMap;

use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{ConnectionId, Early, Mailbox};
use tagpost_core::protocol::Frame;
use tagpost_core::time::{Millis, Now};
use tagpost_core::trace::Trace;

use super::bounds::measured;
use super::{CallId, Lane, World};
use crate::chance::chance;
use crate::claims::{Alarm, Checked};
use crate::plan::Moment;
use crate::store::Sqlite;

/// The core's mailbox over SQLite.
pub(super) type Core = Mailbox<Sqlite>;

/// One object.
pub(super) struct Object {
    pub(super) store: Sqlite,
    pub(super) mailbox: Option<Core>,
    /// Grows whenever memory is lost.
    pub(super) life: u32,
    /// Grows whenever something is lost that was neither stored nor attached to a socket that stays.
    pub(super) losses: u32,
    /// How far its clock is ahead.
    pub(super) skew: Millis,
    pub(super) alarm: Option<Millis>,
    pub(super) alarm_token: u64,
    /// How often the platform has repeated the alarm that is set.
    pub(super) alarm_retries: u32,
    /// It is not repeated before this.
    pub(super) alarm_from: Millis,
    /// The entry has put its alarm off.
    pub(super) put_off: bool,
    /// Until then its store refuses every write.
    pub(super) full_until: Millis,
    /// When it last handled an event.
    pub(super) busy_at: Millis,
    /// Its alarm is going off.
    pub(super) ringing: bool,
    /// How the next event ends.
    pub(super) doom: Option<Moment>,
    pub(super) waiting: Waiting,
    /// Calls of its own under way.
    pub(super) calls_out: u32,
    /// Timers of its own that run.
    pub(super) ticks: u32,
    pub(super) lane: Lane,
    /// Frames that wait for those that come right behind them.
    pub(super) heard: Vec<(ConnectionId, Frame)>,
    /// Messages that were answered over a connection in the present event.
    pub(super) answered: Vec<(ConnectionId, MessageId)>,
    /// Its sockets that are not gone, oldest first.
    pub(super) sockets: Vec<ConnectionId>,
}

/// Calls that are not answered.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Those that came before the message that they follow.
    pub(super) early: BTreeMap<CallId, Early>,
    pub(super) deliveries: BTreeMap<MessageId, Vec<CallId>>,
    pub(super) publishes: BTreeMap<MessageId, Vec<CallId>>,
    pub(super) traces: BTreeMap<CallId, MessageId>,
    pub(super) cancels: BTreeMap<MessageId, Vec<CallId>>,
    /// With the most messages each takes, and until when it waits.
    pub(super) polls: BTreeMap<CallId, (u32, Millis)>,
    /// Traces for which other mailboxes are asked, and how many have not answered.
    pub(super) looking: BTreeMap<CallId, (Trace, usize)>,
}

impl Waiting {
    pub(super) fn take_all(&mut self) -> Vec<CallId> {
        let all = std::mem::take(self);
        let lists = all
            .deliveries
            .into_values()
            .chain(all.publishes.into_values())
            .chain(all.cancels.into_values());
        let mut calls: Vec<CallId> = lists.flatten().collect();
        calls.extend(all.early.into_keys());
        calls.extend(all.traces.into_keys());
        calls.extend(all.polls.into_keys());
        calls.extend(all.looking.into_keys());
        calls
    }

    /// The calls of clients, but for polls.
    pub(super) fn of_clients(&self) -> Vec<CallId> {
        let lists = self.publishes.values().chain(self.cancels.values());
        let mut calls: Vec<CallId> = lists.flatten().copied().collect();
        calls.extend(self.traces.keys());
        calls.extend(self.looking.keys());
        calls
    }

    /// A call is not answered when what it waits for is there.
    pub(super) fn forget(&mut self, call: CallId) {
        for calls in self.publishes.values_mut().chain(self.cancels.values_mut()) {
            calls.retain(|waiting| *waiting != call);
        }
        self.traces.remove(&call);
        self.looking.remove(&call);
    }

    fn is_empty(&self) -> bool {
        self.early.is_empty()
            && self.deliveries.is_empty()
            && self.publishes.is_empty()
            && self.traces.is_empty()
            && self.cancels.is_empty()
            && self.polls.is_empty()
            && self.looking.is_empty()
    }
}

impl Object {
    pub(super) fn new(store: Sqlite) -> Self {
        Self {
            store,
            mailbox: None,
            life: 0,
            losses: 0,
            skew: 0,
            alarm: None,
            alarm_token: 0,
            alarm_retries: 0,
            alarm_from: 0,
            put_off: false,
            full_until: 0,
            busy_at: 0,
            ringing: false,
            doom: None,
            waiting: Waiting::default(),
            calls_out: 0,
            ticks: 0,
            lane: Lane::default(),
            heard: Vec::new(),
            answered: Vec::new(),
            sockets: Vec::new(),
        }
    }

    /// Its memory is gone; returns how many bytes that were.
    pub(super) fn lose_memory(&mut self) -> u64 {
        let mailbox = self.mailbox.take();
        let ((), taken) = measured(&self.store, || drop(mailbox));
        taken.freed
    }

    /// Whether it may sleep: nobody waits for it, and it waits for nobody.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.calls_out == 0
            && self.ticks == 0
            && self.lane.is_empty()
            && self.heard.is_empty()
    }
}

impl World<'_> {
    /// The object was not idle until now.
    pub(super) fn keep_awake(&mut self, object: usize) {
        self.objects[object].busy_at = self.now;
    }

    pub(super) fn clock(&self, object: usize) -> Now {
        let skew = self.objects[object].skew;
        let random = chance(self.plan.seed, &[7, object as u64, self.next]).u64(..);
        let pong_at = self.pong_at(object).map(|at| at + skew);
        Now {
            at: self.now + skew,
            pong_at,
            random,
        }
    }

    /// What holds after every event that a mailbox has handled.
    pub(super) fn inspect(&mut self, object: usize) -> Checked {
        let host = &self.objects[object];
        let waiting: Vec<MessageId> = host.waiting.deliveries.keys().copied().collect();
        let now = self.now + host.skew;
        let connection = self.live_connection(object);
        if let Some(connection) = connection {
            self.ledger.holds(object, connection)?;
        }
        for (over, id) in std::mem::take(&mut self.objects[object].answered) {
            if connection == Some(over) {
                self.ledger.has_answered(object, id)?;
            }
        }
        let host = &self.objects[object];
        self.ledger
            .quotas(object, &waiting, connection, host.losses)?;
        if let Some(connection) =
            connection.filter(|it| host.mailbox.is_some() && self.takes_more(*it))
        {
            self.ledger
                .room_is_used(object, &waiting, connection, now)?;
        }
        let expires_at =
            connection.and_then(|connection| self.sockets[connection as usize].expires_at);
        let alarm = Alarm {
            at: host.alarm,
            put_off: host.put_off,
        };
        self.ledger
            .alarm(object, alarm, connection, expires_at, host.losses, now)
    }
}
