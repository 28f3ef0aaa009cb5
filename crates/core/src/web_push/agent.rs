//! A user agent: one installation of the software that holds a device's channels.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::DeviceId;
use crate::time::Now;

/// A user agent's id: 32 hexadecimal digits. The device's mailbox gives it, and it opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AgentId(u128);

impl AgentId {
    /// A new one. `connection` is a random number, too.
    pub fn new(device: &DeviceId, connection: u32, now: Now) -> Self {
        let mut hash = Sha256::new();
        hash.update(device.as_str());
        hash.update(connection.to_be_bytes());
        hash.update(now.at.to_be_bytes());
        hash.update(now.random.to_be_bytes());
        let digest = hash.finalize();
        Self(
            digest
                .iter()
                .take(16)
                .fold(0, |id, byte| (id << 8) | u128::from(*byte)),
        )
    }

    /// Reads the digits; `None` for any other text.
    pub fn read(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_id = text.len() == 32 && text.bytes().all(is_digit);
        is_id.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

impl TryFrom<String> for AgentId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text).ok_or("not the id of a user agent")
    }
}

impl From<AgentId> for String {
    fn from(id: AgentId) -> String {
        id.to_string()
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written_and_no_other_text_is_one() {
        let now = Now {
            at: 5,
            pong_at: None,
            random: 7,
        };
        let id = AgentId::new(&"phone".parse().unwrap(), 3, now);
        assert_eq!(AgentId::read(&id.to_string()), Some(id));
        assert_eq!(
            AgentId::read("0000000000000000000000000000000f"),
            Some(AgentId(15))
        );
        for wrong in [
            "",
            "f",
            "0000000000000000000000000000000F",
            "+000000000000000000000000000000f",
        ] {
            assert_eq!(AgentId::read(wrong), None, "{wrong}");
        }
        let other = AgentId::new(&"phone".parse().unwrap(), 3, Now { random: 8, ..now });
        assert_ne!(id, other);
    }
}
