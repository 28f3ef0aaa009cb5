//! Every frame and every problem document, byte for byte, as clients in the field know them.
//!
//! A change of a file below `tests/golden` is a change of the protocol. `from_device/NAME.json` is a
//! frame as a device sends it, and `from_device/NAME.read.json` what the service reads in it; `hook/NAME.json` is a
//! request to a hook, and `hook/NAME.published.json` what is published; every other file is what the service writes.
//! All but the frames and requests are written anew by
//! `UPDATE_GOLDEN=1 cargo test -p tagpost-core --test golden`; look at the difference before it is kept.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tagpost_core::call::{Progress, Status};
use tagpost_core::delivery::{Delivery, State, Step, Withdrawal, summary};
use tagpost_core::failure::FailedDelivery;
use tagpost_core::hook::{self, Hook, Revocations};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::limits::Limits;
use tagpost_core::message::{Encoding, Message, Target, Urgency};
use tagpost_core::operator_event::{Kind, OperatorEvent, Registrar, Summary};
use tagpost_core::plan::escalation::{self, Escalation, Outcome};
use tagpost_core::plan::{End, Plan, Schedule};
use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::tagpost_v1::{TagpostV1, inbox_json};
use tagpost_core::protocol::{Codec, Frame, FromDevice, Receipt, ToDevice};
use tagpost_core::token::TokenId;
use tagpost_core::trace::Trace;
use tagpost_core::watch::{self, Watched, WatchedStep};

const AT: i64 = 1_700_000_000_000;

#[test]
fn every_frame_to_a_device_is_written_as_documented() {
    let message = |message: Message, attempt| {
        let message = &message;
        written(&ToDevice::Message { message, attempt })
    };
    let receipt = |state, reply: Option<&str>, reason: Option<&str>| {
        let receipt = Receipt {
            seq: 7,
            id: id(),
            device: Some(device("kitchen-cam")),
            state,
            at: AT,
            reply: reply.map(raw),
            reason: reason.map(str::to_owned),
        };
        written(&ToDevice::Receipt(&receipt))
    };
    let published = |reference, deliveries: &[Delivery]| {
        let id = id();
        written(&ToDevice::Published {
            reference,
            id,
            deliveries,
            summary: summary(deliveries),
            scheduled: None,
        })
    };
    let scheduled = written(&ToDevice::Published {
        reference: Some("a1"),
        id: id(),
        deliveries: &[],
        summary: summary(&[]),
        scheduled: Some(AT + 60_000),
    });
    let without_device = Receipt {
        seq: 7,
        id: id(),
        device: None,
        state: State::Refused,
        at: AT,
        reply: None,
        reason: Some("unknown_tag".to_owned()),
    };
    let error = |reference| {
        let problem = &Problem::new(
            Code::BadFrame,
            "ttl must be a whole number from 0 to 2592000",
        );
        written(&ToDevice::Error { reference, problem })
    };
    let welcome = ToDevice::Welcome {
        device: &device("kitchen-cam"),
        held: 3,
        in_progress: 0,
        keepalive: 60,
        max_in_flight: 32,
    };
    let busy = ToDevice::Welcome {
        device: &device("kitchen-cam"),
        held: 3,
        in_progress: 1,
        keepalive: 60,
        max_in_flight: 32,
    };
    let progress = |note: Option<&str>| {
        let progress = Progress {
            id: id(),
            device: device("kitchen-cam"),
            note: note.map(str::to_owned),
            until: AT,
        };
        written(&ToDevice::Progress(&progress))
    };
    let withdrawn = |reason| written(&ToDevice::Withdrawn { id: id(), reason });
    let held = Delivery::first(device("kitchen-cam"), State::Held, AT);
    check(
        "to_device",
        &[
            ("welcome", written(&welcome)),
            ("welcome-in-progress", written(&busy)),
            ("progress", progress(None)),
            ("progress-with-note", progress(Some("on my way"))),
            ("withdrawn-cancelled", withdrawn(Withdrawal::Cancelled)),
            ("withdrawn-replaced", withdrawn(Withdrawal::Replaced)),
            ("withdrawn-expired", withdrawn(Withdrawal::Expired)),
            ("withdrawn-enough", withdrawn(Withdrawal::Enough)),
            ("message-json", message(json_message(), 1)),
            ("message-text", message(text_message(), 2)),
            ("message-bytes", message(bytes_message(), 10)),
            (
                "receipt-delivered",
                receipt(State::Delivered, Some(r#"{"opened": true}"#), None),
            ),
            (
                "receipt-rejected",
                receipt(State::Rejected, None, Some("not at home")),
            ),
            ("receipt-expired", receipt(State::Expired, None, None)),
            ("published", published(Some("a1"), &deliveries())),
            ("published-scheduled", scheduled),
            (
                "receipt-without-device",
                written(&ToDevice::Receipt(&without_device)),
            ),
            ("published-without-ref", published(None, &[held])),
            ("error", error(Some("a1"))),
            ("error-without-ref", error(None)),
        ],
    );
}

#[test]
fn every_frame_to_a_watcher_is_written_as_documented() {
    let text = |frame: Frame| frame.text().unwrap().to_owned();
    let status = Status {
        known: true,
        revocations: 0,
        online: true,
        connected_at: Some(AT),
        last_seen_at: None,
        held: 3,
        in_flight: 2,
        in_progress: 1,
        held_bytes: 17,
        held_since: Some(AT),
    };
    let step = |step| text(watch::told(&Watched::Step(Box::new(step))));
    let of = |message: Message, payload| {
        step(WatchedStep::of(
            &message,
            Step::new(State::Sent, AT, 1),
            payload,
        ))
    };
    let last = |delivery: &Delivery| {
        let last = delivery.steps.last().unwrap().clone();
        let from = device("doorbell").into();
        step(WatchedStep::last(id(), from, last, delivery))
    };
    let online = Watched::Presence {
        online: true,
        at: AT,
    };
    let ends = deliveries();
    let of_state = |state| last(ends.iter().find(|it| it.state == state).unwrap());
    check(
        "to_watcher",
        &[
            (
                "watching",
                text(watch::watching(&device("kitchen-cam"), &status)),
            ),
            ("presence", text(watch::told(&online))),
            ("step-sent", of(json_message(), false)),
            ("step-sent-with-payload", of(bytes_message(), true)),
            ("step-in-progress", of_state(State::InProgress)),
            ("step-delivered", of_state(State::Delivered)),
            ("step-rejected", of_state(State::Rejected)),
        ],
    );
}

#[test]
fn every_problem_is_written_as_documented() {
    let document = |code: &Code| {
        let problem = Problem::new(*code, "What is wrong \"here\".");
        (code.as_str(), serde_json::to_string(&problem).unwrap())
    };
    check(
        "problem",
        &Code::ALL.iter().map(document).collect::<Vec<_>>(),
    );
}

#[test]
fn every_answer_to_a_client_is_written_as_documented() {
    let to_a_device = Trace {
        to: Target::Device(device("kitchen-cam")),
        ..trace(Vec::new())
    };
    let enough = Trace {
        plan: Plan {
            acks_needed: Some(1),
            enough_at: Some(AT + 15),
            ..Plan::default()
        },
        ..trace(deliveries())
    };
    let schedule = Schedule {
        deliver_at: AT + 60_000,
        accepted_at: AT,
        bytes: 1,
        handed_over_at: None,
    };
    let scheduled = Trace {
        plan: Plan {
            schedule: Some(schedule),
            ..Plan::default()
        },
        ..trace(Vec::new())
    };
    let end = End {
        state: State::Refused,
        at: AT + 60_000,
        reason: Some("unknown_tag".to_owned()),
        receipt: Some(7),
    };
    let ended = Trace {
        plan: Plan {
            end: Some(end),
            ..scheduled.plan.clone()
        },
        ..trace(Vec::new())
    };
    let step = |name| escalation::Step {
        to: Target::named(name).unwrap(),
        after: 60,
    };
    let steps = [step("nobody"), step("managers"), step("@boss")];
    let mut plan = Plan {
        escalation: Escalation::of(&steps, false),
        ..Plan::default()
    };
    plan.take_step(Outcome::failed(Code::UnknownTag), AT + 16);
    plan.take_step(Outcome::Devices(2), AT + 18);
    let escalated = Trace {
        plan,
        ..trace(deliveries())
    };
    let resent = Trace {
        plan: Plan {
            resend_of: Some(id()),
            resent_as: vec![id(), id()],
            ..Plan::default()
        },
        ..trace(deliveries())
    };
    let inbox = [
        (&json_message(), 1),
        (&text_message(), 2),
        (&bytes_message(), 3),
    ];
    check(
        "answer",
        &[
            ("publish", trace(deliveries()).answer_json()),
            ("publish-to-a-device", to_a_device.answer_json()),
            ("publish-with-acks-needed", enough.answer_json()),
            ("publish-scheduled", scheduled.answer_json()),
            ("publish-resent", resent.answer_json()),
            ("listed-without-delivery", ended.answer_json()),
            ("trace", trace(deliveries()).trace_json()),
            ("trace-with-escalation", escalated.trace_json()),
            ("inbox", inbox_json(inbox)),
            ("inbox-empty", inbox_json([])),
        ],
    );
}

#[test]
fn every_frame_of_a_device_is_read_as_documented() {
    let names = names("from_device");
    let frames: Vec<_> = names
        .iter()
        .filter(|name| !name.ends_with(".read"))
        .collect();
    assert!(frames.len() >= 10, "only {} frames are there", frames.len());
    for name in frames {
        let path = folder().join("from_device").join(format!("{name}.json"));
        let text = fs::read_to_string(&path).unwrap();
        let frame = Frame::Text(text.trim_end().to_owned());
        match TagpostV1.read(&frame, &Limits::default()) {
            Ok(frame) => compare(&path.with_extension("read.json"), &read_back(frame)),
            Err(bad) => panic!("{} is refused: {}", path.display(), bad.problem),
        }
    }
}

#[test]
fn every_request_to_a_hook_is_published_as_documented() {
    let names = names("hook");
    let samples: Vec<_> = names
        .iter()
        .filter(|name| !name.ends_with(".published"))
        .collect();
    assert!(
        samples.len() >= 20,
        "only {} samples are there",
        samples.len()
    );
    for name in samples {
        let path = folder().join("hook").join(format!("{name}.json"));
        let sample: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let terms = json!({ "to": { "tag": "phones" }, "template": sample["template"] });
        let mut terms = terms.as_object().unwrap().clone();
        terms.extend(sample.get("name").map(|it| ("name".to_owned(), it.clone())));
        let hook = Hook {
            device: device("ci"),
            terms: hook::read(Value::from(terms).to_string().as_bytes()).unwrap(),
            expires_at: None,
            revocations: Revocations {
                tokens: 0,
                hooks: 0,
            },
            nonce: [0; 8],
        };
        let header = |name: &str| Some(sample["headers"].get(name)?.as_str()?.to_owned());
        let body = match &sample["body"] {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let draft = hook.draft(header, body.as_bytes(), &Limits::default());
        let published = path.with_extension("published.json");
        compare(&published, draft.unwrap().payload.get());
    }
}

#[test]
fn a_message_is_unchanged_between_mailboxes() {
    for message in [json_message(), text_message(), bytes_message()] {
        let text = serde_json::to_string(&message).unwrap();
        let back: Message = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        let frame = |message| {
            written(&ToDevice::Message {
                message,
                attempt: 1,
            })
        };
        assert_eq!(frame(&back), frame(&message));
    }
}

/// The text of a frame.
fn written(said: &ToDevice<'_>) -> String {
    let frame = TagpostV1.write(said).unwrap();
    frame.text().unwrap().to_owned()
}

/// What was read in a device's frame, as JSON, so that it can be kept in a file.
fn read_back(frame: FromDevice) -> String {
    match frame {
        FromDevice::Ping => serde_json::to_string(&["ping"]),
        FromDevice::Ack { id, reply } => serde_json::to_string(&("ack", id, reply)),
        FromDevice::Nack { id, reason } => serde_json::to_string(&("nack", id, reason)),
        FromDevice::Progress {
            reference,
            id,
            seconds,
            note,
        } => serde_json::to_string(&("progress", reference, id, seconds, note)),
        FromDevice::Publish {
            reference,
            to,
            draft,
        } => serde_json::to_string(&("publish", reference, to, draft)),
        FromDevice::ReceiptsSeen { seq } => serde_json::to_string(&("receipts_seen", seq)),
        FromDevice::Agent(frame) => Ok(format!("{frame:?}")),
    }
    .unwrap()
}

#[test]
fn every_event_of_the_operator_is_written_as_documented() {
    let cam = device("kitchen-cam");
    let failed = |tag: Option<&str>, state, reason: Option<&str>| FailedDelivery {
        id: id(),
        at: AT - 5,
        state,
        reason: reason.map(str::to_owned),
        sender: device("doorbell"),
        device: device("kitchen-cam"),
        tag: tag.map(str::to_owned),
        resent_as: None,
    };
    let expired = failed(Some("kitchen"), State::Expired, None);
    let refused = failed(None, State::Refused, Some("queue_full"));
    let since = AT - 300_000;
    let device = &cam;
    let registered = |by| OperatorEvent::Registered { device, by };
    let events = [
        ("delivery-failed", OperatorEvent::DeliveryFailed(&refused)),
        (
            "delivery-failed-tag",
            OperatorEvent::DeliveryFailed(&expired),
        ),
        ("device-registered", registered(Registrar::Operator)),
        ("device-registered-itself", registered(Registrar::Device)),
        ("device-away", OperatorEvent::Away { device, since }),
        ("device-back", OperatorEvent::Back { device, since }),
        ("tokens-revoked", OperatorEvent::TokensRevoked { device }),
        (
            "token-revoked",
            OperatorEvent::TokenRevoked {
                device,
                jti: &TokenId::from_random(10),
            },
        ),
        (
            "webhook-disabled",
            OperatorEvent::WebhookDisabled {
                device,
                status: 410,
            },
        ),
    ];
    let written = events.map(|(name, event)| (name, event.json(AT).unwrap()));
    let summary = Summary {
        device,
        count: 15,
        since: AT - 50_000,
        until: AT - 36_000,
    };
    let summary = Kind::DeliveryFailed.summary(&summary, AT).unwrap();
    let mut written = written.to_vec();
    written.push(("summary", summary));
    check("event", &written);
}

/// Compares what is written now with the files of this kind, which must be exactly these.
fn check(kind: &str, vectors: &[(&str, String)]) {
    for (name, written) in vectors {
        compare(&folder().join(kind).join(format!("{name}.json")), written);
    }
    let written = vectors.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        names(kind),
        written,
        "files of {kind} (left), vectors (right)"
    );
}

fn compare(path: &Path, written: &str) {
    let written = format!("{written}\n");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &written).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        written,
        kept,
        "written now (left), kept in {} (right)",
        path.display()
    );
}

/// The names, without `.json`, of the files of one kind.
fn names(kind: &str) -> BTreeSet<String> {
    let name = |path: PathBuf| {
        path.file_name()?
            .to_str()?
            .strip_suffix(".json")
            .map(str::to_owned)
    };
    fs::read_dir(folder().join(kind))
        .unwrap()
        .map(|entry| name(entry.unwrap().path()).expect("every file there is a .json"))
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn device(name: &str) -> DeviceId {
    name.parse().unwrap()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn id() -> MessageId {
    MessageId::next(&device("doorbell"), AT, None, 7)
}

fn message(content_type: &str, encoding: Option<Encoding>, payload: &str) -> Message {
    Message {
        id: id(),
        from: device("doorbell").into(),
        to: Target::Tag("kitchen".parse().unwrap()),
        sent_at: AT,
        expires_at: AT + 60_000,
        urgency: Urgency::Normal,
        topic: None,
        size: 1,
        content_type: content_type.to_owned(),
        encoding,
        payload: raw(payload),
    }
}

fn json_message() -> Message {
    Message {
        to: Target::Device(device("kitchen-cam")),
        topic: Some("door_1".parse().unwrap()),
        urgency: Urgency::VeryLow,
        ..message("application/json", None, r#"{ "who": ["é", 1.50, null] }"#)
    }
}

fn text_message() -> Message {
    message("text/plain; charset=utf-8", None, r#""it \"rings\"\n""#)
}

fn bytes_message() -> Message {
    message("image/png", Some(Encoding::Base64), r#""iVBORw==""#)
}

fn trace(deliveries: Vec<Delivery>) -> Trace {
    Trace {
        id: id(),
        to: Target::Tag("kitchen".parse().unwrap()),
        accepted_at: AT,
        expires_at: AT + 60_000,
        deliveries,
        plan: Plan::default(),
        page: None,
    }
}

/// One delivery in each state, with the words that can come with it.
fn deliveries() -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for (attempts, state) in (0..).zip(State::ALL) {
        let mut delivery = Delivery::first(device(&format!("device-{attempts}")), State::Held, AT);
        if state != State::Held {
            delivery.attempts = attempts;
            // Later devices settle earlier, so that the timeline has something to sort.
            (delivery.state, delivery.at) = (state, AT + 20 - i64::from(attempts));
            delivery.steps.push(Step {
                event: state,
                at: delivery.at,
                attempt: attempts,
                note: (state == State::InProgress).then(|| "on my way".to_owned()),
                tried: None,
            });
        }
        match state {
            State::Delivered => delivery.reply = Some(raw(r#"{"opened": true}"#)),
            State::Rejected => delivery.reason = Some("not at home".to_owned()),
            State::Refused => delivery.reason = Some("queue_full".to_owned()),
            _ => {}
        }
        deliveries.push(delivery);
    }
    deliveries
}
