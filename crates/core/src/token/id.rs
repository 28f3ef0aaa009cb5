//! The id of a token, its claim `jti` (RFC 7519, section 4.1.7). It is no secret.
//!
//! It tells a token from the others of its device, and may be the same in tokens of different devices. Not here: which
//! ids are revoked, which the device's mailbox knows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::id::InvalidName;

/// The longest id, in characters.
const LONGEST: usize = 64;

/// The id of a token: 1 to 64 letters, digits, `.`, `_`, `~`, `:` and `-`, and neither `.` nor `..`, which no path can
/// end with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

impl TokenId {
    /// An id of 64 random bits.
    pub fn from_random(bits: u64) -> Self {
        Self(format!("{bits:016x}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TokenId {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        let is_id = (1..=LONGEST).contains(&text.len())
            && text != "."
            && text != ".."
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._~:-".contains(c));
        match is_id {
            true => Ok(Self(text)),
            false => Err(InvalidName {
                what: "jti",
                rule: "match [A-Za-z0-9._~:-]{1,64}",
            }),
        }
    }
}

impl FromStr for TokenId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::try_from(text.to_owned())
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the claim. Tokens of backends may have any `jti`, and were valid before it had a meaning: one of another form
/// is no id.
pub(super) fn if_well_formed<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<TokenId>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}
