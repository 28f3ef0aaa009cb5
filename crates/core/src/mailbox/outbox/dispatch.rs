//! Calling the recipients' mailboxes, and answering the publish when all have answered.

use std::rc::Rc;

use super::backlog::untaken;
use super::job_rows::Queued;
use super::jobs::FIRST_RETRY;
use super::publish::Publishing;
use super::rows::{self, Head};
use super::{CallPurpose, ConnectionId, News, Outbox, Output, Timer};
use crate::call::{Call, DeliveryStatus, SERVICE_TIMEOUT};
use crate::delivery::{Delivery, Event, IllegalTransition, Phase};
use crate::failure::DEVICE_REMOVED;
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::message::Target;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError, to_json};
use crate::time::{Millis, Now};
use crate::trace::Trace;

/// A call to deliver expires after this many milliseconds. Its caller waits two seconds longer, because two mailboxes'
/// clocks may differ.
pub(super) const CALL_LIFE: Millis = SERVICE_TIMEOUT - 2_000;

impl<S: Store> Outbox<'_, S> {
    /// Calls every mailbox of a publish except those that an older message waits for.
    pub(super) fn dispatch(
        &mut self,
        id: MessageId,
        behind: &[DeviceId],
        wait: u32,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(publishing) = self.memory.publishing.get(&id) else {
            return Ok(());
        };
        let message: Rc<str> = to_json(&publishing.message)?.into();
        let devices = publishing.deliveries.iter().map(|it| &it.device);
        let devices = devices.filter(|device| !behind.contains(device));
        let devices: Vec<DeviceId> = devices.cloned().collect();
        self.enqueue(id, behind);
        let open = devices.len();
        for device in devices {
            self.call_deliver(&device, id, &message, wait, now);
        }
        if let Some(publishing) = self.memory.publishing.get_mut(&id) {
            publishing.open = open;
        }
        if open == 0 {
            self.answer(id, now)
        } else {
            Ok(())
        }
    }

    /// Calls one mailbox to deliver a message, whose JSON is `message`.
    pub(super) fn call_deliver(
        &mut self,
        to: &DeviceId,
        id: MessageId,
        message: &Rc<str>,
        wait: u32,
        now: Now,
    ) {
        let is_job = !self.memory.publishing.contains_key(&id);
        let calls = self.memory.calling.entry(to.clone()).or_default();
        // Until an earlier call is answered, its message may arrive later than this one. A job follows older messages
        // only.
        let after = match is_job {
            true => calls.iter().filter(|other| **other < id).max(),
            false => calls.iter().rev().find(|other| **other != id),
        };
        let after = after.copied();
        if !calls.contains(&id) {
            calls.push(id);
        }
        let until = now.at + CALL_LIFE;
        let call = Call::Deliver { wait, after, until };
        self.cx.push(Output::Call {
            to: to.clone(),
            purpose: CallPurpose::Deliver(id),
            call,
            enclosed: Some(Rc::clone(message)),
        });
    }

    /// Whether a call to deliver this message may still arrive. Either it was made since the mailbox was opened, or
    /// before that, and the delivery waits or was withdrawn before the message arrived.
    pub(super) fn is_under_way(
        &self,
        id: MessageId,
        delivery: &Delivery,
        now: Now,
    ) -> Result<bool, StoreError> {
        let device = &delivery.device;
        // The call was made before the cancellation. After three times its life it has expired by either clock, so
        // the report may be accepted.
        let unseen =
            delivery.phase() == Phase::CancelledEarly && now.at < delivery.at + 3 * CALL_LIFE;
        let before =
            now.at < self.retry_not_before(id) && (unseen || self.waits(id, device)? == Some(true));
        Ok(before || self.is_calling(id, device))
    }

    /// Whether a call to deliver this message is not answered yet.
    pub(super) fn is_calling(&self, id: MessageId, device: &DeviceId) -> bool {
        let calls = self.memory.calling.get(device);
        calls.is_some_and(|ids| ids.contains(&id))
    }

    /// A mailbox has answered a call to deliver, or could not be reached. Returns whether the jobs pause now, so that
    /// the alarm has to be set for them.
    pub(in crate::mailbox) fn called(
        &mut self,
        id: MessageId,
        from: &DeviceId,
        answer: Option<DeliveryStatus>,
        now: Now,
    ) -> Result<bool, StoreError> {
        if let Some(calls) = self.memory.calling.get_mut(from) {
            calls.retain(|called| *called != id);
            if calls.is_empty() {
                self.memory.calling.remove(from);
            }
        }
        if self.memory.publishing.contains_key(&id) {
            self.dispatched(id, from, answer, now)?;
            return Ok(false);
        }
        self.worked(id, from, answer, now)
    }

    fn dispatched(
        &mut self,
        id: MessageId,
        device: &DeviceId,
        answer: Option<DeliveryStatus>,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(publishing) = self.memory.publishing.get_mut(&id) else {
            return Ok(());
        };
        let alone = publishing.message.to == Target::Device(device.clone());
        publishing.unknown |= alone && matches!(answer, Some(DeliveryStatus::UnknownDevice));
        if let Some(delivery) = taken(device, answer, now.at)? {
            let known = publishing
                .deliveries
                .iter_mut()
                .find(|known| known.device == *device);
            // A delivery that settled without the device's answer lets later ones pass it. If a crash forgot that, it
            // would be tried again, after them.
            let over = delivery.is_settled() && !delivery.state.is_answer();
            // A report may have arrived before the answer; the terminal state remains.
            let news = known.and_then(|known| known.learn(delivery));
            if news.is_some() && over && publishing.stored && publishing.open > 1 {
                self.save_unanswered(id, false, now)?;
            }
            self.leave(id, device);
        } else {
            // Later messages wait behind this one.
            self.enqueue(id, std::slice::from_ref(device));
        }
        let Some(publishing) = self.memory.publishing.get_mut(&id) else {
            return Ok(());
        };
        publishing.open -= 1;
        self.enough_of_unanswered(id, now)?;
        self.answer_if_done(id, now)?;
        self.escalate(id, now)
    }

    /// Stores the deliveries of a stored publish that is not answered; and its plan, if that has changed.
    pub(super) fn save_unanswered(
        &mut self,
        id: MessageId,
        has_new_plan: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        self.number_answered(id, now)?;
        let Some(publishing) = self.memory.publishing.get(&id) else {
            return Ok(());
        };
        let plan = Some(&publishing.plan).filter(|_| has_new_plan);
        rows::save(&self.cx.store, id, &publishing.deliveries, None, plan)?;
        self.tell_failed_of(id);
        Ok(())
    }

    /// Answers a publish once every mailbox has answered or failed, also those that are asked to cancel; or once every
    /// delivery is settled, if there are enough acknowledgements.
    pub(super) fn answer_if_done(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let is_cancelling = self.memory.cancelling.contains_key(&id);
        let publishing = self.memory.publishing.get(&id);
        let is_done = publishing.is_some_and(|it| {
            let is_over = it.plan.enough_at.is_some() && it.is_settled();
            is_over || (it.open == 0 && !is_cancelling)
        });
        match is_done {
            true => self.answer(id, now),
            false => Ok(()),
        }
    }

    /// Stores the result of a publish, and answers it.
    fn answer(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let Some(publishing) = self.memory.publishing.remove(&id) else {
            return Ok(());
        };
        self.memory.under_way -= publishing.bytes;
        let done = publishing.is_settled();
        // One that was accepted before can no longer be refused, nor one that has further recipients by now, nor one
        // that another message is linked to.
        let plan = &publishing.plan;
        let is_accepted =
            publishing.is_answered || plan.has_escalated() || plan.resend_of.is_some();
        if publishing.unknown && !is_accepted {
            let problem = Problem::unknown_device();
            self.refuse(publishing, problem)?;
        } else if let Some(problem) = self.lost(&publishing) {
            self.refuse(publishing, problem)?;
        } else if done && !publishing.stored && !publishing.is_answered {
            self.gather(publishing);
        } else {
            self.write(publishing, done, now)?;
        }
        self.write_or_wait(now)?;
        self.memory.escalations.answered(id);
        self.escalate(id, now)
    }

    /// Why an unreached publish cannot be queued, if it cannot. A stored one is kept: a mailbox may have taken it
    /// although its answer was lost, and a repeat with its key finds it.
    fn lost(&self, publishing: &Publishing) -> Option<Problem> {
        if publishing.stored || publishing.is_answered {
            return None;
        }
        let mut deliveries = publishing.deliveries.iter();
        if deliveries.any(Delivery::is_reached) {
            return None;
        }
        let message = &publishing.message;
        self.full(message.payload.get().len() as u64, 1)?;
        let detail = "the device's mailbox did not answer, and no more messages can be queued";
        Some(Problem::new(Code::Unavailable, detail))
    }

    /// Refuses a publish that was not answered yet.
    fn refuse(&mut self, publishing: Publishing, problem: Problem) -> Result<(), StoreError> {
        let Publishing {
            message,
            stored,
            key,
            frames,
            ..
        } = publishing;
        if stored {
            let key = key.as_ref().map(IdempotencyKey::as_str);
            rows::delete(&self.cx.store, message.id, key)?;
            self.forget_job(message.id);
        }
        self.forget_steps(message.id)?;
        for (connection, reference) in &frames {
            self.send_problem(*connection, reference.as_deref(), &problem);
        }
        self.cx.push(News::Published(message.id, Err(problem)));
        Ok(())
    }

    /// Stores a publish in a row of its own, and answers it.
    fn write(
        &mut self,
        mut publishing: Publishing,
        done: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        let unheard = publishing.is_answered || self.publisher_gone(&publishing.frames);
        let mut receipts_after = None;
        if unheard {
            receipts_after = Some(self.last_receipt()?);
            self.number(&mut publishing.deliveries, now)?;
        }
        publishing.tell_failed(self.cx);
        let Publishing {
            message,
            deliveries,
            mut plan,
            stored,
            key,
            frames,
            ..
        } = publishing;
        plan.note_calling(false);
        let (id, done_at) = (message.id, done.then_some(now.at));
        let is_enough = plan.enough_at.is_some();
        if stored {
            let plan = Some(&plan).filter(|it| is_enough || it.escalation.is_some());
            rows::save(&self.cx.store, id, &deliveries, done_at, plan)?;
        } else {
            let over = self.row_for(id, now)?;
            let (key, head) = (key.as_ref(), Head::of(&message, &plan));
            rows::insert(&self.cx.store, over, &head, key, &deliveries, done_at)?;
            self.memory.escalations.keep(self.cx, &message)?;
        }
        let next = plan.next_step_at(message.sent_at);
        self.steps_changed(id, next, false, now)?;
        if done {
            self.ended(id)?;
        }
        if is_enough || deliveries.iter().all(Delivery::is_reached) {
            if stored {
                self.drop_job(id)?;
            }
        } else {
            let left = untaken(&deliveries);
            self.enqueue(id, &left);
            let message = Queued::of(&message, &deliveries)?;
            self.keep_job(message, Some(left), now.at + FIRST_RETRY, !stored)?;
            self.cx.wake_by(Timer::Job, now.at + FIRST_RETRY);
        }
        self.cx
            .wake_by(Timer::Retention, self.clean_up_at(message.sent_at));
        self.tell(
            Trace::of(message, deliveries, plan),
            &frames,
            receipts_after,
        );
        Ok(())
    }

    /// Whether the publisher's connections are gone, so that the answer cannot be delivered.
    pub(super) fn publisher_gone(&self, frames: &[(ConnectionId, Option<String>)]) -> bool {
        let live = self.connection.as_ref().map(|connection| connection.id);
        let heard = |(connection, _): &(ConnectionId, _)| Some(*connection) == live;
        !frames.is_empty() && !frames.iter().any(heard)
    }

    /// Answers a stored publish. If the publisher is gone, its receipts after this number are sent.
    pub(super) fn tell(
        &mut self,
        trace: Trace,
        frames: &[(ConnectionId, Option<String>)],
        receipts_after: Option<i64>,
    ) {
        for (connection, reference) in frames {
            self.send_published(*connection, reference.as_deref(), &trace);
        }
        if let Some(after) = receipts_after {
            let new = trace.deliveries.iter();
            for delivery in new.filter(|delivery| delivery.receipt > Some(after)) {
                self.send_receipt(trace.id, delivery);
            }
        }
        if trace.is_settled() {
            self.cx.push(News::Settled(trace.id));
        }
        self.cx.push(News::Published(trace.id, Ok(trace)));
    }
}

/// The delivery after an answer; `None` if the mailbox has not taken the message.
pub(super) fn taken(
    device: &DeviceId,
    answer: Option<DeliveryStatus>,
    now: Millis,
) -> Result<Option<Delivery>, IllegalTransition> {
    Ok(match answer {
        Some(DeliveryStatus::Known(delivery)) => Some(delivery),
        Some(DeliveryStatus::UnknownDevice) => {
            let refused = Delivery::unreached(device.clone(), now).apply(Event::Refuse, now)?;
            Some(refused.with_reason(DEVICE_REMOVED))
        }
        Some(DeliveryStatus::UnknownMessage | DeliveryStatus::OutOfOrder) | None => None,
    })
}
