//! The platform's object around a mailbox: what it has in memory, what waits in it, and its alarm.

use std::collections::BTreeMap;

use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{CallId, ConnectionId, Mailbox};
use tagpost_core::time::{Millis, Now};

use super::World;
use super::bounds::measured;
use super::serve::Served;
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
    /// The calls that its mailbox has and has not answered.
    pub(super) served: BTreeMap<CallId, Served>,
    /// The number of the next one.
    pub(super) next_call: CallId,
    /// Calls of its own, and queries of the directory, that are not answered.
    pub(super) under_way: u32,
    /// What its timer is set to, by its clock.
    pub(super) timer: Option<Millis>,
    /// Names that timer: one that was set before does not go off.
    pub(super) timer_token: u64,
    /// Messages that frames answered which may wait for others.
    pub(super) heard: Vec<(ConnectionId, MessageId)>,
    /// Messages that were answered over a connection in the present event.
    pub(super) answered: Vec<(ConnectionId, MessageId)>,
    /// Its sockets that are not gone, oldest first.
    pub(super) sockets: Vec<ConnectionId>,
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
            served: BTreeMap::new(),
            next_call: 0,
            under_way: 0,
            timer: None,
            timer_token: 0,
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
        self.served.is_empty() && self.under_way == 0 && self.timer.is_none()
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
        let waiting = self.awaited_here(object);
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
