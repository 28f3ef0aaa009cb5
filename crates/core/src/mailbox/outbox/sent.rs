//! What a sender asks about its messages: the trace, the list, and to take one back.

use super::group_rows::{self, Newest};
use super::{Effect, Errand, Failure, Mailbox};
use super::{part_rows, rows};
use crate::call::{Call, Delivered};
use crate::delivery::{Delivery, State};
use crate::id::{DeviceId, MessageId};
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::Now;
use crate::trace::{self, Trace};

/// Up to so many mailboxes are asked where a delivery stands, and so many at a time to take one back.
const AT_A_TIME: usize = 100;

/// A list of messages ends once it has about so many bytes.
const LIST_BYTES: usize = 1 << 20;

/// So many deliveries of each message are in a list: with their replies they take less than a list may.
const LISTED: u32 = 100;

/// A message that is being taken back.
#[derive(Debug)]
pub(in crate::mailbox) struct Withdrawal {
    /// Who is asked at present.
    calling: Vec<DeviceId>,
    /// What those asked have answered: it is recorded together, or each answer would write all over again what is
    /// stored with it.
    answered: Vec<(MessageId, Delivery)>,
    /// Those of the present part that are not called yet.
    rest: Vec<DeviceId>,
    /// The last device of that part; `None` once there is no further part.
    part: Option<DeviceId>,
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
    /// A page of the trace of a message: at most `limit` deliveries, of devices after `after`. With it come
    /// the devices on it whose mailboxes know more by now: those that have taken the message and not
    /// reported. [`Trace::learn`] takes in what they say.
    ///
    /// # Errors
    /// `unknown_message`, or the store failed.
    pub fn trace(
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
        let mut alone = rows::newest_before(&self.store, before, states, LISTED)?;
        while traces.len() < limit as usize && size < LIST_BYTES {
            let id = |trace: &Option<Trace>| trace.as_ref().map(|trace| trace.id);
            let trace = if id(&alone) > id(&grouped) {
                let next = rows::newest_before(&self.store, id(&alone), states, LISTED)?;
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

    /// Takes a message back wherever it is not in a terminal state. It counts as a read of the device, for which
    /// mailboxes are asked. A cancellation of the same message that is under way is joined, and counts for nothing.
    ///
    /// # Errors
    /// `unknown_message`; `too_many_requests`; or the store failed.
    pub fn cancel(&mut self, id: MessageId, now: Now) -> Result<Cancelled, Failure> {
        let trace = self.kept(id, None, trace::PAGE)?;
        if self.outbox.withdrawing.contains_key(&id) {
            return Ok(Cancelled::Wait(id));
        }
        if trace.is_settled() {
            return Ok(Cancelled::Answer(trace));
        }
        let mailboxes = open(&trace.deliveries).len().min(AT_A_TIME);
        self.may_ask(u32::try_from(mailboxes).unwrap_or(u32::MAX), now)?;
        let next = trace.page.as_ref().and_then(|page| page.next.clone());
        let withdrawal = Withdrawal {
            calling: Vec::new(),
            answered: Vec::new(),
            rest: open(&trace.deliveries),
            part: next,
        };
        self.outbox.withdrawing.insert(id, withdrawal);
        self.withdraw_next(id)?;
        Ok(Cancelled::Wait(id))
    }

    fn withdraw_next(&mut self, id: MessageId) -> Result<(), StoreError> {
        let Some(from) = self.device().cloned() else {
            return Ok(());
        };
        let Some(withdrawal) = self.outbox.withdrawing.get_mut(&id) else {
            return Ok(());
        };
        while withdrawal.calling.len() < AT_A_TIME {
            let Some(to) = withdrawal.rest.pop() else {
                let Some(after) = withdrawal.part.take() else {
                    break;
                };
                if let Some(part) = part_rows::rest_after(&self.store, id, Some(&after))? {
                    withdrawal.rest = open(&part);
                    withdrawal.part = part.last().map(|delivery| delivery.device.clone());
                }
                continue;
            };
            withdrawal.calling.push(to.clone());
            let from = from.clone();
            let (errand, call) = (Errand::Withdraw(id), Call::Withdraw { id, from });
            self.effects.push(Effect::Call {
                to,
                errand,
                call,
                enclosed: None,
            });
        }
        if withdrawal.calling.is_empty() {
            self.outbox.withdrawing.remove(&id);
            self.effects.push(Effect::Cancelled(id));
        }
        Ok(())
    }

    pub(in crate::mailbox) fn withdrawn(
        &mut self,
        id: MessageId,
        device: &DeviceId,
        answer: Option<Delivered>,
        now: Now,
    ) -> Result<(), StoreError> {
        let mut answered = match answer {
            Some(Delivered::Known(delivery)) if delivery.is_settled() => vec![(id, delivery)],
            _ => Vec::new(),
        };
        if let Some(withdrawal) = self.outbox.withdrawing.get_mut(&id) {
            withdrawal.calling.retain(|called| called != device);
            withdrawal.answered.append(&mut answered);
            if !withdrawal.calling.is_empty() {
                return Ok(());
            }
            answered = std::mem::take(&mut withdrawal.answered);
        }
        self.record(answered, now)?;
        self.withdraw_next(id)
    }

    /// A message of this device, with a page of its deliveries.
    fn kept(&self, id: MessageId, after: Option<&DeviceId>, limit: u32) -> Result<Trace, Failure> {
        let trace = match self.device() {
            Some(_) => match rows::trace(&self.store, id, after, limit)? {
                Some(trace) => Some(trace),
                None => group_rows::find(&self.store, id)?.map(|it| it.into_page(after, limit)),
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

/// The devices whose deliveries can be taken back. Also where one has not been taken as far as is known: a
/// call may have arrived whose answer did not.
fn open(deliveries: &[Delivery]) -> Vec<DeviceId> {
    let open = deliveries
        .iter()
        .filter(|delivery| !delivery.state.is_terminal());
    open.map(|delivery| delivery.device.clone()).collect()
}

/// About how many bytes a delivery takes in a list.
pub(in crate::mailbox) fn weight(delivery: &Delivery) -> usize {
    100 + delivery.reply.as_ref().map_or(0, |reply| reply.get().len())
}
