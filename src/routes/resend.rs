//! Sending a message again, and reading its payload. The payload is in the mailboxes of recipients, three of which are
//! asked at most.

use std::iter;

use tagpost_core::call::Call;
use tagpost_core::failure::{PayloadSources, ResendPlan};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::message::Message;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::publish::{Draft, ResendRequest};

use super::Exchange;
use super::sender::Senders;
use crate::auth::Caller;
use crate::respond::{self, Error, Response};
use crate::stub;

/// How many bytes a device takes in a body at most, and the rest of the body.
const NAME_BYTES: usize = 100;

/// `POST /v1/messages/{id}/resend`
pub(super) async fn resend(
    exchange: Exchange,
    caller: Caller,
    id: MessageId,
) -> Result<Response, Error> {
    let most = exchange.config.limits.max_fanout;
    let longest = (most as usize + 1).saturating_mul(NAME_BYTES);
    let body = exchange.body(longest).await?;
    let header = |name: &str| exchange.header(name);
    let request = ResendRequest::from_http(id, header, &body, most)?;
    let call = Call::PlanResend {
        resend: request.resend.clone(),
        key: request.key.clone(),
    };
    let senders = Senders::of(&exchange, caller, id).await?;
    let (sender, plan) = senders.find(&exchange, &call).await?;
    let (to, steps, ttl, devices, sources) = match plan {
        ResendPlan::Send {
            to,
            steps,
            ttl,
            devices,
            sources,
        } => (to, steps, ttl, devices, sources),
        ResendPlan::Repeated {
            id,
            is_settled,
            answer,
        } => {
            let status = if is_settled { 200 } else { 202 };
            let answer = respond::json_text(status, answer);
            return Ok(respond::with(answer, "location", format!("../{id}")));
        }
    };
    if let Some(claims) = &sender.claims
        && !iter::once(&to)
            .chain(&steps)
            .all(|to| claims.may_publish(to))
    {
        let detail =
            "the token's `publish` patterns do not match every target that this message went to";
        return Err(Problem::new(Code::Forbidden, detail).into());
    }
    let message = payload(&exchange, sources, &sender.device, id).await?;
    let draft = Draft::again(message, ttl, request);
    let wait = draft.wait;
    let call = Call::Publish { to, devices, wait };
    let draft = stub::enclose(&draft)?;
    exchange
        .ask_with(sender.device, sender.claims, call, Some(draft))
        .await
}

/// `GET /v1/messages/{id}/payload`
pub(super) async fn get_payload(
    exchange: Exchange,
    caller: Caller,
    id: MessageId,
) -> Result<Response, Error> {
    let senders = Senders::of(&exchange, caller, id).await?;
    let (sender, sources) = senders.find(&exchange, &Call::FindPayload { id }).await?;
    let message = payload(&exchange, sources, &sender.device, id).await?;
    let bytes = message.payload_bytes().ok_or_else(gone)?;
    Ok(respond::bytes(&message.content_type, &bytes))
}

/// The message with its payload, from the first mailbox that has it.
async fn payload(
    exchange: &Exchange,
    sources: PayloadSources,
    sender: &DeviceId,
    id: MessageId,
) -> Result<Message, Error> {
    if let Some(message) = sources.message {
        return Ok(*message);
    }
    let mut unreached = None;
    for device in &sources.devices {
        let call = Call::GetPayload {
            id,
            from: sender.clone(),
        };
        match exchange
            .ask_for::<Option<Message>>(device, None, call)
            .await
        {
            Ok(Some(message)) => return Ok(message),
            Ok(None) => {}
            Err(error) => unreached = Some(error),
        }
    }
    // One that could not be asked may have it.
    Err(unreached.unwrap_or_else(|| gone().into()))
}

fn gone() -> Problem {
    let detail = "no mailbox keeps the payload of this message any more";
    Problem::new(Code::PayloadGone, detail)
}
