//! Calls to the mailbox on the bench, and their answers in short words.

use tagpost_core::call::{Call, DeliveryStatus, ListedState, Registered, Request, Settled, Status};
use tagpost_core::delivery::{Delivery, State, Withdrawal};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::mailbox::{
    Awaited, CallId, CallPurpose, ConnectionId, Input, Page, Place, Reply,
};
use tagpost_core::message::Message;
use tagpost_core::protocol::Codec;
use tagpost_core::time::Millis;
use tagpost_core::token::Claims;
use tagpost_core::trace::{self, Trace};

use super::harness::{Harness, START, addresses, device, draft};
use super::summary::{self, states};

/// A call that the mailbox was made.
#[derive(Debug)]
pub(crate) struct Asked {
    name: &'static str,
    /// The message that it is about.
    message: Option<MessageId>,
    /// Its answer, until it is looked at.
    reply: Option<Reply>,
    /// The test waits for the answer at this moment.
    is_present: bool,
}

/// What comes of a call at once: its answer, if there is one, and the other outputs in words.
type Answered = (Option<Reply>, Vec<String>);

impl Harness {
    /// Somebody makes this call for the owner of the mailbox; `caller` is the token, if it is the device.
    pub(crate) fn ask_as(
        &mut self,
        caller: Option<Claims>,
        call: Call,
        enclosed: Option<String>,
        message: Option<MessageId>,
    ) -> (CallId, Answered) {
        let name = call.name();
        let request = Request {
            device: self.owner.clone(),
            caller,
            call,
        };
        let id = self.new_call(name, message);
        let words = self.handle(Input::Call {
            id,
            request,
            enclosed,
        });
        (id, self.answered(id, words))
    }

    fn new_call(&mut self, name: &'static str, message: Option<MessageId>) -> CallId {
        let id = self.asked.len() as CallId;
        let asked = Asked {
            name,
            message,
            reply: None,
            is_present: true,
        };
        self.asked.insert(id, asked);
        self.open.insert(id);
        id
    }

    fn answered(&mut self, id: CallId, words: Vec<String>) -> Answered {
        let asked = self.asked.get_mut(&id).unwrap();
        asked.is_present = false;
        (asked.reply.take(), words)
    }

    /// The mailbox answers a call. In words, unless the test waits for the answer at this moment.
    pub(super) fn replied(&mut self, call: CallId, reply: Reply) -> Option<String> {
        let asked = self.asked.get_mut(&call).unwrap();
        assert!(self.open.remove(&call), "call {call} is answered twice");
        if asked.is_present {
            asked.reply = Some(reply);
            return None;
        }
        let (name, message) = (asked.name, asked.message);
        let words = match (&reply, name) {
            (Reply::Delivery(delivered), _) => format!("answers {}", summary::answer(delivered)),
            (Reply::Published(trace), _) => format!("published {}", states(trace)),
            (Reply::Problem(problem), "publish") => {
                format!("not published: {}", problem.code.as_str())
            }
            (Reply::Problem(problem), _) => format!("{name}: {}", problem.code.as_str()),
            (Reply::Trace(_), "cancel") => "cancelled".to_owned(),
            (Reply::Trace(trace), _) => format!("trace {}", states(trace)),
            (Reply::Polled(taken), _) => format!("polled {}", taken.len()),
            (other, _) => format!("{name}: {other:?}"),
        };
        Some(match message {
            Some(id) => format!("{words} (#{})", self.number(id)),
            None => words,
        })
    }

    /// What this call waits for, and until when.
    pub(crate) fn waits_for(&mut self, call: CallId) -> Option<(Awaited, Option<Millis>)> {
        let found = self.mailbox().waits_for(call);
        found.map(|(awaited, until)| (awaited, until.map(|at| at - START)))
    }

    /// A call that is answered at once: the answer, or a problem by its code, and the other outputs in words.
    pub(crate) fn ask(&mut self, call: Call) -> (Result<Reply, String>, Vec<String>) {
        let (_, (reply, words)) = self.ask_as(None, call, None, None);
        (problem_or(reply.unwrap()), words)
    }

    pub(crate) fn register(&mut self) -> Registered {
        match self.ask(Call::Register).0 {
            Ok(Reply::Registered(registered)) => registered,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn revoke(&mut self) -> Result<Vec<String>, String> {
        let (revoked, words) = self.ask(Call::Revoke);
        revoked.map(|_| words)
    }

    pub(crate) fn remove(&mut self) -> Vec<String> {
        self.ask(Call::Remove).1
    }

    pub(crate) fn status(&mut self) -> Status {
        match self.ask(Call::Status).0 {
            Ok(Reply::Status(status)) => status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn poll(&mut self, limit: u32) -> Vec<(Message, u32)> {
        match self.ask(Call::Inbox { limit, wait: 0 }).0 {
            Ok(Reply::Polled(taken)) => taken,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ack(&mut self, id: MessageId) -> Vec<String> {
        self.ask(Call::Ack { id, reply: None }).1
    }

    pub(crate) fn nack(&mut self, id: MessageId) -> Vec<String> {
        self.ask(Call::Nack { id, reason: None }).1
    }

    pub(crate) fn list_waiting(
        &mut self,
        limit: u32,
        after: Option<Place>,
        payload: bool,
    ) -> (Page, Vec<String>) {
        let call = Call::Waiting {
            limit,
            after,
            payload,
        };
        match self.ask(call) {
            (Ok(Reply::Waiting(page)), words) => (page, words),
            other => panic!("{other:?}"),
        }
    }

    /// The device opens a connection.
    pub(crate) fn open(
        &mut self,
        connection: ConnectionId,
        codec: &'static dyn Codec,
        claims: Claims,
        window: Option<u32>,
    ) -> Vec<String> {
        let (reply, words) = self.try_open(connection, codec, claims, window);
        assert!(matches!(reply, Some(Reply::Opened)), "{reply:?}");
        words
    }

    pub(crate) fn try_open(
        &mut self,
        connection: ConnectionId,
        codec: &'static dyn Codec,
        claims: Claims,
        window: Option<u32>,
    ) -> Answered {
        let id = self.new_call("open", None);
        let words = self.handle(Input::Open {
            id,
            connection,
            codec,
            claims,
            window,
            origin: Some("https://push.example".to_owned()),
        });
        self.answered(id, words)
    }

    /// Somebody watches over the socket of this number, at least [`super::harness::WATCHER`]. What the watcher is told
    /// at once is added to [`Harness::told`]. A refusal by its code.
    pub(crate) fn watch(
        &mut self,
        connection: ConnectionId,
        caller: Option<Claims>,
        payload: bool,
    ) -> Result<Vec<String>, String> {
        let id = self.new_call("watch", None);
        let words = self.handle(Input::Watch {
            id,
            connection,
            caller,
            payload,
        });
        let (reply, words) = self.answered(id, words);
        problem_or(reply.unwrap()).map(|_| words)
    }

    /// A message comes; the answer in words comes before the other outputs, or until when it waits for that.
    pub(crate) fn deliver(&mut self, message: &Message, wait: u32) -> Vec<String> {
        self.deliver_on(message, wait, None, Millis::MAX)
    }

    pub(crate) fn deliver_on(
        &mut self,
        message: &Message,
        wait: u32,
        after: Option<MessageId>,
        until: Millis,
    ) -> Vec<String> {
        self.number(message.id);
        let call = Call::Deliver { wait, after, until };
        let text = serde_json::to_string(message).unwrap();
        let (id, (reply, words)) = self.ask_as(None, call, Some(text), Some(message.id));
        let answer = match (reply, self.waits_for(id)) {
            (Some(Reply::Delivery(delivered)), None) => summary::answer(&delivered),
            (None, Some((Awaited::Delivered(_), Some(until)))) => format!("waits until {until}"),
            (None, Some((Awaited::Arrival(_), Some(until)))) => format!("again at {until}"),
            other => panic!("{other:?}"),
        };
        [vec![answer], words].concat()
    }

    /// The time is over for which the last call to deliver this message waits, whatever the clock shows. Its answer in
    /// words comes before the other outputs.
    pub(crate) fn end_wait(&mut self, id: MessageId) -> Vec<String> {
        let mut calls = self.asked.iter().rev();
        let call = calls.find(|(_, asked)| asked.message == Some(id));
        let call = *call.unwrap().0;
        let (_, until) = self.mailbox().waits_for(call).unwrap();
        self.asked.get_mut(&call).unwrap().is_present = true;
        let words = self.handle(Input::Timeout(until.unwrap()));
        match self.answered(call, words) {
            (Some(Reply::Delivery(delivered)), words) => {
                [vec![summary::answer(&delivered)], words].concat()
            }
            other => panic!("{other:?}"),
        }
    }

    /// The device publishes; `headers` are those of the request.
    pub(crate) fn publish(
        &mut self,
        to: &[&str],
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(MessageId, Vec<String>), String> {
        self.publish_as(None, to, headers, body)
    }

    pub(crate) fn publish_as(
        &mut self,
        caller: Option<Claims>,
        to: &[&str],
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(MessageId, Vec<String>), String> {
        let (to, devices) = addresses(to);
        let text = serde_json::to_string(&draft(headers, body)).unwrap();
        let call = Call::Publish {
            to,
            devices,
            wait: 0,
        };
        let (call, (reply, mut words)) = self.ask_as(caller, call, Some(text), None);
        let id = match (reply.map(problem_or).transpose()?, self.waits_for(call)) {
            (Some(Reply::Published(trace)), None) => {
                words.insert(0, states(&trace));
                trace.id
            }
            (None, Some((Awaited::Published(id), None))) => id,
            other => panic!("{other:?}"),
        };
        self.number(id);
        self.asked.get_mut(&call).unwrap().message = Some(id);
        Ok((id, words))
    }

    /// A recipient's mailbox reports how a delivery ended.
    pub(crate) fn report(
        &mut self,
        id: MessageId,
        delivery: Delivery,
    ) -> Result<Vec<String>, String> {
        let settled = vec![Settled { id, delivery }];
        let (taken, words) = self.ask(Call::Report { settled });
        taken.map(|_| words)
    }

    /// A page of a trace. The mailboxes that know more do not answer.
    pub(crate) fn page(
        &mut self,
        id: MessageId,
        after: Option<&DeviceId>,
        limit: u32,
    ) -> Result<Trace, String> {
        let call = Call::Trace {
            id,
            wait: 0,
            after: after.cloned(),
            limit,
        };
        let (call, (mut reply, words)) = self.ask_as(None, call, None, None);
        self.asked.get_mut(&call).unwrap().is_present = true;
        for word in words {
            let name = word.strip_suffix(": look").unwrap();
            let purpose = CallPurpose::GetDelivery(call);
            assert_eq!(self.returned_for(name, purpose, None), [""; 0]);
        }
        reply = reply.or(self.asked.get_mut(&call).unwrap().reply.take());
        match problem_or(reply.unwrap())? {
            Reply::Trace(trace) => Ok(trace),
            other => panic!("{other:?}"),
        }
    }

    /// The states of a message's deliveries, as its trace tells them.
    pub(crate) fn trace(&mut self, id: MessageId) -> Result<String, String> {
        self.page(id, None, trace::MAX_PAGE_DELIVERIES)
            .map(|trace| states(&trace))
    }

    pub(crate) fn messages(
        &mut self,
        state: Option<State>,
        before: Option<MessageId>,
        limit: u32,
    ) -> (Vec<Trace>, bool, Option<Millis>) {
        let call = Call::Messages {
            state: state.map(ListedState::Delivery),
            limit,
            before,
        };
        match self.ask(call).0 {
            Ok(Reply::Messages {
                traces,
                more,
                truncated_before,
            }) => (traces, more, truncated_before),
            other => panic!("{other:?}"),
        }
    }

    /// The device takes a message back: the trace, if there is nothing to take back, and the outputs in words.
    pub(crate) fn cancel(&mut self, id: MessageId) -> (Result<Option<Trace>, String>, Vec<String>) {
        let (_, (reply, words)) = self.ask_as(None, Call::Cancel { id }, None, Some(id));
        let cancelled = reply.map(problem_or).transpose();
        let trace = cancelled.map(|reply| match reply {
            Some(Reply::Trace(trace)) => Some(trace),
            None => None,
            other => panic!("{other:?}"),
        });
        (trace, words)
    }

    /// The mailbox of `door` takes a message back.
    pub(crate) fn cancel_delivery(&mut self, id: MessageId) -> (DeliveryStatus, Vec<String>) {
        self.cancel_delivery_because(id, Withdrawal::Cancelled)
    }

    /// The mailbox of `door` needs no more acknowledgements of a message.
    pub(crate) fn cancel_delivery_for_enough(
        &mut self,
        id: MessageId,
    ) -> (DeliveryStatus, Vec<String>) {
        self.cancel_delivery_because(id, Withdrawal::Enough)
    }

    /// The same for this reason.
    pub(crate) fn cancel_delivery_because(
        &mut self,
        id: MessageId,
        reason: Withdrawal,
    ) -> (DeliveryStatus, Vec<String>) {
        let from = device("door");
        match self.ask(Call::CancelDelivery { id, from, reason }) {
            (Ok(Reply::Delivery(delivered)), words) => (delivered, words),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn get_delivery(&mut self, id: MessageId) -> DeliveryStatus {
        match self.ask(Call::GetDelivery { id }).0 {
            Ok(Reply::Delivery(delivered)) => delivered,
            other => panic!("{other:?}"),
        }
    }

    /// Whether the bearer of a token with these claims may read.
    pub(crate) fn admits(&mut self, claims: &Claims) -> bool {
        let call = Call::MayAsk { mailboxes: 0 };
        let (_, (reply, _)) = self.ask_as(Some(claims.clone()), call, None, None);
        problem_or(reply.unwrap()).is_ok()
    }
}

/// A problem by its code.
pub(crate) fn problem_or(reply: Reply) -> Result<Reply, String> {
    match reply {
        Reply::Problem(problem) => Err(problem.code.as_str().to_owned()),
        reply => Ok(reply),
    }
}
