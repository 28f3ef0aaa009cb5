//! The Durable Object: the one mailbox of one device, driven by the platform's events.
//!
//! It passes each event to the core's mailbox as an input, performs the outputs that it returns, and keeps one timer
//! for it. It decides nothing. No borrow of the mailbox is held across an `await`: two events of one object interleave
//! there.
//!
//! A handler or a background task fails only if the mailbox can no longer be trusted: its promise is rejected, and no
//! further event reaches the mailbox. `entry.js` then ends the object and drops its uncommitted writes; its next event
//! starts a new object over the same rows. Nothing here ends an object: that would leave the wasm instance unusable for
//! every other object of the isolate.

mod calls;
mod connect;
mod knock;
mod perform;
mod post;
mod record;
mod sockets;
mod store;
mod timer;

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use js_sys::{JsString, Promise, Uint8Array};
use tagpost_core::mailbox::{self, ConnectionId, Input, Output};
use tagpost_core::protocol::{CODECS, Frame};
use tagpost_core::store::StoreError;
use tagpost_core::time::{Millis, Now};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::{DurableObjectState, web_sys};
use worker::{Delay, Env, Result, State};

use self::calls::Answers;
use self::connect::Opening;
use self::store::ObjectStore;
use self::timer::Timer;
use crate::config::Config;
use crate::stub::Calls;
use crate::{clock, fault, promise};

/// The class that `entry.js` drives: each event of the platform is a method that returns a promise.
#[wasm_bindgen]
pub struct Mailbox(Rc<Object>);

#[wasm_bindgen]
impl Mailbox {
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Self {
        Self(Rc::new(Object::new(State::from(state), env)))
    }

    pub fn ask(&self, call: String, enclosed: Option<JsString>, fault: Option<String>) -> Promise {
        self.handle(async move |object| {
            fault::cause("fetch", fault).await;
            object.answer(call, enclosed).await.map(JsValue::from)
        })
    }

    pub fn connect(
        &self,
        caller: String,
        protocol: String,
        window: Option<u32>,
        origin: Option<String>,
        fault: Option<String>,
    ) -> Promise {
        self.handle(async move |object| {
            fault::cause("fetch", fault).await;
            object.connect(&caller, &protocol, window, origin).await
        })
    }

    pub fn watch(&self, caller: Option<String>, payload: bool, fault: Option<String>) -> Promise {
        self.handle(async move |object| {
            fault::cause("fetch", fault).await;
            object.watch(caller.as_deref(), payload).await
        })
    }

    pub fn alarm(&self) -> Promise {
        self.run(async |object| {
            fault::cause_armed("alarm").await;
            object.alarm.set(None);
            object.event(Input::Alarm)?;
            Ok(JsValue::UNDEFINED)
        })
    }

    pub fn message(&self, socket: web_sys::WebSocket, message: JsValue) -> Promise {
        self.handle(async move |object| {
            fault::cause_armed("message").await;
            let connection = object.connection(&socket.into());
            let frame = match message.as_string() {
                Some(text) => Frame::Text(text),
                None => Frame::Binary(Uint8Array::new(&message).to_vec()),
            };
            object.event(Input::Frame { connection, frame })?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// The other side closed the socket with this code, or it broke.
    pub fn closed(&self, socket: web_sys::WebSocket, code: Option<u16>) -> Promise {
        self.handle(async move |object| {
            let socket = socket.into();
            if let Some(code) = code {
                // Only this completes the closing handshake of a socket that hibernates.
                sockets::close(&socket, code, "");
            }
            let connection = object.connection(&socket);
            object.event(Input::Closed { connection })?;
            Ok(JsValue::UNDEFINED)
        })
    }

    fn handle(&self, event: impl AsyncFnOnce(Rc<Object>) -> Result<JsValue> + 'static) -> Promise {
        self.run(async move |object| {
            object.wake().await?;
            event(object).await
        })
    }

    fn run(&self, event: impl AsyncFnOnce(Rc<Object>) -> Result<JsValue> + 'static) -> Promise {
        let object = Rc::clone(&self.0);
        promise(async move { event(object).await.map_err(rejection) })
    }
}

/// The JavaScript form of an error.
fn rejection(error: worker::Error) -> JsValue {
    JsValue::from_str(&crate::respond::cause(&error))
}

/// The core's mailbox over the object's storage.
type Core = mailbox::Mailbox<ObjectStore>;

/// The object behind the class, shared with its background tasks.
struct Object {
    state: State,
    env: Env,
    /// The alarm that was set when this object woke.
    alarm: Rc<Cell<Option<Millis>>>,
    mailbox: RefCell<Option<Core>>,
    /// The mailbox can no longer be trusted, and this object is about to end.
    failed: Cell<bool>,
    /// Events that wait behind the first, which waits until the alarm is set.
    waking: RefCell<Option<Vec<oneshot::Sender<()>>>>,
    /// For calling other mailboxes.
    calls: Calls,
    answers: Answers,
    opening: RefCell<Vec<Opening>>,
    timer: Timer,
}

impl Object {
    fn new(state: State, env: Env) -> Self {
        let alarm = Rc::new(Cell::new(None));
        let (storage, found) = (state.storage(), Rc::clone(&alarm));
        // No event is delivered before this is known. Otherwise the mailbox might set an alarm that is set already.
        let _gate = state.block_concurrency_while(async move {
            found.set(storage.get_alarm().await?);
            Ok(())
        });
        let calls = Calls::new(&env);
        Self {
            state,
            env,
            alarm,
            mailbox: RefCell::default(),
            failed: Cell::default(),
            waking: RefCell::default(),
            calls,
            answers: Answers::default(),
            opening: RefCell::default(),
            timer: Timer::default(),
        }
    }

    /// Passes an event to the mailbox, and performs its outputs.
    fn event(self: &Rc<Self>, input: Input) -> Result<()> {
        let outputs = self.handle(input)?;
        let performed = self.perform(outputs);
        self.failed.set(performed.is_err());
        performed
    }

    /// Passes an event to the mailbox. Its outputs have to be performed before the next `await`.
    fn handle(self: &Rc<Self>, input: Input) -> Result<Vec<Output>> {
        if self.failed.get() {
            return Err("the mailbox has failed before".into());
        }
        let handled = self.try_handle(input);
        self.failed.set(handled.is_err());
        handled
    }

    fn try_handle(self: &Rc<Self>, input: Input) -> Result<Vec<Output>> {
        let (mut mailbox, now) = self.opened()?;
        let outputs = mailbox.handle(input, now).map_err(fatal)?;
        self.arm(mailbox.poll_timeout());
        Ok(outputs)
    }

    /// Opens the mailbox before its first event. If it finds something due without an alarm, the alarm is set and
    /// committed before the event begins, so that it stays set if the event fails.
    async fn wake(self: &Rc<Self>) -> Result<()> {
        // Events continue in the order of their arrival.
        let behind = self.waking.borrow_mut().as_mut().map(|waking| {
            let (sender, receiver) = oneshot::channel();
            waking.push(sender);
            receiver
        });
        if let Some(behind) = behind {
            let _ = behind.await;
            return Ok(());
        }
        if self.mailbox.borrow().is_some() {
            return Ok(());
        }
        let outputs = self.handle(Input::Wake)?;
        let sets_alarm = outputs.iter().any(|it| matches!(it, Output::Alarm(_)));
        self.perform(outputs)?;
        if sets_alarm {
            self.waking.replace(Some(Vec::new()));
            Delay::from(Duration::ZERO).await;
            for sender in self.waking.take().into_iter().flatten() {
                // The event may have been dropped.
                let _ = sender.send(());
            }
        }
        Ok(())
    }

    fn opened(&self) -> Result<(RefMut<'_, Core>, Now)> {
        let mut mailbox = self.mailbox.borrow_mut();
        if mailbox.is_none() {
            *mailbox = Some(self.open(self.now(None)?)?);
        }
        let mailbox =
            RefMut::filter_map(mailbox, Option::as_mut).map_err(|_| "the mailbox did not open")?;
        // Opening may have taken a while.
        let now = self.now(mailbox.connection())?;
        Ok((mailbox, now))
    }

    fn open(&self, now: Now) -> Result<Core> {
        let config = Config::checked(&self.env)?;
        let store = ObjectStore::new(self.state.storage().sql());
        let attachments = self.attachments()?;
        let limits = config.limits.clone();
        let core = Core::open(store, limits, CODECS, &attachments, self.alarm.get(), now);
        Ok(core
            .map_err(fatal)?
            .with_push_keys(config.push_keys.clone())
            .with_knocks(config.knocks())
            .with_failures(config.records_failures)
            .with_events(config.events.clone()))
    }

    /// The time and the random bits for an event, and the last keepalive of this connection.
    fn now(&self, connection: Option<ConnectionId>) -> Result<Now> {
        let random = getrandom::u64().map_err(|error| error.to_string())?;
        Ok(Now {
            at: clock(),
            pong_at: connection.and_then(|connection| self.pong_at(connection)),
            random,
        })
    }
}

/// A failure after which the mailbox cannot be trusted.
fn fatal(error: StoreError) -> worker::Error {
    worker::Error::RustError(error.to_string())
}
