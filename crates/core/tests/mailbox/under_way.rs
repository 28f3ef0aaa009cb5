//! How many bytes of payload a mailbox has under way.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;

use super::harness::{Harness, known};

const MIB: usize = 1 << 20;
const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

fn harness() -> Harness {
    Harness::new()
}

fn quarter() -> String {
    "x".repeat(MIB / 4 - 1_000)
}

/// Publishes until that is refused; the ids of those that are under way.
fn fill(harness: &mut Harness) -> Vec<MessageId> {
    let mut ids = Vec::new();
    while let Ok((id, _)) = harness.publish(&["a"], TEXT, &quarter()) {
        ids.push(id);
        assert!(ids.len() <= 32, "there is no bound");
    }
    ids
}

#[test]
fn eight_megabytes_may_be_under_way_and_more_is_refused_before_anything_is_written() {
    let mut harness = harness();
    let ids = fill(&mut harness);
    assert_eq!(ids.len(), 32);
    let writes = harness.writes();
    let refused = harness.publish(&["b"], TEXT, &quarter());
    assert_eq!(refused.unwrap_err(), "too_many_requests");
    let keyed = [("Content-Type", "text/plain"), ("Idempotency-Key", "k")];
    let refused = harness.publish(&["b"], &keyed, &quarter());
    assert_eq!(refused.unwrap_err(), "too_many_requests");
    assert_eq!(harness.writes(), writes);
}

#[test]
fn an_answered_publish_is_no_longer_under_way() {
    let mut harness = harness();
    for state in [State::Held, State::Delivered, State::Sent] {
        for id in fill(&mut harness) {
            harness.returned("a", id, known("a", state));
        }
    }
    for id in fill(&mut harness) {
        // Its mailbox does not answer: it is a job.
        harness.returned("a", id, None);
    }
    assert!(harness.publish(&["b"], TEXT, &quarter()).is_ok());
}

#[test]
fn a_repeat_of_a_key_is_answered_while_new_publishes_are_refused() {
    let mut harness = harness();
    let keyed = [("Content-Type", "text/plain"), ("Idempotency-Key", "k")];
    let (id, _) = harness.publish(&["a"], &keyed, &quarter()).unwrap();
    fill(&mut harness);
    assert_eq!(harness.publish(&["a"], &keyed, &quarter()).unwrap().0, id);
}

#[test]
fn frames_that_wait_for_their_targets_count_too() {
    let mut harness = harness();
    harness.connect(1);
    let payload = quarter();
    let frame = format!(r#"{{"type":"publish","to":{{"tag":"hall"}},"payload":"{payload}"}}"#);
    assert_eq!(harness.frame(1, &frame), ["resolve hall"]);
    for _ in 1..16 {
        assert_eq!(harness.frame(1, &frame), [""; 0]);
    }
    assert_eq!(fill(&mut harness).len(), 16);
    assert_eq!(harness.frame(1, &frame), ["1 <- error too_many_requests"]);
}

#[test]
fn a_large_payload_to_a_tag_is_delivered_in_waves_of_four_megabytes() {
    let mut harness = harness();
    let names: Vec<String> = (0..40).map(|n| format!("d{n:02}")).collect();
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = harness.publish(&to, TEXT, &quarter()).unwrap();
    assert_eq!(harness.rows(), "account 1, outbox 1, jobs 1");
    let mut called = 0;
    let mut wave = harness.ring().len();
    while wave > 0 {
        assert_eq!(wave, 16.min(40 - called), "devices in a wave");
        let mut next = 0;
        for name in &names[called..called + wave] {
            next = harness.returned(name, id, known(name, State::Held)).len();
        }
        called += wave;
        wave = next;
    }
    assert_eq!(called, 40);
    let (order, ids): (Vec<String>, Vec<MessageId>) = harness
        .calls
        .iter()
        .map(|(to, message)| (to.to_string(), message.id))
        .unzip();
    assert_eq!(order, names);
    assert!(ids.iter().all(|called| *called == id));
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

#[test]
fn a_wave_that_some_mailboxes_do_not_answer_is_followed_by_the_next() {
    let mut harness = harness();
    let names: Vec<String> = (0..40).map(|n| format!("d{n:02}")).collect();
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = harness.publish(&to, TEXT, &quarter()).unwrap();
    harness.ring();
    for _ in 0..3 {
        for (name, _) in std::mem::take(&mut harness.calls) {
            harness.returned(name.as_str(), id, None);
        }
    }
    assert_eq!(
        harness.calls.len(),
        0,
        "each has been called once in this pass"
    );
    harness.at(60_000).ring();
    assert_eq!(harness.calls.len(), 16, "and is called again");
}
