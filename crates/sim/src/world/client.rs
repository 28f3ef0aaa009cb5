//! Devices: they connect and reconnect, make requests, and read the answers.

use std::collections::BTreeMap;

use tagpost_core::call::Call;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::problem::Code;
use tagpost_core::token::{Claims, TokenId};
use tagpost_core::wake::SubscriptionId;

use super::calls::{Caller, Reply};
use super::nap::Nap;
use super::push::Agent;
use super::said::Said;
use super::verdict::Verdict;
use super::{Event, START, World};
use crate::chance::chance;
use crate::claims::{Checked, claim};
use crate::plan::{Aftermath, Answers, Manner};

/// A request of a device or of the operator.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Publish {
        op: u32,
        repeats: u32,
    },
    Poll,
    Trace,
    List,
    Settle,
    /// It can be knocked at this phone from now on.
    Subscribe {
        phone: u32,
    },
    /// It binds itself to the tag with this number, or unbinds itself.
    Bind {
        tag: usize,
        bind: bool,
    },
    /// An application server publishes.
    Push(u32),
    /// An application server reads the receipts of the channel with this number.
    Receipts(usize),
    /// Creates or removes this device, revokes its tokens or one of them, or reads its status.
    Operator,
}

/// A device.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) claims: Claims,
    /// How many tokens it had before, of which each has another id.
    pub(super) earlier: u64,
    /// Whether the operator revokes this token alone, or has.
    pub(super) is_revoked: bool,
    pub(super) manner: Manner,
    /// The subscriptions of its phones.
    pub(super) subscriptions: BTreeMap<u32, SubscriptionId>,
    /// What it has as a user agent of Web Push.
    pub(super) agent: Agent,
    /// It sleeps.
    pub(super) nap: Option<Nap>,
    /// Its newest connection.
    pub(super) connection: Option<ConnectionId>,
    /// Its answer to each message, given or still to come.
    pub(super) verdicts: BTreeMap<MessageId, Verdict>,
    /// The answers that it could not send while it was disconnected.
    pub(super) unsaid: Vec<Verdict>,
    /// The last receipt that it got, and its connection.
    last_receipt: Option<(ConnectionId, i64)>,
    /// Its publishes that were answered, with the ids they were given.
    pub(super) published: BTreeMap<u32, MessageId>,
    reconnecting: bool,
    /// How often it has failed to reconnect.
    failures: u32,
}

impl Client {
    pub(super) fn new(device: DeviceId) -> Self {
        let claims = Claims {
            device,
            issued_at: START.div_euclid(1000),
            expires_at: None,
            publish: None,
            tags: vec![],
            revocations: Some(0),
            webhook: false,
            id: Some(TokenId::from_random(0)),
        };
        Self {
            claims,
            earlier: 0,
            is_revoked: false,
            manner: Manner::GOOD,
            subscriptions: BTreeMap::new(),
            agent: Agent::default(),
            nap: None,
            connection: None,
            verdicts: BTreeMap::new(),
            unsaid: Vec::new(),
            last_receipt: None,
            published: BTreeMap::new(),
            reconnecting: false,
            failures: 0,
        }
    }
}

impl World<'_> {
    /// A device opens a socket.
    pub(super) fn connect(&mut self, device: usize, expires_in: Option<i64>) {
        if self.is_quiet() || (self.healed && self.ledger.is_address(device)) {
            return;
        }
        let fate = self.fate(device, device, "connect", 0);
        if fate.lost {
            return self.come_back(device);
        }
        let answer = (!fate.answer_lost).then_some(fate.way_back);
        self.after(
            fate.way,
            Event::Handshake {
                device,
                expires_in,
                answer,
            },
        );
        if answer.is_none() {
            self.come_back(device);
        }
    }

    /// Whether no device connects any more.
    fn is_quiet(&self) -> bool {
        self.is_over || (self.healed && self.plan.aftermath == Aftermath::Quiet)
    }

    /// The mailbox did not accept the handshake; `refused` if it answered so.
    pub(super) fn not_connected(&mut self, device: usize, refused: bool) -> Checked {
        // A user agent always tries again.
        if !refused || self.clients[device].agent.is_on {
            if refused && self.healed && self.ledger.is_bound(device) {
                self.renew(device, false);
            }
            self.come_back(device);
        } else if self.healed && self.ledger.is_bound(device) {
            self.renew(device, false);
            self.come_back(device);
        }
        Ok(())
    }

    /// A device reconnects after a while, if its manner is to do so.
    pub(super) fn come_back(&mut self, device: usize) {
        let gone = self.healed && !self.ledger.is_bound(device);
        let client = &mut self.clients[device];
        if !client.manner.returns || client.reconnecting || gone {
            return;
        }
        client.reconnecting = true;
        let longest = 5_000 << client.failures.min(6);
        client.failures += 1;
        let delay = chance(self.plan.seed, &[6, device as u64, self.next]).i64(50..=longest);
        self.after(delay, Event::Reconnect { device });
    }

    pub(super) fn reconnect(&mut self, device: usize) -> Checked {
        self.clients[device].reconnecting = false;
        if self.clients[device].manner.returns && !self.is_connected(device) {
            self.connect(device, None);
        }
        Ok(())
    }

    /// Whether a device has a connection of the kind that it wants.
    pub(super) fn is_connected(&self, device: usize) -> bool {
        let Client {
            connection, agent, ..
        } = &self.clients[device];
        connection.is_some_and(|connection| {
            let is_agent = self.sockets[connection as usize].is_agent;
            is_agent == agent.is_on && self.is_there(connection)
        })
    }

    /// A device has a socket.
    pub(super) fn opened(&mut self, device: usize, connection: ConnectionId) {
        if self.is_quiet() {
            return self.client_leaves(connection, true);
        }
        let client = &mut self.clients[device];
        client.connection = Some(connection);
        client.failures = 0;
        if self.sockets[connection as usize].is_agent {
            return self.greet(device, connection);
        }
        for verdict in std::mem::take(&mut client.unsaid) {
            self.after(1, Event::Verdict { device, verdict });
        }
    }

    /// A device's socket is closed.
    pub(super) fn lost(&mut self, device: usize, connection: ConnectionId, code: u16) {
        let client = &mut self.clients[device];
        if client.connection == Some(connection) {
            client.connection = None;
            // After a takeover the newer connection remains.
            if ![4409, 4774].contains(&code) || self.healed {
                self.come_back(device);
            }
        }
    }

    /// A frame reaches a device.
    pub(super) fn hear(&mut self, device: usize, connection: ConnectionId, said: Said) -> Checked {
        let is_deaf = self.clients[device].manner.answers == Answers::Deaf;
        match said {
            Said::Message(message) => {
                if !is_deaf && self.fails_at(device, connection, message.id) {
                    return Ok(());
                }
                // What is not read is there all the same, before what comes later.
                self.ledger.heard(
                    device,
                    connection,
                    message.id,
                    &message.from,
                    message.urgency,
                );
                if !is_deaf {
                    self.decide(device, message.id, message.attempt);
                }
            }
            _ if is_deaf => {}
            Said::Receipt(receipt) => {
                let client = &mut self.clients[device];
                let last = client.last_receipt.replace((connection, receipt.seq));
                let last = last
                    .filter(|(before, _)| *before == connection)
                    .map(|(_, seq)| seq);
                let sees = client.manner.sees_receipts;
                self.ledger.receipt_arrived(device, &receipt, last)?;
                if sees {
                    let delay =
                        chance(self.plan.seed, &[8, receipt.seq.unsigned_abs()]).i64(0..100);
                    self.after(delay, Event::Seen { device });
                }
            }
            Said::Published(published) => {
                if let Ok(op) = published.reference.parse() {
                    self.learn_id(device, op, published.id)?;
                }
            }
            Said::Agent(said) => self.agent_hears(device, connection, said)?,
            // It may answer all the same: the two may cross.
            Said::Withdrawn(_) | Said::Welcome(_) | Said::Other => {}
        }
        Ok(())
    }

    fn learn_id(&mut self, device: usize, op: u32, id: MessageId) -> Checked {
        match self.clients[device].published.insert(op, id) {
            Some(known) if known != id => self.ledger.another_id(device, op, known, id),
            _ => Ok(()),
        }
    }

    /// The connection over which a device can speak, unless it is a user agent.
    pub(super) fn speaking(&self, device: usize) -> Option<ConnectionId> {
        let connection = self.clients[device].connection?;
        let is_agent = self.sockets[connection as usize].is_agent;
        (!is_agent && self.is_there(connection)).then_some(connection)
    }

    /// A device reports which receipts it has seen.
    pub(super) fn say_seen(&mut self, device: usize) -> Checked {
        let last = self.clients[device].last_receipt;
        if let (Some(connection), Some((_, seq))) = (self.speaking(device), last) {
            self.ledger.seen(device, seq);
            self.client_says(
                connection,
                format!(r#"{{"type":"receipts_seen","seq":{seq}}}"#),
            );
        }
        Ok(())
    }

    /// A device makes a request over HTTP.
    pub(super) fn ask(&mut self, device: usize, ask: Ask, call: Call) -> Checked {
        let claims = (!matches!(ask, Ask::Operator)).then(|| self.token(device));
        let caller = Caller::Client { device, ask };
        self.call(caller, device, claims, call, None)
    }

    /// The token of a request: occasionally one that expires soon.
    pub(super) fn token(&self, device: usize) -> Claims {
        let mut claims = self.clients[device].claims.clone();
        let mut rng = chance(self.plan.seed, &[23, device as u64, self.next]);
        if !self.healed && rng.u32(0..16) == 0 {
            claims.expires_at = Some(self.now.div_euclid(1000) + rng.i64(2..=12));
        }
        claims
    }

    /// A device gets the answer to a request over HTTP, or learns that there is none.
    pub(super) fn client_returned(
        &mut self,
        device: usize,
        ask: Ask,
        reply: Option<Reply>,
    ) -> Checked {
        self.connect_finally(device);
        if let Some(reply) = &reply {
            self.server_returned(device, &ask, reply);
        }
        match (ask, reply) {
            (Ask::Publish { op, .. }, Some(Reply::Trace(trace))) => {
                self.learn_id(device, op, trace.id)?;
                self.ledger.traced(device, &trace)
            }
            (Ask::Publish { op, repeats }, None) => {
                self.after(500, Event::Unanswered { op, repeats });
                Ok(())
            }
            (_, Some(Reply::Problem(problem))) => {
                let usual = [
                    Code::TooManyRequests,
                    Code::UnknownTag,
                    Code::UnknownDevice,
                    Code::UnknownMessage,
                    Code::UnknownWebhook,
                    Code::IdempotencyMismatch,
                    Code::Unauthorized,
                    Code::Unavailable,
                    Code::OutboxFull,
                ];
                claim(
                    "problems are the documented ones",
                    usual.contains(&problem.code),
                    || problem.to_string(),
                )
            }
            (Ask::Subscribe { phone }, Some(Reply::Subscribed(id))) => {
                self.clients[device].subscriptions.insert(phone, id);
                Ok(())
            }
            (Ask::Bind { tag, bind }, Some(Reply::Text(_))) => {
                self.bind(device, tag, bind);
                Ok(())
            }
            (_, Some(Reply::Trace(trace))) => self.ledger.traced(device, &trace),
            (_, Some(Reply::Traces(traces))) => {
                let ids: Vec<MessageId> = traces.iter().map(|trace| trace.id).collect();
                claim(
                    "messages are listed newest first",
                    ids.is_sorted_by(|a, b| a > b),
                    || format!("{ids:?}"),
                )?;
                traces
                    .iter()
                    .try_for_each(|trace| self.ledger.traced(device, trace))
            }
            (Ask::Poll, Some(Reply::Messages(messages))) => {
                for (message, attempt) in messages {
                    self.decide(device, message.id, attempt);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A device that was created after the last fault connects, too.
    pub(super) fn connect_finally(&mut self, device: usize) {
        let here = self.clients[device].connection.is_some();
        if self.healed && !here && self.ledger.is_bound(device) {
            self.come_back(device);
        }
    }
}
