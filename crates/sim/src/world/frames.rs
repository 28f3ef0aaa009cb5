//! Frames that have reached a mailbox, and wait for those right behind them, to be one event together.

use tagpost_core::mailbox::ConnectionId;
use tagpost_core::protocol::Frame;
use tagpost_core::time::Millis;

use super::{Event, World};
use crate::chance::chance;
use crate::claims::Checked;

/// How long the turn of the event loop takes at most for which frames wait.
pub(super) const LATEST_TURN: Millis = 10;

impl World<'_> {
    /// A frame is handled, with those that come right behind it where that pays.
    pub(super) fn hear_frame(
        &mut self,
        object: usize,
        connection: ConnectionId,
        frame: String,
    ) -> Checked {
        if self.plan.sleeps {
            self.evict(object);
        }
        let frame = Frame::Text(frame);
        let host = &mut self.objects[object];
        let mailbox = host.mailbox.as_ref();
        let may_wait = mailbox.is_some_and(|mailbox| mailbox.may_wait(&frame));
        host.heard.push((connection, frame));
        if !may_wait {
            return self.frames(object);
        }
        if host.heard.len() > 1 {
            return Ok(());
        }
        let life = host.life;
        let turn = chance(self.plan.seed, &[12, self.next]).i64(0..=LATEST_TURN);
        self.after(turn, Event::Frames { object, life });
        Ok(())
    }

    /// Frames have waited for those behind them.
    pub(super) fn frames_gathered(&mut self, object: usize, life: u32) -> Checked {
        let host = &self.objects[object];
        if host.life != life || host.heard.is_empty() {
            return Ok(());
        }
        self.frames(object)
    }

    fn frames(&mut self, object: usize) -> Checked {
        self.event(object, |_, _| Ok(())).map(drop)
    }
}
