//! tagpost's Worker: the thin shell around the core. It routes, authenticates, keeps the directory in
//! D1, and hands everything that concerns a message to the mailbox that decides it.
//!
//! What is done for a request is done in this order, and stops at the first that fails: is the path
//! served, by this method; does the credential hold; may its bearer do this; is the request well
//! formed. Only then is storage read or a mailbox called.

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

use tagpost_core::problem::Problem;
use worker::{Context, Env, Request, Response, ResponseBody, event};

use crate::config::Config;
use crate::respond::{Error, set};
use crate::route::{Found, Open, Route};
use crate::routes::Exchange;

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    let is_head = request.inner().method() == "HEAD";
    let response = answer(request, env)
        .await
        .unwrap_or_else(Error::into_response);
    for (name, value) in EVERY_ORIGIN {
        set(&response, name, value);
    }
    if is_head {
        let (head, _) = response.into_parts();
        return Ok(head.body(ResponseBody::Empty));
    }
    Ok(response)
}

/// Any page may call, since a credential travels in a header that the page must have been given, never
/// in a cookie that a browser adds by itself.
const EVERY_ORIGIN: [(&str, &str); 2] = [
    ("access-control-allow-origin", "*"),
    (
        "access-control-expose-headers",
        "location, retry-after, www-authenticate, allow",
    ),
];

async fn answer(request: Request, env: Env) -> Result<Response, Error> {
    let found = route::route(&request.inner().method(), &request.path());
    match (found, Config::from_env(&env)) {
        (Ok(Found::Open(Open::Health)), _) => Ok(routes::health()),
        (_, Err(misconfigured)) => Err(misconfigured),
        (Err(miss), _) => Err(miss.into()),
        (Ok(Found::Open(Open::Description)), _) => Ok(routes::description()),
        (Ok(Found::Preflight { allow }), _) => Ok(preflight(&allow)),
        (Ok(Found::Guarded(route)), Ok(config)) => {
            let exchange = Exchange::new(request, env, config);
            let caller = exchange.caller(matches!(route, Ok(Route::Connect)))?;
            let route = route.map_err(|name| Problem::bad_request(name.to_string()))?;
            exchange.serve(route, caller).await
        }
    }
}

/// What a browser wants to know before it sends a request with these headers.
fn preflight(allow: &str) -> Response {
    let response = respond::empty(204);
    set(&response, "access-control-allow-methods", allow);
    set(
        &response,
        "access-control-allow-headers",
        "authorization, content-type, ttl, topic, urgency, prefer, idempotency-key",
    );
    set(&response, "access-control-max-age", "86400");
    response
}
