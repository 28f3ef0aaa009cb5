//! Frames that publish, from their arrival until their targets are resolved.
//!
//! Finding the devices of a tag takes time, in which a connection can bring more frames, be closed by the
//! service, or go. What waits for one connection is bounded. What a connection brought that the service
//! closed since, because its token was revoked, another one took over or it showed no life, is not
//! accepted; it was not answered either. A device that hung up by itself still means what it said.

use super::{ConnectionId, Effect, Failure, Outbox, PublishFrame, Published, under_way};
use crate::id::DeviceId;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::Now;

/// What waits, a few connections at most.
#[derive(Debug, Default)]
pub(super) struct Resolving(Vec<Waiting>);

/// What waits of one connection.
#[derive(Debug)]
struct Waiting {
    connection: ConnectionId,
    frames: u32,
    bytes: u64,
}

impl Resolving {
    /// How many bytes of payload wait.
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|waiting| waiting.bytes).sum()
    }

    /// Lets a frame wait if fewer than `most` of its connection do.
    fn add(&mut self, connection: ConnectionId, bytes: u64, most: u32) -> bool {
        let Some(waiting) = self.of(connection) else {
            self.0.push(Waiting {
                connection,
                frames: 1,
                bytes,
            });
            return true;
        };
        let room = waiting.frames < most;
        if room {
            waiting.frames += 1;
            waiting.bytes += bytes;
        }
        room
    }

    /// Takes a frame out; whether it was still waiting.
    fn take(&mut self, connection: ConnectionId, bytes: u64) -> bool {
        let Some(waiting) = self.of(connection) else {
            return false;
        };
        waiting.frames -= 1;
        waiting.bytes -= bytes;
        if waiting.frames == 0 {
            self.forget(connection);
        }
        true
    }

    fn of(&mut self, connection: ConnectionId) -> Option<&mut Waiting> {
        let mut all = self.0.iter_mut();
        all.find(|waiting| waiting.connection == connection)
    }

    /// Nothing that this connection brought is accepted any more.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.0.retain(|waiting| waiting.connection != connection);
    }

    /// Nothing that any connection brought is.
    pub(super) fn clear(&mut self) {
        self.0.clear();
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
    /// Has the target of a frame resolved, or says that too many wait.
    pub(in crate::mailbox) fn resolve(&mut self, frame: PublishFrame) {
        // As many as may be published at once can also wait at once.
        let most = self.cx.limits.publish_burst;
        let PublishFrame {
            connection, draft, ..
        } = &frame;
        let bytes = draft.bytes();
        let problem = if !self.has_room(bytes) {
            under_way::no_room()
        } else if self.memory.resolving.add(*connection, bytes, most) {
            self.cx.effects.push(Effect::Resolve(Box::new(frame)));
            return;
        } else {
            too_many()
        };
        self.send_problem(frame.connection, frame.reference.as_deref(), &problem);
    }

    /// Accepts a message that came in a frame, and answers there. `devices` is what its target
    /// resolved to.
    ///
    /// # Errors
    /// The store failed.
    pub(in crate::mailbox) fn publish_frame(
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
        if !self.memory.resolving.take(connection, draft.bytes()) {
            return Ok(());
        }
        let origin = (connection, reference.clone());
        let published = devices
            .map_err(Failure::from)
            .and_then(|devices| self.accept(to, devices, draft, Some(origin), now));
        match published {
            Ok(Published::Answer(trace)) => {
                self.send_published(connection, reference.as_deref(), &trace);
            }
            Ok(Published::Wait(_)) => {}
            Err(Failure::Problem(problem)) => {
                self.send_problem(connection, reference.as_deref(), &problem);
            }
            Err(Failure::Store(error)) => return Err(error),
        }
        Ok(())
    }
}
