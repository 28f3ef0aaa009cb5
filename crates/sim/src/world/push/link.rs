//! The mailbox's end of a user agent's connection, and of the calls of application servers: what the claims see.

use tagpost_core::mailbox::{self, Awaited, ConnectionId, Input, Output, Reply};
use tagpost_core::protocol::Frame;

use super::super::World;
use super::super::said::Said;
use super::super::sockets::ToClient;
use super::super::watchers::watches;
use super::frames::{ToAgent, answers_in, read, removed_in};
use crate::claims::{Checked, PushSent};

impl World<'_> {
    /// A mailbox sends a frame to a user agent.
    pub(in crate::world) fn send_to_agent(
        &mut self,
        object: usize,
        connection: ConnectionId,
        frame: &str,
    ) -> Checked {
        let said = read(frame)?;
        match &said {
            ToAgent::Hello { uaid } => self.ledger.greeted(object, connection, uaid)?,
            ToAgent::Registered { endpoint, .. } => {
                let sealed = endpoint.rsplit('/').next().unwrap_or_default();
                if let Some(url) = self.servers.keys.open(sealed) {
                    self.ledger.registered(object, &url)?;
                }
            }
            ToAgent::Notification(notification) => {
                self.may_carry(connection, frame.len())?;
                let host = &self.objects[object];
                let sent = PushSent {
                    connection,
                    losses: host.losses,
                    at: self.now + host.skew,
                };
                self.ledger.push_sent(object, notification, sent)?;
            }
            ToAgent::Other => {}
        }
        self.down(connection, ToClient::Frame(Said::Agent(said)));
        Ok(())
    }

    /// A mailbox has failed before it sent this: it may have counted the attempt.
    pub(in crate::world) fn may_have_been_pushed(&mut self, output: &Output) -> Checked {
        if let Output::Send { connection, frame } = output
            && let Some(text) = frame.text()
            && !watches(*connection)
            && self.sockets[*connection as usize].is_agent
            && let ToAgent::Notification(notification) = read(text)?
        {
            self.ledger.push_not_sent(notification.id);
        }
        Ok(())
    }

    /// A frame of a user agent reaches its mailbox.
    pub(in crate::world) fn reach_from_agent(
        &mut self,
        connection: ConnectionId,
        frame: String,
    ) -> Checked {
        let socket = &mut self.sockets[connection as usize];
        let device = socket.device;
        let answers = answers_in(&frame);
        if !answers.is_empty() {
            (socket.unread, socket.largest) = (0, 0);
        }
        self.note(|names| format!("{} -> over {connection}: {frame}", names[device]));
        self.may_sleep(device);
        if let Some(channel) = removed_in(&frame) {
            self.ledger.leaving(device, channel);
        }
        for answer in answers {
            let losses = self.objects[device].losses;
            self.ledger.push_answered(answer.id, answer.code, losses);
            self.objects[device].heard.push((connection, answer.id));
        }
        let frame = Frame::Text(frame);
        self.event(device, Input::Frame { connection, frame })
            .map(drop)
    }

    /// A mailbox has handled the call of a publish, and answered it, or lets it wait.
    pub(in crate::world) fn push_arrived(
        &mut self,
        object: usize,
        call: mailbox::CallId,
        op: u32,
        outputs: &[Output],
    ) -> Checked {
        let answer = outputs.iter().find_map(|output| match output {
            Output::Reply(id, Reply::Pushed(pushed)) if *id == call => Some(pushed),
            _ => None,
        });
        let host = &self.objects[object];
        let waits = host
            .mailbox
            .as_ref()
            .and_then(|mailbox| mailbox.waits_for(call));
        let waiting = match waits {
            Some((Awaited::Delivered(id), _)) => Some(id),
            _ => None,
        };
        let now = self.now + host.skew;
        let (beside, connection) = (self.awaited_here(object), self.live_connection(object));
        self.ledger
            .push_arrived(object, op, (answer, waiting), &beside, connection, now)
    }
}
