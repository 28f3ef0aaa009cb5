//! Performing the outputs of the mailbox.
//!
//! Everything except calls, queries, knocks, records and posts happens immediately, in order, and in the same turn as the
//! writes of its event, so that the platform holds it back until these are committed. The five run concurrently with
//! other events; the answer to each is an event of its own.

use std::rc::Rc;

use js_sys::JsString;
use tagpost_core::call::{Call, Request};
use tagpost_core::id::DeviceId;
use tagpost_core::mailbox::{CallPurpose, Input, Output};
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};
use wasm_bindgen::JsValue;
use worker::ScheduledTime;

use super::knock::Knock;
use super::{Object, clock, rejection};
use crate::config::Config;
use crate::respond::Error;
use crate::{directory, log, stub};

/// The farthest an alarm is set, in milliseconds from now: a year. The platform refuses times after 2189.
const LATEST_ALARM: i64 = 365 * 86_400_000;

/// The texts that go with calls. Each is converted to JavaScript once for successive calls of an event.
#[derive(Default)]
struct Enclosures(Option<(Rc<str>, JsString)>);

impl Enclosures {
    fn of(&mut self, text: Rc<str>) -> JsString {
        if let Some((known, made)) = &self.0
            && Rc::ptr_eq(known, &text)
        {
            return made.clone();
        }
        let made = JsString::from(&*text);
        self.0 = Some((text, made.clone()));
        made
    }
}

impl Object {
    pub(super) fn perform(self: &Rc<Self>, outputs: Vec<Output>) -> worker::Result<()> {
        let mut enclosures = Enclosures::default();
        for output in outputs {
            match output {
                Output::Accept(connection) => self.accept(connection)?,
                Output::Send { connection, frame } => self.send(connection, &frame),
                Output::Close {
                    connection,
                    code,
                    reason,
                } => self.hang_up(connection, code, reason),
                Output::Attach {
                    connection,
                    attachment,
                } => self.attach(connection, &attachment),
                Output::Call {
                    to,
                    purpose,
                    call,
                    enclosed,
                } => {
                    let enclosed = enclosed.map(|text| enclosures.of(text));
                    self.call(to, purpose, call, enclosed);
                }
                Output::Resolve(targets) => self.resolve(targets),
                Output::Register(device) => self.register(device),
                Output::Knock {
                    subscription,
                    number,
                    endpoint,
                    origin,
                    ttl,
                    urgency,
                } => {
                    let knock = Knock {
                        endpoint,
                        origin,
                        ttl,
                        urgency,
                    };
                    self.knock(subscription, number, knock);
                }
                Output::Record {
                    number,
                    failures,
                    dropped,
                } => self.record(number, failures, dropped),
                Output::Post {
                    purpose,
                    chain,
                    post,
                } => self.post(purpose, chain, post),
                Output::AddressGone => self.address_gone(),
                Output::Reply(call, reply) => self.answers.give(call, reply),
                Output::Alarm(at) => self.set_alarm(at),
            }
        }
        Ok(())
    }

    fn call(
        self: &Rc<Self>,
        to: DeviceId,
        purpose: CallPurpose,
        call: Call,
        enclosed: Option<JsString>,
    ) {
        let object = Rc::clone(self);
        self.spawn(async move {
            let request = Request {
                device: to.clone(),
                caller: None,
                call,
            };
            let answer = stub::ask(&object.calls, request, enclosed).await;
            if let Err(error) = &answer {
                error.log();
            }
            object.event(Input::Returned {
                from: to,
                purpose,
                answer: answer.ok(),
            })
        });
    }

    /// Looks up the devices of tags and expressions.
    fn resolve(self: &Rc<Self>, targets: Vec<Target>) {
        let object = Rc::clone(self);
        self.spawn(async move {
            let found = object.look_up(targets).await.map_err(|error| {
                error.log();
                let detail = "the tag could not be looked up; nothing was accepted";
                Problem::new(Code::Unavailable, detail)
            });
            object.event(Input::Resolved(found))
        });
    }

    async fn look_up(&self, targets: Vec<Target>) -> Result<Vec<(Target, Vec<DeviceId>)>, Error> {
        let most = Config::from_env(&self.env)?.limits.max_fanout;
        let db = directory::database(&self.env)?;
        let found = directory::resolve(&db, &targets, most.saturating_add(1)).await?;
        let targets = targets.into_iter();
        Ok(targets
            .map(|target| {
                let devices = found.devices(&target);
                (target, devices)
            })
            .collect())
    }

    /// Adds the device to the directory.
    fn register(self: &Rc<Self>, device: DeviceId) {
        let object = Rc::clone(self);
        self.spawn(async move {
            let entered = object.enter(&device).await;
            match &entered {
                Ok(()) => log::info("registered", &[("device", device.as_str())]),
                Err(error) => error.log(),
            }
            let entered = entered.is_ok();
            object.event(Input::Registered { entered })
        });
    }

    async fn enter(&self, device: &DeviceId) -> Result<(), Error> {
        let db = directory::database(&self.env)?;
        directory::register(&db, device, clock()).await?;
        Ok(())
    }

    /// Sets the alarm, to a time that the platform accepts: if the alarm is early, nothing is due, and it is set again.
    fn set_alarm(self: &Rc<Self>, at: i64) {
        let at = at.clamp(0, clock() + LATEST_ALARM);
        let date = js_sys::Date::new(&JsValue::from_f64(at as f64));
        let storage = self.state.storage();
        // The alarm is set by the call itself. The promise only tells that it is committed; if that fails, the platform
        // ends the object.
        let set = async move { storage.set_alarm(ScheduledTime::new(date)).await };
        self.spawn(set);
    }

    /// Runs a task in the background. If it fails, the object ends.
    pub(super) fn spawn(&self, task: impl Future<Output = worker::Result<()>> + 'static) {
        let task = async { task.await.map(|()| JsValue::UNDEFINED).map_err(rejection) };
        // If this is not possible, the task runs all the same.
        let _ = self.state.as_raw().wait_until(&crate::promise(task));
    }
}
