//! Sockets: an end at the service, an end at the device, and the network between them.
//!
//! Each direction keeps its order. The service's end may outlive the device's: a device that vanishes sends no close.
//! An attachment lasts as long as the service's end.

use tagpost_core::mailbox::ConnectionId;
use tagpost_core::time::Millis;
use tagpost_core::token::{Claims, TokenId};

use super::said::{Said, read};
use super::timer::LATEST_TURN;
use super::watchers::watches;
use super::{Event, World};
use crate::chance::chance;
use crate::claims::{Checked, Sent, broken, claim};

/// The most bytes that the platform attaches to a socket.
const MAX_ATTACHMENT: usize = 16_384;
/// The most bytes of messages sent over a connection without an answer.
pub(super) const MAX_UNREAD: usize = 16 << 20;

/// A socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) device: usize,
    /// It is a user agent's, and speaks Web Push.
    pub(super) is_agent: bool,
    pub(super) attachment: String,
    pub(super) service: End,
    pub(super) client: End,
    /// How long the answer to the handshake takes, if it arrives.
    answer: Option<Millis>,
    /// When the device's end was gone.
    pub(super) gone_at: Option<Millis>,
    /// Since when the device sleeps, if it does.
    pub(super) asleep_from: Option<Millis>,
    /// When the runtime last answered a keepalive.
    pub(super) pong_at: Option<Millis>,
    /// When the device last sent a frame itself: keepalives count from here.
    pub(super) spoke_at: Millis,
    /// When the mailbox last heard something.
    pub(super) heard_at: Millis,
    /// When the last frame to the device arrives, and the last frame to the mailbox.
    down_at: Millis,
    up_at: Millis,
    /// Bytes of messages sent over it since the device last answered one.
    pub(super) unread: usize,
    /// The largest message among these.
    pub(super) largest: usize,
    /// The device will not notice that it is closed.
    pub(super) lingers: bool,
    pub(super) expires_at: Option<Millis>,
    /// The id of the token with which it was opened; a user agent has none.
    token: Option<TokenId>,
    /// The window that its device asks for, if it does.
    pub(super) window: Option<u32>,
}

/// One end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open,
    Closing,
    Gone,
}

/// What a device receives.
#[derive(Debug)]
pub(super) enum ToClient {
    /// The handshake's answer.
    Opened,
    /// A frame.
    Frame(Said),
    /// The close code.
    Closed(u16),
}

/// What a mailbox receives.
#[derive(Debug)]
pub(super) enum ToMailbox {
    Frame(String),
    Closed,
}

impl Socket {
    pub(super) fn beat(&self, now: Millis, keepalive: Millis) -> Option<Millis> {
        let ends = [self.gone_at, self.asleep_from];
        let until = ends.into_iter().flatten().fold(now, Millis::min);
        let beats = (until - self.spoke_at).div_euclid(keepalive).max(0);
        if beats > 0 {
            Some(self.spoke_at + beats * keepalive)
        } else {
            self.pong_at
        }
    }
}

impl World<'_> {
    /// The attachments of an object's sockets that are not gone.
    pub(super) fn attachments(&self, object: usize) -> Vec<String> {
        let sockets = self.objects[object].sockets.iter();
        sockets
            .map(|connection| self.sockets[*connection as usize].attachment.clone())
            .chain(self.watchers_attached(object))
            .collect()
    }

    /// When the runtime last answered a keepalive of the live connection, in true time.
    pub(super) fn pong_at(&self, object: usize) -> Option<Millis> {
        let pinging = self.objects[object].mailbox.as_ref()?.connection()?;
        self.sockets[pinging as usize].beat(self.now, self.keepalive())
    }

    /// The connection of an object that is open at the service, if there is one.
    pub(super) fn live_connection(&self, object: usize) -> Option<ConnectionId> {
        let open =
            |connection: &&ConnectionId| self.sockets[**connection as usize].service == End::Open;
        self.objects[object]
            .sockets
            .iter()
            .rev()
            .find(open)
            .copied()
    }

    /// Whether a device can send over this connection.
    pub(super) fn is_there(&self, connection: ConnectionId) -> bool {
        self.sockets[connection as usize].client == End::Open
    }

    pub(super) fn keepalive(&self) -> Millis {
        i64::from(self.plan.limits.keepalive) * 1000
    }

    /// A device's handshake reaches its mailbox. `answer` is how long the answer takes, if it arrives.
    pub(super) fn handshake(
        &mut self,
        device: usize,
        expires_in: Option<i64>,
        answer: Option<Millis>,
    ) -> Checked {
        if self.is_over {
            return Ok(());
        }
        let mut claims: Claims = self.clients[device].claims.clone();
        claims.expires_at = expires_in.map(|seconds| self.now.div_euclid(1000) + 2 + seconds);
        self.may_sleep(device);
        let connection = u32::try_from(self.sockets.len()).map_err(broken)?;
        let is_agent = self.clients[device].agent.is_on;
        // A push URL is no token.
        claims.id = claims.id.filter(|_| !is_agent);
        let mut rng = chance(self.plan.seed, &[43, u64::from(connection)]);
        let asks = !is_agent && rng.u32(0..10) == 0;
        let window = asks.then(|| rng.u32(1..=2));
        self.sockets.push(Socket {
            device,
            is_agent,
            attachment: String::new(),
            service: End::Gone,
            client: End::Gone,
            answer,
            gone_at: None,
            asleep_from: None,
            pong_at: None,
            spoke_at: self.now,
            heard_at: self.now,
            down_at: self.now,
            up_at: self.now,
            unread: 0,
            largest: 0,
            lingers: false,
            expires_at: claims.expires_at_millis(),
            token: claims.id.clone(),
            window,
        });
        self.serve_handshake(device, connection, claims)
    }

    /// A mailbox accepts a socket.
    pub(super) fn accept(&mut self, connection: ConnectionId) {
        if watches(connection) {
            return self.accept_watcher(connection);
        }
        let now = self.now;
        let socket = &mut self.sockets[connection as usize];
        let (device, answer) = (socket.device, socket.answer);
        let (token, window) = (socket.token.clone(), socket.window);
        socket.service = End::Open;
        (socket.spoke_at, socket.heard_at, socket.up_at) = (now, now, now);
        socket.down_at = now + answer.unwrap_or(0);
        if answer.is_some() {
            socket.client = End::Closing;
        } else {
            socket.gone_at = Some(now);
        }
        self.objects[device].sockets.push(connection);
        self.note(|names| format!("connection {connection} of {} opens", names[device]));
        if let Some(way_back) = answer {
            let what = ToClient::Opened;
            self.after(way_back, Event::ToClient { connection, what });
        }
        // A device that leaves it to its address does not come back to take over from a connection that it never had.
        if answer.is_none() && self.healed && self.ledger.is_address(device) {
            self.up(connection, ToMailbox::Closed);
        }
        let now = self.now + self.objects[device].skew;
        self.ledger
            .connecting(device, connection, token, window, now);
        if self.clients[device].nap.is_some() {
            self.sockets[connection as usize].asleep_from = Some(self.now);
            self.ledger.falls_silent(connection, now);
        }
        if self.sockets[connection as usize].is_agent {
            self.ledger.agent_connects(connection);
        } else {
            self.ledger.fetches(device);
        }
    }

    /// A mailbox has not accepted a socket; `refused` if it answered so.
    pub(super) fn not_accepted(&mut self, connection: ConnectionId, refused: bool) -> Checked {
        let device = self.sockets[connection as usize].device;
        self.not_connected(device, refused)
    }

    /// A mailbox failed before it answered a handshake.
    pub(super) fn fail_handshake(&mut self, connection: ConnectionId) {
        let socket = &self.sockets[connection as usize];
        // An accepted socket breaks with the others.
        if socket.service == End::Gone && socket.client == End::Gone {
            self.come_back(socket.device);
        }
    }

    /// A mailbox sends a frame.
    pub(super) fn send(&mut self, object: usize, connection: ConnectionId, frame: &str) -> Checked {
        if watches(connection) {
            return self.tell_watcher(object, connection, frame);
        }
        let socket = self.sockets.get(connection as usize);
        let open =
            socket.is_some_and(|socket| socket.device == object && socket.service == End::Open);
        claim("frames are sent over the open connection", open, || {
            format!("connection {connection}: {frame}")
        })?;
        self.note(|names| format!("{} <- over {connection}: {frame}", names[object]));
        if self.sockets[connection as usize].is_agent {
            return self.send_to_agent(object, connection, frame);
        }
        let said = read(frame)?;
        if let Said::Welcome(welcome) = &said {
            let told = (welcome.held, welcome.in_progress);
            let now = self.now + self.objects[object].skew;
            self.ledger.welcomed(object, connection, told, now)?;
        }
        if let Said::Published(published) = &said {
            self.ledger.answered_over(object, published.id)?;
        }
        if let Said::Withdrawn(withdrawn) = &said {
            let host = &self.objects[object];
            let (id, reason) = (withdrawn.id, withdrawn.reason);
            self.ledger
                .withdrawn(object, id, reason, (host.losses, host.life))?;
        }
        if let Said::Receipt(receipt) = &said {
            self.ledger.receipt_sent(object, receipt)?;
        }
        if let Said::Message(message) = &said {
            self.may_carry(connection, frame.len())?;
            let host = &self.objects[object];
            let sent = Sent {
                id: message.id,
                from: self.places[&message.from],
                sent_at: message.sent_at,
                expires_at: message.expires_at,
                attempt: message.attempt,
                urgency: message.urgency,
                connection: Some(connection),
                is_posted: false,
                losses: host.losses,
                lives: host.life,
                now: self.now + host.skew,
            };
            self.ledger.sent(object, sent)?;
        }
        self.down(connection, ToClient::Frame(said));
        Ok(())
    }

    pub(super) fn down(&mut self, connection: ConnectionId, what: ToClient) {
        let latency = self.latency(connection);
        let socket = &mut self.sockets[connection as usize];
        socket.down_at = socket.down_at.max(self.now + latency);
        let at = socket.down_at;
        self.at(at, Event::ToClient { connection, what });
    }

    pub(super) fn up(&mut self, connection: ConnectionId, what: ToMailbox) {
        let latency = self.latency(connection);
        let socket = &mut self.sockets[connection as usize];
        socket.up_at = socket.up_at.max(self.now + latency);
        let at = socket.up_at;
        self.at(at, Event::ToMailbox { connection, what });
    }

    fn latency(&self, connection: ConnectionId) -> Millis {
        chance(self.plan.seed, &[5, u64::from(connection), self.next])
            .i64(1..=self.weather().latency.max(1))
    }

    /// A message may be sent only over a connection that is alive, as far as can be known, and that the device reads.
    pub(super) fn may_carry(&mut self, connection: ConnectionId, bytes: usize) -> Checked {
        let (keepalive, off) = (self.keepalive(), self.plan.weather.clocks);
        let now = self.now;
        // Messages that become due together are sent together.
        let window = self.plan.limits.max_in_flight as usize;
        let socket = &mut self.sockets[connection as usize];
        let alive_at = socket
            .beat(now, keepalive)
            .unwrap_or(0)
            .max(socket.heard_at);
        claim(
            "nothing is sent over a connection that has long been silent",
            socket.is_agent || now - alive_at <= keepalive * 5 / 2 + 2 * off + LATEST_TURN,
            || format!("connection {connection} has been silent since {alive_at}, it is {now}"),
        )?;
        socket.unread += bytes;
        socket.largest = socket.largest.max(bytes);
        claim(
            "a connection that is not read buffers no more than allowed",
            socket.unread <= MAX_UNREAD + window * socket.largest,
            || format!("{} bytes in connection {connection}", socket.unread),
        )
    }

    /// Whether a connection certainly counts as alive and read, so that messages can be sent over it.
    pub(super) fn takes_more(&self, connection: ConnectionId) -> bool {
        let (keepalive, off) = (self.keepalive(), self.plan.weather.clocks);
        let socket = &self.sockets[connection as usize];
        let beat = socket.beat(self.now, keepalive).unwrap_or(0);
        let silent = self.now - beat.max(socket.heard_at);
        let is_alive = socket.is_agent || silent + 2 * off < keepalive * 2;
        is_alive && socket.unread < MAX_UNREAD / 4
    }

    /// A mailbox attaches a text to its socket.
    pub(super) fn attach(&mut self, connection: ConnectionId, attachment: String) -> Checked {
        claim(
            "an attachment fits",
            attachment.len() <= MAX_ATTACHMENT,
            || attachment.clone(),
        )?;
        if watches(connection) {
            self.attach_watcher(connection, attachment);
            return Ok(());
        }
        let socket = &mut self.sockets[connection as usize];
        if socket.service == End::Open {
            socket.attachment = attachment;
        }
        Ok(())
    }
}
