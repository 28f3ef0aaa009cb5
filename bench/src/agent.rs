//! A user agent of Web Push with one channel, which acknowledges every message at once.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long an answer may take to come.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// The channel of every user agent here.
const CHANNEL: &str = "24cf03b3-f215-489e-8a5b-f3a5ec97785d";

type Socket = WebSocketStream<TcpStream>;

/// A connected user agent. Dropping it cuts the connection.
pub(crate) struct Agent {
    task: JoinHandle<Result<()>>,
    /// The URL to publish to its channel.
    pub(crate) endpoint: String,
}

/// What concerns the measurement in a frame of the service.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame {
    message_type: Option<String>,
    version: Option<String>,
    push_endpoint: Option<String>,
}

impl Agent {
    /// Connects to this path, and registers a channel that is bound to a sender's key.
    pub(crate) async fn connect(address: SocketAddr, path: &str, key: &str) -> Result<Self> {
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        let protocol = HeaderValue::from_static("push-notification");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut socket, _) = client_async(request, stream).await?;
        let hello = json!({"messageType": "hello", "use_webpush": true, "broadcasts": {}});
        ask(&mut socket, &hello.to_string(), "hello").await?;
        let register = json!({"messageType": "register", "channelID": CHANNEL, "key": key});
        let answer = ask(&mut socket, &register.to_string(), "register").await?;
        let endpoint = answer.push_endpoint.filter(|url| !url.is_empty());
        Ok(Self {
            task: tokio::spawn(acknowledge(socket)),
            endpoint: endpoint.context("the channel was not registered")?,
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends a frame, and waits for its answer, which comes first.
async fn ask(socket: &mut Socket, frame: &str, wanted: &str) -> Result<Frame> {
    socket.send(Message::text(frame)).await?;
    let answer = timeout(ANSWER_TIMEOUT, socket.next()).await;
    let answer = answer.with_context(|| format!("no answer to {frame}"))?;
    let answer = answer.ok_or_else(|| anyhow!("closed before the answer to {frame}"))??;
    let text = answer.to_text()?;
    let frame: Frame = serde_json::from_str(text)?;
    if frame.message_type.as_deref() != Some(wanted) {
        bail!("expected a frame {wanted}, but got {text}");
    }
    Ok(frame)
}

async fn acknowledge(mut socket: Socket) -> Result<()> {
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else {
            continue;
        };
        let frame: Frame = serde_json::from_str(&text)?;
        if let (Some("notification"), Some(version)) =
            (frame.message_type.as_deref(), frame.version)
        {
            let ack = format!(
                r#"{{"messageType":"ack","updates":[{{"channelID":"{CHANNEL}","version":"{version}","code":100}}]}}"#
            );
            socket.send(Message::text(ack)).await?;
        }
    }
    Ok(())
}
