//! The operations of Web Push: what user agents, application servers and the operator do about the channels of a
//! device. Channels are named by their number.

use tagpost_core::message::Urgency;

/// An operation of Web Push.
#[derive(Debug, Clone)]
pub(crate) enum PushOp {
    /// A device connects as a user agent, and does so from now on; a `new` one has no id and no channels yet.
    Connect { device: usize, new: bool },
    /// A device connects with its token again, and does so from now on.
    Return { device: usize },
    /// A user agent registers a channel; `key` says which key it is bound to, if any.
    Register {
        device: usize,
        channel: usize,
        key: Option<u8>,
    },
    /// A user agent removes a channel.
    Unregister { device: usize, channel: usize },
    /// A user agent sends a frame that is not needed, or not allowed.
    Say { device: usize, what: Aside },
    /// A device rejects, over HTTP, the newest message that its user agent has had, which is not for it to answer.
    Meddle { device: usize },
    /// An application server publishes.
    Publish(Push),
    /// An application server cancels the message of this number.
    Cancel { of: u32 },
    /// An application server asks what became of the message of this number.
    Ask { of: u32, wait: u32 },
    /// An application server reads the receipts of a channel.
    Receipts {
        device: usize,
        channel: usize,
        wait: u32,
    },
    /// The operator removes a channel of a device, or all.
    Revoke {
        device: usize,
        channel: Option<usize>,
    },
    /// The operator lists the channels of a device.
    List { device: usize },
}

/// A publish to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Push {
    /// Whose channel it is.
    pub(crate) device: usize,
    /// The channel.
    pub(crate) channel: usize,
    /// To its endpoint before the newest, if there was one.
    pub(crate) former: bool,
    /// Seconds.
    pub(crate) ttl: u32,
    /// The topic, by number.
    pub(crate) topic: Option<u32>,
    /// How soon.
    pub(crate) urgency: Urgency,
    /// Seconds to wait for the acknowledgement; 0 is as long as the service waits anyway.
    pub(crate) wait: u32,
    /// Whether a receipt is wanted.
    pub(crate) receipt: bool,
}

/// What a user agent says besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aside {
    /// A ping that reaches the mailbox.
    Ping,
    /// A frame of a type that the service does not know.
    Broadcasts,
    /// A second hello.
    Hello,
    /// An acknowledgement of a message that the service never had.
    UnknownVersion,
}
