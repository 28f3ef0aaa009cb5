//! Frames of the device that come right behind each other are one event, and so one commit.
//!
//! A commit waits for the disk, whatever is in it. A device that is sent a pile of messages acknowledges
//! them in rows of frames, each of which is an event to the platform. The first waits for one turn of the
//! event loop; those that have come by then are handled with it, before any other event. One that the
//! mailbox does not let wait is handled at once, after those before it. The order of events stays, and
//! nobody is told anything earlier.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tagpost_core::mailbox::ConnectionId;
use tagpost_core::protocol::Frame;
use worker::Delay;

use super::{Core, Object};

/// Frames that are not handled yet, oldest first.
#[derive(Default)]
pub(super) struct Frames(RefCell<Vec<(ConnectionId, Frame)>>);

impl Frames {
    pub(super) fn take(&self) -> Vec<(ConnectionId, Frame)> {
        self.0.take()
    }

    fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Adds one, and says whether it is the first.
    fn push(&self, connection: ConnectionId, frame: Frame) -> bool {
        let mut frames = self.0.borrow_mut();
        frames.push((connection, frame));
        frames.len() == 1
    }
}

impl Object {
    /// Handles a frame, with those that come at once after it where that pays.
    pub(super) async fn hear(
        self: &Rc<Self>,
        connection: ConnectionId,
        frame: Frame,
    ) -> worker::Result<()> {
        let may_wait = |mailbox: &Core| mailbox.may_wait(&frame);
        let may_wait = self.mailbox.borrow().as_ref().is_some_and(may_wait);
        let first = self.frames.push(connection, frame);
        if may_wait && !first {
            // The first is on its way to be handled, and takes this one along.
            return Ok(());
        }
        if may_wait {
            Delay::from(Duration::ZERO).await;
        }
        // Another event may have taken them along meanwhile.
        if self.frames.is_empty() {
            return Ok(());
        }
        self.event(|_, _| Ok(()))
    }
}
