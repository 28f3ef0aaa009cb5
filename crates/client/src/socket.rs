//! One WebSocket: the handshake, frames of text, the close, and how each can fail.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::header::HeaderValue;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::client::Client;
use crate::error::{Error, Problem};
use crate::handshake::Answer;

/// Close code: too many bad frames.
const BAD_FRAMES: u16 = 4400;
/// Close code: the token is no longer valid.
const TOKEN_ENDED: u16 = 4401;
/// Close code: a newer connection of the same device took over.
const TAKEN_OVER: u16 = 4409;

/// How long a frame may take to leave. A live connection takes it at once.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// An open connection to the service.
pub(crate) struct Socket(WebSocketStream<TokioIo<Upgraded>>);

impl Socket {
    /// Connects as the device whose token this is.
    pub(crate) async fn open(client: &Client, authorization: &HeaderValue) -> Result<Self, Error> {
        match client.handshake(authorization).await? {
            Answer::Accepted(stream) => Ok(Self(
                WebSocketStream::from_raw_socket(stream, Role::Client, None).await,
            )),
            Answer::Refused(status, headers, body) => {
                Err(Error::Refused(Problem::of(status, &headers, &body)))
            }
        }
    }

    /// The next frame of text. Cancel safe.
    pub(crate) async fn hear(&mut self) -> Result<String, Error> {
        loop {
            match self.0.next().await {
                Some(Ok(Frame::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Frame::Close(close))) => return Err(closed(close)),
                // The service speaks text; pings and pongs of the protocol are answered below this.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Error::Closed(error.to_string())),
                None => return Err(Error::Closed("without a close frame".to_owned())),
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

    /// Closes the connection, and waits until the service has read all that was said. What it says
    /// meanwhile is given to `hear`.
    ///
    /// `Ok` means that it was closed in order: the service closed it with 1000, too.
    pub(crate) async fn close(&mut self, mut hear: impl FnMut(&str)) -> Result<(), Error> {
        let goodbye = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        let closing = self.0.close(Some(goodbye)).await;
        closing.map_err(|error| Error::Closed(error.to_string()))?;
        loop {
            match self.0.next().await {
                Some(Ok(Frame::Text(text))) => hear(text.as_str()),
                Some(Ok(Frame::Close(close))) => return farewell(close),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Error::Closed(error.to_string())),
                None => return Err(Error::Closed("without a close frame".to_owned())),
            }
        }
    }
}

/// Whether the service closed the connection cleanly.
fn farewell(close: Option<CloseFrame>) -> Result<(), Error> {
    match close {
        Some(close) if close.code == CloseCode::Normal => Ok(()),
        close => Err(closed(close)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn close(code: u16) -> Option<CloseFrame> {
        let reason = "".into();
        let code = code.into();
        Some(CloseFrame { code, reason })
    }

    #[test]
    fn only_a_close_with_1000_is_in_order() {
        assert!(farewell(close(1000)).is_ok());
        assert!(matches!(farewell(None), Err(Error::Closed(_))));
        assert!(matches!(farewell(close(1001)), Err(Error::Closed(_))));
        assert!(matches!(farewell(close(1011)), Err(Error::Closed(_))));
        assert!(matches!(
            farewell(close(TOKEN_ENDED)),
            Err(Error::TokenEnded)
        ));
        assert!(matches!(farewell(close(TAKEN_OVER)), Err(Error::TakenOver)));
    }
}
