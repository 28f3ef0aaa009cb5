//! A device's connection: it opens, takes over from an older one, says things, and is gone.

use super::connection::{ConnectionId, Link, Stored};
use super::registration::CLOSE_TOKEN;
use super::{Effect, Mailbox, PublishFrame};
use crate::problem::{Code, Problem};
use crate::protocol::{Codec, Frame, FromDevice, ToDevice};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::token::Claims;

/// Close code: too many bad frames.
const CLOSE_BAD_FRAMES: u16 = 4400;
/// Close code: no sign of life within 2.5 keep-alives, or too much sent without an acknowledgement.
const CLOSE_SILENT: u16 = 4408;
/// Close code: a newer connection of the same device took over.
const CLOSE_TAKEN_OVER: u16 = 4409;

/// The so many-th bad frame ends a connection.
const BAD_FRAMES: u32 = 10;

impl<S: Store> Mailbox<S> {
    /// A connection of the device is open, in this protocol; an older one is closed. `window` is how many messages the device
    /// wants in flight at most; no more than the limit are.
    ///
    /// # Errors
    /// The store failed.
    pub fn connect(
        &mut self,
        connection: ConnectionId,
        codec: &'static dyn Codec,
        claims: &Claims,
        window: Option<u32>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.hang_up(now, CLOSE_TAKEN_OVER, "taken over by a newer connection")?;
        let Some(device) = self.device().cloned() else {
            return Err(StoreError(
                "a connection was opened for no device".to_owned(),
            ));
        };
        let receipts_seen = self
            .account
            .as_ref()
            .map_or(0, |account| account.receipts_seen);
        let link = Link::open(connection, codec, now.at, claims, window, receipts_seen);
        let max_in_flight = link.width(&self.limits);
        self.link = Some(link);
        self.outbox.unseen.clear();
        let (held, _) = self.held()?;
        // What a poll took and was not acknowledged goes over the socket, too.
        self.inbox.again = held > 0;
        self.inbox.backlog = self.inbox.again;
        let welcome = ToDevice::Welcome {
            device: &device,
            held,
            keepalive: self.limits.keepalive,
            max_in_flight,
        };
        self.say(&welcome);
        if let Some(at) = self.link_due() {
            self.wake_by(at);
        }
        self.send_receipts()?;
        self.pump(now)
    }

    /// Whether this frame may wait for those that come right behind it, to be one event together. One that
    /// is going to be refused does not wait, nor do those before it: the sooner its device knows, the better.
    /// The answer to a ping does not wait either.
    pub fn may_wait(&self, frame: &Frame) -> bool {
        let heard = |link: &Link| link.codec.read(frame, &self.limits);
        self.gathers()
            && match self.link.as_ref().map(heard) {
                Some(Ok(heard)) => !matches!(heard, FromDevice::Ping),
                Some(Err(_)) | None => false,
            }
    }

    /// Whether several stored messages are on the wire: one commit serves all their acknowledgements.
    pub(super) fn gathers(&self) -> bool {
        let entries = self.link.iter().flat_map(|link| link.in_flight.values());
        let stored = entries.filter(|entry| matches!(entry.store, Stored::Row { .. }));
        stored.take(2).count() > 1
    }

    /// Handles an event, which takes along frames which the device sent before it. The room that they make on the wire is filled when all is handled: the event may be about a
    /// message that would go out.
    ///
    /// # Errors
    /// The store failed.
    pub fn taking_along<T>(
        &mut self,
        frames: &[(ConnectionId, Frame)],
        now: Now,
        handle: impl FnOnce(&mut Self, Now) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.frames(frames, now)?;
        // Nothing more goes over a connection whose token has expired, whatever this event is about.
        self.check_token(now)?;
        let outcome = handle(self, now)?;
        self.pump(now)?;
        self.keep_totals()?;
        Ok(outcome)
    }

    fn frames(&mut self, frames: &[(ConnectionId, Frame)], now: Now) -> Result<(), StoreError> {
        for (connection, frame) in frames {
            self.frame(*connection, frame, now)?;
        }
        Ok(())
    }

    fn frame(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(link) = self.link.as_mut().filter(|link| link.id == connection) else {
            return Ok(());
        };
        link.hear(now.at, &self.limits);
        if link.expires_at.is_some_and(|at| at <= now.at) {
            return self.hang_up(now, CLOSE_TOKEN, "token expired");
        }
        let heard = link.codec.read(frame, &self.limits);
        if let Ok(FromDevice::Ack { id, .. } | FromDevice::Nack { id, .. }) = &heard {
            link.answered(*id);
        }
        match heard {
            Ok(FromDevice::Ping) => {
                self.say(&ToDevice::Pong);
                Ok(())
            }
            Ok(FromDevice::Ack { id, reply }) => self.conclude_acked(id, reply, now),
            Ok(FromDevice::Nack { id, reason }) => self.conclude_nacked(id, reason, now),
            Ok(FromDevice::ReceiptsSeen { seq }) => self.receipts_seen(seq),
            Ok(FromDevice::Publish {
                reference,
                to,
                draft,
            }) => {
                if !link.may_publish(&to) {
                    let problem =
                        Problem::new(Code::Forbidden, "the token may not publish to this target");
                    self.send_problem(connection, reference.as_deref(), &problem);
                } else {
                    let frame = PublishFrame {
                        connection,
                        reference,
                        to,
                        draft,
                    };
                    self.resolve(frame);
                }
                Ok(())
            }
            Err(bad) => self.bad_frame(connection, bad.reference.as_deref(), &bad.problem, now),
        }
    }

    fn bad_frame(
        &mut self,
        connection: ConnectionId,
        reference: Option<&str>,
        problem: &Problem,
        now: Now,
    ) -> Result<(), StoreError> {
        self.send_problem(connection, reference, problem);
        if let Some(link) = self
            .link
            .as_mut()
            .filter(|_| problem.code == Code::BadFrame)
        {
            link.bad_frames += 1;
            link.changed = true;
            if link.bad_frames >= BAD_FRAMES {
                return self.hang_up(now, CLOSE_BAD_FRAMES, "too many bad frames");
            }
        }
        Ok(())
    }

    /// Says over `connection`, if it is still there, that a frame could not be taken.
    pub(super) fn send_problem(
        &mut self,
        connection: ConnectionId,
        reference: Option<&str>,
        problem: &Problem,
    ) {
        self.say_over(connection, &ToDevice::Error { reference, problem });
    }

    /// Says this over the connection, if there is one. Answers how many bytes it takes.
    pub(super) fn say(&mut self, said: &ToDevice<'_>) -> u64 {
        let Some(link) = &self.link else {
            return 0;
        };
        let Some(frame) = link.codec.write(said) else {
            return 0;
        };
        let (connection, size) = (link.id, frame.size() as u64);
        self.effects.push(Effect::Send { connection, frame });
        size
    }

    /// Says this over `connection`, if it is still there.
    pub(super) fn say_over(&mut self, connection: ConnectionId, said: &ToDevice<'_>) {
        if self.connection() == Some(connection) {
            self.say(said);
        }
    }

    /// The connection is gone, with or without a close.
    ///
    /// # Errors
    /// The store failed.
    pub fn closed(&mut self, connection: ConnectionId, now: Now) -> Result<(), StoreError> {
        if self.link.as_ref().is_some_and(|link| link.id == connection) {
            self.disconnect(true, now)?;
        }
        Ok(())
    }

    /// Closes the connection, if there is one.
    pub(super) fn hang_up(
        &mut self,
        now: Now,
        code: u16,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        if let Some(connection) = self.link.as_ref().map(|link| link.id) {
            self.effects.push(Effect::Close {
                connection,
                code,
                reason,
            });
            self.outbox.resolving.forget(connection);
            self.disconnect(code != CLOSE_TOKEN, now)?;
        }
        Ok(())
    }

    /// The live connection, if there is one. Only its keep-alives are signs of life: a connection that was
    /// taken over may go on sending them.
    pub fn connection(&self) -> Option<ConnectionId> {
        self.link.as_ref().map(|link| link.id)
    }

    /// Closes a connection whose token has expired.
    pub(super) fn check_token(&mut self, now: Now) -> Result<(), StoreError> {
        let expires_at = self.link.as_ref().and_then(|link| link.expires_at);
        if expires_at.is_some_and(|at| at <= now.at) {
            self.hang_up(now, CLOSE_TOKEN, "token expired")?;
        }
        Ok(())
    }

    /// Closes a connection whose token has expired or that has shown no life.
    pub(super) fn check_link(&mut self, now: Now) -> Result<(), StoreError> {
        self.check_token(now)?;
        let Some(link) = &self.link else {
            return Ok(());
        };
        if !link.is_alive(&now, &self.limits) {
            self.hang_up(now, CLOSE_SILENT, "no sign of life")
        } else {
            self.give_up_stuck(false, now)
        }
    }

    /// Closes a connection that took too much and acknowledged nothing, once something is due or
    /// nothing is in flight that could ever be.
    pub(super) fn give_up_stuck(&mut self, due: bool, now: Now) -> Result<(), StoreError> {
        let mut link = self.link.iter();
        if link.any(|link| link.is_stuck() && (due || link.in_flight.is_empty())) {
            self.hang_up(now, CLOSE_SILENT, "nothing is acknowledged")?;
        }
        Ok(())
    }

    /// When the connection has to be closed.
    pub(super) fn link_due(&self) -> Option<Millis> {
        self.link.as_ref()?.expires_at
    }

    /// Notes when the device was last there, and which receipts it has seen.
    pub(super) fn seen(&mut self, at: Millis) -> Result<(), StoreError> {
        if let Some(account) = self.account.as_mut() {
            account.last_seen_at = Some(at);
        }
        self.note_receipts()
    }

    /// Notes a poll; written at most once a keep-alive.
    pub(super) fn seen_polling(&mut self, now: Now) -> Result<(), StoreError> {
        let noted = self
            .account
            .as_ref()
            .and_then(|account| account.last_seen_at);
        if self.link.is_none()
            && now.at - noted.unwrap_or(0) > i64::from(self.limits.keepalive) * 1000
        {
            self.seen(now.at)?;
        }
        Ok(())
    }
}
