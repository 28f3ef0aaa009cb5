//! Web Push: devices that are user agents, application servers that publish to their channels, and the operator.
//!
//! The service's part is the core's. What the Worker does, reading a request and opening a sealed URL, is done with the
//! core's own functions. Not here: signatures and encryption, which the mailbox never sees.

mod agent;
pub(crate) mod frames;
mod link;
mod server;

use std::collections::BTreeMap;
use std::rc::Rc;

use tagpost_core::call::Call;
use tagpost_core::id::MessageId;
use tagpost_core::web_push::channel::Channel;
use tagpost_core::web_push::seal::{Keys, PushUrl};

pub(super) use self::agent::Agent;
use super::World;
use super::calls::Caller;
use super::client::Ask;
use crate::claims::{Checked, broken};
use crate::plan::PushOp;

/// Where user agents reach the service.
pub(super) const ORIGIN: &str = "https://push.example";

/// What application servers know, and what seals their URLs.
pub(super) struct Servers {
    pub(super) keys: Rc<Keys>,
    /// The endpoints of each channel of each device, oldest first.
    endpoints: BTreeMap<(usize, usize), Vec<PushUrl>>,
    /// The last receipt of each channel that its server has seen.
    seen: BTreeMap<(usize, usize), i64>,
    /// The messages that were taken, by the numbers of their publishes, with their devices.
    taken: BTreeMap<u32, (usize, MessageId)>,
}

impl Servers {
    pub(super) fn new() -> Self {
        let key = "0123456789abcdef0123456789abcdef".to_owned();
        Self {
            keys: Rc::new(Keys::new(key, None)),
            endpoints: BTreeMap::new(),
            seen: BTreeMap::new(),
            taken: BTreeMap::new(),
        }
    }
}

/// The id of the channel with this number.
pub(crate) fn channel_id(number: usize) -> Checked<Channel> {
    format!("24cf03b3-f215-489e-8a5b-{number:012x}")
        .parse()
        .map_err(broken)
}

impl World<'_> {
    /// Carries out an operation of Web Push.
    pub(super) fn web_push(&mut self, number: u32, op: &PushOp) -> Checked {
        match op {
            PushOp::Connect { device, new } => {
                self.become_agent(*device, *new);
                Ok(())
            }
            PushOp::Return { device } => {
                self.become_device(*device);
                Ok(())
            }
            PushOp::Register {
                device,
                channel,
                key,
            } => self.register(*device, *channel, *key),
            PushOp::Unregister { device, channel } => self.unregister(*device, *channel),
            PushOp::Say { device, what } => {
                self.say_aside(*device, *what);
                Ok(())
            }
            PushOp::Meddle { device } => self.meddle(*device),
            PushOp::Publish(push) => self.push(number, push),
            PushOp::Cancel { of } => self.cancel_push(*of),
            PushOp::Ask { of, wait } => self.ask_of_push(*of, *wait),
            PushOp::Receipts {
                device,
                channel,
                wait,
            } => self.read_receipts(*device, *channel, *wait),
            PushOp::Revoke { device, channel } => {
                let channel = channel.map(channel_id).transpose()?;
                self.ask(*device, Ask::Operator, Call::RemoveChannels { channel })
            }
            PushOp::List { device } => self.ask(*device, Ask::Operator, Call::Channels),
        }
    }

    /// An application server asks a mailbox, without a token.
    fn server_asks(
        &mut self,
        device: usize,
        ask: Ask,
        call: Call,
        enclosed: Option<String>,
    ) -> Checked {
        let caller = Caller::Client { device, ask };
        self.call(caller, device, None, call, enclosed.map(Rc::from))
    }
}
