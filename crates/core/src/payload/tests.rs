use proptest::prelude::*;

use super::*;

const NAMES: Names = Names {
    payload: "the body",
    content_type: "Content-Type",
};

fn of_bytes(bytes: &[u8], content_type: &str) -> Result<Payload, Problem> {
    Payload::of_bytes(bytes, content_type.to_owned(), NAMES, &Limits::default())
}

fn limited(bytes: &[u8], content_type: &str, max_payload_bytes: u32) -> Result<Payload, Problem> {
    let limits = Limits {
        max_payload_bytes,
        ..Limits::default()
    };
    Payload::of_bytes(bytes, content_type.to_owned(), NAMES, &limits)
}

#[test]
fn the_media_type_decides_how_bytes_are_rendered_as_json() {
    for (content_type, json, encoding) in [
        ("application/json", "\"hé\"", None),
        ("Application/JSON; charset=utf-8", "\"hé\"", None),
        ("application/vnd.example+json", "\"hé\"", None),
        ("text/plain", r#""\"hé\"""#, None),
        ("text/json", r#""\"hé\"""#, None),
        ("application/x-www-form-urlencoded", r#""\"hé\"""#, None),
        (
            "application/octet-stream",
            r#""ImjDqSI=""#,
            Some(Encoding::Base64),
        ),
        ("image/png", r#""ImjDqSI=""#, Some(Encoding::Base64)),
        (
            "application/jsonlines",
            r#""ImjDqSI=""#,
            Some(Encoding::Base64),
        ),
    ] {
        let payload = of_bytes("\"hé\"".as_bytes(), content_type).unwrap();
        assert_eq!(payload.json.get(), json, "{content_type}");
        assert_eq!(payload.encoding, encoding, "{content_type}");
        assert_eq!(
            (payload.size, payload.content_type.as_str()),
            (5, content_type)
        );
    }
}

#[test]
fn text_that_is_not_utf_8_is_bytes() {
    let payload = of_bytes(b"\xff", "text/plain").unwrap();
    assert_eq!(
        (payload.json.get(), payload.encoding),
        (r#""/w==""#, Some(Encoding::Base64))
    );
}

#[test]
fn json_keeps_its_inner_whitespace_and_loses_its_outer() {
    let payload = of_bytes(b" {\n  \"a\" : 1\n}\n", "application/json").unwrap();
    assert_eq!(payload.json.get(), "{\n  \"a\" : 1\n}");
}

#[test]
fn a_body_that_is_not_the_json_it_claims_to_be_is_refused() {
    for body in [
        &b""[..],
        b"{",
        b"{} {}",
        b"'a'",
        b"\xff",
        b"\"\xff\"",
        b"NaN",
        b"\xef\xbb\xbf{}",
    ] {
        let problem = of_bytes(body, "application/json").unwrap_err();
        assert_eq!(problem.code, Code::BadRequest);
        let said = "the body is not JSON, although Content-Type says so: ";
        assert!(problem.detail.starts_with(said), "{}", problem.detail);
    }
}

#[test]
fn a_quoted_comma_in_a_parameter_is_no_list() {
    assert!(of_bytes(b"", r#"text/plain; x="a, b""#).is_ok());
}

#[test]
fn a_json_body_of_more_than_a_hundred_levels_is_refused() {
    let nested = |depth| format!(" {}{} ", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    assert!(of_bytes(&nested(100), "application/json").is_ok());
    for depth in [101, 5_000, 120_000] {
        let problem = of_bytes(&nested(depth), "application/vnd.x+json").unwrap_err();
        assert_eq!(problem.code, Code::BadRequest);
        assert!(
            problem
                .detail
                .starts_with("the body has more than 100 levels")
        );
        assert!(of_bytes(&nested(depth), "text/plain").is_ok());
    }
}

#[test]
fn an_empty_body_is_an_empty_payload() {
    let text = of_bytes(b"", "text/plain").unwrap();
    assert_eq!(
        (text.json.get(), text.encoding, text.size),
        (r#""""#, None, 0)
    );
    let bytes = of_bytes(b"", BYTES).unwrap();
    assert_eq!(
        (bytes.json.get(), bytes.encoding),
        (r#""""#, Some(Encoding::Base64))
    );
}

#[test]
fn a_payload_over_the_limit_is_too_large() {
    assert!(limited(b"12345", "text/plain", 5).is_ok());
    let problem = limited(b"123456", "text/plain", 5).unwrap_err();
    assert_eq!(problem.code, Code::PayloadTooLarge);
    assert_eq!(
        problem.detail,
        "the body has 6 bytes; at most 5 are allowed"
    );
}

#[test]
fn a_payload_that_a_row_could_not_hold_is_too_large() {
    assert!(limited(&[1; 262_144], "text/plain", 1_000_000).is_ok());
    assert!(limited(&[1; 1_000_000], BYTES, 1_000_000).is_ok());
    let problem = limited(&[1; 1_000_000], "text/plain", 1_000_000).unwrap_err();
    assert_eq!(problem.code, Code::PayloadTooLarge);
}

#[test]
fn a_malformed_content_type_is_refused_by_name() {
    let long = format!("text/{}", "x".repeat(251));
    for content_type in [
        "",
        "text",
        "/",
        "text/",
        "/plain",
        "te xt/plain",
        "a/b/c",
        "*/*",
        "application/*",
        "*/json",
        "text/plain, text/html",
        "text/plain; charset=utf-8, text/html",
        "text/plain; é",
        &long,
    ] {
        let problem = of_bytes(b"", content_type).unwrap_err();
        assert_eq!(problem.code, Code::BadRequest);
        assert!(
            problem
                .detail
                .starts_with("Content-Type must be a media type"),
            "{}",
            problem.detail
        );
    }
    assert!(of_bytes(b"", &long[..255]).is_ok());
}

proptest! {
    #[test]
    fn the_bytes_of_a_payload_can_be_restored(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        content_type in prop::sample::select(vec!["text/plain", "image/png", "application/json"]),
    ) {
        if let Ok(payload) = of_bytes(&bytes, content_type) {
            let json = payload.json.get();
            let back = match (Form::of(content_type), payload.encoding) {
                (Form::Json, _) => json.as_bytes().to_vec(),
                (_, None) => serde_json::from_str::<String>(json).unwrap().into_bytes(),
                (_, Some(Encoding::Base64)) => {
                    decode_base64(&serde_json::from_str::<String>(json).unwrap(), NAMES).unwrap()
                }
            };
            prop_assert_eq!(back.trim_ascii(), bytes.trim_ascii());
            prop_assert_eq!(payload.size as usize, bytes.len());
        } else {
            prop_assert_eq!(content_type, "application/json");
        }
    }
}
