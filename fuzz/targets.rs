//! What is fuzzed: each function takes any bytes and must come back, and checks what has to hold then.
//!
//! The fuzzers call them (`cargo +nightly fuzz run frame`), and so does the core's test `corpus`, with
//! every input that a fuzzer found interesting.
#![allow(dead_code, reason = "each fuzzer uses one of them")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is what a fuzzer looks for"
)]

use std::cell::RefCell;

use tagpost_core::call::{Call, Request};
use tagpost_core::expression::{Expression, MAX_CHARACTERS, MAX_NAMES};
use tagpost_core::hook::{self, Hook, Revocations, Template};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::{Input, Mailbox};
use tagpost_core::message::{Message, Target};
use tagpost_core::pattern::Pattern;
use tagpost_core::protocol::tagpost_v1::{
    MAX_NOTE, TagpostV1, parse_ack_body, parse_nack_body, parse_progress_body,
};
use tagpost_core::protocol::web_push::WebPush;
use tagpost_core::protocol::{AgentFrame, CODECS, Codec, Frame, FromDevice, ToAgent, ToDevice};
use tagpost_core::publish::Draft;
use tagpost_core::store::{Row, Store, StoreError, Value};
use tagpost_core::time::Now;
use tagpost_core::token::{self, Claims, TokenId};
use tagpost_core::via;
use tagpost_core::web_push::channel::Channel;
use tagpost_core::web_push::matrix::Notification;
use tagpost_core::web_push::request::{Options, receipts_link};
use tagpost_core::web_push::seal::{ConnectUrl, Keys, PushUrl};
use tagpost_core::web_push::vapid;

/// Takes any bytes and comes back.
type Fuzzed = fn(&[u8]);

/// Every fuzzed function by its name, which is that of its corpus.
pub(crate) const ALL: [(&str, Fuzzed); 8] = [
    ("frame", frame),
    ("token", token),
    ("publish", publish),
    ("rows", rows),
    ("pattern", pattern),
    ("expression", expression),
    ("web_push", web_push),
    ("hook", hook),
];

const KEY: &[u8] = b"a key that only this file knows";
const NOW: i64 = 1_800_000_000_000;

/// A frame of a device, and the bodies of `ack`, `nack` and `progress`. What is taken can be rendered again.
pub(crate) fn frame(data: &[u8]) {
    let limits = Limits::default();
    if let Ok(text) = std::str::from_utf8(data) {
        match TagpostV1.read(&Frame::Text(text.to_owned()), &limits) {
            Ok(FromDevice::Publish { to, draft, .. }) => {
                assert!(draft.size <= limits.max_payload_bytes);
                let message = message(to, draft);
                let said = ToDevice::Message {
                    message: &message,
                    attempt: 1,
                };
                let frame = TagpostV1.write(&said);
                let text = frame.as_ref().and_then(Frame::text).expect("a text frame");
                serde_json::from_str::<serde_json::Value>(text).expect("a frame is JSON");
                let stored = serde_json::to_string(&message).expect("a message has a form");
                serde_json::from_str::<Message>(&stored).expect("a stored message can be read");
            }
            Ok(_) => {}
            Err(bad) => assert!(!bad.problem.detail.is_empty()),
        }
    }
    let _ = parse_ack_body(data);
    let _ = parse_nack_body(data);
    if let Ok((seconds, note)) = parse_progress_body(data) {
        assert!(seconds.is_none_or(|seconds| (1..=86_400).contains(&seconds)));
        assert!(note.is_none_or(|note| note.chars().count() <= MAX_NOTE));
    }
}

/// A token as it comes, and one whose claims are any bytes and whose signature holds.
pub(crate) fn token(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(
            token::verify(text, KEY, NOW).is_err(),
            "nobody else has the key"
        );
        if let Ok(claims) = serde_json::from_str::<Claims>(text)
            && let Ok(minted) = token::mint(&claims, KEY)
            && let Ok(read) = token::verify(&minted, KEY, NOW)
        {
            assert_eq!(read, claims);
            let forged = format!("{minted}x");
            assert!(token::verify(&forged, KEY, NOW).is_err());
        }
    }
}

/// A publish over HTTP: lines of headers, an empty line, the body.
pub(crate) fn publish(data: &[u8]) {
    let limits = Limits::default();
    let end = data
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .unwrap_or(data.len());
    let (head, body) = data.split_at(end);
    let head = String::from_utf8_lossy(head);
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let body = body.get(2..).unwrap_or_default();
    if let Ok(draft) = Draft::from_http(header, body, &limits) {
        assert_eq!(draft.size as usize, body.len());
        let to = Target::Tag("tag".parse().expect("a tag"));
        assert_eq!(draft.fingerprint(&to), draft.fingerprint(&to));
        let text = serde_json::to_string(&draft).expect("a draft has a form");
        serde_json::from_str::<Draft>(&text).expect("a draft can be read");
    }
}

/// Patterns and names.
pub(crate) fn pattern(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (pattern, name) = text.split_once('\n').unwrap_or((text, text));
    let tag = name.parse().map(Target::Tag).ok();
    let device = name.parse().map(Target::Device).ok();
    if let Ok(pattern) = Pattern::try_from(pattern.to_owned()) {
        let both =
            [&tag, &device].map(|target| target.as_ref().is_some_and(|to| pattern.matches(to)));
        assert_ne!(both, [true, true], "a pattern is for tags or for devices");
        assert_eq!(
            Pattern::try_from(String::from(pattern.clone())),
            Ok(pattern)
        );
    }
    if let Ok(id) = name.parse::<MessageId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

/// An expression. It takes away alone, so that nobody without a name is meant, and is the text that it was.
pub(crate) fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let characters = text.chars().count();
    match text.parse::<Expression>() {
        Ok(expression) => {
            assert!(characters <= MAX_CHARACTERS);
            let names = expression.names();
            assert!((1..=MAX_NAMES).contains(&names.len()), "{names:?}");
            assert!(names.iter().all(|name| Target::named(name).is_ok()));
            assert!(
                !expression.matches(0),
                "{text:?} matches a device without names"
            );
            let sets = expression.sets();
            let all = (0..=u8::MAX).take(1 << names.len());
            assert!(all.filter(|set| expression.matches(*set)).eq(sets));
            assert_eq!(expression.to_string(), text);
        }
        Err(error) => {
            assert!(
                (1..=characters + 1).contains(&error.at),
                "{text:?}: {error}"
            );
            assert!(!error.wrong.is_empty());
        }
    }
}

/// A mailbox over a store that answers anything: it fails, or goes on, but comes back.
pub(crate) fn rows(data: &[u8]) {
    let store = Anything(RefCell::new(data.to_vec()));
    let now = Now {
        at: NOW,
        pong_at: None,
        random: 7,
    };
    let attachment = String::from_utf8_lossy(data).into_owned();
    let Ok(mut mailbox) = Mailbox::open(store, Limits::default(), CODECS, &[attachment], None, now)
    else {
        return;
    };
    let claims = Claims {
        device: "device".parse().expect("a device"),
        issued_at: NOW / 1000,
        expires_at: None,
        publish: None,
        tags: vec![],
        revocations: None,
        webhook: false,
        id: None,
    };
    let draft = || Draft::from_http(|_| None, b"payload", &Limits::default()).expect("a draft");
    let to = || Target::Device("device".parse().expect("a device"));
    let own: DeviceId = "device".parse().expect("a device");
    let id = message(to(), draft()).id;
    let (limit, wait, until) = (10, 0, NOW + 1);
    // A failed store ends a mailbox; each of these is one that it may come to first.
    let calls = [
        (
            Call::Deliver {
                wait: 1,
                after: None,
                until,
            },
            serde_json::to_string(&message(to(), draft())).ok(),
        ),
        (Call::Ack { id, reply: None }, None),
        (Call::Inbox { limit, wait }, None),
        (
            Call::Publish {
                to: to(),
                devices: vec![own.clone()],
                wait,
            },
            serde_json::to_string(&draft()).ok(),
        ),
        (
            Call::Trace {
                id,
                wait,
                after: None,
                limit,
            },
            None,
        ),
        (
            Call::Messages {
                state: None,
                limit,
                before: None,
            },
            None,
        ),
        (Call::Cancel { id }, None),
        (
            Call::RevokeToken {
                id: TokenId::from_random(1),
                expires_at: None,
            },
            None,
        ),
        (Call::Remove, None),
    ];
    let open = Input::Open {
        id: 0,
        connection: 1,
        codec: &TagpostV1,
        claims,
        window: None,
        origin: None,
    };
    let calls = (1..).zip(calls).map(|(id, (call, enclosed))| Input::Call {
        id,
        request: Request {
            device: own.clone(),
            caller: None,
            call,
        },
        enclosed,
    });
    let closed = Input::Closed { connection: 1 };
    for input in [Input::Alarm, open]
        .into_iter()
        .chain(calls)
        .chain([closed])
    {
        if mailbox.handle(input, now).is_err() {
            return;
        }
    }
}

/// What strangers can send to a hook: a sealed URL, and headers, one a line, with the body after an empty line. The same
/// bytes are the body of a request for a hook, too.
pub(crate) fn hook(data: &[u8]) {
    if let Ok(terms) = hook::read(data) {
        let keys = Keys::new("a key that only this file knows, too".to_owned(), None);
        let made = hook_with(terms);
        assert_eq!(keys.open(&keys.seal(&made)), Some(made));
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let keys = Keys::new("a key that only this file knows, too".to_owned(), None);
    assert!(keys.open::<Hook>(text).is_none(), "forged");
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    };
    via::names(&header(via::VIA).unwrap_or_default(), "https://a");
    for template in Template::ALL {
        let terms = format!(
            r#"{{"to":{{"tag":"a"}},"template":"{}"}}"#,
            template.as_str()
        );
        let made = hook_with(hook::read(terms.as_bytes()).expect("terms of a hook"));
        match made.draft(header, body.as_bytes(), &Limits::default()) {
            Ok(draft) if template != Template::Raw => {
                let payload: serde_json::Value =
                    serde_json::from_str(draft.payload.get()).expect("a notification is JSON");
                let length = |field: &str| {
                    let text = payload.get(field).and_then(|it| it.as_str());
                    text.map_or(0, |text| text.chars().count())
                };
                assert!((1..=128).contains(&length("title")));
                assert!(length("body") <= 1_024 && length("url") <= 2_048);
            }
            Ok(draft) => assert_eq!(draft.size as usize, body.len()),
            Err(problem) => assert!(!problem.detail.is_empty()),
        }
    }
}

/// A hook that does this.
fn hook_with(terms: hook::Terms) -> Hook {
    Hook {
        device: "device".parse().expect("a device"),
        terms,
        expires_at: None,
        revocations: Revocations {
            tokens: 0,
            hooks: 0,
        },
        nonce: [0; 8],
    }
}

/// What strangers can send to Web Push: a frame, a sealed URL, and the headers and body of a publish, the headers one a
/// line, with the body after an empty line.
pub(crate) fn web_push(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let frame = Frame::Text(text.to_owned());
    if let Ok(FromDevice::Agent(AgentFrame::Register { name, .. })) =
        WebPush.read(&frame, &Limits::default())
    {
        let endpoint = Err(400);
        let said = ToDevice::Agent(ToAgent::Registered {
            name: &name,
            endpoint,
        });
        let frame = WebPush.write(&said);
        let text = frame.as_ref().and_then(Frame::text).expect("a text frame");
        serde_json::from_str::<serde_json::Value>(text).expect("a frame is JSON");
    }
    let keys = Keys::new("a key that only this file knows, too".to_owned(), None);
    assert!(keys.open::<ConnectUrl>(text).is_none(), "forged");
    assert!(keys.open::<PushUrl>(text).is_none(), "forged");

    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    };
    let crypto_key = header("Crypto-Key");
    let authorization = header("Authorization").unwrap_or_default();
    let sender = vapid::read(&authorization, crypto_key.as_deref(), "https://a", NOW);
    let sender = sender.ok().map(|token| token.key);
    receipts_link(&header("Link").unwrap_or_default());
    match Notification::read(body.as_bytes()) {
        Ok(read) => assert!(read.pushkeys.len() <= 10 && read.draft.size <= 4_096),
        Err(error) => assert!(!error.error.is_empty()),
    }
    if let Ok(options) = Options::read(header, &Limits::default()) {
        assert!(options.ttl <= 2_592_000 && options.wait <= 60_000);
        if let Ok(draft) = options.draft(header, body.as_bytes(), sender.as_ref()) {
            let channel: Channel = "24cf03b3-f215-489e-8a5b-f3a5ec97785d"
                .parse()
                .expect("a channel");
            let device: DeviceId = "device".parse().expect("a device");
            let id = MessageId::next(&device, NOW, None, 1);
            let message = draft.into_message(id, channel, Target::Device(device), NOW);
            let message = &message;
            let frame = WebPush.write(&ToDevice::Message {
                message,
                attempt: 1,
            });
            let text = frame.as_ref().and_then(Frame::text).expect("a text frame");
            let frame: serde_json::Value = serde_json::from_str(text).expect("a frame is JSON");
            assert_eq!(frame["messageType"], "notification");
            assert_eq!(
                frame.get("receipt"),
                None,
                "the user agent learns of a receipt"
            );
        }
    }
}

fn message(to: Target, draft: Draft) -> Message {
    let from: DeviceId = "sender".parse().expect("a device");
    draft.into_message(MessageId::next(&from, NOW, None, 1), from, to, NOW)
}

/// Answers each statement with rows made of the input's bytes, until they are used up.
struct Anything(RefCell<Vec<u8>>);

impl Store for Anything {
    fn run(&self, _: &str, _: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut data = self.0.borrow_mut();
        let mut next = || data.pop().unwrap_or(0);
        let rows = next() % 3;
        let mut value = || match next() % 6 {
            0 => Value::Null,
            1 => Value::Int(i64::from(next())),
            2 => Value::Int(NOW + i64::from(next())),
            3 => Value::Blob((0..16).map(|_| next()).collect()),
            4 => Value::Text(JSON[usize::from(next()) % JSON.len()].to_owned()),
            _ => Value::Text((0..next() % 32).map(|_| char::from(next())).collect()),
        };
        let columns = |_| Row::new((0..12).map(|_| value()).collect());
        Ok((0..rows).map(columns).collect())
    }

    fn size(&self) -> Result<u64, StoreError> {
        let first = self.0.borrow_mut().pop().unwrap_or(0);
        Ok(u64::from(first) << 23)
    }
}

/// Texts that stand in rows, so that not every input fails at the first column.
const JSON: [&str; 8] = [
    "device",
    "[]",
    "[1,2]",
    r#"{"tag":"t"}"#,
    r#"{"device":"d","state":"held","at":1,"attempts":0}"#,
    r#"[{"device":"device","state":"sent","at":1,"attempts":1,"steps":[{"event":"sent","at":1,"attempt":1}]}]"#,
    r#"{"id":"01M84V6H7E8KERR7N58XF8W742","from":"a","to":{"device":"b"},"sent_at":1,"expires_at":9,"urgency":"normal","topic":null,"size":1,"content_type":"a/b","payload":1}"#,
    r#"{"seq":1,"id":"01M84V6H7E8KERR7N58XF8W742","device":"d","state":"delivered","at":1}"#,
];
