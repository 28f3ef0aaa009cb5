//! Performing what the mailbox wants done outside.
//!
//! Everything but calls happens at once, in the order given and in the same turn as the writes it
//! belongs to, so that the platform holds it back until these are committed. A call runs beside other
//! events; its answer is an event of its own.

use std::rc::Rc;
use std::time::Duration;

use js_sys::JsString;
use tagpost_core::call::{Call, Request};
use tagpost_core::id::DeviceId;
use tagpost_core::mailbox::{CallPurpose, Effect};
use wasm_bindgen::JsValue;
use worker::{Delay, ScheduledTime};

use super::{Object, clock, rejection};
use crate::stub;

/// The farthest an alarm is set, in milliseconds from now: a year. The platform refuses times after 2189.
const LATEST_ALARM: i64 = 365 * 86_400_000;

/// The texts that go beside calls, each made JavaScript's once for all calls of one event that it serves.
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
    pub(super) fn perform(self: &Rc<Self>, effects: Vec<Effect>) {
        let mut enclosures = Enclosures::default();
        for effect in effects {
            match effect {
                Effect::Send { connection, frame } => self.send(connection, &frame),
                Effect::Close {
                    connection,
                    code,
                    reason,
                } => self.hang_up(connection, code, reason),
                Effect::Attach {
                    connection,
                    attachment,
                } => self.attach(connection, &attachment),
                Effect::Call {
                    to,
                    purpose,
                    call,
                    enclosed,
                } => {
                    let enclosed = enclosed.map(|text| enclosures.of(text));
                    self.call(to, purpose, call, enclosed);
                }
                Effect::Resolve(frame) => self.resolve(*frame),
                Effect::Alarm(at) => self.set_alarm(at),
                Effect::Tick(at) => self.tick(at),
                Effect::Delivered(id, delivered) => self.waiting.deliveries.wake(&id, &delivered),
                Effect::Published(id, trace) => self.waiting.publishes.wake(&id, &trace),
                Effect::Settled(id) => self.waiting.traces.wake(&id, &()),
                Effect::Cancelled(id) => self.waiting.cancels.wake(&id, &()),
                Effect::Ready => self.waiting.polls.wake(&(), &()),
                Effect::Revoked => self.waiting.revocations.wake(&(), &()),
            }
        }
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
            let answer = answer.ok();
            object.event(|mailbox, now| mailbox.returned(&to, purpose, answer.as_deref(), now))
        });
    }

    /// The timer also keeps this object awake.
    fn tick(self: &Rc<Self>, at: i64) {
        let object = Rc::clone(self);
        self.spawn(async move {
            let millis = u64::try_from(at - clock()).unwrap_or(0);
            Delay::from(Duration::from_millis(millis)).await;
            object.event(|mailbox, now| mailbox.tick(now))
        });
    }

    /// Sets the alarm. One that the platform would not take is set to what it takes: an alarm that is early
    /// finds nothing due and is set again.
    fn set_alarm(self: &Rc<Self>, at: i64) {
        let at = at.clamp(0, clock() + LATEST_ALARM);
        let date = js_sys::Date::new(&JsValue::from_f64(at as f64));
        let storage = self.state.storage();
        // The alarm is set when this is called; the promise says only that it is committed, and if it
        // cannot be the object is ended by the platform.
        let set = async move { storage.set_alarm(ScheduledTime::new(date)).await };
        self.spawn(set);
    }

    /// Runs something beside the event that it comes from. If it fails the object ends.
    pub(super) fn spawn(&self, task: impl Future<Output = worker::Result<()>> + 'static) {
        let task = async { task.await.map(|()| JsValue::UNDEFINED).map_err(rejection) };
        // Where this is not possible the task runs all the same.
        let _ = self.state.as_raw().wait_until(&crate::promise(task));
    }
}
