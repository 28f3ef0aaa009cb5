//! Knocking at a device: a push without a body (RFC 8030), signed by this service (RFC 8292).
//!
//! It carries nothing of a message. Redirects are not followed, and a push service that does not answer is left
//! alone after [`TIMEOUT`]. A channel of the service itself is not reached over the network: the request is answered
//! here, as if it had come in at the front door.

use std::rc::Rc;
use std::time::Duration;

use tagpost_core::mailbox::Input;
use tagpost_core::message::Urgency;
use tagpost_core::wake::{Destination, Endpoint, KnockAnswer, SubscriptionId};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::web_sys;

use super::Object;
use crate::config::Config;
use crate::{log, vapid};

/// How long a push service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

#[wasm_bindgen(module = "/src/knock.js")]
extern "C" {
    /// A request of this service to a push service.
    #[wasm_bindgen(catch)]
    fn request(
        url: &str,
        ttl: u32,
        urgency: &str,
        authorization: &str,
    ) -> Result<web_sys::Request, JsValue>;

    /// The status of its answer and the seconds of its `Retry-After`, if it has one.
    #[wasm_bindgen(catch)]
    async fn send(request: web_sys::Request, limit: f64) -> Result<JsValue, JsValue>;
}

/// A push without a body.
pub(super) struct Knock {
    pub(super) endpoint: Endpoint,
    pub(super) origin: String,
    pub(super) ttl: u32,
    pub(super) urgency: Urgency,
}

impl Object {
    /// Sends a knock, and passes the answer to the mailbox.
    pub(super) fn knock(self: &Rc<Self>, subscription: SubscriptionId, number: i64, knock: Knock) {
        let object = Rc::clone(self);
        self.spawn(async move {
            let answer = match object.answer_to(&knock).await {
                Ok((status, retry_after)) => {
                    let answer = KnockAnswer::of(status, retry_after);
                    object.log_knock(&knock, answer, &status.to_string());
                    answer
                }
                Err(error) => {
                    let answer = KnockAnswer::Later(None);
                    object.log_knock(&knock, answer, &crate::respond::cause(&error));
                    answer
                }
            };
            object.event(Input::Knocked {
                subscription,
                number,
                answer,
            })
        });
    }

    /// The status that a knock is answered with, and the seconds of `Retry-After`.
    async fn answer_to(&self, knock: &Knock) -> worker::Result<(u16, Option<u32>)> {
        let config = Config::checked(&self.env)?;
        let vapid = config.vapid.as_ref().ok_or("VAPID_KEY is missing")?;
        let own = config.public_url.as_ref().unwrap_or(&knock.origin);
        let (url, audience) = match knock.endpoint.destination() {
            Destination::Own(sealed) => (format!("{own}/wpush/{sealed}"), own.as_str()),
            Destination::Elsewhere { url, origin } => (url.to_owned(), origin),
        };
        let authorization = vapid::authorization(vapid, audience, own).await?;
        let request = request(&url, knock.ttl, knock.urgency.as_str(), &authorization);
        let request = request.map_err(|thrown| name_of(&thrown))?;
        if let Destination::Own(_) = knock.endpoint.destination() {
            let answer = crate::answer(request, self.env.clone()).await;
            let answer = answer.unwrap_or_else(crate::respond::Error::into_response);
            return Ok((answer.status(), answer.retry_after()));
        }
        let answer = send(request, TIMEOUT.as_millis() as f64).await;
        let answer = answer.map_err(|thrown| name_of(&thrown))?;
        let answer: js_sys::Array = answer.unchecked_into();
        let number = |place| answer.get(place).as_f64();
        let status = number(0).unwrap_or_default() as u16;
        Ok((status, number(1).map(|seconds| seconds as u32)))
    }

    /// Logs what ended a subscription, or kept a knock from being taken. `what` is the status or the error.
    fn log_knock(&self, knock: &Knock, answer: KnockAnswer, what: &str) {
        let event = match answer {
            KnockAnswer::Accepted => return,
            KnockAnswer::Gone => "wake_subscription_gone",
            KnockAnswer::Later(_) => "knock_postponed",
            KnockAnswer::Refused => "knock_refused",
        };
        let device = self.state.id().name().unwrap_or_default();
        let service = match knock.endpoint.destination() {
            Destination::Own(_) => "this service",
            Destination::Elsewhere { origin, .. } => origin,
        };
        log::info(
            event,
            &[("device", &device), ("service", service), ("cause", what)],
        );
    }
}

/// The name of an error, for the log. Its text may repeat the endpoint.
fn name_of(thrown: &JsValue) -> String {
    let name = js_sys::Reflect::get(thrown, &JsValue::from_str("name"));
    let name = name.ok().and_then(|name| name.as_string());
    name.unwrap_or_else(|| "the request failed".to_owned())
}
