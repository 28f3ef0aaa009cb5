//! The way to a mailbox: the only place from which one is called.
//!
//! Every call ends within a bounded time, whatever the mailbox does. The calls of one [`Calls`] to the same
//! mailbox arrive in the order in which they are made, as long as none fails. Nothing of a client's request goes along but what the
//! call says; above all not its credential.

use std::time::Duration;

use js_sys::{JsString, Promise};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tagpost_core::call::{Call, Request};
use tagpost_core::id::DeviceId;
use tagpost_core::problem::Code;
use tagpost_core::token::Claims;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::Env;
use worker::wasm_bindgen_futures::JsFuture;

use crate::respond::{Error, Response, cause};

/// How long a mailbox may take beyond what it was asked to wait, when a client is waiting for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for a call of the service itself. It is shorter, so that a mailbox that calls one which hangs
/// still answers the client that waits for it.
const OWN_PATIENCE: Duration = Duration::from_secs(4);

#[wasm_bindgen(module = "/src/stub.js")]
extern "C" {
    /// The calls of one mailbox to others; a request has one for each call.
    pub(crate) type Calls;

    #[wasm_bindgen(constructor)]
    fn to_mailboxes(env: &JsValue) -> Calls;

    /// Promises the answer of a mailbox as an array, see [`Response`]; null if it does not come in time.
    #[wasm_bindgen(method, catch)]
    fn ask(
        this: &Calls,
        device: &str,
        call: &str,
        enclosed: Option<JsString>,
        fault: Option<String>,
        limit: f64,
    ) -> Result<Promise, JsValue>;

    /// The runtime's response to the handshake; null if it does not come in time.
    #[wasm_bindgen(js_name = connect, catch)]
    async fn connect_mailbox(
        env: &JsValue,
        device: &str,
        caller: &str,
        protocol: &str,
        window: Option<u32>,
        fault: Option<String>,
        limit: f64,
    ) -> Result<JsValue, JsValue>;
}

impl Calls {
    pub(crate) fn new(env: &Env) -> Self {
        Self::to_mailboxes(env)
    }
}

/// A text that goes beside a call. It is JavaScript's: however long it waits, and for however many calls it
/// serves, it takes nothing of the wasm memory, which never shrinks.
pub(crate) fn enclose(value: &impl Serialize) -> Result<JsString, Error> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|error| Error::internal("call_not_rendered", error))?;
    Ok(JsString::from(text))
}

/// Asks a mailbox on behalf of a client, who may wish for a fault. Answers what the mailbox answers: the
/// client's finished answer.
pub(crate) async fn call(
    calls: &Calls,
    request: Request,
    enclosed: Option<JsString>,
    fault: Option<String>,
) -> Result<Response, Error> {
    send(calls, request, enclosed, fault, PATIENCE).await
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
    // Nothing of the request is kept while its answer is waited for.
    drop(call);
    let answer = match answer {
        Ok(answer) => JsFuture::from(answer).await,
        Err(error) => Err(error),
    };
    let answer = in_time(&device, limit, answer)?;
    Ok(Response::Passed(answer.unchecked_into()))
}

/// Asks a mailbox on behalf of the service itself; answers the text of what it answers.
///
/// # Errors
/// Also where the mailbox answers with a problem: [`Error::Answered`] holds it.
pub(crate) async fn ask(
    calls: &Calls,
    request: Request,
    enclosed: Option<JsString>,
) -> Result<String, Error> {
    let response = send(calls, request, enclosed, None, OWN_PATIENCE).await?;
    if response.status() >= 300 {
        return Err(Error::Answered(response));
    }
    Ok(response.into_text().unwrap_or_default())
}

/// [`ask`], for an answer that is a `T`.
pub(crate) async fn ask_for<T: DeserializeOwned>(
    calls: &Calls,
    request: Request,
) -> Result<T, Error> {
    serde_json::from_str(&ask(calls, request, None).await?)
        .map_err(|error| Error::OtherVersion(error.to_string()))
}

/// Opens the WebSocket of the device that `caller` speaks for, in this subprotocol, with no more than `window`
/// messages in flight.
pub(crate) async fn connect(
    env: &Env,
    caller: &Claims,
    protocol: &str,
    window: Option<u32>,
    fault: Option<String>,
) -> Result<Response, Error> {
    let claims = serde_json::to_string(caller)
        .map_err(|error| Error::internal("call_not_rendered", error))?;
    let device = &caller.device;
    let answer = connect_mailbox(
        env,
        device.as_str(),
        &claims,
        protocol,
        window,
        fault,
        millis(PATIENCE),
    )
    .await;
    Ok(Response::Finished(in_time(device, PATIENCE, answer)?))
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
                return Err(Error::Unreachable(cause));
            }
            Err(Error::internal("mailbox_failed", cause))
        }
    }
}

/// Whether the platform says this of an error: that it passes (`retryable`), or that the object has too much
/// to do (`overloaded`). <https://developers.cloudflare.com/durable-objects/best-practices/error-handling/>
fn is_set(error: &JsValue, property: &str) -> bool {
    js_sys::Reflect::get(error, &JsValue::from_str(property)).is_ok_and(|value| value.is_truthy())
}

fn millis(limit: Duration) -> f64 {
    limit.as_millis() as f64
}

/// How long the call asks the mailbox to wait.
fn wait(call: &Call) -> Duration {
    match call {
        Call::Publish { wait, .. } | Call::Trace { wait, .. } | Call::Inbox { wait, .. } => {
            Duration::from_secs((*wait).into())
        }
        Call::Deliver { wait, .. } => Duration::from_millis((*wait).into()),
        _ => Duration::ZERO,
    }
}
