//! Calls to the mailbox, and how they are answered.
//!
//! What a client asked for is answered with the client's finished answer; what another mailbox or the
//! service itself asked for, with the JSON that `tagpost_core::call` names.

use std::rc::Rc;

use js_sys::JsString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tagpost_core::call::{Call, DeliveryStatus, Request};
use tagpost_core::id::DeviceId;
use tagpost_core::mailbox::{Accepted, Failure, Published, Terms};
use tagpost_core::message::{Message, Target};
use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::tagpost_v1::inbox_json;
use tagpost_core::publish::Draft;
use tagpost_core::token::Claims;

use super::Object;
use super::waiting::within;
use crate::respond::{self, Error, Response};
use crate::{clock, directory, fault, log};

/// What a caller is answered if it cannot have what it asked for.
type Asked<T> = worker::Result<Result<T, Problem>>;

impl Object {
    /// Answers one call.
    pub(super) async fn answer(
        self: &Rc<Self>,
        request: String,
        enclosed: Option<JsString>,
    ) -> worker::Result<Response> {
        // A call that cannot be read comes from another version of the service: this object is as good as
        // before.
        let Request {
            device,
            caller,
            call,
        } = match serde_json::from_str(&request) {
            Ok(request) => request,
            Err(error) => return Ok(not_understood(error)),
        };
        // Nor is anything of it kept while something is waited for.
        drop(request);
        fault::cause_armed(call.name()).await;
        if let Some(claims) = &caller
            && let Err(problem) = self.admit(&device, claims).await?
        {
            return Ok(respond::problem(&problem));
        }
        let served = Box::pin(self.serve(device, caller.as_ref(), call, enclosed));
        match &caller {
            Some(claims) => self.while_admitted(claims, served).await,
            None => served.await,
        }
    }

    async fn serve(
        self: &Rc<Self>,
        device: DeviceId,
        caller: Option<&Claims>,
        call: Call,
        enclosed: Option<JsString>,
    ) -> worker::Result<Response> {
        match call {
            Call::Publish { to, devices, .. } => match read(enclosed) {
                Ok(draft) => self.publish(to, devices, draft).await,
                Err(error) => Ok(not_understood(error)),
            },
            Call::Trace {
                id,
                wait,
                after,
                limit,
            } => self.trace(id, wait, after, limit, caller).await,
            Call::Messages {
                state,
                limit,
                before,
            } => self.messages(state, limit, before),
            Call::Cancel { id } => self.cancel(id).await,
            Call::Inbox { limit, wait } => self.poll(limit, wait, caller).await,
            Call::Waiting {
                limit,
                after,
                payload,
            } => {
                let page =
                    self.ask(|mailbox, now| mailbox.list_waiting(limit, after, payload, now))?;
                answered(page, |page| json(&page))
            }
            Call::Ack { id, reply } => {
                self.event(|mailbox, now| mailbox.ack(id, reply, now))?;
                Ok(respond::empty(204))
            }
            Call::Nack { id, reason } => {
                self.event(|mailbox, now| mailbox.nack(id, reason, now))?;
                Ok(respond::empty(204))
            }
            Call::Status => json(&self.event(|mailbox, now| mailbox.status(now))?),
            Call::MayAsk { mailboxes } => {
                let may = self.ask(|mailbox, now| Ok(mailbox.may_ask(mailboxes, now)?))?;
                answered(may, |()| json::<[(); 0]>(&[]))
            }
            Call::Register => json(&self.event(|mailbox, now| mailbox.register(&device, now))?),
            Call::Revoke => answered(self.ask(|mailbox, now| mailbox.revoke(now))?, |done| {
                json(&done)
            }),
            Call::Remove => json(&self.event(|mailbox, now| mailbox.remove(now))?),
            Call::Deliver { wait, after, until } => {
                let terms = Terms {
                    wait,
                    after,
                    until,
                    waited: false,
                };
                match read(enclosed) {
                    Ok(message) => json(&self.deliver(message, terms).await?),
                    Err(error) => Ok(not_understood(error)),
                }
            }
            Call::Report { settled } => {
                let taken = self.ask(|mailbox, now| mailbox.take_report(settled, now))?;
                answered(taken, |()| json::<[(); 0]>(&[]))
            }
            Call::CancelDelivery { id, from } => {
                json(&self.event(|mailbox, now| mailbox.cancel_delivery(id, &from, now))?)
            }
            Call::GetDelivery { id } => {
                json(&self.event(|mailbox, now| mailbox.get_delivery(id, now))?)
            }
        }
    }

    /// Lets the bearer of a token that holds act for this device, which is known from then on.
    pub(super) async fn admit(self: &Rc<Self>, device: &DeviceId, claims: &Claims) -> Asked<()> {
        let admitted = |mailbox: &mut super::Core, now| {
            Ok((mailbox.admit(claims, now), mailbox.is_registered()))
        };
        match self.event(admitted)? {
            (Err(problem), _) => return Ok(Err(problem)),
            (Ok(()), true) => return Ok(Ok(())),
            (Ok(()), false) => {}
        }
        if let Err(error) = self.enter(device).await {
            error.log();
            let detail = "the device could not be entered into the directory; nothing was accepted";
            return Ok(Err(Problem::new(Code::Unavailable, detail)));
        }
        log::info("registered", &[("device", device.as_str())]);
        // The token may have been revoked while the directory was asked.
        self.ask(|mailbox, now| {
            mailbox.admit(claims, now)?;
            mailbox
                .register(device, now)
                .map(drop)
                .map_err(Failure::from)
        })
    }

    async fn enter(&self, device: &DeviceId) -> Result<(), Error> {
        let db = directory::database(&self.env)?;
        directory::register(&db, device, clock()).await?;
        Ok(())
    }

    async fn publish(
        self: &Rc<Self>,
        to: Target,
        devices: Vec<DeviceId>,
        draft: Draft,
    ) -> worker::Result<Response> {
        let (published, effects) =
            self.handle(|mailbox, now| problem_or(mailbox.publish(to, devices, draft, now)))?;
        let waiting = match &published {
            Ok(Published::Wait(id)) => Some(self.waiting.publishes.add(*id)),
            _ => None,
        };
        self.perform(effects);
        let trace = match (published, waiting) {
            (Ok(Published::Answer(trace)), _) => Ok(trace),
            (Ok(Published::Wait(_)), Some(waiting)) => {
                waiting.await.map_err(|_| "a publish was lost")?
            }
            (Ok(Published::Wait(_)), None) => return Err("a publish that nobody waits for".into()),
            (Err(problem), _) => Err(problem),
        };
        answered(trace, |trace| {
            let status = if trace.is_settled() { 200 } else { 202 };
            let response = respond::json_text(status, trace.answer_json());
            // Relative to `/v1/tags/{tag}/messages`, and so right below any path (RFC 9110, section 10.2.2).
            let location = format!("../../messages/{}", trace.id);
            Ok(respond::with(response, "location", location))
        })
    }

    async fn deliver(
        self: &Rc<Self>,
        mut message: Message,
        mut terms: Terms,
    ) -> worker::Result<DeliveryStatus> {
        loop {
            let id = message.id;
            let (accepted, effects) =
                self.handle(|mailbox, now| mailbox.deliver(message, terms, now))?;
            let waiting = match accepted {
                Accepted::Wait(until) => Some((self.waiting.deliveries.add(id), until)),
                Accepted::Answer(_) | Accepted::Early(_) => None,
            };
            self.perform(effects);
            if let Accepted::Early(early) = accepted {
                let arrival = self.waiting.arrivals.add(early.after);
                within(arrival, early.until - clock()).await;
                self.waiting.arrivals.tidy();
                (message, terms) = (early.message, early.terms);
                continue;
            }
            self.waiting.arrivals.wake(&id, &());
            return match (accepted, waiting) {
                (Accepted::Answer(delivered), _) => Ok(delivered),
                (_, Some((waiting, until))) => {
                    let delivered = within(waiting, until - clock()).await;
                    self.waiting.deliveries.tidy();
                    match delivered {
                        Some(delivered) => Ok(delivered),
                        None => self.event(|mailbox, now| mailbox.wait_is_over(id, now)),
                    }
                }
                (_, None) => Err("a delivery that nobody waits for".into()),
            };
        }
    }

    async fn poll(
        self: &Rc<Self>,
        limit: u32,
        wait: u32,
        caller: Option<&Claims>,
    ) -> worker::Result<Response> {
        let until = clock() + i64::from(wait) * 1000;
        loop {
            // A token can be revoked, or expire, while its poll waits.
            let messages = self.ask(|mailbox, now| {
                caller.map_or(Ok(()), |claims| mailbox.admit(claims, now))?;
                Ok(mailbox.poll(limit, now)?)
            })?;
            let messages = match messages {
                Ok(messages) => messages,
                Err(problem) => return Ok(respond::problem(&problem)),
            };
            if !messages.is_empty() || clock() >= until {
                let messages = messages
                    .iter()
                    .map(|(message, attempt)| (message, *attempt));
                return Ok(respond::json_text(200, inbox_json(messages)));
            }
            let polls = &self.waiting.polls;
            within(polls.add(()), until - clock()).await;
            polls.tidy();
        }
    }

    /// An event that may turn out to be impossible.
    pub(super) fn ask<T>(
        self: &Rc<Self>,
        handle: impl FnOnce(&mut super::Core, tagpost_core::time::Now) -> Result<T, Failure>,
    ) -> Asked<T> {
        self.event(|mailbox, now| problem_or(handle(mailbox, now)))
    }
}

/// What goes beside a call.
fn read<T: DeserializeOwned>(enclosed: Option<JsString>) -> serde_json::Result<T> {
    serde_json::from_str(&enclosed.map(String::from).unwrap_or_default())
}

/// Another version of the service made the call. It is made again: an object that stays behind is replaced soon.
fn not_understood(error: serde_json::Error) -> Response {
    Error::OtherVersion(error.to_string()).into_response()
}

/// A problem is an answer; a failed store is not.
pub(super) fn problem_or<T>(
    outcome: Result<T, Failure>,
) -> Result<Result<T, Problem>, tagpost_core::store::StoreError> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Problem(problem)) => Ok(Err(problem)),
        Err(Failure::Store(error)) => Err(error),
    }
}

pub(super) fn answered<T>(
    asked: Result<T, Problem>,
    render: impl FnOnce(T) -> worker::Result<Response>,
) -> worker::Result<Response> {
    match asked {
        Ok(value) => render(value),
        Err(problem) => Ok(Error::from(problem).into_response()),
    }
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> worker::Result<Response> {
    Ok(respond::json_text(200, serde_json::to_string(value)?))
}
