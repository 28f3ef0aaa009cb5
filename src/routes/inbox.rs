//! `/v1/inbox`: polling for messages, acknowledging or rejecting them, and saying that the device works on them; and
//! `/v1/devices/{device}/inbox`, which lists the messages that wait.

use tagpost_core::call::Call;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::protocol::tagpost_v1::{parse_ack_body, parse_nack_body, parse_progress_body};
use tagpost_core::publish::WAIT;

use super::Exchange;
use super::input::PAGE;
use crate::auth::Caller;
use crate::respond::{Error, Response};

/// The longest body of an acknowledgement, in bytes: 4 KiB of JSON, however it is spaced and escaped.
const LONGEST_ANSWER: usize = 32_768;

/// `GET /v1/inbox`
pub(super) async fn take(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    let claims = caller.device()?;
    let query = exchange.query()?;
    let limit = query.number("limit", exchange.config.limits.max_in_flight, PAGE)?;
    let wait = query.number("wait", 0, WAIT)?;
    exchange.ask_own(claims, Call::Inbox { limit, wait }).await
}

/// `GET /v1/devices/{device}/inbox`
pub(super) async fn list(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let sight = caller.sight();
    let caller = caller.reading().admin_or(&device)?;
    let query = exchange.query()?;
    let (after, limit) = (query.cursor()?, query.limit()?);
    let payload = sight.allow(query.flag("payload")?)?;
    let call = Call::Waiting {
        limit,
        after,
        payload,
    };
    exchange.ask_of(device, caller, call).await
}

/// `POST /v1/inbox/{id}/ack`
pub(super) async fn ack(
    exchange: Exchange,
    caller: Caller,
    id: MessageId,
) -> Result<Response, Error> {
    let claims = caller.device()?;
    let body = exchange.body(LONGEST_ANSWER).await?;
    let reply = parse_ack_body(&body)?;
    exchange.ask_own(claims, Call::Ack { id, reply }).await
}

/// `POST /v1/inbox/{id}/nack`
pub(super) async fn nack(
    exchange: Exchange,
    caller: Caller,
    id: MessageId,
) -> Result<Response, Error> {
    let claims = caller.device()?;
    let body = exchange.body(LONGEST_ANSWER).await?;
    let reason = parse_nack_body(&body)?;
    exchange.ask_own(claims, Call::Nack { id, reason }).await
}

/// `POST /v1/inbox/{id}/progress`
pub(super) async fn progress(
    exchange: Exchange,
    caller: Caller,
    id: MessageId,
) -> Result<Response, Error> {
    let claims = caller.device()?;
    let body = exchange.body(LONGEST_ANSWER).await?;
    let (seconds, note) = parse_progress_body(&body)?;
    let call = Call::Progress { id, seconds, note };
    exchange.ask_own(claims, call).await
}
