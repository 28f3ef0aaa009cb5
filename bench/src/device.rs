//! A device with a WebSocket, which acknowledges every message at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long an event may take to come.
const EVENT_TIMEOUT: Duration = Duration::from_secs(90);

/// A connected device. Dropping it cuts the connection.
pub(crate) struct Device {
    task: JoinHandle<Result<()>>,
    /// From the start of the TCP connection to the `welcome`.
    pub(crate) welcomed_after: Duration,
}

/// How many messages have been acknowledged by all devices that count here.
#[derive(Clone)]
pub(crate) struct Acknowledged(watch::Sender<u64>);

/// What concerns the load in a frame of the service.
#[derive(Deserialize)]
struct Frame<'a> {
    r#type: &'a str,
    id: Option<&'a str>,
}

impl Device {
    /// Connects as the bearer of a credential, and waits for the `welcome`.
    pub(crate) async fn connect(
        address: SocketAddr,
        bearer: &str,
        acknowledged: &Acknowledged,
    ) -> Result<Self> {
        let started = Instant::now();
        let mut socket = timeout(EVENT_TIMEOUT, open(address, bearer))
            .await
            .context("connect")??;
        let welcome = timeout(EVENT_TIMEOUT, socket.next())
            .await
            .context("welcome")?;
        let welcome = welcome.ok_or_else(|| anyhow!("closed before the welcome"))??;
        let frame = welcome.to_text()?;
        if serde_json::from_str::<Frame>(frame)?.r#type != "welcome" {
            bail!("expected a welcome, but got {frame}");
        }
        let welcomed_after = started.elapsed();
        Ok(Self {
            task: tokio::spawn(acknowledge(socket, acknowledged.clone())),
            welcomed_after,
        })
    }
}

impl Acknowledged {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(crate) fn count(&self) -> u64 {
        *self.0.borrow()
    }

    /// Counts one more.
    pub(crate) fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Waits until `count` messages have been acknowledged.
    pub(crate) async fn until(&self, count: u64) -> Result<()> {
        let mut watched = self.0.subscribe();
        let reached = watched.wait_for(|seen| *seen >= count);
        if timeout(EVENT_TIMEOUT, reached).await.is_err() {
            let seen = self.count();
            bail!("expected {count} messages within {EVENT_TIMEOUT:?}, but only {seen} came");
        }
        Ok(())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn open(address: SocketAddr, bearer: &str) -> Result<WebSocketStream<TcpStream>> {
    let mut request = format!("ws://{address}/v1/connect").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert(
        "authorization",
        HeaderValue::from_str(&format!("Bearer {bearer}"))?,
    );
    headers.insert(
        "sec-websocket-protocol",
        HeaderValue::from_static("tagpost.v1"),
    );
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = client_async(request, stream).await?;
    Ok(socket)
}

async fn acknowledge(
    mut socket: WebSocketStream<TcpStream>,
    acknowledged: Acknowledged,
) -> Result<()> {
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else {
            continue;
        };
        let frame: Frame = serde_json::from_str(&text)?;
        if let ("message", Some(id)) = (frame.r#type, frame.id) {
            let ack = format!(r#"{{"type":"ack","id":"{id}"}}"#);
            socket.send(Message::text(ack)).await?;
            acknowledged.add();
        }
    }
    Ok(())
}
