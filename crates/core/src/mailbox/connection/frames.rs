//! What a frame from the device means. The connection handles what concerns itself; the router handles the rest.

use serde_json::value::RawValue;

use super::{Connection, ConnectionId};
use crate::id::MessageId;
use crate::limits::Limits;
use crate::message::Target;
use crate::problem::{Code, Problem};
use crate::protocol::{AgentFrame, BadFrame, Frame, FromDevice};
use crate::publish::Draft;
use crate::time::Now;

/// The meaning of a frame.
#[derive(Debug)]
pub(in crate::mailbox) enum Heard {
    /// The device asks for a sign of life.
    Ping,
    Ack {
        id: MessageId,
        reply: Option<Box<RawValue>>,
    },
    Nack {
        id: MessageId,
        reason: Option<String>,
    },
    Progress {
        reference: Option<String>,
        id: MessageId,
        seconds: Option<u32>,
        note: Option<String>,
    },
    ReceiptsSeen(i64),
    Publish(PublishFrame),
    /// From a user agent of Web Push.
    Agent(AgentFrame),
    /// The frame is refused.
    Refused {
        reference: Option<String>,
        problem: Problem,
        /// It was one bad frame too many for the connection.
        too_many: bool,
    },
    /// The connection's token has expired: its frames are dropped.
    Expired,
}

/// A message that came in a frame, before its target is resolved.
#[derive(Debug)]
pub(in crate::mailbox) struct PublishFrame {
    /// The connection it came over.
    pub(in crate::mailbox) connection: ConnectionId,
    /// The device's own name for the frame.
    pub(in crate::mailbox) reference: Option<String>,
    /// Its target.
    pub(in crate::mailbox) to: Target,
    /// The message.
    pub(in crate::mailbox) draft: Draft,
}

impl Connection {
    /// Reads a frame.
    pub(in crate::mailbox) fn read(&mut self, frame: &Frame, limits: &Limits, now: Now) -> Heard {
        self.hear(now.at, limits);
        if self.expires_at.is_some_and(|at| at <= now.at) {
            return Heard::Expired;
        }
        match self
            .codec
            .read(frame, limits)
            .and_then(|said| self.in_turn(said))
        {
            Ok(FromDevice::Ping) => Heard::Ping,
            Ok(FromDevice::Agent(said)) => {
                if let AgentFrame::Handled(messages) = &said {
                    messages.iter().for_each(|(id, _)| self.answered(*id));
                }
                Heard::Agent(said)
            }
            Ok(FromDevice::Ack { id, reply }) => {
                self.answered(id);
                Heard::Ack { id, reply }
            }
            Ok(FromDevice::Nack { id, reason }) => {
                self.answered(id);
                Heard::Nack { id, reason }
            }
            Ok(FromDevice::Progress {
                reference,
                id,
                seconds,
                note,
            }) => {
                self.answered(id);
                Heard::Progress {
                    reference,
                    id,
                    seconds,
                    note,
                }
            }
            Ok(FromDevice::ReceiptsSeen { seq }) => Heard::ReceiptsSeen(seq),
            Ok(FromDevice::Publish { reference, to, .. }) if !self.may_publish(&to) => {
                let detail = "the token may not publish to this target";
                self.refuse(reference, Problem::new(Code::Forbidden, detail))
            }
            Ok(FromDevice::Publish {
                reference,
                to,
                draft,
            }) => match draft
                .check_targets(|to| self.may_publish(to))
                .and_then(|()| draft.at(now.at, "deliver_at"))
            {
                Ok(draft) => Heard::Publish(PublishFrame {
                    connection: self.id,
                    reference,
                    to,
                    draft,
                }),
                Err(problem) => self.refuse(reference, problem.in_frame()),
            },
            Err(BadFrame { reference, problem }) => self.refuse(reference, problem),
        }
    }

    /// Whether a frame may wait for others: it is valid, and not a ping.
    pub(in crate::mailbox) fn can_wait(&self, frame: &Frame, limits: &Limits) -> bool {
        let heard = self.codec.read(frame, limits);
        heard.is_ok_and(|heard| !matches!(heard, FromDevice::Ping))
    }

    fn refuse(&mut self, reference: Option<String>, problem: Problem) -> Heard {
        if problem.code == Code::BadFrame {
            self.bad_frames += 1;
            self.stale = true;
        }
        Heard::Refused {
            reference,
            too_many: problem.code == Code::BadFrame
                && self.bad_frames >= self.codec.rules().max_bad_frames,
            problem,
        }
    }
}
