//! Credentials: the device token (a JWT, HS256; RFC 7519, RFC 7515) and what its bearer may do.
//!
//! There is one algorithm, and the token does not choose it. Nothing in a token is read before its
//! signature is verified, except the header's `alg` and `crit`. Not here: revocation, which the device's
//! mailbox remembers, and keys, which the shell holds.
//!
//! This is all of JWS that is needed, over RustCrypto's HMAC. The JWT crates that build for wasm
//! either bring every other algorithm and a clock, or read the claims before the signature.

mod grant;
mod id;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use self::grant::Grant;
pub use self::id::TokenId;
use crate::id::{DeviceId, Tag};
use crate::json;
use crate::message::Target;
use crate::pattern::Pattern;
use crate::time::Millis;

/// The longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4_096;

/// How far a token's `iat` may be ahead of the service's clock, in seconds.
pub const CLOCK_SKEW: i64 = 60;

/// A device with this many tags may not bind itself to another; the operator may bind it.
pub const MAX_TAGS: u32 = 100;

/// The latest time that a token may contain: the last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// Why a token is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not three parts of base64url, or the header is not a JSON object.
    #[error("the credential is neither a key of this service nor a device token")]
    Malformed,
    /// `alg` is not HS256, or the header asks for an extension (`crit`).
    #[error("the token's alg must be HS256, without extensions")]
    Algorithm,
    /// Signed with another key, or changed since.
    #[error("the token's signature is not valid")]
    Signature,
    /// Signed, but a claim is missing or wrong; the text says which.
    #[error("the token's claims are not valid: {0}")]
    Claims(String),
    /// `exp` is not in the future.
    #[error("the token has expired")]
    Expired,
    /// `iat` or `nbf` is more than [`CLOCK_SKEW`] ahead.
    #[error("the token is not valid yet: iat or nbf is in the future")]
    NotYetValid,
}

/// The claims of a valid token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// `sub`: the device.
    #[serde(rename = "sub", deserialize_with = "subject")]
    pub device: DeviceId,
    /// `iat`, seconds since the Unix epoch.
    #[serde(rename = "iat", deserialize_with = "seconds")]
    pub issued_at: i64,
    /// `exp`, seconds since the Unix epoch.
    #[serde(
        rename = "exp",
        default,
        deserialize_with = "some_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<i64>,
    /// `publish`: what it may publish to; absent = everything. A null could be taken for that, and is refused.
    #[serde(
        default,
        deserialize_with = "json::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub publish: Option<Vec<Pattern>>,
    /// `tags`: to which tags it may bind its device, and from which it may unbind it; absent = none.
    #[serde(
        default,
        deserialize_with = "of_tags",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tags: Vec<Pattern>,
    /// `rev`: how often the device's tokens had been revoked when the service minted this one; absent
    /// in tokens minted elsewhere. It distinguishes a token from one that was revoked within the same second.
    #[serde(
        rename = "rev",
        default,
        deserialize_with = "count",
        skip_serializing_if = "Option::is_none"
    )]
    pub revocations: Option<u32>,
    /// `webhook`: whether it may set the webhook of its device; absent = not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub webhook: bool,
    /// `jti`: what tells it from the device's other tokens, so that it can be revoked alone. Absent, or of another form
    /// than a [`TokenId`] has, there is none: the token is revoked with all others.
    #[serde(
        rename = "jti",
        default,
        deserialize_with = "id::if_well_formed",
        skip_serializing_if = "Option::is_none"
    )]
    pub id: Option<TokenId>,
}

impl Claims {
    /// `exp` in milliseconds.
    pub fn expires_at_millis(&self) -> Option<Millis> {
        self.expires_at.map(|seconds| seconds.saturating_mul(1000))
    }

    /// Whether the bearer may publish to `target`.
    pub fn may_publish(&self, target: &Target) -> bool {
        Pattern::allow(self.publish.as_deref(), target)
    }

    /// Whether the bearer may bind its own device to `tag`, and unbind it.
    pub fn may_join(&self, tag: &Tag) -> bool {
        let tag = Target::Tag(tag.clone());
        self.tags.iter().any(|pattern| pattern.matches(&tag))
    }
}

/// The fields of a JWS header that matter here.
#[derive(Deserialize)]
struct Header<'a> {
    alg: Option<String>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    crit: Option<&'a RawValue>,
}

/// The one claim that is checked but not kept.
#[derive(Deserialize)]
struct NotBefore {
    #[serde(default, deserialize_with = "some_seconds")]
    nbf: Option<i64>,
}

/// Checks a token at the time `now` and returns its claims.
///
/// # Errors
/// [`TokenError`], which never repeats any part of the token.
pub fn verify(token: &str, key: &[u8], now: Millis) -> Result<Claims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    if claims.contains('.') {
        return Err(TokenError::Malformed);
    }

    let header = decode(header)?;
    let header: Header = json::object(&header).map_err(|_| TokenError::Malformed)?;
    if header.alg.as_deref() != Some("HS256") || header.crit.is_some() {
        return Err(TokenError::Algorithm);
    }

    let signature = BASE64_URL
        .decode(signature)
        .map_err(|_| TokenError::Malformed)?;
    hmac(key, signed)?
        .verify_slice(&signature)
        .map_err(|_| TokenError::Signature)?;

    let text = decode(claims)?;
    let invalid = |error: json::InvalidObject| TokenError::Claims(error.to_string());
    let claims: Claims = json::object(&text).map_err(invalid)?;
    let NotBefore { nbf } = json::object(&text).map_err(invalid)?;

    let now = now.div_euclid(1_000);
    if claims
        .expires_at
        .is_some_and(|expires_at| now >= expires_at)
    {
        return Err(TokenError::Expired);
    }
    if claims.issued_at > now + CLOCK_SKEW || nbf.is_some_and(|nbf| nbf > now + CLOCK_SKEW) {
        return Err(TokenError::NotYetValid);
    }
    Ok(claims)
}

/// Checks a token as [`verify`] does, with the key that tokens are signed with now, or the one before it.
///
/// # Errors
/// [`TokenError`]; that of `old` only if `old` has signed the token.
pub fn verify_with_either(
    token: &str,
    key: &[u8],
    old: Option<&[u8]>,
    now: Millis,
) -> Result<Claims, TokenError> {
    match (verify(token, key, now), old) {
        (Err(TokenError::Signature), Some(old)) => verify(token, old, now),
        (verified, _) => verified,
    }
}

/// Makes a token with these claims.
///
/// # Errors
/// [`TokenError::TooLong`], with too many patterns: [`verify`] would refuse it.
pub fn mint(claims: &Claims, key: &[u8]) -> Result<String, TokenError> {
    let header = BASE64_URL.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", BASE64_URL.encode(json::text(claims)));
    let signature = BASE64_URL.encode(hmac(key, &signed)?.finalize().into_bytes());
    let token = format!("{signed}.{signature}");
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    Ok(token)
}

/// Whether two secrets are the same. The time it takes reveals nothing about them, not even their lengths.
pub fn same_secret(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}

/// The HMAC-SHA256 (RFC 2104) of `signed`, to be verified or finalized.
fn hmac(key: &[u8], signed: &str) -> Result<Hmac<Sha256>, TokenError> {
    // HMAC takes a key of any length, so this cannot fail.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| TokenError::Signature)?;
    mac.update(signed.as_bytes());
    Ok(mac)
}

/// Decodes a part of a token.
fn decode(part: &str) -> Result<String, TokenError> {
    let bytes = BASE64_URL.decode(part).map_err(|_| TokenError::Malformed)?;
    String::from_utf8(bytes).map_err(|_| TokenError::Malformed)
}

/// The device in `sub`.
fn subject<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceId, D::Error> {
    DeviceId::deserialize(deserializer).map_err(|error| D::Error::custom(format!("sub: {error}")))
}

/// A NumericDate (RFC 7519, section 2), without its fraction.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    serde_json::Number::deserialize(deserializer)
        .ok()
        .and_then(|number| {
            number
                .as_i64()
                .or(number.as_f64().map(|it| it.floor() as i64))
        })
        .filter(|seconds| (0..=LAST_SECOND).contains(seconds))
        .ok_or_else(|| {
            D::Error::custom("iat, exp and nbf must be seconds since 1970, at most the year 9999")
        })
}

/// A time that may be absent, but not null.
fn some_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    seconds(deserializer).map(Some)
}

/// Patterns of tags, which may be absent, but not null.
fn of_tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pattern>, D::Error> {
    Vec::deserialize(deserializer)
        .and_then(|patterns| Pattern::of_tags(patterns).map_err(D::Error::custom))
        .map_err(|error| D::Error::custom(format!("tags: {error}")))
}

/// A count that may be absent, but not null.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    serde_json::Number::deserialize(deserializer)
        .ok()
        .and_then(|number| number.as_f64())
        .filter(|count| count.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(count))
        .map(|count| Some(count as u32))
        .ok_or_else(|| D::Error::custom("rev must be a whole number from 0"))
}

#[cfg(test)]
mod tests;
