//! A sender's requests about its messages: trace, list, cancel.

use super::group_rows::{self, Newest};
use super::{CallPurpose, Failure, News, Outbox, Output};
use super::{part_rows, rows, schedule_rows};
use crate::call::{Call, DeliveryStatus, ListedState};
use crate::delivery::{Delivery, Phase, Withdrawal};
use crate::id::{DeviceId, MessageId};
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::Now;
use crate::trace::{self, Trace};

/// The most mailboxes that are asked for the state of a delivery, or at the same time to cancel one.
const AT_A_TIME: usize = 100;

/// A list of messages ends at about this many bytes.
const LIST_BYTES: usize = 1 << 20;

/// The most deliveries of one message in a list: with their replies they take less than a list may.
const MAX_LISTED: u32 = 100;

/// A cancellation in progress.
#[derive(Debug)]
pub(super) struct Cancellation {
    reason: Withdrawal,
    /// The devices whose mailboxes are being called.
    calling: Vec<DeviceId>,
    /// The answers so far. They are recorded together, or each would write the same row again.
    answered: Vec<(MessageId, Delivery)>,
    /// The devices of the current part that are not called yet.
    rest: Vec<DeviceId>,
    /// The last device of that part; `None` once there is no further part.
    part: Option<DeviceId>,
}

impl<S: Store> Outbox<'_, S> {
    /// A page of the trace of a message: at most `limit` deliveries, of devices after `after`. Also returns the devices
    /// on it whose mailboxes may know more: those that have taken the message, but not reported a terminal state. Pass
    /// their answers to [`Trace::learn`].
    ///
    /// # Errors
    /// `unknown_message`, or the store failed.
    pub(in crate::mailbox) fn trace(
        &self,
        id: MessageId,
        after: Option<&DeviceId>,
        limit: u32,
    ) -> Result<(Trace, Vec<DeviceId>), Failure> {
        let trace = self.kept(id, after, limit)?;
        let open = |delivery: &&Delivery| delivery.is_reached() && !delivery.state.is_terminal();
        let ask = trace.deliveries.iter().filter(open).take(AT_A_TIME);
        let ask = ask.map(|delivery| delivery.device.clone()).collect();
        Ok((trace, ask))
    }

    /// The messages this device sent, newest first, each with its first deliveries, and whether there may be
    /// more messages before them.
    ///
    /// # Errors
    /// `unknown_device`, or the store failed.
    pub(in crate::mailbox) fn messages(
        &self,
        state: Option<ListedState>,
        before: Option<MessageId>,
        limit: u32,
    ) -> Result<(Vec<Trace>, bool), Failure> {
        if self.cx.device().is_none() {
            return Err(Problem::unknown_device().into());
        }
        let states = match state {
            None => -1,
            Some(ListedState::Delivery(state)) => state.bit(),
            Some(ListedState::Scheduled) => 0,
        };
        let has_scheduled = !matches!(state, Some(ListedState::Delivery(_)));
        let scheduled = |before| match has_scheduled {
            true => schedule_rows::newest_before(&self.cx.store, before),
            false => Ok(None),
        };
        let (mut traces, mut size) = (Vec::new(), 0);
        let mut groups = Newest::before(before, states);
        let mut grouped = groups.next(&self.cx.store)?;
        let mut later = scheduled(before)?;
        let mut alone = rows::newest_before(&self.cx.store, before, states, MAX_LISTED)?;
        while traces.len() < limit as usize && size < LIST_BYTES {
            let id = |trace: &Option<Trace>| trace.as_ref().map(|trace| trace.id);
            let trace = if id(&later) > id(&alone).max(id(&grouped)) {
                let next = scheduled(id(&later))?;
                std::mem::replace(&mut later, next)
            } else if id(&alone) > id(&grouped) {
                let next = rows::newest_before(&self.cx.store, id(&alone), states, MAX_LISTED)?;
                std::mem::replace(&mut alone, next)
            } else {
                let next = groups.next(&self.cx.store)?;
                std::mem::replace(&mut grouped, next)
            };
            let Some(trace) = trace else {
                return Ok((traces, false));
            };
            size += trace.deliveries.iter().map(weight).sum::<usize>();
            traces.push(trace);
        }
        Ok((traces, true))
    }

    /// Cancels every delivery of a message that is not in a terminal state. It counts as a read that asks other
    /// mailboxes; joining a cancellation of the same message in progress does not count. Returns the trace if there is
    /// nothing to cancel. Otherwise [`News::Cancelled`] follows when all is done.
    ///
    /// # Errors
    /// `unknown_message`; `too_many_requests`; or the store failed.
    pub(in crate::mailbox) fn cancel(
        &mut self,
        id: MessageId,
        now: Now,
    ) -> Result<Option<Trace>, Failure> {
        if let Some(trace) = self.cancel_scheduled(id, now)? {
            return Ok(Some(trace));
        }
        let trace = self.kept(id, None, trace::MAX_PAGE_DELIVERIES)?;
        if self.memory.cancelling.contains_key(&id) {
            return Ok(None);
        }
        if trace.is_settled() {
            return Ok(Some(trace));
        }
        let mailboxes = open(&trace.deliveries).len().min(AT_A_TIME);
        self.may_ask(u32::try_from(mailboxes).unwrap_or(u32::MAX), now)?;
        if trace.plan.has_steps() {
            self.drop_steps(id, now)?;
        }
        if trace.summary().open() == 0 {
            return Ok(Some(self.kept(id, None, trace::MAX_PAGE_DELIVERIES)?));
        }
        self.begin_cancelling(&trace, Withdrawal::Cancelled, now)?;
        Ok(None)
    }

    /// Cancels every open delivery of a message, whose first page this is.
    pub(super) fn begin_cancelling(
        &mut self,
        trace: &Trace,
        reason: Withdrawal,
        now: Now,
    ) -> Result<(), StoreError> {
        let next = trace.page.as_ref().and_then(|page| page.next.clone());
        let cancellation = Cancellation {
            reason,
            calling: Vec::new(),
            answered: Vec::new(),
            rest: open(&trace.deliveries),
            part: next,
        };
        self.memory.cancelling.insert(trace.id, cancellation);
        self.cancel_next(trace.id, now)
    }

    fn cancel_next(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let Some(from) = self.cx.device().cloned() else {
            return Ok(());
        };
        let Some(cancellation) = self.memory.cancelling.get_mut(&id) else {
            return Ok(());
        };
        while cancellation.calling.len() < AT_A_TIME {
            let Some(to) = cancellation.rest.pop() else {
                let Some(after) = cancellation.part.take() else {
                    break;
                };
                if let Some(part) = part_rows::rest_after(&self.cx.store, id, Some(&after))? {
                    cancellation.rest = open(&part);
                    cancellation.part = part.last().map(|delivery| delivery.device.clone());
                }
                continue;
            };
            cancellation.calling.push(to.clone());
            let from = from.clone();
            let (purpose, reason) = (CallPurpose::Cancel(id), cancellation.reason);
            let call = Call::CancelDelivery { id, from, reason };
            self.cx.push(Output::Call {
                to,
                purpose,
                call,
                enclosed: None,
            });
        }
        if cancellation.calling.is_empty() {
            self.memory.cancelling.remove(&id);
            self.cx.push(News::Cancelled(id));
            return self.others_asked(id, now);
        }
        Ok(())
    }

    pub(in crate::mailbox) fn cancel_answered(
        &mut self,
        id: MessageId,
        device: &DeviceId,
        answer: Option<DeliveryStatus>,
        now: Now,
    ) -> Result<(), StoreError> {
        let mut answered = match answer {
            // A mailbox that has lost its memory cancels what it does not know. The call to deliver may still bring
            // what the device answered before.
            Some(DeliveryStatus::Known(delivery))
                if delivery.phase() == Phase::CancelledEarly && self.is_calling(id, device) =>
            {
                Vec::new()
            }
            Some(DeliveryStatus::Known(delivery)) if delivery.is_settled() => vec![(id, delivery)],
            Some(DeliveryStatus::UnknownDevice) => {
                let refused = self.without_device(id, device, now)?;
                refused.map(|delivery| (id, delivery)).into_iter().collect()
            }
            _ => Vec::new(),
        };
        if let Some(cancellation) = self.memory.cancelling.get_mut(&id) {
            cancellation.calling.retain(|called| called != device);
            cancellation.answered.append(&mut answered);
            if !cancellation.calling.is_empty() {
                return Ok(());
            }
            answered = std::mem::take(&mut cancellation.answered);
        }
        self.record(answered, now)?;
        self.cancel_next(id, now)
    }

    /// A message of this device, with a page of its deliveries.
    pub(super) fn kept(
        &self,
        id: MessageId,
        after: Option<&DeviceId>,
        limit: u32,
    ) -> Result<Trace, Failure> {
        let trace = match self.cx.device() {
            Some(_) => match rows::trace(&self.cx.store, id, after, limit)? {
                Some(trace) => Some(trace),
                None => match group_rows::find(&self.cx.store, id)? {
                    Some(trace) => Some(trace.into_page(after, limit)),
                    None => schedule_rows::load(&self.cx.store, id)?.map(|it| it.trace()),
                },
            },
            None => None,
        };
        let unknown = || {
            Problem::new(
                Code::UnknownMessage,
                "this device sent no such message, or it is no longer kept",
            )
        };
        Ok(trace.ok_or_else(unknown)?)
    }
}

/// The devices whose deliveries can be cancelled, including unreached ones: a call may have arrived although its answer
/// was lost.
fn open(deliveries: &[Delivery]) -> Vec<DeviceId> {
    let open = deliveries
        .iter()
        .filter(|delivery| !delivery.state.is_terminal());
    open.map(|delivery| delivery.device.clone()).collect()
}

/// About how many bytes a delivery takes in a list.
pub(super) fn weight(delivery: &Delivery) -> usize {
    100 + delivery.reply.as_ref().map_or(0, |reply| reply.get().len())
}
