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
use crate::id::{DeviceId, MessageId};
use crate::message::Target;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::Now;

/// How many targets of scheduled messages and of steps one query looks up.
pub(super) const LOOKUPS: usize = 20;

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
    /// Scheduled messages and messages with a step that are due, and the targets.
    due: Vec<(MessageId, Target)>,
    /// How many of them, from the first, the running query serves.
    due_asked: usize,
}

impl Resolving {
    /// How many bytes of payload are waiting.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a query is running.
    pub(super) fn is_asking(&self) -> bool {
        self.asking
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
        self.due_asked = self.due.len();
        let mut targets: Vec<Target> = Vec::new();
        let frames = self.frames.iter().filter(|frame| needs_query(frame));
        let all = frames
            .map(|frame| &frame.to)
            .chain(self.due.iter().map(|(_, to)| to));
        for to in all {
            if !targets.contains(to) {
                targets.push(to.clone());
            }
        }
        targets
    }

    /// Has the next query look up the target of a scheduled message or of a step, unless `most` wait already. Returns
    /// whether it will.
    pub(super) fn look_up(&mut self, id: MessageId, to: Target, most: usize) -> bool {
        let has_room = self.due.len() < most;
        if has_room {
            self.due.push((id, to));
        }
        has_room
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

    /// The sender is removed: nothing is due any more.
    pub(super) fn clear_due(&mut self) {
        self.due.clear();
        self.due_asked = 0;
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
        let due_asked = std::mem::take(&mut self.memory.resolving.due_asked);
        let due: Vec<_> = self.memory.resolving.due.drain(..due_asked).collect();
        let had_due = !due.is_empty();
        for (id, to) in due {
            match self.memory.escalations.is_looked_up(id) {
                true => self.step_looked_up(id, addresses(&to, found), now)?,
                false => self.looked_up(id, addresses(&to, found), now)?,
            }
        }
        for _ in 0..asked {
            let Some(frame) = self.memory.resolving.pop() else {
                break;
            };
            let devices = match needs_query(&frame) {
                true => addresses(&frame.to, found),
                false => Ok(known(&frame)),
            };
            self.accept_frame(frame, devices, now)?;
        }
        match had_due {
            true => {
                self.escalate_due(now)?;
                self.hand_over_due(now)
            }
            false => self.accept_frames(now),
        }
    }

    /// Accepts frames up to the first that needs a query, and starts that query, or that of what is due.
    pub(super) fn accept_frames(&mut self, now: Now) -> Result<(), StoreError> {
        while let Some(first) = self.memory.resolving.frames.front() {
            // Accepting a message may start a query, too.
            if self.memory.resolving.asking || needs_query(first) {
                break;
            }
            let devices = Ok(known(first));
            if let Some(frame) = self.memory.resolving.pop() {
                self.accept_frame(frame, devices, now)?;
            }
        }
        self.ask_directory();
        Ok(())
    }

    /// Starts a query if something waits for one and none is running.
    pub(super) fn ask_directory(&mut self) {
        let resolving = &mut self.memory.resolving;
        let is_idle = resolving.frames.is_empty() && resolving.due.is_empty();
        if !resolving.asking && !is_idle {
            let targets = resolving.ask();
            self.cx.push(Output::Resolve(targets));
        }
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

/// Whether the devices of a frame's target have to be looked up now. Those of a scheduled message are later.
fn needs_query(frame: &PublishFrame) -> bool {
    !matches!(frame.to, Target::Device(_)) && frame.draft.when.is_none()
}

/// The devices of a frame that needs no query.
fn known(frame: &PublishFrame) -> Vec<DeviceId> {
    match &frame.to {
        Target::Device(device) => vec![device.clone()],
        Target::Tag(_) | Target::Match(_) => Vec::new(),
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
