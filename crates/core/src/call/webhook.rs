//! What a mailbox answers about its webhook, besides its status.

use serde::{Deserialize, Serialize};

use crate::webhook::{PostError, Secret, WebhookStatus};

/// The answer to [`super::Call::SetWebhook`] and [`super::Call::GetWebhook`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookAnswer {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookStatus,
    /// Its secret, the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

/// The answer to [`super::Call::TestWebhook`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WebhookTried {
    /// The address has answered.
    Answered {
        /// With this status.
        status: u16,
        /// After so many milliseconds.
        ms: u32,
    },
    /// It has not.
    Failed {
        /// Why.
        error: PostError,
    },
}
