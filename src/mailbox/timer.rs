//! The one timer of an object, for everything that its mailbox needs no alarm for.
//!
//! While it runs, it keeps the object awake, so it is stopped when there is nothing to wait for. It may be late. If it
//! is early, it is set again. It uses JavaScript's `setTimeout` with one closure for the lifetime of the object: every
//! publish sets and stops the timer, and a future with a promise for each would dominate its cost.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use tagpost_core::mailbox::Input;
use tagpost_core::time::Millis;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};

use super::Object;
use crate::clock;

#[wasm_bindgen]
extern "C" {
    /// Calls `handler` after this many milliseconds.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(handler: &Closure<dyn Fn()>, millis: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timeout: &JsValue);
}

/// The timer.
#[derive(Default)]
pub(super) struct Timer {
    /// The time that it is set to.
    at: Cell<Option<Millis>>,
    /// The number that `setTimeout` returned.
    running: Cell<JsValue>,
    handler: OnceCell<Closure<dyn Fn()>>,
}

impl Object {
    /// Sets the timer to this time. An earlier timer is not moved: when it goes off, it is set again.
    pub(super) fn arm(self: &Rc<Self>, timeout: Option<Millis>) {
        let timer = &self.timer;
        match (timer.at.get(), timeout) {
            (None, None) => return,
            (Some(set), Some(timeout)) if set <= timeout => return,
            (Some(_), _) => clear_timeout(&timer.running.take()),
            (None, _) => {}
        }
        timer.at.set(timeout);
        if let Some(at) = timeout {
            let object = Rc::downgrade(self);
            let handler = timer.handler.get_or_init(|| {
                Closure::new(move || {
                    if let Some(object) = object.upgrade() {
                        object.time_out();
                    }
                })
            });
            let millis = (at - clock()).max(0) as f64;
            timer.running.set(set_timeout(handler, millis));
        }
    }

    /// The timer goes off. The mailbox handles it in a task, whose failure ends the object.
    fn time_out(self: &Rc<Self>) {
        if let Some(at) = self.timer.at.take() {
            let object = Rc::clone(self);
            self.spawn(async move { object.event(Input::Timeout(at)) });
        }
    }
}
