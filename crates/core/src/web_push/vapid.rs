//! How an application server identifies itself (VAPID, RFC 8292, and the drafts before it that senders still use).
//!
//! A token is a JWT, signed with ES256. Its form and its claims are checked here. Its signature is checked by the
//! shell, with the platform's cryptography, before any mailbox is called: [`Token`] says what has to be verified.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use serde_json::Value;

use super::channel::SenderKey;
use crate::time::Millis;

/// The longest header that is read, in bytes.
const MAX_LENGTH: usize = 4_096;
/// How far ahead a token may expire, in seconds: a day (section 2).
const MAX_LIFETIME: i64 = 86_400;
/// How far a sender's clock may be ahead, in seconds. Many senders use a day exactly.
const CLOCK_SKEW: i64 = 60;

/// A token whose claims are valid. It is worth nothing until its signature is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    /// The key that has to have signed it.
    pub key: SenderKey,
    /// The text that is signed.
    pub signed: &'a str,
    /// The signature: two numbers of 32 bytes.
    pub signature: Vec<u8>,
}

/// Reads `Authorization`, and `Crypto-Key`, which has the key of the older forms. `origin` is what the token has to be
/// for.
///
/// # Errors
/// What is wrong, without any part of the token.
pub fn read<'a>(
    authorization: &'a str,
    crypto_key: Option<&str>,
    origin: &str,
    now: Millis,
) -> Result<Token<'a>, &'static str> {
    if authorization.len() > MAX_LENGTH {
        return Err("Authorization is too long");
    }
    let (scheme, rest) = authorization
        .trim()
        .split_once([' ', '\t'])
        .ok_or("Authorization must be `vapid t=…,k=…`")?;
    let (token, key) = match scheme.to_ascii_lowercase().as_str() {
        "vapid" => (
            parameter(rest, "t").ok_or("Authorization has no parameter t")?,
            parameter(rest, "k").ok_or("Authorization has no parameter k")?,
        ),
        "webpush" | "bearer" => {
            let key = crypto_key.and_then(|header| parameter(header, "p256ecdsa"));
            (
                rest.trim(),
                key.ok_or("Crypto-Key has no parameter p256ecdsa")?,
            )
        }
        _ => return Err("the scheme of Authorization must be vapid, WebPush or Bearer"),
    };
    let key = SenderKey::read(key).ok_or("the key must be an uncompressed point of P-256")?;

    let (signed, signature) = token.rsplit_once('.').ok_or("the token is not a JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("the token is not a JWT")?;
    let header = part(header).ok_or("the token's header is not valid")?;
    if header.get("alg").and_then(Value::as_str) != Some("ES256") {
        return Err("the token's alg must be ES256");
    }
    let claims = part(claims).ok_or("the token's claims are not valid")?;
    check(&claims, origin, now.div_euclid(1_000))?;
    let signature = BASE64_URL
        .decode(signature)
        .ok()
        .filter(|it| it.len() == 64);
    let signature = signature.ok_or("the token's signature must be 64 bytes")?;
    Ok(Token {
        key,
        signed,
        signature,
    })
}

fn check(claims: &Value, origin: &str, now: i64) -> Result<(), &'static str> {
    let is_here = |audience: &Value| audience.as_str() == Some(origin);
    let for_us = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(is_here),
        Some(audience) => is_here(audience),
        None => false,
    };
    if !for_us {
        return Err("the token's aud must be the origin of the endpoint");
    }
    let expires_at = claims.get("exp").and_then(Value::as_f64);
    // A time beyond the range of whole numbers is too far ahead, too.
    let expires_at = expires_at.ok_or("the token's exp must be a number")? as i64;
    if expires_at <= now {
        return Err("the token has expired");
    }
    if expires_at > now.saturating_add(MAX_LIFETIME + CLOCK_SKEW) {
        return Err("the token's exp must be at most 24 hours ahead");
    }
    match claims.get("sub") {
        Some(Value::String(_)) | None => Ok(()),
        Some(_) => Err("the token's sub must be a string"),
    }
}

/// Decodes a part of a token: base64url of a JSON object.
fn part(part: &str) -> Option<Value> {
    let bytes = BASE64_URL.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

/// The value of a parameter, without quotes. Senders separate parameters by `,` or `;`, with or without spaces.
pub(super) fn parameter<'a>(header: &'a str, wanted: &str) -> Option<&'a str> {
    header.split([',', ';']).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_wanted = name.trim().eq_ignore_ascii_case(wanted);
        is_wanted.then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://push.example";
    const NOW: i64 = 1_800_000_000;
    const KEY: &str =
        "BAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

    fn token(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL.encode(value.to_string());
        let signature = BASE64_URL.encode([7; 64]);
        format!("{}.{}.{signature}", part(header), part(claims))
    }

    fn with(claims: &Value) -> String {
        token(&serde_json::json!({"typ": "JWT", "alg": "ES256"}), claims)
    }

    fn valid() -> String {
        with(&serde_json::json!({"aud": ORIGIN, "exp": NOW + 60, "sub": "mailto:a@b"}))
    }

    fn read_it(authorization: &str, crypto_key: Option<&str>) -> Result<(), &'static str> {
        let token = read(authorization, crypto_key, ORIGIN, NOW * 1_000)?;
        assert_eq!(token.key.to_string(), KEY);
        assert_eq!(token.signature, [7; 64]);
        assert!(
            authorization.contains(&format!("{}.", token.signed)),
            "{token:?}"
        );
        Ok(())
    }

    #[test]
    fn a_token_is_read_in_every_form_that_senders_use() {
        let token = valid();
        for header in [
            format!("vapid t={token},k={KEY}"),
            format!("vapid t={token}, k={KEY}="),
            format!("VAPID k={KEY} , t={token}, x=y"),
            format!("vapid t=\"{token}\",k=\"{KEY}\""),
            format!("  vapid   t={token};k={KEY}"),
        ] {
            assert_eq!(read_it(&header, None), Ok(()), "{header}");
        }
        for scheme in ["WebPush", "webpush", "Bearer"] {
            let header = format!("{scheme} {token}");
            for key in [
                format!("p256ecdsa={KEY}"),
                format!("dh=abc;p256ecdsa={KEY}"),
                format!("keyid=p256dh;dh=abc, p256ecdsa=\"{KEY}\""),
            ] {
                assert_eq!(read_it(&header, Some(&key)), Ok(()), "{header} {key}");
            }
            assert!(read_it(&header, None).is_err());
        }
    }

    #[test]
    fn what_is_no_token_for_this_service_is_refused() {
        let at = |aud: Value, exp: Value| with(&serde_json::json!({"aud": aud, "exp": exp}));
        let tokens = [
            ("aud", with(&serde_json::json!({"exp": NOW + 60}))),
            ("aud", at("https://other.example".into(), (NOW + 60).into())),
            ("aud", at(format!("{ORIGIN}/").into(), (NOW + 60).into())),
            ("exp", with(&serde_json::json!({"aud": ORIGIN}))),
            ("expired", at(ORIGIN.into(), NOW.into())),
            ("24 hours", at(ORIGIN.into(), (NOW + 86_461).into())),
            ("24 hours", at(ORIGIN.into(), 1e300.into())),
            ("exp", at(ORIGIN.into(), "soon".into())),
            (
                "claims",
                format!(
                    "{}.W10.{}",
                    BASE64_URL.encode("{\"alg\":\"ES256\"}"),
                    BASE64_URL.encode([7; 64])
                ),
            ),
            (
                "sub",
                with(&serde_json::json!({"aud": ORIGIN, "exp": NOW + 60, "sub": 7})),
            ),
            (
                "alg",
                token(&serde_json::json!({"alg": "none"}), &serde_json::json!({})),
            ),
            ("alg", token(&serde_json::json!({}), &serde_json::json!({}))),
            ("header", "e30K!.e30.AA".to_owned()),
            ("JWT", "abc".to_owned()),
            (
                "signature",
                valid().replace(&BASE64_URL.encode([7; 64]), "AAAA"),
            ),
        ];
        for (word, token) in tokens {
            let error = read_it(&format!("vapid t={token},k={KEY}"), None).unwrap_err();
            assert!(error.contains(word), "{word}: {error}");
        }
        for exp in [NOW + 1, NOW + 86_400, NOW + 86_460] {
            let token = at(
                serde_json::json!(["https://other.example", ORIGIN]),
                exp.into(),
            );
            assert_eq!(read_it(&format!("vapid t={token},k={KEY}"), None), Ok(()));
        }
    }

    #[test]
    fn another_scheme_and_a_header_without_a_token_or_key_are_refused() {
        let token = valid();
        for header in [
            String::new(),
            "vapid".to_owned(),
            format!("vapid t={token}"),
            format!("vapid k={KEY}"),
            format!("vapid t={token},k=AAAA"),
            format!("Basic {token}"),
            format!("vapid t={token},k={KEY},{}", "x".repeat(4_096)),
        ] {
            assert!(read_it(&header, None).is_err(), "{header}");
        }
    }
}
