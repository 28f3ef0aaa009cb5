//! The mailbox from which the service publishes events.

use tagpost_core::delivery::State;
use tagpost_core::id::owner;
use tagpost_core::mailbox::Input;
use tagpost_core::message::Target;

use super::super::harness::{Harness, delivery, device, known};

#[test]
fn an_event_is_published_to_the_tag_once_however_often_it_is_told() {
    let mut events = Harness::publishing(|_| {});
    assert_eq!(events.at(0).tell("cam", &[1, 2]), Ok(2));
    assert_eq!(events.published(), ["event 1", "event 2"]);
    assert_eq!(events.tell("cam", &[1, 2, 3]), Ok(3));
    assert_eq!(events.tell("door", &[1]), Ok(1), "each has its own numbers");
    events.crash();
    assert_eq!(events.tell("cam", &[1]), Ok(3));
    assert_eq!(
        events.published(),
        ["event 1", "event 2", "event 3", "event 1"]
    );
    let words = events.at(1_000).ring();
    assert_eq!(words, ["resolve ops"]);
    let to = Target::Tag("ops".parse().unwrap());
    let words = events.handle(Input::Resolved(Ok(vec![(to, vec![device("phone")])])));
    let deliveries = words
        .iter()
        .filter(|word| word.starts_with("phone: deliver"));
    assert_eq!(deliveries.count(), 4);
    let ids: Vec<_> = events.calls.iter().map(|(_, message)| message.id).collect();
    let message = &events.calls[0].1;
    assert_eq!(message.from.as_str(), "~events");
    assert_eq!(message.from.device(), Some(owner::events()));
    for id in ids {
        events.returned("phone", id, known("phone", State::Delivered));
    }
    events.at(700_000_000).ring();
    assert_eq!(
        events.tell("cam", &[1, 2, 3]),
        Ok(3),
        "even after their messages are forgotten"
    );
    assert_eq!(events.published(), [""; 0]);
}

#[test]
fn what_is_over_the_rate_stays_where_it_is() {
    let mut events = Harness::publishing(|limits| {
        limits.publish_burst = 2;
        limits.publish_rate = 1;
    });
    assert_eq!(events.at(0).tell("cam", &[1, 2, 3]), Ok(2));
    assert_eq!(events.tell("cam", &[3]), Ok(2));
    assert_eq!(events.at(1_000).tell("cam", &[3]), Ok(3));
    assert_eq!(events.published(), ["event 1", "event 2", "event 3"]);
}

#[test]
fn there_are_no_events_about_events() {
    let mut events = Harness::publishing(|_| {});
    events.failures = true;
    events.sleep();
    events.at(0).tell("cam", &[1]).unwrap();
    events.at(1_000).ring();
    let to = Target::Tag("ops".parse().unwrap());
    events.handle(Input::Resolved(Ok(vec![(to, vec![device("phone")])])));
    let id = events.calls[0].1.id;
    events.returned("phone", id, known("phone", State::Held));
    let words = events
        .report(id, delivery("phone", State::Expired))
        .unwrap();
    assert_eq!(words, ["record 1: phone expired in ops"]);
    let tables = "SELECT count(*) FROM sqlite_master WHERE name = 'operator_events'";
    assert_eq!({ events.query(tables) }.int().unwrap(), 0);
}

#[test]
fn only_the_mailbox_of_the_service_publishes_events() {
    let mut cam = Harness::telling();
    assert!(cam.tell("door", &[1]).unwrap_err().contains("Unavailable"));
    let mut off = Harness::of(owner::events(), |_| {});
    assert!(off.tell("door", &[1]).unwrap_err().contains("Unavailable"));
    let tables = "SELECT count(*) FROM sqlite_master";
    assert_eq!({ off.query(tables) }.int().unwrap(), 0);
}
