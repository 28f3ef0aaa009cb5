//! The secret of a webhook, and the signatures made with it (Standard Webhooks 1.0.0, "Signature scheme").
//!
//! Whoever has the secret can write requests that look like the service's, so it is shown once, when it is made, and
//! cannot be printed. Not here: where its random bytes come from.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::time::Millis;

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";

/// How long a secret signs beside the one that has replaced it, in milliseconds: a day.
const OVERLAP: Millis = 86_400_000;

/// A symmetric secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret(Vec<u8>);

/// A text that is no [`Secret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_, followed by the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

impl Secret {
    /// The secret of these random bytes.
    ///
    /// # Errors
    /// [`InvalidSecret`]: they are not 24 to 64 bytes.
    pub fn new(random: &[u8]) -> Result<Self, InvalidSecret> {
        match (24..=64).contains(&random.len()) {
            true => Ok(Self(random.to_vec())),
            false => Err(InvalidSecret),
        }
    }

    /// The text that its holder gets.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// The signature of a request at `seconds` since the Unix epoch.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            // HMAC takes a key of any length.
            return String::new();
        };
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.reveal()
    }
}

impl TryFrom<String> for Secret {
    type Error = InvalidSecret;

    fn try_from(text: String) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let bytes = BASE64.decode(encoded).map_err(|_| InvalidSecret)?;
        Self::new(&bytes)
    }
}

/// The most former secrets that sign.
const MOST_FORMER: usize = 4;

/// The secrets that sign: the present one, and for a day each that it has replaced. A rotation that is repeated, because
/// its answer was lost, does not end the secret that the receiver has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    present: Secret,
    /// The former ones, the last first, each with the time until which it signs, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<(Secret, Millis)>,
}

impl Secrets {
    /// Only this secret.
    pub fn new(present: Secret) -> Self {
        Self {
            present,
            former: Vec::new(),
        }
    }

    /// Replaces the present secret.
    pub fn rotate(&mut self, next: Secret, now: Millis) {
        self.former.retain(|(_, until)| now < *until);
        let former = std::mem::replace(&mut self.present, next);
        self.former.insert(0, (former, now + OVERLAP));
        self.former.truncate(MOST_FORMER);
    }

    /// The header `webhook-signature` of a request: one signature of each valid secret, the present one's first.
    pub fn signatures(&self, id: &str, body: &[u8], now: Millis) -> String {
        let seconds = now.div_euclid(1000);
        let former = self.former.iter().filter(|(_, until)| now < *until);
        let secrets = std::iter::once(&self.present).chain(former.map(|(secret, _)| secret));
        let signatures: Vec<String> = secrets
            .map(|secret| secret.sign(id, seconds, body))
            .collect();
        signatures.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::try_from(text.to_owned()).unwrap()
    }

    /// The vector that the tests of the official libraries have.
    const TEXT: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn a_request_is_signed_as_the_official_libraries_sign_it() {
        assert_eq!(secret(TEXT).sign(ID, 1_614_265_330, BODY), SIGNATURE);
        let secrets = Secrets::new(secret(TEXT));
        assert_eq!(secrets.signatures(ID, BODY, 1_614_265_330_999), SIGNATURE);
    }

    #[test]
    fn a_secret_has_24_to_64_bytes_and_reads_back_as_it_was_shown() {
        for length in [24, 32, 64] {
            let made = Secret::new(&vec![7; length]).unwrap();
            assert_eq!(secret(&made.reveal()), made);
        }
        assert_eq!(secret(TEXT).reveal(), TEXT);
        assert_eq!(Secret::new(&[7; 23]), Err(InvalidSecret));
        assert_eq!(Secret::new(&[7; 65]), Err(InvalidSecret));
        for text in ["", "whsec_", "whsec_!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(Secret::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_replaced_secret_signs_for_a_day_behind_the_present_one() {
        let (old, new) = (secret(TEXT), Secret::new(&[7; 32]).unwrap());
        let mut secrets = Secrets::new(old.clone());
        let now = 1_614_265_330_000;
        secrets.rotate(new.clone(), now);
        let signed = |secret: &Secret, at: Millis| secret.sign(ID, at / 1000, BODY);
        let last = now + OVERLAP - 1;
        let both = format!("{} {}", signed(&new, last), signed(&old, last));
        assert_eq!(secrets.signatures(ID, BODY, last), both);
        let end = now + OVERLAP;
        assert_eq!(secrets.signatures(ID, BODY, end), signed(&new, end));
    }

    #[test]
    fn a_rotation_that_is_repeated_does_not_end_the_first_secret_and_there_are_at_most_five() {
        let mut secrets = Secrets::new(secret(TEXT));
        let count = |secrets: &Secrets, at| secrets.signatures(ID, BODY, at).split(' ').count();
        for n in 1..=6 {
            secrets.rotate(Secret::new(&[n; 32]).unwrap(), 1_000);
            assert_eq!(count(&secrets, 1_000), usize::from(n.min(4)) + 1);
        }
        let end = 1_000 + OVERLAP;
        assert_eq!(count(&secrets, end), 1);
        secrets.rotate(Secret::new(&[7; 32]).unwrap(), end);
        assert_eq!(count(&secrets, end), 2);
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secrets = Secrets::new(secret(TEXT));
        assert!(!format!("{secrets:?}").contains("MfKQ"));
    }
}
