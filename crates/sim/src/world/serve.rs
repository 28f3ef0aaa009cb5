//! What a mailbox's object does with a call, as the Worker's `src/mailbox/answer.rs` and `lane.rs` do.

use tagpost_core::call::{Call, DeliveryStatus, Request, TAKEN};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::mailbox::{Accepted, Cancelled, Failure, Published, Terms};
use tagpost_core::message::{Message, Target};
use tagpost_core::problem::Problem;
use tagpost_core::store::StoreError;
use tagpost_core::token::Claims;

use super::calls::{Parcel, Reply, page};
use super::versions::UNKNOWN;
use super::{CallId, Event, World};
use crate::chance::{chance, happens};
use crate::claims::{Checked, broken};

impl World<'_> {
    /// A call arrives.
    pub(super) fn serve(&mut self, call: CallId, object: usize, parcel: &Parcel) -> Checked {
        let Request {
            device,
            caller,
            call: asked,
        } = serde_json::from_str(&parcel.request).map_err(broken)?;
        let enclosed = parcel.enclosed.as_deref().unwrap_or_default();
        self.note(|names| format!("call {call} ({}) reaches {}", asked.name(), names[object]));
        let unheard_of = self
            .calls
            .get(&call)
            .is_some_and(|state| self.misunderstands_call(&state.caller, object, asked.name()));
        if unheard_of {
            // It answers with an error, or with what the caller does not know.
            let error = chance(self.plan.seed, &[24, call]).bool();
            let answer = (!error).then(|| Reply::Text(UNKNOWN.to_owned()));
            return self.answer(call, answer);
        }
        if let Some(claims) = &caller {
            match self.admit(object, &device, claims)? {
                None => return self.failed(call),
                Some(Err(problem)) => return self.answer(call, Some(Reply::Problem(problem))),
                Some(Ok(())) => {}
            }
            self.watch_token(object, claims);
        }
        let reply = match asked {
            Call::Publish { to, devices, .. } => {
                let draft = serde_json::from_str(enclosed).map_err(broken)?;
                return self.serve_publish(call, object, |mailbox, now| {
                    mailbox.publish(to, devices, draft, now)
                });
            }
            Call::Deliver { wait, after, until } => {
                let message = serde_json::from_str(enclosed).map_err(broken)?;
                let terms = Terms {
                    wait,
                    after,
                    until,
                    waited: false,
                };
                return self.serve_deliver(call, object, message, terms);
            }
            Call::Cancel { id } => return self.serve_cancel(call, object, id),
            Call::Trace { id, wait, .. } => {
                let life = self.objects[object].life;
                self.objects[object].waiting.traces.insert(call, id);
                let open = self.event(object, |mailbox, _| {
                    problem_or(mailbox.trace(id, None, page(call)))
                })?;
                let Some(open) = open else {
                    return self.failed(call);
                };
                let open = open.is_ok_and(|(trace, _)| !trace.is_settled());
                self.after(
                    if open { i64::from(wait) * 1000 } else { 0 },
                    Event::Trace { object, life, call },
                );
                return Ok(());
            }
            Call::Inbox { limit, wait } => {
                let life = self.objects[object].life;
                let until = self.now + i64::from(wait) * 1000;
                self.objects[object]
                    .waiting
                    .polls
                    .insert(call, (limit, until));
                self.at(until, Event::Poll { object, life, call });
                return self.poll(object, life, call);
            }
            Call::Messages {
                state,
                limit,
                before,
            } => {
                let found =
                    self.event(object, |mailbox, _| mailbox.messages(state, before, limit))?;
                found.map(|(traces, _)| Reply::Traces(traces))
            }
            Call::Waiting {
                limit,
                after,
                payload,
            } => {
                let page = self.event(object, |mailbox, now| {
                    problem_or(mailbox.list_waiting(limit, after, payload, now))
                })?;
                page.map(|page| page.map_or_else(Reply::Problem, |_| Reply::Done))
            }
            Call::Ack { id, reply } => {
                let done = self.event(object, |mailbox, now| mailbox.ack(id, reply, now))?;
                self.answered_over_http(object, id, done)?
            }
            Call::Nack { id, reason } => {
                let done = self.event(object, |mailbox, now| mailbox.nack(id, reason, now))?;
                self.answered_over_http(object, id, done)?
            }
            Call::Status => {
                let status = self.event(object, |mailbox, now| mailbox.status(now))?;
                if let Some(status) = &status {
                    let waiting: Vec<MessageId> = self.objects[object]
                        .waiting
                        .deliveries
                        .keys()
                        .copied()
                        .collect();
                    self.ledger.looked_at(object, status, &waiting)?;
                }
                status.map(|_| Reply::Done)
            }
            Call::MayAsk { mailboxes } => {
                let may = self.event(object, |mailbox, now| {
                    problem_or(mailbox.may_ask(mailboxes, now).map_err(Failure::from))
                })?;
                may.map(|may| may.map_or_else(Reply::Problem, |()| Reply::Done))
            }
            Call::Register => self
                .event(object, |mailbox, now| mailbox.register(&device, now))?
                .map(|_| Reply::Done),
            Call::Revoke => {
                let revoked = self.event(object, |mailbox, now| problem_or(mailbox.revoke(now)))?;
                revoked.map(|done| done.map_or_else(Reply::Problem, |_| Reply::Done))
            }
            Call::Remove => self
                .event(object, |mailbox, now| mailbox.remove(now))?
                .map(|_| Reply::Done),
            Call::Report { settled } => self
                .event(object, |mailbox, now| {
                    problem_or(mailbox.take_report(settled, now))
                })?
                .map(|taken| taken.map_or_else(Reply::Problem, |()| Reply::Text(TAKEN.to_owned()))),
            Call::CancelDelivery { id, from } => {
                let delivered = self.event(object, |mailbox, now| {
                    mailbox.cancel_delivery(id, &from, now)
                })?;
                delivered.map(|delivered| text(&delivered)).transpose()?
            }
            Call::GetDelivery { id } => {
                let delivered = self.event(object, |mailbox, now| mailbox.get_delivery(id, now))?;
                delivered.map(|delivered| text(&delivered)).transpose()?
            }
        };
        self.answer(call, reply)
    }

    fn answered_over_http(
        &self,
        object: usize,
        id: MessageId,
        done: Option<()>,
    ) -> Checked<Option<Reply>> {
        if done.is_some() {
            self.ledger.has_answered(object, id)?;
        }
        Ok(done.map(|()| Reply::Done))
    }

    pub(super) fn answer(&mut self, call: CallId, reply: Option<Reply>) -> Checked {
        match reply {
            Some(reply) => self.reply(call, reply),
            None => {
                self.fail(call);
                Ok(())
            }
        }
    }

    pub(super) fn failed(&mut self, call: CallId) -> Checked {
        self.answer(call, None)
    }

    /// Lets the bearer of a token that holds act for this device, which is known from then on. `None`
    /// if the mailbox crashed.
    pub(super) fn admit(
        &mut self,
        object: usize,
        device: &DeviceId,
        claims: &Claims,
    ) -> Checked<Option<Result<(), Problem>>> {
        let admitted = self.event(object, |mailbox, now| {
            if let Err(problem) = mailbox.admit(claims, now) {
                return Ok(Err(problem));
            }
            if !mailbox.is_registered() {
                mailbox.register(device, now)?;
            }
            Ok(Ok(()))
        })?;
        if let Some(outcome) = &admitted {
            let now = self.now + self.objects[object].skew;
            self.ledger.admitted(object, claims, now, outcome.is_ok())?;
        }
        Ok(admitted)
    }

    fn serve_publish(
        &mut self,
        call: CallId,
        object: usize,
        publish: impl FnOnce(
            &mut super::object::Core,
            tagpost_core::time::Now,
        ) -> Result<Published, Failure>,
    ) -> Checked {
        let handled = self.handle(object, |mailbox, now| problem_or(publish(mailbox, now)))?;
        let Some((published, effects)) = handled else {
            return self.failed(call);
        };
        match published {
            Ok(Published::Wait(id)) => {
                self.objects[object]
                    .waiting
                    .publishes
                    .entry(id)
                    .or_default()
                    .push(call);
                self.perform(object, effects)
            }
            Ok(Published::Answer(trace)) => {
                self.perform(object, effects)?;
                self.ledger.answered(object, &trace)?;
                self.answer(call, Some(Reply::Trace(trace)))
            }
            Err(problem) => {
                self.perform(object, effects)?;
                self.answer(call, Some(Reply::Problem(problem)))
            }
        }
    }

    pub(super) fn serve_deliver(
        &mut self,
        call: CallId,
        object: usize,
        message: Message,
        terms: Terms,
    ) -> Checked {
        let id = message.id;
        let handled = self.handle(object, |mailbox, now| mailbox.deliver(message, terms, now))?;
        let Some((accepted, effects)) = handled else {
            return self.failed(call);
        };
        if !matches!(accepted, Accepted::Early(_)) {
            self.arrived(object, id);
        }
        match accepted {
            Accepted::Early(early) => {
                let host = &mut self.objects[object];
                let (life, at) = (host.life, early.until - host.skew);
                host.waiting.early.insert(call, *early);
                self.at(at, Event::Early { object, life, call });
                self.perform(object, effects)
            }
            Accepted::Answer(delivered) => {
                self.perform(object, effects)?;
                self.answer_delivered(object, call, id, &delivered)
            }
            Accepted::Wait(until) => {
                let host = &mut self.objects[object];
                host.waiting.deliveries.entry(id).or_default().push(call);
                let (life, at) = (host.life, until - host.skew);
                self.at(
                    at,
                    Event::WaitIsOver {
                        object,
                        life,
                        call,
                        id,
                    },
                );
                self.perform(object, effects)
            }
        }
    }

    /// Answers a call to deliver.
    pub(super) fn answer_delivered(
        &mut self,
        object: usize,
        call: CallId,
        id: MessageId,
        delivered: &DeliveryStatus,
    ) -> Checked {
        if let DeliveryStatus::Known(delivery) = delivered {
            self.ledger.answered_delivery(object, id, delivery)?;
        }
        let reply = text(delivered)?;
        self.answer(call, Some(reply))
    }

    fn serve_cancel(&mut self, call: CallId, object: usize, id: MessageId) -> Checked {
        let handled = self.handle(object, |mailbox, now| problem_or(mailbox.cancel(id, now)))?;
        let Some((cancelled, effects)) = handled else {
            return self.failed(call);
        };
        if let Ok(Cancelled::Wait(id)) = &cancelled {
            self.objects[object]
                .waiting
                .cancels
                .entry(*id)
                .or_default()
                .push(call);
        }
        self.perform(object, effects)?;
        match cancelled {
            Ok(Cancelled::Wait(_)) => Ok(()),
            Ok(Cancelled::Answer(trace)) => self.answer(call, Some(Reply::Trace(trace))),
            Err(problem) => self.answer(call, Some(Reply::Problem(problem))),
        }
    }

    /// The targets of published frames are resolved: they are accepted, in their order.
    pub(super) fn resolved(&mut self, object: usize, life: u32) -> Checked {
        if self.objects[object].life != life {
            return Ok(());
        }
        let frames = std::mem::take(&mut self.objects[object].lane);
        self.keep_awake(object);
        for frame in frames {
            let devices = Ok(self.addresses(&frame.to));
            // A crash takes the rest of the lane with it.
            if self
                .event(object, |mailbox, now| {
                    mailbox.publish_frame(frame, devices, now)
                })?
                .is_none()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The devices of a target, as the directory knows them, or a copy of it that is late.
    pub(super) fn addresses(&self, to: &Target) -> Vec<DeviceId> {
        match to {
            Target::Device(device) => vec![device.clone()],
            Target::Tag(tag) => {
                let place = tag.as_str().trim_start_matches("tag").parse().ok();
                let devices = place.and_then(|place: usize| self.plan.tags.get(place));
                let mut rng = chance(self.plan.seed, &[10, self.next]);
                let stale = happens(&mut rng, self.weather().stale);
                let bound = devices
                    .into_iter()
                    .flatten()
                    .filter(|device| stale || self.ledger.is_bound(**device));
                bound.map(|device| self.names[*device].clone()).collect()
            }
        }
    }
}

/// A problem is an answer; a failed store is not.
pub(crate) fn problem_or<T>(outcome: Result<T, Failure>) -> Result<Result<T, Problem>, StoreError> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Problem(problem)) => Ok(Err(problem)),
        Err(Failure::Store(error)) => Err(error),
    }
}

fn text(delivered: &DeliveryStatus) -> Checked<Reply> {
    serde_json::to_string(delivered)
        .map(Reply::Text)
        .map_err(broken)
}
