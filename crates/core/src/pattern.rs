//! Publish patterns: which tags and devices a token may publish to.

use serde::{Deserialize, Serialize};

/// `kitchen`, `kitchen.*` or `*` for tags; `@camera-1`, `@*` for devices. A trailing `*` matches any rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl TryFrom<String> for Pattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Ok(Self(text))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0
    }
}
