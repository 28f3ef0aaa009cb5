//! Calling mailboxes: the only place that does.
//!
//! Every call ends within a bounded time, whatever the mailbox does. The calls of one [`Calls`] to the same
//! mailbox arrive in the order in which they are made, as long as none fails. Only the serialized call is
//! sent: never a client's headers, never its credential.

use std::time::Duration;

use js_sys::{JsString, Promise};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tagpost_core::call::{Call, Request};
use tagpost_core::id::DeviceId;
use tagpost_core::problem::Code;
use tagpost_core::token::Claims;
use tagpost_core::webhook::MAX_TIMEOUT;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::Env;
use worker::wasm_bindgen_futures::JsFuture;

use crate::respond::{Error, Response, cause};

/// How long a mailbox may take for a client's call, beyond the wait that the call asks for.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for a call of the service itself. It is shorter, so that a mailbox whose call hangs can still answer
/// its own client in time.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(4);

#[wasm_bindgen(module = "/src/stub.js")]
extern "C" {
    /// The calls of one mailbox to others; a request has one for each call.
    pub(crate) type Calls;

    #[wasm_bindgen(constructor)]
    fn to_mailboxes(env: &JsValue) -> Calls;

    /// A promise of a mailbox's answer, as an array (see [`Response`]); null if it does not answer in time.
    #[wasm_bindgen(method, catch)]
    fn ask(
        this: &Calls,
        device: &str,
        call: &str,
        enclosed: Option<JsString>,
        fault: Option<String>,
        limit: f64,
    ) -> Result<Promise, JsValue>;

    /// The runtime's response to the handshake; null if the mailbox does not answer in time.
    #[wasm_bindgen(js_name = connect, catch)]
    async fn connect_mailbox(
        env: &JsValue,
        device: &str,
        caller: Option<String>,
        protocol: &str,
        is_offered: bool,
        window: Option<u32>,
        origin: Option<String>,
        watch: Option<&str>,
        fault: Option<String>,
        limit: f64,
    ) -> Result<JsValue, JsValue>;
}

impl Calls {
    pub(crate) fn new(env: &Env) -> Self {
        Self::to_mailboxes(env)
    }
}

/// A text beside a call. It is a JavaScript string: however long it is kept, and however many calls share it, it
/// takes no wasm memory, which never shrinks.
pub(crate) fn enclose(value: &impl Serialize) -> Result<JsString, Error> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|error| Error::internal("call_not_rendered", error))?;
    Ok(JsString::from(text))
}

/// Calls a mailbox for a client; returns the finished answer to the client. `fault` is a fault to inject.
pub(crate) async fn call(
    calls: &Calls,
    request: Request,
    enclosed: Option<JsString>,
    fault: Option<String>,
) -> Result<Response, Error> {
    send(calls, request, enclosed, fault, CLIENT_TIMEOUT).await
}

async fn send(
    calls: &Calls,
    request: Request,
    enclosed: Option<JsString>,
    fault: Option<String>,
    patience: Duration,
) -> Result<Response, Error> {
    let limit = wait(&request.call) + patience;
    let call = serde_json::to_string(&request)
        .map_err(|error| Error::internal("call_not_rendered", error))?;
    let Request { device, .. } = request;
    let answer = calls.ask(device.as_str(), &call, enclosed, fault, millis(limit));
    // Nothing of the request is kept in memory while it waits for the answer.
    drop(call);
    let answer = match answer {
        Ok(answer) => JsFuture::from(answer).await,
        Err(error) => Err(error),
    };
    let answer = in_time(&device, limit, answer)?;
    Ok(Response::Passed(answer.unchecked_into()))
}

/// Calls a mailbox for the service itself; returns the text of its answer.
///
/// # Errors
/// [`Error::Answered`], too, with the problem that the mailbox answered.
pub(crate) async fn ask(
    calls: &Calls,
    request: Request,
    enclosed: Option<JsString>,
) -> Result<String, Error> {
    let response = send(calls, request, enclosed, None, SERVICE_TIMEOUT).await?;
    if response.status() >= 300 {
        return Err(Error::Answered(response));
    }
    Ok(response.into_text().unwrap_or_default())
}

/// [`ask`], with the answer read as a `T`.
pub(crate) async fn ask_for<T: DeserializeOwned>(
    calls: &Calls,
    request: Request,
) -> Result<T, Error> {
    serde_json::from_str(&ask(calls, request, None).await?)
        .map_err(|error| Error::OtherVersion(error.to_string()))
}

/// [`ask_for`], with a text beside the call.
pub(crate) async fn ask_with<T: DeserializeOwned>(
    calls: &Calls,
    request: Request,
    enclosed: JsString,
) -> Result<T, Error> {
    serde_json::from_str(&ask(calls, request, Some(enclosed)).await?)
        .map_err(|error| Error::OtherVersion(error.to_string()))
}

/// How a WebSocket is to be opened.
#[derive(Default)]
pub(crate) struct Handshake {
    /// The subprotocol.
    pub(crate) protocol: &'static str,
    /// Whether the client offers it by name. A client that does not must not be answered with it.
    pub(crate) is_offered: bool,
    /// The most messages in flight.
    pub(crate) window: Option<u32>,
    /// Where the client reaches the service, if the mailbox has to know that.
    pub(crate) origin: Option<String>,
    /// The client only watches, and what it is told: `steps`, or `payloads` as well.
    pub(crate) watch: Option<&'static str>,
}

/// Opens the WebSocket of a device, or one that watches it. `caller` is the device with these claims, or the operator.
pub(crate) async fn connect(
    env: &Env,
    device: &DeviceId,
    caller: Option<&Claims>,
    handshake: Handshake,
    fault: Option<String>,
) -> Result<Response, Error> {
    let claims = caller.map(serde_json::to_string).transpose();
    let claims = claims.map_err(|error| Error::internal("call_not_rendered", error))?;
    let answer = connect_mailbox(
        env,
        device.as_str(),
        claims,
        handshake.protocol,
        handshake.is_offered,
        handshake.window,
        handshake.origin,
        handshake.watch,
        fault,
        millis(CLIENT_TIMEOUT),
    )
    .await;
    Ok(Response::Finished(in_time(device, CLIENT_TIMEOUT, answer)?))
}

fn in_time(
    device: &DeviceId,
    limit: Duration,
    answer: Result<JsValue, JsValue>,
) -> Result<JsValue, Error> {
    match answer {
        Ok(answer) if answer.is_null() => Err(Error::Failed {
            code: Code::Unavailable,
            event: "mailbox_timed_out",
            cause: format!(
                "mailbox of {device}: no answer within {} s",
                limit.as_secs()
            ),
        }),
        Ok(answer) => Ok(answer),
        Err(error) => {
            let passing = is_set(&error, "retryable") || is_set(&error, "overloaded");
            let cause = format!("mailbox of {device}: {}", cause(&error.into()));
            if passing {
                let event = "mailbox_unreachable";
                return Err(Error::Unreachable { event, cause });
            }
            Err(Error::internal("mailbox_failed", cause))
        }
    }
}

/// Whether the platform has set this property of an error: `retryable` (it is temporary) or `overloaded`.
/// <https://developers.cloudflare.com/durable-objects/best-practices/error-handling/>
fn is_set(error: &JsValue, property: &str) -> bool {
    js_sys::Reflect::get(error, &JsValue::from_str(property)).is_ok_and(|value| value.is_truthy())
}

fn millis(limit: Duration) -> f64 {
    limit.as_millis() as f64
}

/// How long the call asks the mailbox to wait.
fn wait(call: &Call) -> Duration {
    match call {
        Call::Publish { wait, .. }
        | Call::PublishFromHook { wait, .. }
        | Call::Trace { wait, .. }
        | Call::Inbox { wait, .. }
        | Call::PushState { wait, .. }
        | Call::PushReceipts { wait, .. } => Duration::from_secs((*wait).into()),
        Call::Deliver { wait, .. } | Call::Push { wait, .. } => {
            Duration::from_millis((*wait).into())
        }
        Call::TestWebhook => Duration::from_secs(MAX_TIMEOUT.into()),
        _ => Duration::ZERO,
    }
}
