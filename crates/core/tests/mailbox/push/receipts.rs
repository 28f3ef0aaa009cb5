//! Receipts for application servers.

use tagpost_core::call::{Call, PushReceipt, PushState};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{CallId, Reply};
use tagpost_core::publish::Draft;
use tagpost_core::web_push::seal::PushUrl;

use super::super::harness::Harness;
use super::{TWO, versions};

/// The sender asks for a receipt.
pub(super) fn asks(draft: &mut Draft) {
    let text = draft.payload.get().replacen('{', r#"{"receipt":true,"#, 1);
    draft.payload = serde_json::value::RawValue::from_string(text).unwrap();
}

impl Harness {
    /// Asks what became of a message. `None` if the call waits.
    pub(super) fn push_state(&mut self, id: MessageId, wait: u32) -> (CallId, Option<PushState>) {
        let (call, (reply, _)) = self.ask_as(None, Call::PushState { id, wait }, None, None);
        let state = reply.map(|reply| match reply {
            Reply::PushState(state) => state,
            other => panic!("{other:?}"),
        });
        (call, state)
    }

    pub(super) fn push_receipts(
        &mut self,
        url: &PushUrl,
        seen: Option<i64>,
    ) -> Option<Vec<PushReceipt>> {
        let call = Call::PushReceipts {
            channel: url.channel,
            since: url.since,
            seen,
            after: None,
            wait: 0,
        };
        match self.ask(call).0 {
            Ok(Reply::PushReceipts(receipts)) => receipts,
            other => panic!("{other:?}"),
        }
    }

    /// Reads the receipts of a channel. `None` if the call waits.
    pub(super) fn read_receipts(
        &mut self,
        url: &PushUrl,
        wait: u32,
    ) -> Option<Option<Vec<PushReceipt>>> {
        let call = Call::PushReceipts {
            channel: url.channel,
            since: url.since,
            seen: None,
            after: None,
            wait,
        };
        let reply = self.ask_as(None, call, None, None).1.0;
        reply.map(|reply| match reply {
            Reply::PushReceipts(receipts) => receipts,
            other => panic!("{other:?}"),
        })
    }

    /// The statuses of all receipts.
    pub(super) fn statuses(&mut self, url: &PushUrl) -> Vec<u16> {
        let receipts = self.push_receipts(url, None).unwrap();
        receipts.iter().map(|receipt| receipt.status).collect()
    }
}

pub(super) fn state(harness: &mut Harness, id: MessageId) -> Option<PushState> {
    harness.push_state(id, 0).1
}

#[test]
fn a_receipt_says_that_a_message_was_acknowledged_and_costs_one_row() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let before = harness.writes();
    let words = harness.push(&url, "x", asks).2;
    assert!(
        !words[0].contains("receipt"),
        "the user agent does not learn it: {}",
        words[0]
    );
    let id = versions(&words)[0];
    assert_eq!(state(&mut harness, id), Some(PushState::Open));
    harness.acks(1, &[(id, 100)]);
    assert_eq!(harness.writes() - before, 1);
    assert_eq!(state(&mut harness, id), Some(PushState::Settled(204)));
    let receipts = harness.push_receipts(&url, None).unwrap();
    assert_eq!(
        (receipts.len(), receipts[0].message, receipts[0].status),
        (1, id, 204)
    );
    assert_eq!(
        harness.push_receipts(&url, Some(receipts[0].seq)),
        Some(vec![])
    );
    assert_eq!(
        state(&mut harness, id),
        Some(PushState::Unknown),
        "it was seen"
    );
}

#[test]
fn a_held_message_costs_three_rows_with_its_receipt() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    let before = harness.writes();
    harness.push(&url, "x", asks);
    let words = harness.hello(2, Some(&agent)).1;
    harness.acks(2, &[(versions(&words)[0], 100)]);
    assert_eq!(harness.writes() - before, 3);
    assert_eq!(harness.statuses(&url), [204]);
}

#[test]
fn every_other_end_is_a_message_that_will_not_be_delivered() {
    for code in [101, 102] {
        let mut harness = Harness::new();
        let (_, url) = harness.subscribed();
        let id = versions(&harness.push(&url, "x", asks).2)[0];
        harness.acks(1, &[(id, code)]);
        assert_eq!(harness.statuses(&url), [410], "{code}");
    }
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    harness.closed(1);
    harness.push(&url, "expires", |draft| {
        asks(draft);
        draft.ttl = 5;
    });
    harness.at(5_000).ring();
    assert_eq!(harness.statuses(&url), [410]);
    harness.push(&url, "now or never", |draft| {
        asks(draft);
        draft.ttl = 0;
    });
    assert_eq!(harness.statuses(&url), [410, 410]);
}

#[test]
fn a_repeat_that_the_user_agent_has_had_counts_as_delivered() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.push(&url, "x", asks);
    harness.at(150).tick();
    harness.closed(1);
    let words = harness.hello(2, Some(&agent)).1;
    harness.acks(2, &[(versions(&words)[0], 102)]);
    assert_eq!(harness.statuses(&url), [204]);
}

#[test]
fn it_counts_so_even_if_the_connection_has_ended_before_the_acknowledgement() {
    for sleeps in [false, true] {
        let mut harness = Harness::new();
        let (agent, url) = harness.subscribed();
        harness.push(&url, "x", asks);
        harness.at(150).tick();
        harness.closed(1);
        let id = versions(&harness.hello(2, Some(&agent)).1)[0];
        harness.closed(2);
        if sleeps {
            harness.sleep();
        }
        harness.hello(3, None);
        harness.acks(3, &[(id, 102)]);
        assert_eq!(harness.statuses(&url), [204], "{sleeps}");
    }
}

#[test]
fn with_ttl_0_and_a_receipt_the_acknowledgement_is_waited_for() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let now = |draft: &mut Draft| {
        asks(draft);
        draft.ttl = 0;
    };
    let (_, answer, words) = harness.push(&url, "acked", now);
    assert_eq!(answer, None);
    harness.acks(1, &[(versions(&words)[0], 100)]);
    harness.push(&url, "not acked", now);
    harness.at(1_000).tick();
    assert_eq!(harness.statuses(&url), [204, 410]);
}

#[test]
fn nothing_is_kept_without_being_asked_nor_of_what_the_sender_replaced_or_cancelled() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let id = versions(&harness.push(&url, "not asked", |_| {}).2)[0];
    assert_eq!(state(&mut harness, id), Some(PushState::Unknown));
    harness.acks(1, &[(id, 100)]);
    let topic = |draft: &mut Draft| {
        asks(draft);
        draft.topic = Some("t".parse().unwrap());
    };
    let replaced = versions(&harness.push(&url, "old", topic).2)[0];
    let cancelled = versions(&harness.push(&url, "new", topic).2)[0];
    harness.at(150).tick();
    let done = harness.ask(Call::CancelPush { id: cancelled }).0;
    assert!(matches!(done, Ok(Reply::Done)), "{done:?}");
    for id in [id, replaced, cancelled] {
        assert_eq!(state(&mut harness, id), Some(PushState::Unknown));
    }
    assert_eq!(harness.statuses(&url), [0_u16; 0]);
}

#[test]
fn a_waiting_reader_is_answered_when_the_receipt_is_there() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let id = versions(&harness.push(&url, "x", asks).2)[0];
    harness.at(150).tick();
    assert_eq!(harness.push_state(id, 10).1, None, "it waits");
    let call = Call::PushReceipts {
        channel: url.channel,
        since: url.since,
        seen: None,
        after: None,
        wait: 10,
    };
    assert!(harness.ask_as(None, call, None, None).1.0.is_none());
    let words = harness.at(200).acks(1, &[(id, 100)]);
    assert_eq!(words[0], "push_state: PushState(Settled(204))");
    assert!(
        words[1].starts_with("push_receipts: PushReceipts(Some([PushReceipt"),
        "{words:?}"
    );

    let open = versions(&harness.push(&url, "y", asks).2)[0];
    harness.at(400).tick();
    harness.push_state(open, 10);
    assert_eq!(harness.at(10_400).tick(), ["push_state: PushState(Open)"]);
}

#[test]
fn a_receipt_resumes_the_readers_of_its_channel_and_no_others() {
    let mut harness = Harness::new();
    let (_, one) = harness.subscribed();
    let (two, _) = harness.subscribe(1, TWO, None);
    for url in [&one, &two] {
        assert_eq!(harness.read_receipts(url, 60), None, "it waits");
    }
    let id = versions(&harness.push(&one, "x", asks).2)[0];
    let before = harness.statements();
    let words = harness.acks(1, &[(id, 100)]);
    let with_reader = harness.statements() - before;
    assert_eq!(words.len(), 2, "its own reader, and its sender: {words:?}");
    for _ in 0..8 {
        assert_eq!(harness.read_receipts(&two, 60), None, "it waits");
    }
    let seen = harness.push_receipts(&one, None).unwrap()[0].seq;
    harness.push_receipts(&one, Some(seen));
    assert_eq!(harness.read_receipts(&one, 60), None, "it waits");
    let id = versions(&harness.push(&one, "y", asks).2)[0];
    let before = harness.statements();
    harness.acks(1, &[(id, 100)]);
    assert_eq!(harness.statements() - before, with_reader);
}

#[test]
fn ten_readers_wait_and_more_are_answered_at_once() {
    let mut harness = Harness::new();
    let (_, one) = harness.subscribed();
    let (two, _) = harness.subscribe(1, TWO, None);
    let id = versions(&harness.push(&one, "x", asks).2)[0];
    for _ in 0..10 {
        assert_eq!(harness.push_state(id, 60).1, None, "it waits");
        assert_eq!(harness.read_receipts(&one, 60), None, "it waits");
    }
    assert_eq!(harness.push_state(id, 60).1, Some(PushState::Open));
    assert_eq!(harness.read_receipts(&one, 60), Some(Some(vec![])));
    assert_eq!(harness.read_receipts(&two, 60), None, "it waits");
    let words = harness.acks(1, &[(id, 100)]);
    assert_eq!(words.len(), 21, "all that wait, and the sender: {words:?}");
}

#[test]
fn a_stream_continues_after_what_it_has_sent_without_deleting_it() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let mut acknowledged = |body: &str| {
        let id = versions(&harness.push(&url, body, asks).2)[0];
        harness.acks(1, &[(id, 100)]);
    };
    acknowledged("one");
    acknowledged("two");
    let all = harness.push_receipts(&url, None).unwrap();
    let after = |receipt: &PushReceipt| Call::PushReceipts {
        channel: url.channel,
        since: url.since,
        seen: None,
        after: Some(receipt.seq),
        wait: 60,
    };
    match harness.ask(after(&all[0])).0 {
        Ok(Reply::PushReceipts(Some(rest))) => assert_eq!(rest, all[1..]),
        other => panic!("{other:?}"),
    }
    let waits = harness.ask_as(None, after(&all[1]), None, None).1.0;
    assert!(waits.is_none(), "{waits:?}");
    let id = versions(&harness.push(&url, "three", asks).2)[0];
    let words = harness.acks(1, &[(id, 100)]);
    let one = |word: &&String| word.matches("PushReceipt {").count() == 1;
    assert!(words.iter().any(|word| one(&word)), "{words:?}");
    assert_eq!(harness.statuses(&url).len(), 3);
}
