//! Credentials: the device token (a JWT, HS256) and what its bearer may do.

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;
use crate::pattern::Pattern;

/// What a valid token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// `sub`: the device it speaks for.
    #[serde(rename = "sub")]
    pub device: DeviceId,
    /// `iat`, seconds since the Unix epoch.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// `exp`, seconds since the Unix epoch.
    #[serde(rename = "exp", default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// `publish`: where it may publish to; absent = everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<Pattern>>,
    /// `rev`: how often the device's tokens had been revoked when the service minted this one; absent
    /// in tokens minted elsewhere. It tells a token apart from one revoked within the same second.
    #[serde(rename = "rev", default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<u32>,
}
