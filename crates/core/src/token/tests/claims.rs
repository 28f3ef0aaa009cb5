//! What a token claims.

use super::*;

#[test]
fn a_claim_that_is_missing_or_wrong_is_named() {
    for (claims, named) in [
        (r#"{"iat":1700000000}"#, "`sub`"),
        (
            r#"{"sub":"a b","iat":1700000000}"#,
            "sub: device must match",
        ),
        (r#"{"sub":7,"iat":1700000000}"#, "sub"),
        (r#"{"sub":"doorbell"}"#, "`iat`"),
        (r#"{"sub":"doorbell","iat":"1700000000"}"#, "iat"),
        (r#"{"sub":"doorbell","iat":-1}"#, "iat"),
        (r#"{"sub":"doorbell","iat":1e30}"#, "iat"),
        (r#"{"sub":"doorbell","iat":1700000000,"exp":null}"#, "exp"),
        (r#"{"sub":"doorbell","iat":1700000000,"nbf":"now"}"#, "nbf"),
        (r#"{"sub":"doorbell","iat":1700000000,"nbf":null}"#, "nbf"),
        (r#"{"sub":"doorbell","iat":null}"#, "iat"),
        (r#"{"sub":"doorbell","iat":253402300800}"#, "iat"),
        (r#"{"sub":"doorbell","iat":1700000000,"rev":null}"#, "rev"),
        (r#"{"sub":"doorbell","iat":1700000000,"rev":1.5}"#, "rev"),
        (r#"{"sub":"doorbell","iat":1700000000,"rev":-1}"#, "rev"),
        (
            r#"{"sub":"doorbell","iat":1700000000,"rev":4294967296}"#,
            "rev",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"publish":["a*b"]}"#,
            "pattern",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"tags":null}"#,
            "tags: ",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"tags":"kitchen"}"#,
            "tags: ",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"tags":[7]}"#,
            "tags: ",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"tags":{"kitchen":true}}"#,
            "tags: ",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"tags":["a*b"]}"#,
            "tags: the pattern \"a*b\"",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"tags":["kitchen","@doorbell"]}"#,
            "tags: the pattern \"@doorbell\" must be a tag pattern",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"tags":[],"tags":["*"]}"#,
            "`tags`",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"publish":null}"#,
            "null",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"publish":"*"}"#,
            "sequence",
        ),
        (
            r#"{"sub":"doorbell","iat":1700000000,"sub":"cam"}"#,
            "`sub`",
        ),
        (r#"["doorbell",1700000000]"#, "not a JSON object"),
        ("not JSON", "not JSON"),
    ] {
        let error = saying(claims).unwrap_err();
        assert!(matches!(error, TokenError::Claims(_)), "{claims}: {error}");
        assert!(
            error.to_string().contains(named),
            "{claims}: {error} does not name {named}"
        );
    }
}

#[test]
fn claims_of_other_services_are_ignored() {
    let text = r#"{"aud":"x","iss":{"a":[1]},"sub":"doorbell","iat":1700000000,"kid":"9"}"#;
    assert_eq!(saying(text), Ok(claims()));
}

#[test]
fn a_token_has_the_id_that_its_jti_is() {
    for id in ["9", "d290f1ee-6c54-4b01-90e6-d701748f0851", "urn:a.b_c~d"] {
        let text = format!(r#"{{"sub":"doorbell","iat":1700000000,"jti":"{id}"}}"#);
        let read = saying(&text).unwrap();
        assert_eq!(read.id.as_ref().map(TokenId::as_str), Some(id));
        assert_eq!(verify(&mint(&read, KEY).unwrap(), KEY, ISSUED), Ok(read));
    }
    let longest = "a".repeat(64);
    assert!(longest.parse::<TokenId>().is_ok());
    assert_eq!(TokenId::from_random(10).as_str(), "000000000000000a");
}

#[test]
fn a_jti_of_another_form_is_no_id_and_its_token_is_valid() {
    let long = format!("\"{}\"", "a".repeat(65));
    for jti in [
        r#""""#,
        r#""a/b""#,
        r#""a b""#,
        r#"".""#,
        r#""..""#,
        "7",
        "null",
        "[1]",
        r#"{"a":1}"#,
        long.as_str(),
    ] {
        let text = format!(r#"{{"sub":"doorbell","iat":1700000000,"jti":{jti}}}"#);
        assert_eq!(saying(&text), Ok(claims()), "{jti}");
    }
}

#[test]
fn claims_are_numbers_in_every_form() {
    let text = r#"{"sub":"doorbell","iat":1.7e9,"exp":1700000010.0,"nbf":1700000000.9,"rev":2.0}"#;
    let read = Claims {
        expires_at: Some(1_700_000_010),
        revocations: Some(2),
        webhook: false,
        ..claims()
    };
    assert_eq!(saying(text), Ok(read));
}

#[test]
fn a_token_is_valid_until_the_second_it_expires() {
    let token = mint(
        &Claims {
            expires_at: Some(1_700_000_010),
            ..claims()
        },
        KEY,
    )
    .unwrap();
    assert!(verify(&token, KEY, 1_700_000_009_999).is_ok());
    assert_eq!(
        verify(&token, KEY, 1_700_000_010_000),
        Err(TokenError::Expired)
    );
}

#[test]
fn a_token_from_the_future_is_refused_beyond_the_skew_of_clocks() {
    assert!(verify(PLAIN, KEY, ISSUED - 60_000).is_ok());
    assert_eq!(
        verify(PLAIN, KEY, ISSUED - 61_000),
        Err(TokenError::NotYetValid)
    );
    assert!(saying(r#"{"sub":"doorbell","iat":1700000000,"nbf":1700000060}"#).is_ok());
    assert_eq!(
        saying(r#"{"sub":"doorbell","iat":1700000000,"nbf":1700000061}"#),
        Err(TokenError::NotYetValid)
    );
}

#[test]
fn absent_patterns_allow_every_publish_and_empty_ones_none() {
    let tag = Target::Tag("kitchen.cam".parse().unwrap());
    let device = Target::Device("camera-1".parse().unwrap());
    let other = Target::Device("camera-2".parse().unwrap());
    assert!(claims().may_publish(&tag) && claims().may_publish(&device));
    let none = Claims {
        publish: Some(vec![]),
        ..claims()
    };
    assert!(!none.may_publish(&tag) && !none.may_publish(&device));
    let some = verify(PATTERNS, KEY, ISSUED).unwrap();
    assert!(some.may_publish(&tag) && some.may_publish(&device) && !some.may_publish(&other));
}

#[test]
fn a_token_without_tags_joins_none_and_one_with_tags_those_that_match() {
    let tag = |name: &str| name.parse::<Tag>().unwrap();
    for text in [
        r#"{"sub":"doorbell","iat":1700000000}"#,
        r#"{"sub":"doorbell","iat":1700000000,"tags":[]}"#,
        r#"{"sub":"doorbell","iat":1700000000,"publish":["*","@*"]}"#,
    ] {
        assert!(!saying(text).unwrap().may_join(&tag("kitchen")), "{text}");
    }
    let text = r#"{"sub":"doorbell","iat":1700000000,"publish":[],"tags":["kitchen","hall*"]}"#;
    let claims = saying(text).unwrap();
    assert!(claims.may_join(&tag("kitchen")) && claims.may_join(&tag("hallway")));
    assert!(!claims.may_join(&tag("kitchenette")) && !claims.may_join(&tag("doorbell")));
    assert!(
        !claims.may_publish(&Target::Tag(tag("kitchen"))),
        "it publishes nowhere"
    );
    let minted = mint(&claims, KEY).unwrap();
    assert_eq!(verify(&minted, KEY, ISSUED), Ok(claims));
}
