//! How much is kept of what a device sent, and what goes when that is reached.

use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::MessageId;

use super::harness::{Harness, START, delivery, known};

const LIMIT: u64 = 300_000;

fn harness() -> Harness {
    Harness::with(|limits| {
        limits.max_sent_bytes = LIMIT;
        limits.publish_burst = 100_000;
    })
}

/// Publishes a message with which this becomes of it, a second after the one before.
fn send(harness: &mut Harness, n: i64, state: State) -> Result<MessageId, String> {
    let (id, _) = harness.at(n * 2_000).publish(&["a"], &[], "x")?;
    let reply = serde_json::from_str(&format!("\"{}\"", "r".repeat(4_000))).ok();
    let reply = reply.filter(|_| state.is_terminal());
    let answer = Delivery {
        reply,
        ..delivery("a", state)
    };
    let answer = tagpost_core::call::DeliveryStatus::Known(answer);
    harness.returned("a", id, Some(answer));
    Ok(id)
}

fn truncated_before(harness: &mut Harness) -> Option<i64> {
    let (_, _, found) = harness.messages(None, None, 1);
    found.map(|at| at - START)
}

#[test]
fn the_oldest_settled_messages_are_dropped_when_too_much_is_stored() {
    let mut harness = harness();
    let held = send(&mut harness, 0, State::Held).unwrap();
    let sent: Vec<MessageId> = (1..200)
        .map(|n| send(&mut harness, n, State::Delivered).unwrap())
        .collect();
    assert!(harness.size() < LIMIT + 20_000, "{} bytes", harness.size());
    assert_eq!(
        harness.trace(held).unwrap(),
        "a held 0",
        "it is not settled"
    );
    let gone = sent
        .iter()
        .take_while(|id| harness.trace(**id).is_err())
        .count();
    assert!((50..190).contains(&gone), "{gone} are gone");
    for id in &sent[gone..] {
        assert!(harness.trace(*id).is_ok(), "the newest are kept");
    }
    let before = truncated_before(&mut harness);
    assert_eq!(
        before,
        Some(gone as i64 * 2_000),
        "when the last that is gone was accepted"
    );
    harness.crash();
    assert_eq!(truncated_before(&mut harness), before);
}

#[test]
fn nothing_is_dropped_while_there_is_room() {
    let mut harness = harness();
    let first = send(&mut harness, 0, State::Delivered).unwrap();
    for n in 1..20 {
        send(&mut harness, n, State::Delivered).unwrap();
    }
    assert!(harness.trace(first).is_ok());
    assert_eq!(truncated_before(&mut harness), None);
}

#[test]
fn a_publish_is_refused_while_nothing_is_settled_and_accepted_once_something_is() {
    let mut harness = harness();
    let mut ids = Vec::new();
    let refused = loop {
        match send(&mut harness, ids.len() as i64, State::Held) {
            Ok(id) => ids.push(id),
            Err(problem) => break problem,
        }
        assert!(ids.len() < 5_000, "there is no bound");
    };
    assert_eq!(refused, "outbox_full");
    let writes = harness.writes();
    let next = ids.len() as i64 + 1;
    assert_eq!(
        send(&mut harness, next, State::Held).unwrap_err(),
        "outbox_full"
    );
    assert_eq!(harness.writes(), writes);
    for id in &ids[10..200] {
        harness.report(*id, delivery("a", State::Expired)).unwrap();
    }
    send(&mut harness, next + 1, State::Held).unwrap();
    assert!(harness.trace(ids[0]).is_ok(), "what is not settled stays");
    assert!(harness.trace(ids[10]).is_err());
}

#[test]
fn settled_messages_behind_many_that_are_not_make_room_too() {
    let mut harness = harness();
    harness.limits.max_sent_bytes = 10 * LIMIT;
    harness.sleep();
    let mut ids = Vec::new();
    while let Ok(id) = send(&mut harness, ids.len() as i64, State::Held) {
        ids.push(id);
    }
    assert!(ids.len() > 10_100, "{} messages", ids.len());
    for id in &ids[10_050..] {
        harness.report(*id, delivery("a", State::Expired)).unwrap();
    }
    harness.sleep();
    send(&mut harness, ids.len() as i64 + 1, State::Held).unwrap();
    assert!(harness.trace(ids[10_050]).is_err());
}

#[test]
fn a_publish_soon_after_a_refused_one_is_refused_without_another_query() {
    let mut harness = harness();
    let mut sent = 0;
    while send(&mut harness, sent, State::Held).is_ok() {
        sent += 1;
    }
    let before = harness.steps();
    for _ in 0..10 {
        let refused = harness.publish(&["a"], &[], "x");
        assert_eq!(refused.unwrap_err(), "outbox_full");
    }
    assert_eq!(harness.steps() - before, 0);
}

#[test]
fn a_dropped_message_is_no_longer_queued() {
    let mut harness = harness();
    harness.limits.max_queued_messages = 1;
    harness.sleep();
    let names: Vec<String> = (0..101).map(|n| format!("d{n:03}")).collect();
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = harness.publish(&to, &[], "x").unwrap();
    let reply = serde_json::from_str(&format!("\"{}\"", "r".repeat(4_000))).ok();
    for name in &names {
        let answered = Delivery {
            reply: Option::clone(&reply),
            ..delivery(name, State::Delivered)
        };
        harness.report(id, answered).unwrap();
    }
    harness.at(2_000).publish(&["a"], &[], "x").unwrap();
    assert!(harness.trace(id).is_err());
    harness.publish(&to, &[], "x").unwrap();
}

#[test]
fn messages_held_for_the_device_do_not_count_as_sent() {
    let mut harness = harness();
    for n in 0..20 {
        let text = [("Content-Type", "text/plain")];
        let mut message = super::harness::message(n, &text);
        message.payload = serde_json::from_str(&format!("\"{}\"", "x".repeat(50_000))).unwrap();
        message.size = 50_000;
        harness.deliver(&message, 0);
    }
    assert!(harness.size() > 2 * LIMIT);
    let first = send(&mut harness, 0, State::Delivered).unwrap();
    send(&mut harness, 1, State::Delivered).unwrap();
    assert!(harness.trace(first).is_ok());
}

#[test]
fn replies_to_unsettled_messages_are_not_kept_beyond_twice_the_limit() {
    let mut harness = harness();
    let names: Vec<String> = (0..600).map(|n| format!("d{n:03}")).collect();
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = harness.publish(&to, &[], "x").unwrap();
    let reply = serde_json::from_str(&format!("\"{}\"", "r".repeat(4_000))).ok();
    for name in &names[1..] {
        let answered = Delivery {
            reply: Option::clone(&reply),
            ..delivery(name, State::Delivered)
        };
        harness.report(id, answered).unwrap();
    }
    assert!(
        harness.size() < 2 * LIMIT + 200_000,
        "{} bytes",
        harness.size()
    );
    let told = "SELECT count(*) FROM parts, json_each(deliveries) \
                WHERE json_extract(value, '$.reason') = 'reply_not_kept'";
    assert!(harness.query(told).int().unwrap() > 300);
    let late = known("d000", State::Delivered);
    assert!(late.is_some() && harness.trace(id).unwrap().contains("d599 delivered"));
}
