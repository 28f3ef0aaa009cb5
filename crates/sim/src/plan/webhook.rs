//! The operations of webhooks: what the operator and devices do about the addresses that devices are, and how these
//! behave. The addresses of a device are named by their number.

use tagpost_core::time::Millis;

use super::Moment;

/// An operation of webhooks.
#[derive(Debug, Clone)]
pub(crate) enum WebhookOp {
    /// A device is this address from now on. The operator sets it, or the device itself.
    Set {
        device: usize,
        own: bool,
        hook: Hook,
    },
    /// A device is no address any more.
    Remove { device: usize },
    /// The secret of a device's webhook is replaced.
    Rotate { device: usize },
    /// The operator tries the address of a device.
    Test { device: usize },
    /// From now on an address of a device behaves like this.
    Conduct {
        device: usize,
        address: u32,
        conduct: Conduct,
    },
    /// The mailbox of a device fails at the next answer of its address.
    CrashAtAnswer { device: usize, moment: Moment },
}

/// What is set of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hook {
    /// The address, by number.
    pub(crate) address: u32,
    /// How many messages are posted at a time.
    pub(crate) width: u32,
    /// Seconds that the address may take.
    pub(crate) timeout: u32,
    /// Whether messages are posted.
    pub(crate) messages: bool,
    /// Whether receipts are.
    pub(crate) receipts: bool,
}

/// How an address behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It takes everything at once.
    Takes,
    /// The same within this many milliseconds, which may be longer than it has.
    Late(Millis),
    /// It says that it works on a message, and perhaps acknowledges it later.
    Works,
    /// It rejects everything.
    Rejects,
    /// It says that it is gone.
    Gone,
    /// It asks to be left alone.
    Busy,
    /// It answers with an error.
    Fails,
    /// It does not answer in time.
    Hangs,
    /// It cannot be reached, or redirects.
    Absent,
    /// Sometimes this, sometimes that.
    AsItComes,
}
