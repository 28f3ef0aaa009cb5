//! To whom a hook publishes, and what it is called.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, InvalidName, Tag};
use crate::message::Target;

/// The longest name of a hook, in characters.
pub(super) const LONGEST_NAME: usize = 64;

/// The target of a hook. An expression is not allowed: it does not fit into a URL of fixed length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookTarget {
    /// Every device of a tag: `{"tag":"kitchen"}`.
    Tag(Tag),
    /// One device: `{"device":"camera-1"}`.
    Device(DeviceId),
}

impl From<HookTarget> for Target {
    fn from(target: HookTarget) -> Self {
        match target {
            HookTarget::Tag(tag) => Self::Tag(tag),
            HookTarget::Device(device) => Self::Device(device),
        }
    }
}

/// What a hook is for, such as `Backups`; for people. 1 to 64 characters without control characters, and not only white
/// space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookName(String);

impl HookName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HookName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_name = text.chars().count() <= LONGEST_NAME
            && !text.trim().is_empty()
            && !text.chars().any(char::is_control);
        is_name.then(|| Self(text.to_owned())).ok_or(InvalidName {
            what: "name",
            rule: "be 1 to 64 characters, without control characters",
        })
    }
}
