//! The protocol `push-notification`, as Firefox and other user agents speak it to autopush: each text frame is one JSON
//! object.
//!
//! It has no error frames: clients ignore or fail on a type that they do not know. A frame that is no JSON object ends
//! the connection, and so does anything but a `hello` as the first frame. A message is sent once in a connection: some
//! clients show it again if it comes again. Not here: which id a user agent has, and which channels, which the mailbox
//! knows.

mod read;
mod write;

use super::{BadFrame, Codec, Frame, FromDevice, Rules, ToDevice};
use crate::limits::Limits;
use crate::message::Lane;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "push-notification";

/// The ping and its answer. The service never sends it on its own: some clients answer it with a ping, which the
/// runtime answers, and so on forever.
const PING: &str = "{}";

/// Autopush's close code for a connection that a newer one has taken over. Firefox does not come back at once.
const CLOSE_TAKEN_OVER: u16 = 4774;
/// Going away, and protocol error (RFC 6455, section 7.4.1).
const CLOSE_GOING_AWAY: u16 = 1001;
const CLOSE_PROTOCOL_ERROR: u16 = 1002;

/// The codec.
#[derive(Debug)]
pub struct WebPush;

impl Codec for WebPush {
    fn subprotocol(&self) -> &'static str {
        SUBPROTOCOL
    }

    fn keepalive(&self) -> (&'static str, &'static str) {
        (PING, PING)
    }

    fn rules(&self) -> Rules {
        Rules {
            lane: Lane::Channels,
            // Firefox pings every 30 minutes, others only with frames that the mailbox does not see.
            pings: false,
            max_bad_frames: 1,
        }
    }

    fn close_code(&self, code: u16) -> u16 {
        match code {
            super::CLOSE_TAKEN_OVER => CLOSE_TAKEN_OVER,
            super::CLOSE_SILENT => CLOSE_GOING_AWAY,
            super::CLOSE_BAD_FRAMES => CLOSE_PROTOCOL_ERROR,
            code => code,
        }
    }

    fn read(&self, frame: &Frame, _limits: &Limits) -> Result<FromDevice, BadFrame> {
        match frame {
            Frame::Text(text) => read::frame(text),
            Frame::Binary(_) => Err(read::bad("the frame must be text, not binary")),
        }
    }

    fn write(&self, said: &ToDevice<'_>) -> Option<Frame> {
        write::text(said).map(Frame::Text)
    }
}
