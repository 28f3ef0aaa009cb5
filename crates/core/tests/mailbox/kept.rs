//! Payloads of failed deliveries: kept for a while in case they are sent again, and out of every queue.

use tagpost_core::call::Call;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::Reply;
use tagpost_core::message::Message;

use super::harness::{Harness, START, device, message};

impl Harness {
    /// The payload of a message, if it is here, for the device that asks as its sender.
    pub(super) fn payload_for(&mut self, from: &str, id: MessageId) -> Option<String> {
        let from = device(from);
        match self.ask(Call::GetPayload { id, from }).0 {
            Ok(Reply::Payload(message)) => message.map(|it| it.payload.get().to_owned()),
            other => panic!("{other:?}"),
        }
    }

    fn payload(&mut self, message: &Message) -> Option<String> {
        self.payload_for("door", message.id)
    }

    /// How many payloads are kept.
    fn kept(&self) -> i64 {
        let sql = "SELECT count(*) FROM inbox WHERE rank = -2";
        self.query(sql).int().unwrap()
    }

    fn kept_until(&self) -> Option<i64> {
        let until = self.query("SELECT kept_until FROM account").opt_int();
        until.unwrap().map(|at| at - START)
    }

    /// The `n`th message waits until it expires, at this time at the latest.
    fn expire(&mut self, n: u64, body: &str, at: i64) -> Message {
        let mut message = message(n, &[("TTL", "10")]);
        message.payload = serde_json::value::RawValue::from_string(body.to_owned()).unwrap();
        message.size = body.len() as u32;
        (message.sent_at, message.expires_at) = (START + at - 10_000, START + at);
        self.at(at - 10_000).deliver(&message, 0);
        self.at(at).ring();
        self.reported("door", true);
        message
    }
}

/// A body of text, as it is rendered.
fn body(n: u64) -> Option<String> {
    use base64::Engine as _;
    let text = base64::prelude::BASE64_STANDARD.encode(format!("body {n}"));
    Some(format!("{text:?}"))
}

#[test]
fn the_payload_of_a_message_that_expired_is_kept_for_its_sender_alone() {
    let mut cam = Harness::new();
    let message = message(1, &[("TTL", "10")]);
    cam.deliver(&message, 0);
    assert_eq!(cam.payload(&message), body(1), "it waits");
    assert_eq!(cam.payload_for("gate", message.id), None);
    cam.at(10_000).ring();
    assert_eq!(cam.payload(&message), body(1), "it is not reported yet");
    cam.reported("door", true);
    cam.crash();
    assert_eq!(cam.payload(&message), body(1));
    assert_eq!(cam.payload_for("gate", message.id), None);
}

#[test]
fn what_is_kept_is_in_no_queue_and_never_sent() {
    let mut cam = Harness::new();
    let message = message(1, &[("TTL", "10"), ("Topic", "t")]);
    cam.deliver(&message, 0);
    cam.at(10_000).ring();
    cam.reported("door", true);
    let status = cam.status();
    assert_eq!((status.held, status.held_bytes), (0, 0));
    assert!(cam.list_waiting(10, None, true).0.messages.is_empty());
    assert!(cam.poll(10).is_empty());
    let words = cam.connect(1);
    assert_eq!(words.len(), 1, "only the welcome: {words:?}");
    cam.assert_rows();
}

#[test]
fn the_payload_is_kept_when_a_device_rejects_a_message_that_was_never_stored() {
    let mut cam = Harness::new();
    cam.connect(1);
    let message = message(1, &[]);
    cam.deliver(&message, 5_000);
    assert_eq!(cam.kept(), 0);
    cam.nack(message.id);
    assert_eq!((cam.kept(), cam.payload(&message)), (1, body(1)));
}

#[test]
fn the_payload_is_kept_when_the_queue_is_full_or_the_message_comes_too_late() {
    let mut cam = Harness::with(|limits| limits.max_held_messages = 1);
    cam.deliver(&message(1, &[]), 0);
    let (refused, late) = (message(2, &[]), message(3, &[("TTL", "1")]));
    assert_eq!(cam.deliver(&refused, 0)[0], "refused 0 (queue_full)");
    assert_eq!(cam.at(2_000).deliver(&late, 0)[0], "expired 0");
    assert_eq!(
        (cam.payload(&refused), cam.payload(&late)),
        (body(2), body(3))
    );
}

#[test]
fn no_payload_is_kept_of_a_delivery_that_does_not_fail() {
    let mut cam = Harness::new();
    let all: Vec<Message> = (1..4).map(|n| message(n, &[("Topic", "t")])).collect();
    all.iter().for_each(|message| drop(cam.deliver(message, 0)));
    cam.ack(all[2].id);
    let cancelled = message(4, &[]);
    cam.deliver(&cancelled, 0);
    cam.cancel_delivery(cancelled.id);
    assert_eq!((cam.kept(), cam.kept_until()), (0, None));
    assert!(all.iter().all(|message| cam.payload(message).is_none()));
}

#[test]
fn at_most_100_payloads_are_kept_and_the_oldest_go_first() {
    let mut cam = Harness::new();
    let all: Vec<Message> = (1..=103).map(|n| message(n, &[])).collect();
    let mut sorted: Vec<&Message> = all.iter().collect();
    sorted.sort_by_key(|message| message.id);
    cam.connect(1);
    for message in &sorted {
        cam.deliver(message, 5_000);
        cam.nack(message.id);
    }
    assert_eq!(cam.kept(), 100);
    let kept: Vec<bool> = sorted[..4]
        .iter()
        .map(|it| cam.payload(it).is_some())
        .collect();
    assert_eq!(kept, [false, false, false, true]);
}

#[test]
fn an_older_message_that_fails_later_displaces_one_that_failed_before_it() {
    let mut cam = Harness::new();
    let long = message(1, &[("TTL", "3600")]);
    cam.deliver(&long, 0);
    let first = cam.expire(1_000, "1", 20_000);
    (1_001..1_100).for_each(|n| drop(cam.expire(n, "1", 30_000)));
    assert_eq!(cam.kept(), 100);
    cam.at(3_600_000).ring();
    assert_eq!(cam.payload(&long), body(1));
    assert_eq!(cam.payload(&first), None);
}

#[test]
fn a_message_that_a_full_queue_refuses_displaces_no_payload() {
    let mut cam = Harness::with(|limits| limits.max_held_messages = 1);
    let kept: Vec<Message> = (1..=100).map(|n| cam.expire(n, "1", 20_000)).collect();
    cam.deliver(&message(200, &[]), 0);
    let before = cam.writes();
    let refused = message(201, &[]);
    assert_eq!(cam.deliver(&refused, 0)[0], "refused 0 (queue_full)");
    assert_eq!(cam.writes(), before);
    assert_eq!(cam.payload(&refused), None);
    assert!(kept.iter().all(|message| cam.payload(message).is_some()));
}

#[test]
fn no_more_bytes_are_kept_than_the_device_may_have_waiting() {
    let mut cam = Harness::with(|limits| limits.max_held_bytes = 100);
    let first = cam.expire(1, &format!("\"{}\"", "a".repeat(58)), 10_000);
    let second = cam.expire(2, &format!("\"{}\"", "b".repeat(38)), 30_000);
    assert!(cam.payload(&first).is_some() && cam.payload(&second).is_some());
    cam.expire(3, "1", 50_000);
    assert_eq!(cam.kept(), 2);
}

#[test]
fn a_payload_is_kept_for_the_retention_time_and_then_deleted_by_the_alarm() {
    let mut cam = Harness::with(|limits| limits.retention = 100);
    let first = cam.expire(1, "1", 10_000);
    assert_eq!(cam.kept_until(), Some(110_000));
    let second = cam.expire(2, "2", 60_000);
    assert_eq!(
        cam.kept_until(),
        Some(110_000),
        "the bound costs no row again"
    );
    assert_eq!(cam.at(110_000).payload(&first), None);
    assert_eq!(cam.payload(&second).as_deref(), Some("2"));
    // A sixteenth of the retention time later.
    while cam.kept() == 2 {
        let at = cam.alarm.unwrap();
        assert!(at <= 116_250, "{at}");
        cam.sleep();
        cam.at(at).ring();
    }
    assert_eq!((cam.kept(), cam.kept_until()), (1, Some(160_000)));
    while cam.kept() == 1 {
        let at = cam.alarm.unwrap();
        assert!(at <= 166_250, "{at}");
        cam.at(at).ring();
    }
    assert_eq!(cam.kept_until(), None);
}

#[test]
fn nothing_is_kept_of_a_device_that_is_removed() {
    let mut cam = Harness::new();
    let message = cam.expire(1, "1", 10_000);
    let waiting = super::harness::message(2, &[]);
    cam.at(20_000).deliver(&waiting, 0);
    cam.remove();
    assert_eq!((cam.kept(), cam.kept_until()), (0, None));
    assert_eq!(cam.payload(&message), None);
    assert_eq!(cam.payload(&waiting), None);
}
