//! The user agent at the other end of a connection of Web Push, and the order of its first frames.

use super::Connection;
use crate::problem::{Code, Problem};
use crate::protocol::{AgentFrame, BadFrame, FromDevice};
use crate::web_push::agent::AgentId;

/// A user agent.
#[derive(Debug, Clone)]
pub(in crate::mailbox) struct Agent {
    /// Where it reaches the service: what its endpoints begin with.
    pub(in crate::mailbox) origin: String,
    /// Its id, once it has said hello.
    pub(in crate::mailbox) id: Option<AgentId>,
    /// Whether the device's channels are its own.
    pub(in crate::mailbox) holds_channels: bool,
}

impl Agent {
    /// One that has not said hello.
    pub(super) fn at(origin: String) -> Self {
        Self {
            origin,
            id: None,
            holds_channels: false,
        }
    }
}

impl Connection {
    /// Refuses a frame of a user agent that comes before its hello, and a second hello.
    pub(super) fn in_turn(&self, said: FromDevice) -> Result<FromDevice, BadFrame> {
        let is_hello = matches!(said, FromDevice::Agent(AgentFrame::Hello { .. }));
        match &self.agent {
            Some(agent) if is_hello == agent.id.is_some() => Err(BadFrame {
                problem: Problem::new(
                    Code::BadFrame,
                    "hello must be the first frame, and come once",
                ),
                reference: None,
            }),
            _ => Ok(said),
        }
    }
}
