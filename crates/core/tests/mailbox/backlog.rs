//! What waits for mailboxes that have not taken it: how much may, what it costs, and who goes behind whom.

use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::MessageId;

use super::harness::{Harness, delivery, known};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];
const BOSS: &[(&str, &str)] = &[("Escalate", "@boss;after=60")];
const FIRST: &[(&str, &str)] = &[("Acks-Needed", "1"), ("Prefer", "wait=30")];
const KEYED: &[(&str, &str)] = &[("Idempotency-Key", "key")];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("d{n:04}")).collect()
}

/// A publish to `count` devices. More than a hundred are a job from the start.
fn large(harness: &mut Harness, count: usize) -> Result<MessageId, String> {
    let names = names(count);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    harness.publish(&names, TEXT, "x").map(|(id, _)| id)
}

/// Those that were called last answer, all but the named one.
fn all_take_it(harness: &mut Harness, but: &str) {
    for (to, message) in std::mem::take(&mut harness.calls) {
        let answer = known(to.as_str(), State::Held).filter(|_| to.as_str() != but);
        harness.returned(to.as_str(), message.id, answer);
    }
}

#[test]
fn a_publish_beyond_the_queue_limit_is_refused_before_anything_is_written() {
    let mut harness = Harness::with(|limits| limits.max_queued_messages = 3);
    for _ in 0..3 {
        large(&mut harness, 101).unwrap();
    }
    let writes = harness.writes();
    assert_eq!(large(&mut harness, 101).unwrap_err(), "too_many_requests");
    let behind = harness.publish(&["d0007"], TEXT, "x");
    assert_eq!(
        behind.unwrap_err(),
        "too_many_requests",
        "it would wait, too"
    );
    assert_eq!(harness.writes(), writes);
    let (_, effects) = harness.publish(&["other"], TEXT, "x").unwrap();
    assert_eq!(
        effects,
        ["other: deliver, wait 1000"],
        "it waits for nothing"
    );
}

#[test]
fn the_queue_is_limited_by_bytes_too() {
    let mut harness = Harness::with(|limits| limits.max_queued_bytes = 1_000);
    let queued = (0..100)
        .take_while(|_| large(&mut harness, 101).is_ok())
        .count();
    assert!(
        (2..=5).contains(&queued),
        "{queued} messages of about 250 bytes"
    );
}

#[test]
fn a_publish_that_no_mailbox_took_is_refused_when_the_queue_is_full() {
    let mut harness = Harness::with(|limits| limits.max_queued_messages = 1);
    large(&mut harness, 101).unwrap();
    let rows = harness.rows();
    let (id, _) = harness.publish(&["other"], TEXT, "x").unwrap();
    assert_eq!(
        harness.returned("other", id, None),
        ["not published: unavailable (#2)"]
    );
    assert_eq!(harness.rows(), rows);
    // It does not hold up what comes after it.
    let (_, effects) = harness.publish(&["other"], TEXT, "x").unwrap();
    assert_eq!(effects, ["other: deliver, wait 1000"]);
}

#[test]
fn a_publish_with_a_key_stays_one_message_when_the_queue_is_full_and_its_answer_is_lost() {
    let mut harness = Harness::with(|limits| limits.max_queued_messages = 1);
    large(&mut harness, 101).unwrap();
    let (id, _) = harness.publish(&["other"], KEYED, "x").unwrap();
    // The mailbox may have taken it.
    assert_eq!(
        harness.returned("other", id, None),
        ["published other held 0 (#2)"]
    );
    let (again, _) = harness.publish(&["other"], KEYED, "x").unwrap();
    assert_eq!(again, id);
}

#[test]
fn publishes_with_a_key_queue_up_to_twice_the_limit() {
    let mut harness = Harness::with(|limits| limits.max_queued_messages = 2);
    let queued = (0..10).take_while(|n| {
        let (key, to) = (format!("k{n}"), format!("e{n}"));
        let published = harness.publish(&[&to], &[("Idempotency-Key", &key)], "x");
        let queued = published.map(|(id, _)| harness.returned(&to, id, None));
        queued.is_ok()
    });
    assert_eq!(queued.count(), 4);
    let (id, _) = harness.publish(&["other"], TEXT, "x").unwrap();
    let effects = harness.returned("other", id, known("other", State::Held));
    assert_eq!(effects, ["published other held 0 (#5)"], "others go on");
}

/// One in whose lists there is no room for a further device, with a publish to `p` and `q` that is called for.
fn with_full_lists() -> (Harness, MessageId) {
    let mut harness = Harness::with(|limits| {
        limits.publish_burst = 1_000;
        limits.max_queued_messages = 1;
    });
    let names = names(100);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for n in 0..100 {
        let key = format!("k{n}");
        harness
            .publish(&names, &[("Idempotency-Key", &key)], "x")
            .unwrap();
    }
    let (id, _) = harness.publish(&["p", "q"], KEYED, "x").unwrap();
    (harness, id)
}

#[test]
fn nothing_queues_behind_a_delivery_that_was_taken_even_if_its_publish_is_unanswered() {
    let (mut harness, id) = with_full_lists();
    large(&mut harness, 101).unwrap();
    let behind = harness.publish(&["p"], TEXT, "y");
    assert_eq!(behind.unwrap_err(), "too_many_requests", "it would wait");
    harness.returned("p", id, known("p", State::Held));
    let (_, effects) = harness.publish(&["p"], TEXT, "y").unwrap();
    assert_eq!(effects, ["p: deliver, wait 1000"]);
}

#[test]
fn an_unanswered_publish_delays_no_job() {
    let (mut harness, _) = with_full_lists();
    large(&mut harness, 101).unwrap();
    let effects = harness.ring();
    let calls = effects.iter().filter(|it| it.contains(": deliver"));
    assert_eq!(calls.count(), 100, "{effects:?}");
}

#[test]
fn a_publish_with_a_key_is_not_queued_while_it_is_under_way() {
    let mut harness = Harness::with(|limits| limits.max_queued_messages = 1);
    for n in 0..5 {
        let key = format!("k{n}");
        harness
            .publish(&["other"], &[("Idempotency-Key", &key)], "x")
            .unwrap();
    }
    large(&mut harness, 101).unwrap();
}

#[test]
fn a_pass_reads_deliveries_that_are_stored_together_once() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 200).unwrap();
    let mut statements = Vec::new();
    for pass in 0..2 {
        let before = harness.statements();
        harness.at(10_000 * (pass + 1)).ring();
        while !harness.calls.is_empty() {
            for (to, _) in std::mem::take(&mut harness.calls) {
                harness.returned(to.as_str(), id, None);
            }
        }
        statements.push(harness.statements() - before);
    }
    assert!(statements.iter().all(|it| *it < 100), "{statements:?}");
}

#[test]
fn opening_a_mailbox_reads_no_queued_delivery() {
    let steps = [101, 1_500].map(|devices| {
        let mut harness = Harness::with(|limits| limits.max_fanout = 10_000);
        for _ in 0..50 {
            large(&mut harness, devices).unwrap();
        }
        harness.sleep();
        let before = harness.steps();
        harness.wake();
        harness.steps() - before
    });
    assert_eq!(steps[0], steps[1]);
    assert!(steps[0] < 50 * 40, "{} steps for 50 jobs", steps[0]);
}

#[test]
fn an_opening_finds_all_jobs_and_steps_even_if_the_limit_was_greater_when_they_were_accepted() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 1_000);
    for _ in 0..150 {
        large(&mut harness, 101).unwrap();
    }
    for _ in 0..60 {
        let (id, _) = harness.publish(&["a"], BOSS, "x").unwrap();
        harness.returned("a", id, known("a", State::Held));
    }
    let (ending, _) = harness.publish(&["a", "b"], FIRST, "x").unwrap();
    harness.returned("a", ending, known("a", State::Delivered));
    let before = "account 1, outbox 211, parts 300, jobs 150, endings 1, escalations 60";
    assert_eq!(harness.rows(), before);
    harness.crash();
    // An opening reads twice as many rows at a time, and 100.
    harness.limits.max_queued_messages = 1;
    let at = 60_000;
    let called = harness.at(at).ring();
    let to = |word: &str| called.iter().filter(|it| it.starts_with(word)).count();
    assert_eq!(to("b: withdraw"), 1, "the ending");
    assert_eq!(to("boss: deliver"), 60, "the steps");
    harness.limits.max_queued_messages = 150;
    assert_eq!(large(&mut harness, 101).unwrap_err(), "too_many_requests");
    harness.assert_rows();
}

#[test]
fn a_publish_queues_behind_one_to_its_device_and_passes_those_to_others() {
    let mut harness = Harness::new();
    for _ in 0..3 {
        large(&mut harness, 150).unwrap();
    }
    for sleeps in [false, true] {
        if sleeps {
            harness.sleep();
        }
        let (_, effects) = harness.publish(&["d0140"], TEXT, "y").unwrap();
        assert_eq!(effects, ["d0140 held 0"]);
        let (_, effects) = harness.publish(&["other"], TEXT, "y").unwrap();
        assert!(effects[0].starts_with("other: deliver"), "{effects:?}");
    }
}

#[test]
fn a_lookup_is_repeated_when_more_is_queued() {
    let mut harness = Harness::new();
    large(&mut harness, 150).unwrap();
    let (id, _) = harness.publish(&["d0180"], TEXT, "y").unwrap();
    harness.returned("d0180", id, known("d0180", State::Held));
    large(&mut harness, 200).unwrap();
    let (_, effects) = harness.publish(&["d0180"], TEXT, "y").unwrap();
    assert_eq!(effects, ["d0180 held 0"]);
}

#[test]
fn nothing_queues_behind_a_delivery_that_a_queued_publish_has_made() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 150).unwrap();
    harness.ring();
    for name in &names(150)[..100] {
        harness.returned(name, id, known(name, State::Held));
    }
    let (_, effects) = harness.publish(&["d0007"], TEXT, "y").unwrap();
    assert_eq!(effects, ["d0007: deliver, wait 1000"]);
    let (_, effects) = harness.publish(&["d0107"], TEXT, "y").unwrap();
    assert_eq!(effects, ["d0107 held 0"]);
}

#[test]
fn a_failing_mailbox_delays_no_other_of_a_later_publish() {
    let mut harness = Harness::new();
    for _ in 0..4 {
        large(&mut harness, 150).unwrap();
    }
    harness.ring();
    while !harness.calls.is_empty() {
        all_take_it(&mut harness, "d0120");
    }
    // The alarm goes on with what was more than one alarm's calls.
    harness.at(500).ring();
    while !harness.calls.is_empty() {
        all_take_it(&mut harness, "d0120");
    }
    let waits = "SELECT group_concat(left_over) FROM jobs";
    let all = r#"["d0120"],["d0120"],["d0120"],["d0120"]"#;
    assert_eq!(harness.query(waits).text().unwrap(), all);
    // Once it is back it gets them in their order, after a crash as well.
    harness.crash();
    harness.at(700_000).wake();
    harness.at(710_000).ring();
    let mut order = Vec::new();
    while let Some((to, message)) = harness.calls.pop() {
        assert_eq!(to.as_str(), "d0120");
        order.push(message.id);
        harness.returned("d0120", message.id, known("d0120", State::Held));
    }
    assert!(order.is_sorted() && order.len() == 4, "{order:?}");
    assert_eq!(harness.rows(), "account 1, outbox 4, parts 8");
}

#[test]
fn a_reply_that_reads_like_a_waiting_delivery_is_not_one() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 150).unwrap();
    let accepted_at = harness
        .query("SELECT accepted_at FROM outbox")
        .int()
        .unwrap();
    let forged = format!(r#"{{"device":"d0001x","state":"held","at":{accepted_at},"attempts":0}}"#);
    let answered = Delivery {
        reply: serde_json::from_str(&forged).ok(),
        ..delivery("d0001", State::Delivered)
    };
    harness.report(id, answered).unwrap();
    let (_, effects) = harness.publish(&["d0001x"], TEXT, "y").unwrap();
    assert_eq!(effects, ["d0001x: deliver, wait 1000"]);
}
