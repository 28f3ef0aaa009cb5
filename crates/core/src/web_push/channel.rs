//! A channel's id, and the key that may bind a channel to one sender.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use base64::{alphabet, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::InvalidName;

/// A channel's id, a UUID (RFC 9562). A client chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel([u8; 16]);

impl Channel {
    /// The 16 bytes of the UUID.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The channel with these 16 bytes; `None` for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl FromStr for Channel {
    type Err = InvalidName;
    /// Reads a dashed UUID, in either case.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        parse(text).ok_or(InvalidName {
            what: "channel",
            rule: "be a UUID with dashes",
        })
    }
}

/// The positions of the dashes in a UUID's text.
const DASHES: [usize; 4] = [8, 13, 18, 23];

fn parse(text: &str) -> Option<Channel> {
    if text.len() != 36 {
        return None;
    }
    let mut number = 0_u128;
    for (position, c) in text.char_indices() {
        if DASHES.contains(&position) {
            if c != '-' {
                return None;
            }
            continue;
        }
        number = (number << 4) | u128::from(c.to_digit(16)?);
    }
    Some(Channel(number.to_be_bytes()))
}

impl TryFrom<String> for Channel {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> String {
        channel.to_string()
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", u128::from_be_bytes(self.0));
        for (position, digit) in hex.chars().enumerate() {
            if matches!(position, 8 | 12 | 16 | 20) {
                f.write_str("-")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// Either padding and either alphabet of base64 is in use among senders and browsers.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A public key on the curve P-256, uncompressed: it signs for an application server (RFC 8292).
///
/// Whether it is a point of the curve is not checked here: only the platform's cryptography can tell, and nobody can
/// sign for a key that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderKey([u8; 65]);

/// The first 16 bytes of a key's SHA-256. All zeros mean that there is none.
pub type KeyHash = [u8; 16];

impl SenderKey {
    /// Reads base64, in either alphabet, padded or not.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.replace('+', "-").replace('/', "_");
        let bytes: [u8; 65] = BASE64.decode(text).ok()?.try_into().ok()?;
        (bytes.first() == Some(&4)).then_some(Self(bytes))
    }

    /// Its 65 bytes.
    pub fn bytes(&self) -> &[u8; 65] {
        &self.0
    }

    /// What a capability has of it.
    pub fn hash(&self) -> KeyHash {
        let digest = Sha256::digest(self.0);
        let mut hash = [0; 16];
        hash.iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        hash
    }
}

impl fmt::Display for SenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_channel_is_a_dashed_uuid_in_either_case_and_is_written_in_lower_case() {
        let lower = "24cf03b3-f215-489e-8a5b-f3a5ec97785d";
        let channel: Channel = lower.to_uppercase().parse().unwrap();
        assert_eq!(channel, lower.parse().unwrap());
        assert_eq!(channel.to_string(), lower);
        for wrong in [
            "",
            "24cf03b3f215489e8a5bf3a5ec97785d",
            "24cf03b3-f215-489e-8a5b-f3a5ec97785",
            "24cf03b3-f215-489e-8a5b-f3a5ec97785g",
            "24cf03b3-f215-489e-8a5bf-3a5ec97785d",
            "{24cf03b3-f215-489e-8a5b-f3a5ec97785d}",
            "24cf03b3-f215-489e-8a5b-f3a5ec9778é",
        ] {
            assert!(wrong.parse::<Channel>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_read_in_every_form_of_base64_that_is_in_use() {
        let mut bytes = [0xfb; 65];
        bytes[0] = 4;
        let key = SenderKey(bytes);
        for text in [
            key.to_string(),
            BASE64_URL_SAFE.encode(bytes),
            BASE64_STANDARD.encode(bytes),
        ] {
            assert_eq!(SenderKey::read(&text), Some(key), "{text}");
        }
    }

    #[test]
    fn a_key_that_is_compressed_short_or_no_base64_is_refused() {
        let mut compressed = [7; 33];
        compressed[0] = 2;
        let mut hybrid = [7; 65];
        hybrid[0] = 6;
        for text in [
            BASE64_URL_SAFE.encode(compressed),
            BASE64_URL_SAFE.encode(hybrid),
            String::new(),
            "not base64!".to_owned(),
        ] {
            assert_eq!(SenderKey::read(&text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_channel_reads_back_as_it_was_written(bytes in any::<[u8; 16]>()) {
            let channel = Channel(bytes);
            prop_assert_eq!(channel.to_string().parse(), Ok(channel));
        }
    }
}
