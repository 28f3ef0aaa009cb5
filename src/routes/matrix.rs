//! The push gateway for Matrix homeservers (Matrix specification, "Push Gateway API"), as UnifiedPush describes it: for
//! apps whose homeserver cannot encrypt.
//!
//! Whoever has an endpoint may publish to it this way, too: the `pushkey` is the permission. An endpoint that is bound
//! to a key takes none of these notifications, since homeservers do not sign.

use futures_util::future::join_all;
use serde::Serialize;
use tagpost_core::call::Pushed;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::web_push::matrix::{MAX_NOTIFICATION, MatrixError, Notification};
use tagpost_core::web_push::seal::{Keys, PushUrl};

use super::Exchange;
use super::push::deliver;
use crate::respond::{self, Error, Response};
use crate::stub;

/// `Retry-After` if a message could not be taken, in seconds.
const RETRY_AFTER: &str = "60";

#[derive(Serialize)]
struct Answer {
    /// The endpoints to which nothing will ever be delivered.
    rejected: Vec<String>,
}

/// `GET /_matrix/push/v1/notify`: says that this is a gateway.
pub(super) fn discover() -> Response {
    let body = r#"{"unifiedpush":{"gateway":"matrix"}}"#;
    respond::json_text(200, body.to_owned())
}

/// `POST /_matrix/push/v1/notify`
pub(super) async fn notify(exchange: &Exchange, keys: &Keys) -> Response {
    match publish(exchange, keys).await {
        Ok(rejected) => respond::json(200, &Answer { rejected }),
        Err(error) => {
            let response = respond::json_text(error.status, error.to_json());
            match error.status {
                503 => respond::with(response, "retry-after", RETRY_AFTER.to_owned()),
                415 => respond::with(response, "accept-encoding", "identity".to_owned()),
                _ => response,
            }
        }
    }
}

/// Publishes a notification to all its devices. Returns the endpoints that the homeserver is to forget.
async fn publish(exchange: &Exchange, keys: &Keys) -> Result<Vec<String>, MatrixError> {
    let body = exchange.body(MAX_NOTIFICATION).await.map_err(unread)?;
    let Notification { pushkeys, draft } = Notification::read(&body)?;
    drop(body);
    let start = format!("{}/wpush/", exchange.origin());
    let endpoint = |pushkey: &str| -> Option<PushUrl> {
        let url: PushUrl = keys.open(pushkey.strip_prefix(&start)?)?;
        url.key.is_none().then_some(url)
    };
    let draft = stub::enclose(&draft).map_err(unread)?;
    let wait = exchange.config.limits.push_wait_ms;
    let pushes = pushkeys.into_iter().map(|pushkey| {
        let (url, draft) = (endpoint(&pushkey), draft.clone());
        async move {
            let taken = match &url {
                Some(url) => deliver(exchange, url, wait, draft).await,
                None => Ok(Pushed::NoChannel),
            };
            (pushkey, taken)
        }
    });
    let mut rejected = Vec::new();
    for (pushkey, taken) in join_all(pushes).await {
        match taken {
            Ok(Pushed::Taken(_)) => {}
            Ok(Pushed::NoChannel | Pushed::NoDevice) => rejected.push(pushkey),
            Ok(Pushed::TooMany(_) | Pushed::Full) => {
                return Err(later("a device takes no more messages at the moment"));
            }
            Err(_) => return Err(later("a device's mailbox could not be reached")),
        }
    }
    Ok(rejected)
}

/// A device does not take the message now. The homeserver tries again, and must not forget any endpoint.
fn later(error: &str) -> MatrixError {
    MatrixError::new(503, "M_LIMIT_EXCEEDED", error)
}

/// The body cannot be read. A failure inside is logged here.
fn unread(error: Error) -> MatrixError {
    error.log();
    match error {
        Error::Problem(Problem {
            code: Code::PayloadTooLarge,
            ..
        }) => MatrixError::too_large(MAX_NOTIFICATION),
        Error::Problem(problem) => {
            MatrixError::new(problem.code.status(), "M_UNKNOWN", problem.detail)
        }
        _ => MatrixError::new(500, "M_UNKNOWN", "the cause is in the service's log"),
    }
}
