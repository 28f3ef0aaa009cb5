//! The platform's object around a mailbox: memory that can be lost, an alarm, transactions, effects.
//!
//! It does what the Worker's `src/mailbox` does. What an event wrote is committed with its alarm before
//! any of its other effects happen.

use std::collections::BTreeMap;

use tagpost_core::call::Delivered;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{ConnectionId, Early, Effect, Mailbox};
use tagpost_core::store::StoreError;
use tagpost_core::time::{Millis, Now};
use tagpost_core::trace::Trace;

use super::calls::{Caller, Reply};
use super::{CallId, Event, Lane, World, said};
use crate::chance::chance;
use crate::claims::{Checked, claim};
use crate::plan::Moment;
use crate::store::Sqlite;

/// How long it takes to find the devices of a tag.
const RESOLVING: Millis = 3;

/// How long an object has to be idle before it may leave memory.
const IDLE: Millis = 10_000;

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
    /// When it last handled an event.
    busy_at: Millis,
    /// How the next event ends.
    pub(super) doom: Option<Moment>,
    pub(super) waiting: Waiting,
    /// Calls of its own under way.
    pub(super) calls_out: u32,
    /// Timers of its own that run.
    pub(super) ticks: u32,
    pub(super) lane: Lane,
    /// Frames that wait for those that come right behind them.
    pub(super) heard: Vec<(ConnectionId, Option<String>)>,
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
    fn take_all(&mut self) -> Vec<CallId> {
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
            busy_at: 0,
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
    /// Lets the mailbox handle an event and performs what comes of it. `None` if it crashed.
    pub(super) fn event<T>(
        &mut self,
        object: usize,
        handle: impl FnOnce(&mut Core, Now) -> Result<T, StoreError>,
    ) -> Checked<Option<T>> {
        let Some((outcome, effects)) = self.handle(object, handle)? else {
            return Ok(None);
        };
        self.perform(object, effects)?;
        Ok(Some(outcome))
    }

    /// Lets the mailbox handle an event, and commits what it wrote. `None` if it crashed.
    pub(super) fn handle<T>(
        &mut self,
        object: usize,
        handle: impl FnOnce(&mut Core, Now) -> Result<T, StoreError>,
    ) -> Checked<Option<(T, Vec<Effect>)>> {
        self.touched = Some(object);
        if self.plan.sleeps {
            self.evict(object);
        }
        self.objects[object].busy_at = self.now;
        let now = self.clock(object);
        let attachments = self.attachments(object);
        let limits = &self.plan.limits;
        let host = &mut self.objects[object];
        let doom = host.doom.take();
        if let Some(Moment::Within(statements)) = doom {
            host.store.fail_after(Some(statements));
        }
        let heard = std::mem::take(&mut host.heard);
        let attempt = |host: &mut Object| -> Result<(T, Vec<Effect>), StoreError> {
            host.store.begin()?;
            let mailbox = match &mut host.mailbox {
                Some(mailbox) => mailbox,
                closed => closed.insert(Mailbox::open(
                    host.store.clone(),
                    limits.clone(),
                    &attachments,
                    host.alarm,
                    now,
                )?),
            };
            let outcome = mailbox.taking_along(&heard, now, handle)?;
            Ok((outcome, mailbox.take_effects()))
        };
        let outcome = attempt(host);
        let failed = host.store.failed();
        host.store.fail_after(None);
        match (outcome, doom) {
            (Ok(_), _) if failed => {
                claim("an event whose store fails fails", false, String::new).map(|()| None)
            }
            (Ok(_) | Err(_), Some(Moment::Within(statements))) => {
                host.store.roll_back().map_err(crate::claims::broken)?;
                self.note(|names| {
                    format!("{} fails at statement {statements} of this", names[object])
                });
                self.crash(object, false);
                Ok(None)
            }
            (Ok((outcome, effects)), doom) => {
                host.store.commit().map_err(crate::claims::broken)?;
                for effect in &effects {
                    if let Effect::Alarm(at) = effect {
                        self.set_alarm(object, *at);
                    }
                }
                self.commit(object, now.at)?;
                if let Some(Moment::Committed(left)) = doom {
                    self.note(|names| format!("{} fails when this is committed", names[object]));
                    let effects = effects
                        .into_iter()
                        .filter(|effect| !matches!(effect, Effect::Alarm(_)))
                        .take(left as usize);
                    self.perform(object, effects.collect())?;
                    self.crash(object, false);
                    return Ok(None);
                }
                let answered = heard.iter().filter_map(|(connection, frame)| {
                    Some((*connection, said::answered(frame.as_deref()?)?))
                });
                self.objects[object].answered.extend(answered);
                Ok(Some((outcome, effects)))
            }
            (Err(error), _) => Err(crate::claims::broken(error)),
        }
    }

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

    fn commit(&mut self, object: usize, now: Millis) -> Checked {
        let host = &self.objects[object];
        self.ledger.committed(object, &host.store, now, host.life)
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
        let expires_at =
            connection.and_then(|connection| self.sockets[connection as usize].expires_at);
        self.ledger
            .alarm(object, host.alarm, connection, expires_at, host.losses, now)
    }

    pub(super) fn perform(&mut self, object: usize, effects: Vec<Effect>) -> Checked {
        for effect in effects {
            match effect {
                Effect::Send { connection, frame } => self.send(object, connection, &frame)?,
                Effect::Close {
                    connection,
                    code,
                    reason,
                } => self.hang_up(object, connection, code, reason)?,
                Effect::Attach {
                    connection,
                    attachment,
                } => self.attach(connection, attachment)?,
                Effect::Call {
                    to,
                    errand,
                    call,
                    enclosed,
                } => {
                    let life = self.objects[object].life;
                    self.objects[object].calls_out += 1;
                    let to = self.places[&to];
                    self.call(
                        Caller::Mailbox {
                            object,
                            life,
                            errand,
                        },
                        to,
                        None,
                        call,
                        enclosed,
                    )?;
                }
                Effect::Resolve(frame) => {
                    let host = &mut self.objects[object];
                    host.lane.push_back(*frame);
                    let life = host.life;
                    if host.lane.len() == 1 {
                        self.after(RESOLVING, Event::Resolved { object, life });
                    }
                }
                Effect::Tick(at) => {
                    let host = &mut self.objects[object];
                    host.ticks += 1;
                    let (at, life) = (at - host.skew, host.life);
                    self.at(at, Event::Tick { object, life });
                }
                // Set when the event was committed.
                Effect::Alarm(_) => {}
                Effect::Delivered(id, delivered) => self.delivered(object, id, &delivered)?,
                Effect::Published(id, outcome) => {
                    match &outcome {
                        Ok(trace) => self.ledger.answered(object, trace)?,
                        Err(_) => self.ledger.not_accepted(id),
                    }
                    let calls = self.objects[object].waiting.publishes.remove(&id);
                    for call in calls.into_iter().flatten() {
                        self.reply(
                            call,
                            outcome.clone().map_or_else(Reply::Problem, Reply::Trace),
                        );
                    }
                }
                Effect::Settled(id) => {
                    let host = &self.objects[object];
                    let life = host.life;
                    let traces = host.waiting.traces.iter().filter(|(_, of)| **of == id);
                    for call in traces.map(|(call, _)| *call).collect::<Vec<_>>() {
                        self.after(0, Event::Trace { object, life, call });
                    }
                }
                Effect::Cancelled(id) => {
                    let host = &mut self.objects[object];
                    let life = host.life;
                    for call in host.waiting.cancels.remove(&id).into_iter().flatten() {
                        self.objects[object].waiting.traces.insert(call, id);
                        self.after(0, Event::Trace { object, life, call });
                    }
                }
                Effect::Ready | Effect::Revoked => {
                    let host = &self.objects[object];
                    let life = host.life;
                    for call in host.waiting.polls.keys().copied().collect::<Vec<_>>() {
                        self.after(0, Event::Poll { object, life, call });
                    }
                }
            }
        }
        Ok(())
    }

    fn delivered(&mut self, object: usize, id: MessageId, delivered: &Delivered) -> Checked {
        let calls = self.objects[object].waiting.deliveries.remove(&id);
        for call in calls.into_iter().flatten() {
            self.answer_delivered(object, call, id, delivered)?;
        }
        Ok(())
    }

    /// Memory is lost, with all that waits; the store is as it was committed.
    pub(super) fn crash(&mut self, object: usize, keep_sockets: bool) {
        let host = &mut self.objects[object];
        host.mailbox = None;
        host.life += 1;
        host.losses += 1;
        host.calls_out = 0;
        host.ticks = 0;
        host.lane.clear();
        host.heard.clear();
        host.answered.clear();
        let waiting = host.waiting.take_all();
        waiting.into_iter().for_each(|call| self.fail(call));
        if !keep_sockets {
            self.cut_off(object);
        }
    }

    /// Memory is lost, if nothing is under way.
    pub(super) fn evict(&mut self, object: usize) {
        let host = &mut self.objects[object];
        if host.is_idle() && host.mailbox.is_some() && self.now - host.busy_at >= IDLE {
            host.mailbox = None;
            host.life += 1;
            self.note(|names| format!("{} leaves memory", names[object]));
        }
    }
}
