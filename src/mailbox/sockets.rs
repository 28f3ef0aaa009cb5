//! The sockets of an object, found by the number of their connection.
//!
//! The number is the socket's tag, which like its attachment survives hibernation. The platform is called directly, not
//! through [`worker::State`], which panics if the platform refuses: an object has at most 32,768 sockets, and a call
//! that outlives its object is always refused.

use std::rc::Rc;

use tagpost_core::mailbox::ConnectionId;
use tagpost_core::protocol::tagpost_v1::{PING, PONG};
use tagpost_core::protocol::{Codec, Frame};
use tagpost_core::time::Millis;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::WebSocket;

use super::Object;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    type AutoResponses;

    /// When the runtime last answered a keepalive of this socket by itself: a `Date`, or null.
    /// worker-sys does not have it.
    #[wasm_bindgen(method, catch, js_name = getWebSocketAutoResponseTimestamp)]
    fn timestamp(this: &AutoResponses, ws: &JsValue) -> Result<JsValue, JsValue>;
}

impl Object {
    /// Accepts a socket, with which this object may hibernate. The runtime answers its protocol's keepalives by itself, of
    /// one protocol at a time: a watcher's, which has no codec, only as long as the device has not connected with another.
    pub(super) fn accept_socket(
        &self,
        ws: &WebSocket,
        connection: ConnectionId,
        codec: Option<&dyn Codec>,
    ) -> worker::Result<()> {
        let object = self.state.as_raw();
        let keepalive = match codec {
            Some(codec) => Some(codec.keepalive()),
            None => object
                .get_websocket_auto_response()?
                .is_none()
                .then_some((PING, PONG)),
        };
        if let Some((ping, pong)) = keepalive {
            let pair = worker::WebSocketRequestResponsePair::new(ping, pong)?;
            object.set_websocket_auto_response(&pair)?;
        }
        let tag = JsValue::from_str(&connection.to_string());
        Ok(object.accept_websocket_with_tags(ws.as_ref(), vec![tag])?)
    }

    /// The number of a socket's connection.
    pub(super) fn connection(&self, ws: &WebSocket) -> ConnectionId {
        let tags = self
            .state
            .as_raw()
            .get_tags(ws.as_ref())
            .unwrap_or_default();
        let tag = tags.first().and_then(|tag| tag.parse().ok());
        tag.unwrap_or_default()
    }

    pub(super) fn socket(&self, connection: ConnectionId) -> Option<WebSocket> {
        let sockets = self
            .state
            .as_raw()
            .get_websockets_with_tag(&connection.to_string());
        sockets.ok()?.into_iter().next().map(WebSocket::from)
    }

    /// The attachments of the open sockets.
    pub(super) fn attachments(&self) -> worker::Result<Vec<String>> {
        let attached = |ws| WebSocket::from(ws).deserialize_attachment().ok().flatten();
        let sockets = self.state.as_raw().get_websockets()?;
        Ok(sockets.into_iter().filter_map(attached).collect())
    }

    /// When a keepalive of this connection was last answered without waking this object. The runtime also answers those
    /// of sockets that were closed here, as long as the other side keeps them open.
    pub(super) fn pong_at(&self, connection: ConnectionId) -> Option<Millis> {
        let responses = self.state.as_raw().unchecked_ref::<AutoResponses>();
        let date = responses
            .timestamp(self.socket(connection)?.as_ref())
            .ok()?;
        let date: js_sys::Date = date.dyn_into().ok()?;
        Some(date.get_time() as Millis)
    }

    pub(super) fn send(self: &Rc<Self>, connection: ConnectionId, frame: &Frame) {
        let Some(ws) = self.socket(connection) else {
            return;
        };
        // The runtime refuses only if the socket is closing. Its close event will follow, or its silence will end it.
        let _ = match frame {
            Frame::Text(text) => ws.send_with_str(text),
            Frame::Binary(bytes) => ws.send_with_bytes(bytes),
        };
    }

    pub(super) fn attach(&self, connection: ConnectionId, attachment: &str) {
        let attached = self
            .socket(connection)
            .map(|ws| ws.serialize_attachment(attachment));
        if let Some(Err(error)) = attached {
            crate::log::error("not_attached", &[("cause", &error.to_string())]);
        }
    }

    pub(super) fn hang_up(&self, connection: ConnectionId, code: u16, reason: &str) {
        if let Some(ws) = self.socket(connection) {
            // The socket is listed until the other side has closed it, too. When this object wakes, it must not be
            // taken for the live one.
            let _ = ws.serialize_attachment("");
            close(&ws, code, reason);
        }
    }
}

/// Closes a socket. Codes that only report how a connection ended cannot be sent.
pub(super) fn close(ws: &WebSocket, code: u16, reason: &str) {
    let code = match code {
        1004..=1006 | 1015 | 0..=999 => 1000,
        code => code,
    };
    // The socket may be closed already.
    let _ = ws.close(Some(code), Some(reason));
}
