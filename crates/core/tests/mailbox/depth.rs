//! What one message costs does not depend on how many others wait.

use tagpost_core::delivery::State;

use super::harness::{Harness, known, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// An offline device with `length` messages held.
fn queue(length: u64) -> Harness {
    let mut harness = Harness::with(|limits| limits.max_held_messages = 100_000);
    for n in 0..length {
        harness.deliver(&message(n, TEXT), 0);
    }
    harness
}

/// The steps of SQLite that something takes.
fn steps(harness: &mut Harness, something: impl FnOnce(&mut Harness)) -> u64 {
    let before = harness.steps();
    something(harness);
    harness.steps() - before
}

/// At most a fifth more.
fn about(more: u64, less: u64) -> bool {
    more * 5 <= less * 6
}

#[test]
fn a_message_joins_a_long_queue_as_cheaply_as_a_short_one() {
    // A long one keeps its totals in a row.
    for lengths in [[1, 900], [2_000, 10_000]] {
        let costs = lengths.map(|length| {
            let mut harness = queue(length);
            steps(&mut harness, |harness| {
                harness.deliver(&message(length, TEXT), 0);
            })
        });
        assert!(about(costs[1], costs[0]), "{costs:?}");
    }
}

#[test]
fn a_mailbox_that_wakes_does_not_scan_a_long_queue() {
    let costs = [2_000, 10_000].map(|length| {
        let mut harness = queue(length);
        harness.sleep();
        steps(&mut harness, |harness| {
            harness.deliver(&message(length, TEXT), 0);
        })
    });
    assert!(about(costs[1], costs[0]), "{costs:?}");
}

#[test]
fn held_messages_are_counted_the_same_after_a_sleep_however_many() {
    let mut harness = queue(1_000);
    for n in 1_000..1_020 {
        harness.sleep();
        harness.deliver(&message(n, TEXT), 0);
    }
    for n in 0..600 {
        if n % 50 == 0 {
            harness.sleep();
        }
        harness.ack(message(n, TEXT).id);
        harness.reported("door", true);
        let rows = harness.query("SELECT count(*) FROM inbox").count().unwrap();
        let status = harness.status();
        assert_eq!((status.held, status.held_bytes > 0), (rows, true));
    }
}

#[test]
fn a_long_queue_drains_as_cheaply_per_message_as_a_short_one() {
    let costs = [200, 4_000].map(|length| {
        let mut harness = queue(length);
        harness.connect(1);
        let cost = steps(&mut harness, |harness| {
            for n in 0..length {
                harness.ack(message(n, TEXT).id);
                harness.reported("door", true);
            }
        });
        assert_eq!(harness.rows(), "account 1");
        cost / length
    });
    assert!(about(costs[1], costs[0]), "{costs:?}");
}

#[test]
fn an_alarm_before_the_first_expiry_does_not_scan_the_queue() {
    let costs = [10, 5_000].map(|length| {
        let mut harness = queue(length);
        harness.at(1_000);
        steps(&mut harness, |harness| drop(harness.ring()))
    });
    assert!(about(costs[1], costs[0]), "{costs:?}");
}

#[test]
fn opening_a_long_inbox_is_as_cheap_after_a_message_has_expired() {
    let costs = [0, 5_000].map(|at| {
        let mut harness = queue(4_000);
        harness.deliver(&message(4_000, &[("TTL", "2")]), 0);
        harness.at(at).crash();
        steps(&mut harness, |harness| drop(harness.wake()))
    });
    assert!(costs[1] < costs[0] + 500, "{costs:?}");
}

#[test]
fn a_publish_costs_the_same_however_many_messages_are_open() {
    let costs = [10, 3_000].map(|length| {
        let mut harness = Harness::with(|limits| limits.publish_burst = 100_000);
        let mut publish = |state| {
            let (id, _) = harness.publish(&["a"], &[], "x").unwrap();
            harness.returned("a", id, known("a", state));
            harness.steps()
        };
        for _ in 0..length {
            publish(State::Held);
        }
        let before = publish(State::Delivered);
        publish(State::Delivered) - before
    });
    assert!(about(costs[1], costs[0]), "{costs:?}");
}

#[test]
fn jobs_for_a_recovered_mailbox_cost_the_same_each() {
    let costs = [20, 1_000].map(|length| {
        let mut harness = Harness::with(|limits| limits.publish_burst = 100_000);
        for _ in 0..length {
            let (id, effects) = harness.publish(&["a"], &[], "x").unwrap();
            if !effects.is_empty() && !effects[0].starts_with("published") {
                harness.returned("a", id, None);
            }
        }
        let done = harness.calls.len();
        harness.at(1_000_000);
        let cost = steps(&mut harness, |harness| {
            while harness.alarm.is_some_and(|at| at <= 1_000_000) {
                harness.ring();
                let mut next = harness.calls.len() - 1;
                while let Some((_, message)) = harness.calls.get(next).cloned() {
                    harness.returned("a", message.id, known("a", State::Held));
                    next += 1;
                }
            }
        });
        assert_eq!(harness.calls.len() - done, length as usize);
        cost / length
    });
    assert!(about(costs[1], costs[0]), "{costs:?}");
}

#[test]
fn a_long_queue_is_scanned_for_expiries_at_most_every_ten_seconds() {
    let mut harness = queue(1_001);
    // One expires every second.
    for n in 1..=20 {
        let ttl = n.to_string();
        let headers = [("Content-Type", "text/plain"), ("TTL", ttl.as_str())];
        harness.deliver(&message(2_000 + n, &headers), 0);
    }
    let mut passes = Vec::new();
    for second in 1..=25 {
        harness.at(second * 1_000);
        if harness.alarm.is_some_and(|at| at <= second * 1_000) {
            let before = held(&mut harness);
            harness.ring();
            let ended = before - held(&mut harness);
            if ended > 0 {
                passes.push((second, ended));
            }
        }
    }
    assert_eq!(passes, [(1, 1), (11, 10), (21, 9)]);
}

fn held(harness: &mut Harness) -> u32 {
    harness.status().held
}
