//! The frames of `tagpost.v1`: to a device, to a watcher, and of a device.

use std::fs;

use tagpost_core::call::{Progress, Status};
use tagpost_core::delivery::{Delivery, State, Step, Withdrawal, summary};
use tagpost_core::limits::Limits;
use tagpost_core::message::Message;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::protocol::{Codec, Frame, FromDevice, Receipt, ToDevice};
use tagpost_core::watch::{self, Watched, WatchedStep};

use super::files::{check, compare, folder, names};
use super::samples::{AT, bytes_message, deliveries, device, id, json_message, raw, text_message};

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
