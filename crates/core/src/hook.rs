//! Hooks: URLs for services that can only call a URL. What is posted to one is published.
//!
//! A hook publishes as one device, to one target, as was chosen when it was made. All of that is in its URL, which is
//! sealed (see [`crate::web_push::seal`]): no hook is stored, so there may be any number of them. It stops working when
//! the tokens of its device or all its hooks are revoked, or the token expires that it was made with. Not here: what was
//! revoked, which the device's mailbox knows.

mod draft;
mod request;
mod sealed;
mod target;
mod template;

use serde::{Deserialize, Serialize};

pub use self::request::{LONGEST_REQUEST, read};
pub use self::target::{HookName, HookTarget};
pub use self::template::Template;

use crate::id::{DeviceId, Topic};
use crate::message::Urgency;
use crate::publish::DEFAULT_TTL;
use crate::time::Millis;
use crate::token::Claims;

/// The random bytes of a hook.
pub type Nonce = [u8; 8];

/// What a hook does with what is posted to it. Written, it is the body of a request for a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// To whom it publishes.
    pub to: HookTarget,
    /// Seconds to keep trying.
    pub ttl: u32,
    /// The place of its messages in the queue.
    pub urgency: Urgency,
    /// Its messages replace the unacknowledged one of this topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    /// What it is for; for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<HookName>,
    /// What becomes of a body.
    pub template: Template,
}

impl Terms {
    /// A hook that publishes to this target as it comes, with the defaults of a publish.
    pub fn new(to: HookTarget) -> Self {
        Self {
            to,
            ttl: DEFAULT_TTL,
            urgency: Urgency::default(),
            topic: None,
            name: None,
            template: Template::default(),
        }
    }
}

/// How often something of a device had been revoked when a hook was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    /// Its tokens.
    pub tokens: u32,
    /// Its hooks.
    pub hooks: u32,
}

/// What the URL of a hook permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The device that it publishes as.
    pub device: DeviceId,
    /// What it does.
    pub terms: Terms,
    /// When it expires, in seconds; `None` is never.
    pub expires_at: Option<i64>,
    /// What had been revoked by then.
    pub revocations: Revocations,
    /// Random bytes: two hooks with the same terms have different URLs, so that a new one is no URL that has leaked.
    pub nonce: Nonce,
}

impl Hook {
    /// The claims with which its device's mailbox admits it: those of a token that was minted when it was made, and
    /// that permits nothing else.
    pub fn claims(&self) -> Claims {
        Claims {
            device: self.device.clone(),
            issued_at: 0,
            expires_at: self.expires_at,
            publish: Some(Vec::new()),
            tags: Vec::new(),
            revocations: Some(self.revocations.tokens),
            webhook: false,
            id: None,
        }
    }

    /// Whether it has expired.
    pub fn has_expired(&self, now: Millis) -> bool {
        let expires_at = self.expires_at;
        expires_at.is_some_and(|seconds| now >= seconds.saturating_mul(1000))
    }
}

#[cfg(test)]
mod tests;
