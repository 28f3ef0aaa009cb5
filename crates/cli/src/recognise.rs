//! What answers at a URL: asked when a command has failed as it would at another service, with the wrong scheme, or at
//! an older version. Only `/health` is asked, and no credential goes along.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tagpost_client::{Client, Error};
use tokio::time::timeout;

use crate::advice::Failure;

/// How long an answer may take. Somebody waits for an error.
const LIMIT: Duration = Duration::from_secs(3);
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was found.
pub(crate) enum Found {
    /// A tagpost service of this version.
    Tagpost(String),
    /// Something else.
    Another,
    /// Nothing, or nothing that can be told: a proxy, or a service that is starting.
    Unknown,
}

pub(crate) async fn ask(url: &str) -> Found {
    let Ok(client) = Client::new(url, "nobody") else {
        return Found::Unknown;
    };
    let client = client.retry_for(Duration::ZERO);
    match timeout(LIMIT, client.health()).await {
        Ok(Ok(health)) => Found::Tagpost(health.version),
        Ok(Err(error)) if is_another(&error) => Found::Another,
        Ok(Err(_)) | Err(_) => Found::Unknown,
    }
}

/// The same failure, with what explains it, if that can be found out.
pub(crate) async fn explain(url: &str, failure: Failure) -> Failure {
    match ask(url).await {
        Found::Another => another(url),
        Found::Tagpost(version) if version != VERSION && failure.is_refused() => failure
            .advise_as_well(format!(
                "The service has the version {version} and this command {VERSION}: it may be too old for this."
            )),
        Found::Tagpost(_) => failure,
        Found::Unknown => match there(url).await {
            Some(hint) => failure.advise_as_well(hint),
            None => failure,
        },
    }
}

/// Something else answers at this URL.
pub(crate) fn another(url: &str) -> Failure {
    Failure::of_kind(
        "not_tagpost",
        format!("what answers at {url} is not a tagpost service"),
    )
    .advise("Is the URL right? It comes from `tagpost login` or TAGPOST_URL.")
}

/// Whether a tagpost service answers with the other scheme: what to do then.
pub(crate) async fn there(url: &str) -> Option<String> {
    let other = other_scheme(url)?;
    match ask(&other).await {
        Found::Tagpost(_) => Some(format!(
            "A tagpost service answers at {other}: use that URL."
        )),
        Found::Another | Found::Unknown => None,
    }
}

/// `/health` is there in every version, and is never refused.
fn is_another(error: &Error) -> bool {
    match error {
        Error::NotUnderstood { .. } => true,
        Error::Refused(problem) => matches!(problem.status, 400 | 404 | 405 | 410 | 501),
        _ => false,
    }
}

/// The same URL with the other scheme. Nobody is led from https to http but on an address of their own network: whoever
/// can block one could answer on the other.
fn other_scheme(url: &str) -> Option<String> {
    if let Some(rest) = url.strip_prefix("http://") {
        return Some(format!("https://{rest}"));
    }
    let rest = url.strip_prefix("https://")?;
    let host = rest.split('/').next().unwrap_or_default();
    let is_address = host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok();
    let is_local = host == "localhost" || host.starts_with("localhost:");
    (is_address || is_local).then(|| format!("http://{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_from_https_to_http_on_another_network() {
        for (url, expected) in [
            ("http://push.example.com", Some("https://push.example.com")),
            (
                "https://127.0.0.1:8787/push",
                Some("http://127.0.0.1:8787/push"),
            ),
            ("https://[::1]:8787", Some("http://[::1]:8787")),
            ("https://localhost:8787", Some("http://localhost:8787")),
            ("https://push.example.com", None),
            ("https://localhost.example.com", None),
            ("push.example.com", None),
        ] {
            assert_eq!(other_scheme(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_proxy_or_a_service_that_starts_is_not_another_service() {
        let refused = |status: u16| {
            let problem = serde_json::json!({ "status": status, "code": "unknown", "detail": "" });
            Error::Refused(serde_json::from_value(problem).unwrap())
        };
        for status in [404, 405, 501] {
            assert!(is_another(&refused(status)), "{status}");
        }
        for status in [308, 401, 403, 407, 429, 500, 502, 503, 504] {
            assert!(!is_another(&refused(status)), "{status}");
        }
        assert!(!is_another(&Error::Silent));
    }
}
