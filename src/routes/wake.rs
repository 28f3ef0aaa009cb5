//! Where a device can be knocked, and the key that knocks are signed with. Without `VAPID_KEY` there is none of this.

use serde::Serialize;
use tagpost_core::call::Call;
use tagpost_core::id::DeviceId;
use tagpost_core::wake::{MAX_BODY, Subscription, SubscriptionId};

use super::Exchange;
use crate::auth::Caller;
use crate::config::{Config, Vapid};
use crate::respond::{self, Error, Response};
use crate::route::Miss;
use crate::vapid;

#[derive(Serialize)]
struct WakeKey {
    key: String,
}

/// `GET /v1/wake-key`: what a browser needs to subscribe (`applicationServerKey`).
pub(crate) async fn key(config: &Config) -> Result<Response, Error> {
    let key = vapid::public_key(vapid_of(config)?).await?;
    Ok(respond::json(200, &WakeKey { key }))
}

/// `PUT /v1/devices/{device}/wake`
pub(super) async fn subscribe(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    vapid_of(&exchange.config)?;
    let caller = caller.admin_or(&device)?;
    let body = exchange.body(MAX_BODY).await?;
    let subscription = Subscription::read(&body, &exchange.origin())?;
    exchange
        .ask_of(device, caller, Call::Subscribe(subscription))
        .await
}

/// `GET /v1/devices/{device}/wake`
pub(super) async fn list(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    vapid_of(&exchange.config)?;
    let caller = caller.admin_or(&device)?;
    exchange.ask_of(device, caller, Call::Subscriptions).await
}

/// `DELETE /v1/devices/{device}/wake/{subscription}`, and of all subscriptions.
pub(super) async fn unsubscribe(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
    id: Option<SubscriptionId>,
) -> Result<Response, Error> {
    vapid_of(&exchange.config)?;
    let caller = caller.admin_or(&device)?;
    exchange
        .ask_of(device, caller, Call::Unsubscribe { id })
        .await
}

/// How the service identifies itself; without that there are none of these paths.
fn vapid_of(config: &Config) -> Result<&Vapid, Error> {
    config.vapid.as_ref().ok_or_else(|| Miss::NotFound.into())
}
