//! How many bytes of payload a mailbox has under way.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;

use super::desk::{Desk, known};

const MIB: usize = 1 << 20;
const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

fn desk() -> Desk {
    Desk::new()
}

fn quarter() -> String {
    "x".repeat(MIB / 4 - 1_000)
}

/// Publishes until that is refused; the ids of those that are under way.
fn fill(desk: &mut Desk) -> Vec<MessageId> {
    let mut ids = Vec::new();
    while let Ok((id, _)) = desk.publish(&["a"], TEXT, &quarter()) {
        ids.push(id);
        assert!(ids.len() <= 32, "there is no bound");
    }
    ids
}

#[test]
fn eight_megabytes_may_be_under_way_and_more_is_refused_before_anything_is_written() {
    let mut desk = desk();
    let ids = fill(&mut desk);
    assert_eq!(ids.len(), 32);
    let writes = desk.writes();
    let refused = desk.publish(&["b"], TEXT, &quarter());
    assert_eq!(refused.unwrap_err(), "too_many_requests");
    let keyed = [("Content-Type", "text/plain"), ("Idempotency-Key", "k")];
    let refused = desk.publish(&["b"], &keyed, &quarter());
    assert_eq!(refused.unwrap_err(), "too_many_requests");
    assert_eq!(desk.writes(), writes);
}

#[test]
fn what_is_answered_is_not_under_way_any_more() {
    let mut desk = desk();
    for state in [State::Held, State::Delivered, State::Sent] {
        for id in fill(&mut desk) {
            desk.returned("a", id, known("a", state));
        }
    }
    for id in fill(&mut desk) {
        // Its mailbox does not answer: it is a job.
        desk.returned("a", id, None);
    }
    assert!(desk.publish(&["b"], TEXT, &quarter()).is_ok());
}

#[test]
fn a_repeat_of_a_key_is_answered_while_nothing_new_is_taken() {
    let mut desk = desk();
    let keyed = [("Content-Type", "text/plain"), ("Idempotency-Key", "k")];
    let (id, _) = desk.publish(&["a"], &keyed, &quarter()).unwrap();
    fill(&mut desk);
    assert_eq!(desk.publish(&["a"], &keyed, &quarter()).unwrap().0, id);
}

#[test]
fn frames_that_wait_for_their_addresses_count_too() {
    let mut desk = desk();
    desk.connect(1);
    let payload = quarter();
    let frame = format!(r#"{{"type":"publish","to":{{"tag":"hall"}},"payload":"{payload}"}}"#);
    for _ in 0..16 {
        assert_eq!(desk.frame(1, &frame), ["resolve"]);
    }
    assert_eq!(fill(&mut desk).len(), 16);
    assert_eq!(desk.frame(1, &frame), ["1 <- error too_many_requests"]);
}

#[test]
fn a_tag_that_is_too_much_at_once_is_worked_through_in_waves_of_four_megabytes() {
    let mut desk = desk();
    let names: Vec<String> = (0..40).map(|n| format!("d{n:02}")).collect();
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = desk.publish(&to, TEXT, &quarter()).unwrap();
    assert_eq!(desk.rows(), "account 1, outbox 1, jobs 1");
    let mut called = 0;
    let mut wave = desk.ring().len();
    while wave > 0 {
        assert_eq!(wave, 16.min(40 - called), "devices in a wave");
        let mut next = 0;
        for name in &names[called..called + wave] {
            next = desk.returned(name, id, known(name, State::Held)).len();
        }
        called += wave;
        wave = next;
    }
    assert_eq!(called, 40);
    let (order, ids): (Vec<String>, Vec<MessageId>) = desk
        .calls
        .iter()
        .map(|(to, message)| (to.to_string(), message.id))
        .unzip();
    assert_eq!(order, names);
    assert!(ids.iter().all(|called| *called == id));
    assert_eq!(desk.rows(), "account 1, outbox 1");
}

#[test]
fn a_wave_that_some_mailboxes_do_not_answer_is_followed_by_the_next() {
    let mut desk = desk();
    let names: Vec<String> = (0..40).map(|n| format!("d{n:02}")).collect();
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = desk.publish(&to, TEXT, &quarter()).unwrap();
    desk.ring();
    for _ in 0..3 {
        for (name, _) in std::mem::take(&mut desk.calls) {
            desk.returned(name.as_str(), id, None);
        }
    }
    assert_eq!(
        desk.calls.len(),
        0,
        "each has been called once in this pass"
    );
    desk.at(60_000).ring();
    assert_eq!(desk.calls.len(), 16, "and is called again");
}
