//! What a mailbox answers about wake-ups.

use serde::{Deserialize, Serialize};

use crate::time::Millis;
use crate::wake::SubscriptionId;

/// A subscription, as the device and the operator see it: without its endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionStatus {
    /// Its id.
    pub id: SubscriptionId,
    /// What the device calls it.
    pub label: Option<String>,
    /// The push service's host.
    pub host: String,
    /// When it was stored first.
    pub created_at: Millis,
    /// When its push service last took a knock.
    pub knocked_at: Option<Millis>,
}

/// What a mailbox answers to [`super::Call::Subscribe`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// Whether it is new.
    pub created: bool,
    /// The subscription.
    pub subscription: SubscriptionStatus,
}
