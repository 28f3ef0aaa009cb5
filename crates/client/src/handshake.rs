//! The handshake that makes a WebSocket of an HTTP request (RFC 6455, section 4).
//!
//! The connection goes the way that a request of the HTTP client would go: through the proxy that the
//! environment names for the service, if it names one, with the same TLS on top. Through a proxy for HTTP
//! it is always a tunnel (section 4.1), since such a proxy need not pass on an upgrade. A redirect is not
//! followed: it would take the credential elsewhere. Not here: frames, and how long all this may take.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Url;
use rustls::ClientConfig;
use tagpost_core::protocol::tagpost_v1::SUBPROTOCOL;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The most that is read of an answer that refuses the handshake.
const MAX_REFUSAL_BYTES: usize = 65_536;

/// How the service answered.
pub(crate) enum Answer {
    /// From here on both sides speak WebSocket.
    Accepted(TokioIo<Upgraded>),
    /// A status, the headers and the whole body of an answer that says no.
    Refused(StatusCode, HeaderMap, Bytes),
}

/// What went wrong before there was an answer.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A URL of HTTP, as it is asked for: with its port, which a tunnel has to be told.
pub(crate) fn uri(url: &Url) -> Result<Uri, Failure> {
    let authority = format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    );
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let uri = Uri::builder().scheme(url.scheme()).authority(authority);
    Ok(uri.path_and_query(path).build()?)
}

/// Asks for a WebSocket at this [`uri`].
pub(crate) async fn perform(
    uri: Uri,
    headers: HeaderMap,
    proxies: &Matcher,
    tls: &ClientConfig,
) -> Result<Answer, Failure> {
    let key = generate_key();
    let mut request = Request::get(uri.clone()).body(Empty::new())?;
    *request.headers_mut() = headers;
    for (name, value) in [
        (CONNECTION, "Upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_VERSION, "13"),
        (SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL),
    ] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    request
        .headers_mut()
        .insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(&key)?);
    let answer = route(request, proxies, tls).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_REFUSAL_BYTES).collect().await;
        // A status says enough where the rest is too long, or breaks off.
        let body = body.map(http_body_util::Collected::to_bytes);
        return Ok(Answer::Refused(
            head.status,
            head.headers,
            body.unwrap_or_default(),
        ));
    }
    let is = |name, expected: &str| {
        let value = answer.headers().get(name);
        value.is_some_and(|value| value.as_bytes() == expected.as_bytes())
    };
    if !is(SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes())) {
        return Err("the answer to the handshake belongs to another one".into());
    }
    if !is(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(format!("the service does not speak {SUBPROTOCOL}").into());
    }
    let upgraded = hyper::upgrade::on(answer).await?;
    Ok(Answer::Accepted(TokioIo::new(upgraded)))
}

/// Makes the request, through a proxy where the environment names one.
async fn route(
    request: Request<Empty<Bytes>>,
    proxies: &Matcher,
    tls: &ClientConfig,
) -> Result<Response<Incoming>, Failure> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let Some(proxy) = proxies.intercept(request.uri()) else {
        return ask(secured(tls, tcp), request).await;
    };
    let at = proxy.uri().clone();
    match proxy.uri().scheme_str() {
        Some("socks4" | "socks4a") => ask(secured(tls, SocksV4::new(at, tcp)), request).await,
        Some("socks5" | "socks5h") => {
            let socks = SocksV5::new(at, tcp);
            let socks = match proxy.raw_auth() {
                Some((user, password)) => socks.with_auth(user.to_owned(), password.to_owned()),
                None => socks,
            };
            ask(secured(tls, socks), request).await
        }
        _ => {
            let tunnel = Tunnel::new(at, secured(tls, tcp));
            let tunnel = match proxy.basic_auth() {
                Some(authorization) => tunnel.with_auth(authorization.clone()),
                None => tunnel,
            };
            ask(secured(tls, tunnel), request).await
        }
    }
}

/// The same way, with TLS where the URI asks for it.
fn secured<C>(tls: &ClientConfig, way: C) -> HttpsConnector<C> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(way)
}

/// Makes the request over a connection of its own.
async fn ask(
    way: impl Connect + Clone + Send + Sync + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, Failure> {
    let http = Http::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .retry_canceled_requests(false)
        .build(way);
    Ok(http.request(request).await?)
}
