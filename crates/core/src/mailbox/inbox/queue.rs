//! Messages that wait in memory for room in the window, while the call that delivered each is open.
//!
//! A device that acknowledges its messages makes room soon, so a message that arrives while the window is full is
//! not stored immediately. All of them are stored, in order, when the first has waited long enough, when a later
//! message has to be stored, or when the connection ends. So never-sent rows and this queue do not coexist. The bound
//! on unstored messages limits the queue.

use super::expiry::has_expired;
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
    /// Whether a message that cannot be sent immediately may wait for room: the device is connected, and no stored
    /// message comes before it.
    pub(super) fn may_queue(&self, message: &Message) -> bool {
        self.connection.as_ref().is_some_and(|it| {
            let has_width = it.width(&self.cx.limits) > 0;
            it.lane() == message.lane() && it.is_ready() && !it.is_stuck() && has_width
        }) && !self.memory.backlog
            && !self.is_held_up(message)
            && self.memory.unstored.has_room_for(message)
    }

    /// Queues a message until there is room, at most until its expiry.
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

    /// Removes a message that waits for room.
    pub(super) fn take_queued(&mut self, id: MessageId) -> Option<Queued> {
        let key = Key::of(&self.queued(id)?.message);
        let queued = self.memory.queue.remove(&key)?;
        self.memory.unstored.remove(&queued.message);
        Some(queued)
    }

    /// Sends as many as there is room for.
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
            if has_expired(queued.message.expires_at, now) {
                self.expire_queued(&queued, now)?;
            } else {
                self.send_unstored(queued.message, now);
            }
        }
        Ok(())
    }

    /// Stores all messages that wait for room. Their calls keep waiting.
    pub(super) fn store_queue(&mut self, now: Now) -> Result<(), StoreError> {
        for (_, queued) in std::mem::take(&mut self.memory.queue) {
            self.memory.unstored.remove(&queued.message);
            if has_expired(queued.message.expires_at, now) {
                self.expire_queued(&queued, now)?;
                continue;
            }
            self.store_before(&queued.message, now)?;
            self.store_waiting(&queued.message, queued.since)?;
            self.memory.awaited.insert(queued.message.id);
        }
        Ok(())
    }

    /// A message has waited long enough for room: settles it if it has expired; otherwise stores the whole queue.
    pub(super) fn end_queueing(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let is_late = |queued: &Queued| has_expired(queued.message.expires_at, now);
        if !self.queued(id).is_some_and(is_late) {
            return self.store_queue(now);
        }
        if let Some(queued) = self.take_queued(id) {
            self.expire_queued(&queued, now)?;
        }
        Ok(())
    }

    /// Answers the calls whose messages are stored by now.
    pub(super) fn answer_awaited(&mut self, now: Now) -> Result<(), StoreError> {
        for id in std::mem::take(&mut self.memory.awaited) {
            let delivered: DeliveryStatus = self.get_delivery(id, now)?;
            self.cx.push(News::Delivered(id, delivered));
        }
        Ok(())
    }
}
