//! The queue of all future events.

use tagpost_core::id::DeviceId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::message::Target;
use tagpost_core::time::Millis;
use tagpost_core::wake::{KnockAnswer, SubscriptionId};

use super::calls::{Parcel, Reply};
use super::push::frames::Answer;
use super::sockets::{ToClient, ToMailbox};
use super::verdict::Verdict;
use super::webhook::Request;
use super::work::Work;
use super::{CallId, World};

/// A future event.
#[derive(Debug)]
pub(super) enum Event {
    /// The operation with this index.
    Op(usize),
    /// From now on there are no faults, and all devices come back.
    Heal,
    /// Some time has passed since: whatever was due must have happened.
    Check,
    /// Everything has had enough time.
    Recovered,
    /// A call reaches its mailbox.
    Arrives {
        call: CallId,
        to: usize,
        parcel: Parcel,
        /// It arrives again after this time.
        copy: Option<(Millis, Parcel)>,
    },
    /// A call reaches its mailbox again; the answer is dropped.
    Copy {
        of: CallId,
        to: usize,
        life: u32,
        parcel: Parcel,
    },
    /// A caller gets its answer, or learns that there is none.
    Returns {
        call: CallId,
        reply: Option<Box<Reply>>,
    },
    /// The directory has found the devices of targets.
    Resolved {
        object: usize,
        life: u32,
        found: Vec<(Target, Vec<DeviceId>)>,
    },
    /// A device was added to the directory.
    Entered { object: usize, life: u32 },
    /// A push service has answered a knock, or could not be reached.
    Knocked {
        object: usize,
        life: u32,
        subscription: SubscriptionId,
        number: i64,
        answer: KnockAnswer,
    },
    /// An address has answered, or could not be reached.
    Posted {
        object: usize,
        life: u32,
        request: Box<Request>,
    },
    /// The directory has answered a mailbox that told it of failures, or has failed.
    Recorded {
        object: usize,
        life: u32,
        number: u64,
        taken: bool,
    },
    /// A push service passes a knock on to a device.
    KnockedAt { device: usize },
    /// The timer of a mailbox goes off. It was set to `at`, by the mailbox's clock.
    Timeout {
        object: usize,
        token: u64,
        at: Millis,
    },
    /// An alarm goes off.
    Alarm { object: usize, token: u64 },
    /// An alarm that has gone off does so again.
    AlarmAgain { object: usize },
    /// A device's handshake reaches its mailbox.
    Handshake {
        device: usize,
        expires_in: Option<i64>,
        answer: Option<Millis>,
    },
    /// Something reaches a device over a socket.
    ToClient {
        connection: ConnectionId,
        what: ToClient,
    },
    /// Something reaches a mailbox over a socket.
    ToMailbox {
        connection: ConnectionId,
        what: ToMailbox,
    },
    /// A device decides about a message.
    Verdict { device: usize, verdict: Verdict },
    /// A device says that it works on a message.
    Progress { device: usize, work: Work },
    /// A user agent answers a message of a channel.
    Answer {
        device: usize,
        answer: Answer,
        channel: String,
    },
    /// The user agents connect as devices from now on.
    Return,
    /// A device reports which receipts it has seen.
    Seen { device: usize },
    /// A flapping device loses its connection, and `times` times more.
    Flap {
        device: usize,
        times: u32,
        pace: Millis,
    },
    /// A device that lost its socket reconnects.
    Reconnect { device: usize },
    /// A device has slept as long as it wanted to, in the nap of this number.
    Wakes { device: usize, number: u64 },
    /// A publish has not been answered: it is repeated up to `repeats` times.
    Unanswered { op: u32, repeats: u32 },
}

impl World<'_> {
    pub(super) fn at(&mut self, at: Millis, event: Event) {
        self.next += 1;
        self.queue.insert((at.max(self.now), self.next), event);
    }

    pub(super) fn after(&mut self, delay: Millis, event: Event) {
        self.at(self.now + delay, event);
    }
}
