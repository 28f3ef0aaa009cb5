//! tagpost's Worker: the thin shell around the core. It routes and authenticates requests, keeps the directory
//! in D1, and passes everything about a message to the mailbox that decides it.
//!
//! A request is checked in this order, and answered at the first check that fails: the path and method exist,
//! the credential is valid, its bearer has the permission, the request is well formed. Only then is storage read or
//! a mailbox called.

// These panic, too; clippy.toml has no setting that allows them in tests.
#![cfg_attr(
    not(test),
    deny(clippy::string_slice, clippy::unreachable, clippy::unimplemented)
)]

mod auth;
mod config;
mod directory;
mod fault;
mod log;
mod mailbox;
mod openapi;
mod respond;
mod route;
mod routes;
mod stub;
mod vapid;

use std::pin::Pin;

use js_sys::futures::future_to_promise;
use js_sys::{Array, Promise};
use tagpost_core::problem::Problem;
use tagpost_core::time::Millis;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::web_sys;

use crate::config::Config;
use crate::respond::{Error, Response};
use crate::route::{Found, Miss, Open, Route};
use crate::routes::Exchange;

/// Answers one request, in the form of [`respond::Response`].
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request, env: Env) -> Promise {
    promise(async move {
        // A second handle of the same request: `request.clone()`, a method of the web API, would copy its body.
        let answer = answer(Clone::clone(&request), env).await;
        routes::finish(&request).await;
        Ok(answer.unwrap_or_else(Error::into_response).into())
    })
}

/// The next part of a body that goes on, and the state for the one after it, in an array; null if the body ends.
#[wasm_bindgen(js_name = nextPart)]
pub fn next_part(state: String, env: Env) -> Promise {
    promise(async move {
        Ok(match routes::next_part(&state, &env).await {
            Some((part, state)) => Array::of2(&part.into(), &state.into()).into(),
            None => JsValue::NULL,
        })
    })
}

/// A promise of a future's result. Boxed, all futures have one type, so that the code that drives them is
/// compiled once.
fn promise(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let future: Pin<Box<dyn Future<Output = _>>> = Box::pin(future);
    future_to_promise(future)
}

/// The platform's time.
fn clock() -> Millis {
    js_sys::Date::now() as Millis
}

pub(crate) async fn answer(request: web_sys::Request, env: Env) -> Result<Response, Error> {
    let found = route::route(&request.method(), path(&request.url()));
    match (found, Config::from_env(&env)) {
        (Ok(Found::Open(Open::Health)), _) => Ok(routes::health()),
        (Ok(Found::Open(Open::Console)), _) => routes::console(&request, &env).await,
        (Ok(Found::Open(Open::Phone)), _) => Ok(routes::phone()),
        (_, Err(misconfigured)) => Err(misconfigured),
        // Without `PUSH_KEY`, not even the methods of the path may be seen.
        (_, Ok(config)) if config.push_keys.is_none() && route::is_sealed(path(&request.url())) => {
            Err(Miss::NotFound.into())
        }
        (Err(miss), _) => Err(miss.into()),
        (Ok(Found::Preflight { allow }), _) if route::is_web_push(path(&request.url())) => {
            Ok(routes::push_preflight(&allow))
        }
        (Ok(Found::Open(Open::Description)), _) => Ok(openapi::description()),
        (Ok(Found::Open(Open::Pair)), Ok(config)) => {
            Exchange::new(request, env, config).pair().await
        }
        (Ok(Found::Open(Open::WakeKey)), Ok(config)) => routes::wake_key(&config).await,
        (Ok(Found::Preflight { allow }), _) => Ok(preflight(&allow)),
        (Ok(Found::Sealed(route)), Ok(config)) => {
            let keys = config.push_keys.clone();
            let exchange = Exchange::new(request, env, config);
            match keys {
                Some(keys) => Ok(exchange.serve_sealed(route, &keys).await),
                None => Err(Miss::NotFound.into()),
            }
        }
        (Ok(Found::Guarded(route)), Ok(config)) => {
            let exchange = Exchange::new(request, env, config);
            let caller = exchange.caller(matches!(route, Ok(Route::Connect | Route::Watch(_))))?;
            let route = route.map_err(|name| Problem::bad_request(name.to_string()))?;
            exchange.serve(route, caller).await
        }
    }
}

/// The path of a URL as the runtime writes it: absolute, and with a `/` after the host.
fn path(url: &str) -> &str {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = host.find('/').and_then(|start| host.get(start..));
    let path = path.unwrap_or("/");
    path.split(['?', '#']).next().unwrap_or(path)
}

/// The answer to a browser's preflight (CORS).
fn preflight(allow: &str) -> Response {
    let headers = [
        ("access-control-allow-methods", allow),
        (
            "access-control-allow-headers",
            "authorization, content-type, to, ttl, topic, urgency, prefer, idempotency-key, echo, acks-needed, escalate, delay, deliver-at",
        ),
        ("access-control-max-age", "86400"),
    ];
    headers
        .into_iter()
        .fold(respond::empty(204), |response, (name, value)| {
            respond::with(response, name, value.to_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_url_is_what_stands_between_host_and_query() {
        for (url, expected) in [
            (
                "https://relay.example/v1/tags/a%2Fb?limit=1",
                "/v1/tags/a%2Fb",
            ),
            ("http://127.0.0.1:8787/?next=/v1/", "/"),
            ("http://[::1]:8787/health", "/health"),
            ("https://relay.example", "/"),
        ] {
            assert_eq!(path(url), expected, "{url}");
        }
    }
}
