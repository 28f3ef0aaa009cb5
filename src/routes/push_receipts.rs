//! What became of messages whose sender has asked for a receipt (RFC 8030, sections 5.1 and 6.3).
//!
//! The RFC has the service push a receipt over HTTP/2. Here a sender asks for it and waits, for one message or for
//! all of a channel. No response stays open for longer than a minute, since it keeps the mailbox awake.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use tagpost_core::call::{Call, PushReceipt, PushState, Request};
use tagpost_core::id::DeviceId;
use tagpost_core::publish::{WAIT, preferred_wait, whole_number};
use tagpost_core::time::Millis;
use tagpost_core::web_push::channel::Channel;
use tagpost_core::web_push::refusal::Refusal;
use tagpost_core::web_push::seal::{Keys, MessageUrl, ReceiptsUrl};
use worker::Env;

use super::Exchange;
use super::push::refusal;
use crate::clock;
use crate::config::Config;
use crate::respond::{self, Response};
use crate::stub::{self, Calls};

/// How long a stream of receipts is open if its reader names no time, in seconds.
const DEFAULT_WAIT: u32 = 25;

/// The greatest number that JavaScript, and so the platform's database, represents exactly.
const MAX_SEQ: i64 = (1 << 53) - 1;

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

/// `GET /r/{sealed}`: the receipts after `Last-Event-ID`, as server-sent events: those that are there, or the first to
/// come, and then all that follow until the wait is over. Then the reader comes back.
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
    let seen = seen.map(|id| whole_number("Last-Event-ID", &id, 0..=MAX_SEQ));
    let mut stream = Stream {
        device,
        channel,
        since,
        after: None,
        until: exchange.now + i64::from(wait) * 1_000,
        origin: exchange.origin(),
    };
    let receipts = stream.read(&exchange.env, seen.transpose()?, wait).await?;
    let receipts = receipts.ok_or_else(Refusal::gone)?;
    // An EventSource would stop at a 204.
    if receipts.is_empty() && wait == 0 {
        return Ok(respond::empty(204));
    }
    let events = format!("retry: 1000\n\n{}", stream.events(&receipts, keys));
    Ok(match receipts.is_empty() {
        true => respond::events(events),
        false => respond::stream(events, stream.state()),
    })
}

/// `DELETE /r/{sealed}`: 204, also if there is nothing left to delete.
pub(super) async fn drop(
    exchange: &Exchange,
    keys: &Keys,
    sealed: &str,
) -> Result<Response, Refusal> {
    let ReceiptsUrl {
        device,
        channel,
        since,
    } = keys.open(sealed).ok_or_else(Refusal::unknown)?;
    let request = exchange.request_of(device, Call::DropPushReceipts { channel, since });
    let answer = stub::call(&Calls::new(&exchange.env), request, None, None).await;
    answer.map_err(refusal)
}

/// A stream of receipts that is still open. Between two parts this is all there is of it, so it survives the wasm
/// instance.
#[derive(Serialize, Deserialize)]
struct Stream {
    device: DeviceId,
    channel: Channel,
    since: Millis,
    /// The last receipt that was sent.
    after: Option<i64>,
    /// When the service ends it.
    until: Millis,
    origin: String,
}

impl Stream {
    /// Asks for the receipts that follow, and waits up to `wait` seconds for the first. `None` if the channel is gone.
    async fn read(
        &self,
        env: &Env,
        seen: Option<i64>,
        wait: u32,
    ) -> Result<Option<Vec<PushReceipt>>, Refusal> {
        let request = Request {
            device: self.device.clone(),
            caller: None,
            call: Call::PushReceipts {
                channel: self.channel,
                since: self.since,
                seen,
                after: self.after,
                wait,
            },
        };
        let receipts = stub::ask_for(&Calls::new(env), request).await;
        receipts.map_err(refusal)
    }

    /// The events of these receipts, which are sent now.
    fn events(&mut self, receipts: &[PushReceipt], keys: &Keys) -> String {
        let mut events = String::new();
        for receipt in receipts {
            let PushReceipt {
                seq, status, at, ..
            } = receipt;
            let sealed = keys.seal(&MessageUrl {
                device: self.device.clone(),
                id: receipt.message,
            });
            let origin = &self.origin;
            // Writing to memory cannot fail.
            let _ = write!(
                events,
                "id: {seq}\nevent: receipt\ndata: {{\"message\":\"{origin}/m/{sealed}\",\"status\":{status},\"at\":{at}}}\n\n"
            );
            self.after = Some(*seq);
        }
        events
    }

    /// Its text, for [`next_part`].
    fn state(&self) -> String {
        // It consists of strings and numbers: writing it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The next part of a stream of receipts, and the state for the one after it; `None` if the stream ends.
pub(crate) async fn next_part(state: &str, env: &Env) -> Option<(String, String)> {
    let keys = Config::from_env(env).ok()?.push_keys.clone()?;
    let mut stream: Stream = serde_json::from_str(state).ok()?;
    let wait = u32::try_from((stream.until - clock()).div_euclid(1_000)).ok()?;
    // Without a wait, the receipts that are there would be the last; the reader finds them when it comes back.
    if wait == 0 {
        return None;
    }
    // If the mailbox fails, this is logged, and the stream ends. If it has no room for one more reader, it answers
    // without waiting, and asking it again would never end.
    let receipts = stream.read(env, None, wait).await.ok()??;
    if receipts.is_empty() {
        return None;
    }
    let events = stream.events(&receipts, &keys);
    Some((events, stream.state()))
}

/// How long the reader waits, in seconds.
fn wait(exchange: &Exchange, default: u32) -> Result<u32, Refusal> {
    let wait = exchange
        .header("prefer")
        .and_then(|text| preferred_wait(&text));
    let wait = wait.map(|text| whole_number("Prefer: wait", &text, WAIT));
    Ok(wait.transpose()?.unwrap_or(default))
}
