//! The way to a mailbox: the only place from which one is called.
//!
//! Every call ends within a bounded time, whatever the mailbox does. Nothing of a client's request goes
//! along but what the call says; above all not its credential.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::de::DeserializeOwned;
use tagpost_core::call::{Call, Request};
use tagpost_core::id::DeviceId;
use tagpost_core::problem::Code;
use tagpost_core::token::Claims;
use worker::{Delay, Env, Headers, Method, RequestInit, Response};

use crate::respond::{Error, cause};

/// How long a mailbox may take beyond what it was asked to wait, when a client is waiting for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for a call of the service itself. It is shorter, so that a mailbox that calls one which hangs
/// still answers the client that waits for it.
const OWN_PATIENCE: Duration = Duration::from_secs(4);

/// The header that names the device in a [`connect`].
pub(crate) const DEVICE: &str = "tagpost-device";
/// The header that holds the caller's claims, as JSON, in a [`connect`].
pub(crate) const CALLER: &str = "tagpost-caller";
/// The header that asks for a fault, in builds with the feature `fault-injection`.
const FAULT: &str = "tagpost-fault";

/// Asks a mailbox on behalf of a client, whose request had the headers `client`. Answers what the
/// mailbox answers: the client's finished answer.
pub(crate) async fn call(
    env: &Env,
    request: &Request,
    client: &Headers,
) -> Result<Response, Error> {
    send(env, request, faults(client)?, PATIENCE).await
}

async fn send(
    env: &Env,
    request: &Request,
    headers: Headers,
    patience: Duration,
) -> Result<Response, Error> {
    let body = serde_json::to_string(request)
        .map_err(|error| Error::internal("call_not_rendered", error))?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        .with_body(Some(body.into()));
    let call = worker::Request::new_with_init("https://mailbox/", &init)?;
    fetch(env, &request.device, call, wait(&request.call) + patience).await
}

/// Asks a mailbox on behalf of the service itself; answers the text of what it answers.
///
/// # Errors
/// Also where the mailbox answers with a problem: [`Error::Answered`] holds it.
pub(crate) async fn ask(env: &Env, request: &Request) -> Result<String, Error> {
    let mut response = send(env, request, Headers::new(), OWN_PATIENCE).await?;
    if response.status_code() >= 300 {
        return Err(Error::Answered(Box::new(response)));
    }
    Ok(response.text().await?)
}

/// [`ask`], for an answer that is a `T`.
pub(crate) async fn ask_for<T: DeserializeOwned>(env: &Env, request: &Request) -> Result<T, Error> {
    serde_json::from_str(&ask(env, request).await?)
        .map_err(|error| Error::internal("call_not_understood", error))
}

/// Opens the WebSocket of the device that `caller` speaks for. The subprotocols that the client
/// offered, without its credential, are `protocols`.
pub(crate) async fn connect(
    env: &Env,
    caller: &Claims,
    protocols: &str,
    client: &Headers,
) -> Result<Response, Error> {
    let claims = serde_json::to_string(caller)
        .map_err(|error| Error::internal("call_not_rendered", error))?;
    let headers = faults(client)?;
    headers.set("upgrade", "websocket")?;
    headers.set("sec-websocket-protocol", protocols)?;
    headers.set(DEVICE, caller.device.as_str())?;
    headers.set(CALLER, &claims)?;
    let mut init = RequestInit::new();
    init.with_headers(headers);
    let handshake = worker::Request::new_with_init("https://mailbox/connect", &init)?;
    fetch(env, &caller.device, handshake, PATIENCE).await
}

async fn fetch(
    env: &Env,
    device: &DeviceId,
    request: worker::Request,
    limit: Duration,
) -> Result<Response, Error> {
    let mailbox = env
        .durable_object("MAILBOX")?
        .get_by_name(device.as_str())?;
    let answer = pin!(mailbox.fetch_with_request(request));
    match select(answer, Delay::from(limit)).await {
        Either::Left((Ok(response), _)) => {
            // A fetched answer's headers are read-only; on their way out some are added.
            let headers = response.headers().clone();
            Ok(response.with_headers(headers))
        }
        Either::Left((Err(error), _)) => Err(Error::internal(
            "mailbox_failed",
            format_args!("mailbox of {device}: {}", cause(&error)),
        )),
        Either::Right(((), _)) => Err(Error::Failed {
            code: Code::Unavailable,
            event: "mailbox_timed_out",
            cause: format!(
                "mailbox of {device}: no answer within {} s",
                limit.as_secs()
            ),
        }),
    }
}

/// How long the call asks the mailbox to wait.
fn wait(call: &Call) -> Duration {
    match call {
        Call::Publish { draft, .. } => Duration::from_secs(draft.wait.into()),
        Call::Trace { wait, .. } | Call::Inbox { wait, .. } => Duration::from_secs((*wait).into()),
        Call::Deliver { wait, .. } => Duration::from_millis((*wait).into()),
        _ => Duration::ZERO,
    }
}

/// New headers that hold the client's wish for a fault, in builds that grant it.
fn faults(client: &Headers) -> worker::Result<Headers> {
    let headers = Headers::new();
    if cfg!(feature = "fault-injection")
        && let Some(fault) = client.get(FAULT)?
    {
        headers.set(FAULT, &fault)?;
    }
    Ok(headers)
}
