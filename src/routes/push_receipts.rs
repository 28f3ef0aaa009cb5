//! What became of messages whose sender has asked for a receipt (RFC 8030, sections 5.1 and 6.3).
//!
//! The RFC has the service push a receipt over HTTP/2. Here a sender asks for it and waits, for one message or for
//! all of a channel: a response that stayed open would keep the mailbox awake.

use std::fmt::Write;

use tagpost_core::call::{Call, PushReceipt, PushState};
use tagpost_core::publish::{WAIT, preferred_wait, whole_number};
use tagpost_core::web_push::refusal::Refusal;
use tagpost_core::web_push::seal::{Keys, MessageUrl, ReceiptsUrl};

use super::Exchange;
use super::push::refusal;
use crate::respond::{self, Response};
use crate::stub::{self, Calls};

/// How long a stream of receipts waits for the first if its reader names no time, in seconds.
const DEFAULT_WAIT: u32 = 25;

/// `Retry-After` of a message that may still be delivered, in seconds.
const OPEN_RETRY_AFTER: &str = "60";

/// `GET /m/{sealed}`: 204 acknowledged, 410 will not be delivered, 202 neither yet.
pub(super) async fn state(
    exchange: &Exchange,
    keys: &Keys,
    sealed: &str,
) -> Result<Response, Refusal> {
    let MessageUrl { device, id } = keys.open(sealed).ok_or_else(Refusal::unknown)?;
    let wait = wait(exchange, 0)?;
    let request = exchange.request_of(device, Call::PushState { id, wait });
    let state = stub::ask_for(&Calls::new(&exchange.env), request).await;
    match state.map_err(refusal)? {
        PushState::Settled(410) => Err(Refusal::new(410, None, "the message was not delivered")),
        PushState::Settled(status) => Ok(respond::empty(status)),
        PushState::Open => {
            let retry_after = OPEN_RETRY_AFTER.to_owned();
            Ok(respond::with(
                respond::empty(202),
                "retry-after",
                retry_after,
            ))
        }
        PushState::Unknown => {
            let detail = "there is no such message, or no receipt was requested for it";
            Err(Refusal::new(404, None, detail))
        }
    }
}

/// `GET /r/{sealed}`: the receipts after `Last-Event-ID`, as server-sent events. The stream ends with them, and the
/// reader comes back.
pub(super) async fn list(
    exchange: &Exchange,
    keys: &Keys,
    sealed: &str,
) -> Result<Response, Refusal> {
    let ReceiptsUrl {
        device,
        channel,
        since,
    } = keys.open(sealed).ok_or_else(Refusal::unknown)?;
    let wait = wait(exchange, DEFAULT_WAIT)?;
    let seen = exchange.header("last-event-id").filter(|id| !id.is_empty());
    let seen = seen.map(|id| whole_number("Last-Event-ID", &id, 0..=i64::MAX));
    let call = Call::PushReceipts {
        channel,
        since,
        seen: seen.transpose()?,
        wait,
    };
    let request = exchange.request_of(device.clone(), call);
    let receipts = stub::ask_for(&Calls::new(&exchange.env), request).await;
    let receipts: Option<Vec<PushReceipt>> = receipts.map_err(refusal)?;
    let receipts = receipts.ok_or_else(Refusal::gone)?;
    // An EventSource would stop at a 204.
    if receipts.is_empty() && wait == 0 {
        return Ok(respond::empty(204));
    }
    let origin = exchange.origin();
    let mut stream = "retry: 1000\n\n".to_owned();
    for receipt in receipts {
        let PushReceipt {
            seq, status, at, ..
        } = receipt;
        let sealed = keys.seal(&MessageUrl {
            device: device.clone(),
            id: receipt.message,
        });
        // Writing to memory cannot fail.
        let _ = write!(
            stream,
            "id: {seq}\nevent: receipt\ndata: {{\"message\":\"{origin}/m/{sealed}\",\"status\":{status},\"at\":{at}}}\n\n"
        );
    }
    Ok(respond::events(stream))
}

/// How long the reader waits, in seconds.
fn wait(exchange: &Exchange, default: u32) -> Result<u32, Refusal> {
    let wait = exchange
        .header("prefer")
        .and_then(|text| preferred_wait(&text));
    let wait = wait.map(|text| whole_number("Prefer: wait", &text, WAIT));
    Ok(wait.transpose()?.unwrap_or(default))
}
