//! The WebSocket of the device: from the handshake to the mailbox.

use std::rc::Rc;

use tagpost_core::frame::SUBPROTOCOL;
use tagpost_core::id::DeviceId;
use tagpost_core::token::Claims;
use worker::{Request, Response, WebSocketPair};

use super::Object;
use crate::{respond, stub};

impl Object {
    /// Opens the socket, as [`stub::connect`] asks for it.
    pub(super) async fn connect(self: &Rc<Self>, request: &Request) -> worker::Result<Response> {
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .ok()
                .flatten()
                .unwrap_or_default()
        };
        let claims: Claims = serde_json::from_str(&header(stub::CALLER))?;
        let device: DeviceId = header(stub::DEVICE)
            .parse()
            .map_err(|_| "a connect without a device")?;
        if let Err(problem) = self.admit(&device, &claims).await? {
            return Ok(respond::problem(&problem));
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let connection = getrandom::u32().map_err(|error| error.to_string())?;
        self.accept(&server, connection)?;
        self.event(|mailbox, now| mailbox.connect(connection, &claims, now))?;
        let response = Response::from_websocket(client)?;
        respond::set(&response, "sec-websocket-protocol", SUBPROTOCOL);
        Ok(response)
    }
}
