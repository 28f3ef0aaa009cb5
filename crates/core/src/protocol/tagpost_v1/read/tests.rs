//! Claims about the frames of a device, and about what is refused as one.

use proptest::prelude::*;

use super::*;

const ID: &str = "01HF7YAT00FYHWCCN2FZZZZZZZ";

fn parse(text: &str) -> Result<FromDevice, BadFrame> {
    frame(text, &Limits::default())
}

/// The detail of the `bad_frame` that this frame gets.
fn wrong(text: &str) -> String {
    let bad = parse(text).unwrap_err();
    assert_eq!(bad.problem.code, Code::BadFrame, "{text}");
    bad.problem.detail
}

#[test]
fn a_frame_longer_than_any_payload_needs_is_refused_unread() {
    let limits = Limits {
        max_payload_bytes: 1,
        ..Limits::default()
    };
    let bad = frame(&"[".repeat(20_000), &limits).unwrap_err();
    assert_eq!(bad.problem.code, Code::PayloadTooLarge);
}

#[test]
fn an_acknowledgement_carries_its_reply_and_a_rejection_its_reason() {
    let reply = |text: &str| match parse(text).unwrap() {
        FromDevice::Ack { id, reply } => (id.to_string(), reply.map(|raw| raw.get().to_owned())),
        other => panic!("not an ack: {other:?}"),
    };
    assert_eq!(
        reply(&format!(r#"{{"type":"ack","id":"{ID}"}}"#)),
        (ID.into(), None)
    );
    assert_eq!(
        reply(&format!(r#"{{"type":"ack","id":"{ID}","reply":null}}"#)),
        (ID.into(), None)
    );
    let with_reply = format!(r#"{{"reply":{{"a": [1]}},"id":"{ID}","extra":[{{}}],"type":"ack"}}"#);
    assert_eq!(
        reply(&with_reply),
        (ID.into(), Some(r#"{"a": [1]}"#.into()))
    );
    let nack = parse(&format!(r#"{{"type":"nack","id":"{ID}","reason":"no"}}"#)).unwrap();
    assert!(matches!(nack, FromDevice::Nack { reason: Some(reason), .. } if reason == "no"));
}

#[test]
fn progress_may_say_for_how_long_and_what() {
    let said = |text: &str| match parse(text).unwrap() {
        FromDevice::Progress { seconds, note, .. } => (seconds, note),
        other => panic!("not progress: {other:?}"),
    };
    let bare = format!(r#"{{"type":"progress","id":"{ID}","for":null}}"#);
    assert_eq!(said(&bare), (None, None));
    let whole = format!(r#"{{"type":"progress","id":"{ID}","for":6e1,"note":"on my way"}}"#);
    assert_eq!(said(&whole), (Some(60), Some("on my way".to_owned())));
    assert_eq!(
        parse_progress_body(br#"{"for":86400,"note":"x"}"#).unwrap(),
        (Some(86_400), Some("x".to_owned()))
    );
    assert_eq!(parse_progress_body(b"").unwrap(), (None, None));
}

#[test]
fn wrong_progress_is_refused_with_the_name_of_the_field() {
    let progress = |field: &str| wrong(&format!(r#"{{"type":"progress","id":"{ID}",{field}}}"#));
    for seconds in ["0", "86401", "1.5", "\"60\"", "-1"] {
        let detail = progress(&format!(r#""for":{seconds}"#));
        assert_eq!(detail, "for must be a whole number from 1 to 86400");
    }
    let long = format!(r#""note":"{}""#, "é".repeat(257));
    assert_eq!(progress(&long), "note must be at most 256 characters");
    assert_eq!(progress(r#""note":1"#), "note must be a string");
    let body = parse_progress_body(br#"{"for":0}"#).unwrap_err();
    assert_eq!(body.code, Code::BadRequest);
}

#[test]
fn a_reply_a_reason_or_a_ref_that_is_too_long_is_refused() {
    let ack = |length: usize| {
        format!(
            r#"{{"type":"ack","id":"{ID}","reply":"{}"}}"#,
            "a".repeat(length)
        )
    };
    assert!(parse(&ack(4_094)).is_ok());
    assert_eq!(
        wrong(&ack(4_095)),
        "reply must be at most 4096 bytes of JSON"
    );
    let nack = |length: usize| {
        format!(
            r#"{{"type":"nack","id":"{ID}","reason":"{}"}}"#,
            "é".repeat(length)
        )
    };
    assert!(parse(&nack(256)).is_ok());
    assert_eq!(wrong(&nack(257)), "reason must be at most 256 characters");
    let with_ref = |length: usize| {
        format!(
            r#"{{"type":"ack","id":"{ID}","ref":"{}"}}"#,
            "é".repeat(length)
        )
    };
    assert!(parse(&with_ref(64)).is_ok());
    assert_eq!(wrong(&with_ref(65)), "ref must be at most 64 characters");
}

#[test]
fn a_frame_that_is_no_object_of_a_known_type_is_refused() {
    assert!(wrong("").starts_with("the frame is not valid: not JSON: EOF"));
    assert!(wrong("{").starts_with("the frame is not valid: not JSON: EOF"));
    assert!(wrong("{} {}").starts_with("the frame is not valid: not JSON: trailing characters"));
    for text in [
        "[]",
        "1",
        "null",
        r#""ping""#,
        r#"["ack",null,"01HF7YAT00FYHWCCN2FZZZZZZZ"]"#,
    ] {
        assert_eq!(
            wrong(text),
            "the frame is not valid: not a JSON object",
            "{text}"
        );
    }
    assert!(wrong(r#"{"type":"ack","type":"nack"}"#).contains("duplicate field `type`"));
    assert_eq!(wrong("{}"), "type is missing");
    assert_eq!(wrong(r#"{"type":1}"#), "type must be a string");
    assert_eq!(
        wrong(r#"{"type":"Ack"}"#),
        "type must be ack, nack, progress, publish or receipts_seen"
    );
    assert_eq!(wrong(r#"{"type":"ack"}"#), "id is missing");
    assert_eq!(
        wrong(r#"{"type":"ack","id":"x"}"#),
        "id must be a ULID of 26 characters"
    );
    assert_eq!(wrong(r#"{"type":"nack","id":7}"#), "id must be a string");
}

#[test]
fn a_string_that_is_not_valid_unicode_is_refused_as_such() {
    let detail =
        |field: &str| format!("{field} contains an unpaired surrogate, which is not valid Unicode");
    for (fields, field) in [
        (r#""type":"\ud800""#.to_owned(), "type"),
        (
            format!(r#""type":"nack","id":"{ID}","reason":"a\udc00b""#),
            "reason",
        ),
        (
            format!(r#""type":"ack","id":"{ID}","ref":"\ud800\ud800""#),
            "ref",
        ),
        (r#""type":"ack","id":"\ud83d""#.to_owned(), "id"),
        (
            r#""type":"publish","payload":1,"to":{"tag":"\ud800"}"#.to_owned(),
            "to.tag",
        ),
    ] {
        assert_eq!(wrong(&format!("{{{fields}}}")), detail(field), "{fields}");
    }
    let body = br#"{"reason":"\ud800"}"#;
    assert_eq!(parse_nack_body(body).unwrap_err().detail, detail("reason"));
    // JSON is passed on character for character, whatever its strings hold.
    let passed = format!(r#"{{"type":"ack","id":"{ID}","reply":"\ud800"}}"#);
    assert!(parse(&passed).is_ok());
    assert!(
        parse(r#"{"type":"publish","to":{"tag":"t"},"payload":["\ud83d\ude00","\ud800"]}"#).is_ok()
    );
}

/// `depth` arrays in each other.
fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn json_of_more_than_a_hundred_levels_is_refused_by_its_field() {
    let publish = |payload: &str, more: &str| {
        format!(r#"{{"type":"publish","ref":"a1","to":{{"tag":"t"}},"payload":{payload}{more}}}"#)
    };
    let ack = |reply: &str| format!(r#"{{"reply":{reply},"type":"ack","id":"{ID}"}}"#);
    let levels = "has more than 100 levels of nested arrays and objects";
    assert!(parse(&publish(&nested(100), "")).is_ok());
    assert!(parse(&ack(&nested(100))).is_ok());
    for (frame, field) in [
        (publish(&nested(101), ""), "payload"),
        (
            publish(&format!(r#"{{"a":{}}}"#, nested(100)), ""),
            "payload",
        ),
        (publish(&nested(40_000), ""), "payload"),
        (
            publish("1", &format!(r#","x":{}"#, nested(101))),
            "the frame",
        ),
        (ack(&nested(101)), "reply"),
    ] {
        assert_eq!(wrong(&frame), format!("{field} {levels}"));
    }
    let bad = parse(&publish(&nested(101), "")).unwrap_err();
    assert_eq!(bad.reference.as_deref(), Some("a1"));
    let base64 = r#""W1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tdXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXQ==""#;
    let coded = publish(
        base64,
        r#","encoding":"base64","content_type":"application/json""#,
    );
    assert_eq!(wrong(&coded), format!("payload {levels}"));

    let body = |field: &str| format!(r#"{{"{field}":{}}}"#, nested(101)).into_bytes();
    let reply = parse_ack_body(&body("reply")).unwrap_err();
    assert_eq!(reply.detail, format!("reply {levels}"));
    let unknown = parse_nack_body(&body("x")).unwrap_err();
    assert_eq!(unknown.detail, format!("the body {levels}"));
}

#[test]
fn seen_receipts_are_named_by_a_number() {
    let seen = parse(r#"{"type":"receipts_seen","seq":7}"#).unwrap();
    assert!(matches!(seen, FromDevice::ReceiptsSeen { seq: 7 }));
    for seq in ["1795460668726.0", "1.795460668726e12", "17954606687260E-1"] {
        let seen = parse(&format!(r#"{{"type":"receipts_seen","seq":{seq}}}"#)).unwrap();
        let FromDevice::ReceiptsSeen { seq } = seen else {
            panic!("not a seq: {seen:?}");
        };
        assert_eq!(seq, 1_795_460_668_726);
    }
    assert_eq!(wrong(r#"{"type":"receipts_seen"}"#), "seq is missing");
    for seq in ["-1", "1.5", r#""7""#, "9007199254740992"] {
        let detail = wrong(&format!(r#"{{"type":"receipts_seen","seq":{seq}}}"#));
        assert_eq!(
            detail,
            "seq must be a whole number from 0 to 9007199254740991"
        );
    }
}

#[test]
fn an_error_carries_the_ref_that_could_be_read() {
    let reference = |text: &str| parse(text).unwrap_err().reference;
    assert_eq!(
        reference(r#"{"type":"publish","ref":"a1"}"#).as_deref(),
        Some("a1")
    );
    assert_eq!(reference(r#"{"ref":"a1"}"#).as_deref(), Some("a1"));
    assert_eq!(reference(r#"{"type":"publish","ref":7}"#), None);
    assert_eq!(
        wrong(r#"{"type":"publish","ref":7}"#),
        "ref must be a string"
    );
}

#[test]
fn bodies_of_acknowledgements_are_read_like_frames() {
    assert!(parse_ack_body(b"").unwrap().is_none());
    assert!(parse_ack_body(b"{}").unwrap().is_none());
    assert_eq!(
        parse_ack_body(br#"{"reply": [1, 2]}"#)
            .unwrap()
            .unwrap()
            .get(),
        "[1, 2]"
    );
    assert_eq!(parse_nack_body(b"").unwrap(), None);
    assert_eq!(
        parse_nack_body(br#"{"reason":"no"}"#).unwrap().as_deref(),
        Some("no")
    );

    let long = format!(r#"{{"reply":"{}"}}"#, "a".repeat(4_095));
    for (problem, detail) in [
        (
            parse_ack_body(long.as_bytes()).unwrap_err(),
            "reply must be at most 4096 bytes of JSON",
        ),
        (
            parse_nack_body(br#"{"reason":7}"#).unwrap_err(),
            "reason must be a string",
        ),
        (
            parse_ack_body(b"[1]").unwrap_err(),
            "the body is not valid: not a JSON object",
        ),
        (
            parse_nack_body(b"no").unwrap_err(),
            "the body is not valid: not JSON: expected ident at line 1 column 2",
        ),
    ] {
        assert_eq!(
            (problem.code, problem.detail.as_str()),
            (Code::BadRequest, detail)
        );
    }
    assert_eq!(parse_ack_body(b"\xff").unwrap_err().code, Code::BadRequest);
}

/// Something close to a frame, so that most of the reading is reached.
fn any_frame() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just(r#"{"tag":"a"}"#.to_owned()),
        Just(r#"{"device":"a"}"#.to_owned()),
        Just(format!("\"{ID}\"")),
        "\"(base64|high|text/plain|application/json|[ -~é]{0,70})\"",
        "-?[0-9]{1,20}(\\.[0-9])?",
        "[\\[\\]{},:\"]{1,4}",
    ];
    let fields = "type|ref|id|reply|reason|seq|to|payload|content_type|encoding|ttl|topic|urgency|wait|idempotency_key";
    let field = (fields, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    let kind = "ack|nack|publish|receipts_seen|other";
    (kind, prop::collection::vec(field, 0..6))
        .prop_map(|(kind, fields)| format!("{{\"type\":\"{kind}\",{}}}", fields.join(",")))
}

proptest! {
    #[test]
    fn no_text_makes_parse_panic(text in ".{0,200}") {
        prop_assert!(parse(&text).is_err());
    }

    #[test]
    fn nothing_like_a_frame_makes_parse_panic(text in any_frame()) {
        match parse(&text) {
            Ok(FromDevice::Publish { draft, .. }) => prop_assert!(crate::publish::TTL.contains(&draft.ttl)),
            Ok(FromDevice::Ack { reply, .. }) => {
                prop_assert!(reply.is_none_or(|raw| raw.get().len() <= MAX_REPLY_BYTES));
            }
            Ok(_) => {}
            Err(bad) => prop_assert!(!bad.problem.detail.is_empty()),
        }
    }

    #[test]
    fn no_body_makes_reading_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse_ack_body(&body);
        let _ = parse_nack_body(&body);
    }
}
