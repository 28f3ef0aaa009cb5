//! First answer wins: once as many devices have acknowledged a message as its sender needs, all its other deliveries
//! are cancelled.
//!
//! The acknowledgements are stored before any mailbox is asked to cancel. From then on the message has the row of an
//! ending until every delivery is settled, so that no crash forgets it. A mailbox that does not answer is asked
//! again. An unanswered publish is answered once the others are asked.
//! Not here: the calls, which are those of every cancellation; see [`super::sent`].

use std::collections::BTreeMap;

use super::dispatch::taken;
use super::jobs::pause;
use super::{Outbox, SAFETY_DELAY, Timer};
use super::{ending_rows, part_rows, rows};
use crate::call::DeliveryStatus;
use crate::delivery::{Delivery, Withdrawal};
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::trace;

/// How many cancellations one alarm begins. Each makes up to 100 calls.
const AT_ONCE: usize = 5;

/// The messages with enough acknowledged deliveries, while others are still open.
#[derive(Debug, Default)]
pub(super) struct Endings {
    known: BTreeMap<MessageId, Ending>,
    /// The last row that was read, if there may be others behind it.
    more_after: Option<MessageId>,
}

/// When the other mailboxes are asked again, and how often they were asked.
#[derive(Debug, Clone, Copy)]
struct Ending {
    retry_at: Millis,
    tries: u32,
}

impl Endings {
    /// The ids of all that are known.
    pub(super) fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.known.keys().copied()
    }

    /// Nothing is ending now.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<S: Store> Outbox<'_, S> {
    /// The mailbox is opened, or reads on: these messages were ending when the memory was lost. `has_more` is whether
    /// there may be others behind them.
    pub(super) fn open_endings(&mut self, ids: Vec<MessageId>, has_more: bool, now: Now) {
        let endings = &mut self.memory.endings;
        endings.more_after = ids.last().copied().filter(|_| has_more);
        for id in ids {
            // One that began since then is known.
            endings.known.entry(id).or_insert(Ending {
                retry_at: now.at,
                tries: 0,
            });
        }
    }

    /// Deliveries of an unanswered publish have changed: if that was enough, cancels the others.
    pub(super) fn enough_of_unanswered(
        &mut self,
        id: MessageId,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(publishing) = self.memory.publishing.get_mut(&id) else {
            return Ok(());
        };
        let verdict = publishing.judge(now);
        let (is_settled, stored) = (publishing.is_settled(), publishing.stored);
        if verdict.is_changed {
            let (next, is_calling) = (publishing.next_step_at(), publishing.plan.is_calling());
            // Otherwise a crash would bring the steps back.
            if stored && !verdict.is_enough {
                self.save_unanswered(id, true, now)?;
            }
            self.steps_changed(id, next, is_calling, now)?;
        }
        // If all are settled, the answer stores it.
        if !verdict.is_enough || is_settled {
            return Ok(());
        }
        match stored {
            true => self.save_unanswered(id, true, now)?,
            false => self.store_publishing(id, now)?,
        }
        self.end_others(id, now)
    }

    /// Enough deliveries of a stored message are acknowledged: cancels the others.
    pub(super) fn end_others(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        // No delivery is tried again.
        if self.memory.jobs.contains_key(&id) {
            self.drop_job(id)?;
        }
        ending_rows::insert(&self.cx.store, id)?;
        let ending = Ending {
            retry_at: now.at,
            tries: 0,
        };
        self.memory.endings.known.insert(id, ending);
        self.ask_others(id, now)
    }

    /// Asks the mailboxes of all open deliveries to cancel them.
    fn ask_others(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        // Nothing else would wake a mailbox that crashes while it waits for the answers.
        self.cx.wake_by(Timer::Ending, now.at + SAFETY_DELAY);
        if self.memory.cancelling.contains_key(&id) {
            return Ok(());
        }
        match rows::trace(&self.cx.store, id, None, trace::MAX_PAGE_DELIVERIES)? {
            Some(trace) => self.begin_cancelling(&trace, Withdrawal::Enough, now),
            None => self.ended(id),
        }
    }

    /// The other mailboxes were asked, and have answered or failed.
    pub(super) fn others_asked(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        self.answer_if_done(id, now)?;
        if let Some(ending) = self.memory.endings.known.get_mut(&id) {
            ending.tries += 1;
            ending.retry_at = now.at + pause(ending.tries);
            self.cx.wake_by(Timer::Ending, ending.retry_at);
        }
        Ok(())
    }

    /// A delivery that was to be cancelled, and whose device does not exist. If its mailbox had taken the message, it
    /// reports the end itself.
    pub(super) fn without_device(
        &self,
        id: MessageId,
        device: &DeviceId,
        now: Now,
    ) -> Result<Option<Delivery>, StoreError> {
        let stored;
        let deliveries = match self.memory.publishing.get(&id) {
            Some(publishing) => &publishing.deliveries,
            None => {
                stored = part_rows::stored_with(&self.cx.store, id, device)?.unwrap_or_default();
                &stored
            }
        };
        let known = deliveries.iter().find(|known| known.device == *device);
        Ok(match known {
            Some(known) if !known.is_reached() => {
                taken(device, Some(DeliveryStatus::UnknownDevice), now.at)?
            }
            _ => None,
        })
    }

    /// Every delivery of a message is settled.
    pub(super) fn ended(&mut self, id: MessageId) -> Result<(), StoreError> {
        if self.memory.endings.known.remove(&id).is_some() {
            ending_rows::delete(&self.cx.store, id)?;
        }
        Ok(())
    }

    /// Asks the mailboxes again that have not answered. If no more are due than it asks at once, it reads on: the rest
    /// wait for no answer.
    pub(super) fn end_due(&mut self, now: Now) -> Result<(), StoreError> {
        let due = self.endings_due(now).filter(|(_, at)| *at <= now.at);
        let is_last = due.take(AT_ONCE + 1).count() <= AT_ONCE;
        if let Some(last) = self.memory.endings.more_after.filter(|_| is_last) {
            let (ids, has_more) = ending_rows::after(&self.cx.store, last)?;
            self.open_endings(ids, has_more, now);
        }
        let due = self.endings_due(now).filter(|(_, at)| *at <= now.at);
        let due: Vec<MessageId> = due.map(|(id, _)| id).take(AT_ONCE).collect();
        due.into_iter().try_for_each(|id| self.ask_others(id, now))
    }

    /// When each of them is due.
    pub(super) fn endings_due(&self, now: Now) -> impl Iterator<Item = (MessageId, Millis)> {
        let known = self.memory.endings.known.iter();
        known.map(
            move |(id, ending)| match self.memory.cancelling.contains_key(id) {
                true => (*id, now.at + SAFETY_DELAY),
                false => (*id, ending.retry_at),
            },
        )
    }
}
