//! One kept-alive HTTP/1.1 connection, for one request at a time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::http::request::Builder;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take. Failures look like hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// A connection to a Worker. The runtime closes one that is idle for some seconds.
pub(crate) struct Connection {
    address: SocketAddr,
    requests: SendRequest<Full<Bytes>>,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { address, requests })
    }

    /// Asks `path`, as the bearer of a credential.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Bytes,
    ) -> Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {bearer}"))
            .header("content-type", "application/json")
            // An acknowledgement that takes long shall count as slow, not as absent.
            .header("prefer", "wait=30");
        self.request(request, body).await
    }

    /// Makes a request with these headers.
    pub(crate) async fn request(&mut self, request: Builder, body: Bytes) -> Result<Answer> {
        let request = request
            .header("host", self.address.to_string())
            .body(Full::new(body))?;
        let path = request.uri().clone();
        let answered = async {
            self.requests.ready().await?;
            let response = self.requests.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer { status, body })
        };
        timeout(ANSWER_TIMEOUT, answered)
            .await
            .with_context(|| format!("{path}: no answer within {ANSWER_TIMEOUT:?}"))?
            .with_context(|| path.to_string())
    }
}

impl Answer {
    /// The answer, if it has this status.
    pub(crate) fn is(self, status: u16) -> Result<Self> {
        if self.status != status {
            bail!("expected {status}, but was answered {self}");
        }
        Ok(self)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.body);
        write!(f, "{}: {:.300}", self.status, text)
    }
}
