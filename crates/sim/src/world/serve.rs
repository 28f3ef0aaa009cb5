//! Passing calls and handshakes to a mailbox, and its answers back, as the Worker's `src/mailbox/calls.rs` does.
//! Neither decides anything.

use std::collections::BTreeSet;

use tagpost_core::call::{Call, Pushed, Request, TAKEN};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{self, Awaited, Input, Output};
use tagpost_core::message::Message;
use tagpost_core::problem::Code;
use tagpost_core::protocol::Codec;
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::protocol::web_push::WebPush;
use tagpost_core::time::Millis;
use tagpost_core::token::Claims;
use tagpost_core::web_push::channel::Channel;

use super::calls::{Parcel, Reply};
use super::push::ORIGIN;
use super::push::frames::op_of_draft;
use super::versions::UNKNOWN;
use super::{CallId, World};
use crate::chance::chance;
use crate::claims::{Checked, broken, claim};

/// A call that a mailbox has not answered yet.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) of: Of,
    /// The token with which it came.
    claims: Option<Claims>,
    about: About,
}

/// The call in the network.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    Call(CallId),
    /// A device that opens a connection.
    Handshake(tagpost_core::mailbox::ConnectionId),
    /// An operator who begins to watch.
    Watcher,
}

/// What has to be known of a call to check its answer.
#[derive(Debug)]
enum About {
    Deliver(MessageId),
    Answer(MessageId),
    Poll(u32),
    /// A publish to a channel, with its number.
    Push(u32),
    /// The state of this message of a channel.
    PushState(MessageId),
    /// The receipts of a channel with this time.
    PushReceipts(Channel, Millis),
    Other,
}

impl World<'_> {
    /// A call arrives.
    pub(super) fn serve(&mut self, call: CallId, object: usize, parcel: &Parcel) -> Checked {
        let request: Request = serde_json::from_str(&parcel.request).map_err(broken)?;
        let asked = &request.call;
        self.note(|names| format!("call {call} ({}) reaches {}", asked.name(), names[object]));
        let unheard_of = self
            .calls
            .get(&call)
            .is_some_and(|state| self.misunderstands_call(&state.caller, object, asked.name()));
        if unheard_of {
            // The other version answers with an error, or with something that the caller does not know.
            if chance(self.plan.seed, &[24, call]).bool() {
                self.fail(call);
                return Ok(());
            }
            return self.reply(call, Reply::Text(UNKNOWN.to_owned()));
        }
        let enclosed = parcel.enclosed.as_deref();
        let about = match asked {
            Call::Deliver { .. } => {
                let message: Message =
                    serde_json::from_str(enclosed.unwrap_or_default()).map_err(broken)?;
                About::Deliver(message.id)
            }
            Call::Ack { id, .. } | Call::Nack { id, .. } => About::Answer(*id),
            Call::Inbox { limit, .. } => About::Poll(*limit),
            Call::Push { .. } => About::Push(op_of_draft(enclosed.unwrap_or_default())?),
            Call::PushState { id, .. } => About::PushState(*id),
            Call::PushReceipts { channel, since, .. } => About::PushReceipts(*channel, *since),
            _ => About::Other,
        };
        let claims = request.caller.clone();
        let id = self.begin_call(object, Of::Call(call), claims, about);
        let input = Input::Call {
            id,
            request,
            enclosed: enclosed.map(str::to_owned),
        };
        self.serve_call(object, id, input)
    }

    /// A device opens a connection.
    pub(super) fn serve_handshake(
        &mut self,
        object: usize,
        connection: tagpost_core::mailbox::ConnectionId,
        claims: Claims,
    ) -> Checked {
        let of = Of::Handshake(connection);
        let id = self.begin_call(object, of, Some(claims.clone()), About::Other);
        let (codec, origin): (&'static dyn Codec, _) =
            match self.sockets[connection as usize].is_agent {
                true => (&WebPush, Some(ORIGIN.to_owned())),
                false => (&TagpostV1, None),
            };
        let input = Input::Open {
            id,
            connection,
            codec,
            claims,
            window: self.sockets[connection as usize].window,
            origin,
        };
        self.serve_call(object, id, input)
    }

    /// An operator wants to watch.
    pub(super) fn serve_watcher(
        &mut self,
        object: usize,
        connection: tagpost_core::mailbox::ConnectionId,
        payload: bool,
    ) -> Checked {
        let id = self.begin_call(object, Of::Watcher, None, About::Other);
        let input = Input::Watch {
            id,
            connection,
            caller: None,
            payload,
        };
        self.serve_call(object, id, input)
    }

    /// Creates a device, before anything else happens.
    pub(super) fn create(&mut self, object: usize) -> Checked {
        let request = Request {
            device: self.names[object].clone(),
            caller: None,
            call: Call::Register,
        };
        // Its answer is dropped: no call in the network has this number.
        let id = self.begin_call(object, Of::Call(0), None, About::Other);
        let enclosed = None;
        let input = Input::Call {
            id,
            request,
            enclosed,
        };
        self.serve_call(object, id, input)
    }

    fn begin_call(
        &mut self,
        object: usize,
        of: Of,
        claims: Option<Claims>,
        about: About,
    ) -> mailbox::CallId {
        self.may_sleep(object);
        let host = &mut self.objects[object];
        let id = host.next_call;
        host.next_call += 1;
        host.served.insert(id, Served { of, claims, about });
        id
    }

    /// Passes a call to the mailbox. Its token is checked on arrival, too.
    fn serve_call(&mut self, object: usize, id: mailbox::CallId, input: Input) -> Checked {
        let push = match self.objects[object].served.get(&id).map(|it| &it.about) {
            Some(About::Push(op)) => Some(*op),
            _ => None,
        };
        if let Some(op) = push {
            // Its id has random bits of its own.
            self.next += 1;
            self.ledger.push_arrives(Some(op));
        }
        let polls = matches!(
            self.objects[object].served.get(&id).map(|it| &it.about),
            Some(About::Poll(_))
        );
        let handled = self.handle(object, input)?;
        if polls {
            self.ledger.fetches(object);
        }
        let Some(outputs) = handled else {
            self.ledger.push_arrives(None);
            return Ok(());
        };
        if let Some(op) = push {
            self.next += 1;
            self.push_arrived(object, id, op, &outputs)?;
        }
        let refused = |output: &Output| {
            matches!(output, Output::Reply(of, mailbox::Reply::Problem(problem))
                if *of == id && problem.code == Code::Unauthorized)
        };
        if !outputs.iter().any(refused) {
            self.judged(object, id, true)?;
        }
        self.perform(object, outputs)
    }

    fn judged(&mut self, object: usize, id: mailbox::CallId, admitted: bool) -> Checked {
        let host = &self.objects[object];
        let now = self.now + host.skew;
        match host
            .served
            .get(&id)
            .and_then(|served| served.claims.as_ref())
        {
            Some(claims) => self.ledger.admitted(object, claims, now, admitted),
            None => Ok(()),
        }
    }

    /// A mailbox answers a call.
    pub(super) fn replied(
        &mut self,
        object: usize,
        id: mailbox::CallId,
        reply: mailbox::Reply,
    ) -> Checked {
        if let mailbox::Reply::Problem(problem) = &reply {
            if problem.code == Code::Unauthorized {
                self.judged(object, id, false)?;
            }
            if problem.code == Code::OutboxFull {
                let now = self.now + self.objects[object].skew;
                self.ledger.has_no_room(object, now)?;
            }
        } else {
            self.judged(object, id, true)?;
        }
        let served = self.objects[object].served.remove(&id);
        claim("a call is answered once", served.is_some(), || {
            format!("call {id}: {reply:?}")
        })?;
        let Some(Served { of, about, .. }) = served else {
            return Ok(());
        };
        let call = match (of, &reply) {
            (Of::Call(call), _) => call,
            (Of::Watcher, _) => return Ok(()),
            (Of::Handshake(_), mailbox::Reply::Opened) => return Ok(()),
            (Of::Handshake(connection), _) => return self.not_accepted(connection, true),
        };
        let reply = match reply {
            mailbox::Reply::Problem(problem) => Reply::Problem(problem),
            mailbox::Reply::NotUnderstood(why) => return Err(broken(why)),
            mailbox::Reply::Opened => return Err(broken("a call opened a connection")),
            mailbox::Reply::Published(trace) => {
                self.ledger.answered(object, trace.id, &trace.deliveries)?;
                Reply::Trace(trace)
            }
            mailbox::Reply::Trace(trace) => Reply::Trace(trace),
            mailbox::Reply::Messages { traces, .. } => Reply::Traces(traces),
            mailbox::Reply::Polled(messages) => {
                self.polled(object, &messages)?;
                claim(
                    "a poll takes no more than it asked for",
                    matches!(about, About::Poll(limit) if messages.len() <= limit as usize),
                    || format!("{about:?}: {messages:?}"),
                )?;
                Reply::Messages(messages)
            }
            mailbox::Reply::Done => {
                if let About::Answer(id) = about
                    && !self.ledger.is_push(id)
                {
                    self.ledger.has_answered(object, id)?;
                }
                Reply::Done
            }
            mailbox::Reply::Status(status) => {
                let waiting = self.awaited_here(object);
                let now = self.now + self.objects[object].skew;
                self.ledger.status_read(object, &status, &waiting, now)?;
                Reply::Done
            }
            mailbox::Reply::Waiting(page) => {
                let waiting = self.awaited_here(object);
                let now = self.now + self.objects[object].skew;
                self.ledger.lists_what_waits(object, &page, &waiting, now)?;
                Reply::Done
            }
            mailbox::Reply::Registered(_)
            | mailbox::Reply::IssuedCode(_)
            | mailbox::Reply::Paired(_)
            | mailbox::Reply::Revocations(_)
            | mailbox::Reply::PayloadSources(_)
            | mailbox::Reply::Payload(_)
            | mailbox::Reply::ResendPlan(_)
            | mailbox::Reply::Webhook { .. }
            | mailbox::Reply::WebhookSecret(_)
            | mailbox::Reply::WebhookTried(_)
            | mailbox::Reply::Posted(_) => Reply::Done,
            mailbox::Reply::Pushed(pushed) => {
                if let (About::Push(op), Pushed::Taken(id)) = (about, &pushed) {
                    self.ledger.push_taken(object, op, *id)?;
                }
                Reply::Pushed(pushed)
            }
            mailbox::Reply::PushState(state) => {
                if let About::PushState(id) = about {
                    self.ledger.push_state_told(object, id, state)?;
                }
                Reply::Done
            }
            mailbox::Reply::PushReceipts(receipts) => {
                if let About::PushReceipts(channel, since) = about {
                    let told = receipts.as_deref();
                    self.ledger
                        .push_receipts_told(object, (channel, since), told)?;
                }
                Reply::PushReceipts(receipts)
            }
            mailbox::Reply::Channels(channels) => {
                self.ledger.channels_listed(object, &channels)?;
                Reply::Done
            }
            mailbox::Reply::Subscribed(subscribed) => Reply::Subscribed(subscribed.subscription.id),
            mailbox::Reply::Subscriptions(_) => Reply::Done,
            mailbox::Reply::Taken => Reply::Text(TAKEN.to_owned()),
            mailbox::Reply::EventsTaken(last) => Reply::Text(last.to_string()),
            mailbox::Reply::Delivery(delivered) => {
                if let (About::Deliver(id), tagpost_core::call::DeliveryStatus::Known(delivery)) =
                    (about, &delivered)
                {
                    self.ledger.answered_delivery(object, id, delivery)?;
                }
                Reply::Text(serde_json::to_string(&delivered).map_err(broken)?)
            }
        };
        self.reply(call, reply)
    }

    /// Whether a poll waits.
    pub(super) fn polls(&self, object: usize) -> bool {
        let mut served = self.objects[object].served.values();
        served.any(|served| matches!(served.about, About::Poll(_)))
    }

    /// The messages whose calls to deliver wait for their result.
    pub(super) fn awaited_here(&self, object: usize) -> Vec<MessageId> {
        let host = &self.objects[object];
        let waits = host
            .served
            .keys()
            .filter_map(|call| host.mailbox.as_ref()?.waits_for(*call));
        let ids: BTreeSet<MessageId> = waits
            .filter_map(|(awaited, _)| match awaited {
                Awaited::Delivered(id) => Some(id),
                _ => None,
            })
            .collect();
        ids.into_iter().collect()
    }
}
