//! What one message costs does not depend on how many others wait.

use tagpost_core::delivery::State;

use super::desk::{Desk, known, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

/// An offline device with `length` messages held.
fn queue(length: u64) -> Desk {
    let mut desk = Desk::with(|limits| limits.max_held_messages = 100_000);
    for n in 0..length {
        desk.deliver(&message(n, TEXT), 0);
    }
    desk
}

/// The steps of SQLite that something takes.
fn steps(desk: &mut Desk, something: impl FnOnce(&mut Desk)) -> u64 {
    let before = desk.steps();
    something(desk);
    desk.steps() - before
}

/// At most a fifth more.
fn about(more: u64, less: u64) -> bool {
    more * 5 <= less * 6
}

#[test]
fn a_message_joins_a_long_queue_as_easily_as_a_short_one() {
    // A long one keeps its totals in a row.
    for lengths in [[1, 900], [2_000, 10_000]] {
        let costs = lengths.map(|length| {
            let mut desk = queue(length);
            steps(&mut desk, |desk| {
                desk.deliver(&message(length, TEXT), 0);
            })
        });
        assert!(about(costs[1], costs[0]), "{costs:?}");
    }
}

#[test]
fn a_mailbox_that_wakes_does_not_go_through_a_long_queue() {
    let costs = [2_000, 10_000].map(|length| {
        let mut desk = queue(length);
        desk.sleep();
        steps(&mut desk, |desk| {
            desk.deliver(&message(length, TEXT), 0);
        })
    });
    assert!(about(costs[1], costs[0]), "{costs:?}");
}

#[test]
fn what_is_held_is_counted_the_same_after_a_sleep_however_much_it_is() {
    let mut desk = queue(1_000);
    for n in 1_000..1_020 {
        desk.sleep();
        desk.deliver(&message(n, TEXT), 0);
    }
    for n in 0..600 {
        if n % 50 == 0 {
            desk.sleep();
        }
        desk.ack(message(n, TEXT).id);
        desk.reported("door", true);
        let rows = desk.query("SELECT count(*) FROM inbox").count().unwrap();
        let status = desk.event(|mailbox, now| mailbox.status(now)).0;
        assert_eq!((status.held, status.held_bytes > 0), (rows, true));
    }
}

#[test]
fn a_long_queue_is_drained_as_easily_as_a_short_one_message_by_message() {
    let costs = [200, 4_000].map(|length| {
        let mut desk = queue(length);
        desk.connect(1);
        let cost = steps(&mut desk, |desk| {
            for n in 0..length {
                desk.ack(message(n, TEXT).id);
                desk.reported("door", true);
            }
        });
        assert_eq!(desk.rows(), "account 1");
        cost / length
    });
    assert!(about(costs[1], costs[0]), "{costs:?}");
}

#[test]
fn an_alarm_before_the_first_expiry_does_not_go_through_the_queue() {
    let costs = [10, 5_000].map(|length| {
        let mut desk = queue(length);
        desk.at(1_000);
        steps(&mut desk, |desk| drop(desk.ring()))
    });
    assert!(about(costs[1], costs[0]), "{costs:?}");
}

#[test]
fn opening_a_long_inbox_is_as_easy_where_a_message_has_expired() {
    let costs = [0, 5_000].map(|at| {
        let mut desk = queue(4_000);
        desk.deliver(&message(4_000, &[("TTL", "2")]), 0);
        desk.at(at).crash();
        steps(&mut desk, |desk| drop(desk.event(|_, _| Ok(()))))
    });
    assert!(costs[1] < costs[0] + 500, "{costs:?}");
}

#[test]
fn a_publish_costs_the_same_whatever_was_sent_and_is_still_open() {
    let costs = [10, 3_000].map(|length| {
        let mut desk = Desk::with(|limits| limits.publish_burst = 100_000);
        let mut publish = |state| {
            let (id, _) = desk.publish(&["a"], &[], "x").unwrap();
            desk.returned("a", id, known("a", state));
            desk.steps()
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
fn jobs_of_a_mailbox_that_is_back_are_done_one_as_easily_as_another() {
    let costs = [20, 1_000].map(|length| {
        let mut desk = Desk::with(|limits| limits.publish_burst = 100_000);
        for _ in 0..length {
            let (id, effects) = desk.publish(&["a"], &[], "x").unwrap();
            if !effects.is_empty() && !effects[0].starts_with("published") {
                desk.returned("a", id, None);
            }
        }
        let done = desk.calls.len();
        desk.at(1_000_000);
        let cost = steps(&mut desk, |desk| {
            while desk.alarm.is_some_and(|at| at <= 1_000_000) {
                desk.ring();
                let mut next = desk.calls.len() - 1;
                while let Some((_, message)) = desk.calls.get(next).cloned() {
                    desk.returned("a", message.id, known("a", State::Held));
                    next += 1;
                }
            }
        });
        assert_eq!(desk.calls.len() - done, length as usize);
        cost / length
    });
    assert!(about(costs[1], costs[0]), "{costs:?}");
}

#[test]
fn a_long_queue_is_gone_through_for_expiries_every_ten_seconds_at_most() {
    let mut desk = queue(1_001);
    // One expires every second.
    for n in 1..=20 {
        let ttl = n.to_string();
        let headers = [("Content-Type", "text/plain"), ("TTL", ttl.as_str())];
        desk.deliver(&message(2_000 + n, &headers), 0);
    }
    let mut passes = Vec::new();
    for second in 1..=25 {
        desk.at(second * 1_000);
        if desk.alarm.is_some_and(|at| at <= second * 1_000) {
            let before = held(&mut desk);
            desk.ring();
            let ended = before - held(&mut desk);
            if ended > 0 {
                passes.push((second, ended));
            }
        }
    }
    assert_eq!(passes, [(1, 1), (11, 10), (21, 9)]);
}

fn held(desk: &mut Desk) -> u32 {
    desk.event(|mailbox, now| mailbox.status(now)).0.held
}
