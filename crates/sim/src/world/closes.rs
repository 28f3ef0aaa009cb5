//! The ends of connections at the service: a mailbox closes one, or it breaks with its mailbox.

use tagpost_core::mailbox::ConnectionId;

use super::World;
use super::sockets::{End, MAX_UNREAD, ToClient};
use super::watchers::watches;
use crate::claims::{Checked, claim};

/// The code of `tagpost.v1` for this close code of Web Push.
fn meaning(code: u16) -> u16 {
    match code {
        4774 => 4409,
        1001 => 4408,
        1002 => 4400,
        code => code,
    }
}

impl World<'_> {
    /// A mailbox closes a connection.
    pub(super) fn hang_up(
        &mut self,
        object: usize,
        connection: ConnectionId,
        code: u16,
        reason: &str,
    ) -> Checked {
        if watches(connection) {
            return self.close_watcher(connection, code);
        }
        let keepalive = self.keepalive();
        let (skew, off) = (self.objects[object].skew, self.plan.weather.clocks);
        let socket = &mut self.sockets[connection as usize];
        let meaning = match socket.is_agent {
            true => meaning(code),
            false => code,
        };
        claim(
            "a connection is closed once",
            socket.service == End::Open,
            || format!("connection {connection}: {code}"),
        )?;
        let alive_at = socket
            .beat(self.now, keepalive)
            .unwrap_or(0)
            .max(socket.heard_at);
        let unread = socket.unread >= MAX_UNREAD;
        let is_agent = socket.is_agent;
        let (silent, expired) = (
            self.now - alive_at,
            socket.expires_at.is_some_and(|at| at <= self.now + skew),
        );
        socket.service = End::Closing;
        socket.attachment.clear();
        self.note(|names| {
            format!(
                "{} closes connection {connection}: {code} {reason}",
                names[object]
            )
        });
        // A sign of life is recorded at most half a keepalive late, and clocks may be off.
        claim(
            "a live connection is not closed as silent",
            meaning != 4408 || is_agent || unread || silent + 2 * off >= keepalive * 2,
            || format!("connection {connection} was silent for {silent} ms"),
        )?;
        self.ledger.hung_up(object, connection, meaning, expired)?;
        let now = self.now + skew;
        if is_agent && meaning == 4408 {
            self.ledger
                .agent_is_silent(object, connection, unread, now)?;
        }
        self.ledger
            .link_over(object, connection, Some(meaning), now);
        if self.sockets[connection as usize].client == End::Gone {
            self.drop_service_end(connection);
        } else {
            self.down(connection, ToClient::Closed(code));
        }
        Ok(())
    }

    pub(super) fn drop_service_end(&mut self, connection: ConnectionId) {
        let socket = &mut self.sockets[connection as usize];
        socket.service = End::Gone;
        let device = socket.device;
        let host = &mut self.objects[device];
        host.sockets.retain(|other| *other != connection);
        let now = self.now + host.skew;
        self.ledger.link_over(device, connection, None, now);
    }

    /// All sockets of an object break, as they do when it crashes.
    pub(super) fn cut_off(&mut self, object: usize) {
        self.cut_off_watchers(object);
        for connection in std::mem::take(&mut self.objects[object].sockets) {
            self.sockets[connection as usize].service = End::Gone;
            let now = self.now + self.objects[object].skew;
            self.ledger.link_over(object, connection, None, now);
            if self.sockets[connection as usize].client != End::Gone {
                self.down(connection, ToClient::Closed(1006));
            }
        }
    }
}
