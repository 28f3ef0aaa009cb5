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

use worker::{Context, Env, Request, Response, ResponseBody, event};

use crate::config::Config;
use crate::respond::{Error, set};
use crate::route::{Miss, Route};
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
    let found = match route::route(&request.inner().method(), &request.path()) {
        Ok(Route::Health) => return Ok(routes::health()),
        Ok(Route::Preflight { allow }) => return Ok(preflight(&allow)),
        found => found,
    };
    let config = Config::from_env(&env)?;
    let found = match found {
        Ok(Route::OpenApi) => return Ok(routes::openapi()),
        Err(miss @ (Miss::NotFound | Miss::MethodNotAllowed { .. })) => return Err(miss.into()),
        found => found,
    };
    let exchange = Exchange::new(request, env, config);
    let caller = exchange.caller(matches!(found, Ok(Route::Connect)))?;
    exchange.serve(found?, caller).await
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
