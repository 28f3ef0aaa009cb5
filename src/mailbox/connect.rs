//! The WebSocket of the device: from the handshake to the mailbox.

use std::rc::Rc;

use tagpost_core::id::DeviceId;
use tagpost_core::protocol::{self, CODECS};
use tagpost_core::token::Claims;
use wasm_bindgen::JsValue;
use worker::WebSocketPair;
use worker::worker_sys::web_sys;

use super::Object;
use crate::respond;

impl Object {
    /// Opens the socket of the device that `caller`, its claims as JSON, speaks for, in this protocol, with no more than
    /// `window` messages in flight. Answers the client's end, or as a [`Response`] why there is none.
    pub(super) async fn connect(
        self: &Rc<Self>,
        device: &str,
        caller: &str,
        subprotocol: &str,
        window: Option<u32>,
    ) -> worker::Result<JsValue> {
        let claims: Claims = serde_json::from_str(caller)?;
        let codec = protocol::named(CODECS, subprotocol)
            .ok_or("another version chose a protocol that is not known here")?;
        let device: DeviceId = device.parse().map_err(|_| "a connect without a device")?;
        if let Err(problem) = self.admit(&device, &claims).await? {
            return Ok(respond::problem(&problem).into());
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let connection = getrandom::u32().map_err(|error| error.to_string())?;
        self.accept(&server, connection, codec)?;
        self.event(|mailbox, now| mailbox.connect(connection, codec, &claims, window, now))?;
        let client: &web_sys::WebSocket = client.as_ref();
        Ok(client.into())
    }
}
