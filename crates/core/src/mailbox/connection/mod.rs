//! The live connection of a device, and the messages in flight over it.
//!
//! A hibernating mailbox loses everything but its rows and its socket's attachment, so the connection and its in-flight
//! window are kept in the attachment, which costs no row. An unstored message in flight is kept nowhere: the open
//! call that waits for its acknowledgement keeps the mailbox awake.

mod agent;
mod end;
mod frames;
mod posting;

use std::collections::{BTreeSet, VecDeque};

use litemap::LiteMap;
use serde::{Deserialize, Serialize};

pub(super) use self::agent::Agent;
pub(super) use self::end::{CLOSE_BAD_FRAMES, CLOSE_SILENT, CLOSE_TAKEN_OVER, CLOSE_TOKEN, Ended};
pub(super) use self::frames::{Heard, PublishFrame};
pub use self::posting::Chain;
pub(super) use self::posting::Posting;
use super::output::Output;
use crate::delivery::Phase;
use crate::id::MessageId;
use crate::limits::Limits;
use crate::message::{Lane, Message};
use crate::pattern::Pattern;
use crate::protocol::tagpost_v1::SUBPROTOCOL;
use crate::protocol::{self, Codec, Codecs, ToDevice};
use crate::time::{Millis, Now};
use crate::token::Claims;
use crate::web_push::agent::AgentId;

/// The most bytes sent over a connection without an acknowledgement. The platform buffers what a device does not read,
/// and exposes no back-pressure.
pub(super) const MAX_UNREAD: u64 = 16 << 20;

/// How many messages that are sent without being in flight are remembered until they are acknowledged.
const MAX_UNKEPT: usize = 256;

/// Names a connection; the shell finds the socket by it.
pub type ConnectionId = u32;

/// A message in flight.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    pub(super) rank: i64,
    pub(super) attempt: u32,
    pub(super) sent_at: Millis,
    pub(super) store: Stored,
}

impl InFlight {
    pub(super) fn phase(&self) -> Phase {
        match self.store {
            Stored::Row { .. } => Phase::InFlight,
            Stored::Not(_) => Phase::Unstored,
        }
    }
}

/// Where an in-flight message is.
#[derive(Debug, Clone)]
pub(super) enum Stored {
    /// In the table `inbox`. It is sent again at `due_at`.
    Row { due_at: Millis },
    /// Only here. A call waits for the acknowledgement.
    Not(Box<Message>),
}

/// A live connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Its protocol.
    pub(super) codec: &'static dyn Codec,
    pub(super) connected_at: Millis,
    heard_at: Millis,
    /// The sign of life in the last attachment.
    noted_at: Millis,
    /// When the token it was opened with expires.
    pub(super) expires_at: Option<Millis>,
    publish: Option<Vec<Pattern>>,
    pub(super) bad_frames: u32,
    /// Bytes of messages sent since the device last acknowledged one of them.
    pub(super) unread: u64,
    /// The last messages sent that are not in flight, since they are not sent again, and not acknowledged; oldest
    /// first. Lost in hibernation.
    unkept: VecDeque<MessageId>,
    pub(super) receipts: Receipts,
    /// The window that the device asked for, if it did.
    window: Option<u32>,
    pub(super) in_flight: LiteMap<MessageId, InFlight>,
    /// Messages that timed out on this connection. Lost in hibernation.
    pub(super) timed_out: BTreeSet<MessageId>,
    /// The user agent behind a connection of Web Push.
    pub(super) agent: Option<Agent>,
    /// How messages are posted, if it is the address of a webhook.
    pub(super) posting: Option<Posting>,
    /// The socket's attachment is out of date.
    pub(super) stale: bool,
}

/// The receipts sent over a connection.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Receipts {
    /// The last that was sent.
    #[serde(rename = "l")]
    pub(super) sent: i64,
    /// The last that the device has seen.
    #[serde(rename = "s")]
    pub(super) seen: i64,
    /// How many were sent since `seen` was last stored in the account.
    #[serde(rename = "n")]
    pub(super) unnoted: u32,
    /// More wait until the device has seen these.
    #[serde(rename = "p")]
    pub(super) paused: bool,
}

/// The attachment of a connection's socket. Names are short: 128 messages may be in flight, and at most 16,384 bytes
/// fit.
#[derive(Debug, Serialize, Deserialize)]
struct Attachment {
    c: ConnectionId,
    /// The subprotocol; none is `tagpost.v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<String>,
    at: Millis,
    h: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<Vec<Pattern>>,
    b: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    u: u64,
    #[serde(default)]
    r: Receipts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    w: Option<u32>,
    /// The origin, the id and whether it holds the channels, of a user agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<AgentId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    k: bool,
    /// id, rank, attempt, sent at, due at
    f: Vec<(MessageId, i64, u32, Millis, Millis)>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Connection {
    /// `receipts_seen` is the last receipt that the device is known to have seen. `origin` is where the device reaches
    /// the service.
    pub(super) fn open(
        id: ConnectionId,
        codec: &'static dyn Codec,
        now: Millis,
        claims: &Claims,
        window: Option<u32>,
        receipts_seen: i64,
        origin: Option<String>,
    ) -> Self {
        let is_agent = codec.rules().lane == Lane::Channels;
        Self {
            id,
            codec,
            connected_at: now,
            heard_at: now,
            noted_at: now,
            expires_at: claims.expires_at_millis(),
            publish: claims.publish.clone(),
            bad_frames: 0,
            unread: 0,
            unkept: VecDeque::new(),
            receipts: Receipts {
                sent: receipts_seen,
                seen: receipts_seen,
                ..Receipts::default()
            },
            window,
            in_flight: LiteMap::new(),
            timed_out: BTreeSet::new(),
            agent: is_agent.then(|| Agent::at(origin.unwrap_or_default())),
            posting: None,
            stale: true,
        }
    }

    /// The connection that an attachment describes; `None` for any other text, and for a protocol that is not in
    /// `codecs`.
    pub(super) fn from_attachment(text: &str, codecs: &Codecs) -> Option<Self> {
        let attachment: Attachment = serde_json::from_str(text).ok()?;
        let subprotocol = attachment.s.as_deref().unwrap_or(SUBPROTOCOL);
        let codec = protocol::named(codecs, subprotocol)?;
        let mut in_flight = LiteMap::new();
        for (id, rank, attempt, sent_at, due_at) in attachment.f {
            let entry = InFlight {
                rank,
                attempt,
                sent_at,
                store: Stored::Row { due_at },
            };
            in_flight.insert(id, entry);
        }
        Some(Self {
            id: attachment.c,
            codec,
            connected_at: attachment.at,
            heard_at: attachment.h,
            noted_at: attachment.h,
            expires_at: attachment.e,
            publish: attachment.p,
            bad_frames: attachment.b,
            unread: attachment.u,
            unkept: VecDeque::new(),
            receipts: attachment.r,
            window: attachment.w,
            in_flight,
            timed_out: BTreeSet::new(),
            agent: attachment.o.map(|origin| Agent {
                origin,
                id: attachment.g,
                holds_channels: attachment.k,
            }),
            posting: None,
            stale: false,
        })
    }

    /// The attachment to store now.
    pub(super) fn attachment(&mut self) -> String {
        self.stale = false;
        self.noted_at = self.heard_at;
        let stored = self
            .in_flight
            .iter()
            .filter_map(|(id, entry)| match entry.store {
                Stored::Row { due_at } => {
                    Some((*id, entry.rank, entry.attempt, entry.sent_at, due_at))
                }
                Stored::Not(_) => None,
            });
        let attachment = Attachment {
            c: self.id,
            s: Some(self.codec.subprotocol().to_owned()).filter(|name| name != SUBPROTOCOL),
            at: self.connected_at,
            h: self.heard_at,
            e: self.expires_at,
            p: self.publish.clone(),
            b: self.bad_frames,
            u: self.unread,
            r: self.receipts,
            w: self.window,
            o: self.agent.as_ref().map(|agent| agent.origin.clone()),
            g: self.agent.as_ref().and_then(|agent| agent.id),
            k: self
                .agent
                .as_ref()
                .is_some_and(|agent| agent.holds_channels),
            f: stored.collect(),
        };
        serde_json::to_string(&attachment).unwrap_or_default()
    }

    /// Records a sign of life. The attachment is updated only once half a keepalive has passed: after hibernation the
    /// time of the last automatic answer is known as well.
    pub(super) fn hear(&mut self, now: Millis, limits: &Limits) {
        if now - self.noted_at > i64::from(limits.keepalive) * 500 {
            self.stale = true;
        }
        self.heard_at = now;
    }

    /// The last sign of life.
    pub(super) fn seen_at(&self, now: &Now) -> Millis {
        self.heard_at.max(now.pong_at.unwrap_or(0))
    }

    /// Whether there was a sign of life within 2.5 keepalives, if the protocol has keepalives.
    pub(super) fn is_alive(&self, now: &Now, limits: &Limits) -> bool {
        self.silent_at(now, limits).is_none_or(|at| now.at < at)
    }

    /// When it is no longer alive, without another sign of life; `None` if the protocol has no keepalives.
    pub(super) fn silent_at(&self, now: &Now, limits: &Limits) -> Option<Millis> {
        let has_keepalives = self.codec.rules().pings;
        has_keepalives.then(|| self.seen_at(now) + i64::from(limits.keepalive) * 2500 + 1)
    }

    /// A message was sent that will not be in flight.
    pub(super) fn sent_unkept(&mut self, id: MessageId) {
        if self.unkept.len() >= MAX_UNKEPT {
            self.unkept.pop_front();
        }
        self.unkept.push_back(id);
    }

    /// The device answers a message, or works on it: if that was sent and not answered before, the device has read
    /// everything up to it.
    pub(super) fn answered(&mut self, id: MessageId) {
        let unkept = self.unkept.iter().position(|sent| *sent == id);
        if let Some(place) = unkept {
            self.unkept.drain(..=place);
        }
        if unkept.is_some() || self.in_flight.contains_key(&id) {
            self.unread = 0;
        }
    }

    /// Whether too much was sent over it without an acknowledgement.
    pub(super) fn is_stuck(&self) -> bool {
        self.unread >= MAX_UNREAD
    }

    /// Whether several stored messages are in flight: one commit can serve all their acknowledgements.
    pub(super) fn gathers(&self) -> bool {
        let entries = self.in_flight.values();
        let stored = entries.filter(|entry| matches!(entry.store, Stored::Row { .. }));
        stored.take(2).count() > 1
    }

    /// The frame for this, and its size; `None` if the protocol has no frame for it.
    pub(super) fn say(&self, said: &ToDevice<'_>) -> Option<(Output, u64)> {
        let frame = self.codec.write(said)?;
        let (connection, size) = (self.id, frame.size() as u64);
        Some((Output::Send { connection, frame }, size))
    }

    /// The messages that it carries.
    pub(super) fn lane(&self) -> Lane {
        self.codec.rules().lane
    }

    /// Whether messages may be sent. To a user agent only after it has said that it holds the channels.
    pub(super) fn is_ready(&self) -> bool {
        self.agent.as_ref().is_none_or(|agent| agent.holds_channels)
    }

    /// How many messages may be in flight.
    pub(super) fn width(&self, limits: &Limits) -> u32 {
        if let Some(posting) = &self.posting {
            return posting.width;
        }
        let wanted = self.window.unwrap_or(limits.max_in_flight);
        wanted.clamp(1, limits.max_in_flight)
    }

    /// How many more messages may be sent.
    pub(super) fn window(&self, limits: &Limits) -> u32 {
        if self.is_stuck() || !self.is_ready() {
            return 0;
        }
        let used = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        match &self.posting {
            Some(posting) => posting.window(used),
            None => self.width(limits).saturating_sub(used),
        }
    }

    /// Whether this message is in flight.
    pub(super) fn has(&self, id: MessageId) -> bool {
        self.in_flight.contains_key(&id)
    }

    /// Whether a message is in flight, or has timed out on this connection.
    pub(super) fn has_sent(&self, id: MessageId) -> bool {
        self.in_flight.contains_key(&id) || self.timed_out.contains(&id)
    }

    /// Whether the connection's token permits publishing to this target.
    pub(super) fn may_publish(&self, to: &crate::message::Target) -> bool {
        Pattern::allow(self.publish.as_deref(), to)
    }
}
