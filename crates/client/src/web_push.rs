//! Web Push, for the operator and for a device itself: the URLs of user agents, and the channels that they hold.
//!
//! A service without `PUSH_KEY` has none of this, and answers each request here with `not_found`. Not here: publishing
//! to a channel, which every Web Push library does.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tagpost_core::call::ChannelStatus;
use tagpost_core::id::DeviceId;
use tagpost_core::web_push::channel::Channel;

use crate::client::{Client, Request};
use crate::error::Error;

/// The URL with which a browser or phone connects as a device.
#[derive(Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct PushUrl {
    /// A secret: whoever has it receives as the device.
    pub push_url: String,
}

impl Client {
    /// Makes a URL with which a browser or phone connects as this device, valid for this number of seconds, or until
    /// the device's tokens are revoked. One that a device makes for itself expires with its token at the latest.
    /// Earlier URLs stay valid.
    ///
    /// # Errors
    /// [`Error::Refused`]: `not_found` if the service has no `PUSH_KEY`. [`Error::Unreachable`].
    pub async fn push_url(
        &self,
        device: &DeviceId,
        expires_in: Option<u32>,
    ) -> Result<PushUrl, Error> {
        #[derive(Serialize)]
        struct Terms {
            #[serde(skip_serializing_if = "Option::is_none")]
            expires_in: Option<u32>,
        }
        let body = serde_json::to_vec(&Terms { expires_in })?;
        let request = Request {
            body,
            ..Request::new(Method::POST, format!("/v1/devices/{device}/push"))
        };
        self.send(&request).await?.json()
    }

    /// The channels of a device: what its pages and apps have subscribed to.
    ///
    /// # Errors
    /// [`Error::Refused`]: `not_found` if the service has no `PUSH_KEY`. [`Error::Unreachable`].
    pub async fn channels(&self, device: &DeviceId) -> Result<Vec<ChannelStatus>, Error> {
        #[derive(Deserialize)]
        struct Channels {
            channels: Vec<ChannelStatus>,
        }
        let request = Request::get(format!("/v1/devices/{device}/channels"));
        let Channels { channels } = self.send(&request).await?.json()?;
        Ok(channels)
    }

    /// Removes a channel of a device, if it exists: its endpoint answers 410 from then on.
    ///
    /// # Errors
    /// [`Error::Refused`]: `not_found` if the service has no `PUSH_KEY`. [`Error::Unreachable`].
    pub async fn remove_channel(&self, device: &DeviceId, channel: Channel) -> Result<(), Error> {
        self.delete(format!("/v1/devices/{device}/channels/{channel}"))
            .await
    }

    /// Removes all channels of a device. Its user agent learns it when it connects again.
    ///
    /// # Errors
    /// [`Error::Refused`]: `not_found` if the service has no `PUSH_KEY`. [`Error::Unreachable`].
    pub async fn remove_channels(&self, device: &DeviceId) -> Result<(), Error> {
        self.delete(format!("/v1/devices/{device}/channels")).await
    }
}
