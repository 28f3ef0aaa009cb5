//! Histories of one mailbox with a large backlog: the cost of opening it, and whether the backlog settles.
//!
//! The mailbox is alone: nobody answers its calls. A stored backlog is opened repeatedly, by the alarm and by reads of
//! the status, until it has settled.

use std::rc::Rc;

use tagpost_core::call::{Call, Request};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::{CallPurpose, Input, Mailbox, Output, Reply};
use tagpost_core::message::{Message, Target};
use tagpost_core::problem::Code;
use tagpost_core::protocol::CODECS;
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::publish::Draft;
use tagpost_core::store::Store;
use tagpost_core::time::{Millis, Now};
use tagpost_core::token::Claims;

use crate::chance::chance;
use crate::claims::{Checked, broken, claim};
use crate::plan::{Pile, Plan};
use crate::store::Sqlite;
use crate::world::bounds::{Work, holds_little, measured};

/// When it begins.
const START: Millis = 1_700_000_000_000;
/// The bytes of a large payload.
const LARGE: usize = 250_000;
/// Seconds for which its messages are kept.
const TTL: u32 = 600;
/// It is woken at most this often: as nobody answers, queued publishes never settle.
const WAKES: u32 = 40;

/// Runs the history of a pile, in this empty store; returns how many events it had.
pub(crate) fn run(plan: &Plan, pile: Pile, store: &Sqlite) -> Checked<u64> {
    let mut place = Place {
        seed: plan.seed,
        store,
        limits: Limits {
            max_held_messages: 100_000,
            max_in_flight: 128,
            publish_burst: 100_000,
            retention: 60,
            ..Limits::default()
        },
        mailbox: None,
        now: START,
        alarm: None,
        events: 0,
    };
    let own = device(0)?;
    place.ask(&own, Call::Register, None)?;
    match pile {
        Pile::Held(messages) => {
            place.receive(messages, 0, 0)?;
            place.wake()?;
        }
        Pile::Queued(publishes, devices) => {
            let devices = (1..=devices).map(device).collect::<Checked<Vec<_>>>()?;
            for _ in 0..publishes {
                place.publish(devices.clone(), 0, 0)?;
            }
            place.wake()?;
        }
        Pile::Waiting(publishes) => {
            for n in 0..publishes {
                place.publish(vec![device(1 + n % 20)?], LARGE, 30)?;
            }
            place.forget()?;
        }
        Pile::InFlight(messages) => {
            place.connect()?;
            place.receive(messages, LARGE, 30_000)?;
            place.forget()?;
        }
    }
    Ok(place.events)
}

/// The mailbox and its surroundings.
struct Place<'a> {
    seed: u64,
    store: &'a Sqlite,
    limits: Limits,
    mailbox: Option<Mailbox<Sqlite>>,
    now: Millis,
    alarm: Option<Millis>,
    events: u64,
}

impl Place<'_> {
    fn event(&mut self, input: Input) -> Checked<Vec<Output>> {
        self.events += 1;
        let now = Now {
            at: self.now,
            pong_at: None,
            random: chance(self.seed, &[7, self.events]).u64(..),
        };
        let mut work = Work::default();
        self.store.begin().map_err(broken)?;
        let mailbox = match &mut self.mailbox {
            Some(mailbox) => mailbox,
            closed => {
                let (store, limits) = (self.store.clone(), self.limits.clone());
                let (opened, opening) = measured(self.store, || {
                    Mailbox::open(store, limits, CODECS, &[], self.alarm, now)
                });
                work.opening = Some(opening);
                closed.insert(opened.map_err(broken)?)
            }
        };
        let (done, event) = measured(self.store, || mailbox.handle(input, now));
        let outputs = done.map_err(broken)?;
        self.store.commit().map_err(broken)?;
        work.event = event;
        work.is_bounded(0)?;
        for output in &outputs {
            if let Output::Alarm(at) = output {
                self.alarm = Some(*at);
            }
        }
        Ok(outputs)
    }

    /// Somebody makes a call for this device.
    fn ask(
        &mut self,
        device: &DeviceId,
        call: Call,
        enclosed: Option<String>,
    ) -> Checked<Vec<Output>> {
        let request = Request {
            device: device.clone(),
            caller: None,
            call,
        };
        self.event(Input::Call {
            id: self.events,
            request,
            enclosed,
        })
    }

    /// The device opens a connection.
    fn connect(&mut self) -> Checked {
        let claims = Claims {
            device: device(0)?,
            issued_at: START.div_euclid(1000),
            expires_at: None,
            publish: None,
            tags: vec![],
            revocations: None,
            webhook: false,
            id: None,
        };
        self.event(Input::Open {
            id: self.events,
            connection: 1,
            codec: &TagpostV1,
            claims,
            window: None,
            origin: None,
        })
        .map(drop)
    }

    /// The device gets `messages` messages with payloads of `length` bytes. Each call waits `wait` milliseconds.
    fn receive(&mut self, messages: u32, length: usize, wait: u32) -> Checked {
        // The message of a call is had from a sender's mailbox.
        let sender = device(1)?;
        let store = Sqlite::new().map_err(broken)?;
        let mut far = Place {
            store: &store,
            mailbox: None,
            alarm: None,
            limits: self.limits.clone(),
            ..*self
        };
        far.ask(&sender, Call::Register, None)?;
        let enclosed = far.publish(vec![device(0)?], length, 0)?;
        let message: Message =
            serde_json::from_str(&enclosed.unwrap_or_default()).map_err(broken)?;
        let own = device(0)?;
        let (after, until) = (None, self.now + 1_000);
        let mut last = None;
        for n in 0..messages {
            let id = MessageId::next(&sender, self.now, last, u64::from(n));
            last = Some(id);
            let mut message = message.clone();
            message.id = id;
            let text = serde_json::to_string(&message).map_err(broken)?;
            self.ask(&own, Call::Deliver { wait, after, until }, Some(text))?;
        }
        Ok(())
    }

    /// The device publishes a payload of `length` bytes to `devices`, and waits `wait` seconds. Returns the message
    /// as it is handed over, if it is.
    fn publish(
        &mut self,
        devices: Vec<DeviceId>,
        length: usize,
        wait: u32,
    ) -> Checked<Option<Rc<str>>> {
        let header = |name: &str| match name {
            "Content-Type" => Some("application/json".to_owned()),
            "TTL" => Some(TTL.to_string()),
            "Prefer" => Some(format!("wait={wait}")),
            _ => None,
        };
        let payload = format!(r#"{{"n":0,"x":"{}"}}"#, "x".repeat(length));
        let draft = Draft::from_http(header, payload.as_bytes(), &self.limits).map_err(broken)?;
        let to = match devices.as_slice() {
            [alone] => Target::Device(alone.clone()),
            _ => Target::Tag("all".parse().map_err(broken)?),
        };
        let text = serde_json::to_string(&draft).map_err(broken)?;
        let call = Call::Publish { to, devices, wait };
        let outputs = self.ask(&device(0)?, call, Some(text))?;
        for output in &outputs {
            if let Output::Reply(_, Reply::Problem(problem)) = output {
                claim(
                    "a publish is refused because too much is under way",
                    problem.code == Code::TooManyRequests,
                    || problem.to_string(),
                )?;
            }
        }
        Ok(outputs.into_iter().find_map(|output| match output {
            Output::Call {
                purpose: CallPurpose::Deliver(_),
                enclosed,
                ..
            } => enclosed,
            _ => None,
        }))
    }

    /// Drops its memory, after checking that there was not too much of it.
    fn forget(&mut self) -> Checked {
        let mailbox = self.mailbox.take();
        let ((), taken) = measured(self.store, || drop(mailbox));
        holds_little(taken.freed)
    }

    /// It is woken until nothing is left that is not settled.
    fn wake(&mut self) -> Checked {
        for n in 0..WAKES {
            // Nobody has asked it for a while, and memory is gone.
            self.mailbox = None;
            if n.is_multiple_of(8) {
                self.ask(&device(0)?, Call::Status, None)?;
                self.mailbox = None;
            }
            let Some(at) = self.alarm else { break };
            self.now = self.now.max(at);
            self.alarm = None;
            self.event(Input::Alarm)?;
            if self.now > START + i64::from(TTL) * 4_000 {
                break;
            }
        }
        let left = "SELECT count(*) FROM inbox WHERE settled IS NULL";
        let mut rows = self.store.run(left, &[]).map_err(broken)?;
        let left = rows
            .pop()
            .map(|mut row| row.int())
            .transpose()
            .map_err(broken)?;
        claim("nothing is stuck", left == Some(0), || {
            format!("{left:?} messages are held at {}", self.now)
        })
    }
}

fn device(n: u32) -> Checked<DeviceId> {
    format!("d{n:05}").parse().map_err(broken)
}
