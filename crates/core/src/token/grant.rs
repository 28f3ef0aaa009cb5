//! What a token that is yet to be minted will permit.

use serde::{Deserialize, Serialize};

use super::{Claims, TokenId};
use crate::id::DeviceId;
use crate::pattern::Pattern;

/// What a token will permit, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What it may publish to; `None` is everything.
    pub publish: Option<Vec<Pattern>>,
    /// To which tags it may bind its device.
    pub tags: Vec<Pattern>,
    /// Whether it may set the webhook of its device.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub webhook: bool,
    /// How long it is valid once it is minted, in seconds; `None` is without end.
    pub expires_in: Option<i64>,
}

impl Grant {
    /// The claims of a token of `device` with this id that is minted at `issued_at`, in seconds since the Unix epoch,
    /// after this many revocations.
    pub fn claims(self, device: DeviceId, id: TokenId, issued_at: i64, revocations: u32) -> Claims {
        let expires_in = self.expires_in;
        Claims {
            device,
            issued_at,
            expires_at: expires_in.map(|seconds| issued_at.saturating_add(seconds)),
            publish: self.publish,
            tags: self.tags,
            revocations: Some(revocations),
            webhook: self.webhook,
            id: Some(id),
        }
    }
}
