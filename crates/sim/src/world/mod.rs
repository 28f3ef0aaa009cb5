//! Simulated time, and the events in it.
//!
//! One queue holds all future events; events of the same time keep the order in which they were queued. There is one
//! true time; each mailbox has a clock of its own, which may be off.

mod alarm;
pub(crate) mod bounds;
mod calls;
mod client;
mod closes;
mod directory;
mod event;
mod failures;
mod faults;
mod knocks;
mod nap;
mod object;
mod ops;
mod outputs;
mod publish;
pub(crate) mod push;
mod queue;
mod reach;
mod said;
mod serve;
mod sockets;
mod timer;
mod verdict;
mod versions;
mod watchers;
mod webhook;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use tagpost_core::id::{DeviceId, owner};
use tagpost_core::operator_event::Settings;
use tagpost_core::time::Millis;
use tagpost_core::wake::Knocks;
use tagpost_core::webhook::Secret;

use self::calls::{CallState, Fates};
use self::client::Client;
use self::object::Object;
use self::push::Servers;
pub(crate) use self::push::frames::{Notification, op_of_payload};
use self::queue::Event;
use self::sockets::Socket;
pub(crate) use self::verdict::Verdict;
use self::watchers::Watcher;
use crate::claims::{Checked, Ledger, claim, events_of, knocks_of};
use crate::history::History;
use crate::plan::{Conduct, Plan, Weather};
use crate::store::Sqlite;

/// When every run starts.
const START: Millis = 1_700_000_000_000;
/// A run that is not at rest after this many events never will be.
const MAX_EVENTS: u64 = 60_000;
/// How long after the last fault everything has to be settled: twice the longest pause between two tries, and four
/// times how far a clock may have been set back.
const RECOVERY: Millis = 700_000;

/// Identifies a call.
type CallId = u64;

/// The system in one run.
pub(crate) struct World<'a> {
    plan: &'a Plan,
    now: Millis,
    healed: bool,
    healed_at: Millis,
    /// No device connects any more.
    is_over: bool,
    /// No mailbox can be opened before this.
    misconfigured_until: Millis,
    /// Two versions run until then.
    mixed_until: Millis,
    /// The most bytes that a mailbox had when it lost its memory.
    most_held: u64,
    queue: BTreeMap<(Millis, u64), Event>,
    next: u64,
    events: u64,
    names: Vec<DeviceId>,
    places: BTreeMap<DeviceId, usize>,
    /// The devices of each tag, as the directory has them.
    tags: Vec<BTreeSet<usize>>,
    /// Those of the devices, and then the one from which the service publishes.
    objects: Vec<Object>,
    clients: Vec<Client>,
    /// Indexed by the number of the connection.
    sockets: Vec<Socket>,
    /// In the order of their numbers, open or not.
    watchers: Vec<Watcher>,
    calls: BTreeMap<CallId, CallState>,
    servers: Servers,
    /// Which messages knock.
    knocks: Knocks,
    /// Whether the service publishes events, and how.
    publishes: Option<Settings>,
    /// The endpoints that their push service has forgotten.
    gone: BTreeSet<String>,
    /// How the addresses of devices behave, by their number.
    conducts: BTreeMap<(usize, u32), Conduct>,
    /// The secrets of devices that are addresses, the newest first.
    secrets: BTreeMap<usize, Vec<Secret>>,
    /// The event of the platform that has led to the current one, through answers of addresses.
    origin: u64,
    /// How many requests to addresses each event of the platform has led to.
    requests: BTreeMap<u64, u32>,
    fates: Fates,
    ledger: Ledger,
    history: History,
    /// The mailbox that handled the current event.
    touched: Option<usize>,
}

impl<'a> World<'a> {
    /// The system at its start. Every store is empty.
    pub(crate) fn new(plan: &'a Plan, stores: Vec<Sqlite>, keep_history: bool) -> Self {
        let devices = stores.len().saturating_sub(1);
        let names = (0..devices).filter_map(|place| name(place).parse().ok());
        let names: Vec<DeviceId> = names.chain([owner::events()]).collect();
        let places = names.iter().cloned().zip(0..).collect();
        Self {
            plan,
            now: START,
            healed: false,
            healed_at: 0,
            is_over: false,
            misconfigured_until: 0,
            mixed_until: 0,
            most_held: 0,
            queue: BTreeMap::new(),
            next: 0,
            events: 0,
            clients: names
                .iter()
                .take(devices)
                .map(|name| Client::new(name.clone()))
                .collect(),
            ledger: Ledger::new(plan, &names),
            names,
            places,
            tags: plan
                .tags
                .iter()
                .map(|devices| devices.iter().copied().collect())
                .collect(),
            objects: stores.into_iter().map(Object::new).collect(),
            sockets: Vec::new(),
            watchers: Vec::new(),
            calls: BTreeMap::new(),
            servers: Servers::new(),
            knocks: knocks_of(plan.seed),
            publishes: events_of(plan.seed),
            gone: BTreeSet::new(),
            conducts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            origin: 0,
            requests: BTreeMap::new(),
            fates: Fates::default(),
            history: History::new(keep_history, START),
            touched: None,
        }
    }

    /// Runs the plan to its end, and continues until everything is at rest. Returns the number of events, and the
    /// history.
    pub(crate) fn run(mut self) -> (Checked<u64>, Vec<String>) {
        let outcome = self.play();
        (outcome.map(|()| self.events), self.history.into_lines())
    }

    fn play(&mut self) -> Checked {
        self.begin()?;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = self.now.max(at);
            self.events += 1;
            claim("the system comes to rest", self.events < MAX_EVENTS, || {
                format!("{} events, and still: {event:?}", self.events)
            })?;
            self.step(event)?;
        }
        bounds::holds_little(self.most_held)?;
        self.ledger.finish(
            &self
                .objects
                .iter()
                .map(|object| object.alarm)
                .collect::<Vec<_>>(),
        )
    }

    /// An event happens, unless its device sleeps, and the mailbox that handled it is checked.
    fn step(&mut self, event: Event) -> Checked {
        let Some(event) = self.unless_asleep(event) else {
            return Ok(());
        };
        self.origin = self.events;
        self.happen(event)?;
        match self.touched.take() {
            Some(object) => self.inspect(object),
            None => Ok(()),
        }
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Op(place) => self.operate(place),
            Event::Heal => self.heal(),
            Event::Check => self.check(),
            Event::Recovered => self.recovered(),
            Event::Arrives {
                call,
                to,
                parcel,
                copy,
            } => {
                if let Some((later, parcel)) = copy {
                    let life = self.objects[to].life;
                    let of = call;
                    self.after(
                        later,
                        Event::Copy {
                            of,
                            to,
                            life,
                            parcel,
                        },
                    );
                }
                self.serve(call, to, &parcel)
            }
            Event::Copy {
                of,
                to,
                life,
                parcel,
            } => {
                // No network repeats a request that was answered, or whose connection has ended.
                if !self.is_awaited(of) || self.objects[to].life != life {
                    return Ok(());
                }
                self.next += 1;
                self.serve(self.next, to, &parcel)
            }
            Event::Returns { call, reply } => self.returned(call, reply.map(|reply| *reply)),
            Event::Resolved {
                object,
                life,
                found,
            } => self.resolved(object, life, found),
            Event::Entered { object, life } => self.entered(object, life),
            Event::Knocked {
                object,
                life,
                subscription,
                number,
                answer,
            } => self.knocked(object, life, subscription, number, answer),
            Event::Posted {
                object,
                life,
                request,
            } => self.address_answers(object, life, *request),
            Event::Recorded {
                object,
                life,
                number,
                taken,
            } => self.recorded(object, life, number, taken),
            Event::KnockedAt { device } => self.knocked_at(device),
            Event::Timeout { object, token, at } => self.timeout(object, token, at),
            Event::Alarm { object, token } => self.alarm(object, token),
            Event::AlarmAgain { object } => self.alarm_again(object),
            Event::Handshake {
                device,
                expires_in,
                answer,
            } => self.handshake(device, expires_in, answer),
            Event::ToClient { connection, what } => self.reach_client(connection, what),
            Event::ToMailbox { connection, what } => self.reach_mailbox(connection, what),
            Event::Verdict { device, verdict } => self.say(device, verdict),
            Event::Progress { device, work } => self.say_progress(device, &work),
            Event::Answer {
                device,
                answer,
                channel,
            } => {
                self.agent_answers(device, &answer, &channel);
                Ok(())
            }
            Event::Return => {
                let bound = (0..self.clients.len()).filter(|device| self.ledger.is_bound(*device));
                let bound: Vec<usize> = bound.collect();
                bound
                    .into_iter()
                    .for_each(|device| self.become_device(device));
                Ok(())
            }
            Event::Seen { device } => self.say_seen(device),
            Event::Flap {
                device,
                times,
                pace,
            } => {
                self.flap(device, times, pace);
                Ok(())
            }
            Event::Reconnect { device } => self.reconnect(device),
            Event::Wakes { device, number } => self.wakes(device, number),
            Event::Unanswered { op, repeats } => self.repeat_unanswered(op, repeats),
        }
    }

    fn weather(&self) -> Weather {
        if self.healed {
            Weather::FAIR
        } else {
            self.plan.weather
        }
    }

    fn note(&mut self, text: impl FnOnce(&[DeviceId]) -> String) {
        let names = &self.names;
        self.history.note(self.now, || text(names));
    }
}

/// The name of the device with this index. Names sort like their indexes.
fn name(place: usize) -> String {
    format!("d{place:03}")
}
