//! Messages that wait in memory for room on the wire, while whoever brought each waits for its end.
//!
//! A device that is online and acknowledges what it gets makes room soon, so what comes while its window
//! is full is not written down at once. All of them are stored, in their order, when the first has waited
//! long enough, when a later message has to be stored, and when the connection ends: no row that was never
//! sent waits beside them. How many there are is bounded by what may be unstored in all.

use super::rows::Key;
use super::{Delivering, Inbox, News};
use crate::call::DeliveryStatus;
use crate::delivery::{Delivery, Event, IllegalTransition};
use crate::id::{DeviceId, MessageId};
use crate::message::Message;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// A message that waits for room.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) message: Box<Message>,
    since: Millis,
}

impl Queued {
    /// Its delivery.
    pub(super) fn delivery(&self, device: DeviceId) -> Result<Delivery, IllegalTransition> {
        Delivery::unreached(device, self.since).apply(Event::Queue, self.since)
    }
}

impl<S: Store> Inbox<'_, S> {
    /// Whether a message that cannot go out at once may wait for room: the device is there, and nothing
    /// that is stored goes before it.
    pub(super) fn may_queue(&self, message: &Message) -> bool {
        let rank = Key::of(message).rank;
        self.connection
            .as_ref()
            .is_some_and(|connection| !connection.is_stuck())
            && !self.memory.backlog
            && !self.memory.lost.holds_up_line(rank, &message.from)
            && self.memory.unstored.has_room_for(message)
    }

    /// Lets a message wait for room, not beyond its expiry.
    pub(super) fn queue(&mut self, message: Message, wait: u32, now: Now) -> Delivering {
        let until = message.expires_at.min(now.at + i64::from(wait));
        self.memory.unstored.add(&message);
        let queued = Queued {
            since: now.at,
            message: Box::new(message),
        };
        self.memory.queue.insert(Key::of(&queued.message), queued);
        Delivering::Wait(until)
    }

    /// A message that waits for room.
    pub(super) fn queued(&self, id: MessageId) -> Option<&Queued> {
        let queued = self.memory.queue.values();
        queued.into_iter().find(|queued| queued.message.id == id)
    }

    /// Takes a message out that waits for room.
    pub(super) fn take_queued(&mut self, id: MessageId) -> Option<Queued> {
        let key = Key::of(&self.queued(id)?.message);
        let queued = self.memory.queue.remove(&key)?;
        self.memory.unstored.remove(&queued.message);
        Some(queued)
    }

    /// Puts on the wire what there is room for.
    pub(super) fn pump_queue(&mut self, now: Now) -> Result<(), StoreError> {
        while self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.window(&self.cx.limits) > 0)
        {
            let Some(id) = self
                .memory
                .queue
                .values()
                .next()
                .map(|queued| queued.message.id)
            else {
                break;
            };
            let Some(queued) = self.take_queued(id) else {
                break;
            };
            if queued.message.expires_at <= now.at {
                self.expire_queued(&queued, now)?;
            } else {
                self.send_unstored(queued.message, now);
            }
        }
        Ok(())
    }

    /// Stores all that wait for room. The calls that brought them go on waiting.
    pub(super) fn store_queue(&mut self, now: Now) -> Result<(), StoreError> {
        for (_, queued) in std::mem::take(&mut self.memory.queue) {
            self.memory.unstored.remove(&queued.message);
            if queued.message.expires_at <= now.at {
                self.expire_queued(&queued, now)?;
                continue;
            }
            self.store_before(&queued.message, now)?;
            self.store_waiting(&queued.message, queued.since)?;
            self.memory.awaited.insert(queued.message.id);
        }
        Ok(())
    }

    /// The wait for room of a message is over: settles it where it has expired, else stores all that wait.
    pub(super) fn end_queueing(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let has_expired = |queued: &Queued| queued.message.expires_at <= now.at;
        if !self.queued(id).is_some_and(has_expired) {
            return self.store_queue(now);
        }
        if let Some(queued) = self.take_queued(id) {
            self.expire_queued(&queued, now)?;
        }
        Ok(())
    }

    fn expire_queued(&mut self, queued: &Queued, now: Now) -> Result<(), IllegalTransition> {
        if let Some(device) = self.cx.device().cloned() {
            let expired = queued.delivery(device)?.apply(Event::Expire, now.at)?;
            self.forget_unstored(queued.message.id, expired);
        }
        Ok(())
    }

    /// Ends the wait of whoever brought a message that is stored by now.
    pub(super) fn answer_awaited(&mut self, now: Now) -> Result<(), StoreError> {
        for id in std::mem::take(&mut self.memory.awaited) {
            let delivered: DeliveryStatus = self.get_delivery(id, now)?;
            self.cx.push(News::Delivered(id, delivered));
        }
        Ok(())
    }
}
