//! The one timer of an object, as in the Worker's `src/mailbox/timer.rs`.

use tagpost_core::mailbox::{Input, Mailbox};
use tagpost_core::time::Millis;

use super::object::Object;
use super::{Event, World};
use crate::chance::chance;
use crate::claims::Checked;

/// The longest turn of the event loop. A timer takes at least one turn.
pub(super) const LATEST_TURN: Millis = 10;

impl Object {
    /// Stops the timer.
    pub(super) fn disarm(&mut self) {
        self.timer = None;
        self.timer_token += 1;
    }
}

impl World<'_> {
    /// Sets the timer to when the mailbox wants to be woken. An earlier timer is not moved.
    pub(super) fn arm(&mut self, object: usize) {
        let host = &mut self.objects[object];
        let wanted = host.mailbox.as_ref().and_then(Mailbox::poll_timeout);
        match (host.timer, wanted) {
            (None, None) => return,
            (Some(set), Some(at)) if set <= at => return,
            _ => host.disarm(),
        }
        let Some(at) = wanted else {
            return;
        };
        host.timer = Some(at);
        let (token, due) = (host.timer_token, at - host.skew);
        let turn = chance(self.plan.seed, &[12, self.next]).i64(0..=LATEST_TURN);
        let due = if due <= self.now {
            self.now + turn
        } else {
            due
        };
        self.at(due, Event::Timeout { object, token, at });
    }

    /// The timer goes off, unless it was stopped or set anew.
    pub(super) fn timeout(&mut self, object: usize, token: u64, at: Millis) -> Checked {
        let host = &mut self.objects[object];
        if host.timer_token != token {
            return Ok(());
        }
        host.timer = None;
        self.keep_awake(object);
        self.event(object, Input::Timeout(at)).map(drop)
    }
}
