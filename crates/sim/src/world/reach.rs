//! What devices do with their sockets, and what arrives at either end.

use tagpost_core::mailbox::{ConnectionId, Input};
use tagpost_core::protocol::Frame;

use super::said::answered;
use super::sockets::{End, Socket, ToClient, ToMailbox};
use super::{Event, World};
use crate::chance::{chance, happens};
use crate::claims::Checked;

impl World<'_> {
    /// A device sends a frame.
    pub(super) fn client_says(&mut self, connection: ConnectionId, frame: String) {
        let keepalive = self.keepalive();
        let socket = &mut self.sockets[connection as usize];
        if socket.client != End::Open {
            return;
        }
        socket.pong_at = socket.beat(self.now, keepalive);
        socket.spoke_at = self.now;
        self.up(connection, ToMailbox::Frame(frame));
    }

    /// A device disconnects; with `close` it sends a close frame.
    pub(super) fn client_leaves(&mut self, connection: ConnectionId, close: bool) {
        let socket = &mut self.sockets[connection as usize];
        if socket.client == End::Gone {
            return;
        }
        socket.client = End::Gone;
        socket.gone_at = Some(self.now);
        if close && socket.service != End::Gone {
            self.up(connection, ToMailbox::Closed);
        }
    }

    /// A frame or a close reaches a mailbox.
    pub(super) fn reach_mailbox(&mut self, connection: ConnectionId, what: ToMailbox) -> Checked {
        let socket = &mut self.sockets[connection as usize];
        if socket.service == End::Gone {
            return Ok(());
        }
        let device = socket.device;
        match what {
            ToMailbox::Frame(frame) => {
                socket.heard_at = self.now;
                if socket.is_agent {
                    return self.reach_from_agent(connection, frame);
                }
                if let Some(id) = answered(&frame) {
                    (socket.unread, socket.largest) = (0, 0);
                    self.ledger.hears_answer(device, id);
                }
                self.note(|names| format!("{} -> over {connection}: {frame}", names[device]));
                self.may_sleep(device);
                if let Some(id) = answered(&frame) {
                    self.objects[device].heard.push((connection, id));
                }
                let frame = Frame::Text(frame);
                self.event(device, Input::Frame { connection, frame })
                    .map(drop)
            }
            ToMailbox::Closed => {
                self.note(|names| format!("{} has closed connection {connection}", names[device]));
                // If this wakes the mailbox, the socket may or may not be listed still.
                let asleep = self.objects[device].mailbox.is_none();
                if asleep && connection.is_multiple_of(2) {
                    self.objects[device].losses += 1;
                    self.drop_service_end(connection);
                }
                let closed = self.event(device, Input::Closed { connection });
                self.drop_service_end(connection);
                closed.map(drop)
            }
        }
    }

    /// A frame or a close reaches a device.
    pub(super) fn reach_client(&mut self, connection: ConnectionId, what: ToClient) -> Checked {
        let socket = &mut self.sockets[connection as usize];
        let device = socket.device;
        if socket.client == End::Gone {
            return Ok(());
        }
        match what {
            ToClient::Opened => {
                socket.client = End::Open;
                self.opened(device, connection);
                Ok(())
            }
            ToClient::Frame(said) => self.hear(device, connection, said),
            ToClient::Closed(code) => {
                let lingering = self.plan.weather.lingering;
                let mut rng = chance(self.plan.seed, &[19, u64::from(connection)]);
                let lingers = socket.lingers || happens(&mut rng, lingering);
                if socket.service == End::Closing && !self.healed && lingers {
                    self.note(|names| format!("{} lingers on {connection}", names[device]));
                    return Ok(());
                }
                let socket = &mut self.sockets[connection as usize];
                socket.client = End::Gone;
                socket.gone_at = Some(self.now);
                if socket.service == End::Closing {
                    self.up(connection, ToMailbox::Closed);
                }
                self.lost(device, connection, code);
                Ok(())
            }
        }
    }

    /// A new connection, which is lost at once, takes over from a device's connection. The device does not notice.
    pub(super) fn take_over(&mut self, device: usize) {
        if let Some(connection) = self.clients[device].connection {
            self.sockets[connection as usize].lingers = true;
            let (expires_in, answer) = (None, None);
            let handshake = Event::Handshake {
                device,
                expires_in,
                answer,
            };
            self.after(1, handshake);
        }
    }

    /// Devices finally notice which of their connections were closed.
    pub(super) fn end_lingering(&mut self) {
        for place in 0..self.sockets.len() {
            let Socket {
                device,
                client,
                service,
                ..
            } = self.sockets[place];
            let connection = place as ConnectionId;
            if client == End::Open && service != End::Open {
                self.client_leaves(connection, true);
                self.lost(device, connection, 1006);
            }
        }
    }
}
