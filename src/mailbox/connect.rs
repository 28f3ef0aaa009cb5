//! The WebSockets of the device and of its watchers: from the handshake to the mailbox.

use std::rc::Rc;

use tagpost_core::mailbox::{CallId, ConnectionId, Input, Reply};
use tagpost_core::protocol::{self, CODECS, Codec};
use tagpost_core::token::Claims;
use wasm_bindgen::JsValue;
use worker::worker_sys::web_sys;
use worker::{WebSocket, WebSocketPair};

use super::Object;
use crate::respond;

/// The object's end of a socket that its mailbox has not accepted yet.
pub(super) struct Opening {
    connection: ConnectionId,
    /// Its protocol; a watcher's has no keepalives for the runtime to answer.
    codec: Option<&'static dyn Codec>,
    server: WebSocket,
}

impl Object {
    /// Opens a socket in this protocol, with at most `window` messages in flight. `caller` is the device's claims as
    /// JSON, `origin` is where it reaches the service. Returns the client's end of the socket, or a
    /// [`respond::Response`] with the problem.
    pub(super) async fn connect(
        self: &Rc<Self>,
        caller: &str,
        subprotocol: &str,
        window: Option<u32>,
        origin: Option<String>,
    ) -> worker::Result<JsValue> {
        let claims: Claims = serde_json::from_str(caller)?;
        let codec = protocol::named(CODECS, subprotocol)
            .ok_or("another version chose a protocol that this version does not know")?;
        let input = |id, connection| Input::Open {
            id,
            connection,
            codec,
            claims,
            window,
            origin,
        };
        self.open_socket(Some(codec), input).await
    }

    /// Opens a socket that watches. `caller` is the device's claims as JSON, or nothing if it is the operator. Returns
    /// what [`Object::connect`] returns.
    pub(super) async fn watch(
        self: &Rc<Self>,
        caller: Option<&str>,
        payload: bool,
    ) -> worker::Result<JsValue> {
        let caller: Option<Claims> = caller.map(serde_json::from_str).transpose()?;
        let input = |id, connection| Input::Watch {
            id,
            connection,
            caller,
            payload,
        };
        self.open_socket(None, input).await
    }

    async fn open_socket(
        self: &Rc<Self>,
        codec: Option<&'static dyn Codec>,
        input: impl FnOnce(CallId, ConnectionId) -> Input,
    ) -> worker::Result<JsValue> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let connection = getrandom::u32().map_err(|error| error.to_string())?;
        self.opening.borrow_mut().push(Opening {
            connection,
            codec,
            server,
        });
        let reply = self.ask(|id| input(id, connection)).await?;
        self.take_opening(connection);
        match reply {
            Reply::Opened => {
                let client: &web_sys::WebSocket = client.as_ref();
                Ok(client.into())
            }
            Reply::Problem(problem) => Ok(respond::problem(&problem).into()),
            _ => Err("a handshake got the answer to a call".into()),
        }
    }

    /// The mailbox accepts a socket.
    pub(super) fn accept(&self, connection: ConnectionId) -> worker::Result<()> {
        let opening = self.take_opening(connection);
        let Opening { codec, server, .. } = opening.ok_or("the socket to accept is missing")?;
        self.accept_socket(&server, connection, codec)
    }

    fn take_opening(&self, connection: ConnectionId) -> Option<Opening> {
        let mut opening = self.opening.borrow_mut();
        let place = opening.iter().position(|it| it.connection == connection)?;
        Some(opening.swap_remove(place))
    }
}
