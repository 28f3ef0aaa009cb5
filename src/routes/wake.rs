//! Where a device can be knocked, and the key that knocks are signed with. Without `VAPID_KEY` there is none of this.

use serde::Serialize;
use tagpost_core::call::Call;
use tagpost_core::id::DeviceId;
use tagpost_core::problem::Problem;
use tagpost_core::wake::{Destination, Endpoint, MAX_BODY, Subscription, SubscriptionId};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::Exchange;
use crate::auth::Caller;
use crate::config::{Config, Vapid};
use crate::respond::{self, Error, Response};
use crate::route::Miss;
use crate::vapid;

#[wasm_bindgen]
extern "C" {
    /// A URL as the platform reads it (URL Standard, WHATWG).
    #[wasm_bindgen(js_name = URL)]
    type Url;

    #[wasm_bindgen(catch, constructor, js_class = "URL")]
    fn new(text: &str) -> Result<Url, JsValue>;

    #[wasm_bindgen(method, getter, js_class = "URL")]
    fn origin(this: &Url) -> String;
}

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
    let subscription = Subscription::read(&body, &exchange.origin(), &exchange.asked_origin())?;
    check_form(&subscription.endpoint)?;
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
    let caller = caller.reading().admin_or(&device)?;
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

/// Refuses an endpoint that the platform cannot send to, or whose host it writes in another way: two texts could then
/// mean this service.
fn check_form(endpoint: &Endpoint) -> Result<(), Problem> {
    match endpoint.destination() {
        Destination::Elsewhere { url, origin } if !is_written_as_browsers_do(url, origin) => {
            let detail = "endpoint must be a URL with its host as browsers write it";
            Err(Problem::bad_request(detail))
        }
        _ => Ok(()),
    }
}

/// Whether a URL with this origin is written as the platform reads it.
pub(super) fn is_written_as_browsers_do(url: &str, origin: &str) -> bool {
    let usual = if origin.starts_with("https") {
        ":443"
    } else {
        ":80"
    };
    let origin = origin.strip_suffix(usual).unwrap_or(origin);
    Url::new(url).is_ok_and(|read| read.origin() == origin)
}

/// How the service identifies itself; without that there are none of these paths.
fn vapid_of(config: &Config) -> Result<&Vapid, Error> {
    config.vapid.as_ref().ok_or_else(|| Miss::NotFound.into())
}
