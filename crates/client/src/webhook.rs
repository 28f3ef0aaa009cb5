//! Webhooks, for the operator and for a device whose token says so: a device that is an HTTPS address.
//!
//! Not here: what the address does with a request, for which every language has a library of Standard Webhooks.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use tagpost_core::call::{WebhookAnswer, WebhookTried};
use tagpost_core::id::DeviceId;
use tagpost_core::webhook::{Events, Secret, WebhookStatus};

use crate::client::{Client, Request};
use crate::error::Error;

/// What to set of a webhook; what is `None` is as the service has it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WebhookSetting {
    /// The address.
    pub url: String,
    /// How many requests are made at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// Seconds that the address may take to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// What is posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Events>>,
}

impl Client {
    /// Makes a device an address, or changes it. The first time the answer has the secret.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn set_webhook(
        &self,
        device: &DeviceId,
        setting: &WebhookSetting,
    ) -> Result<WebhookAnswer, Error> {
        let body = serde_json::to_vec(setting)?;
        let request = Request {
            body,
            ..Request::new(Method::PUT, path(device, ""))
        };
        self.send(&request).await?.json()
    }

    /// The webhook of a device.
    ///
    /// # Errors
    /// [`Error::Refused`]: `unknown_webhook` if it has none. [`Error::Unreachable`].
    pub async fn webhook(&self, device: &DeviceId) -> Result<WebhookStatus, Error> {
        self.send(&Request::get(path(device, ""))).await?.json()
    }

    /// Replaces the secret of a device's webhook. The former one signs, too, for a day.
    ///
    /// # Errors
    /// [`Error::Refused`]: `unknown_webhook` if it has none. [`Error::Unreachable`].
    pub async fn rotate_webhook(&self, device: &DeviceId) -> Result<Secret, Error> {
        #[derive(Deserialize)]
        struct Rotated {
            secret: Secret,
        }
        let request = Request::new(Method::POST, path(device, "/rotate"));
        let Rotated { secret } = self.send(&request).await?.json()?;
        Ok(secret)
    }

    /// Tries the address of a device's webhook.
    ///
    /// # Errors
    /// [`Error::Refused`]: `unknown_webhook` if it has none. [`Error::Unreachable`].
    pub async fn test_webhook(&self, device: &DeviceId) -> Result<WebhookTried, Error> {
        let request = Request::new(Method::POST, path(device, "/test")).waiting(60);
        self.send(&request).await?.json()
    }

    /// Removes the webhook of a device, if it has one.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn remove_webhook(&self, device: &DeviceId) -> Result<(), Error> {
        self.delete(path(device, "")).await
    }
}

fn path(device: &DeviceId, rest: &str) -> String {
    format!("/v1/devices/{device}/webhook{rest}")
}
