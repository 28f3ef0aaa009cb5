//! Whose mailbox it is: that of a device, or [`EVENTS`], from which the service itself publishes.
//!
//! `~events` is no name of a device: neither a path, a target nor a token can name it, because [`DeviceId`] refuses to
//! read it. Only what mailboxes and the Worker tell each other is read with this module.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DeviceId, InvalidName};

/// The sender of the service's own messages.
pub const EVENTS: &str = "~events";

/// The name of the mailbox from which the service itself publishes.
pub fn events() -> DeviceId {
    DeviceId(EVENTS.to_owned())
}

/// Reads the name of a mailbox.
///
/// # Errors
/// [`InvalidName`]: it is neither a device nor [`EVENTS`].
pub fn read(text: &str) -> Result<DeviceId, InvalidName> {
    match text {
        EVENTS => Ok(events()),
        device => device.parse(),
    }
}

/// Writes the name of a mailbox.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(owner: &DeviceId, serializer: S) -> Result<S::Ok, S::Error> {
    owner.serialize(serializer)
}

/// Reads the name of a mailbox.
///
/// # Errors
/// It is neither a device nor [`EVENTS`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceId, D::Error> {
    read(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Sender;
    use crate::message::Target;
    use crate::token::Claims;

    #[test]
    fn no_path_target_or_token_names_the_mailbox_of_the_service() {
        assert!(EVENTS.parse::<DeviceId>().is_err());
        assert!(serde_json::from_str::<DeviceId>(r#""~events""#).is_err());
        assert!(Target::named("@~events").is_err());
        assert!(Target::named(EVENTS).is_err());
        let claims = r#"{"sub":"~events","iat":1}"#;
        let other = claims.replace(EVENTS, "cam");
        assert!(serde_json::from_str::<Claims>(&other).is_ok());
        assert!(serde_json::from_str::<Claims>(claims).is_err());
    }

    #[test]
    fn a_message_of_the_service_has_a_mailbox_to_report_to_and_is_none_of_a_channel() {
        let sender: Sender = EVENTS.parse().unwrap();
        assert_eq!(sender.device(), Some(events()));
        assert!(!sender.is_channel() && sender.channel().is_none());
        assert_eq!(read("cam").unwrap().as_str(), "cam");
        assert!(read("~cam").is_err());
    }
}
