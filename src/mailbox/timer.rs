//! The one timer of an object, for everything that its mailbox does not need an alarm for.
//!
//! While it runs it keeps the object awake. A time that comes late is no matter; one that is early is set again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use tagpost_core::mailbox::Input;
use tagpost_core::time::Millis;
use worker::Delay;

use super::Object;
use crate::clock;

/// The timer.
#[derive(Default)]
pub(super) struct Timer {
    /// What it is set to.
    at: Cell<Option<Millis>>,
    /// Dropped, it stops the timer.
    running: RefCell<Option<oneshot::Sender<()>>>,
}

impl Object {
    /// Sets the timer to this time. One that is earlier is left as it is: it finds what to be set to then.
    pub(super) fn arm(self: &Rc<Self>, timeout: Option<Millis>) {
        let Timer { at, running } = &self.timer;
        match (at.get(), timeout) {
            (None, None) => return,
            (Some(set), Some(timeout)) if set <= timeout => return,
            _ => {}
        }
        at.set(timeout);
        running.take();
        let Some(timeout) = timeout else {
            return;
        };
        let (stop, stopped) = oneshot::channel();
        running.replace(Some(stop));
        let object = Rc::clone(self);
        self.spawn(async move {
            let millis = u64::try_from(timeout - clock()).unwrap_or(0);
            let delay = Delay::from(Duration::from_millis(millis));
            match select(stopped, delay).await {
                Either::Left(_) => Ok(()),
                Either::Right(_) => {
                    object.timer.at.set(None);
                    object.event(Input::Timeout(timeout))
                }
            }
        });
    }
}
