//! Calls to the mailbox: each is passed to it, and its promise is resolved when the mailbox answers.
//!
//! A client's call is answered with the finished answer to the client; a call of another mailbox or of the service,
//! with the JSON that `tagpost_core::call` describes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::JsString;
use litemap::LiteMap;
use serde::Serialize;
use tagpost_core::call::{ChannelStatus, Request, SubscriptionStatus, TAKEN, WebhookAnswer};
use tagpost_core::mailbox::{CallId, Input, Reply};
use tagpost_core::message::Target;
use tagpost_core::protocol::tagpost_v1::inbox_json;
use tagpost_core::trace::Trace;
use tagpost_core::webhook::Secret;

use super::Object;
use crate::fault;
use crate::respond::{self, Error, Response};

/// The unanswered calls.
#[derive(Default)]
pub(super) struct Answers {
    waiting: RefCell<LiteMap<CallId, oneshot::Sender<Reply>>>,
    last: Cell<CallId>,
}

impl Answers {
    /// Numbers a new call. Returns the number, and the channel for its answer.
    fn wait(&self) -> (CallId, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        let id = self.last.get() + 1;
        self.last.set(id);
        self.waiting.borrow_mut().insert(id, sender);
        (id, receiver)
    }

    /// Answers this call.
    pub(super) fn give(&self, call: CallId, reply: Reply) {
        if let Some(sender) = self.waiting.borrow_mut().remove(&call) {
            // The caller may be gone.
            let _ = sender.send(reply);
        }
    }
}

impl Object {
    /// Answers one call.
    pub(super) async fn answer(
        self: &Rc<Self>,
        text: String,
        enclosed: Option<JsString>,
    ) -> worker::Result<Response> {
        // A call that cannot be read comes from another version of the service. This object is not affected.
        let request: Request = match serde_json::from_str(&text) {
            Ok(request) => request,
            Err(error) => return Ok(not_understood(error.to_string())),
        };
        // The text is not kept in memory while the call waits.
        drop(text);
        fault::cause_armed(request.call.name()).await;
        let input = |id| Input::Call {
            id,
            request,
            enclosed: enclosed.map(String::from),
        };
        render(self.ask(input).await?)
    }

    /// Passes a call to the mailbox, and waits for its answer.
    pub(super) async fn ask(
        self: &Rc<Self>,
        input: impl FnOnce(CallId) -> Input,
    ) -> worker::Result<Reply> {
        let (id, reply) = self.answers.wait();
        self.event(input(id))?;
        reply.await.map_err(|_| "a call was lost".into())
    }
}

/// The response to the caller.
fn render(reply: Reply) -> worker::Result<Response> {
    match reply {
        Reply::Problem(problem) => Ok(respond::problem(&problem)),
        Reply::NotUnderstood(why) => Ok(not_understood(why)),
        Reply::Published(trace) => {
            let status = if trace.is_settled() { 200 } else { 202 };
            let response = respond::json_text(status, trace.answer_json());
            // Relative to the URL of the publish, so that it is right under any path (RFC 9110, section 10.2.2).
            let messages = match trace.to {
                _ if trace.plan.resend_of.is_some() => "..",
                Target::Tag(_) | Target::Device(_) => "../../messages",
                Target::Match(_) => "messages",
            };
            let location = format!("{messages}/{}", trace.id);
            Ok(respond::with(response, "location", location))
        }
        Reply::Posted(posted) => json(&posted),
        Reply::Trace(trace) => Ok(respond::json_text(200, trace.trace_json())),
        Reply::Messages {
            traces,
            more,
            truncated_before,
        } => list(&traces, more, truncated_before),
        Reply::PayloadSources(sources) => json(&sources),
        Reply::Payload(message) => json(&message),
        Reply::ResendPlan(plan) => json(&plan),
        Reply::Polled(messages) => {
            let messages = messages
                .iter()
                .map(|(message, attempt)| (message, *attempt));
            Ok(respond::json_text(200, inbox_json(messages)))
        }
        Reply::Waiting(page) => json(&page),
        Reply::Done => Ok(respond::empty(204)),
        Reply::Taken => Ok(respond::json_text(200, TAKEN.to_owned())),
        Reply::Status(status) => json(&status),
        Reply::Registered(registered) => json(&registered),
        Reply::IssuedCode(issued) => json(&issued),
        Reply::Paired(claims) => json(&claims),
        Reply::Revocations(revocations) => json(&revocations),
        Reply::Delivery(delivered) => json(&delivered),
        Reply::Pushed(pushed) => json(&pushed),
        Reply::PushState(state) => json(&state),
        Reply::PushReceipts(receipts) => json(&receipts),
        Reply::Channels(channels) => channel_list(&channels),
        Reply::EventsTaken(last) => json(&last),
        Reply::Subscribed(subscribed) => {
            let status = if subscribed.created { 201 } else { 200 };
            Ok(respond::json(status, &subscribed.subscription))
        }
        Reply::Subscriptions(subscriptions) => subscription_list(&subscriptions),
        Reply::Webhook { webhook, secret } => {
            let status = if secret.is_some() { 201 } else { 200 };
            Ok(respond::json(status, &WebhookAnswer { webhook, secret }))
        }
        Reply::WebhookSecret(secret) => json(&NewSecret { secret }),
        Reply::WebhookTried(tried) => json(&tried),
        Reply::Opened => Err("a call opened a connection".into()),
    }
}

fn list(traces: &[Trace], more: bool, truncated_before: Option<i64>) -> worker::Result<Response> {
    #[derive(Serialize)]
    struct List<'a> {
        messages: Vec<tagpost_core::trace::Answer<'a>>,
        next: Option<tagpost_core::id::MessageId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        truncated_before: Option<i64>,
    }
    json(&List {
        messages: traces.iter().map(Trace::answer).collect(),
        next: traces.last().filter(|_| more).map(|trace| trace.id),
        truncated_before,
    })
}

fn channel_list(channels: &[ChannelStatus]) -> worker::Result<Response> {
    #[derive(Serialize)]
    struct List<'a> {
        channels: &'a [ChannelStatus],
    }
    json(&List { channels })
}

fn subscription_list(subscriptions: &[SubscriptionStatus]) -> worker::Result<Response> {
    #[derive(Serialize)]
    struct List<'a> {
        wake: &'a [SubscriptionStatus],
    }
    json(&List {
        wake: subscriptions,
    })
}

#[derive(Serialize)]
struct NewSecret {
    secret: Secret,
}

fn json<T: Serialize>(value: &T) -> worker::Result<Response> {
    Ok(respond::json_text(200, serde_json::to_string(value)?))
}

/// Another version of the service made the call. The caller repeats it: an object of an old version is replaced soon.
fn not_understood(why: String) -> Response {
    Error::OtherVersion(why).into_response()
}
