//! The watchers of a mailbox: sockets that are told what happens, and change nothing.
//!
//! A watcher is no connection of the device: it makes the device neither online nor seen, has no messages in flight,
//! and sets no timer. It is kept in its socket's attachment alone, so that watching costs no row, and a mailbox that is
//! watched hibernates. Its token is checked before each frame.
//!
//! The platform buffers what a watcher does not read. So there is a bound on what one socket is told, after which the
//! watcher has to open another.

use std::mem;

use serde::{Deserialize, Serialize};

use super::connection::{
    CLOSE_BAD_FRAMES, CLOSE_SILENT, CLOSE_TAKEN_OVER, CLOSE_TOKEN, ConnectionId,
};
use super::context::Context;
use super::output::Output;
use crate::call::Status;
use crate::id::DeviceId;
use crate::protocol::Frame;
use crate::protocol::tagpost_v1::{PING, PONG};
use crate::store::Store;
use crate::time::{Millis, Now};
use crate::token::{Claims, TokenId};
use crate::watch::{self, Watched, Watching};

/// The most watchers with the device's token, and the most without. One more takes the place of the oldest of its kind,
/// so that a device does not keep the operator from watching it.
const MAX_WATCHERS: usize = 5;

/// The most bytes that one watcher is told.
const MAX_TOLD: u64 = 2 << 20;

/// The watchers, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<Watcher>);

/// A socket that watches, as its attachment has it.
#[derive(Debug, Serialize, Deserialize)]
struct Watcher {
    watches: ConnectionId,
    since: Millis,
    /// Whether it is told payloads.
    payload: bool,
    /// Whether it has a token of the device. The operator has none.
    has_token: bool,
    /// When that expires.
    expires_at: Option<Millis>,
    /// Its id, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<TokenId>,
    /// Bytes that it was told.
    told: u64,
    #[serde(skip)]
    stale: bool,
}

/// The watchers, for one event.
#[derive(Debug)]
pub(super) struct Watchers<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) memory: &'a mut Memory,
}

impl<S: Store> Watchers<'_, S> {
    /// The mailbox is opened: the watchers among the sockets with these attachments.
    pub(super) fn open(&mut self, attachments: &[String]) {
        let watchers = attachments.iter();
        self.memory.0 = watchers
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        self.memory.0.sort_by_key(|watcher| watcher.since);
        self.count();
    }

    /// A watcher has come, with the claims of its token if it has one. It is told how the device is.
    pub(super) fn add(
        &mut self,
        connection: ConnectionId,
        caller: Option<&Claims>,
        payload: bool,
        device: &DeviceId,
        status: &Status,
        now: Now,
    ) {
        let has_token = caller.is_some();
        let same = self.memory.0.iter();
        let same = same.filter(|watcher| watcher.has_token == has_token);
        let mut excess = (same.count() + 1).saturating_sub(MAX_WATCHERS);
        self.close_those(CLOSE_TAKEN_OVER, "too many watchers", |watcher| {
            let is_excess = watcher.has_token == has_token && excess > 0;
            excess -= usize::from(is_excess);
            is_excess
        });
        self.cx.push(Output::Accept(connection));
        self.cx.push(Output::Send {
            connection,
            frame: watch::watching(device, status),
        });
        self.memory.0.push(Watcher {
            watches: connection,
            since: now.at,
            payload,
            has_token,
            expires_at: caller.and_then(Claims::expires_at_millis),
            token: caller.and_then(|claims| claims.id.clone()),
            told: 0,
            stale: true,
        });
        self.count();
    }

    /// Tells all watchers.
    pub(super) fn tell(&mut self, watched: Watched, now: Now) {
        self.close_those(CLOSE_TOKEN, "token expired", |watcher| {
            watcher.expires_at.is_some_and(|at| at <= now.at)
        });
        let mut watchers = mem::take(&mut self.memory.0);
        let (with, without) = frames(watched, &watchers);
        for watcher in &mut watchers {
            let frame = if watcher.payload { &with } else { &without };
            if let Some(frame) = frame {
                watcher.told += frame.size() as u64;
                watcher.stale = true;
                self.cx.push(Output::Send {
                    connection: watcher.watches,
                    frame: frame.clone(),
                });
            }
        }
        self.memory.0 = watchers;
        self.close_those(CLOSE_SILENT, "told too much: connect again", |watcher| {
            watcher.told >= MAX_TOLD
        });
    }

    /// A frame has come over this socket. Returns whether the socket is a watcher's. Such a one says nothing but a
    /// keepalive, which the runtime answers as long as the device's protocol has the same.
    pub(super) fn hear(&mut self, connection: ConnectionId, frame: &Frame) -> bool {
        let mut watchers = self.memory.0.iter();
        let watches = watchers.any(|watcher| watcher.watches == connection);
        if watches && frame.text() == Some(PING) {
            self.cx.push(Output::Send {
                connection,
                frame: Frame::Text(PONG.to_owned()),
            });
        } else if watches {
            self.close_those(CLOSE_BAD_FRAMES, "a watcher says nothing", |watcher| {
                watcher.watches == connection
            });
        }
        watches
    }

    /// A socket is gone.
    pub(super) fn closed(&mut self, connection: ConnectionId) {
        self.memory
            .0
            .retain(|watcher| watcher.watches != connection);
        self.count();
    }

    /// All tokens were revoked.
    pub(super) fn revoked(&mut self) {
        self.close_those(CLOSE_TOKEN, "token revoked", |watcher| watcher.has_token);
    }

    /// This token was revoked.
    pub(super) fn token_revoked(&mut self, token: &TokenId) {
        self.close_those(CLOSE_TOKEN, "token revoked", |watcher| {
            watcher.token.as_ref() == Some(token)
        });
    }

    /// The device was removed.
    pub(super) fn removed(&mut self) {
        self.close_those(CLOSE_TOKEN, "device removed", |_| true);
    }

    /// The attachments that have changed.
    pub(super) fn attach(&mut self, outputs: &mut Vec<Output>) {
        for watcher in &mut self.memory.0 {
            if mem::take(&mut watcher.stale) {
                outputs.push(Output::Attach {
                    connection: watcher.watches,
                    attachment: serde_json::to_string(watcher).unwrap_or_default(),
                });
            }
        }
    }

    /// Closes the sockets of these watchers.
    fn close_those(
        &mut self,
        code: u16,
        reason: &'static str,
        these: impl FnMut(&mut Watcher) -> bool,
    ) {
        for watcher in self.memory.0.extract_if(.., these) {
            self.cx.push(Output::Close {
                connection: watcher.watches,
                code,
                reason,
            });
        }
        self.count();
    }

    /// Lets the other components know whether anybody watches.
    fn count(&mut self) {
        let watchers = self.memory.0.iter();
        let watching = watchers.map(|watcher| match watcher.payload {
            true => Watching::Payloads,
            false => Watching::Steps,
        });
        self.cx.watching = watching.max().unwrap_or_default();
    }
}

/// The frames for this, with and without a payload, as far as there are watchers for them.
fn frames(watched: Watched, watchers: &[Watcher]) -> (Option<Frame>, Option<Frame>) {
    let some = |payload| watchers.iter().any(|watcher| watcher.payload == payload);
    let with = some(true).then(|| watch::told(&watched));
    let without = some(false).then(|| {
        watch::told(&match watched {
            Watched::Step(step) => Watched::Step(Box::new(step.without_payload())),
            presence => presence,
        })
    });
    (with, without)
}
