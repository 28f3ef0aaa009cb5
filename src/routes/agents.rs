//! User agents of Web Push: the WebSocket, the URL to connect with, and the channels of a device.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tagpost_core::call::{Call, Registered, Status};
use tagpost_core::id::DeviceId;
use tagpost_core::json;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::web_push::SUBPROTOCOL;
use tagpost_core::publish::json_whole_number;
use tagpost_core::token::Claims;
use tagpost_core::web_push::channel::Channel;
use tagpost_core::web_push::refusal::Refusal;
use tagpost_core::web_push::seal::{ConnectUrl, Keys};

use super::Exchange;
use super::devices::unknown;
use crate::auth::{Caller, Offer};
use crate::respond::{self, Error, Response};
use crate::stub::{self, Handshake};

/// After how many seconds a push URL may expire: at most as many as fit into it, which is centuries.
const LIVES: RangeInclusive<i64> = 1..=10_000_000_000;

/// The longest body of a request for a push URL, in bytes.
const LONGEST_TERMS: usize = 1_024;

/// `GET /push/{sealed}`: a user agent connects. Whatever is wrong with its URL is 404.
pub(super) async fn connect(
    exchange: &Exchange,
    keys: &Keys,
    sealed: &str,
) -> Result<Response, Refusal> {
    let url: ConnectUrl = keys.open(sealed).ok_or_else(Refusal::unknown)?;
    exchange.upgrade()?;
    let claims = Claims {
        device: url.device,
        issued_at: url.issued_at,
        expires_at: url.expires_at,
        publish: Some(Vec::new()),
        tags: Vec::new(),
        revocations: Some(url.revocations),
        webhook: false,
        id: None,
    };
    let offered = exchange
        .header("sec-websocket-protocol")
        .unwrap_or_default();
    let protocols = Offer::read(&offered).protocols;
    let handshake = Handshake {
        protocol: SUBPROTOCOL,
        is_offered: protocols.contains(&SUBPROTOCOL),
        origin: Some(exchange.origin()),
        ..Handshake::default()
    };
    let (device, fault) = (&claims.device, exchange.fault());
    let answer = stub::connect(&exchange.env, device, Some(&claims), handshake, fault).await;
    match answer {
        // A URL that was revoked or has expired permits nothing, as one that was never issued.
        Ok(answer) if answer.status() == Code::Unauthorized.status() => Err(Refusal::unknown()),
        Ok(answer) => Ok(answer),
        Err(error) => Ok(error.into_response()),
    }
}

#[derive(Serialize)]
struct PushUrl {
    push_url: String,
}

/// `POST /v1/devices/{device}/push`
pub(super) async fn url(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let keys = exchange.push_keys()?;
    let caller = caller.admin_or(&device)?;
    let body = exchange.body(LONGEST_TERMS).await?;
    let issued_at = exchange.now.div_euclid(1_000);
    let expires_at = expires_in(&body)?.map(|seconds| issued_at + seconds);
    // The URL does not outlive the token that it was made with.
    let until = caller.as_ref().and_then(|claims| claims.expires_at);
    // A device registers itself with its first call. The operator asks, so that a device that is being removed is
    // not registered again.
    let revocations = if caller.is_some() {
        let registered: Registered = exchange.ask_for(&device, caller, Call::Register).await?;
        registered.revocations
    } else {
        let status: Status = exchange.ask_for(&device, None, Call::Status).await?;
        if !status.known {
            return Err(unknown(&device));
        }
        status.revocations
    };
    let sealed = keys.seal(&ConnectUrl {
        device,
        issued_at,
        expires_at: expires_at.into_iter().chain(until).min(),
        revocations,
    });
    // `http` becomes `ws`, and `https` `wss`.
    let origin = exchange.origin();
    let origin = origin.strip_prefix("http").unwrap_or(&origin);
    let push_url = format!("ws{origin}/push/{sealed}");
    Ok(respond::json(200, &PushUrl { push_url }))
}

/// The body of [`url`], unparsed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    expires_in: Option<&'a RawValue>,
}

/// Reads the body of [`url`]: nothing, or an object.
fn expires_in(body: &[u8]) -> Result<Option<i64>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    let invalid =
        |error: &dyn Display| Problem::bad_request(format!("the body is not valid: {error}"));
    let body = str::from_utf8(body).map_err(|error| invalid(&error))?;
    let terms: Terms<'_> = json::object(body).map_err(|error| invalid(&error))?;
    let expires_in = terms.expires_in;
    expires_in
        .map(|raw| json_whole_number("expires_in", raw, LIVES))
        .transpose()
}

/// `GET /v1/devices/{device}/channels`
pub(super) async fn channels(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    exchange.push_keys()?;
    let caller = caller.reading().admin_or(&device)?;
    exchange.ask_of(device, caller, Call::Channels).await
}

/// `DELETE /v1/devices/{device}/channels/{channel}`, and of all channels.
pub(super) async fn remove(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
    channel: Option<Channel>,
) -> Result<Response, Error> {
    exchange.push_keys()?;
    let caller = caller.admin_or(&device)?;
    exchange
        .ask_of(device, caller, Call::RemoveChannels { channel })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_push_url_is_a_number_of_seconds_or_no_end() {
        assert_eq!(expires_in(b""), Ok(None));
        assert_eq!(expires_in(b"{}"), Ok(None));
        assert_eq!(expires_in(br#"{"expires_in":60}"#), Ok(Some(60)));
        assert_eq!(expires_in(br#"{"expires_in":6e1}"#), Ok(Some(60)));
        for body in [
            &br#"{"expires_in":0}"#[..],
            br#"{"expires_in":-1}"#,
            br#"{"expires_in":1.5}"#,
            br#"{"expires_in":null}"#,
            br#"{"expires_in":10000000001}"#,
            br#"{"expires_in":"60"}"#,
            br#"{"expires":60}"#,
            br#"{"expires_in":5,"expires_in":6}"#,
            b"[60]",
            b"x",
        ] {
            let problem = expires_in(body).unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{problem}");
        }
    }
}
