//! Hooks, for the operator and for a device itself: URLs for services that can only call a URL.
//!
//! A service without `PUSH_KEY` has none, and answers each request here with `not_found`. Not here: posting to a hook,
//! which takes no library.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tagpost_core::hook::Terms;
use tagpost_core::id::DeviceId;

use crate::client::{Client, Request};
use crate::error::Error;

/// The URL of a hook.
#[derive(Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Hook {
    /// A secret: whoever has it publishes as the device, to the hook's target.
    pub url: String,
}

impl Client {
    /// Makes a hook: what is posted to its URL is published as this device, as `terms` say. It ends with the device's
    /// tokens, and with [`Self::revoke_hooks`]. One that a device makes for itself expires with its token at the
    /// latest, and publishes to what the token may publish to. The service does not store it.
    ///
    /// # Errors
    /// [`Error::Refused`]: `not_found` if the service has no `PUSH_KEY`. [`Error::Unreachable`].
    pub async fn hook(&self, device: &DeviceId, terms: &Terms) -> Result<Hook, Error> {
        let body = serde_json::to_vec(terms)?;
        let request = Request {
            body,
            ..Request::new(Method::POST, format!("/v1/devices/{device}/hooks"))
        };
        self.send(&request).await?.json()
    }

    /// Revokes all hooks of a device made so far.
    ///
    /// # Errors
    /// [`Error::Refused`]: `not_found` if the service has no `PUSH_KEY`. [`Error::Unreachable`].
    pub async fn revoke_hooks(&self, device: &DeviceId) -> Result<(), Error> {
        self.delete(format!("/v1/devices/{device}/hooks")).await
    }
}
