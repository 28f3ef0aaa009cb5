//! What each way of a push writes: rows, and how often the alarm is set. Entries of indexes are not counted here.

use tagpost_core::call::{Call, Pushed};
use tagpost_core::id::MessageId;
use tagpost_core::publish::Draft;
use tagpost_core::web_push::seal::PushUrl;

use super::super::harness::Harness;
use super::receipts::asks;
use super::{ONE, TWO, versions};

/// A user agent with a channel, and what is counted of it.
struct Counted {
    harness: Harness,
    agent: String,
    url: PushUrl,
    connection: u32,
    rows: u64,
    alarm: Option<i64>,
}

impl Counted {
    fn new() -> Self {
        let mut harness = Harness::new();
        let (agent, url) = harness.subscribed();
        let (rows, alarm) = (harness.writes(), harness.alarm);
        Self {
            harness,
            agent,
            url,
            connection: 1,
            rows,
            alarm,
        }
    }

    /// The rows written since this was last asked, and whether the alarm was set.
    fn taken(&mut self) -> (u64, bool) {
        let (rows, alarm) = (self.harness.writes(), self.harness.alarm);
        let taken = (rows - self.rows, alarm != self.alarm);
        (self.rows, self.alarm) = (rows, alarm);
        taken
    }

    fn push(&mut self, change: impl FnOnce(&mut Draft)) -> Option<MessageId> {
        match self.harness.push(&self.url, "x", change) {
            (_, Some(Pushed::Taken(id)), _) => Some(id),
            (_, _, words) => versions(&words).pop(),
        }
    }

    fn leave(&mut self) {
        self.harness.closed(self.connection);
    }

    fn come(&mut self) {
        self.connection += 1;
        let agent = self.agent.clone();
        self.harness.hello(self.connection, Some(&agent));
    }

    fn ack(&mut self, id: Option<MessageId>) {
        let connection = self.connection;
        self.harness.acks(connection, &[(id.unwrap(), 100)]);
    }
}

#[test]
fn a_push_that_is_acknowledged_at_once_writes_no_row_and_its_receipt_is_one() {
    let mut counted = Counted::new();
    let id = counted.push(|_| {});
    counted.ack(id);
    assert_eq!(counted.taken(), (0, false));
    let id = counted.push(asks);
    counted.ack(id);
    assert_eq!(counted.taken(), (1, false));
    let id = id.unwrap();
    counted
        .harness
        .ask(Call::PushState { id, wait: 0 })
        .0
        .unwrap();
    assert_eq!(counted.taken(), (0, false), "reading it is free");
}

#[test]
fn a_push_that_is_acknowledged_late_writes_its_row_and_deletes_it() {
    let mut counted = Counted::new();
    let id = counted.push(|_| {});
    counted.harness.at(150).tick();
    counted.ack(id);
    assert_eq!(counted.taken(), (2, true), "the alarm is that of its time");
    let id = counted.push(|_| {});
    counted.harness.at(300).tick();
    counted.ack(id);
    assert_eq!(counted.taken(), (2, false), "it is set already");
}

#[test]
fn a_push_that_is_held_writes_three_rows_with_the_end_of_the_connection_and_four_with_its_receipt()
{
    let mut counted = Counted::new();
    for (change, rows) in [((|_| {}) as fn(&mut Draft), 3), (asks, 4)] {
        counted.leave();
        let id = counted.push(change);
        counted.come();
        counted.ack(id);
        assert_eq!(counted.taken().0, rows);
    }
}

#[test]
fn a_hello_a_ping_and_a_push_with_ttl_0_write_nothing() {
    let mut counted = Counted::new();
    counted.harness.frame(1, r#"{"messageType":"ping"}"#);
    counted.push(|draft| draft.ttl = 0);
    assert_eq!(counted.taken(), (0, false));
    counted.leave();
    assert_eq!(counted.taken(), (1, false), "when it was last seen");
    counted.push(|draft| draft.ttl = 0);
    counted.come();
    assert_eq!(counted.taken(), (0, false));
}

#[test]
fn a_channel_is_one_row_and_its_end_two() {
    let mut counted = Counted::new();
    counted.harness.subscribe(1, TWO, None);
    assert_eq!(counted.taken(), (1, false));
    counted.harness.subscribe(1, TWO, None);
    assert_eq!(counted.taken(), (0, false), "it is there already");
    let channel = Some(ONE.parse().unwrap());
    let removed = counted.harness.ask(Call::RemoveChannels { channel });
    removed.0.unwrap();
    let (rows, _) = counted.taken();
    assert_eq!(rows, 2, "its time is kept, so that no other has it");
}
