//! What the URL of a hook keeps, and what becomes of what is posted to it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::limits::Limits;
use crate::problem::{Code, Problem};
use crate::publish::{self, Draft};
use crate::web_push::seal::tests::each_character_changed;
use crate::web_push::seal::{Keys, PushUrl};

fn keys() -> Keys {
    Keys::new("0123456789abcdef0123456789abcdef".to_owned(), None)
}

fn terms(body: Value) -> Terms {
    read(body.to_string().as_bytes()).unwrap()
}

fn hook(body: Value) -> Hook {
    Hook {
        device: "ci".parse().unwrap(),
        terms: terms(body),
        expires_at: None,
        revocations: Revocations {
            tokens: 0,
            hooks: 0,
        },
        nonce: [0; 8],
    }
}

/// The draft of a body that is posted with these headers, and its payload.
fn posted(hook: &Hook, headers: &[(&str, &str)], body: &str) -> Result<(Draft, Value), Problem> {
    let header = |name: &str| {
        let mut headers = headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(found.1.to_owned())
    };
    let draft = hook.draft(header, body.as_bytes(), &Limits::default())?;
    let payload = serde_json::from_str(draft.payload.get()).unwrap();
    Ok((draft, payload))
}

#[test]
fn what_is_left_out_of_a_request_has_the_defaults_of_a_publish_and_the_template_raw() {
    let least = terms(json!({ "to": { "tag": "phones" } }));
    let expected = Terms {
        to: HookTarget::Tag("phones".parse().unwrap()),
        ttl: 86_400,
        urgency: Urgency::Normal,
        topic: None,
        name: None,
        template: Template::Raw,
    };
    assert_eq!(least, expected);
    let most = terms(json!({
        "to": { "device": "anna" }, "ttl": 6e1, "urgency": "high", "topic": "ci", "name": "Nächtlich",
        "template": "github",
    }));
    let expected = Terms {
        to: HookTarget::Device("anna".parse().unwrap()),
        ttl: 60,
        urgency: Urgency::High,
        topic: Some("ci".parse().unwrap()),
        name: Some("Nächtlich".parse().unwrap()),
        template: Template::Github,
    };
    assert_eq!(most, expected);
    assert_eq!(terms(serde_json::to_value(&most).unwrap()), most);
    let least = Terms::new(least.to);
    assert_eq!(
        serde_json::to_value(&least).unwrap(),
        json!({ "to": { "tag": "phones" }, "ttl": 86_400, "urgency": "normal", "template": "raw" })
    );
}

#[test]
fn a_malformed_request_is_refused_with_the_field() {
    let to = r#""to":{"tag":"phones"}"#;
    let long = "x".repeat(65);
    for (body, field) in [
        (String::new(), "body"),
        ("[]".to_owned(), "body"),
        ("{}".to_owned(), "to"),
        (r#"{"to":"phones"}"#.to_owned(), "to"),
        (r#"{"to":{"match":"a & b"}}"#.to_owned(), "to"),
        (r#"{"to":{"tag":"a","device":"b"}}"#.to_owned(), "to"),
        (r#"{"to":{"tag":"a b"}}"#.to_owned(), "tag"),
        (format!(r#"{{{to},"ttl":2592001}}"#), "ttl"),
        (format!(r#"{{{to},"ttl":null}}"#), "ttl"),
        (format!(r#"{{{to},"urgency":"soon"}}"#), "urgency"),
        (format!(r#"{{{to},"topic":"a b"}}"#), "topic"),
        (format!(r#"{{{to},"topic":7}}"#), "topic"),
        (format!(r#"{{{to},"name":" "}}"#), "name"),
        (format!(r#"{{{to},"name":"a\nb"}}"#), "name"),
        (format!(r#"{{{to},"name":"{long}"}}"#), "name"),
        (format!(r#"{{{to},"template":"slack"}}"#), "template"),
        (format!(r#"{{{to},"wait":1}}"#), "wait"),
        (format!(r#"{{{to},{to}}}"#), "to"),
    ] {
        let problem = read(body.as_bytes()).unwrap_err();
        assert_eq!(problem.code, Code::BadRequest, "{body}");
        assert!(problem.detail.contains(field), "{body}: {problem}");
    }
    assert!(read(b"{\"to\":\"\xff\"}").is_err());
}

#[test]
fn every_url_of_a_hook_has_the_same_length_and_shows_nothing_of_the_hook() {
    let longest = Hook {
        device: "d".repeat(64).parse().unwrap(),
        terms: terms(json!({
            "to": { "tag": "t".repeat(128) }, "ttl": 2_592_000, "topic": "o".repeat(32), "name": "🦀".repeat(64),
        })),
        expires_at: Some((1 << 40) - 1),
        revocations: Revocations {
            tokens: u32::MAX,
            hooks: u32::MAX,
        },
        nonce: [u8::MAX; 8],
    };
    let sealed = keys().seal(&longest);
    assert_eq!(keys().open(&sealed), Some(longest));
    let shortest = keys().seal(&hook(json!({ "to": { "device": "a" } })));
    assert_eq!((sealed.len(), shortest.len()), (707, 707));
    assert_eq!(keys().open::<PushUrl>(&shortest), None);
}

#[test]
fn a_hook_whose_text_is_changed_does_not_open() {
    let sealed = keys().seal(&hook(json!({ "to": { "device": "a" } })));
    for changed in each_character_changed(&sealed) {
        assert_eq!(keys().open::<Hook>(&changed), None, "{changed}");
    }
}

#[test]
fn a_body_is_published_with_the_options_of_the_hook_and_not_those_of_the_request() {
    let hook = hook(json!({ "to": { "tag": "a" }, "ttl": 60, "urgency": "low", "topic": "ci" }));
    let headers = [
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "k"),
        ("TTL", "not a number"),
        ("Topic", "other"),
        ("Urgency", "high"),
        ("Prefer", "wait=60"),
        ("Acks-Needed", "1"),
        ("Delay", "60"),
    ];
    let (draft, payload) = posted(&hook, &headers, r#"{"a":1}"#).unwrap();
    assert_eq!(payload, json!({ "a": 1 }));
    assert_eq!(
        (draft.ttl, draft.urgency, draft.wait),
        (60, Urgency::Low, publish::DEFAULT_WAIT)
    );
    assert_eq!(draft.topic.as_ref().map(Topic::as_str), Some("ci"));
    assert_eq!((draft.acks_needed, draft.when), (None, None));
    let bad_key = [("Idempotency-Key", "a, b")];
    assert!(posted(&hook, &bad_key, "x").is_err());
    // What is no JSON is refused as that of any publish is: with `raw` nothing else can be made of it.
    assert!(posted(&hook, &headers, "{").is_err());
}

#[test]
fn text_is_a_notification_whose_title_is_the_name_of_the_hook_or_the_first_line() {
    let named = hook(json!({ "to": { "tag": "a" }, "template": "text", "name": "Backups" }));
    let (draft, payload) = posted(&named, &[], " Done.\nIn 5 s.\n").unwrap();
    assert_eq!(draft.content_type, "application/json");
    assert_eq!(
        payload,
        json!({ "title": "Backups", "body": "Done.\nIn 5 s." })
    );
    let unnamed = hook(json!({ "to": { "tag": "a" }, "template": "text" }));
    for (body, expected) in [
        ("Done.", json!({ "title": "Done." })),
        ("Done.\r\n5 s", json!({ "title": "Done.", "body": "5 s" })),
        ("", json!({ "title": "Message" })),
        (" \n ", json!({ "title": "Message" })),
    ] {
        assert_eq!(posted(&unnamed, &[], body).unwrap().1, expected, "{body:?}");
    }
    let long = "x".repeat(129);
    let (_, payload) = posted(&unnamed, &[], &long).unwrap();
    let title = format!("{}…", "x".repeat(127));
    assert_eq!(payload, json!({ "title": title, "body": long }));
}

#[test]
fn a_body_that_its_template_cannot_read_is_passed_on_as_the_beginning_of_its_text() {
    let long = format!("{{\"{}\":", "ü".repeat(2_000));
    let cut = format!("{}…", long.chars().take(1_023).collect::<String>());
    let group = r#"{"status":"firing"}"#;
    for (template, event, body, title, text) in [
        ("github", None, "{}", "GitHub", "{}"),
        ("github", Some("push"), "no JSON", "GitHub", "no JSON"),
        ("github", Some("push"), "{}", "GitHub", "{}"),
        ("github", Some("push"), &long, "GitHub", &cut),
        ("grafana", None, "[]", "Grafana", "[]"),
        ("grafana", None, group, "Grafana", group),
    ] {
        let hook = hook(json!({ "to": { "tag": "a" }, "template": template }));
        let event = event.map(|event| ("X-GitHub-Event", event));
        let (_, payload) = posted(&hook, event.as_slice(), body).unwrap();
        assert_eq!(
            payload,
            json!({ "title": title, "body": text }),
            "{template}: {body}"
        );
    }
    let named = hook(json!({ "to": { "tag": "a" }, "template": "grafana", "name": "Lab" }));
    let (_, payload) = posted(&named, &[], "?").unwrap();
    assert_eq!(payload, json!({ "title": "Lab", "body": "?" }));
}

#[test]
fn a_key_is_that_of_the_hook_alone() {
    let key_of = |hook: &Hook, key| {
        let (draft, _) = posted(hook, &[("Idempotency-Key", key)], "x").unwrap();
        draft.key.unwrap()
    };
    let one = hook(json!({ "to": { "tag": "a" } }));
    let other = Hook {
        nonce: [1; 8],
        ..one.clone()
    };
    let longest = "k".repeat(64);
    assert_eq!(key_of(&one, "k"), key_of(&one, "k"));
    assert_ne!(key_of(&one, "k").as_str(), "k");
    assert_ne!(key_of(&one, "k"), key_of(&one, &longest));
    assert_ne!(key_of(&one, "k"), key_of(&other, "k"));
}

#[test]
fn a_hook_that_is_made_anew_has_another_url() {
    let one = hook(json!({ "to": { "tag": "a" } }));
    let anew = Hook {
        nonce: [1; 8],
        ..one.clone()
    };
    assert_ne!(keys().seal(&one), keys().seal(&anew));
    assert_eq!(keys().open(&keys().seal(&anew)), Some(anew));
}

#[test]
fn a_template_reads_bodies_that_are_longer_than_a_payload_may_be() {
    let limits = Limits::default();
    let longest = |template: &str| {
        let terms = json!({ "to": { "tag": "a" }, "template": template });
        hook(terms).longest_body(&limits)
    };
    assert_eq!(longest("raw"), 262_144);
    for template in ["text", "github", "grafana"] {
        assert_eq!(longest(template), 1_048_576, "{template}");
    }
    let github = hook(json!({ "to": { "tag": "a" }, "template": "github" }));
    let body = json!({
        "action": "opened", "issue": { "number": 7, "title": "It leaks" }, "repository": { "full_name": "o/r" },
        "changes": "x".repeat(300_000),
    });
    let event = [("X-GitHub-Event", "issues")];
    let (_, payload) = posted(&github, &event, &body.to_string()).unwrap();
    assert_eq!(
        payload,
        json!({ "title": "o/r: issue #7 opened", "body": "It leaks" })
    );
}

#[test]
fn a_hook_expires_at_the_second_that_it_names() {
    let mut hook = hook(json!({ "to": { "tag": "a" } }));
    assert!(!hook.has_expired(Millis::MAX));
    hook.expires_at = Some(60);
    assert!(!hook.has_expired(59_999));
    assert!(hook.has_expired(60_000));
}

proptest! {
    #[test]
    fn a_hook_opens_as_it_was_sealed(
        device in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        tag in prop::option::of("[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"),
        ttl in 0_u32..=2_592_000,
        urgency in 0..4_usize,
        template in 0..4_usize,
        topic in prop::option::of("[A-Za-z0-9_-]{1,32}"),
        label in prop::option::of("[a-zäß☂ ]{0,63}[a-z]"),
        expires_at in prop::option::of(1..1_i64 << 40),
        (tokens, hooks, nonce) in any::<(u32, u32, Nonce)>(),
    ) {
        let device: DeviceId = device.parse().unwrap();
        let hook = Hook {
            terms: Terms {
                to: match tag {
                    Some(tag) => HookTarget::Tag(tag.parse().unwrap()),
                    None => HookTarget::Device(device.clone()),
                },
                ttl,
                urgency: Urgency::ALL[urgency],
                topic: topic.map(|it| it.parse().unwrap()),
                name: label.map(|it| it.parse().unwrap()),
                template: Template::ALL[template],
            },
            device,
            expires_at,
            revocations: Revocations { tokens, hooks },
            nonce,
        };
        prop_assert_eq!(keys().open(&keys().seal(&hook)), Some(hook));
    }

    #[test]
    fn no_text_is_a_hook_by_accident(letters in "[A-Za-z0-9_-]{707}") {
        prop_assert_eq!(keys().open::<Hook>(&letters), None);
    }

    #[test]
    fn whatever_is_posted_to_a_template_becomes_a_notification_within_its_bounds(
        template in 1..4_usize,
        event in prop::option::of("[a-z_]{0,20}|push|issues|release|workflow_run"),
        body in prop::collection::vec(any::<u8>(), 0..3_000),
    ) {
        let name = Template::ALL[template].as_str();
        let hook = hook(json!({ "to": { "tag": "a" }, "template": name }));
        let header = |name: &str| event.clone().filter(|_| name == "X-GitHub-Event");
        let draft = hook.draft(header, &body, &Limits::default()).unwrap();
        let payload: Value = serde_json::from_str(draft.payload.get()).unwrap();
        let length = |field: &str| payload.get(field).map_or(0, |it| it.as_str().unwrap().chars().count());
        prop_assert!((1..=128).contains(&length("title")));
        prop_assert!(length("body") <= 1_024 && length("url") <= 2_048);
    }
}
