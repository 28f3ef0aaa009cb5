//! A connection that speaks another protocol than `tagpost.v1`.

use tagpost_core::id::MessageId;
use tagpost_core::limits::Limits;
use tagpost_core::message::Message;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::protocol::{self, BadFrame, CODECS, Codec, Codecs, Frame, FromDevice, ToDevice};

use super::harness::{Harness, message};

/// A protocol of bytes: `M` and an id is a message, `A` and an id its acknowledgement. It has no receipts.
#[derive(Debug)]
struct Bytes;

impl Codec for Bytes {
    fn subprotocol(&self) -> &'static str {
        "bytes.test"
    }

    fn keepalive(&self) -> (&'static str, &'static str) {
        ("?", "!")
    }

    fn read(&self, frame: &Frame, _: &Limits) -> Result<FromDevice, BadFrame> {
        let id = match frame {
            Frame::Binary(bytes) => bytes.strip_prefix(b"A"),
            Frame::Text(_) => None,
        };
        let id = id.and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        let id = id.ok_or_else(|| BadFrame {
            problem: Problem::new(Code::BadFrame, "not A and an id"),
            reference: None,
        })?;
        Ok(FromDevice::Ack { id, reply: None })
    }

    fn write(&self, said: &ToDevice<'_>) -> Option<Frame> {
        match said {
            ToDevice::Message { message, .. } => {
                Some(Frame::Binary(format!("M{}", message.id).into_bytes()))
            }
            ToDevice::Error { problem, .. } => {
                Some(Frame::Binary(problem.detail.clone().into_bytes()))
            }
            ToDevice::Pong
            | ToDevice::Welcome { .. }
            | ToDevice::Receipt(_)
            | ToDevice::Withdrawn { .. }
            | ToDevice::Progress(_)
            | ToDevice::Published { .. }
            | ToDevice::Agent(_) => None,
        }
    }
}

const BOTH: &Codecs = &[&TagpostV1, &Bytes];

/// A mailbox that knows both, and holds a message.
fn holding(message: &Message) -> Harness {
    let mut harness = Harness::new();
    harness.codecs = BOTH;
    harness.sleep();
    harness.deliver(message, 0);
    harness
}

fn says(harness: &mut Harness, frame: Frame) -> Vec<String> {
    harness.frames(&[(1, frame)])
}

fn ack(id: MessageId) -> Frame {
    Frame::Binary(format!("A{id}").into_bytes())
}

#[test]
fn a_connection_speaks_the_protocol_that_it_was_opened_with() {
    let message = message(1, &[]);
    let mut harness = holding(&message);
    let sent = format!("1 <- bytes M{}", message.id);
    assert_eq!(harness.connect_over(1, &Bytes), [sent], "it has no welcome");
    assert_eq!(
        says(&mut harness, ack(message.id)),
        ["door: receipts delivered 1"]
    );
}

#[test]
fn a_connection_keeps_its_protocol_while_its_mailbox_sleeps() {
    let message = message(1, &[]);
    let mut harness = holding(&message);
    harness.connect_over(1, &Bytes);
    harness.sleep();
    assert_eq!(
        says(&mut harness, ack(message.id)),
        ["door: receipts delivered 1"]
    );
}

#[test]
fn a_frame_of_another_protocol_is_a_bad_frame() {
    let message = message(1, &[]);
    let mut harness = holding(&message);
    harness.connect_over(1, &Bytes);
    let ack = format!(r#"{{"type":"ack","id":"{}"}}"#, message.id);
    assert_eq!(
        says(&mut harness, Frame::Text(ack)),
        ["1 <- bytes not A and an id"]
    );
}

#[test]
fn a_mailbox_that_does_not_know_the_protocol_of_a_socket_has_no_connection() {
    let message = message(1, &[]);
    let mut harness = holding(&message);
    harness.connect_over(1, &Bytes);
    harness.codecs = CODECS;
    harness.sleep();
    assert_eq!(says(&mut harness, ack(message.id)), [""; 0]);
    assert_eq!(harness.status().held, 1);
}

#[test]
fn the_first_protocol_that_both_know_is_chosen() {
    let chosen = |offered: &[&str]| {
        let chosen = protocol::choose(BOTH, offered.iter().copied());
        chosen.map(Codec::subprotocol)
    };
    assert_eq!(
        chosen(&["x", "bytes.test", "tagpost.v1"]),
        Some("bytes.test")
    );
    assert_eq!(chosen(&["tagpost.v1"]), Some("tagpost.v1"));
    assert_eq!(chosen(&["x"]), None);
}
