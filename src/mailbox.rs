//! The Durable Object: the one mailbox of one device, driven by the platform's events.
//!
//! It turns an event into a call of the core's mailbox and performs the effects that come back. It
//! decides nothing about a delivery. No borrow of the mailbox is held over an `await`: two events of
//! one object interleave at each of them.
//!
//! A handler returns an error only when the mailbox cannot be trusted any more. The entry then ends the
//! object, with all that is not committed; its next event finds a new one over the same rows.

mod answer;
mod connect;
mod effects;
mod frames;
mod lane;
mod sockets;
mod store;
mod waiting;

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;

use js_sys::Promise;
use tagpost_core::mailbox;
use tagpost_core::store::StoreError;
use tagpost_core::time::{Millis, Now};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::{DurableObjectState, web_sys};
use worker::{Env, Result, State, WebSocket};

use self::frames::Frames;
use self::lane::Lane;
use self::store::ObjectStore;
use self::waiting::Waiting;
use crate::config::Config;
use crate::stub::Calls;
use crate::{clock, fault, log, promise};

/// The mailbox as `index.js` drives it: a method an event of the platform.
#[wasm_bindgen]
pub struct Mailbox {
    object: Rc<Object>,
}

#[wasm_bindgen]
impl Mailbox {
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Self {
        let state = State::from(state);
        let alarm = Rc::new(Cell::new(None));
        let (storage, found) = (state.storage(), Rc::clone(&alarm));
        // No event is delivered before this is known: the mailbox would set an alarm that is there.
        let _gate = state.block_concurrency_while(async move {
            found.set(storage.get_alarm().await?);
            Ok(())
        });
        let calls = Calls::new(&env);
        let object = Object {
            state,
            env,
            alarm,
            mailbox: RefCell::default(),
            waiting: Waiting::default(),
            calls,
            lane: Lane::default(),
            frames: Frames::default(),
        };
        Self {
            object: Rc::new(object),
        }
    }

    pub fn ask(&self, call: String, fault: Option<String>) -> Promise {
        self.handle(async move |object| {
            fault::cause("fetch", fault).await;
            object.answer(&call).await.map(JsValue::from)
        })
    }

    pub fn connect(&self, device: String, caller: String, fault: Option<String>) -> Promise {
        self.handle(async move |object| {
            fault::cause("fetch", fault).await;
            object.connect(&device, &caller).await
        })
    }

    pub fn alarm(&self) -> Promise {
        self.handle(async |object| {
            fault::cause_armed("alarm").await;
            object.alarm.set(None);
            object.event(|mailbox, now| mailbox.alarm(now))?;
            Ok(JsValue::UNDEFINED)
        })
    }

    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn web_socket_message(&self, ws: web_sys::WebSocket, message: JsValue) -> Promise {
        self.handle(async move |object| {
            fault::cause_armed("message").await;
            let connection = object.connection(&ws.into());
            // What is no text is no frame.
            object.hear(connection, message.as_string()).await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    #[wasm_bindgen(js_name = webSocketClose)]
    pub fn web_socket_close(&self, ws: web_sys::WebSocket, code: u16) -> Promise {
        self.handle(async move |object| {
            let ws = ws.into();
            // Only this completes the closing handshake of a socket that hibernates.
            sockets::close(&ws, code, "");
            object.lost(&ws)
        })
    }

    #[wasm_bindgen(js_name = webSocketError)]
    pub fn web_socket_error(&self, ws: web_sys::WebSocket) -> Promise {
        self.handle(async move |object| object.lost(&ws.into()))
    }
}

impl Mailbox {
    fn handle(&self, event: impl AsyncFnOnce(Rc<Object>) -> Result<JsValue> + 'static) -> Promise {
        let object = Rc::clone(&self.object);
        promise(async move { event(object).await.map_err(JsValue::from) })
    }
}

/// The core's mailbox over the object's storage.
type Core = mailbox::Mailbox<ObjectStore>;

/// The object behind the class, shared with the calls that it has under way.
struct Object {
    state: State,
    env: Env,
    /// The alarm that was set when this object woke.
    alarm: Rc<Cell<Option<Millis>>>,
    mailbox: RefCell<Option<Core>>,
    waiting: Waiting,
    calls: Calls,
    lane: Lane,
    frames: Frames,
}

impl Object {
    /// Lets the mailbox handle an event, and performs what comes of it.
    fn event<T>(
        self: &Rc<Self>,
        handle: impl FnOnce(&mut Core, Now) -> std::result::Result<T, StoreError>,
    ) -> Result<T> {
        let (outcome, effects) = self.handle(handle)?;
        self.perform(effects);
        Ok(outcome)
    }

    /// Lets the mailbox handle an event. The effects have to be performed before the next `await`.
    fn handle<T>(
        &self,
        handle: impl FnOnce(&mut Core, Now) -> std::result::Result<T, StoreError>,
    ) -> Result<(T, Vec<mailbox::Effect>)> {
        let (mut mailbox, now) = self.opened()?;
        // What came first is handled first.
        let frames = self.frames.take();
        let outcome = mailbox.taking_along(&frames, now, handle).map_err(fatal)?;
        Ok((outcome, mailbox.take_effects()))
    }

    fn opened(&self) -> Result<(RefMut<'_, Core>, Now)> {
        let now = self.now()?;
        let mut mailbox = self.mailbox.borrow_mut();
        if mailbox.is_none() {
            *mailbox = Some(self.open(now)?);
        }
        let mailbox = RefMut::filter_map(mailbox, Option::as_mut);
        Ok((mailbox.map_err(|_| "the mailbox did not open")?, now))
    }

    fn open(&self, now: Now) -> Result<Core> {
        let config = Config::from_env(&self.env).map_err(|_| "the service is misconfigured")?;
        let store = ObjectStore::new(self.state.storage().sql());
        let attachments = self.attachments();
        let limits = config.limits.clone();
        Core::open(store, limits, &attachments, self.alarm.get(), now).map_err(fatal)
    }

    fn now(&self) -> Result<Now> {
        let random = getrandom::u64().map_err(|error| error.to_string())?;
        Ok(Now {
            at: clock(),
            pong_at: self.pong_at(),
            random,
        })
    }

    fn lost(self: &Rc<Self>, ws: &WebSocket) -> Result<JsValue> {
        let connection = self.connection(ws);
        self.event(|mailbox, now| mailbox.closed(connection, now))?;
        Ok(JsValue::UNDEFINED)
    }

    /// Ends this object; see the module's header.
    fn abort(&self, cause: &str) {
        log::error("mailbox_ended", &[("cause", cause)]);
        self.state.as_raw().unchecked_ref::<Abort>().abort(cause);
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    type Abort;

    /// `DurableObjectState.abort`, which worker-sys does not have.
    #[wasm_bindgen(method)]
    fn abort(this: &Abort, reason: &str);
}

/// A failure after which the mailbox cannot be trusted.
fn fatal(error: StoreError) -> worker::Error {
    worker::Error::RustError(error.to_string())
}
