//! Telling the watchers of each step of a delivery to this device.

use super::Inbox;
use super::rows::Held;
use crate::delivery::{Delivery, State, Step};
use crate::id::{MessageId, Sender};
use crate::message::Message;
use crate::store::Store;
use crate::time::{Millis, Now};
use crate::watch::{Watched, WatchedStep, Watching};

impl<S: Store> Inbox<'_, S> {
    /// A message has reached this state, held or sent.
    pub(super) fn watch_message(
        &mut self,
        message: &Message,
        state: State,
        attempt: u32,
        at: Millis,
    ) {
        let payload = self.cx.watching == Watching::Payloads;
        self.cx.tell_watchers(|| {
            let step = Step::new(state, at, attempt);
            Watched::Step(Box::new(WatchedStep::of(message, step, payload)))
        });
    }

    /// A step of the delivery of a message that is known by its id alone.
    pub(super) fn watch_step(&mut self, id: MessageId, from: &Sender, step: impl FnOnce() -> Step) {
        self.cx.tell_watchers(|| {
            let step = WatchedStep::new(id, from.clone(), step());
            Watched::Step(Box::new(step))
        });
    }

    /// A message that was sent is held again.
    pub(super) fn watch_held(&mut self, held: &Held, now: Now) {
        let attempt = held.attempts.made;
        self.watch_step(held.key.id, &held.sender, || {
            Step::new(State::Held, now.at, attempt)
        });
    }

    /// A delivery is settled.
    pub(super) fn watch_end(&mut self, id: MessageId, from: &Sender, delivery: &Delivery) {
        if let Some(last) = delivery.steps.last() {
            self.cx.tell_watchers(|| {
                let step = WatchedStep::last(id, from.clone(), last.clone(), delivery);
                Watched::Step(Box::new(step))
            });
        }
    }
}
