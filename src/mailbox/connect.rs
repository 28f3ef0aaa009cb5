//! The WebSocket of the device: from the handshake to the mailbox.

use std::rc::Rc;

use tagpost_core::mailbox::{ConnectionId, Input, Reply};
use tagpost_core::protocol::{self, CODECS, Codec};
use tagpost_core::token::Claims;
use wasm_bindgen::JsValue;
use worker::worker_sys::web_sys;
use worker::{WebSocket, WebSocketPair};

use super::Object;
use crate::respond;

/// The object's end of a socket that its mailbox has not accepted.
pub(super) struct Opening {
    connection: ConnectionId,
    codec: &'static dyn Codec,
    server: WebSocket,
}

impl Object {
    /// Opens the socket of the device that `caller`, its claims as JSON, speaks for, in this protocol, with no more than
    /// `window` messages in flight. Answers the client's end, or as a [`respond::Response`] why there is none.
    pub(super) async fn connect(
        self: &Rc<Self>,
        caller: &str,
        subprotocol: &str,
        window: Option<u32>,
    ) -> worker::Result<JsValue> {
        let claims: Claims = serde_json::from_str(caller)?;
        let codec = protocol::named(CODECS, subprotocol)
            .ok_or("another version chose a protocol that is not known here")?;
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let connection = getrandom::u32().map_err(|error| error.to_string())?;
        self.opening.borrow_mut().push(Opening {
            connection,
            codec,
            server,
        });
        let input = |id| Input::Open {
            id,
            connection,
            codec,
            claims,
            window,
        };
        let reply = self.ask(input).await?;
        self.take_opening(connection);
        match reply {
            Reply::Opened => {
                let client: &web_sys::WebSocket = client.as_ref();
                Ok(client.into())
            }
            Reply::Problem(problem) => Ok(respond::problem(&problem).into()),
            _ => Err("a connection was answered like a call".into()),
        }
    }

    /// The mailbox accepts a socket.
    pub(super) fn accept(&self, connection: ConnectionId) -> worker::Result<()> {
        let opening = self.take_opening(connection);
        let Opening { codec, server, .. } = opening.ok_or("a socket that is not there")?;
        self.accept_socket(&server, connection, codec)
    }

    fn take_opening(&self, connection: ConnectionId) -> Option<Opening> {
        let mut opening = self.opening.borrow_mut();
        let place = opening.iter().position(|it| it.connection == connection)?;
        Some(opening.swap_remove(place))
    }
}
