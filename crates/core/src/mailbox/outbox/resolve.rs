//! Publish frames, from their arrival until they are accepted.
//!
//! They are accepted in the order of their arrival. Finding the devices of a tag or an expression takes a query:
//! while one query runs, further frames wait, and the next query serves all of them. A target that is a device needs
//! no query.
//!
//! Meanwhile the connection may send more frames or end. The waiting frames of a connection are bounded. If the service
//! has closed the connection (its token was revoked, another one took over, it showed no sign of life), its waiting
//! frames are dropped unanswered. If the device closed it, they are still accepted.

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
    /// How many of them, from the first, the running query serves.
    asked: usize,
    /// A query is running, perhaps for frames that are dropped by now.
    asking: bool,
}

impl Resolving {
    /// How many bytes of payload are waiting.
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

    /// How many frames of this connection are waiting.
    fn count(&self, connection: ConnectionId) -> usize {
        let frames = self.frames.iter();
        frames
            .filter(|frame| frame.connection == connection)
            .count()
    }

    /// Starts a query for all waiting frames. Returns their targets.
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

    /// Drops the frames of this connection.
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

    /// Drops all frames.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        (self.bytes, self.asked) = (0, 0);
    }
}

fn too_many() -> Problem {
    let mut problem = Problem::new(
        Code::TooManyRequests,
        "too many frames are waiting for the devices of their tags",
    );
    problem.retry_after = Some(1);
    problem
}

impl<S: Store> Outbox<'_, S> {
    /// Accepts the message of a frame once its target is resolved, or refuses it because too many are waiting.
    pub(in crate::mailbox) fn resolve(
        &mut self,
        frame: PublishFrame,
        now: Now,
    ) -> Result<(), StoreError> {
        // As many may wait at once as may be published at once.
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

    /// A query has found the devices of its targets, or has failed.
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

    /// Accepts frames up to the first that needs a query, and starts that query.
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

/// The devices of `to`. A single device needs no directory, so it is found even if the query failed.
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
