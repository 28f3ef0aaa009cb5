//! The ends of receipts: with their channel, dropped by their reader, or beyond their number and time.

use serde_json::json;
use tagpost_core::call::{Call, PushState, Pushed};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{ConnectionId, Reply};
use tagpost_core::protocol::Frame;
use tagpost_core::web_push::seal::PushUrl;

use super::super::harness::Harness;
use super::receipts::{asks, state};
use super::{KEY, ONE, TWO, versions};

/// The sender of a channel wants no receipts for what it has sent.
fn drop_receipts(url: &PushUrl) -> Call {
    Call::DropPushReceipts {
        channel: url.channel,
        since: url.since,
    }
}

#[test]
fn receipts_end_with_their_channel_and_are_its_own() {
    let mut harness = Harness::new();
    let (_, one) = harness.subscribed();
    let (two, _) = harness.subscribe(1, TWO, None);
    let id = versions(&harness.push(&one, "x", asks).2)[0];
    harness.acks(1, &[(id, 100)]);
    assert_eq!(harness.statuses(&two), [0_u16; 0]);
    let channel = Some(one.channel);
    harness.ask(Call::RemoveChannels { channel }).0.unwrap();
    assert_eq!(harness.push_receipts(&one, None), None);
    assert_eq!(state(&mut harness, id), Some(PushState::Settled(204)));
    let (again, _) = harness.subscribe(1, ONE, None);
    assert_eq!(harness.statuses(&again), [0_u16; 0]);
}

/// The frame by which a user agent acknowledges a message.
fn ack(id: MessageId) -> (ConnectionId, Frame) {
    let update = json!({"channelID": ONE, "version": id, "code": 100});
    let ack = json!({"messageType": "ack", "updates": [update]});
    (1, Frame::Text(ack.to_string()))
}

#[test]
fn an_acknowledgement_that_waits_for_others_counts_before_what_comes_next() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    for body in ["x", "y", "z"] {
        harness.push(&url, body, asks);
    }
    // Frames are gathered while several stored messages are in flight.
    let ids = versions(&harness.hello(1, Some(&agent)).1);
    harness.begin_frames(&[ack(ids[0])]);
    assert!(harness.gathers_frames());
    assert_eq!(
        harness.statuses(&url),
        [204],
        "it is read in the same event"
    );

    let unregister = json!({"messageType": "unregister", "channelID": ONE});
    let unregister = (1, Frame::Text(unregister.to_string()));
    harness.begin_frames(&[ack(ids[1]), unregister]);
    assert_eq!(state(&mut harness, ids[1]), Some(PushState::Settled(204)));
    let (again, _) = harness.subscribe(1, ONE, None);
    assert_eq!(
        harness.statuses(&again),
        [0_u16; 0],
        "it is not of the new channel"
    );
}

#[test]
fn dropping_receipts_counts_as_a_publish_and_beyond_the_rate_drops_nothing() {
    let mut harness = Harness::with(|limits| limits.publish_burst = 2);
    let (_, url) = harness.subscribed();
    let id = versions(&harness.push(&url, "x", asks).2)[0];
    harness.acks(1, &[(id, 100)]);
    harness.push(&url, "y", |_| {});
    let refused = harness.ask(drop_receipts(&url)).0;
    assert_eq!(refused.unwrap_err(), "too_many_requests");
    assert_eq!(harness.statuses(&url), [204]);
}

#[test]
fn another_key_ends_the_receipts_of_the_former_endpoint() {
    let mut harness = Harness::new();
    let (_, open) = harness.subscribed();
    let id = versions(&harness.push(&open, "x", asks).2)[0];
    harness.acks(1, &[(id, 100)]);
    let (bound, _) = harness.subscribe(1, ONE, Some(KEY));
    assert_eq!(harness.statuses(&bound), [0_u16; 0]);
    assert_eq!(state(&mut harness, id), Some(PushState::Settled(204)));
}

#[test]
fn receipts_are_bounded_in_number_and_in_time() {
    let mut harness =
        Harness::with(|limits| (limits.publish_burst, limits.retention) = (5_000, 60));
    let (_, url) = harness.subscribed();
    harness.closed(1);
    for n in 0..1_002 {
        let (_, answer, _) = harness.at(n).push(&url, "x", |draft| {
            asks(draft);
            draft.ttl = 0;
        });
        assert!(matches!(answer, Some(Pushed::Taken(_))), "{answer:?}");
    }
    let kept = harness.push_receipts(&url, None).unwrap();
    assert_eq!(kept.len(), 1_000);
    assert!(kept.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    harness.at(70_000).push(&url, "later", |draft| {
        asks(draft);
        draft.ttl = 0;
    });
    assert_eq!(harness.statuses(&url).len(), 1);
}

#[test]
fn a_message_that_ends_with_its_channel_will_not_be_delivered_and_its_readers_learn_it() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    let ids: Vec<MessageId> = ["stored", "unstored"]
        .iter()
        .map(|body| {
            let id = versions(&harness.push(&url, body, asks).2)[0];
            if *body == "stored" {
                harness.at(150).tick();
            }
            id
        })
        .collect();
    assert_eq!(harness.push_state(ids[0], 60).1, None, "it waits");
    assert_eq!(harness.read_receipts(&url, 60), None, "it waits");
    let channel = Some(url.channel);
    let words = harness.ask(Call::RemoveChannels { channel }).1;
    let told = |answer: &str| words.iter().any(|word| word == answer);
    assert!(told("push_state: PushState(Settled(410))"), "{words:?}");
    assert!(told("push_receipts: PushReceipts(None)"), "{words:?}");
    harness.sleep();
    for id in ids {
        assert_eq!(state(&mut harness, id), Some(PushState::Settled(410)));
    }
    let (same, _) = harness.hello(2, Some(&agent));
    assert_eq!(same, agent);
    let (again, _) = harness.subscribe(2, ONE, None);
    assert_eq!(harness.statuses(&again), [0_u16; 0]);
}

/// Ends a channel with so many messages whose sender asks for receipts. Returns them, and the work that it was.
fn ended(count: i64) -> (Harness, Vec<MessageId>, u64) {
    let mut harness = Harness::with(|limits| limits.publish_burst = 5_000);
    let (_, url) = harness.subscribed();
    harness.closed(1);
    let ids = (0..count).map(|n| match harness.at(n).push(&url, "x", asks).1 {
        Some(Pushed::Taken(id)) => id,
        other => panic!("{other:?}"),
    });
    let ids = ids.collect();
    let before = harness.steps();
    let channel = Some(url.channel);
    harness.ask(Call::RemoveChannels { channel }).0.unwrap();
    let work = harness.steps() - before;
    (harness, ids, work)
}

#[test]
fn of_many_messages_that_end_with_their_channel_the_newest_thousand_have_receipts() {
    let (mut harness, ids, _) = ended(1_002);
    let kept = |id: &MessageId| state(&mut harness, *id) == Some(PushState::Settled(410));
    let kept: Vec<bool> = ids.iter().map(kept).collect();
    assert_eq!(kept, [[false; 2].as_slice(), &[true; 1_000]].concat());
}

#[test]
fn the_work_of_receipts_at_the_end_of_a_channel_does_not_grow_with_their_square() {
    let (few, many) = (ended(90).2, ended(900).2);
    assert!(many < 12 * few, "90 messages are {few} steps, 900 {many}");
}

#[test]
fn a_message_without_a_receipt_leaves_nothing_when_its_channel_ends() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let id = versions(&harness.push(&url, "x", |_| {}).2)[0];
    let channel = Some(url.channel);
    harness.ask(Call::RemoveChannels { channel }).0.unwrap();
    assert_eq!(state(&mut harness, id), Some(PushState::Unknown));
}

#[test]
fn who_drops_the_receipts_of_a_channel_gets_none_for_what_was_sent_before() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 2);
    let (_, url) = harness.subscribed();
    let done = versions(&harness.push(&url, "done", asks).2)[0];
    harness.acks(1, &[(done, 100)]);
    let stored = versions(&harness.push(&url, "stored", asks).2)[0];
    harness.at(150).tick();
    let unstored = versions(&harness.push(&url, "unstored", asks).2)[0];
    let queued = harness.push(&url, "queued", asks).2;
    assert_eq!(versions(&queued), [], "it waits for room");
    let before = harness.writes();
    let dropped = harness.ask(drop_receipts(&url)).0;
    assert!(matches!(dropped, Ok(Reply::Done)), "{dropped:?}");
    assert_eq!(
        harness.writes() - before,
        2,
        "a receipt, and a stored message"
    );
    for id in [done, stored, unstored] {
        assert_eq!(state(&mut harness, id), Some(PushState::Unknown));
    }
    let words = harness.acks(1, &[(stored, 100), (unstored, 100)]);
    harness.acks(1, &[(versions(&words)[0], 100)]);
    assert_eq!(harness.statuses(&url), [0_u16; 0]);
    let next = versions(&harness.push(&url, "next", asks).2)[0];
    harness.acks(1, &[(next, 100)]);
    assert_eq!(harness.statuses(&url), [204]);
}

#[test]
fn the_receipts_of_another_registration_are_not_dropped() {
    let mut harness = Harness::new();
    let (_, former) = harness.subscribed();
    let (url, _) = harness.subscribe(1, ONE, Some(KEY));
    let id = versions(&harness.push(&url, "x", asks).2)[0];
    harness.acks(1, &[(id, 100)]);
    harness.ask(drop_receipts(&former)).0.unwrap();
    assert_eq!(harness.statuses(&url), [204]);
}
