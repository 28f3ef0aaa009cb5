//! Publishing to a channel of Web Push (RFC 8030), and what its sender does with the message afterwards.
//!
//! The URL is the permission: there is no token, and no directory is asked. A request is checked completely before a
//! mailbox is called.

use js_sys::JsString;
use tagpost_core::call::{Call, Pushed};
use tagpost_core::problem::Code;
use tagpost_core::web_push::channel::SenderKey;
use tagpost_core::web_push::refusal::Refusal;
use tagpost_core::web_push::request::{Options, RECEIPTS_RELATION, receipts_link};
use tagpost_core::web_push::seal::{Keys, MessageUrl, PushUrl, ReceiptsUrl};
use tagpost_core::web_push::vapid::{self, Token};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{Exchange, input};
use crate::respond::{self, Error, Response};
use crate::stub::{self, Calls};

/// `Retry-After` of a device for which too much waits, in seconds.
const FULL_RETRY_AFTER: u32 = 60;
/// `Retry-After` of a mailbox that cannot be reached, in seconds.
const UNREACHABLE_RETRY_AFTER: u32 = 5;

/// How long a browser may remember what a page may send, and that a subscription has ended, in seconds.
const DAY: &str = "86400";

#[wasm_bindgen(module = "/src/vapid.js")]
extern "C" {
    /// Never rejects.
    async fn verify(key: &[u8], signed: &str, signature: &[u8]) -> JsValue;
}

/// `POST /wpush/{sealed}`
pub(super) async fn publish(
    exchange: &Exchange,
    keys: &Keys,
    sealed: &str,
) -> Result<Response, Refusal> {
    let url: PushUrl = keys.open(sealed).ok_or_else(Refusal::unknown)?;
    let limits = &exchange.config.limits;
    let longest = limits.max_push_bytes;
    let announced = exchange.header("content-length");
    let announced: Option<u64> = announced.and_then(|length| length.parse().ok());
    if announced.is_some_and(|length| length > u64::from(longest)) {
        return Err(Refusal::too_large(longest));
    }
    let sender = sender(exchange, &url).await?;
    let header = |name: &str| exchange.header(name);
    let options = Options::read(header, limits)?;
    if let Some(link) = exchange.header("link") {
        // Each channel has its own receipts, so a link to another channel's receipts is answered with the right one.
        let sealed = receipts_link(&link);
        if sealed.is_some_and(|sealed| keys.open::<ReceiptsUrl>(sealed).is_none()) {
            return Err(Refusal::bad_request("Link leads to no receipts"));
        }
    }
    let (ttl, wait, receipt) = (options.ttl, options.wait, options.receipt);
    let body = input::body(&exchange.request, None, longest as usize).await;
    let body = body.map_err(|error| match error {
        Error::Problem(problem) if problem.code == Code::PayloadTooLarge => {
            Refusal::too_large(longest)
        }
        error => refusal(error),
    })?;
    let draft = options.draft(header, &body, sender.as_ref())?;
    drop(body);
    let enclosed = stub::enclose(&draft).map_err(refusal)?;
    match deliver(exchange, &url, wait, enclosed).await? {
        Pushed::Taken(id) => {
            let (device, origin) = (url.device.clone(), exchange.origin());
            let location = keys.seal(&MessageUrl { device, id });
            let status = if receipt { 202 } else { 201 };
            let location = format!("{origin}/m/{location}");
            let taken = respond::with(respond::empty(status), "location", location);
            let taken = respond::with(taken, "ttl", ttl.to_string());
            if !receipt {
                return Ok(taken);
            }
            let sealed = keys.seal(&ReceiptsUrl {
                device: url.device,
                channel: url.channel,
                since: url.since,
            });
            let link = format!("<{origin}/r/{sealed}>; rel=\"{RECEIPTS_RELATION}\"");
            Ok(respond::with(taken, "link", link))
        }
        Pushed::NoChannel => Err(Refusal::gone()),
        Pushed::NoDevice => Err(Refusal::new(410, 103, "the device is gone")),
        Pushed::TooMany(seconds) => Err(Refusal::later(429, None, "too many messages", seconds)),
        Pushed::Full => {
            let detail = "too many messages wait for the device";
            Err(Refusal::later(429, None, detail, FULL_RETRY_AFTER))
        }
    }
}

/// Delivers a message to the channel of an endpoint. `draft` is the text of its [`tagpost_core::publish::Draft`].
pub(super) async fn deliver(
    exchange: &Exchange,
    url: &PushUrl,
    wait: u32,
    draft: JsString,
) -> Result<Pushed, Refusal> {
    let call = Call::Push {
        channel: url.channel,
        since: url.since,
        wait,
    };
    let request = exchange.request_of(url.device.clone(), call);
    let pushed = stub::ask_with(&Calls::new(&exchange.env), request, draft).await;
    pushed.map_err(refusal)
}

/// The key that the sender has identified itself with, if it has. A wrong token is refused on every channel, a missing
/// one only on a channel that is bound to a key.
async fn sender(exchange: &Exchange, url: &PushUrl) -> Result<Option<SenderKey>, Refusal> {
    let Some(authorization) = exchange.header("authorization") else {
        return match url.key {
            None => Ok(None),
            Some(_) => Err(Refusal::unauthorized(
                "the subscription is bound to a key: Authorization must be `vapid t=…,k=…`",
            )),
        };
    };
    let crypto_key = exchange.header("crypto-key");
    let token = vapid::read(
        &authorization,
        crypto_key.as_deref(),
        &exchange.origin(),
        exchange.now,
    );
    let Token {
        key,
        signed,
        signature,
    } = token.map_err(Refusal::unauthorized)?;
    if url.key.is_some_and(|bound| bound != key.hash()) {
        return Err(Refusal::unauthorized(
            "the subscription is bound to another key",
        ));
    }
    match verify(key.bytes(), signed, &signature).await.is_truthy() {
        true => Ok(Some(key)),
        false => Err(Refusal::unauthorized(
            "the signature of the token is not valid",
        )),
    }
}

/// `DELETE /m/{sealed}`: 204, also if there is nothing left to cancel.
pub(super) async fn cancel(
    exchange: &Exchange,
    keys: &Keys,
    sealed: &str,
) -> Result<Response, Refusal> {
    let MessageUrl { device, id } = keys.open(sealed).ok_or_else(Refusal::unknown)?;
    let request = exchange.request_of(device, Call::CancelPush { id });
    let answer = stub::call(&Calls::new(&exchange.env), request, None, None).await;
    answer.map_err(refusal)
}

/// `GET /wpush/{sealed}`: says that UnifiedPush may use it, too.
pub(super) fn discover(keys: &Keys, sealed: &str) -> Result<Response, Refusal> {
    let _: PushUrl = keys.open(sealed).ok_or_else(Refusal::unknown)?;
    let body = r#"{"unifiedpush":{"version":1}}"#;
    Ok(respond::json_text(200, body.to_owned()))
}

/// The answer to a browser's preflight: a page may publish to its own endpoint, and cancel.
pub(crate) fn preflight(allow: &str) -> Response {
    let headers = [
        ("access-control-allow-methods", allow),
        (
            "access-control-allow-headers",
            "authorization, content-encoding, content-type, crypto-key, encryption, last-event-id, link, prefer, ttl, topic, urgency",
        ),
        ("access-control-max-age", DAY),
    ];
    headers
        .into_iter()
        .fold(respond::empty(204), |response, (name, value)| {
            respond::with(response, name, value.to_owned())
        })
}

/// The answer to a request that is refused.
pub(super) fn refused(refusal: &Refusal, origin: &str) -> Response {
    let response = respond::json_text(refusal.status, refusal.to_json(origin));
    let response = match refusal.status {
        401 => respond::with(response, "www-authenticate", "vapid".to_owned()),
        410 => respond::with(response, "cache-control", format!("max-age={DAY}")),
        _ => response,
    };
    match refusal.retry_after {
        Some(seconds) => respond::with(response, "retry-after", seconds.to_string()),
        None => response,
    }
}

/// The refusal for an error. A failure inside is logged here.
pub(super) fn refusal(error: Error) -> Refusal {
    error.log();
    match error {
        Error::Problem(problem) => problem.into(),
        Error::Failed {
            code: Code::Internal,
            ..
        } => Refusal::new(500, None, "the cause is in the service's log"),
        _ => {
            let detail = "the device's mailbox could not be reached in time";
            Refusal::later(503, 201, detail, UNREACHABLE_RETRY_AFTER)
        }
    }
}
