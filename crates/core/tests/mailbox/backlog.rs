//! What waits for mailboxes that have not taken it: how much may, what it costs, and who goes behind whom.

use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::MessageId;

use super::desk::{Desk, delivery, known};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];
const KEYED: &[(&str, &str)] = &[("Idempotency-Key", "key")];

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("d{n:04}")).collect()
}

/// A publish to `count` devices. More than a hundred are a job from the start.
fn large(desk: &mut Desk, count: usize) -> Result<MessageId, String> {
    let names = names(count);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    desk.publish(&names, TEXT, "x").map(|(id, _)| id)
}

/// Those that were called last answer, all but the named one.
fn all_take_it(desk: &mut Desk, but: &str) {
    for (to, message) in std::mem::take(&mut desk.calls) {
        let answer = known(to.as_str(), State::Held).filter(|_| to.as_str() != but);
        desk.returned(to.as_str(), message.id, answer);
    }
}

#[test]
fn so_many_publishes_may_wait_and_a_further_one_is_refused_before_anything_is_written() {
    let mut desk = Desk::with(|limits| limits.max_queued_messages = 3);
    for _ in 0..3 {
        large(&mut desk, 101).unwrap();
    }
    let writes = desk.writes();
    assert_eq!(large(&mut desk, 101).unwrap_err(), "too_many_requests");
    let behind = desk.publish(&["d0007"], TEXT, "x");
    assert_eq!(
        behind.unwrap_err(),
        "too_many_requests",
        "it would wait, too"
    );
    assert_eq!(desk.writes(), writes);
    let (_, effects) = desk.publish(&["other"], TEXT, "x").unwrap();
    assert_eq!(
        effects,
        ["other: deliver, wait 1000"],
        "it waits for nothing"
    );
}

#[test]
fn so_many_bytes_may_wait() {
    let mut desk = Desk::with(|limits| limits.max_queued_bytes = 1_000);
    let queued = (0..100)
        .take_while(|_| large(&mut desk, 101).is_ok())
        .count();
    assert!(
        (2..=5).contains(&queued),
        "{queued} messages of about 250 bytes"
    );
}

#[test]
fn a_publish_that_no_mailbox_took_is_refused_where_no_more_may_wait() {
    let mut desk = Desk::with(|limits| limits.max_queued_messages = 1);
    large(&mut desk, 101).unwrap();
    let rows = desk.rows();
    let (id, _) = desk.publish(&["other"], TEXT, "x").unwrap();
    assert_eq!(
        desk.returned("other", id, None),
        ["not published: unavailable (#2)"]
    );
    assert_eq!(desk.rows(), rows);
    // It does not hold up what comes after it.
    let (_, effects) = desk.publish(&["other"], TEXT, "x").unwrap();
    assert_eq!(effects, ["other: deliver, wait 1000"]);
}

#[test]
fn a_publish_with_a_key_stays_one_message_though_no_more_may_wait_and_its_answer_was_lost() {
    let mut desk = Desk::with(|limits| limits.max_queued_messages = 1);
    large(&mut desk, 101).unwrap();
    let (id, _) = desk.publish(&["other"], KEYED, "x").unwrap();
    // The mailbox may have taken it.
    assert_eq!(
        desk.returned("other", id, None),
        ["published other held 0 (#2)"]
    );
    let (again, _) = desk.publish(&["other"], KEYED, "x").unwrap();
    assert_eq!(again, id);
}

#[test]
fn publishes_with_a_key_that_were_not_taken_queue_up_to_twice_as_many() {
    let mut desk = Desk::with(|limits| limits.max_queued_messages = 2);
    let queued = (0..10).take_while(|n| {
        let (key, to) = (format!("k{n}"), format!("e{n}"));
        let published = desk.publish(&[&to], &[("Idempotency-Key", &key)], "x");
        let queued = published.map(|(id, _)| desk.returned(&to, id, None));
        queued.is_ok()
    });
    assert_eq!(queued.count(), 4);
    let (id, _) = desk.publish(&["other"], TEXT, "x").unwrap();
    let effects = desk.returned("other", id, known("other", State::Held));
    assert_eq!(effects, ["published other held 0 (#5)"], "others go on");
}

/// One in whose lists there is no room for a further device, with a publish to `p` and `q` that is called for.
fn with_full_lists() -> (Desk, MessageId) {
    let mut desk = Desk::with(|limits| {
        limits.publish_burst = 1_000;
        limits.max_queued_messages = 1;
    });
    let names = names(100);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for n in 0..100 {
        let key = format!("k{n}");
        desk.publish(&names, &[("Idempotency-Key", &key)], "x")
            .unwrap();
    }
    let (id, _) = desk.publish(&["p", "q"], KEYED, "x").unwrap();
    (desk, id)
}

#[test]
fn nothing_goes_behind_what_a_mailbox_took_though_its_publish_is_not_answered() {
    let (mut desk, id) = with_full_lists();
    large(&mut desk, 101).unwrap();
    let behind = desk.publish(&["p"], TEXT, "y");
    assert_eq!(behind.unwrap_err(), "too_many_requests", "it would wait");
    desk.returned("p", id, known("p", State::Held));
    let (_, effects) = desk.publish(&["p"], TEXT, "y").unwrap();
    assert_eq!(effects, ["p: deliver, wait 1000"]);
}

#[test]
fn a_publish_that_is_not_answered_holds_up_no_job() {
    let (mut desk, _) = with_full_lists();
    large(&mut desk, 101).unwrap();
    let effects = desk.ring();
    let calls = effects.iter().filter(|it| it.contains(": deliver"));
    assert_eq!(calls.count(), 100, "{effects:?}");
}

#[test]
fn what_is_published_with_a_key_is_not_queued_while_it_is_under_way() {
    let mut desk = Desk::with(|limits| limits.max_queued_messages = 1);
    for n in 0..5 {
        let key = format!("k{n}");
        desk.publish(&["other"], &[("Idempotency-Key", &key)], "x")
            .unwrap();
    }
    large(&mut desk, 101).unwrap();
}

#[test]
fn a_pass_reads_deliveries_that_are_stored_together_once() {
    let mut desk = Desk::new();
    let id = large(&mut desk, 200).unwrap();
    let mut statements = Vec::new();
    for pass in 0..2 {
        let before = desk.statements();
        desk.at(10_000 * (pass + 1)).ring();
        while !desk.calls.is_empty() {
            for (to, _) in std::mem::take(&mut desk.calls) {
                desk.returned(to.as_str(), id, None);
            }
        }
        statements.push(desk.statements() - before);
    }
    assert!(statements.iter().all(|it| *it < 100), "{statements:?}");
}

#[test]
fn opening_a_mailbox_reads_no_delivery_of_what_is_queued() {
    let steps = [101, 1_500].map(|devices| {
        let mut desk = Desk::with(|limits| limits.max_fanout = 10_000);
        for _ in 0..50 {
            large(&mut desk, devices).unwrap();
        }
        desk.sleep();
        let before = desk.steps();
        desk.event(|_, _| Ok(()));
        desk.steps() - before
    });
    assert_eq!(steps[0], steps[1]);
    assert!(steps[0] < 50 * 40, "{} steps for 50 jobs", steps[0]);
}

#[test]
fn a_publish_goes_behind_a_queued_one_to_its_device_and_past_those_to_others() {
    let mut desk = Desk::new();
    for _ in 0..3 {
        large(&mut desk, 150).unwrap();
    }
    for (sleeps, answer) in [
        (false, "published d0140 held 0 (#4)"),
        (true, "published d0140 held 0 (#6)"),
    ] {
        if sleeps {
            desk.sleep();
        }
        let (_, effects) = desk.publish(&["d0140"], TEXT, "y").unwrap();
        assert_eq!(effects, [answer]);
        let (_, effects) = desk.publish(&["other"], TEXT, "y").unwrap();
        assert!(effects[0].starts_with("other: deliver"), "{effects:?}");
    }
}

#[test]
fn what_was_looked_up_is_looked_up_again_when_more_is_queued() {
    let mut desk = Desk::new();
    large(&mut desk, 150).unwrap();
    let (id, _) = desk.publish(&["d0180"], TEXT, "y").unwrap();
    desk.returned("d0180", id, known("d0180", State::Held));
    large(&mut desk, 200).unwrap();
    let (_, effects) = desk.publish(&["d0180"], TEXT, "y").unwrap();
    assert_eq!(effects, ["published d0180 held 0 (#4)"]);
}

#[test]
fn whom_a_queued_publish_has_reached_nothing_goes_behind_it() {
    let mut desk = Desk::new();
    let id = large(&mut desk, 150).unwrap();
    desk.ring();
    for name in &names(150)[..100] {
        desk.returned(name, id, known(name, State::Held));
    }
    let (_, effects) = desk.publish(&["d0007"], TEXT, "y").unwrap();
    assert_eq!(effects, ["d0007: deliver, wait 1000"]);
    let (_, effects) = desk.publish(&["d0107"], TEXT, "y").unwrap();
    assert_eq!(effects, ["published d0107 held 0 (#3)"]);
}

#[test]
fn a_mailbox_that_fails_holds_up_no_other_of_a_later_publish() {
    let mut desk = Desk::new();
    for _ in 0..4 {
        large(&mut desk, 150).unwrap();
    }
    desk.ring();
    while !desk.calls.is_empty() {
        all_take_it(&mut desk, "d0120");
    }
    // The alarm goes on with what was more than one alarm's calls.
    desk.at(500).ring();
    while !desk.calls.is_empty() {
        all_take_it(&mut desk, "d0120");
    }
    let waits = "SELECT group_concat(left_over) FROM jobs";
    let all = r#"["d0120"],["d0120"],["d0120"],["d0120"]"#;
    assert_eq!(desk.query(waits).text().unwrap(), all);
    // Once it is back it gets them in their order, after a crash as well.
    desk.crash();
    desk.at(700_000).event(|_, _| Ok(()));
    desk.at(710_000).ring();
    let mut order = Vec::new();
    while let Some((to, message)) = desk.calls.pop() {
        assert_eq!(to.as_str(), "d0120");
        order.push(message.id);
        desk.returned("d0120", message.id, known("d0120", State::Held));
    }
    assert!(order.is_sorted() && order.len() == 4, "{order:?}");
    assert_eq!(desk.rows(), "account 1, outbox 4, parts 8");
}

#[test]
fn what_would_take_too_much_looking_up_waits_behind_all() {
    let mut desk = Desk::with(|limits| limits.max_queued_messages = 1_000);
    for _ in 0..201 {
        large(&mut desk, 101).unwrap();
    }
    let some: Vec<String> = (0..10).map(|n| format!("other{n}")).collect();
    let some: Vec<&str> = some.iter().map(String::as_str).collect();
    let (_, effects) = desk.publish(&some, TEXT, "y").unwrap();
    assert!(
        effects[0].starts_with("published other0 held 0"),
        "{effects:?}"
    );
    let (_, effects) = desk.publish(&some[..1], TEXT, "y").unwrap();
    assert_eq!(
        effects,
        ["published other0 held 0 (#203)"],
        "it goes behind that"
    );
    let (_, effects) = desk.publish(&["another"], TEXT, "y").unwrap();
    assert_eq!(effects, ["another: deliver, wait 1000"]);
}

#[test]
fn a_reply_that_reads_like_a_waiting_delivery_is_not_one() {
    let mut desk = Desk::new();
    let id = large(&mut desk, 150).unwrap();
    let accepted_at = desk.query("SELECT accepted_at FROM outbox").int().unwrap();
    let forged = format!(r#"{{"device":"d0001x","state":"held","at":{accepted_at},"attempts":0}}"#);
    let answered = Delivery {
        reply: serde_json::from_str(&forged).ok(),
        ..delivery("d0001", State::Delivered)
    };
    desk.report(id, answered).unwrap();
    let (_, effects) = desk.publish(&["d0001x"], TEXT, "y").unwrap();
    assert_eq!(effects, ["d0001x: deliver, wait 1000"]);
}
