//! Hooks: making them, revoking them, and what is posted to one.
//!
//! The answer to a post has the message's id and nothing else: who may only publish learns nothing of who receives.

use serde::Serialize;
use serde_json::Value;
use tagpost_core::call::Call;
use tagpost_core::hook::{self, Hook, LONGEST_REQUEST, Revocations, VIA, is_loop};
use tagpost_core::id::DeviceId;
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::web_push::seal::Keys;

use super::{Exchange, messages};
use crate::auth::Caller;
use crate::respond::{self, Error, Response};
use crate::stub;

/// The answer to [`make`].
#[derive(Serialize)]
struct Made {
    url: String,
}

/// The answer to [`publish`].
#[derive(Serialize)]
struct Published {
    id: String,
}

/// `POST /v1/devices/{device}/hooks`
pub(super) async fn make(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let keys = exchange.push_keys()?;
    let caller = caller.admin_or(&device)?;
    let terms = hook::read(&exchange.body(LONGEST_REQUEST).await?)?;
    let to = Target::from(terms.to.clone());
    if caller
        .as_ref()
        .is_some_and(|claims| !claims.may_publish(&to))
    {
        return Err(messages::may_not_publish().into());
    }
    // The hook does not outlive the token that it was made with.
    let expires_at = caller.as_ref().and_then(|claims| claims.expires_at);
    let revocations: Revocations = exchange.ask_for(&device, caller, Call::Revocations).await?;
    let sealed = keys.seal(&Hook {
        device,
        terms,
        expires_at,
        revocations,
    });
    let url = format!("{}/h/{sealed}", exchange.origin());
    Ok(respond::json(200, &Made { url }))
}

/// `DELETE /v1/devices/{device}/hooks`
pub(super) async fn revoke(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    exchange.push_keys()?;
    let caller = caller.admin_or(&device)?;
    exchange.ask_of(device, caller, Call::RevokeHooks).await
}

/// `POST /h/{sealed}`
pub(super) async fn publish(
    exchange: &Exchange,
    keys: &Keys,
    sealed: &str,
) -> Result<Response, Error> {
    let hook: Hook = keys.open(sealed).ok_or_else(unknown)?;
    let via = exchange.header(VIA).unwrap_or_default();
    if [exchange.origin(), exchange.asked_origin()]
        .iter()
        .any(|origin| is_loop(&via, origin))
    {
        let detail = "Tagpost-Via names this service: it would publish what it has sent itself";
        return Err(Problem::new(Code::LoopDetected, detail).into());
    }
    let limits = &exchange.config.limits;
    let (wait, draft) = {
        let body = exchange.body(limits.max_payload_bytes as usize).await?;
        let draft = hook.draft(|name| exchange.header(name), &body, limits)?;
        (draft.wait, stub::enclose(&draft)?)
    };
    let claims = hook.claims();
    let to = Target::from(hook.terms.to);
    let call = Call::PublishFromHook {
        devices: messages::addresses(exchange, &to).await?,
        to,
        wait,
        revocations: hook.revocations.hooks,
    };
    let (device, caller) = (hook.device, Some(claims));
    let answer = exchange.ask_with(device, caller, call, Some(draft)).await?;
    answered(answer)
}

/// What is passed on of a mailbox's answer.
fn answered(answer: Response) -> Result<Response, Error> {
    let status = answer.status();
    match status {
        200 | 202 => {
            let id = member(answer, "id");
            let id = id.ok_or_else(|| Error::OtherVersion("an answer without id".to_owned()))?;
            Ok(respond::json(status, &Published { id }))
        }
        // A hook that was revoked or has expired permits nothing, as one that was never made.
        401 => Err(unknown()),
        // What else these problems say would name the target.
        404 => {
            let detail = "the hook publishes to a tag or device that does not exist now";
            Err(Problem::new(Code::NotFound, detail).into())
        }
        422 => {
            let code = member(answer, "code");
            let is_mismatch = code.as_deref() == Some(Code::IdempotencyMismatch.as_str());
            let (code, detail) = match is_mismatch {
                true => (
                    Code::IdempotencyMismatch,
                    "the Idempotency-Key was used for another message",
                ),
                false => (
                    Code::TagTooLarge,
                    "the hook publishes to a tag that has too many devices",
                ),
            };
            Err(Problem::new(code, detail).into())
        }
        _ => Ok(answer),
    }
}

/// A text in a mailbox's answer.
fn member(answer: Response, name: &str) -> Option<String> {
    let text = answer.into_text()?;
    let answer: Value = serde_json::from_slice(text.as_bytes()).ok()?;
    Some(answer.get(name)?.as_str()?.to_owned())
}

/// The problem of a URL that permits nothing.
fn unknown() -> Error {
    Problem::new(Code::NotFound, "there is no such hook").into()
}
