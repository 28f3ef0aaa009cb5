//! The handlers, one file per subject. Each checks the caller, reads the request, and calls the directory and the
//! mailboxes. None decides anything about a delivery.

mod agents;
mod connect;
mod console;
mod devices;
mod failures;
mod grant;
mod hooks;
mod inbox;
mod input;
mod matrix;
mod messages;
mod pairing;
mod push;
mod push_receipts;
mod resend;
mod sender;
mod tags;
mod wake;
mod webhook;

use std::borrow::Cow;
use std::rc::Rc;

use js_sys::JsString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tagpost_core::call::{Call, Request};
use tagpost_core::id::DeviceId;
use tagpost_core::time::Millis;
use tagpost_core::token::Claims;
use tagpost_core::web_push::refusal::Refusal;
use tagpost_core::web_push::seal::Keys;
use worker::worker_sys::web_sys;
use worker::{D1Database, Env};

pub(crate) use self::console::{console, phone};
pub(crate) use self::input::finish;
pub(crate) use self::push::preflight as push_preflight;
pub(crate) use self::push_receipts::next_part;
pub(crate) use self::wake::key as wake_key;
use crate::auth::{Caller, Offer, bearer};
use crate::config::Config;
use crate::respond::{self, Error, Response};
use crate::route::{Miss, Route, Sealed};
use crate::routes::input::{Headers, Query};
use crate::stub::Calls;
use crate::{clock, directory, stub};

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// `GET /health`
pub(crate) fn health() -> Response {
    respond::json(
        200,
        &Health {
            status: "ok",
            version: env!("CARGO_PKG_VERSION"),
        },
    )
}

/// One request, with all that is needed to answer it.
pub(crate) struct Exchange {
    env: Env,
    config: Rc<Config>,
    request: web_sys::Request,
    headers: Headers,
    now: Millis,
}

impl Exchange {
    /// An exchange for this request.
    pub(crate) fn new(request: web_sys::Request, env: Env, config: Rc<Config>) -> Self {
        Self {
            env,
            config,
            headers: Headers::of(&request),
            request,
            now: clock(),
        }
    }

    /// Authenticates the caller. A WebSocket handshake may carry its credential as a subprotocol.
    pub(crate) fn caller(&self, is_handshake: bool) -> Result<Caller, Error> {
        let authorization = self.header("authorization");
        let protocols = self.header("sec-websocket-protocol");
        let credential = match &authorization {
            Some(header) => bearer(header).map(Cow::from),
            None if is_handshake => protocols
                .as_deref()
                .and_then(|header| Offer::read(header).token),
            None => None,
        };
        let credential = credential.as_deref();
        Ok(Caller::authenticate(credential, &self.config, self.now)?)
    }

    /// Answers the `caller`'s request.
    pub(crate) async fn serve(self, route: Route, caller: Caller) -> Result<Response, Error> {
        match route {
            Route::ListDevices => devices::list(self, caller).await,
            Route::PutDevice(device) => devices::put(self, caller, device).await,
            Route::GetDevice(device) => devices::get(self, caller, device).await,
            Route::DeleteDevice(device) => devices::delete(self, caller, device).await,
            Route::RevokeTokens(device) => devices::revoke(self, caller, device).await,
            Route::RevokeToken(device, id) => devices::revoke_one(self, caller, device, id).await,
            Route::IssueCode(device) => pairing::issue(self, caller, device).await,
            Route::ListWaiting(device) => inbox::list(self, caller, device).await,
            Route::ListTags => tags::list(self, caller).await,
            Route::GetTag(tag) => tags::get(self, caller, tag).await,
            Route::Bind(tag, device) => tags::change(self, caller, tag, device, true).await,
            Route::Unbind(tag, device) => tags::change(self, caller, tag, device, false).await,
            Route::Publish(target) => messages::publish(self, caller, Some(target)).await,
            Route::PublishToMatch => messages::publish(self, caller, None).await,
            Route::Trace(id) => messages::trace(self, caller, id).await,
            Route::ListMessages => messages::list(self, caller).await,
            Route::Cancel(id) => messages::cancel(self, caller, id).await,
            Route::Resend(id) => resend::resend(self, caller, id).await,
            Route::GetPayload(id) => resend::get_payload(self, caller, id).await,
            Route::ListSent(device) => messages::list_of(self, caller, device).await,
            Route::ListFailures => failures::list(self, caller).await,
            Route::Overview => failures::overview(self, caller).await,
            Route::PushUrl(device) => agents::url(self, caller, device).await,
            Route::ListChannels(device) => agents::channels(self, caller, device).await,
            Route::RemoveChannels(device, channel) => {
                agents::remove(self, caller, device, channel).await
            }
            Route::MakeHook(device) => hooks::make(self, caller, device).await,
            Route::RevokeHooks(device) => hooks::revoke(self, caller, device).await,
            Route::ListSubscriptions(device) => wake::list(self, caller, device).await,
            Route::Subscribe(device) => wake::subscribe(self, caller, device).await,
            Route::Unsubscribe(device, id) => wake::unsubscribe(self, caller, device, id).await,
            Route::PutWebhook(device) => webhook::put(self, caller, device).await,
            Route::GetWebhook(device) => webhook::get(self, caller, device).await,
            Route::RemoveWebhook(device) => webhook::remove(self, caller, device).await,
            Route::RotateWebhook(device) => webhook::rotate(self, caller, device).await,
            Route::TestWebhook(device) => webhook::test(self, caller, device).await,
            Route::Connect => connect::connect(self, caller).await,
            Route::Watch(device) => connect::watch(self, caller, device).await,
            Route::Inbox => inbox::take(self, caller).await,
            Route::Ack(id) => inbox::ack(self, caller, id).await,
            Route::Nack(id) => inbox::nack(self, caller, id).await,
            Route::Progress(id) => inbox::progress(self, caller, id).await,
        }
    }

    /// Answers a request whose permission is the pairing code in its body.
    pub(crate) async fn pair(self) -> Result<Response, Error> {
        pairing::exchange(self).await
    }

    /// Answers a request whose URL is its permission.
    pub(crate) async fn serve_sealed(self, route: Sealed, keys: &Keys) -> Response {
        let answer: Result<Response, Refusal> = match route {
            Sealed::Agent(sealed) => agents::connect(&self, keys, &sealed).await,
            Sealed::Push(sealed) => push::publish(&self, keys, &sealed).await,
            Sealed::Discover(sealed) => push::discover(keys, &sealed),
            Sealed::CancelPush(sealed) => push::cancel(&self, keys, &sealed).await,
            Sealed::PushState(sealed) => push_receipts::state(&self, keys, &sealed).await,
            Sealed::PushReceipts(sealed) => push_receipts::list(&self, keys, &sealed).await,
            Sealed::DropPushReceipts(sealed) => push_receipts::drop(&self, keys, &sealed).await,
            Sealed::Hook(sealed) => {
                let published = hooks::publish(&self, keys, &sealed).await;
                Ok(published.unwrap_or_else(Error::into_response))
            }
            Sealed::Matrix => Ok(matrix::notify(&self, keys).await),
            Sealed::DiscoverMatrix => Ok(matrix::discover()),
        };
        answer.unwrap_or_else(|refusal| push::refused(&refusal, &self.origin()))
    }

    /// Where clients reach the service: `PUBLIC_URL`, or the origin of this request.
    fn origin(&self) -> String {
        let configured = self.config.public_url.clone();
        configured.unwrap_or_else(|| self.asked_origin())
    }

    /// The origin that this request was sent to.
    fn asked_origin(&self) -> String {
        origin_of(&self.request.url()).to_owned()
    }

    /// A call of the service itself.
    fn request_of(&self, device: DeviceId, call: Call) -> Request {
        Request {
            device,
            caller: None,
            call,
        }
    }

    /// What seals URLs; without it there are none of these paths.
    fn push_keys(&self) -> Result<&Keys, Error> {
        let keys = self.config.push_keys.as_deref();
        keys.ok_or_else(|| Miss::NotFound.into())
    }

    /// A header of the request; see [`Headers::get`].
    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)
    }

    /// The body of the request, if it has at most `longest` bytes.
    async fn body(&self, longest: usize) -> Result<Vec<u8>, Error> {
        input::body(&self.request, self.header("content-encoding"), longest).await
    }

    /// The fault to inject, in builds that allow it.
    fn fault(&self) -> Option<String> {
        cfg!(feature = "fault-injection")
            .then(|| self.header("tagpost-fault"))
            .flatten()
    }

    /// The query parameters of the request.
    fn query(&self) -> Result<Query, Error> {
        Ok(Query::read(&self.request.url()))
    }

    fn directory(&self) -> Result<D1Database, Error> {
        Ok(directory::database(&self.env)?)
    }

    /// Calls the mailbox of `device`, for the service itself or for the `caller` that owns it.
    async fn ask_for<T: DeserializeOwned>(
        &self,
        device: &DeviceId,
        caller: Option<Claims>,
        call: Call,
    ) -> Result<T, Error> {
        let device = device.clone();
        let request = Request {
            device,
            caller,
            call,
        };
        stub::ask_for(&Calls::new(&self.env), request).await
    }

    /// Calls the caller's own mailbox, which also checks revocation, and passes its answer on.
    async fn ask_own(&self, caller: Claims, call: Call) -> Result<Response, Error> {
        self.ask_own_with(caller, call, None).await
    }

    /// The same, with a text beside the call.
    async fn ask_own_with(
        &self,
        caller: Claims,
        call: Call,
        enclosed: Option<JsString>,
    ) -> Result<Response, Error> {
        let device = caller.device.clone();
        self.ask_with(device, Some(caller), call, enclosed).await
    }

    /// Calls the mailbox of `device`, for the admin or for the `caller` that owns it, and passes its answer on.
    async fn ask_of(
        &self,
        device: DeviceId,
        caller: Option<Claims>,
        call: Call,
    ) -> Result<Response, Error> {
        self.ask_with(device, caller, call, None).await
    }

    /// The same, with a text beside the call.
    async fn ask_with(
        &self,
        device: DeviceId,
        caller: Option<Claims>,
        call: Call,
        enclosed: Option<JsString>,
    ) -> Result<Response, Error> {
        let request = Request {
            device,
            caller,
            call,
        };
        stub::call(&Calls::new(&self.env), request, enclosed, self.fault()).await
    }
}

/// The origin of an absolute URL.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let rest = url.get(host..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.get(..host + end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_a_url_is_its_scheme_and_host() {
        for (url, origin) in [
            ("https://push.example/wpush/abc?x=/", "https://push.example"),
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
            ("http://[::1]:80/push/a", "http://[::1]:80"),
        ] {
            assert_eq!(origin_of(url), origin);
        }
    }
}
