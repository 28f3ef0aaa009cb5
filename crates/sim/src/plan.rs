//! The plan of a run: a list of operations that can be read and shortened.
//!
//! A run depends only on its plan. An operation without a subject does nothing, so any part of a plan is a plan.

use tagpost_core::limits::Limits;
use tagpost_core::message::Urgency;
use tagpost_core::time::Millis;

mod push;
mod webhook;

pub(crate) use self::push::{Aside, Push, PushOp};
pub(crate) use self::webhook::{Conduct, Hook, WebhookOp};

/// The longest that a message of a plan is kept.
pub(crate) const MAX_TTL: Millis = 3_600_000;

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Decides all chances of the run.
    pub(crate) seed: u64,
    /// The limits of the service.
    pub(crate) limits: Limits,
    /// How many devices the operations name.
    pub(crate) devices: usize,
    /// How many further devices have the last tag.
    pub(crate) crowd: usize,
    /// The devices that each tag has at first.
    pub(crate) tags: Vec<Vec<usize>>,
    /// How the network and the platform behave.
    pub(crate) weather: Weather,
    /// Whether each mailbox starts without tables, as in the product; else they are made beforehand.
    pub(crate) bare: bool,
    /// Whether mailboxes that are idle leave memory as soon as they may.
    pub(crate) sleeps: bool,
    /// In how many isolates the mailboxes are.
    pub(crate) isolates: u32,
    /// How it is after the last fault.
    pub(crate) aftermath: Aftermath,
    /// The backlog of the mailbox, in the histories about one mailbox.
    pub(crate) pile: Option<Pile>,
    /// The operations, in order.
    pub(crate) ops: Vec<Op>,
}

/// How often things go wrong, in per mille, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weather {
    /// The longest usual way of a call or frame.
    pub(crate) latency: Millis,
    /// Calls that are late, and by how much at most.
    pub(crate) slow: u32,
    /// See `slow`.
    pub(crate) slow_by: Millis,
    /// Calls that never arrive.
    pub(crate) lost_requests: u32,
    /// Calls whose answer never arrives.
    pub(crate) lost_answers: u32,
    /// Calls between mailboxes that arrive twice.
    pub(crate) repeated: u32,
    /// Alarms that are late, and by how much at most.
    pub(crate) late_alarms: u32,
    /// See `late_alarms`.
    pub(crate) late_by: Millis,
    /// Alarms that go off twice.
    pub(crate) twice: u32,
    /// How far a mailbox's clock is off at most, ahead or behind.
    pub(crate) clocks: Millis,
    /// Publishes to a tag that also go to devices that have left it.
    pub(crate) stale: u32,
    /// Devices that do not notice that their connection was closed, and go on with it.
    pub(crate) lingering: u32,
    /// Knocks that a push service does not take, or not as it should.
    pub(crate) knocks: u32,
}

/// How it is after the last fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aftermath {
    /// Every device connects and answers.
    Lively,
    /// Nobody connects or makes a request: only alarms wake the mailboxes.
    Quiet,
    /// Every device connects; those that fail at a message still do.
    Poisoned,
}

/// A large backlog of one kind, in one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pile {
    /// This many messages held for its device.
    Held(u32),
    /// Queued publishes: how many, and to how many devices each.
    Queued(u32, u32),
    /// This many large publishes that wait for their answers.
    Waiting(u32),
    /// This many large messages that wait for the acknowledgement of its connected device.
    InFlight(u32),
}

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const FAIR: Weather = Weather {
        latency: 5,
        slow: 0,
        slow_by: 0,
        lost_requests: 0,
        lost_answers: 0,
        repeated: 0,
        late_alarms: 0,
        late_by: 0,
        twice: 0,
        clocks: 0,
        stale: 0,
        lingering: 0,
        knocks: 0,
    };
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    /// Names it; stays the same when the plan is shortened.
    pub(crate) number: u32,
    /// How long after the operation before it.
    pub(crate) gap: Millis,
    /// The operation.
    pub(crate) action: Action,
}

/// An operation. Devices and tags are named by their index.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// A device opens a socket with a token that expires in `expires_in` seconds.
    Connect {
        device: usize,
        expires_in: Option<i64>,
    },
    /// A device leaves; with `close` it says so, else the service is left with a dead socket.
    Leave { device: usize, close: bool },
    /// From now on a device behaves like this.
    Manner { device: usize, manner: Manner },
    /// A device publishes.
    Publish(Publication),
    /// A device repeats the publish of this number with the same key.
    Repeat { of: u32 },
    /// A device polls.
    Poll {
        device: usize,
        limit: u32,
        wait: u32,
    },
    /// A sender cancels the message of this number.
    Cancel { of: u32 },
    /// A sender asks for the trace of the message of this number.
    Trace { of: u32, wait: u32 },
    /// A sender asks for its messages.
    List { device: usize },
    /// The operator looks at a device, and begins or stops to watch it.
    Status { device: usize },
    /// The operator lists up to so many of the messages that wait for a device.
    Look { device: usize, limit: u32 },
    /// A device sends malformed frames.
    BadFrames { device: usize, count: u32 },
    /// A device loses its connection and comes back `times` times, with at most `pace` in between.
    Flap {
        device: usize,
        times: u32,
        pace: Millis,
    },
    /// A device sleeps for a while, and its connection stays. With `catches_up` it sends a ping that fell due meanwhile
    /// when it wakes; else its timers have stood still.
    Nap {
        device: usize,
        lasts: Millis,
        catches_up: bool,
    },
    /// A connection that a device has already lost takes over from its current one. The device does not notice, and
    /// keeps pinging over the current one.
    TakeOver { device: usize },
    /// A mailbox fails.
    Crash { device: usize, moment: Moment },
    /// The isolate of a mailbox fails, with all mailboxes in it.
    Isolate { device: usize, keep_sockets: bool },
    /// The store of a mailbox refuses every write for a while.
    Full { device: usize, lasts: Millis },
    /// No mailbox can be opened for a while: the configuration that was deployed is wrong.
    Misconfigure { lasts: Millis },
    /// For a while some mailboxes run another version, whose calls and answers the others may not
    /// understand, as they may not theirs.
    Mix { lasts: Millis },
    /// A new version is deployed: every mailbox loses its memory and its sockets.
    Deploy,
    /// A mailbox that has nothing under way leaves memory.
    Evict { device: usize },
    /// The clock of a mailbox's machine is off by so much from now on.
    Skew { device: usize, by: Millis },
    /// The operator deletes a device.
    Remove { device: usize },
    /// The operator creates a device, or gives it a new token.
    Register { device: usize, foreign: bool },
    /// A device binds itself to a tag, or unbinds itself.
    Bind {
        device: usize,
        tag: usize,
        bind: bool,
    },
    /// A device stores that it can be knocked at this phone.
    Subscribe { device: usize, phone: u32 },
    /// A device removes one of its subscriptions, or all.
    Unsubscribe { device: usize, phone: Option<u32> },
    /// The operator revokes a device's tokens.
    Revoke { device: usize },
    /// The operator revokes the one token that a device has, and says that it ends after so many milliseconds.
    RevokeToken {
        device: usize,
        ends_in: Option<Millis>,
    },
    /// Something about the channels of a device.
    WebPush(PushOp),
    /// Something about the address that a device is.
    Webhook(WebhookOp),
}

/// A publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    /// The sender.
    pub(crate) sender: usize,
    /// To whom.
    pub(crate) to: To,
    /// To whom else, and after how many seconds.
    pub(crate) steps: Vec<(To, u32)>,
    /// Over the socket, if there is one; otherwise over HTTP.
    pub(crate) frame: bool,
    /// Seconds.
    pub(crate) ttl: u32,
    /// The topic, by number.
    pub(crate) topic: Option<u32>,
    /// How soon.
    pub(crate) urgency: Urgency,
    /// Seconds.
    pub(crate) wait: u32,
    /// The idempotency key, by number.
    pub(crate) key: Option<u32>,
    /// Whether it comes back, if the sender has the tag.
    pub(crate) echo: bool,
    /// How many acknowledgements are enough.
    pub(crate) acks: Option<u32>,
    /// When it is handed over, if not now.
    pub(crate) later: Option<Later>,
    /// Bytes added to the payload.
    pub(crate) padding: usize,
    /// How often it is repeated while it is not answered.
    pub(crate) repeats: u32,
}

/// When a message is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Later {
    /// After this number of seconds.
    Delay(u32),
    /// So many milliseconds after it is sent, named as a time.
    At(Millis),
}

/// To whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum To {
    /// One device.
    Device(usize),
    /// A tag.
    Tag(usize),
    /// The devices of a tag but this one.
    Without(usize, usize),
}

impl Publication {
    /// To whom the message may go, at first and by its steps.
    pub(crate) fn targets(&self) -> impl Iterator<Item = To> {
        let steps = self.steps.iter().map(|(to, _)| *to);
        std::iter::once(self.to).chain(steps)
    }
}

/// How a device behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// How it answers messages.
    pub(crate) answers: Answers,
    /// Whether it says which receipts it has seen.
    pub(crate) sees_receipts: bool,
    /// Whether it reconnects after losing its socket.
    pub(crate) returns: bool,
}

impl Manner {
    /// Behaves correctly.
    pub(crate) const GOOD: Manner = Manner {
        answers: Answers::Promptly,
        sees_receipts: true,
        returns: true,
    };
}

/// How a device answers a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    /// Acknowledges it at once.
    Promptly,
    /// Acknowledges it within this many milliseconds.
    Late(Millis),
    /// Says that it works on it, for a while each time, and acknowledges it within this many milliseconds, or never.
    Working(Millis),
    /// Rejects it.
    No,
    /// Nothing.
    Never,
    /// Nothing, because it reads nothing.
    Deaf,
    /// Acknowledges it at once, but fails first at one message in this many.
    Poisoned(u32),
    /// Sometimes this, sometimes that, sometimes twice or over HTTP.
    AsItComes,
}

/// When a mailbox fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Now: memory and sockets are gone.
    Now,
    /// Now: memory is gone, the sockets stay.
    NowKeepingSockets,
    /// In the next event, at this statement or at the end: the event's writes are lost, too.
    Within(u32),
    /// In the next event, after its commit and after this many of its effects.
    Committed(u32),
}
