//! The platform's object around a mailbox: its memory, its unanswered calls, its timer and its alarm.

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
    /// Grows whenever something is lost that was neither stored nor attached to a socket that remains.
    pub(super) losses: u32,
    /// How far its clock is ahead of true time.
    pub(super) skew: Millis,
    pub(super) alarm: Option<Millis>,
    pub(super) alarm_token: u64,
    /// How often the platform has repeated the alarm that is set.
    pub(super) alarm_retries: u32,
    /// The alarm is not repeated before this.
    pub(super) alarm_from: Millis,
    /// The entry has postponed its alarm.
    pub(super) postponed: bool,
    /// Until then its store refuses every write.
    pub(super) full_until: Millis,
    /// When its mailbox was opened, by its clock: the latest of all times.
    pub(super) opened_at: Millis,
    /// When it last handled an event.
    pub(super) busy_at: Millis,
    /// Its alarm is going off.
    pub(super) ringing: bool,
    /// How the next event ends.
    pub(super) doom: Option<Moment>,
    /// How the event ends that brings the next answer of its address.
    pub(super) answer_doom: Option<Moment>,
    /// The calls that its mailbox has not answered yet.
    pub(super) served: BTreeMap<CallId, Served>,
    /// The number of the next call.
    pub(super) next_call: CallId,
    /// Its own unanswered calls and queries.
    pub(super) under_way: u32,
    /// The time that its timer is set to, by its clock.
    pub(super) timer: Option<Millis>,
    /// Identifies that timer: an earlier one does not go off.
    pub(super) timer_token: u64,
    /// Messages answered by frames that may still wait for others.
    pub(super) heard: Vec<(ConnectionId, MessageId)>,
    /// Messages whose answers were handled in the current event.
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
            postponed: false,
            full_until: 0,
            opened_at: 0,
            busy_at: 0,
            ringing: false,
            doom: None,
            answer_doom: None,
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

    /// Drops its memory. Returns how many bytes that freed.
    pub(super) fn lose_memory(&mut self) -> u64 {
        let mailbox = self.mailbox.take();
        let ((), taken) = measured(&self.store, || drop(mailbox));
        taken.freed
    }

    /// Whether it may hibernate: no call waits for it, and it waits for none.
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
        let random = chance(self.plan.seed, &[7, object as u64, self.next, self.events]).u64(..);
        let pong_at = self.pong_at(object).map(|at| at + skew);
        Now {
            at: self.now + skew,
            pong_at,
            random,
        }
    }

    /// Checks a mailbox after every event that it has handled.
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
        // A frame that waits for others is handled in a moment, and what has room is sent with it.
        let is_awake = host.mailbox.is_some() && host.heard.is_empty();
        if let Some(connection) = connection.filter(|it| is_awake && self.takes_more(*it)) {
            self.ledger
                .room_is_used(object, &waiting, connection, now)?;
        }
        if host.mailbox.is_some() {
            let here = connection.filter(|it| !self.sockets[*it as usize].is_agent);
            let polls = self.polls(object);
            self.ledger.is_knocked(object, here.is_some(), polls, now)?;
        }
        let host = &self.objects[object];
        let expires_at =
            connection.and_then(|connection| self.sockets[connection as usize].expires_at);
        let alarm = Alarm {
            at: host.alarm,
            postponed: host.postponed,
            opened_at: host.opened_at,
        };
        if let Some(mailbox) = &host.mailbox {
            let has_socket = mailbox.connection().is_some();
            self.ledger
                .address_is_served(object, &waiting, has_socket, alarm, now)?;
        }
        self.ledger
            .alarm(object, alarm, connection, expires_at, host.losses, now)
    }
}
