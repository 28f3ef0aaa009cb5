//! A user agent of Web Push, which connects with a push URL: the frames that Firefox sends.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::within;

pub(crate) struct Agent {
    socket: WebSocketStream<TcpStream>,
}

impl Agent {
    /// Connects with this URL, and says hello.
    pub(crate) async fn connect(url: &str) -> Self {
        let mut agent = Self::open(url).await.expect("the push URL was refused");
        agent
            .send(json!({ "messageType": "hello", "use_webpush": true, "uaid": "" }))
            .await;
        assert_eq!(agent.next().await["messageType"], json!("hello"));
        agent
    }

    /// The status with which the service refuses this URL, if it does.
    pub(crate) async fn refusal(url: &str) -> Option<u16> {
        Self::open(url).await.err()
    }

    async fn open(url: &str) -> Result<Self, u16> {
        let mut request = url.into_client_request().expect("no URL");
        let protocol = HeaderValue::from_static("push-notification");
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", protocol);
        let authority = request.uri().authority().expect("no host").to_string();
        let stream = TcpStream::connect(authority).await.expect("no connection");
        let opened = within("a handshake", client_async(request, stream)).await;
        match opened {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("no handshake: {error}"),
        }
    }

    /// Registers a channel, as for a page that subscribes without a key.
    pub(crate) async fn subscribe(&mut self, channel: &str) {
        self.send(json!({ "messageType": "register", "channelID": channel }))
            .await;
        let answer = self.next().await;
        assert_eq!(answer["status"], json!(200), "{answer}");
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        let frame = within("a frame", self.socket.next()).await;
        let frame = frame.expect("the connection ended").expect("no frame");
        serde_json::from_str(frame.to_text().expect("no text")).expect("no JSON")
    }

    /// The code with which the service closes the connection.
    pub(crate) async fn closed(&mut self) -> u16 {
        match within("the end", self.socket.next()).await {
            Some(Ok(Message::Close(Some(close)))) => close.code.into(),
            other => panic!("expected a close frame, but {other:?}"),
        }
    }

    async fn send(&mut self, frame: Value) {
        let sent = self.socket.send(Message::text(frame.to_string())).await;
        sent.expect("not sent");
    }
}
