//! Connections that end with messages in flight: what counts against a message, and what does not.

use std::collections::{BTreeSet, VecDeque};

use tagpost_core::call::DeliveryStatus;
use tagpost_core::delivery::Delivery;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::protocol::tagpost_v1::TagpostV1;

use super::harness::{Harness, START, claims, message, message_from};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain"), ("TTL", "604800")];

/// A device whose mailbox holds `held` messages of `door`.
fn harness(held: u64) -> (Harness, Vec<MessageId>) {
    let mut harness = Harness::new();
    let ids = (1..=held).map(|n| {
        let message = message(n, TEXT);
        harness.deliver(&message, 0);
        message.id
    });
    let ids = ids.collect();
    (harness, ids)
}

/// The delivery of a message.
fn delivery(harness: &mut Harness, id: MessageId) -> Delivery {
    let looked = harness.get_delivery(id);
    let known = match looked {
        DeliveryStatus::Known(delivery) => Some(delivery),
        _ => None,
    };
    known.unwrap()
}

/// `held 0 at 0, sent 1 at 5`
fn steps(delivery: &Delivery) -> String {
    let steps = delivery.steps.iter().map(|step| {
        let event = serde_json::to_value(step.event).unwrap();
        format!(
            "{} {} at {}",
            event.as_str().unwrap(),
            step.attempt,
            step.at - START
        )
    });
    steps.collect::<Vec<_>>().join(", ")
}

fn bodies(effects: &[String]) -> Vec<String> {
    let bodies = effects
        .iter()
        .filter_map(|effect| effect.split_once("body "));
    bodies
        .map(|(_, body)| body.split(',').next().unwrap().to_owned())
        .collect()
}

/// A device that connects every `pause` milliseconds, takes what it is sent, and is gone.
fn flap(harness: &mut Harness, times: u32, from: i64, pause: i64) -> Vec<Vec<String>> {
    let connects = (1..=times).map(|n| {
        let connection: ConnectionId = n;
        let sent = harness.at(from + i64::from(n) * pause).connect(connection);
        let effects = harness
            .at(from + i64::from(n) * pause + 1)
            .closed(connection);
        [bodies(&sent), bodies(&effects)].concat()
    });
    connects.collect()
}

#[test]
fn a_thousand_reconnects_within_minutes_lose_nothing() {
    for times in [10, 100, 1_000] {
        let (mut harness, ids) = harness(3);
        flap(&mut harness, times, 0, 300);
        harness.sleep();
        let sent = harness.at(900_000).connect(9_999);
        assert_eq!(sent[0], "9999 <- welcome, 3 held");
        // Each goes alone, and acknowledging it brings the next.
        assert_eq!(bodies(&sent), ["1"]);
        assert_eq!(bodies(&harness.ack(ids[0])), ["2"]);
        assert_eq!(bodies(&harness.ack(ids[1])), ["3"]);
        harness.ack(ids[2]);
        assert!(harness.rows().contains("inbox 3"), "all three are settled");
    }
}

#[test]
fn the_trace_has_an_attempt_that_ended_with_its_connection() {
    let (mut harness, ids) = harness(1);
    flap(&mut harness, 2, 0, 100);
    assert_eq!(
        steps(&delivery(&mut harness, ids[0])),
        "held 0 at 0, sent 1 at 100, held 1 at 101, sent 2 at 200, held 2 at 201"
    );
    harness.sleep();
    let known = delivery(&mut harness, ids[0]);
    assert_eq!(
        (known.attempts, known.steps.len()),
        (2, 5),
        "also after a sleep"
    );
}

#[test]
fn a_thousand_reconnects_do_not_make_a_row_grow() {
    let (mut harness, ids) = harness(1);
    flap(&mut harness, 1_000, 0, 300);
    let told = delivery(&mut harness, ids[0]);
    assert!(told.attempts > 10, "{}", told.attempts);
    assert!(told.steps.len() <= 1 + 2 * 12, "{}", told.steps.len());
    let length = harness
        .query("SELECT length(lost) FROM account")
        .int()
        .unwrap();
    assert!(length < 600, "{length}");
}

#[test]
fn each_further_reconnect_writes_one_row() {
    let mut harness = Harness::new();
    harness.connect(1);
    for n in 1..=32 {
        harness.deliver(&message(n, TEXT), 30_000);
    }
    let mut costs = Vec::new();
    for connection in 1..=4 {
        let before = harness.writes();
        harness.at(i64::from(connection) * 1_000).closed(connection);
        harness.connect(connection + 1);
        costs.push(harness.writes() - before);
    }
    assert_eq!(costs, [33, 1, 1, 1]);
}

#[test]
fn a_message_during_which_connections_keep_ending_is_sent_alone_and_others_overtake_it() {
    let mut harness = Harness::new();
    for n in 1..=2 {
        for sender in ["door", "gate", "bell"] {
            harness.deliver(&message_from(sender, n, TEXT), 0);
        }
    }
    // `door`'s first message crashes the device before it answers anything.
    let connects = flap(&mut harness, 3, 0, 100);
    let lengths: Vec<usize> = connects.iter().map(Vec::len).collect();
    assert_eq!(lengths, [6, 6, 6]);
    // All are suspects now, and each goes alone; those that do not crash the device are acknowledged.
    let poison = message(1, TEXT).id;
    let mut on = 10;
    let mut sent = harness.at(1_000).connect(on);
    let mut crashes = 0;
    let mut acknowledged = Vec::new();
    for _ in 0..20 {
        let out = bodies(&sent);
        assert!(out.len() <= 1, "{sent:?}");
        if out.is_empty() {
            break;
        }
        let live = in_flight(&mut harness);
        assert_eq!(live.len(), 1);
        if live[0] == poison {
            crashes += 1;
            harness.closed(on);
            on += 1;
            sent = harness.connect(on);
        } else {
            acknowledged.push(live[0]);
            sent = harness.ack(live[0]);
        }
    }
    assert_eq!(crashes, 1, "then it pauses");
    assert_eq!(acknowledged.len(), 4, "all of the others' senders");
    assert!(
        !acknowledged.contains(&message(2, TEXT).id),
        "its own sender's wait behind it"
    );
    // What comes meanwhile passes it, too, but for its own sender's.
    let other = message_from("gate", 3, TEXT);
    assert_eq!(harness.deliver(&other, 1_000)[0], "waits until 2000");
    harness.ack(other.id);
    assert_eq!(harness.deliver(&message(3, TEXT), 1_000), ["held 0"]);
    assert_eq!(
        harness.alarm,
        Some(3_000),
        "two seconds after it ended a connection alone"
    );
    assert_eq!(bodies(&harness.at(3_000).ring()), ["1"]);
}

/// The messages in flight.
fn in_flight(harness: &mut Harness) -> Vec<MessageId> {
    let senders = ["door", "gate", "bell"].into_iter();
    let all = senders.flat_map(|sender| (1..=3).map(move |n| message_from(sender, n, TEXT).id));
    let all: Vec<MessageId> = all.collect();
    all.into_iter()
        .filter(|id| {
            let looked = harness.get_delivery(*id);
            matches!(looked, DeliveryStatus::Known(delivery)
                if delivery.state == tagpost_core::delivery::State::Sent)
        })
        .collect()
}

#[test]
fn only_the_message_that_ends_ten_connections_alone_over_ten_minutes_is_given_up() {
    let (mut harness, ids) = harness(3);
    let mut now = 0;
    let mut connection = 0;
    let mut crashes = 0;
    let end = loop {
        now += 1_000;
        connection += 1;
        let sent = harness.at(now).connect(connection);
        let sent = match bodies(&sent).is_empty() {
            true if harness.alarm.is_some_and(|at| at <= now) => harness.ring(),
            _ => sent,
        };
        crashes += u32::from(bodies(&sent).len() == 1);
        // The connection ends whatever is on it.
        let effects = harness.closed(connection);
        if let Some(end) = effects.iter().find(|effect| effect.contains("receipts")) {
            break end.clone();
        }
        assert!(now < 1_800_000, "it is still not given up");
    };
    assert_eq!(end, "door: receipts undeliverable 13 (device_fails)");
    assert_eq!(crashes, 10);
    assert!((780_000..900_000).contains(&now), "{now}");
    harness.reported("door", true);
    // Those behind it are as good as before.
    assert_eq!(bodies(&harness.at(now + 1_000).connect(9_999)), ["2"]);
    assert_eq!(bodies(&harness.ack(ids[1])), ["3"]);
}

#[test]
fn one_message_that_fails_its_device_costs_none_of_a_hundred_behind_it() {
    let senders = ["door", "gate", "bell"];
    let mut harness = Harness::new();
    let messages = (0..=100).map(|n| message_from(senders[n % 3], n as u64, TEXT));
    let messages: Vec<_> = messages.collect();
    for message in &messages {
        harness.deliver(message, 0);
    }
    let (mut is_connected, mut connection, mut acknowledged) = (false, 0, BTreeSet::new());
    let mut now = 0;
    let mut end = None;
    while end.is_none() || acknowledged.len() < 100 {
        now += 1_000;
        assert!(now < 1_800_000, "{} are acknowledged", acknowledged.len());
        harness.at(now);
        let effects = match is_connected {
            true => {
                // A sign of life; the message is not known.
                let unknown = message_from("door", 1_000, TEXT).id;
                let ack = format!(r#"{{"type":"ack","id":"{unknown}"}}"#);
                let effects = harness.frame(connection, &ack);
                match harness.alarm.is_some_and(|at| at <= now) {
                    true => [effects, harness.ring()].concat(),
                    false => effects,
                }
            }
            false => {
                (is_connected, connection) = (true, connection + 1);
                harness.connect(connection)
            }
        };
        let mut sent = VecDeque::from(bodies(&effects));
        while let Some(n) = sent.pop_front().map(|n| n.parse::<usize>().unwrap()) {
            if n == 0 {
                // It fails, and does not read what came with it.
                harness.closed(connection);
                is_connected = false;
                break;
            }
            acknowledged.insert(n);
            sent.extend(bodies(&harness.ack(messages[n].id)));
        }
        let mut log = harness.log.iter();
        end = log.find(|words| words.contains("undeliverable")).cloned();
    }
    let end = end.unwrap();
    assert!(end.starts_with("door: receipts"), "{end}");
    let log = harness.log.join(", ");
    let lost: Vec<&str> = log.matches("undeliverable 13 (device_fails)").collect();
    assert_eq!((lost.len(), log.matches("undeliverable").count()), (1, 1));
    assert_eq!(acknowledged, (1..=100).collect());
}

#[test]
fn a_suspect_that_times_out_on_a_live_connection_is_no_longer_one() {
    let (mut harness, _) = harness(3);
    flap(&mut harness, 3, 0, 100);
    assert_eq!(bodies(&harness.at(1_000).connect(10)), ["1"]);
    assert_eq!(
        bodies(&harness.at(31_000).ring()),
        ["2"],
        "the next suspect is first"
    );
    harness.sleep();
    assert_eq!(
        bodies(&harness.ack(message(2, TEXT).id)),
        ["1"],
        "it comes with others again"
    );
}

#[test]
fn a_suspect_that_is_due_is_not_kept_waiting_by_a_stream_of_others() {
    let (mut harness, _) = harness(1);
    flap(&mut harness, 4, 0, 100);
    harness.at(1_000).connect(10);
    let others: Vec<_> = (1..=3).map(|n| message_from("gate", n, TEXT)).collect();
    harness.deliver(&others[0], 60_000);
    // It is due now, so what comes waits for it …
    harness.at(2_500);
    assert_eq!(harness.deliver(&others[1], 60_000), ["waits until 62500"]);
    assert_eq!(bodies(&harness.ack(others[0].id)), ["1"]);
    assert_eq!(harness.deliver(&others[2], 60_000), ["waits until 62500"]);
    // … and goes on when it is acknowledged.
    assert_eq!(bodies(&harness.ack(message(1, TEXT).id)), ["2", "3"]);
}

#[test]
fn an_unacknowledged_message_makes_way_for_a_suspect_when_it_times_out() {
    let (mut harness, _) = harness(1);
    flap(&mut harness, 4, 0, 100);
    harness.at(1_000).connect(10);
    harness.deliver(&message_from("gate", 2, TEXT), 0);
    assert_eq!(
        bodies(&harness.at(2_500).ring()),
        [""; 0],
        "it waits until nothing is in flight"
    );
    assert_eq!(
        bodies(&harness.at(31_000).ring()),
        ["1"],
        "not the other one again"
    );
    assert_eq!(bodies(&harness.ack(message(1, TEXT).id)), ["2"]);
}

#[test]
fn the_end_of_a_token_blames_no_message() {
    let (mut harness, _) = harness(2);
    for connection in 1..=5 {
        let expiring = tagpost_core::token::Claims {
            expires_at: Some(START / 1000 + 1),
            ..claims("cam")
        };
        harness.at(0);
        harness.open(connection, &TagpostV1, expiring.clone(), None);
        assert_eq!(
            harness.at(1_000).ring(),
            [format!("{connection} closes with 4401")]
        );
    }
    assert_eq!(
        bodies(&harness.connect(10)),
        ["1", "2"],
        "none is a suspect"
    );
}

#[test]
fn takeovers_make_suspects() {
    let (mut harness, _) = harness(2);
    for connection in 1..=3 {
        harness.connect(connection);
    }
    assert_eq!(bodies(&harness.connect(4)), ["1"]);
}

#[test]
fn a_flapping_network_lets_every_message_through_one_at_a_time() {
    let (mut harness, _) = harness(32);
    flap(&mut harness, 3, 0, 100);
    // Each connection lasts for four round trips.
    let mut through = Vec::new();
    for connection in 10..20 {
        let mut sent = harness
            .at(i64::from(connection) * 3_000)
            .connect(connection);
        for _ in 0..4 {
            let out = bodies(&sent);
            if out.is_empty() {
                break;
            }
            assert_eq!(out.len(), 1, "{out:?}");
            let n: u64 = out[0].parse().unwrap();
            sent = harness.ack(message(n, TEXT).id);
            through.push(n);
        }
        harness.closed(connection);
    }
    assert_eq!(through, (1..=32).collect::<Vec<_>>());
}

#[test]
fn more_attempts_than_fit_are_moved_into_the_rows_and_sent_again() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 128);
    let messages: Vec<_> = (1..=300)
        .map(|n| message_from(&format!("door-{n}"), n, TEXT))
        .collect();
    for message in &messages {
        harness.deliver(message, 0);
    }
    // So fast that two crowds of suspects pause when the rest is sent.
    let mut sent = BTreeSet::new();
    for connection in 1..=400 {
        sent.extend(bodies(
            &harness.at(i64::from(connection)).connect(connection),
        ));
        harness.closed(connection);
        if connection % 100 == 0 {
            harness.sleep();
        }
    }
    assert_eq!(sent.len(), 300);
    let mut folded = harness.query("SELECT count(*) FROM inbox WHERE attempts > 0");
    assert_eq!(folded.int().unwrap(), 44);
    let length = harness
        .query("SELECT length(lost) FROM account")
        .int()
        .unwrap();
    assert!(length < 100_000, "{length}");
    let mut next = bodies(&harness.at(10_000).connect(9_999));
    let mut through = 0;
    while !next.is_empty() {
        let came = std::mem::take(&mut next);
        through += came.len();
        for n in came {
            let n: usize = n.parse().unwrap();
            next.extend(bodies(&harness.ack(messages[n - 1].id)));
        }
    }
    assert_eq!(through, 300);
}

#[test]
fn a_message_that_made_way_for_a_suspect_keeps_its_place_after_a_crash() {
    let (mut harness, _) = harness(1);
    flap(&mut harness, 4, 0, 100);
    harness.at(1_000).connect(10);
    let gate = |n| message_from("gate", n, TEXT);
    harness.deliver(&gate(2), 0);
    harness.at(2_000).deliver(&gate(3), 0);
    assert_eq!(
        bodies(&harness.at(31_500).ring()),
        [""; 0],
        "the other is in flight"
    );
    // Memory goes before the connection ends.
    harness.sleep();
    harness.closed(10);
    let sent = bodies(&harness.connect(11));
    assert_eq!(sent, ["1"]);
    assert_eq!(bodies(&harness.ack(message(1, TEXT).id)), ["2", "3"]);
}
