//! What happens to a waiting call when what it waits for happens, or when it times out.

use super::calls::problem;
use super::news::News;
use super::output::{CallPurpose, Output, Reply};
use super::pending::{Awaited, Lookup, Next, Waiter};
use super::push::pushed;
use super::timer::Timer;
use super::{CallId, Mailbox};
use crate::call::{Call, DeliveryStatus, Posted, WebhookTried};
use crate::id::{DeviceId, MessageId};
use crate::operator_event::OperatorEvent;
use crate::problem::Problem;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::token::Claims;
use crate::trace::{self, Trace};
use crate::webhook::PostError;

impl<S: Store> Mailbox<S> {
    /// Something has happened that calls may be waiting for.
    pub(super) fn hear(&mut self, news: News, now: Now) -> Result<(), StoreError> {
        match news {
            // In a later event: the next message may replace the one that was just sent.
            News::Arrived(id) => {
                if self.pending.end_at(Awaited::Arrival(id), now.at) {
                    self.cx.wake_by(Timer::Call, now.at);
                }
                Ok(())
            }
            News::Settled(id) => self.resume(Awaited::Settled(id), now),
            News::Cancelled(id) => self.resume(Awaited::Cancelled(id), now),
            News::Pollable => self.resume(Awaited::Pollable, now),
            News::Waits(urgency, expires_at) => {
                self.knock_for(urgency, expires_at, now);
                Ok(())
            }
            News::Post(message, attempt) => {
                let chain = self.chain.clone();
                self.webhook().post(&message, attempt, &chain, now);
                Ok(())
            }
            News::PostReceipts(receipts) => {
                self.post_receipts(&receipts, now);
                Ok(())
            }
            News::Disconnected => self.knock_for_missed(now),
            News::Delivered(id, delivered) => {
                for (call, waiter) in self.pending.take(Awaited::Delivered(id)) {
                    let reply = delivery_reply(id, &waiter.next, delivered.clone());
                    self.answer_caller(call, waiter.caller.as_ref(), reply, now);
                }
                Ok(())
            }
            News::Published(id, outcome) => {
                for (call, waiter) in self.pending.take(Awaited::Published(id)) {
                    let reply = published_reply(&waiter.next, outcome.clone());
                    self.answer_caller(call, waiter.caller.as_ref(), reply, now);
                }
                Ok(())
            }
            News::PushSettled(id, sender, state) => {
                self.channels().keep_receipt(id, &sender, state, now)
            }
            News::PushEnded(ids) => {
                self.channels().keep_ended(&ids, now)?;
                let mut ids = ids.into_iter();
                ids.try_for_each(|id| self.resume(Awaited::Receipt(id), now))
            }
            News::ReceiptKept(id, channel) => {
                self.resume(Awaited::Receipt(id), now)?;
                self.resume(Awaited::Receipts(channel), now)
            }
            News::ChannelEnded(channel) => self.resume(Awaited::Receipts(channel), now),
            News::Failed(failure) => {
                self.failures().keep(&failure)?;
                match OperatorEvent::of_failure(&failure) {
                    Some(event) => self.operator_events().keep(&event, now),
                    None => Ok(()),
                }
            }
            News::Revoked => {
                self.dismiss(now);
                self.watchers().revoked();
                Ok(())
            }
            News::TokenRevoked(token) => {
                self.dismiss(now);
                self.watchers().token_revoked(&token);
                Ok(())
            }
            News::Removed => {
                self.watchers().removed();
                Ok(())
            }
            News::Watched(watched) => {
                self.watchers().tell(watched, now);
                Ok(())
            }
        }
    }

    /// A call has timed out, or its token has expired.
    pub(super) fn waited(&mut self, at: Millis, now: Now) -> Result<(), StoreError> {
        self.dismiss(now);
        for (awaited, call, waiter) in self.pending.take_due(at) {
            self.continue_call(awaited, call, waiter, true, now)?;
        }
        if let Some(at) = self.pending.next(now.at) {
            self.cx.wake_by(Timer::Call, at);
        }
        Ok(())
    }

    /// Answers the calls whose tokens are no longer valid.
    pub(super) fn dismiss(&mut self, now: Now) {
        let cx = &self.cx;
        let judge = |claims: &Claims| cx.admit(claims, now);
        for (call, problem) in self.pending.take_refused(judge) {
            self.answer(call, Reply::Problem(problem));
        }
    }

    /// Continues all calls that wait for this, in the order of their arrival.
    fn resume(&mut self, awaited: Awaited, now: Now) -> Result<(), StoreError> {
        for (call, waiter) in self.pending.take(awaited) {
            self.continue_call(awaited, call, waiter, false, now)?;
        }
        Ok(())
    }

    /// Continues a call: what it waited for has happened, or it has `timed_out`.
    fn continue_call(
        &mut self,
        awaited: Awaited,
        id: CallId,
        waiter: Waiter,
        timed_out: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        let Waiter {
            caller,
            until,
            next,
        } = waiter;
        match (awaited, next) {
            (Awaited::Arrival(_), Next::Deliver { message, terms }) => {
                self.deliver(id, caller, *message, terms, now)
            }
            (Awaited::Delivered(message), next) => {
                let delivered = self.receive(|inbox| inbox.end_wait(message, now))?;
                let reply = delivery_reply(message, &next, delivered);
                self.answer_caller(id, caller.as_ref(), reply, now);
                Ok(())
            }
            (Awaited::Settled(message), Next::Trace { after, limit }) => {
                self.trace_now(id, caller, message, after, limit, now)
            }
            (Awaited::Cancelled(message), _) => {
                // Every mailbox has just been asked, and its answer is recorded.
                let reply = match self
                    .outbox()
                    .trace(message, None, trace::MAX_PAGE_DELIVERIES)
                {
                    Ok((trace, _)) => Reply::Trace(trace),
                    Err(failure) => problem(failure)?,
                };
                self.answer_caller(id, caller.as_ref(), reply, now);
                Ok(())
            }
            (Awaited::Receipt(message), Next::PushState) => {
                self.push_state(id, message, again_until(timed_out, until, now), now)
            }
            (
                Awaited::Receipts(_),
                Next::PushReceipts {
                    channel,
                    since,
                    after,
                },
            ) => {
                let until = again_until(timed_out, until, now);
                self.push_receipts(id, channel, since, after, until, now)
            }
            (Awaited::Tested, _) => {
                let error = PostError::Timeout;
                let reply = Reply::WebhookTried(WebhookTried::Failed { error });
                self.answer_caller(id, caller.as_ref(), reply, now);
                Ok(())
            }
            (_, Next::Poll { limit }) => {
                let until = again_until(timed_out, until, now);
                self.poll(id, caller, limit, until, now)
            }
            (awaited, _) => {
                debug_assert!(false, "no call continues after {awaited:?}");
                Ok(())
            }
        }
    }

    /// Answers with a page of a trace, once all deliveries are settled or `wait` seconds are over.
    #[expect(clippy::too_many_arguments, reason = "they are the fields of the call")]
    pub(super) fn trace(
        &mut self,
        id: CallId,
        caller: Option<Claims>,
        message: MessageId,
        wait: u32,
        after: Option<DeviceId>,
        limit: u32,
        now: Now,
    ) -> Result<(), StoreError> {
        if wait > 0 {
            let found = self.outbox().trace(message, after.as_ref(), limit);
            if found.is_ok_and(|(trace, _)| !trace.is_settled()) {
                let until = Some(now.at + i64::from(wait) * 1000);
                let next = Next::Trace { after, limit };
                self.wait(Awaited::Settled(message), id, caller, until, next, now);
                return Ok(());
            }
        }
        self.trace_now(id, caller, message, after, limit, now)
    }

    /// Asks the mailboxes that may know newer states of a message, then answers with its trace.
    fn trace_now(
        &mut self,
        id: CallId,
        caller: Option<Claims>,
        message: MessageId,
        after: Option<DeviceId>,
        limit: u32,
        now: Now,
    ) -> Result<(), StoreError> {
        let (trace, mut ask) = match self.outbox().trace(message, after.as_ref(), limit) {
            Ok(found) => found,
            Err(failure) => {
                let reply = problem(failure)?;
                self.answer_caller(id, caller.as_ref(), reply, now);
                return Ok(());
            }
        };
        // The admin's reads are not limited. A device over its limit gets the recorded trace, not an error: it may have
        // waited for it.
        if caller.is_some() {
            let mailboxes = u32::try_from(ask.len()).unwrap_or(u32::MAX);
            if self.outbox().may_ask(mailboxes, now).is_err() {
                ask.clear();
            }
        }
        if ask.is_empty() {
            self.answer_caller(id, caller.as_ref(), Reply::Trace(trace), now);
            return Ok(());
        }
        let lookup = Lookup {
            trace,
            after,
            limit,
            answers: Vec::new(),
            open: ask.len(),
        };
        for to in ask {
            self.cx.push(Output::Call {
                to,
                purpose: CallPurpose::GetDelivery(id),
                call: Call::GetDelivery { id: message },
                enclosed: None,
            });
        }
        let next = Next::Lookup(Box::new(lookup));
        self.wait(Awaited::Lookups, id, caller, None, next, now);
        Ok(())
    }

    /// A mailbox has answered with the state of a delivery, or could not be reached.
    pub(super) fn looked_up(
        &mut self,
        id: CallId,
        answer: Option<DeliveryStatus>,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(lookup) = self.pending.lookup(id) else {
            return Ok(());
        };
        lookup.open -= 1;
        if let Some(DeliveryStatus::Known(delivery)) = answer {
            lookup.answers.push(delivery);
        }
        if lookup.open > 0 {
            return Ok(());
        }
        let Some(Waiter {
            caller,
            next: Next::Lookup(lookup),
            ..
        }) = self.pending.take_call(Awaited::Lookups, id)
        else {
            return Ok(());
        };
        let Lookup {
            mut trace,
            after,
            limit,
            answers,
            ..
        } = *lookup;
        // A terminal state that was reported meanwhile stays. When its mailbox was asked, it may already have forgotten
        // the message, and taken a cancellation to concern one that has not arrived.
        match self.outbox().trace(trace.id, after.as_ref(), limit) {
            Ok((recorded, _)) => trace = recorded,
            Err(failure) => drop(problem(failure)?),
        }
        for delivery in answers {
            trace.learn(delivery);
        }
        self.answer_caller(id, caller.as_ref(), Reply::Trace(trace), now);
        Ok(())
    }
}

/// Until when a call that continues may wait again.
fn again_until(timed_out: bool, until: Option<Millis>, now: Now) -> Millis {
    until.filter(|_| !timed_out).unwrap_or(now.at)
}

/// The reply to a call that delivered this message.
fn delivery_reply(id: MessageId, next: &Next, delivered: DeliveryStatus) -> Reply {
    match next {
        Next::Pushed => Reply::Pushed(pushed(id, &delivered)),
        _ => Reply::Delivery(delivered),
    }
}

/// The answer to a call that waited for its publish.
fn published_reply(next: &Next, outcome: Result<Trace, Problem>) -> Reply {
    match next {
        Next::Posted => Reply::Posted(outcome.map_or_else(Posted::from, |trace| Posted::Taken {
            id: trace.id,
            settled: trace.is_settled(),
        })),
        _ => outcome.map_or_else(Reply::Problem, Reply::Published),
    }
}
