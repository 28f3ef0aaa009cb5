//! One WebSocket: the handshake, frames of text, the close, and how each can fail.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use tagpost_core::frame::SUBPROTOCOL;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message as Frame};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};

use crate::client::Client;
use crate::error::{Error, Problem};

/// Close code: too many bad frames.
const BAD_FRAMES: u16 = 4400;
/// Close code: the token is no longer valid.
const TOKEN_ENDED: u16 = 4401;
/// Close code: a newer connection of the same device took over.
const TAKEN_OVER: u16 = 4409;

/// How long a frame may take to leave. A live connection takes it at once.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the service may take to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// An open connection to the service.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects as the device whose token the client has.
    pub(crate) async fn open(client: &Client) -> Result<Self, Error> {
        let unreachable = |reason: String| Error::Unreachable {
            url: client.url().to_owned(),
            reason,
        };
        // `http` becomes `ws`, and `https` becomes `wss`.
        let url = format!("{}/v1/connect", client.url().replacen("http", "ws", 1));
        let mut request = url
            .into_client_request()
            .map_err(|error| unreachable(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, client.authorization().clone());
        headers.insert(
            SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
        let connector = client.tls().map_or(Connector::Plain, Connector::Rustls);
        match connect_async_tls_with_config(request, None, true, Some(connector)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(WebSocketError::Http(answer)) => {
                let retry_after = answer.headers().get(RETRY_AFTER);
                let retry_after = retry_after.and_then(|value| value.to_str().ok());
                let body = answer.body().as_deref().unwrap_or_default();
                let problem = Problem::of(answer.status().as_u16(), retry_after, body);
                Err(Error::Refused(problem))
            }
            Err(error) => Err(unreachable(error.to_string())),
        }
    }

    /// The next frame of text. Without loss this may be given up and asked again.
    pub(crate) async fn hear(&mut self) -> Result<String, Error> {
        loop {
            match self.0.next().await {
                Some(Ok(Frame::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Frame::Close(close))) => return Err(closed(close)),
                // The service speaks text; pings and pongs of the protocol are answered below this.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Error::Closed(error.to_string())),
                None => return Err(Error::Closed("without a word".to_owned())),
            }
        }
    }

    /// Sends a frame of text.
    pub(crate) async fn say(&mut self, text: &str) -> Result<(), Error> {
        match timeout(WRITE_TIMEOUT, self.0.send(Frame::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::Closed(error.to_string())),
            Err(_) => Err(Error::Silent),
        }
    }

    /// Closes the connection, and waits until the service has read all that was said.
    pub(crate) async fn close(mut self) -> Result<(), Error> {
        let goodbye = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        let handshake = async {
            self.0.close(Some(goodbye)).await?;
            while self.0.next().await.transpose()?.is_some() {}
            Ok(())
        };
        match timeout(CLOSE_TIMEOUT, handshake).await {
            Ok(Ok(()) | Err(WebSocketError::ConnectionClosed)) => Ok(()),
            Ok(Err(error)) => Err(Error::Closed(error.to_string())),
            Err(_) => Err(Error::Silent),
        }
    }
}

/// What it means that the service closed the connection.
fn closed(close: Option<CloseFrame>) -> Error {
    let Some(CloseFrame { code, reason }) = close else {
        return Error::Closed("without a reason".to_owned());
    };
    match u16::from(code) {
        BAD_FRAMES => Error::BadFrames(reason.to_string()),
        TOKEN_ENDED => Error::TokenEnded,
        TAKEN_OVER => Error::TakenOver,
        code => Error::Closed(format!("{code} {reason}").trim_end().to_owned()),
    }
}
