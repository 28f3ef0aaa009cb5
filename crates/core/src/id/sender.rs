//! Who sent a message: a device, a channel, or the service.

use super::{DeviceId, Sender, owner};
use crate::web_push::channel::Channel;

impl Sender {
    /// Whose mailbox the message comes from, and is told what becomes of it, unless it is a channel.
    pub fn device(&self) -> Option<DeviceId> {
        owner::read(&self.0).ok()
    }

    /// The channel, if it is one.
    pub fn channel(&self) -> Option<Channel> {
        self.0.strip_prefix('~')?.parse().ok()
    }

    /// Whether it is a channel.
    pub fn is_channel(&self) -> bool {
        self.0.starts_with('~') && self.0 != owner::EVENTS
    }
}

impl From<DeviceId> for Sender {
    fn from(device: DeviceId) -> Self {
        Self(device.0)
    }
}

impl From<Channel> for Sender {
    fn from(channel: Channel) -> Self {
        Self(format!("~{channel}"))
    }
}
