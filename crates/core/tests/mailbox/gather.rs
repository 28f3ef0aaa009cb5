//! Publishes that are settled when they are answered share rows.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;

use super::harness::{Harness, delivery, known};

const WAIT: &[(&str, &str)] = &[("Prefer", "wait=1")];

/// A harness that may publish as much as it likes.
fn harness() -> Harness {
    Harness::with(|limits| (limits.publish_rate, limits.publish_burst) = (1_000, 10_000))
}

fn publish(harness: &mut Harness) -> MessageId {
    harness.publish(&["a"], WAIT, "x").unwrap().0
}

fn delivered(harness: &mut Harness, id: MessageId) -> Vec<String> {
    harness.returned("a", id, known("a", State::Delivered))
}

fn tick(harness: &mut Harness) -> Vec<String> {
    harness.tick()
}

/// The ids that a list shows, and whether it goes on.
fn list(
    harness: &mut Harness,
    state: Option<State>,
    before: Option<MessageId>,
    limit: u32,
) -> (Vec<MessageId>, bool) {
    let (traces, more, _) = harness.messages(state, before, limit);
    (traces.iter().map(|trace| trace.id).collect(), more)
}

#[test]
fn a_single_publish_is_written_and_answered_at_once() {
    let mut harness = harness();
    let id = publish(&mut harness);
    let before = harness.writes();
    assert_eq!(
        delivered(&mut harness, id),
        ["published a delivered 0 (#1)"]
    );
    assert_eq!(harness.writes() - before, 1);
    assert_eq!(harness.rows(), "account 1, groups 1");
    assert_eq!(harness.trace(id).unwrap(), "a delivered 0");
}

#[test]
fn concurrent_publishes_are_written_as_one_row_and_then_answered() {
    let mut harness = harness();
    let ids: Vec<_> = (0..4).map(|_| publish(&mut harness)).collect();
    let before = harness.writes();
    assert_eq!(delivered(&mut harness, ids[2]), ["tick 15"]);
    assert_eq!(delivered(harness.at(3), ids[0]), [""; 0]);
    assert_eq!(harness.writes(), before, "nothing is answered yet");
    assert_eq!(
        tick(harness.at(15)),
        [
            "published a delivered 0 (#1)",
            "published a delivered 0 (#3)"
        ]
    );
    assert_eq!(harness.writes() - before, 1);
    assert_eq!(delivered(harness.at(16), ids[1]), ["tick 31"]);
    // The last one has nobody to wait for.
    assert_eq!(
        delivered(harness.at(17), ids[3]),
        [
            "published a delivered 0 (#2)",
            "published a delivered 0 (#4)"
        ]
    );
    assert_eq!(tick(harness.at(31)), [""; 0]);
    assert_eq!(harness.writes() - before, 2);
    assert_eq!(harness.rows(), "account 1, groups 2");
    for id in ids {
        assert_eq!(harness.trace(id).unwrap(), "a delivered 0");
    }
}

#[test]
fn messages_of_rows_that_overlap_are_listed_newest_first() {
    let mut harness = harness();
    let mut ids: Vec<_> = (0..4).map(|_| publish(&mut harness)).collect();
    for n in [2, 0] {
        delivered(&mut harness, ids[n]);
    }
    tick(harness.at(15));
    for n in [3, 1] {
        delivered(&mut harness, ids[n]);
    }
    assert_eq!(harness.rows(), "account 1, groups 2");
    ids.reverse();
    assert_eq!(list(&mut harness, None, None, 10), (ids, false));
}

#[test]
fn a_held_publish_does_not_keep_the_others_waiting() {
    let mut harness = harness();
    let (first, second) = (publish(&mut harness), publish(&mut harness));
    assert_eq!(delivered(&mut harness, first), ["tick 15"]);
    assert_eq!(
        harness.returned("a", second, known("a", State::Held)),
        ["published a held 0 (#2)", "published a delivered 0 (#1)"]
    );
    assert_eq!(harness.rows(), "account 1, outbox 1, groups 1");
}

#[test]
fn a_publish_lost_from_a_group_in_a_crash_was_never_answered() {
    let mut harness = harness();
    let (first, _) = (publish(&mut harness), publish(&mut harness));
    assert_eq!(delivered(&mut harness, first), ["tick 15"]);
    harness.crash();
    assert_eq!(tick(harness.at(15)), [""; 0]);
    assert_eq!(harness.trace(first), Err("unknown_message".to_owned()));
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn sixty_four_in_flight_cost_a_third_of_a_row_each_with_clean_up() {
    let mut harness = Harness::with(|limits| {
        (limits.publish_rate, limits.publish_burst, limits.retention) = (1_000, 10_000, 60);
    });
    let before = harness.writes();
    let mut under_way: Vec<_> = (0..64).map(|_| publish(&mut harness)).collect();
    // One ends and another begins every millisecond, and ticks come in time.
    let (mut now, mut tick_at, mut answered) = (0, None, 0);
    while answered < 640 {
        now += 1;
        let mut effects = Vec::new();
        if tick_at == Some(now) {
            tick_at = None;
            effects.extend(tick(harness.at(now)));
        }
        let id = under_way.remove(0);
        effects.extend(delivered(harness.at(now), id));
        under_way.push(publish(&mut harness));
        let mut ticks = effects.iter().filter_map(|it| it.strip_prefix("tick "));
        tick_at = ticks.next_back().map(|at| at.parse().unwrap()).or(tick_at);
        answered += effects
            .iter()
            .filter(|it| it.starts_with("published"))
            .count();
    }
    for id in under_way {
        delivered(&mut harness, id);
    }
    while let Some(at) = harness.alarm {
        harness.at(at).ring();
    }
    assert_eq!(harness.rows(), "account 1");
    let rows = harness.writes() - before;
    assert!(rows * 10 <= 704 * 3, "{rows} rows for 704 messages");
}

#[test]
fn a_row_holds_messages_of_one_second_and_fits_the_platform() {
    let mut harness = harness();
    let ids: Vec<_> = [998, 999, 1_000]
        .map(|at| publish(harness.at(at)))
        .into_iter()
        .collect();
    for id in &ids {
        delivered(&mut harness, *id);
    }
    assert_eq!(harness.rows(), "account 1, groups 2");
    assert_eq!(
        list(&mut harness, None, None, 9).0,
        [ids[2], ids[1], ids[0]]
    );

    let names: Vec<String> = (0..100).map(|n| format!("d{n}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let large: Vec<_> = (0..5)
        .map(|_| harness.publish(&all, WAIT, "x").unwrap().0)
        .collect();
    let reply = format!("\"{}\"", "r".repeat(4_000));
    for id in &large {
        for name in &names {
            let mut delivery = delivery(name, State::Delivered);
            delivery.reply = Some(serde_json::from_str(&reply).unwrap());
            let answer = tagpost_core::call::DeliveryStatus::Known(delivery);
            harness.returned(name, *id, Some(answer));
        }
    }
    let longest = "SELECT max(length(messages)) FROM groups";
    assert!(harness.query(longest).int().unwrap() <= 1_000_001);
    assert!(large.iter().all(|id| harness.trace(*id).is_ok()));
}

#[test]
fn a_list_takes_messages_from_groups_and_from_their_own_rows_newest_first() {
    let mut harness = harness();
    let mut ids = Vec::new();
    for n in 0..60 {
        let at = n * 90;
        let batch: Vec<_> = (0..3).map(|_| publish(harness.at(at))).collect();
        let state = if n % 4 == 0 {
            State::Held
        } else {
            State::Delivered
        };
        // The middle one is held, refused or delivered, and ends last.
        delivered(&mut harness, batch[2]);
        delivered(&mut harness, batch[0]);
        let state = if n % 5 == 0 { State::Refused } else { state };
        harness.returned("a", batch[1], known("a", state));
        ids.extend(batch.into_iter().map(|id| (id, state)));
    }
    ids.reverse();
    for (state, limit) in [(None, 7), (Some(State::Refused), 2), (Some(State::Held), 4)] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let (some, more) = list(&mut harness, state, before, limit);
            found.extend(some);
            before = found.last().copied();
            if !more {
                break;
            }
        }
        let wanted = ids
            .iter()
            .zip([0, 1, 2].iter().cycle())
            .filter(|((_, own), place)| {
                let own = if **place == 1 { *own } else { State::Delivered };
                state.is_none_or(|state| state == own)
            });
        let wanted: Vec<_> = wanted.map(|((id, _), _)| *id).collect();
        assert_eq!(found, wanted, "{state:?}");
    }
}

#[test]
fn ids_keep_growing_after_groups_that_overlap() {
    let mut harness = harness();
    let (first, second, third) = (
        publish(&mut harness),
        publish(harness.at(1)),
        publish(harness.at(2)),
    );
    delivered(&mut harness, second);
    tick(&mut harness);
    delivered(&mut harness, first);
    delivered(&mut harness, third);
    harness.sleep();
    // Its clock has been set back.
    assert!(publish(harness.at(0)) > third);
}

#[test]
fn an_answer_that_nobody_receives_becomes_a_receipt() {
    let mut harness = harness();
    harness.connect(1);
    for n in 0..2 {
        let frame =
            format!(r#"{{"type":"publish","ref":"{n}","to":{{"device":"a"}},"payload":1}}"#);
        harness.frame(1, &frame);
    }
    let ids: Vec<_> = harness
        .calls
        .iter()
        .map(|(_, message)| message.id)
        .collect();
    assert_eq!(delivered(&mut harness, ids[0]), ["tick 15"]);
    harness.closed(1);
    delivered(&mut harness, ids[1]);
    assert_eq!(harness.rows(), "account 1, outbox 2");
    assert_eq!(
        harness.connect(2),
        [
            "2 <- welcome, 0 held",
            "2 <- receipt a delivered",
            "2 <- receipt a delivered"
        ]
    );
}

#[test]
fn a_removed_sender_gets_no_answer_to_its_grouped_publishes() {
    let mut harness = harness();
    let (first, _) = (publish(&mut harness), publish(&mut harness));
    delivered(&mut harness, first);
    let removed = harness.remove();
    assert_eq!(
        removed,
        [
            "not published: unknown_device (#2)",
            "not published: unknown_device (#1)"
        ]
    );
    assert_eq!(tick(&mut harness), [""; 0]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn a_group_past_its_retention_is_deleted_as_a_whole() {
    let mut harness = Harness::with(|limits| limits.retention = 60);
    let ids: Vec<_> = (0..3).map(|_| publish(&mut harness)).collect();
    for id in &ids {
        delivered(&mut harness, *id);
    }
    harness.at(59_999).ring();
    assert_eq!(harness.rows(), "account 1, groups 1");
    let before = harness.writes();
    while let Some(at) = harness.alarm {
        assert!(at <= 120_000, "the alarm is at {at}");
        harness.at(at).ring();
    }
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(harness.writes() - before, 1);
}
