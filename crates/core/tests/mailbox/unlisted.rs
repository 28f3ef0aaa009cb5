//! Queued publishes to many devices: what it takes to find out which of them waits for one device, and that it is
//! found out rightly.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;

use super::harness::{Harness, delivery, known};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// At most this many publishes are looked into in one event.
const MAX_LOOKUPS: u64 = 150;

/// One in which `count` publishes are queued, to 150 devices each. They are to `audiences` different sets of devices.
fn queued(count: usize, audiences: usize) -> (Harness, Vec<MessageId>) {
    let mut harness = Harness::with(|limits| {
        limits.max_queued_messages = u32::try_from(count).unwrap();
        limits.publish_burst = 10_000;
    });
    let mut names: Vec<String> = (0..150).map(|n| format!("d{n:04}")).collect();
    let ids = (0..count).map(|n| {
        names[149] = format!("last{:04}", n % audiences);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        harness.publish(&names, TEXT, "x").unwrap().0
    });
    let ids = ids.collect();
    (harness, ids)
}

/// The statements and their steps that an event takes.
fn costs(harness: &mut Harness, event: impl FnOnce(&mut Harness)) -> (u64, u64) {
    let before = (harness.statements(), harness.steps());
    event(harness);
    (harness.statements() - before.0, harness.steps() - before.1)
}

/// What becomes of a publish to a device: its effects, or the problem.
fn published(harness: &mut Harness, device: &str) -> String {
    match harness.publish(&[device], TEXT, "y") {
        Ok((_, effects)) => effects.join(", "),
        Err(problem) => problem,
    }
}

#[test]
fn a_publish_to_a_device_with_nothing_queued_takes_one_lookup_per_audience_however_many_wait() {
    let first = |count, audiences| {
        let (mut harness, _) = queued(count, audiences);
        harness.sleep();
        let opening = costs(&mut harness, |harness| drop(harness.wake()));
        let publish = costs(&mut harness, |harness| {
            assert_eq!(published(harness, "other"), "other: deliver, wait 1000");
        });
        (opening, publish)
    };
    let (one, thousand) = (first(1, 1), first(1_000, 1));
    assert_eq!(one.0.0, thousand.0.0, "statements of the opening");
    assert!(
        thousand.0.1 < one.0.1 + 1_000 * 20,
        "{} steps to open, and {} where one is queued",
        thousand.0.1,
        one.0.1
    );
    assert_eq!(one.1, thousand.1, "of the publish");
    let (few, many) = (first(100, 1), first(100, 100));
    assert_eq!(many.1.0, few.1.0 + 99, "statements of the publish");
}

#[test]
fn a_device_that_needs_too_many_lookups_waits_and_the_next_event_continues() {
    let (mut harness, _) = queued(400, 400);
    harness.sleep();
    for answer in [
        "too_many_requests",
        "too_many_requests",
        "other: deliver, wait 1000",
    ] {
        let (statements, _) = costs(&mut harness, |harness| {
            assert_eq!(published(harness, "other"), answer);
        });
        assert!(statements < MAX_LOOKUPS + 20, "{statements}");
    }
    let (statements, _) = costs(&mut harness, |harness| {
        let again = published(harness, "other");
        assert_eq!(again, "other: deliver after another, wait 1000");
    });
    assert_eq!(statements, 0, "it is remembered");
}

#[test]
fn lookups_for_several_devices_are_bounded_together() {
    let (mut harness, _) = queued(100, 100);
    let others: Vec<String> = (0..10).map(|n| format!("other{n}")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let (statements, _) = costs(&mut harness, |harness| {
        let refused = harness.publish(&others, TEXT, "y");
        assert_eq!(refused.unwrap_err(), "too_many_requests");
    });
    assert!(statements < MAX_LOOKUPS + 20, "{statements}");
}

#[test]
fn a_device_that_took_everything_queued_waits_no_longer_than_one_with_nothing_queued() {
    let (mut harness, ids) = queued(400, 1);
    for id in ids {
        let taken = delivery("d0007", State::Held);
        harness.report(id, taken).unwrap();
    }
    harness.sleep();
    for answer in [
        "too_many_requests",
        "too_many_requests",
        "d0007: deliver, wait 1000",
    ] {
        assert_eq!(published(&mut harness, "d0007"), answer);
    }
}

#[test]
fn a_publish_queues_behind_the_only_one_to_its_device_among_many_audiences() {
    for sleeps in [false, true] {
        let (mut harness, _) = queued(200, 200);
        harness.limits.max_queued_messages = 1_000;
        if sleeps {
            harness.sleep();
        }
        // The last that is looked into, and one that is not looked into at once.
        for device in ["last0100", "last0199"] {
            for _ in 0..3 {
                let found = published(&mut harness, device);
                assert!(!found.contains("deliver"), "{found}");
            }
        }
    }
}

#[test]
fn a_device_that_took_one_message_waits_for_the_next_to_the_same_audience() {
    let (mut harness, ids) = queued(2, 1);
    harness.ring();
    for n in 0..100 {
        let name = format!("d{n:04}");
        harness.returned(&name, ids[0], known(&name, State::Held));
    }
    assert_eq!(
        published(&mut harness, "d0007"),
        "too_many_requests",
        "the second is queued"
    );
    harness
        .report(ids[1], delivery("d0007", State::Held))
        .unwrap();
    let now = published(&mut harness, "d0007");
    assert_eq!(now, "d0007: deliver, wait 1000");
}

/// Makes the rows of the oldest queued message vanish, but for its job.
fn lose_the_first(harness: &Harness) {
    let first = "(SELECT min(id) FROM jobs)";
    for table in ["parts", "outbox"] {
        harness.query(&format!(
            "DELETE FROM {table} WHERE id = {first} RETURNING 1"
        ));
    }
}

#[test]
fn a_job_whose_message_is_gone_says_nothing_of_others_with_its_audience() {
    let (mut harness, _) = queued(2, 1);
    lose_the_first(&harness);
    harness.sleep();
    assert_eq!(published(&mut harness, "d0007"), "too_many_requests");
    let stranger = published(&mut harness, "other");
    assert_eq!(stranger, "other: deliver, wait 1000");
}

#[test]
fn nothing_waits_for_a_job_that_is_dropped_because_its_message_is_gone() {
    let (mut harness, _) = queued(1, 1);
    assert_eq!(published(&mut harness, "d0007"), "too_many_requests");
    lose_the_first(&harness);
    harness.ring();
    let now = published(&mut harness, "d0007");
    assert_eq!(now, "d0007: deliver, wait 1000");
}

#[test]
fn a_job_without_an_audience_is_looked_into_by_itself() {
    let (mut harness, _) = queued(3, 3);
    harness.query("UPDATE jobs SET audience = NULL RETURNING 1");
    harness.sleep();
    let stranger = published(&mut harness, "other");
    assert_eq!(stranger, "other: deliver, wait 1000");
    for device in ["last0000", "last0001", "last0002", "d0007"] {
        assert_eq!(published(&mut harness, device), "too_many_requests");
    }
}

#[test]
fn after_a_further_publish_only_that_is_looked_into() {
    let (mut harness, _) = queued(50, 50);
    harness.limits.max_queued_messages = 1_000;
    harness.sleep();
    harness.wake();
    for (name, lookups) in [("e", 50), ("f", 1), ("g", 1)] {
        let (statements, _) = costs(&mut harness, |harness| {
            let called = published(harness, "other");
            assert!(called.starts_with("other: deliver"), "{called}");
        });
        assert_eq!(statements, lookups);
        let names: Vec<String> = (0..101).map(|n| format!("{name}{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        harness.publish(&names, TEXT, "x").unwrap();
    }
    assert!(published(&mut harness, "g7").starts_with("g7 held"));
}
