//! Hooks: making them, revoking them, and what is posted to one.
//!
//! The answer to a post has the message's id and nothing else: who may only publish learns nothing of who receives.

use serde::Serialize;
use tagpost_core::call::{Call, Posted};
use tagpost_core::hook::{self, Hook, LONGEST_REQUEST, Revocations};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::via::{self, VIA};
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
    id: MessageId,
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
    let nonce = getrandom::u64().map_err(|error| Error::internal("no_random_bytes", error))?;
    let sealed = keys.seal(&Hook {
        device,
        terms,
        expires_at,
        revocations,
        nonce: nonce.to_be_bytes(),
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
    let hook = keys.open(sealed);
    let hook = hook.filter(|hook: &Hook| !hook.has_expired(exchange.now));
    let hook = hook.ok_or_else(unknown)?;
    let value = exchange.header(VIA).unwrap_or_default();
    if [exchange.origin(), exchange.asked_origin()]
        .iter()
        .any(|origin| via::names(&value, origin))
    {
        let detail = "Tagpost-Via names this service: it would publish what it has sent itself";
        return Err(Problem::new(Code::LoopDetected, detail).into());
    }
    let limits = &exchange.config.limits;
    let (wait, draft) = {
        let body = exchange.body(hook.longest_body(limits)).await?;
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
    answered(posted(answer)?)
}

/// What the mailbox says of a post. Anything else that it answers is not for whoever posts.
fn posted(answer: Response) -> Result<Posted, Error> {
    match answer.status() {
        200 => {
            let text = answer.into_text().unwrap_or_default();
            serde_json::from_str(&text).map_err(|error| Error::OtherVersion(error.to_string()))
        }
        // The device's tokens were revoked.
        401 => Ok(Posted::Ended),
        500 => Err(Problem::new(Code::Internal, "the cause is in the service's log").into()),
        _ => Ok(Posted::Unavailable),
    }
}

/// The answer to whoever posts, who is not told the name of the hook's target.
fn answered(posted: Posted) -> Result<Response, Error> {
    let (code, detail) = match posted {
        Posted::Taken { id, settled } => {
            let status = if settled { 200 } else { 202 };
            return Ok(respond::json(status, &Published { id }));
        }
        // A hook that has ended permits nothing, as one that was never made.
        Posted::Ended => return Err(unknown()),
        Posted::NoTarget => (
            Code::NotFound,
            "the hook publishes to a tag or device that does not exist now",
        ),
        Posted::TagTooLarge => (
            Code::TagTooLarge,
            "the hook publishes to a tag that has too many devices",
        ),
        Posted::OtherMessage => (
            Code::IdempotencyMismatch,
            "the Idempotency-Key was used for another message",
        ),
        Posted::TooMany(seconds) => {
            let detail = "the device of the hook publishes too much";
            let mut problem = Problem::new(Code::TooManyRequests, detail);
            problem.retry_after = Some(seconds);
            return Err(problem.into());
        }
        Posted::Unavailable => return Err(respond::unavailable().into()),
    };
    Err(Problem::new(code, detail).into())
}

/// The problem of a URL that permits nothing.
fn unknown() -> Error {
    Problem::new(Code::NotFound, "there is no such hook").into()
}
