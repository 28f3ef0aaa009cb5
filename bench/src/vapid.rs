//! An application server's key, and the token that it signs with it (RFC 8292).

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

/// How long a token is valid, in seconds. Senders use one for many messages.
const LIFETIME: u64 = 43_200;

/// A sender's key pair.
pub(crate) struct Vapid {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Vapid {
    /// A new one.
    pub(crate) fn new() -> Result<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .map_err(|_| anyhow!("cannot make a key"))?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pair.as_ref(), &random)
            .map_err(|error| anyhow!("cannot read the key that was just made: {error}"))?;
        Ok(Self { pair, random })
    }

    /// The public key, as a page passes it to its browser.
    pub(crate) fn key(&self) -> String {
        BASE64_URL.encode(self.pair.public_key())
    }

    /// The header `Authorization` for pushes to this origin.
    pub(crate) fn authorization(&self, origin: &str) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "aud": origin, "exp": now + LIFETIME, "sub": "mailto:bench@example.org",
        });
        let header = json!({"typ": "JWT", "alg": "ES256"});
        let [header, claims] = [header, claims].map(|part| BASE64_URL.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self
            .pair
            .sign(&self.random, signed.as_bytes())
            .map_err(|_| anyhow!("cannot sign"))?;
        let (signature, key) = (BASE64_URL.encode(signature), self.key());
        Ok(format!("vapid t={signed}.{signature},k={key}"))
    }
}
