//! The states that messages are listed by.

use serde::{Deserialize, Serialize};

use crate::delivery::State;

/// A state that messages are listed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ListedState {
    /// That of a delivery.
    Delivery(State),
    /// The message is not handed over yet.
    #[serde(with = "scheduled")]
    Scheduled,
}

/// How [`ListedState::Scheduled`] is written.
mod scheduled {
    use serde::{Deserialize, Deserializer, Serializer};

    const NAME: &str = "scheduled";

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(NAME)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            NAME => Ok(()),
            other => Err(serde::de::Error::custom(format!("{other} is no state"))),
        }
    }
}
