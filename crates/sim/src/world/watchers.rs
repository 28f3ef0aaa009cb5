//! Operators who watch devices, each over a socket of their own.
//!
//! All other claims hold beside them: a watcher changes nothing. Here is claimed what they are told. Their sockets take
//! no time, and break with their mailbox.

use std::collections::BTreeMap;

use serde::Deserialize;
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{ConnectionId, Input, Output, PostPurpose, Reply};

use super::World;
use super::said::{Said, read};
use crate::chance::chance;
use crate::claims::{Checked, broken, claim};

/// The connections of watchers are numbered from here on.
const FIRST: ConnectionId = 1 << 31;

/// A watcher's socket.
#[derive(Debug)]
pub(super) struct Watcher {
    object: usize,
    attachment: String,
    is_open: bool,
    /// The deliveries that it saw end, and in which life of the mailbox.
    ended: BTreeMap<MessageId, u32>,
}

/// What a watcher is told, as far as the claims need it.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Told {
    Watching {},
    Presence {},
    Step { id: MessageId, event: State },
}

/// Whether a connection is a watcher's.
pub(in crate::world) fn watches(connection: ConnectionId) -> bool {
    connection >= FIRST
}

impl World<'_> {
    /// An operator begins to watch a device, or stops.
    pub(super) fn watch(&mut self, object: usize, op: u32) -> Checked {
        let mut rng = chance(self.plan.seed, &[27, u64::from(op)]);
        let open = self.watching(object).next();
        if let Some(connection) = open.filter(|_| rng.u32(0..4) == 0) {
            self.watcher(connection).is_open = false;
            return self.event(object, Input::Closed { connection }).map(drop);
        }
        let connection = FIRST + u32::try_from(self.watchers.len()).map_err(broken)?;
        self.watchers.push(Watcher {
            object,
            attachment: String::new(),
            is_open: false,
            ended: BTreeMap::new(),
        });
        self.serve_watcher(object, connection, rng.bool())
    }

    /// A mailbox accepts a watcher's socket.
    pub(super) fn accept_watcher(&mut self, connection: ConnectionId) {
        self.watcher(connection).is_open = true;
    }

    /// A mailbox attaches a text to a watcher's socket.
    pub(super) fn attach_watcher(&mut self, connection: ConnectionId, attachment: String) {
        self.watcher(connection).attachment = attachment;
    }

    /// The attachments of the open sockets of an object's watchers.
    pub(super) fn watchers_attached(&self, object: usize) -> impl Iterator<Item = String> {
        let open = self.watchers.iter();
        let open = open.filter(move |watcher| watcher.is_open && watcher.object == object);
        open.map(|watcher| watcher.attachment.clone())
    }

    /// A mailbox closes a watcher's socket.
    pub(super) fn close_watcher(&mut self, connection: ConnectionId, code: u16) -> Checked {
        let watcher = self.watcher(connection);
        let was_open = std::mem::replace(&mut watcher.is_open, false);
        claim(
            "a watcher is closed once, for a reason",
            was_open && [4401, 4408, 4409].contains(&code),
            || format!("watcher {connection}: {code}"),
        )
    }

    /// The sockets of an object's watchers break.
    pub(super) fn cut_off_watchers(&mut self, object: usize) {
        let watchers = self.watchers.iter_mut();
        for watcher in watchers.filter(|watcher| watcher.object == object) {
            watcher.is_open = false;
        }
    }

    /// A mailbox tells a watcher something.
    pub(super) fn tell_watcher(
        &mut self,
        object: usize,
        connection: ConnectionId,
        frame: &str,
    ) -> Checked {
        self.note(|names| format!("{} tells watcher {connection}: {frame}", names[object]));
        let told: Told = serde_json::from_str(frame).map_err(broken)?;
        let life = self.objects[object].life;
        let watcher = self.watcher(connection);
        claim(
            "a watcher is told over its open socket",
            watcher.is_open && watcher.object == object,
            || format!("watcher {connection}: {frame}"),
        )?;
        let Told::Step { id, event } = told else {
            return Ok(());
        };
        claim(
            "a watcher is told of nothing after the end of a delivery",
            watcher.ended.get(&id) != Some(&life),
            || format!("watcher {connection}: {frame}"),
        )?;
        if event.is_terminal() {
            watcher.ended.insert(id, life);
        }
        Ok(())
    }

    /// Of each message that an event sends, each watcher is told.
    pub(super) fn tells_of_all(&self, object: usize, outputs: &[Output]) -> Checked {
        for watcher in self.watching(object) {
            let (mut sent, mut told, mut is_closed) = (0, 0, false);
            for output in outputs {
                match output {
                    Output::Send { connection, frame } if watches(*connection) => {
                        let text = frame.text().unwrap_or_default();
                        let is_sent = matches!(
                            serde_json::from_str(text),
                            Ok(Told::Step {
                                event: State::Sent,
                                ..
                            })
                        );
                        told += usize::from(is_sent && *connection == watcher);
                    }
                    Output::Send { connection, frame } => {
                        let is_agent = self.sockets[*connection as usize].is_agent;
                        let text = frame.text().unwrap_or_default();
                        let is_message = match is_agent {
                            true => text.contains(r#""messageType":"notification""#),
                            false => matches!(read(text)?, Said::Message(_)),
                        };
                        sent += usize::from(is_message);
                    }
                    Output::Reply(_, Reply::Polled(messages)) => sent += messages.len(),
                    Output::Post {
                        purpose: PostPurpose::Message { .. },
                        ..
                    } => sent += 1,
                    Output::Close { connection, .. } => is_closed |= *connection == watcher,
                    _ => {}
                }
            }
            claim(
                "a watcher is told of each message that is sent",
                is_closed || told == sent,
                || format!("watcher {watcher} was told of {told} of {sent}: {outputs:?}"),
            )?;
        }
        Ok(())
    }

    /// The open watchers of an object.
    fn watching(&self, object: usize) -> impl Iterator<Item = ConnectionId> {
        let numbered = (FIRST..).zip(&self.watchers);
        let open = numbered.filter(move |(_, it)| it.is_open && it.object == object);
        open.map(|(connection, _)| connection)
    }

    fn watcher(&mut self, connection: ConnectionId) -> &mut Watcher {
        &mut self.watchers[(connection - FIRST) as usize]
    }
}
