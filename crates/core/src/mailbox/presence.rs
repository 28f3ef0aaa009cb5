//! Routing of frames, connects and disconnects; the device's presence.

use super::Mailbox;
use super::connection::{
    CLOSE_BAD_FRAMES, CLOSE_TAKEN_OVER, CLOSE_TOKEN, Connection, ConnectionId, Heard,
};
use super::operator_events::{Life, Reach};
use super::output::{CallId, Output, Reply};
use super::pending::Handshake;
use super::timer::Timer;
use crate::call::Status;
use crate::message::Lane;
use crate::problem::Problem;
use crate::protocol::{Frame, ToDevice};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::token::Claims;
use crate::watch::Watched;

impl<S: Store> Mailbox<S> {
    /// Opens a connection of the device; an older one is closed.
    pub(super) fn connect(
        &mut self,
        handshake: Handshake,
        claims: &Claims,
        now: Now,
    ) -> Result<(), StoreError> {
        let Handshake {
            connection,
            codec,
            window,
            origin,
        } = handshake;
        let Some(device) = self.cx.device().cloned() else {
            return Err(StoreError(
                "a connection was opened for no device".to_owned(),
            ));
        };
        self.cx.push(Output::Accept(connection));
        self.hang_up(now, CLOSE_TAKEN_OVER, "taken over by a newer connection")?;
        let account = self.cx.account.as_ref();
        let receipts_seen = account.map_or(0, |account| account.receipts_seen);
        let opened = Connection::open(
            connection,
            codec,
            now.at,
            claims,
            window,
            receipts_seen,
            origin,
        );
        let max_in_flight = opened.width(&self.cx.limits);
        if opened.lane() == Lane::Devices {
            self.wake().fetched();
        }
        self.connection = Some(opened);
        self.cx.tell_watchers(|| Watched::Presence {
            online: true,
            at: now.at,
        });
        let held = self.inbox().connected()?;
        let (_, in_progress) = self.inbox().at_work(now)?;
        let welcome = ToDevice::Welcome {
            device: &device,
            held: held - in_progress,
            in_progress,
            keepalive: self.cx.limits.keepalive,
            max_in_flight,
        };
        self.say(&welcome);
        if let Some(at) = self.token_expires_at() {
            self.cx.wake_by(Timer::ConnectionToken, at);
        }
        self.outbox().connected()?;
        self.receive(|inbox| inbox.pump(now))
    }

    /// Somebody wants to watch: the operator, or the device itself with the claims of its token, for which it counts as a
    /// read that asks one mailbox.
    pub(super) fn watch(
        &mut self,
        id: CallId,
        connection: ConnectionId,
        caller: Option<&Claims>,
        payload: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        let admitted = self.admitted(caller, now).and_then(|_| match caller {
            Some(_) => self.outbox().may_ask(1, now),
            None => Ok(()),
        });
        let device = self.cx.device().cloned();
        let device = device.ok_or_else(Problem::unknown_device);
        let reply = match admitted.and(device) {
            Ok(device) => {
                let status = self.status(now)?;
                self.watchers()
                    .add(connection, caller, payload, &device, &status, now);
                Reply::Opened
            }
            Err(problem) => Reply::Problem(problem),
        };
        self.answer(id, reply);
        Ok(())
    }

    /// Whether this frame may wait to be batched with the frames right after it. A commit waits for the disk, however
    /// small it is, and a device that gets many messages acknowledges them with many frames.
    ///
    /// A frame that will be refused is not delayed, nor are those before it, so that the device learns of it
    /// immediately. A ping is not delayed either.
    pub(super) fn may_wait(&self, frame: &Frame) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|it| it.gathers() && it.can_wait(frame, &self.cx.limits))
    }

    /// Handles the frames that have waited, oldest first.
    pub(super) fn handle_frames(&mut self, now: Now) -> Result<(), StoreError> {
        self.cx.timers.clear(Timer::FrameTurn);
        for (connection, frame) in std::mem::take(&mut self.frames) {
            self.frame(connection, &frame, now)?;
        }
        Ok(())
    }

    /// Routes a frame. A frame of any connection but the live one is dropped.
    fn frame(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        now: Now,
    ) -> Result<(), StoreError> {
        if self.watchers().hear(connection, frame) {
            return Ok(());
        }
        let Some(live) = self.connection.as_mut().filter(|it| it.id == connection) else {
            return Ok(());
        };
        match live.read(frame, &self.cx.limits, now) {
            Heard::Ping => {
                self.say(&ToDevice::Pong);
                Ok(())
            }
            Heard::Ack { id, reply } => self.inbox().conclude_acked(id, reply, now),
            Heard::Nack { id, reason } => self.inbox().conclude_nacked(id, reason, now),
            Heard::Progress {
                reference,
                id,
                seconds,
                note,
            } => match self.outbox().may_ask(1, now) {
                Ok(()) => self.inbox().progress(id, seconds, note, now),
                Err(problem) => {
                    self.say(&ToDevice::Error {
                        reference: reference.as_deref(),
                        problem: &problem,
                    });
                    Ok(())
                }
            },
            Heard::ReceiptsSeen(seq) => self.outbox().receipts_seen(seq),
            Heard::Publish(frame) => self.outbox().resolve(frame, now),
            Heard::Agent(said) => self.agent_says(said, now),
            Heard::Refused {
                reference,
                problem,
                too_many,
            } => {
                self.say(&ToDevice::Error {
                    reference: reference.as_deref(),
                    problem: &problem,
                });
                match too_many {
                    true => self.hang_up(now, CLOSE_BAD_FRAMES, "too many bad frames"),
                    false => Ok(()),
                }
            }
            Heard::Expired => self.hang_up(now, CLOSE_TOKEN, "token expired"),
        }
    }

    /// Sends this over the live connection.
    pub(super) fn say(&mut self, said: &ToDevice<'_>) {
        let said = self.connection.as_ref().and_then(|it| it.say(said));
        self.cx
            .effects
            .extend(said.map(|(output, _)| output.into()));
    }

    /// The connection is gone, with or without a close frame.
    pub(super) fn closed(&mut self, connection: ConnectionId, now: Now) -> Result<(), StoreError> {
        self.watchers().closed(connection);
        if self.connection() == Some(connection) {
            self.receive(|inbox| inbox.disconnect(None, now))?;
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
        self.receive(|inbox| inbox.hang_up(now, code, reason))
    }

    /// Query: the live connection, if there is one. Only its keepalives are signs of life: a connection that was taken
    /// over may still send them.
    pub fn connection(&self) -> Option<ConnectionId> {
        self.socket().map(|connection| connection.id)
    }

    /// The live connection, unless it is the address of a webhook.
    fn socket(&self) -> Option<&Connection> {
        self.connection.as_ref().filter(|it| it.is_socket())
    }

    /// The signs of life of the live connection, if it is a socket whose protocol has keepalives.
    fn life(&self, now: Now) -> Option<Life> {
        let socket = self.socket()?;
        let silent_at = socket.silent_at(&now, &self.cx.limits)?;
        let seen_at = socket.seen_at(&now);
        Some(Life { seen_at, silent_at })
    }

    /// Since when the live connection has been without a sign of life, if it is no longer alive.
    pub(super) fn silent_since(&self, now: Now) -> Option<Millis> {
        let life = self.life(now)?;
        (life.silent_at <= now.at).then_some(life.seen_at)
    }

    /// Whether the device can be reached: over a socket with signs of life, or at an address that is not cut off.
    /// `silent_since`: the connection that it had when the event began was no longer alive.
    pub(super) fn reach(&self, silent_since: Option<Millis>, now: Now) -> Reach {
        match (&self.connection, self.silent_since(now)) {
            (Some(socket), None) if socket.is_socket() => Reach::Online(self.life(now)),
            // The mailbox is opened for what may be a sign of life.
            (Some(_), Some(_)) if silent_since.is_none() => Reach::Online(None),
            (Some(address), None) if address.takes_messages() && !address.is_cut_off() => {
                Reach::Online(None)
            }
            _ => Reach::Offline(silent_since.unwrap_or(now.at)),
        }
    }

    /// When the connection has to be closed, because its token expires.
    pub(super) fn token_expires_at(&self) -> Option<Millis> {
        self.connection.as_ref()?.expires_at
    }

    /// Presence and queue.
    pub(super) fn status(&mut self, now: Now) -> Result<Status, StoreError> {
        let (messages, held_bytes) = match self.cx.account {
            Some(_) => self.inbox().held()?,
            None => (0, 0),
        };
        let held_since = match messages {
            0 => None,
            _ => self.inbox().held_since()?,
        };
        let (polled, in_progress) = self.inbox().at_work(now)?;
        let account = self.cx.account.as_ref();
        let connection = self.socket();
        let online = connection.filter(|it| it.is_alive(&now, &self.cx.limits));
        let in_flight = self.connection.as_ref();
        let in_flight = in_flight.map_or(0, |connection| connection.in_flight.len());
        let in_flight = u32::try_from(in_flight).unwrap_or(u32::MAX);
        let seen = connection.map(|connection| connection.seen_at(&now));
        Ok(Status {
            known: self.is_registered(),
            revocations: account.map_or(0, |account| account.revocations),
            online: online.is_some(),
            connected_at: online.map(|connection| connection.connected_at),
            last_seen_at: seen.max(account.and_then(|account| account.last_seen_at)),
            held: messages - (in_flight + polled + in_progress),
            in_flight: in_flight + polled,
            in_progress,
            held_bytes,
            held_since,
        })
    }
}
