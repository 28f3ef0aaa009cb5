//! Who sent a message: a device, or a channel.

use super::{DeviceId, Sender};
use crate::web_push::channel::Channel;

impl Sender {
    /// The device, unless it is a channel.
    pub fn device(&self) -> Option<DeviceId> {
        self.0.parse().ok()
    }

    /// The channel, unless it is a device.
    pub fn channel(&self) -> Option<Channel> {
        self.0.strip_prefix('~')?.parse().ok()
    }

    /// Whether it is a channel.
    pub fn is_channel(&self) -> bool {
        self.0.starts_with('~')
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
