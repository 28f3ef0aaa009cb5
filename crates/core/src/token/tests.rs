//! Claims about tokens, most of them against tokens that another implementation made.

mod claims;

use proptest::prelude::*;

use super::*;

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const ISSUED: Millis = 1_700_000_000_000;

/// Tokens made with PyJWT 2.15 and [`KEY`] (twice over for HS384 and HS512).
const PLAIN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJkb29yYmVsbCIsImlhdCI6MTcwMDAwMDAwMH0.PLRtblJeN_y5VBg8K9h_tq9yPpGRTn1C6rK6oDLbMOk";
const PATTERNS: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJkb29yYmVsbCIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAzNjAwLCJwdWJsaXNoIjpbImtpdGNoZW4uKiIsIkBjYW1lcmEtMSJdfQ.duDLoqnJCNqNKqvWDp9DTy_bbWSWswhiVk4TM-sb7o8";
const FLOATS: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MDAwMDAwMDAuNzUsImV4cCI6MTcwMDAwMzYwMC41LCJzdWIiOiJkb29yYmVsbCIsIm5hbWUiOiJzb21lb25lIiwicHVibGlzaCI6W119.tGNWkiqi2JHmNaJzrgtIyuXGxr2rK03QjbqdNYtKAb4";
const NO_TYP: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6Im1haW4ifQ.eyJzdWIiOiJkb29yYmVsbCIsImlhdCI6MTcwMDAwMDAwMH0.xPOJKQyyk2be-3zCKpix3jWpzuokXmTZsY90ZaNKMWA";
const HS384: &str = "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJkb29yYmVsbCIsImlhdCI6MTcwMDAwMDAwMH0.8wWtRH8S8VgBtFMDNa81HTP5H5iwrrygLyv7dHXlp2tVMlZ1GGwJ215xHRUY1LpE";
const HS512: &str = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJkb29yYmVsbCIsImlhdCI6MTcwMDAwMDAwMH0.HliKSBujErdCDrh7m0aIT1GnuiUgw09pgRNkgzxd_0DclTLbdvg72lBl5vkWcDQz_J9z7VY-XvlVwGM_u5oSbA";
const NONE: &str =
    "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJkb29yYmVsbCIsImlhdCI6MTcwMDAwMDAwMH0.";

fn claims() -> Claims {
    Claims {
        device: "doorbell".parse().unwrap(),
        issued_at: 1_700_000_000,
        expires_at: None,
        publish: None,
        tags: vec![],
        revocations: None,
        webhook: false,
        id: None,
    }
}

/// A token of any header and claims, with a signature that holds.
fn signed(header: &str, claims: &str) -> String {
    let signed = format!(
        "{}.{}",
        BASE64_URL.encode(header),
        BASE64_URL.encode(claims)
    );
    let signature = hmac(KEY, &signed).unwrap().finalize().into_bytes();
    format!("{signed}.{}", BASE64_URL.encode(signature))
}

fn saying(claims: &str) -> Result<Claims, TokenError> {
    verify(&signed(r#"{"alg":"HS256"}"#, claims), KEY, ISSUED)
}

#[test]
fn tokens_of_another_implementation_are_understood() {
    assert_eq!(verify(PLAIN, KEY, ISSUED), Ok(claims()));
    assert_eq!(verify(NO_TYP, KEY, ISSUED), Ok(claims()));
    let patterns =
        ["kitchen.*", "@camera-1"].map(|text| Pattern::try_from(text.to_owned()).unwrap());
    assert_eq!(
        verify(PATTERNS, KEY, ISSUED),
        Ok(Claims {
            expires_at: Some(1_700_003_600),
            publish: Some(patterns.into()),
            ..claims()
        })
    );
    assert_eq!(
        verify(FLOATS, KEY, ISSUED),
        Ok(Claims {
            expires_at: Some(1_700_003_600),
            publish: Some(vec![]),
            ..claims()
        })
    );
}

#[test]
fn the_example_of_rfc_7515_has_the_signature_it_states() {
    // Appendix A.1: its key, its signing input, whose line breaks are part of the octets.
    let key = BASE64_URL
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    // It has no `sub`, so that is what is told, after the signature was found to hold.
    let error = verify(token, &key, 1_300_000_000_000).unwrap_err();
    assert!(
        matches!(&error, TokenError::Claims(detail) if detail.contains("`sub`")),
        "{error}"
    );
    assert_eq!(
        verify(token, KEY, 1_300_000_000_000),
        Err(TokenError::Signature)
    );
}

#[test]
fn a_minted_token_is_the_one_another_implementation_makes() {
    assert_eq!(mint(&claims(), KEY).unwrap(), PLAIN);
}

#[test]
fn a_minted_token_says_what_it_was_given() {
    let claims = Claims {
        expires_at: Some(1_700_000_100),
        publish: Some(vec![]),
        revocations: Some(3),
        webhook: false,
        ..claims()
    };
    assert_eq!(
        verify(&mint(&claims, KEY).unwrap(), KEY, ISSUED),
        Ok(claims)
    );
}

#[test]
fn a_token_nobody_would_take_is_not_minted() {
    let pattern = Pattern::try_from("a".repeat(100)).unwrap();
    let claims = Claims {
        publish: Some(vec![pattern; 40]),
        ..claims()
    };
    assert_eq!(mint(&claims, KEY), Err(TokenError::TooLong));
}

#[test]
fn an_algorithm_other_than_hs256_is_refused() {
    let doubled = [KEY, KEY].concat();
    assert_eq!(verify(HS384, &doubled, ISSUED), Err(TokenError::Algorithm));
    assert_eq!(verify(HS512, &doubled, ISSUED), Err(TokenError::Algorithm));
    assert_eq!(verify(NONE, KEY, ISSUED), Err(TokenError::Algorithm));
    for header in [
        "{}",
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS256 "}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":null}"#,
    ] {
        let token = signed(header, r#"{"sub":"doorbell","iat":1700000000}"#);
        assert_eq!(
            verify(&token, KEY, ISSUED),
            Err(TokenError::Algorithm),
            "{header}"
        );
    }
}

#[test]
fn a_text_that_is_no_jwt_is_refused() {
    let (head, signature) = PLAIN.rsplit_once('.').unwrap();
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        head.into(),
        format!("{PLAIN}."),
        format!("{PLAIN}.{signature}"),
        format!("{PLAIN}="),
        format!("{head}.{signature}\n"),
        format!(" {PLAIN}"),
        signed("[]", "{}"),
        signed(r#"["HS256",null]"#, "{}"),
        signed(r#"{"alg":1}"#, "{}"),
        signed(r#"{"alg":"HS256","alg":"HS256"}"#, "{}"),
    ] {
        assert_eq!(
            verify(&token, KEY, ISSUED),
            Err(TokenError::Malformed),
            "{token}"
        );
    }
}

#[test]
fn a_changed_token_or_another_key_is_refused() {
    assert_eq!(
        verify(PLAIN, b"another key", ISSUED),
        Err(TokenError::Signature)
    );
    assert_eq!(verify(PLAIN, b"", ISSUED), Err(TokenError::Signature));
    let (head, signature) = PLAIN.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let other = BASE64_URL.encode(r#"{"sub":"camera-1","iat":1700000000}"#);
    assert_eq!(
        verify(&format!("{header}.{other}.{signature}"), KEY, ISSUED),
        Err(TokenError::Signature)
    );
    assert_eq!(
        verify(&format!("{head}."), KEY, ISSUED),
        Err(TokenError::Signature)
    );
    let half = &signature[..20];
    assert_eq!(
        verify(&format!("{head}.{half}"), KEY, ISSUED),
        Err(TokenError::Signature)
    );
}

#[test]
fn a_token_of_the_key_before_is_valid_only_while_that_is_known() {
    let old: &[u8] = b"an older key of the same service";
    let token = mint(&claims(), old).unwrap();
    let either =
        |token: &str, before: Option<&[u8]>| verify_with_either(token, KEY, before, ISSUED);
    assert_eq!(either(&token, Some(old)), Ok(claims()));
    assert_eq!(either(&token, None), Err(TokenError::Signature));
    assert_eq!(
        either(&token, Some(b"another key")),
        Err(TokenError::Signature)
    );
    assert_eq!(either(PLAIN, Some(old)), Ok(claims()));
    assert_eq!(either(HS384, Some(old)), Err(TokenError::Algorithm));
}

#[test]
fn a_token_of_the_key_before_expires_like_any() {
    let old: &[u8] = b"an older key of the same service";
    let expired = Claims {
        expires_at: Some(1_700_000_000),
        ..claims()
    };
    let token = mint(&expired, old).unwrap();
    let verified = verify_with_either(&token, KEY, Some(old), ISSUED);
    assert_eq!(verified, Err(TokenError::Expired));
}

#[test]
fn a_huge_token_is_refused_before_it_is_read() {
    let name = |length| {
        format!(
            r#"{{"sub":"doorbell","iat":1700000000,"x":"{}"}}"#,
            "y".repeat(length)
        )
    };
    assert!(saying(&name(2_900)).is_ok());
    assert_eq!(saying(&name(3_100)), Err(TokenError::TooLong));
    assert_eq!(
        verify(&"a".repeat(1 << 20), KEY, ISSUED),
        Err(TokenError::TooLong)
    );
}

#[test]
fn secrets_are_the_same_only_byte_for_byte() {
    assert!(same_secret(b"", b"") && same_secret(b"key", b"key"));
    for other in [&b""[..], b"ke", b"kez", b"key ", b"key\0"] {
        assert!(!same_secret(b"key", other), "{other:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_verify_panic(token in ".{0,200}", now in any::<i64>()) {
        prop_assert!(verify(&token, KEY, now).is_err());
    }

    #[test]
    fn no_signed_claims_make_verify_panic(text in r#"\{("(sub|iat|exp|nbf|publish|tags|rev|jti)":("a"|-?[0-9]{1,30}|1e[0-9]{1,3}|null|\["."\])?,?){0,4}\}"#) {
        let _ = saying(&text);
    }

    #[test]
    fn one_changed_character_breaks_a_token(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let at = at.index(PLAIN.len());
        let mut changed = PLAIN.to_owned();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(verify(&changed, KEY, ISSUED).is_ok(), changed == PLAIN);
    }

    #[test]
    fn every_minted_token_verifies(issued_at in 0..=LAST_SECOND, lives in proptest::option::of(1..1_000_000_i64)) {
        let claims = Claims { issued_at, expires_at: lives.map(|s| (issued_at + s).min(LAST_SECOND)), ..claims() };
        prop_assume!(claims.expires_at.is_none_or(|at| at > issued_at));
        let token = mint(&claims, KEY).unwrap();
        prop_assert_eq!(verify(&token, KEY, issued_at * 1_000), Ok(claims));
    }
}
