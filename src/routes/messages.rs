//! Messages as their sender and the operator see them: publish, trace, list, cancel. The sender's mailbox answers all of
//! them.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use tagpost_core::call::{Call, ListedState};
use tagpost_core::delivery::State;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::publish::{DELIVER_AT, Draft, WAIT, matching};
use tagpost_core::trace;

use super::sender::Senders;
use super::{Exchange, input};
use crate::auth::Caller;
use crate::directory;
use crate::respond::{Error, Response};
use crate::stub;

/// `POST /v1/tags/{tag}/messages` and `POST /v1/devices/{device}/messages`; `POST /v1/messages`, where the header `To`
/// says to whom.
pub(super) async fn publish(
    exchange: Exchange,
    caller: Caller,
    to: Option<Target>,
) -> Result<Response, Error> {
    let claims = caller.device()?;
    let to = to.map_or_else(
        || matching("To", exchange.header("To").unwrap_or_default()),
        Ok,
    )?;
    if !claims.may_publish(&to) {
        return Err(may_not_publish().into());
    }
    let longest = exchange.config.limits.max_payload_bytes as usize;
    let (wait, when, draft) = {
        let body = exchange.body(longest).await?;
        let header = |name: &str| exchange.header(name);
        let draft = Draft::from_http(header, &body, &exchange.config.limits)?;
        draft.check_targets(|to| claims.may_publish(to))?;
        let draft = draft.at(crate::clock(), DELIVER_AT)?;
        (draft.wait, draft.when, stub::enclose(&draft)?)
    };
    // The devices of a scheduled message are looked up at its time.
    let devices = match when {
        Some(_) => Vec::new(),
        None => addresses(&exchange, &to).await?,
    };
    let call = Call::Publish { to, devices, wait };
    exchange.ask_own_with(claims, call, Some(draft)).await
}

/// The problem of a token that does not permit the target.
pub(super) fn may_not_publish() -> Problem {
    let detail = "the token's `publish` patterns do not match this target";
    Problem::new(Code::Forbidden, detail)
}

/// The devices of `to`, at most one more than a publish may reach. The sender's mailbox refuses too few or too
/// many, once it has checked the token.
pub(super) async fn addresses(exchange: &Exchange, to: &Target) -> Result<Vec<DeviceId>, Error> {
    let limit = exchange.config.limits.max_fanout.saturating_add(1);
    let targets = std::slice::from_ref(to);
    let found = directory::resolve(&exchange.directory()?, targets, limit).await?;
    Ok(found.devices(to))
}

/// `GET /v1/messages/{id}`
pub(super) async fn trace(
    exchange: Exchange,
    caller: Caller,
    id: MessageId,
) -> Result<Response, Error> {
    let query = exchange.query()?;
    let wait = query.number("wait", 0, WAIT)?;
    let (after, limit) = (
        query.cursor()?,
        query.number("limit", trace::MAX_PAGE_DELIVERIES, input::PAGE)?,
    );
    let call = Call::Trace {
        id,
        wait,
        after,
        limit,
    };
    let senders = Senders::of(&exchange, caller.reading(), id).await?;
    senders.ask(&exchange, &call).await
}

/// `GET /v1/messages`
pub(super) async fn list(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    let claims = caller.device()?;
    let call = list_call(&exchange)?;
    exchange.ask_own(claims, call).await
}

/// `GET /v1/devices/{device}/messages`
pub(super) async fn list_of(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let caller = caller.reading().admin_or(&device)?;
    let call = list_call(&exchange)?;
    exchange.ask_of(device, caller, call).await
}

/// The call for the messages that a request asks for.
fn list_call(exchange: &Exchange) -> Result<Call, Error> {
    let query = exchange.query()?;
    let state = query.text("state")?.map(state).transpose()?;
    let (limit, before) = (query.limit()?, query.cursor()?);
    Ok(Call::Messages {
        state,
        limit,
        before,
    })
}

/// `DELETE /v1/messages/{id}`
pub(super) async fn cancel(
    exchange: Exchange,
    caller: Caller,
    id: MessageId,
) -> Result<Response, Error> {
    let senders = Senders::of(&exchange, caller, id).await?;
    senders.ask(&exchange, &Call::Cancel { id }).await
}

/// The state with this name.
fn state(name: &str) -> Result<ListedState, Problem> {
    if name == "scheduled" {
        return Ok(ListedState::Scheduled);
    }
    let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        name.into_deserializer();
    State::deserialize(name)
        .map(ListedState::Delivery)
        .map_err(|error| Problem::bad_request(format!("state: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_known_by_its_name_alone() {
        let delivery = |state| Ok(ListedState::Delivery(state));
        assert_eq!(state("held"), delivery(State::Held));
        assert_eq!(state("undeliverable"), delivery(State::Undeliverable));
        assert_eq!(state("scheduled"), Ok(ListedState::Scheduled));
        for name in ["", "Scheduled", "Held", "0", "gone"] {
            let problem = state(name).unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{name:?}");
            assert!(problem.detail.starts_with("state: "), "{problem}");
        }
    }
}
