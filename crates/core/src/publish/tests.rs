//! Claims about what a sender asks for, as headers.

use proptest::prelude::*;

use super::*;
use crate::problem::Code;

fn read(headers: &[(&str, &str)], body: &[u8]) -> Result<Draft, Problem> {
    let header = |asked: &str| {
        let found = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(asked));
        found.map(|(_, value)| (*value).to_owned())
    };
    Draft::from_http(header, body, &Limits::default())
}

fn detail(header: &str, value: &str) -> String {
    let problem = read(&[(header, value)], b"").unwrap_err();
    assert_eq!(problem.code, Code::BadRequest);
    problem.detail
}

#[test]
fn a_bare_body_is_published_with_the_documented_defaults() {
    let draft = read(&[], b"hi").unwrap();
    assert_eq!(
        (draft.ttl, draft.wait, draft.urgency),
        (86_400, 1, Urgency::Normal)
    );
    assert_eq!((draft.topic, draft.key, draft.echo), (None, None, false));
    assert_eq!(
        (draft.content_type.as_str(), draft.size),
        ("application/octet-stream", 2)
    );
    assert_eq!(
        (draft.payload.get(), draft.encoding),
        (r#""aGk=""#, Some(Encoding::Base64))
    );
}

#[test]
fn every_header_is_read() {
    let headers = [
        ("ttl", "2592000"),
        ("topic", "door_1"),
        ("urgency", "very-low"),
        ("prefer", "wait=60"),
        ("idempotency-key", "a key"),
        ("echo", "true"),
        ("content-type", "application/json"),
    ];
    let draft = read(&headers, b"[1]").unwrap();
    assert_eq!(
        (draft.ttl, draft.wait, draft.urgency),
        (2_592_000, 60, Urgency::VeryLow)
    );
    assert_eq!(draft.topic.unwrap().as_str(), "door_1");
    assert_eq!(draft.key.unwrap().as_str(), "a key");
    assert!(draft.echo);
    assert_eq!((draft.payload.get(), draft.encoding), ("[1]", None));
}

#[test]
fn a_malformed_or_out_of_range_number_is_refused_with_its_header_and_range() {
    for value in [
        "2592001",
        "-1",
        "+1",
        "1.5",
        "",
        "1, 2",
        "ten",
        "99999999999",
    ] {
        assert_eq!(
            detail("TTL", value),
            "TTL must be a whole number from 0 to 2592000"
        );
    }
    for value in ["wait=61", "wait=-1", "wait", "wait=", "wait=1.5", "wait=x"] {
        assert_eq!(
            detail("Prefer", value),
            "Prefer: wait must be a whole number from 0 to 60"
        );
    }
    assert_eq!(
        read(&[("TTL", "0"), ("Prefer", "wait=0")], b"")
            .unwrap()
            .ttl,
        0
    );
}

#[test]
fn a_wrong_name_names_the_header() {
    assert_eq!(
        detail("Topic", "a.b"),
        "Topic must match [A-Za-z0-9_-]{1,32}"
    );
    assert_eq!(
        detail("Urgency", "urgent"),
        "Urgency must be very-low, low, normal or high"
    );
    assert_eq!(
        detail("Idempotency-Key", ""),
        "Idempotency-Key must be 1 to 64 printable ASCII characters"
    );
    for value in ["", "yes", "True", "1", "true, true"] {
        assert_eq!(detail("Echo", value), "Echo must be true or false");
    }
    assert!(!read(&[("Echo", "false")], b"").unwrap().echo);
    for twice in ["a, b", "a, a"] {
        assert_eq!(
            detail("Idempotency-Key", twice),
            "Idempotency-Key must be given once, without a comma followed by a space"
        );
    }
    assert!(read(&[("Idempotency-Key", "a,b")], b"").is_ok());
    assert!(detail("Content-Type", "nothing").starts_with("Content-Type must be a media type"));
}

#[test]
fn the_wait_is_found_among_other_preferences() {
    for (prefer, wait) in [
        ("wait=10", Some("10")),
        ("WAIT=10", Some("10")),
        ("wait = 10", Some("10")),
        (r#"wait="10""#, Some("10")),
        ("wait=10; foo=bar", Some("10")),
        ("respond-async, wait=10", Some("10")),
        ("wait=10, wait=20", Some("10")),
        (r#"x="a, wait=20; \", wait=30", wait=10"#, Some("10")),
        (r#"x=y; z="wait=20, wait=30",wait=10"#, Some("10")),
        ("respond-async", None),
        ("x; wait=10", None),
        ("waiting=10", None),
        ("", None),
    ] {
        assert_eq!(preferred_wait(prefer).as_deref(), wait, "{prefer}");
    }
    assert_eq!(
        read(&[("Prefer", "respond-async")], b"").unwrap().wait,
        DEFAULT_WAIT
    );
}

#[test]
fn a_fingerprint_tells_target_media_type_and_body_apart_and_nothing_else() {
    let tag = Target::Tag("a".parse().unwrap());
    let device = Target::Device("a".parse().unwrap());
    let text = ("Content-Type", "text/plain");
    let first = read(&[text], b"hi").unwrap().fingerprint(&tag);
    let again = read(
        &[text, ("TTL", "9"), ("Topic", "t"), ("Prefer", "wait=9")],
        b"hi",
    )
    .unwrap();
    assert_eq!(again.fingerprint(&tag), first);
    for other in [
        again.fingerprint(&device),
        again.fingerprint(&Target::Tag("b".parse().unwrap())),
        read(&[text], b"ho").unwrap().fingerprint(&tag),
        read(&[("Content-Type", "text/html")], b"hi")
            .unwrap()
            .fingerprint(&tag),
    ] {
        assert_ne!(other, first);
    }
}

#[test]
fn a_fingerprint_stays_what_it_is() {
    // Mailboxes keep fingerprints; one that changed would refuse repeats of an earlier publish.
    let draft = read(&[("Content-Type", "text/plain")], b"hi").unwrap();
    let fingerprint = draft.fingerprint(&Target::Tag("kitchen".parse().unwrap()));
    assert_eq!(
        u128::from_be_bytes(fingerprint),
        0x3fd20668e40d9a220775c1faeaa44fff
    );
}

#[test]
fn a_draft_reads_back_as_it_was_written() {
    let draft = read(
        &[("Content-Type", "application/json"), ("Topic", "t")],
        b"{\"a\": 1.0}",
    )
    .unwrap();
    let text = serde_json::to_string(&draft).unwrap();
    let back: Draft = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    assert_eq!(back.payload.get(), r#"{"a": 1.0}"#);
}

proptest! {
    #[test]
    fn no_request_makes_reading_panic(value in ".{0,80}", body in prop::collection::vec(any::<u8>(), 0..80)) {
        for name in ["TTL", "Topic", "Urgency", "Prefer", "Idempotency-Key", "Content-Type"] {
            let _ = read(&[(name, &value)], &body);
        }
        let _ = read(&[("Content-Type", "application/json")], &body);
    }

    #[test]
    fn no_prefer_header_makes_reading_panic(value in r#"(wait|,|;|=|"|\\|[0-9]| ){0,20}"#) {
        if let Ok(draft) = read(&[("Prefer", &value)], b"") {
            prop_assert!(WAIT.contains(&draft.wait));
        }
    }
}
