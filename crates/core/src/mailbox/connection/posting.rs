//! The address of a webhook, as a connection.
//!
//! To those who hand messages over it is a connection like any other, with a window. But each message is a request of
//! its own, whose answer is the device's, so it has no frames; it makes the device neither online nor seen; and nothing
//! of it outlives memory: a message in flight is then posted again.
//!
//! The platform bounds the requests that one of its events may lead to, so those that follow from each other are counted.

use std::cell::Cell;
use std::rc::Rc;

use super::{Connection, ConnectionId, Receipts};
use crate::limits::Limits;
use crate::message::Lane;
use crate::problem::{Code, Problem};
use crate::protocol::{BadFrame, Codec, Frame, FromDevice, Rules, ToDevice};
use crate::time::Millis;

/// How many requests follow from one event of the platform. It permits 50 on the free plan.
const MAX_POSTS: u32 = 40;

/// How long after the time of a request its answer counts as lost, in milliseconds.
const GRACE: Millis = 10_000;

/// Its number. A socket may have the same by chance: neither is sent what is for the other.
const NUMBER: ConnectionId = 0;

/// The requests that follow from one event of the platform: it leads to some, and each answer to further ones.
#[derive(Debug, Clone, Default)]
pub struct Chain(Rc<Cell<u32>>);

impl Chain {
    /// One that permits no request.
    pub(in crate::mailbox) fn exhausted() -> Self {
        Self(Rc::new(Cell::new(MAX_POSTS)))
    }

    fn left(&self) -> u32 {
        MAX_POSTS.saturating_sub(self.0.get())
    }

    /// A request is made.
    pub(in crate::mailbox) fn count(&self) {
        self.0.set(self.0.get().saturating_add(1));
    }
}

/// How messages are posted.
#[derive(Debug, Clone)]
pub(in crate::mailbox) struct Posting {
    /// How many messages are posted at a time; 0 if none are.
    pub(in crate::mailbox) width: u32,
    /// How long each may take, in milliseconds.
    pub(in crate::mailbox) timeout: Millis,
    /// Whether receipts are posted.
    pub(in crate::mailbox) receipts: bool,
    /// After failures in a row only the oldest message is tried.
    pub(in crate::mailbox) is_cut_off: bool,
    /// The requests that follow from the present event.
    pub(in crate::mailbox) chain: Chain,
}

impl Posting {
    /// How many more requests may be made while `used` are under way.
    pub(super) fn window(&self, used: u32) -> u32 {
        let most = if self.is_cut_off { 1 } else { u32::MAX };
        let width = self.width.min(most);
        width.saturating_sub(used).min(self.chain.left())
    }

    /// Whether no further request may follow from the present event.
    fn is_exhausted(&self) -> bool {
        self.chain.left() == 0
    }

    /// When the answer to a request that is made now counts as lost.
    pub(in crate::mailbox) fn due_after(&self) -> Millis {
        self.timeout + GRACE
    }

    /// Whether messages of one sender and urgency are posted in their order.
    pub(in crate::mailbox) fn keeps_order(&self) -> bool {
        self.width == 1
    }
}

impl Connection {
    /// The address of a webhook, which is known to have seen these receipts.
    pub(in crate::mailbox) fn posting(posting: Posting, receipts_seen: i64, now: Millis) -> Self {
        Self {
            id: NUMBER,
            codec: &NoFrames,
            connected_at: now,
            heard_at: now,
            noted_at: now,
            expires_at: None,
            token: None,
            publish: None,
            bad_frames: 0,
            unread: 0,
            unkept: Default::default(),
            receipts: Receipts {
                sent: receipts_seen,
                seen: receipts_seen,
                ..Receipts::default()
            },
            window: None,
            in_flight: Default::default(),
            timed_out: Default::default(),
            agent: None,
            posting: Some(posting),
            stale: false,
        }
    }

    /// Whether it is a socket, not an address.
    pub(in crate::mailbox) fn is_socket(&self) -> bool {
        self.posting.is_none()
    }

    /// Whether it takes messages of devices. A socket of a device does, an address if that is set.
    pub(in crate::mailbox) fn takes_messages(&self) -> bool {
        let wide = self.posting.as_ref().is_none_or(|it| it.width > 0);
        wide && self.lane() == Lane::Devices
    }

    /// Whether it takes receipts, or drops them.
    pub(in crate::mailbox) fn takes_receipts(&self) -> bool {
        self.posting.as_ref().is_none_or(|it| it.receipts)
    }

    /// Whether no further request to an address may follow from the present event.
    pub(in crate::mailbox) fn is_exhausted(&self) -> bool {
        self.posting.as_ref().is_some_and(Posting::is_exhausted)
    }

    /// Whether an address has failed too often, and waits for its oldest message to succeed.
    pub(in crate::mailbox) fn is_cut_off(&self) -> bool {
        self.posting.as_ref().is_some_and(|it| it.is_cut_off)
    }

    /// Whether a message that an address has failed holds up those behind it. Over a socket each is sent immediately.
    pub(in crate::mailbox) fn keeps_order(&self) -> bool {
        self.posting.as_ref().is_some_and(Posting::keeps_order)
    }

    /// Whether more could be posted, but not as a consequence of the present event.
    pub(in crate::mailbox) fn has_to_go_on(&self, limits: &Limits) -> bool {
        let used = u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX);
        let mut posting = self.posting.iter();
        posting.any(|posting| posting.is_exhausted() && used < self.width(limits))
    }
}

/// The protocol of a connection without frames.
#[derive(Debug)]
struct NoFrames;

impl Codec for NoFrames {
    fn subprotocol(&self) -> &'static str {
        ""
    }

    fn keepalive(&self) -> (&'static str, &'static str) {
        ("", "")
    }

    fn rules(&self) -> Rules {
        Rules {
            lane: Lane::Devices,
            pings: false,
            max_bad_frames: u32::MAX,
        }
    }

    fn read(&self, _: &Frame, _: &Limits) -> Result<FromDevice, BadFrame> {
        Err(BadFrame {
            problem: Problem::new(Code::BadFrame, "an address sends no frames"),
            reference: None,
        })
    }

    fn write(&self, _: &ToDevice<'_>) -> Option<Frame> {
        None
    }
}
