//! Escalation: a message goes to further devices if too few have acknowledged it in time.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::Input;
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};

use super::harness::{Harness, START, delivery, device, known};

const BOSS: &[(&str, &str)] = &[("Escalate", "boss-tag;after=60"), ("TTL", "3600")];

/// The directory answers with these devices of `tag`.
fn found(harness: &mut Harness, tag: &str, names: &[&str]) -> Vec<String> {
    let tag = Target::Tag(tag.parse().unwrap());
    let devices = names.iter().map(|name| device(name)).collect();
    harness.handle(Input::Resolved(Ok(vec![(tag, devices)])))
}

/// A message to these devices, which have it and have not acknowledged it.
fn sent(harness: &mut Harness, to: &[&str], headers: &[(&str, &str)]) -> MessageId {
    let (id, _) = harness.publish(to, headers, "pump").unwrap();
    for name in to {
        harness.returned(name, id, known(name, State::Held));
    }
    id
}

/// The steps of a message, in words.
fn steps(harness: &mut Harness, id: MessageId) -> Vec<String> {
    let json = harness.page(id, None, 1_000).unwrap().trace_json();
    let trace: serde_json::Value = serde_json::from_str(&json).unwrap();
    let timeline = trace["timeline"].as_array().unwrap().iter();
    let steps = timeline.filter(|step| step.get("device").is_none());
    let at = |step: &serde_json::Value| step["at"].as_i64().unwrap() - START;
    let words = |step: &serde_json::Value| {
        let outcome = step.get("devices").unwrap_or(&step["code"]);
        format!("{} {} {} {outcome}", at(step), step["event"], step["to"])
    };
    steps.map(words).collect()
}

#[test]
fn a_message_that_nobody_acknowledges_goes_to_the_devices_of_the_step_at_its_time() {
    let mut harness = Harness::new();
    let id = sent(&mut harness, &["a", "b"], BOSS);
    assert_eq!(harness.alarm, Some(60_000), "waiting costs one alarm");
    harness.sleep();
    harness.at(59_999);
    assert_eq!(harness.ring(), [""; 0], "not before its time");
    harness.at(60_000);
    assert_eq!(harness.ring(), ["resolve boss-tag"]);
    // One of them has it, and the sender gets nothing back.
    let calls = found(&mut harness, "boss-tag", &["boss", "b", "cam"]);
    assert_eq!(calls, ["boss: deliver, wait 1000"]);
    let (_, message) = harness.calls.last().unwrap();
    assert_eq!(
        (message.id, message.sent_at),
        (id, START),
        "the same message"
    );
    harness.connect(1);
    assert_eq!(
        harness.returned("boss", id, known("boss", State::Delivered)),
        ["1 <- receipt boss delivered"]
    );
    assert_eq!(
        harness.trace(id).unwrap(),
        "a held 0, b held 0, boss delivered 0"
    );
    let escalated = r#"60000 "escalated" {"tag":"boss-tag"} 1"#;
    assert_eq!(steps(&mut harness, id), [escalated]);
    assert_eq!(harness.rows(), "account 1, outbox 1");
    assert_eq!(harness.at(120_000).ring(), [""; 0], "a step is taken once");
}

#[test]
fn one_acknowledgement_drops_the_steps_and_the_others_go_on() {
    let mut harness = Harness::new();
    let id = sent(&mut harness, &["a", "b"], BOSS);
    assert_eq!(harness.rows(), "account 1, outbox 1, escalations 1");
    harness.report(id, delivery("a", State::Delivered)).unwrap();
    assert_eq!(harness.rows(), "account 1, outbox 1");
    assert_eq!(harness.at(60_000).ring(), [""; 0]);
    assert_eq!(harness.trace(id).unwrap(), "a delivered 0, b held 0");
    assert_eq!(steps(&mut harness, id), [""; 0]);
}

#[test]
fn an_acknowledged_publish_with_steps_is_stored_like_any_other() {
    let mut harness = Harness::new();
    let (id, _) = harness.publish(&["a", "b"], BOSS, "pump").unwrap();
    harness.returned("a", id, known("a", State::Delivered));
    let answered = harness.returned("b", id, known("b", State::Delivered));
    assert_eq!(answered, ["published a delivered 0, b delivered 0 (#1)"]);
    assert_eq!(harness.rows(), "account 1, groups 1");
    assert!(harness.page(id, None, 10).unwrap().is_settled());
}

#[test]
fn one_acknowledgement_too_few_does_not_drop_the_steps() {
    let mut harness = Harness::new();
    let headers = [("Acks-Needed", "2"), ("Escalate", "@boss;after=60")];
    let id = sent(&mut harness, &["a", "b"], &headers);
    harness.report(id, delivery("a", State::Delivered)).unwrap();
    assert_eq!(harness.at(60_000).ring(), ["boss: deliver, wait 1000"]);
    // The second one is enough: the rest is cancelled, also what is just being called.
    assert_eq!(
        harness.report(id, delivery("b", State::Delivered)).unwrap(),
        ["boss: withdraw"]
    );
}

#[test]
fn the_next_step_does_not_wait_if_all_deliveries_have_ended() {
    let mut harness = Harness::new();
    let headers = [
        ("Escalate", "@boss;after=60,chiefs;after=70"),
        ("TTL", "100"),
    ];
    let id = sent(&mut harness, &["a"], &headers);
    harness.at(5_000);
    let called = harness.report(id, delivery("a", State::Rejected)).unwrap();
    assert_eq!(called, ["boss: deliver, wait 1000"]);
    assert!(
        !harness.page(id, None, 10).unwrap().is_settled(),
        "a step is left"
    );
    harness.at(6_000);
    let asked = harness.returned("boss", id, known("boss", State::Rejected));
    assert_eq!(asked, ["resolve chiefs"]);
    // It leads nowhere, and none is left: the message is settled.
    found(&mut harness, "chiefs", &[]);
    assert!(harness.page(id, None, 10).unwrap().is_settled());
    let boss = r#"5000 "escalated" {"device":"boss"} 1"#;
    let chiefs = r#"6000 "escalation_failed" {"tag":"chiefs"} "unknown_tag""#;
    assert_eq!(steps(&mut harness, id), [boss, chiefs]);
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

#[test]
fn the_next_step_does_not_wait_if_enough_can_no_longer_acknowledge() {
    let mut harness = Harness::new();
    let headers = [("Acks-Needed", "2"), ("Escalate", "@boss;after=60")];
    let (id, _) = harness.publish(&["a", "b"], &headers, "pump").unwrap();
    // The call to b is still open.
    assert_eq!(
        harness.returned("a", id, known("a", State::Rejected)),
        ["boss: deliver, wait 1000"]
    );
    harness.returned("boss", id, known("boss", State::Delivered));
    let answer = harness.returned("b", id, known("b", State::Delivered));
    assert_eq!(
        answer,
        ["published a rejected 0, b delivered 0, boss delivered 0 (#1)"]
    );
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

#[test]
fn a_step_whose_tag_leads_nowhere_is_told_and_the_next_follows_at_its_time() {
    let mut harness = Harness::new();
    let headers = [("Escalate", "nobody;after=60, @boss;after=90")];
    let id = sent(&mut harness, &["a"], &headers);
    harness.at(60_000).ring();
    assert_eq!(found(&mut harness, "nobody", &["cam"]), [""; 0], "no echo");
    assert_eq!(harness.alarm, Some(90_000));
    assert_eq!(harness.at(90_000).ring(), ["boss: deliver, wait 1000"]);
    let nobody = r#"60000 "escalation_failed" {"tag":"nobody"} "unknown_tag""#;
    let boss = r#"90000 "escalated" {"device":"boss"} 1"#;
    assert_eq!(steps(&mut harness, id), [nobody, boss]);
}

#[test]
fn a_message_goes_to_at_most_max_fanout_devices_over_all_steps() {
    let mut harness = Harness::with(|limits| limits.max_fanout = 3);
    let id = sent(&mut harness, &["a", "b"], BOSS);
    harness.at(60_000).ring();
    assert_eq!(found(&mut harness, "boss-tag", &["b", "c", "d"]), [""; 0]);
    let failed = r#"60000 "escalation_failed" {"tag":"boss-tag"} "tag_too_large""#;
    assert_eq!(steps(&mut harness, id), [failed]);
}

#[test]
fn a_cancellation_drops_the_steps() {
    let mut harness = Harness::new();
    let id = sent(&mut harness, &["a"], BOSS);
    let (_, calls) = harness.cancel(id);
    assert_eq!(calls, ["a: withdraw"]);
    assert_eq!(harness.rows(), "account 1, outbox 1");
    assert_eq!(harness.at(60_000).ring(), [""; 0]);
}

#[test]
fn what_a_query_finds_after_a_cancellation_is_of_no_use() {
    let mut harness = Harness::new();
    let id = sent(&mut harness, &["a"], BOSS);
    harness.at(60_000).ring();
    harness.cancel(id).0.unwrap();
    assert_eq!(found(&mut harness, "boss-tag", &["boss"]), [""; 0]);
}

#[test]
fn an_expired_message_goes_to_nobody_else() {
    let mut harness = Harness::new();
    let id = sent(&mut harness, &["a"], BOSS);
    harness.crash();
    // The service was down until then.
    assert_eq!(harness.at(3_600_000).ring(), [""; 0]);
    assert_eq!(harness.rows(), "account 1, outbox 1");
    assert_eq!(steps(&mut harness, id), [""; 0]);
}

#[test]
fn steps_that_were_missed_are_taken_one_after_the_other_at_once() {
    let mut harness = Harness::new();
    let headers = [("Escalate", "@boss;after=60, @chief;after=90")];
    let id = sent(&mut harness, &["a"], &headers);
    harness.crash();
    assert_eq!(
        harness.at(600_000).ring(),
        ["boss: deliver, wait 1000", "chief: deliver, wait 1000"]
    );
    harness.returned("boss", id, known("boss", State::Held));
    harness.returned("chief", id, known("chief", State::Held));
    assert_eq!(harness.rows(), "account 1, outbox 1");
    assert_eq!(
        harness.trace(id).unwrap(),
        "a held 0, boss held 0, chief held 0"
    );
}

#[test]
fn a_row_of_steps_without_its_message_does_not_keep_the_mailbox_from_opening() {
    let mut harness = Harness::new();
    sent(&mut harness, &["a"], BOSS);
    harness.query("DELETE FROM outbox RETURNING 1");
    harness.crash();
    assert_eq!(harness.wake(), [""; 0]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_crash_while_mailboxes_are_called_repeats_the_calls_to_the_same_devices() {
    let mut harness = Harness::new();
    let id = sent(&mut harness, &["a"], BOSS);
    harness.at(60_000).ring();
    found(&mut harness, "boss-tag", &["boss", "chief"]);
    harness.returned("boss", id, known("boss", State::Held));
    harness.crash();
    harness.at(61_000).wake();
    // Until the calls are made again, no recipient may forget the message.
    let early = harness.report(id, delivery("boss", State::Delivered));
    assert_eq!(early, Err("unavailable".to_owned()));
    harness.at(65_000);
    assert_eq!(
        harness.ring(),
        ["boss: deliver, wait 1000", "chief: deliver, wait 1000"]
    );
    harness.returned("boss", id, known("boss", State::Held));
    harness.returned("chief", id, known("chief", State::Held));
    assert_eq!(harness.rows(), "account 1, outbox 1");
    assert_eq!(
        harness.trace(id).unwrap(),
        "a held 0, boss held 0, chief held 0"
    );
    assert_eq!(
        steps(&mut harness, id).len(),
        1,
        "the step is not taken twice"
    );
}

#[test]
fn a_crash_while_the_target_is_looked_up_forgets_nothing() {
    let mut harness = Harness::new();
    sent(&mut harness, &["a"], BOSS);
    harness.at(60_000).ring();
    harness.crash();
    assert_eq!(harness.alarm, Some(90_000));
    assert_eq!(harness.at(90_000).ring(), ["resolve boss-tag"]);
}

#[test]
fn a_directory_that_fails_is_asked_again() {
    let mut harness = Harness::new();
    sent(&mut harness, &["a"], BOSS);
    harness.at(60_000).ring();
    let failed = Problem::new(Code::Unavailable, "the directory did not answer");
    assert_eq!(harness.handle(Input::Resolved(Err(failed))), [""; 0]);
    assert_eq!(harness.alarm, Some(62_000));
    assert_eq!(harness.at(62_000).ring(), ["resolve boss-tag"]);
    assert_eq!(
        found(&mut harness, "boss-tag", &["boss"]),
        ["boss: deliver, wait 1000"]
    );
}

#[test]
fn a_publish_that_waits_for_its_acknowledgement_takes_the_step_meanwhile() {
    let mut harness = Harness::new();
    let headers = [
        ("Escalate", "@boss;after=5"),
        ("Acks-Needed", "1"),
        ("Prefer", "wait=30"),
    ];
    let (id, _) = harness.publish(&["a"], &headers, "pump").unwrap();
    assert_eq!(harness.alarm, Some(5_000));
    harness.at(5_000);
    assert_eq!(harness.ring(), ["boss: deliver, wait 25000"]);
    harness.at(9_000);
    let called = harness.returned("boss", id, known("boss", State::Delivered));
    assert_eq!(called, ["a: withdraw"]);
    let cancelled = tagpost_core::mailbox::CallPurpose::Cancel(id);
    assert_eq!(
        harness.returned_for("a", cancelled, known("a", State::Cancelled)),
        [""; 0],
        "the call to a may still bring its answer"
    );
    assert_eq!(
        harness.returned("a", id, known("a", State::Cancelled)),
        ["published a cancelled 0, boss delivered 0 (#1)"]
    );
}

#[test]
fn a_waiting_publish_takes_the_next_step_after_one_that_leads_nowhere() {
    let mut harness = Harness::new();
    let steps = [
        ("Escalate", "nobody;after=1,@boss;after=2"),
        ("Prefer", "wait=30"),
    ];
    harness.publish(&["a"], &steps, "pump").unwrap();
    harness.at(1_000).ring();
    harness.alarm = None;
    found(&mut harness, "nobody", &[]);
    assert_eq!(harness.alarm, Some(2_000));
    assert_eq!(harness.at(2_000).ring(), ["boss: deliver, wait 28000"]);
}

#[test]
fn a_crash_of_a_waiting_publish_forgets_no_device_of_its_step() {
    let mut harness = Harness::new();
    let headers = [("Escalate", "@boss;after=5"), ("Prefer", "wait=30")];
    let (id, _) = harness.publish(&["a"], &headers, "pump").unwrap();
    harness.at(5_000).ring();
    harness.crash();
    harness.at(36_000);
    assert_eq!(harness.ring(), [""; 0]);
    harness.at(40_000);
    assert_eq!(
        harness.ring(),
        ["a: deliver, wait 1000", "boss: deliver, wait 1000"]
    );
    harness.returned("a", id, known("a", State::Held));
    harness.returned("boss", id, known("boss", State::Held));
    assert_eq!(harness.rows(), "account 1, outbox 1");
}

/// The names of a large tag.
fn crowd(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("d{n:03}")).collect()
}

#[test]
fn a_step_to_many_devices_is_a_job_in_parts() {
    let mut harness = Harness::new();
    let id = sent(&mut harness, &["d050", "z"], BOSS);
    harness.sleep();
    harness.at(60_000).ring();
    let names = crowd(250);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(found(&mut harness, "boss-tag", &names), [""; 0]);
    assert_eq!(harness.rows(), "account 1, outbox 1, parts 3, jobs 1");
    assert_eq!(harness.alarm, Some(60_000), "it goes on at once");
    let (mut called, mut calls) = (0, harness.ring());
    while !calls.is_empty() {
        assert!(calls.len() <= 100, "{} calls at once", calls.len());
        called += calls.len();
        let names = calls
            .iter()
            .map(|it| it.split(':').next().unwrap().to_owned());
        let names: Vec<String> = names.collect();
        calls = Vec::new();
        for name in names {
            calls.extend(harness.returned(&name, id, known(&name, State::Held)));
        }
    }
    assert_eq!(called, 249, "one of them has it");
    assert_eq!(harness.rows(), "account 1, outbox 1, parts 3");
    assert_eq!(
        steps(&mut harness, id),
        [r#"60000 "escalated" {"tag":"boss-tag"} 249"#]
    );
}

#[test]
fn a_step_of_a_large_tag_adds_to_its_parts() {
    let mut harness = Harness::new();
    let names = crowd(150);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (id, _) = harness.publish(&names, BOSS, "pump").unwrap();
    harness.ring();
    for name in &names {
        harness.returned(name, id, known(name, State::Held));
    }
    assert_eq!(
        harness.rows(),
        "account 1, outbox 1, parts 2, escalations 1"
    );
    harness.at(60_000).ring();
    found(&mut harness, "boss-tag", &["a", "d100x", "z"]);
    // The first part has a hundred: it becomes two.
    assert_eq!(harness.rows(), "account 1, outbox 1, parts 3, jobs 1");
    assert_eq!(harness.ring().len(), 3);
    harness.connect(1);
    for name in ["a", "d100x", "z"] {
        harness.returned(name, id, known(name, State::Delivered));
    }
    assert_eq!(harness.rows(), "account 1, outbox 1, parts 3");
    let page = harness.page(id, None, 1_000).unwrap();
    let devices: Vec<_> = page
        .deliveries
        .iter()
        .map(|it| it.device.as_str())
        .collect();
    assert!(devices.is_sorted(), "{devices:?}");
    assert_eq!(
        (devices.len(), page.summary().count(State::Delivered)),
        (153, 3)
    );
    assert_eq!(harness.receipts().len(), 3);
}

#[test]
fn a_message_with_steps_costs_two_rows_more_and_a_step_one() {
    let cost = |steps: &str, to: &[&str]| {
        let mut harness = Harness::new();
        let before = harness.writes();
        let headers = [("Escalate", steps)];
        let headers = if steps.is_empty() {
            &[][..]
        } else {
            &headers[..]
        };
        let (id, _) = harness.publish(&["a"], headers, "x").unwrap();
        harness.returned("a", id, known("a", State::Held));
        for (n, name) in to.iter().enumerate() {
            harness.at(60_000 * (n as i64 + 1)).ring();
            harness.returned(name, id, known(name, State::Held));
        }
        harness.writes() - before
    };
    let plain = cost("", &[]);
    // Its deliveries are one row.
    assert_eq!(cost("@b;after=60", &["b"]), plain + 2 + 1 + 1);
    assert_eq!(
        cost("@b;after=60,@c;after=120", &["b", "c"]),
        plain + 2 + 2 * (1 + 1)
    );
}
