//! The protocol `tagpost.v1`: each text frame is one JSON object, as docs/protocol.md describes.
//!
//! The golden files in `tests/golden` fix its bytes. The bodies of acknowledgements over HTTP and the
//! answers to a long poll have the same form, so they are here, too.

mod field;
mod publish;
mod read;
mod steps;
mod write;

pub use read::{
    MAX_NOTE, MAX_REASON, MAX_REF, MAX_REPLY_BYTES, parse_ack_body, parse_nack_body,
    parse_progress_body,
};
pub use write::{InboxMessage, inbox_json};

use super::{BadFrame, Codec, Frame, FromDevice, ToDevice};
use crate::limits::Limits;
use crate::problem::{Code, Problem};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "tagpost.v1";

/// The keepalive. The runtime answers it with [`PONG`] while the mailbox sleeps.
pub const PING: &str = "ping";
/// The answer to the keepalive.
pub const PONG: &str = "pong";

/// The codec.
#[derive(Debug)]
pub struct TagpostV1;

impl Codec for TagpostV1 {
    fn subprotocol(&self) -> &'static str {
        SUBPROTOCOL
    }

    fn keepalive(&self) -> (&'static str, &'static str) {
        (PING, PONG)
    }

    fn read(&self, frame: &Frame, limits: &Limits) -> Result<FromDevice, BadFrame> {
        match frame {
            Frame::Text(text) if text == PING => Ok(FromDevice::Ping),
            Frame::Text(text) => read::frame(text, limits),
            Frame::Binary(_) => Err(BadFrame {
                problem: Problem::new(Code::BadFrame, "the frame must be text, not binary"),
                reference: None,
            }),
        }
    }

    fn write(&self, said: &ToDevice<'_>) -> Option<Frame> {
        write::text(said).map(Frame::Text)
    }
}
