//! User agents: they greet the service, register channels, and acknowledge messages as Firefox and others do.
//!
//! Firefox does not pass on a message that it has had before, and says so with the code 102. Some answer nothing of
//! that kind, some name no code, and some answer several messages in one frame.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tagpost_core::call::Call;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::web_push::seal::PushUrl;

use super::super::client::Ask;
use super::super::{Event, World};
use super::channel_id;
use super::frames::{self, Answer, NACK, Notification, ToAgent};
use crate::chance::chance;
use crate::claims::{Checked, broken};
use crate::plan::{Answers, Aside};

/// What a device has as a user agent.
#[derive(Debug, Default)]
pub(in crate::world) struct Agent {
    /// Whether the device connects as a user agent.
    pub(in crate::world) is_on: bool,
    /// Its id, if it has one.
    id: Option<String>,
    /// The connection over which it was greeted last.
    greeted: Option<ConnectionId>,
    /// The numbers of the channels that it holds, with their keys.
    channels: BTreeMap<usize, Option<u8>>,
    /// The keys of the channels that it is about to register.
    keys: BTreeMap<usize, Option<u8>>,
    /// The messages that it has had.
    had: BTreeSet<MessageId>,
}

/// A key of 65 bytes, in base64 with padding; each number is one.
fn key(number: u8) -> String {
    let digit = char::from(b'A' + number);
    format!("B{}{digit}c=", "AcH".repeat(28))
}

impl World<'_> {
    /// A device connects as a user agent; a new one has no id, and no channels.
    pub(super) fn become_agent(&mut self, device: usize, new: bool) {
        let client = &mut self.clients[device];
        client.agent.is_on = true;
        if new {
            client.agent = Agent {
                is_on: true,
                ..Agent::default()
            };
        }
        self.connect(device, None);
    }

    /// A device connects with its token again.
    pub(in crate::world) fn become_device(&mut self, device: usize) {
        self.clients[device].agent.is_on = false;
        if !self.is_connected(device) {
            self.connect(device, None);
        }
    }

    /// A user agent has a socket: it says hello, with its id only if it holds channels, as Firefox does.
    pub(in crate::world) fn greet(&mut self, device: usize, connection: ConnectionId) {
        let agent = &self.clients[device].agent;
        let id = agent.id.clone().filter(|_| !agent.channels.is_empty());
        let hello =
            json!({"messageType": "hello", "use_webpush": true, "broadcasts": {}, "uaid": id});
        self.ledger.says_hello(connection, id);
        self.client_says(connection, hello.to_string());
    }

    /// The connection over which a user agent was greeted, if it is there.
    fn greeted(&self, device: usize) -> Option<ConnectionId> {
        let client = &self.clients[device];
        let here = client
            .connection
            .filter(|it| client.agent.greeted == Some(*it));
        here.filter(|connection| self.is_there(*connection))
    }

    pub(super) fn register(&mut self, device: usize, channel: usize, with: Option<u8>) -> Checked {
        if let Some(connection) = self.greeted(device) {
            self.clients[device].agent.keys.insert(channel, with);
            let frame = json!({"messageType": "register", "channelID": channel_id(channel)?, "key": with.map(key)});
            self.client_says(connection, frame.to_string());
        }
        Ok(())
    }

    pub(super) fn unregister(&mut self, device: usize, channel: usize) -> Checked {
        if let Some(connection) = self.greeted(device) {
            self.clients[device].agent.channels.remove(&channel);
            let frame = json!({"messageType": "unregister", "channelID": channel_id(channel)?, "code": 200});
            self.client_says(connection, frame.to_string());
        }
        Ok(())
    }

    pub(super) fn say_aside(&mut self, device: usize, what: Aside) {
        let Some(connection) = self.greeted(device) else {
            return;
        };
        let frame = match what {
            Aside::Ping => json!({"messageType": "ping"}),
            Aside::Broadcasts => {
                json!({"messageType": "broadcast_subscribe", "broadcasts": {"a": "\"0\""}})
            }
            Aside::Hello => {
                self.ledger.bad_frame(connection);
                json!({"messageType": "hello"})
            }
            Aside::UnknownVersion => {
                json!({"messageType": "ack", "updates": [{"version": "01M84WQ58TFYHWCCN22Z0FBG54"}]})
            }
        };
        self.client_says(connection, frame.to_string());
    }

    /// A device rejects a message of its user agent.
    pub(super) fn meddle(&mut self, device: usize) -> Checked {
        match self.clients[device].agent.had.last().copied() {
            Some(id) => self.ask(device, Ask::Settle, Call::Nack { id, reason: None }),
            None => Ok(()),
        }
    }

    /// A frame reaches a user agent.
    pub(in crate::world) fn agent_hears(
        &mut self,
        device: usize,
        connection: ConnectionId,
        said: ToAgent,
    ) -> Checked {
        match said {
            ToAgent::Hello { uaid } => self.is_greeted(device, connection, uaid),
            ToAgent::Registered { channel, endpoint } => {
                if let Some(sealed) = endpoint.rsplit('/').next().filter(|it| !it.is_empty()) {
                    let url: Option<PushUrl> = self.servers.keys.open(sealed);
                    let url = url.ok_or_else(|| broken(format!("{endpoint} opens nothing")))?;
                    self.is_registered(device, &channel, url)?;
                }
                Ok(())
            }
            ToAgent::Notification(notification) => {
                self.is_notified(device, connection, &notification);
                Ok(())
            }
            ToAgent::Other => Ok(()),
        }
    }

    /// The service has said which id a user agent has. If that is another than before, it has lost its channels; some
    /// then register them again.
    fn is_greeted(&mut self, device: usize, connection: ConnectionId, uaid: String) -> Checked {
        let agent = &mut self.clients[device].agent;
        agent.greeted = Some(connection);
        if agent.id.as_ref() == Some(&uaid) {
            return Ok(());
        }
        agent.id = Some(uaid);
        let lost = std::mem::take(&mut agent.channels);
        if chance(self.plan.seed, &[31, u64::from(connection)]).bool() {
            for (channel, key) in lost {
                self.register(device, channel, key)?;
            }
        }
        Ok(())
    }

    /// A channel has an endpoint, which the application hands to its server.
    fn is_registered(&mut self, device: usize, name: &str, url: PushUrl) -> Checked {
        for channel in 0..2 {
            if channel_id(channel)?.to_string() == name {
                let agent = &mut self.clients[device].agent;
                let key = agent.keys.get(&channel).copied().flatten();
                agent.channels.insert(channel, key);
                let endpoints = self.servers.endpoints.entry((device, channel)).or_default();
                if endpoints.last() != Some(&url) {
                    endpoints.push(url.clone());
                }
            }
        }
        Ok(())
    }

    /// A message reaches a user agent.
    fn is_notified(&mut self, device: usize, connection: ConnectionId, message: &Notification) {
        let Notification { id, op, channel } = message.clone();
        let agent = &mut self.clients[device].agent;
        let attempt = u64::from(!agent.had.insert(id));
        let mut rng = chance(self.plan.seed, &[32, device as u64, op.into(), attempt]);
        let code = match attempt {
            0 => *[100, 100, 0].get(rng.usize(0..3)).unwrap_or(&100),
            // Some show it again.
            _ => [102, 102, 102, 100][rng.usize(0..4)],
        };
        let answer = |delay: i64, code: u32| (delay, Answer { id, code });
        let soon = rng.i64(1..=20);
        let answers = match self.clients[device].manner.answers {
            Answers::Promptly => vec![answer(soon, code)],
            Answers::Late(most) | Answers::Working(most) => {
                vec![answer(rng.i64(1..=most), code)]
            }
            Answers::No => vec![answer(soon, [101, 102, NACK][rng.usize(0..3)])],
            Answers::Never | Answers::Deaf => vec![],
            Answers::Poisoned(one_in) if op.is_multiple_of(one_in) => {
                return self.breaks_off(device, connection);
            }
            Answers::Poisoned(_) => vec![answer(soon, code)],
            Answers::AsItComes => match rng.u32(0..10) {
                0..=3 => vec![answer(soon, code)],
                4 => vec![answer(rng.i64(1..=8_000), code)],
                5 => vec![answer(soon, 101)],
                6 => vec![answer(soon, 102)],
                // The handler fails after the message was handed over.
                7 => vec![answer(soon, code), answer(soon + 5, NACK + 1)],
                8 => vec![],
                _ => vec![answer(soon, code), answer(rng.i64(1..=2_000), 102)],
            },
        };
        for (delay, answer) in answers {
            let channel = channel.clone();
            self.after(
                delay,
                Event::Answer {
                    device,
                    answer,
                    channel,
                },
            );
        }
    }

    /// A user agent answers a message, over the connection that it has.
    pub(in crate::world) fn agent_answers(
        &mut self,
        device: usize,
        answer: &Answer,
        channel: &str,
    ) {
        let Some(connection) = self.greeted(device) else {
            return;
        };
        let mut updates = vec![answer.clone()];
        // Several answers in one frame, some of them given before.
        let mut rng = chance(self.plan.seed, &[33, self.next]);
        let had = &self.clients[device].agent.had;
        if answer.code < NACK && !had.is_empty() && rng.u32(0..6) == 0 {
            let again = had.iter().nth(rng.usize(0..had.len()));
            let again = again.filter(|id| **id != answer.id);
            updates.extend(again.map(|id| Answer { id: *id, code: 102 }));
        }
        self.client_says(connection, frames::answers(&updates, channel));
    }
}
