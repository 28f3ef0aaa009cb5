//! Scheduled messages whose hand-over may have been lost with the memory.
//!
//! A scheduled message was accepted long ago, so it must not be lost, and it is not stored as sent before a mailbox has
//! answered. After a failure it is not known which of those that were due were handed over. Each of them becomes a job,
//! with the same id and for the same devices, before anything else is sent: what is sent later waits behind it. As jobs
//! they go in the order of their ids; their turns keep the order of their times.
//! Not here: messages that were accepted just before the failure. They were never answered.

use super::job_rows::Queued;
use super::schedule_rows::{self, Scheduled};
use super::{Outbox, Timer, rows};
use crate::delivery::{summary, unreached};
use crate::id::{DeviceId, MessageId};
use crate::store::{Store, StoreError};
use crate::time::Now;

impl<S: Store> Outbox<'_, S> {
    /// Queues the messages that may have been handed over. One whose devices are not stored was not.
    pub(super) fn queue_lost_hand_overs(&mut self, now: Now) -> Result<(), StoreError> {
        for id in self.memory.schedules.in_doubt() {
            let scheduled = schedule_rows::load(&self.cx.store, id)?;
            let devices = scheduled.as_ref().and_then(Scheduled::known_devices);
            if let (Some(scheduled), Some(devices)) = (scheduled, devices) {
                self.queue_again(scheduled, devices, now)?;
            }
        }
        self.memory.schedules.end_doubt();
        Ok(())
    }

    /// Whether a message that a recipient's mailbox has may have been handed over, and is not queued again yet.
    pub(super) fn is_in_doubt(&self, id: MessageId) -> bool {
        self.memory.schedules.contains(id) && !self.memory.publishing.contains_key(&id)
    }

    /// Stores a message as one that was sent, and whose mailboxes have not answered.
    fn queue_again(
        &mut self,
        scheduled: Scheduled,
        devices: Vec<DeviceId>,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(sender) = self.cx.device().cloned() else {
            return Ok(());
        };
        let (id, key) = (scheduled.id, scheduled.draft.key.clone());
        let (mut plan, sent_at) = self.hand_over_plan(&scheduled, now);
        let Scheduled { to, draft, .. } = scheduled;
        let message = draft.into_message(id, sender, to, sent_at);
        let deliveries = unreached(&devices, sent_at);
        plan.judge(&summary(&deliveries), now.at);
        let (over, head) = (self.row_for(id, now)?, rows::Head::of(&message, &plan));
        rows::insert(&self.cx.store, over, &head, key.as_ref(), &deliveries, None)?;
        let next = plan.next_step_at(sent_at);
        self.expect_steps(id, next, now.at);
        self.memory.escalations.keep(self.cx, &message)?;
        let queued = Queued::of(&message, &deliveries)?;
        let retry_at = self.memory.retry_not_before.max(now.at);
        self.enqueue(id, &devices);
        self.keep_job(queued, Some(devices), retry_at, true)?;
        self.cx.wake_by(Timer::Job, retry_at);
        Ok(())
    }
}
