//! Frames that publish, from their arrival until they are accepted.
//!
//! They are accepted in the order in which they came, although looking up a target takes time: while one
//! query is under way the next frames gather, and one more query serves them all. A target that is one device needs
//! no query.
//!
//! Meanwhile a connection can bring more frames, be closed by the service, or go. What waits for one connection is
//! bounded. What a connection brought that the service closed since, because its token was revoked, another one took
//! over or it showed no life, is not accepted; it was not answered either. A device that hung up by itself still
//! means what it said.

use std::collections::VecDeque;

use super::{ConnectionId, Failure, Outbox, Output, PublishFrame, under_way};
use crate::id::DeviceId;
use crate::message::Target;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::Now;

/// Frames that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Resolving {
    frames: VecDeque<PublishFrame>,
    /// Their bytes of payload.
    bytes: u64,
    /// For how many of them, from the first, the query is that is under way.
    asked: usize,
    /// A query is under way, perhaps for frames that are dropped by now.
    asking: bool,
}

impl Resolving {
    /// How many bytes of payload wait.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn push(&mut self, frame: PublishFrame) {
        self.bytes += frame.draft.bytes();
        self.frames.push_back(frame);
    }

    fn pop(&mut self) -> Option<PublishFrame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.draft.bytes();
        Some(frame)
    }

    /// How many frames of this connection wait.
    fn count(&self, connection: ConnectionId) -> usize {
        let frames = self.frames.iter();
        frames
            .filter(|frame| frame.connection == connection)
            .count()
    }

    /// The targets of all that wait, which are being asked for from now on.
    fn ask(&mut self) -> Vec<Target> {
        (self.asked, self.asking) = (self.frames.len(), true);
        let mut targets = Vec::new();
        for PublishFrame { to, .. } in &self.frames {
            if !matches!(to, Target::Device(_)) && !targets.contains(to) {
                targets.push(to.clone());
            }
        }
        targets
    }

    /// Nothing that this connection brought is accepted any more.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        let kept = |frame: &PublishFrame| frame.connection != connection;
        self.asked = self
            .frames
            .iter()
            .take(self.asked)
            .filter(|it| kept(it))
            .count();
        self.frames.retain(kept);
        self.bytes = self.frames.iter().map(|frame| frame.draft.bytes()).sum();
    }

    /// Nothing that any connection brought is.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        (self.bytes, self.asked) = (0, 0);
    }
}

fn too_many() -> Problem {
    let mut problem = Problem::new(
        Code::TooManyRequests,
        "too many frames wait until the devices of their tags are found",
    );
    problem.retry_after = Some(1);
    problem
}

impl<S: Store> Outbox<'_, S> {
    /// Takes a frame: accepts its message once its target is resolved, or says that too many wait.
    pub(in crate::mailbox) fn resolve(
        &mut self,
        frame: PublishFrame,
        now: Now,
    ) -> Result<(), StoreError> {
        // As many as may be published at once can also wait at once.
        let most = self.cx.limits.publish_burst as usize;
        let problem = if !self.has_room(frame.draft.bytes()) {
            under_way::no_room()
        } else if self.memory.resolving.count(frame.connection) >= most {
            too_many()
        } else {
            self.memory.resolving.push(frame);
            return self.accept_frames(now);
        };
        self.send_problem(frame.connection, frame.reference.as_deref(), &problem);
        Ok(())
    }

    /// The devices of the targets that were asked for, or why they could not be found.
    pub(in crate::mailbox) fn resolved(
        &mut self,
        found: &Result<Vec<(Target, Vec<DeviceId>)>, Problem>,
        now: Now,
    ) -> Result<(), StoreError> {
        let asked = std::mem::take(&mut self.memory.resolving.asked);
        self.memory.resolving.asking = false;
        for _ in 0..asked {
            let Some(frame) = self.memory.resolving.pop() else {
                break;
            };
            let devices = addresses(&frame.to, found);
            self.accept_frame(frame, devices, now)?;
        }
        self.accept_frames(now)
    }

    /// Accepts frames until one needs a query, and makes that.
    fn accept_frames(&mut self, now: Now) -> Result<(), StoreError> {
        if self.memory.resolving.asking {
            return Ok(());
        }
        while let Some(first) = self.memory.resolving.frames.front() {
            let Target::Device(device) = &first.to else {
                let targets = self.memory.resolving.ask();
                self.cx.push(Output::Resolve(targets));
                break;
            };
            let devices = Ok(vec![device.clone()]);
            if let Some(frame) = self.memory.resolving.pop() {
                self.accept_frame(frame, devices, now)?;
            }
        }
        Ok(())
    }

    /// Accepts the message of a frame, and answers over its connection.
    fn accept_frame(
        &mut self,
        frame: PublishFrame,
        devices: Result<Vec<DeviceId>, Problem>,
        now: Now,
    ) -> Result<(), StoreError> {
        let PublishFrame {
            connection,
            reference,
            to,
            draft,
        } = frame;
        let origin = (connection, reference.clone());
        let accepted = devices
            .map_err(Failure::from)
            .and_then(|devices| self.accept(to, devices, draft, Some(origin), now));
        match accepted {
            Ok(_) => {}
            Err(Failure::Problem(problem)) => {
                self.send_problem(connection, reference.as_deref(), &problem);
            }
            Err(Failure::Store(error)) => return Err(error),
        }
        Ok(())
    }
}

/// The devices that `to` leads to. One device needs no directory, so it is found also where that failed.
fn addresses(
    to: &Target,
    found: &Result<Vec<(Target, Vec<DeviceId>)>, Problem>,
) -> Result<Vec<DeviceId>, Problem> {
    if let Target::Device(device) = to {
        return Ok(vec![device.clone()]);
    }
    let found = found.as_ref().map_err(Problem::clone)?;
    let devices = found.iter().find(|(known, _)| known == to);
    Ok(devices.map_or_else(Vec::new, |(_, devices)| devices.clone()))
}
