//! Sending a message again to the devices that it has failed for.
//!
//! A resend is a message of its own, stored before any call, as one with an idempotency key is; and in the same event
//! both messages are linked. The payload is not here, except while the sender's mailbox still delivers the message: it
//! comes from a recipient's mailbox with the publish.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::failed::{failed_devices, tell_resent};
use super::{Failure, Outbox};
use super::{escalation_rows, group_rows, job_rows, rows, schedule_rows};
use crate::delivery::{Delivery, State};
use crate::failure::{DEVICE_REMOVED, MAX_ASKED, PayloadSources, ResendPlan};
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::message::Message;
use crate::problem::{Code, Problem};
use crate::publish::Resend;
use crate::store::{Store, StoreError, from_json};
use crate::time::Now;
use crate::trace::{self, Trace};

impl<S: Store> Outbox<'_, S> {
    /// How a message is sent again.
    ///
    /// # Errors
    /// `unknown_message`, `nothing_failed`, `idempotency_mismatch`, or the store failed.
    pub(in crate::mailbox) fn plan_resend(
        &self,
        resend: &Resend,
        key: Option<&IdempotencyKey>,
    ) -> Result<ResendPlan, Failure> {
        if let Some(repeated) = self.resent_before(resend, key)? {
            return Ok(repeated);
        }
        let (trace, failed) = self.failed_of(resend.of)?;
        let sent_at = trace.plan.sent_at(trace.accepted_at);
        let ttl = (trace.expires_at - sent_at).max(0) / 1000;
        let all = failed_devices(&failed);
        let devices = match &resend.only {
            None => all,
            Some(only) => {
                let other = only.iter().find(|it| all.binary_search(it).is_err());
                if let Some(other) = other {
                    let detail = format!("the delivery to {other} has not failed");
                    return Err(Problem::new(Code::NothingFailed, detail).into());
                }
                only.clone()
            }
        };
        if devices.is_empty() {
            let detail = "no delivery of this message has failed";
            return Err(Problem::new(Code::NothingFailed, detail).into());
        }
        let sources = PayloadSources {
            message: self.own_message(resend.of)?,
            devices: sources(&failed),
        };
        let escalation = trace.plan.escalation.into_iter();
        let taken = escalation.flat_map(|escalation| escalation.taken);
        Ok(ResendPlan::Send {
            to: trace.to,
            steps: taken.map(|step| step.to).collect(),
            ttl: u32::try_from(ttl).unwrap_or(u32::MAX),
            devices,
            sources,
        })
    }

    /// The answer to an earlier request with this key.
    fn resent_before(
        &self,
        resend: &Resend,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<ResendPlan>, Failure> {
        let known = key.map(|key| job_rows::key(&self.cx.store, key));
        let Some((id, known)) = known.transpose()?.flatten() else {
            return Ok(None);
        };
        if !self.is_kept(id)? {
            return Ok(None);
        }
        if known != resend.fingerprint() {
            let detail = "Idempotency-Key was used for another message";
            return Err(Problem::new(Code::IdempotencyMismatch, detail).into());
        }
        let trace = rows::trace(&self.cx.store, id, None, trace::MAX_PAGE_DELIVERIES)?;
        Ok(trace.map(|trace| ResendPlan::Repeated {
            id,
            is_settled: trace.is_settled(),
            answer: trace.answer_json(),
        }))
    }

    /// Where the payload of a message may be.
    ///
    /// # Errors
    /// `unknown_message`, or the store failed.
    pub(in crate::mailbox) fn find_payload(
        &self,
        id: MessageId,
        now: Now,
    ) -> Result<PayloadSources, Failure> {
        let trace = self.kept(id, None, trace::MAX_PAGE_DELIVERIES)?;
        let scheduled = match trace.is_scheduled() {
            true => schedule_rows::load(&self.cx.store, id)?,
            false => None,
        };
        let message = match (scheduled, self.cx.device()) {
            (Some(scheduled), Some(sender)) => {
                let (draft, to) = (scheduled.draft, scheduled.to);
                let message = draft.into_message(id, sender.clone(), to, now.at);
                Some(Box::new(message))
            }
            _ => self.own_message(id)?,
        };
        Ok(PayloadSources {
            message,
            devices: sources(&trace.deliveries),
        })
    }

    /// A message, while this mailbox has its payload: it is being delivered, or its steps are not all taken.
    fn own_message(&self, id: MessageId) -> Result<Option<Box<Message>>, StoreError> {
        if let Some(publishing) = self.memory.publishing.get(&id) {
            return Ok(Some(Box::new(publishing.message.clone())));
        }
        match job_rows::job_message(&self.cx.store, id)? {
            Some(text) => Ok(Some(from_json(&text)?)),
            None => Ok(escalation_rows::message(&self.cx.store, id)?.map(Box::new)),
        }
    }

    /// The first page of the trace of a message, and its deliveries that have failed, in the order of their devices.
    fn failed_of(&self, id: MessageId) -> Result<(Trace, Vec<Delivery>), Failure> {
        let mut failed = Vec::new();
        let mut page = self.kept(id, None, trace::MAX_PAGE_DELIVERIES)?;
        let mut next = take_failed(&mut page, &mut failed);
        while let Some(after) = next {
            let mut page = self.kept(id, Some(&after), trace::MAX_PAGE_DELIVERIES)?;
            next = take_failed(&mut page, &mut failed);
        }
        Ok((page, failed))
    }

    /// A message is sent again to these devices with another one, which is stored in this event: links them.
    pub(super) fn link_resent(
        &mut self,
        of: MessageId,
        id: MessageId,
        devices: &[DeviceId],
    ) -> Result<(), StoreError> {
        let (trace, failed) = match self.failed_of(of) {
            Ok(found) => found,
            // It is not kept any more.
            Err(Failure::Problem(_)) => return Ok(()),
            Err(Failure::Store(error)) => return Err(error),
        };
        let devices: BTreeSet<&DeviceId> = devices.iter().collect();
        for delivery in failed.iter().filter(|it| devices.contains(&it.device)) {
            tell_resent(self.cx, of, &trace.to, delivery, id);
        }
        if let Some(publishing) = self.memory.publishing.get_mut(&of) {
            publishing.plan.note_resent(id);
        }
        match rows::load(&self.cx.store, of)? {
            Some(mut sent) => {
                sent.plan.note_resent(id);
                escalation_rows::save_plan(&self.cx.store, of, &sent.plan, None)
            }
            None => group_rows::change(&self.cx.store, of, |trace| trace.plan.note_resent(id)),
        }
    }
}

/// Moves the deliveries of a page that have failed to the others. Returns the device after which the next page begins.
fn take_failed(page: &mut Trace, failed: &mut Vec<Delivery>) -> Option<DeviceId> {
    let deliveries = std::mem::take(&mut page.deliveries).into_iter();
    failed.extend(deliveries.filter(|it| it.state.is_failure()));
    page.page.as_ref().and_then(|page| page.next.clone())
}

/// The recipients whose mailboxes may have the payload: those that it failed for, the latest first, and those in which
/// it waits. The first of these has a place, too: the mailboxes of the others may have dropped it.
fn sources(deliveries: &[Delivery]) -> Vec<DeviceId> {
    let is_kept = |it: &&Delivery| match it.state {
        // Its mailbox had no room for it.
        State::Refused => it.reason.as_deref() != Some(DEVICE_REMOVED),
        state => state.is_failure() && it.is_reached(),
    };
    let mut failed: Vec<&Delivery> = deliveries.iter().filter(is_kept).collect();
    failed.sort_by_key(|it| Reverse(it.at));
    let mut waits = deliveries
        .iter()
        .filter(|it| it.is_reached() && !it.state.is_terminal());
    let first = waits.next();
    let most = MAX_ASKED as usize;
    failed.truncate(most - usize::from(first.is_some()));
    let all = failed.into_iter().chain(first).chain(waits).take(most);
    all.map(|delivery| delivery.device.clone()).collect()
}
