//! What a sender asks about its messages: the trace, the list, and to take one back.

use super::group_rows::{self, Newest};
use super::outbox_rows;
use super::{Effect, Errand, Failure, Mailbox};
use crate::call::{Call, Delivered};
use crate::delivery::{Delivery, State};
use crate::id::{DeviceId, MessageId};
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::Now;
use crate::trace::Trace;

/// Up to so many mailboxes are asked where a delivery stands, and so many at a time to take one back.
const AT_A_TIME: usize = 100;

/// A list of messages ends once it has about so many bytes.
const LIST_BYTES: usize = 1 << 20;

/// A message that is being taken back.
#[derive(Debug)]
pub(super) struct Withdrawal {
    calling: Vec<DeviceId>,
    rest: Vec<DeviceId>,
}

/// A message that is to be taken back, as far as that got.
#[derive(Debug)]
pub enum Cancelled {
    /// All that could be taken back is; this is the trace.
    Answer(Trace),
    /// Wait for [`Effect::Cancelled`] with this id, then ask for the trace.
    Wait(MessageId),
}

impl<S: Store> Mailbox<S> {
    /// The trace of a message, and the devices whose mailboxes know more by now: those that have taken
    /// it and not reported. [`Trace::learn`] takes in what they say.
    ///
    /// # Errors
    /// `unknown_message`, or the store failed.
    pub fn trace(&self, id: MessageId) -> Result<(Trace, Vec<DeviceId>), Failure> {
        let trace = self.kept(id)?;
        let open = |delivery: &&Delivery| delivery.is_taken() && !delivery.state.is_last();
        let ask = trace.deliveries.iter().filter(open).take(AT_A_TIME);
        let ask = ask.map(|delivery| delivery.device.clone()).collect();
        Ok((trace, ask))
    }

    /// The messages this device sent, newest first, and whether there may be more before them.
    ///
    /// # Errors
    /// The store failed.
    pub fn messages(
        &self,
        state: Option<State>,
        before: Option<MessageId>,
        limit: u32,
    ) -> Result<(Vec<Trace>, bool), StoreError> {
        if self.device().is_none() {
            return Ok((Vec::new(), false));
        }
        let states = state.map_or(-1, State::bit);
        let (mut traces, mut size) = (Vec::new(), 0);
        let mut groups = Newest::before(before, states);
        let mut grouped = groups.next(&self.store)?;
        let mut alone = outbox_rows::newest_before(&self.store, before, states)?;
        while traces.len() < limit as usize && size < LIST_BYTES {
            let id = |trace: &Option<Trace>| trace.as_ref().map(|trace| trace.id);
            let trace = if id(&alone) > id(&grouped) {
                let next = outbox_rows::newest_before(&self.store, id(&alone), states)?;
                std::mem::replace(&mut alone, next)
            } else {
                let next = groups.next(&self.store)?;
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

    /// Takes a message back wherever it is not in a last state.
    ///
    /// # Errors
    /// `unknown_message`, or the store failed.
    pub fn cancel(&mut self, id: MessageId) -> Result<Cancelled, Failure> {
        let trace = self.kept(id)?;
        // Also where a delivery has not been taken as far as is known: a call may have arrived whose
        // answer did not.
        let open = trace.deliveries.iter();
        let open = open.filter(|delivery| !delivery.state.is_last());
        let rest: Vec<DeviceId> = open.map(|delivery| delivery.device.clone()).collect();
        if rest.is_empty() {
            return Ok(Cancelled::Answer(trace));
        }
        let withdrawal = Withdrawal {
            calling: Vec::new(),
            rest,
        };
        self.outbox.withdrawing.insert(id, withdrawal);
        self.withdraw_next(id);
        Ok(Cancelled::Wait(id))
    }

    fn withdraw_next(&mut self, id: MessageId) {
        let Some(from) = self.device().cloned() else {
            return;
        };
        let Some(withdrawal) = self.outbox.withdrawing.get_mut(&id) else {
            return;
        };
        while withdrawal.calling.len() < AT_A_TIME {
            let Some(to) = withdrawal.rest.pop() else {
                break;
            };
            withdrawal.calling.push(to.clone());
            let from = from.clone();
            let (errand, call) = (Errand::Withdraw(id), Call::Withdraw { id, from });
            self.effects.push(Effect::Call { to, errand, call });
        }
        if withdrawal.calling.is_empty() {
            self.outbox.withdrawing.remove(&id);
            self.effects.push(Effect::Cancelled(id));
        }
    }

    pub(super) fn withdrawn(
        &mut self,
        id: MessageId,
        device: &DeviceId,
        answer: Option<Delivered>,
        now: Now,
    ) -> Result<(), StoreError> {
        if let Some(Delivered::Known(delivery)) = answer
            && delivery.state.is_last()
        {
            self.record(vec![(id, delivery)], now)?;
        }
        if let Some(withdrawal) = self.outbox.withdrawing.get_mut(&id) {
            withdrawal.calling.retain(|called| called != device);
        }
        self.withdraw_next(id);
        Ok(())
    }

    /// A message of this device, with all its deliveries.
    fn kept(&self, id: MessageId) -> Result<Trace, Failure> {
        let trace = match self.device() {
            Some(_) => match outbox_rows::trace(&self.store, id)? {
                Some(trace) => Some(trace),
                None => group_rows::find(&self.store, id)?,
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

/// About how many bytes a delivery takes in a list.
pub(super) fn weight(delivery: &Delivery) -> usize {
    100 + delivery.reply.as_ref().map_or(0, |reply| reply.get().len())
}
