//! Calls to the mailbox: each is admitted and handled, and then answered immediately or added to the pending calls.

use serde::de::DeserializeOwned;

use super::inbox::{Delivering, PREDECESSOR_WAIT, Terms};
use super::news::News;
use super::output::{Failure, Output, Reply};
use super::pending::{Awaited, Next, Waiter};
use super::timer::Timer;
use super::{CallId, Mailbox};
use crate::call::{Call, Request};
use crate::id::DeviceId;
use crate::message::Message;
use crate::operator_event::Registrar;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::token::Claims;

/// How long a call to cancel waits before it is answered with the trace as it is, in milliseconds. The rest of a large
/// tag is cancelled after the answer.
const CANCEL_WAIT: Millis = 5_000;

impl<S: Store> Mailbox<S> {
    /// A call arrives.
    pub(super) fn called(
        &mut self,
        id: CallId,
        request: Request,
        enclosed: Option<String>,
        now: Now,
    ) -> Result<(), StoreError> {
        let Request {
            device,
            caller,
            call,
        } = request;
        match self.admitted(caller.as_ref(), now) {
            Err(problem) => {
                self.answer(id, Reply::Problem(problem));
                Ok(())
            }
            Ok(false) => {
                let next = Next::Serve {
                    device: device.clone(),
                    call: Box::new(call),
                    enclosed,
                };
                self.enter(id, device, caller, next, now);
                Ok(())
            }
            Ok(true) => self.serve(id, device, caller, call, enclosed, now),
        }
    }

    /// Handles a call that is admitted.
    pub(super) fn serve(
        &mut self,
        id: CallId,
        device: DeviceId,
        caller: Option<Claims>,
        call: Call,
        enclosed: Option<String>,
        now: Now,
    ) -> Result<(), StoreError> {
        let reply = match call {
            Call::Publish { to, devices, .. } => match read(enclosed) {
                Ok(draft) => match self.outbox().accept(to, devices, draft, None, now) {
                    Ok(message) => {
                        let waits = Awaited::Published(message);
                        self.wait(waits, id, caller, None, Next::Answer, now);
                        return Ok(());
                    }
                    Err(failure) => problem(failure)?,
                },
                Err(error) => Reply::NotUnderstood(error.to_string()),
            },
            Call::PublishFromHook {
                to,
                devices,
                revocations,
                ..
            } => match read(enclosed) {
                Ok(draft) => return self.post(id, to, devices, revocations, draft, now),
                Err(error) => Reply::NotUnderstood(error.to_string()),
            },
            Call::Trace {
                id: message,
                wait,
                after,
                limit,
            } => return self.trace(id, caller, message, wait, after, limit, now),
            Call::Messages {
                state,
                limit,
                before,
            } => match self.outbox().messages(state, before, limit) {
                Ok((traces, more)) => Reply::Messages {
                    traces,
                    more,
                    truncated_before: self.truncated_before(),
                },
                Err(failure) => problem(failure)?,
            },
            Call::Cancel { id: message } => match self.outbox().cancel(message, now) {
                Ok(Some(trace)) => Reply::Trace(trace),
                Ok(None) => {
                    let until = Some(now.at + CANCEL_WAIT);
                    let waits = Awaited::Cancelled(message);
                    self.wait(waits, id, caller, until, Next::Answer, now);
                    return Ok(());
                }
                Err(failure) => problem(failure)?,
            },
            Call::PlanResend { resend, key } => {
                match self.plan_resend(&resend, key.as_ref(), caller.is_some(), now) {
                    Ok(plan) => Reply::ResendPlan(plan),
                    Err(failure) => problem(failure)?,
                }
            }
            Call::FindPayload { id } => match self.find_payload(id, caller.is_some(), now) {
                Ok(sources) => Reply::PayloadSources(sources),
                Err(failure) => problem(failure)?,
            },
            Call::GetPayload { id, from } => Reply::Payload(self.inbox().payload(id, &from, now)?),
            Call::Inbox { limit, wait } => {
                let until = now.at + i64::from(wait) * 1000;
                return self.poll(id, caller, limit, until, now);
            }
            Call::Waiting {
                limit,
                after,
                payload,
            } => match self.inbox().list_waiting(limit, after, payload, now) {
                Ok(page) => Reply::Waiting(page),
                Err(failure) => problem(failure)?,
            },
            Call::Ack { id, reply } => {
                self.receive(|inbox| inbox.ack(id, reply, now))?;
                Reply::Done
            }
            Call::Nack { id, reason } => {
                self.receive(|inbox| inbox.nack(id, reason, now))?;
                Reply::Done
            }
            Call::Progress { id, seconds, note } => match self.outbox().may_ask(1, now) {
                Ok(()) => {
                    self.receive(|inbox| inbox.progress(id, seconds, note, now))?;
                    Reply::Done
                }
                Err(problem) => Reply::Problem(problem),
            },
            Call::Status => Reply::Status(self.status(now)?),
            Call::MayAsk { mailboxes } => match self.outbox().may_ask(mailboxes, now) {
                Ok(()) => Reply::Taken,
                Err(problem) => Reply::Problem(problem),
            },
            Call::Register => {
                let registered = self.register(&device, Registrar::Operator, now)?;
                // The operator's request has added the device to the directory. What waits for that comes before
                // anything that arrives later: above all, a later connection takes over an earlier one.
                self.entered(true, now)?;
                Reply::Registered(registered)
            }
            Call::Revoke => match self.revoke(now) {
                Ok(registered) => Reply::Registered(registered),
                Err(failure) => problem(failure)?,
            },
            Call::RevokeToken { id, expires_at } => match self.revoke_token(&id, expires_at, now) {
                Ok(()) => Reply::Done,
                Err(failure) => problem(failure)?,
            },
            Call::Remove => Reply::Registered(self.remove(now)?),
            Call::IssueCode { grant } => match self.issue_code(&grant, now) {
                Ok(issued) => Reply::IssuedCode(issued),
                Err(failure) => problem(failure)?,
            },
            Call::ExchangeCode { number } => match self.exchange_code(number, now) {
                Ok(claims) => Reply::Paired(claims),
                Err(failure) => problem(failure)?,
            },
            Call::Revocations => match self.revocations() {
                Ok(revocations) => Reply::Revocations(revocations),
                Err(failure) => problem(failure)?,
            },
            Call::RevokeHooks => match self.revoke_hooks() {
                Ok(()) => Reply::Done,
                Err(failure) => problem(failure)?,
            },
            Call::Deliver { wait, after, until } => match read(enclosed) {
                Ok(message) => {
                    let terms = Terms {
                        wait,
                        after,
                        until,
                        is_last_try: false,
                    };
                    return self.deliver(id, caller, message, terms, now);
                }
                Err(error) => Reply::NotUnderstood(error.to_string()),
            },
            Call::Report { settled } => match self.outbox().take_report(settled, now) {
                Ok(()) => Reply::Taken,
                Err(failure) => problem(failure)?,
            },
            Call::ReportProgress(progress) => {
                self.outbox().tell_progress(&progress)?;
                Reply::Taken
            }
            Call::CancelDelivery { id, from, reason } => {
                let cancelled =
                    self.receive(|inbox| inbox.cancel_delivery(id, &from, reason, now))?;
                Reply::Delivery(cancelled)
            }
            Call::GetDelivery { id } => Reply::Delivery(self.inbox().get_delivery(id, now)?),
            Call::Push {
                channel,
                since,
                wait,
            } => match read(enclosed) {
                Ok(draft) => return self.push(id, channel, since, wait, draft, now),
                Err(error) => Reply::NotUnderstood(error.to_string()),
            },
            Call::PushState { id: message, wait } => {
                let until = now.at + i64::from(wait) * 1000;
                return self.push_state(id, message, until, now);
            }
            Call::PushReceipts {
                channel,
                since,
                seen,
                after,
                wait,
            } => {
                if let Some(seen) = seen {
                    self.channels().see_receipts(channel, since, seen)?;
                }
                let until = now.at + i64::from(wait) * 1000;
                return self.push_receipts(id, channel, since, after, until, now);
            }
            Call::DropPushReceipts { channel, since } => {
                match self.drop_push_receipts(channel, since, now) {
                    Ok(()) => Reply::Done,
                    Err(failure) => problem(failure)?,
                }
            }
            Call::CancelPush { id } => {
                self.receive(|inbox| inbox.cancel_of_channel(id, now))?;
                Reply::Done
            }
            Call::Channels => Reply::Channels(self.channels().list()?),
            Call::RemoveChannels { channel } => {
                self.remove_channels(channel, now)?;
                Reply::Done
            }
            Call::Subscribe(subscription) => match self.subscribe(subscription, now) {
                Ok(subscribed) => Reply::Subscribed(subscribed),
                Err(failure) => problem(failure)?,
            },
            Call::Subscriptions => match self.wake().list() {
                Ok(subscriptions) => Reply::Subscriptions(subscriptions),
                Err(failure) => problem(failure)?,
            },
            Call::TakeEvents { from } => match read(enclosed) {
                Ok(events) => self.take_events(&device, &from, events, now)?,
                Err(error) => Reply::NotUnderstood(error.to_string()),
            },
            Call::Unsubscribe { id } => {
                self.wake().unsubscribe(id)?;
                Reply::Done
            }
            Call::SetWebhook { setting, secret } => {
                self.set_webhook(setting, secret, caller.as_ref(), now)?
            }
            Call::GetWebhook => match self.webhook().status() {
                Ok(webhook) => Reply::Webhook {
                    webhook,
                    secret: None,
                },
                Err(refused) => Reply::Problem(refused),
            },
            Call::RemoveWebhook => {
                self.remove_webhook(now)?;
                Reply::Done
            }
            Call::RotateWebhook { secret } => self.rotate_secret(secret, caller.as_ref(), now)?,
            Call::TestWebhook => return self.test_webhook(id, caller, now),
        };
        self.answer_caller(id, caller.as_ref(), reply, now);
        Ok(())
    }

    /// A sender's mailbox delivers a message for this device.
    pub(super) fn deliver(
        &mut self,
        id: CallId,
        caller: Option<Claims>,
        message: Message,
        mut terms: Terms,
        now: Now,
    ) -> Result<(), StoreError> {
        let arrived = message.id;
        match self.receive(|inbox| inbox.deliver(message, terms, now))? {
            Delivering::Early(message, after) => {
                terms.is_last_try = true;
                let (until, next) = (now.at + PREDECESSOR_WAIT, Next::Deliver { message, terms });
                let waits = Awaited::Arrival(after);
                self.wait(waits, id, caller, Some(until), next, now);
                return Ok(());
            }
            Delivering::Answer(delivered) => {
                self.answer_caller(id, caller.as_ref(), Reply::Delivery(delivered), now);
            }
            Delivering::Wait(until) => {
                let waits = Awaited::Delivered(arrived);
                self.wait(waits, id, caller, Some(until), Next::Answer, now);
            }
        }
        self.cx.push(News::Arrived(arrived));
        Ok(())
    }

    /// Answers a poll. It waits while there are no messages and its time is not over.
    pub(super) fn poll(
        &mut self,
        id: CallId,
        caller: Option<Claims>,
        limit: u32,
        until: Millis,
        now: Now,
    ) -> Result<(), StoreError> {
        // What a poll takes counts as sent, so an invalid token takes nothing.
        if let Err(problem) = self.admitted(caller.as_ref(), now) {
            self.answer(id, Reply::Problem(problem));
            return Ok(());
        }
        // A knock that this poll answers is recorded in the same row.
        self.wake().fetched();
        let is_seen = self.inbox().seen_polling(now);
        if self.wake().note()? || is_seen {
            self.outbox().note_receipts(None)?;
        }
        let taken = self.inbox().poll(limit, now)?;
        if taken.is_empty() && now.at < until {
            let next = Next::Poll { limit };
            self.wait(Awaited::Pollable, id, caller, Some(until), next, now);
        } else {
            self.answer(id, Reply::Polled(taken));
        }
        Ok(())
    }

    /// A call begins to wait.
    pub(super) fn wait(
        &mut self,
        awaited: Awaited,
        id: CallId,
        caller: Option<Claims>,
        until: Option<Millis>,
        next: Next,
        now: Now,
    ) {
        let waiter = Waiter {
            caller,
            until,
            next,
        };
        if let Some(at) = self.pending.add(awaited, id, waiter, now.at) {
            self.cx.wake_by(Timer::Call, at);
        }
    }

    /// Answers a call; with a problem if its token is no longer valid. The call's effect remains: a publish that was
    /// accepted stays accepted.
    pub(super) fn answer_caller(
        &mut self,
        id: CallId,
        caller: Option<&Claims>,
        reply: Reply,
        now: Now,
    ) {
        let reply = match self.admitted(caller, now) {
            Ok(_) => reply,
            Err(problem) => Reply::Problem(problem),
        };
        self.answer(id, reply);
    }

    pub(super) fn answer(&mut self, id: CallId, reply: Reply) {
        self.cx.push(Output::Reply(id, reply));
    }

    /// When the newest message was accepted whose retention ended early, for want of room.
    fn truncated_before(&self) -> Option<Millis> {
        self.cx.account.as_ref()?.truncated_before
    }
}

/// Reads the text that came with a call.
fn read<T: DeserializeOwned>(enclosed: Option<String>) -> serde_json::Result<T> {
    serde_json::from_str(&enclosed.unwrap_or_default())
}

/// The reply for a problem. A store error remains an error.
pub(super) fn problem(failure: Failure) -> Result<Reply, StoreError> {
    match failure {
        Failure::Problem(problem) => Ok(Reply::Problem(problem)),
        Failure::Store(error) => Err(error),
    }
}
