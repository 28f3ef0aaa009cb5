//! The operator's events: each is told until it is taken, and published once, whatever fails meanwhile.

mod presence;
mod publishing;

use serde_json::Value;
use tagpost_core::call::Call;
use tagpost_core::delivery::State;
use tagpost_core::id::owner;
use tagpost_core::mailbox::{CallPurpose, Input, Reply};
use tagpost_core::operator_event::{Numbered, Settings};
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::token::TokenId;

use super::harness::{Harness, START, claims, delivery, device};

impl Harness {
    /// One that tells of events; a device is away after 60 seconds.
    fn telling() -> Self {
        let mut harness = Self::new();
        harness.tells(Some(60));
        harness
    }

    pub(crate) fn tells(&mut self, away_after: Option<u32>) {
        self.events = Some(Settings {
            tag: "ops".parse().unwrap(),
            away_after,
        });
        self.sleep();
    }

    /// The mailbox from which the service publishes.
    fn publishing(change: impl FnOnce(&mut tagpost_core::limits::Limits)) -> Self {
        let mut harness = Self::of(owner::events(), change);
        harness.tells(None);
        harness
    }

    /// Up to this number the events are taken, or nobody answers.
    fn taken(&mut self, last: Option<i64>) -> Vec<String> {
        let last = last.map(|last| last.to_string());
        self.returned_from_publisher(last.as_deref())
    }

    fn returned_from_publisher(&mut self, answer: Option<&str>) -> Vec<String> {
        self.handle(Input::Returned {
            from: owner::events(),
            purpose: CallPurpose::TakeEvents,
            answer: answer.map(str::to_owned),
        })
    }

    /// The events that are not taken, by number: their types.
    pub(crate) fn waiting_events(&self) -> Vec<String> {
        let rows = "SELECT coalesce(group_concat(seq || ' ' || json_extract(event, '$.type'), ', '), '') \
            FROM (SELECT * FROM operator_events WHERE seq > 0 ORDER BY seq)";
        let text = { self.query(rows) }.text().unwrap();
        let each = text.split(", ").filter(|it| !it.is_empty());
        each.map(str::to_owned).collect()
    }

    /// The data of the event with this number.
    pub(crate) fn event(&self, seq: i64) -> Value {
        let sql = format!("SELECT event FROM operator_events WHERE seq = {seq}");
        let text = { self.query(&sql) }.text().unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["data"].take()
    }

    fn has_no_table(&self) -> bool {
        let tables = "SELECT count(*) FROM sqlite_master WHERE name LIKE '%event%'";
        { self.query(tables) }.int().unwrap() == 0
    }

    /// A delivery fails.
    fn fail(&mut self, state: State) -> Vec<String> {
        let id = self.send_held(&["yard"]);
        self.report(id, delivery("yard", state)).unwrap()
    }

    /// Tells the mailbox from which the service publishes of these events.
    fn tell(&mut self, from: &str, numbers: &[i64]) -> Result<i64, String> {
        let numbered = |seq: &i64| Numbered {
            seq: *seq,
            event: serde_json::value::to_raw_value(&format!("event {seq}")).unwrap(),
        };
        let events: Vec<Numbered> = numbers.iter().map(numbered).collect();
        let call = Call::TakeEvents { from: device(from) };
        let events = serde_json::to_string(&events).unwrap();
        match self.ask_as(None, call, Some(events), None).1.0 {
            Some(Reply::EventsTaken(last)) => Ok(last),
            other => Err(format!("{other:?}")),
        }
    }

    /// The messages that are published and not handed over, oldest first.
    fn published(&self) -> Vec<String> {
        let sql = "SELECT coalesce(group_concat(json_extract(draft, '$.payload'), ', '), '') FROM \
            (SELECT * FROM outbox WHERE id >= x'ff' ORDER BY id)";
        let text = { self.query(sql) }.text().unwrap();
        let each = text.split(", ").filter(|it| !it.is_empty());
        each.map(str::to_owned).collect()
    }
}

/// The calls to take events among these outputs.
fn told(words: &[String]) -> usize {
    let is_told = |word: &&String| *word == "~events: take_events";
    words.iter().filter(is_told).count()
}

#[test]
fn an_event_is_told_at_once_and_forgotten_when_it_is_taken() {
    let mut cam = Harness::telling();
    let words = cam.at(10).fail(State::Expired);
    assert_eq!(told(&words), 1);
    assert_eq!(cam.waiting_events(), ["1 delivery.failed"]);
    let event = cam.event(1);
    assert_eq!(
        (&event["device"], &event["sender"], &event["state"]),
        (&"yard".into(), &"cam".into(), &"expired".into())
    );
    assert_eq!(told(&cam.taken(Some(1))), 0);
    assert_eq!(cam.waiting_events(), [""; 0]);
}

#[test]
fn each_kind_of_failure_is_told_but_a_rejection_and_a_failure_that_is_sent_again() {
    for (state, count) in [
        (State::Expired, 1),
        (State::Undeliverable, 1),
        (State::Refused, 1),
        (State::Rejected, 0),
        (State::Delivered, 0),
    ] {
        let mut cam = Harness::telling();
        assert_eq!(told(&cam.fail(state)), count, "{state:?}");
    }
}

#[test]
fn a_registration_and_a_revocation_are_told_in_the_transaction_that_makes_them() {
    let mut cam = Harness::of(device("cam"), |_| {});
    cam.tells(None);
    cam.register();
    assert_eq!(cam.waiting_events(), ["1 device.registered"]);
    assert_eq!(cam.event(1)["by"], "operator");
    cam.register();
    assert_eq!(cam.waiting_events().len(), 1, "it was known already");
    cam.revoke().unwrap();
    assert_eq!(
        cam.waiting_events(),
        ["1 device.registered", "2 tokens.revoked"]
    );
    assert_eq!(cam.event(2)["device"], "cam");
}

#[test]
fn the_revocation_of_one_token_is_told_with_its_id() {
    let mut cam = Harness::of(device("cam"), |_| {});
    cam.tells(None);
    cam.register();
    let call = Call::RevokeToken {
        id: TokenId::from_random(10),
        expires_at: None,
    };
    cam.ask(call).0.unwrap();
    assert_eq!(
        cam.waiting_events(),
        ["1 device.registered", "2 token.revoked"]
    );
    assert_eq!(cam.event(2)["device"], "cam");
    assert_eq!(cam.event(2)["jti"], "000000000000000a");
}

#[test]
fn a_device_that_its_token_registers_has_done_so_itself() {
    let mut cam = Harness::of(device("cam"), |_| {});
    cam.tells(None);
    let (reply, _) = cam.try_open(1, &TagpostV1, claims("cam"), None);
    assert!(reply.is_none() && cam.has_no_table());
    cam.handle(Input::Registered { entered: true });
    assert_eq!(cam.event(1)["by"], "device");
}

#[test]
fn what_is_not_taken_is_told_again_with_growing_pauses() {
    let mut cam = Harness::telling();
    cam.at(0).fail(State::Expired);
    let (mut now, mut pauses) = (0, Vec::new());
    for answer in [None, Some(0), None, Some(0), None, None, None, None] {
        assert_eq!(told(&cam.at(now).taken(answer)), 0);
        let sql = "SELECT json_extract(event, '$[0].due_at') FROM operator_events WHERE seq = 0";
        let due = { cam.query(sql) }.int().unwrap() - START;
        // Up to a few milliseconds, by which the random numbers of this test shorten it.
        pauses.push((due - now + 999) / 1000);
        assert!(cam.alarm.is_some_and(|alarm| alarm <= due));
        // Memory is lost in each pause.
        cam.sleep();
        assert_eq!(told(&cam.at(due - 1).wake()), 0);
        assert_eq!(told(&cam.at(due).ring()), 1);
        now = due;
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn a_crash_between_the_event_and_the_answer_forgets_nothing() {
    let mut cam = Harness::telling();
    cam.at(10).fail(State::Expired);
    cam.crash();
    assert_eq!(told(&cam.at(20).wake()), 0, "an answer may come");
    assert_eq!(told(&cam.at(30_010).ring()), 1);
    cam.taken(Some(1));
    assert_eq!(cam.waiting_events(), [""; 0]);
}

#[test]
fn what_happens_while_events_are_told_is_told_next_and_what_was_not_taken_stays() {
    let mut cam = Harness::telling();
    cam.at(10).fail(State::Expired);
    assert_eq!(told(&cam.fail(State::Expired)), 0, "one call at a time");
    assert_eq!(told(&cam.taken(Some(1))), 1);
    assert_eq!(cam.waiting_events(), ["2 delivery.failed"]);
    cam.taken(Some(2));
    assert_eq!(told(&cam.fail(State::Expired)), 1);
    assert_eq!(
        cam.waiting_events(),
        ["3 delivery.failed"],
        "no number comes twice"
    );
}

#[test]
fn more_than_ten_of_a_type_within_a_minute_become_one_summary_at_its_end() {
    let mut cam = Harness::telling();
    for n in 0..25 {
        cam.at(n * 1_000).fail(State::Expired);
    }
    cam.revoke().unwrap();
    let waiting = cam.waiting_events();
    assert_eq!(waiting.len(), 11);
    assert_eq!(
        waiting[10], "11 tokens.revoked",
        "another type is another burst"
    );
    cam.taken(Some(11));
    cam.sleep();
    assert!(cam.alarm.is_some_and(|alarm| alarm <= 60_000));
    cam.at(59_999).ring();
    assert_eq!(cam.waiting_events(), [""; 0]);
    assert_eq!(told(&cam.at(60_000).ring()), 1);
    assert_eq!(cam.waiting_events(), ["12 delivery.failed.summary"]);
    let summary = cam.event(12);
    assert_eq!(
        (&summary["device"], &summary["count"]),
        (&"cam".into(), &15.into())
    );
    assert_eq!(summary["since"], START + 10_000);
    assert_eq!(summary["until"], START + 24_000);
    cam.taken(Some(12));
    cam.fail(State::Expired);
    assert_eq!(cam.waiting_events(), ["13 delivery.failed"]);
}

#[test]
fn what_there_is_no_room_for_is_counted_until_there_is() {
    let mut cam = Harness::telling();
    cam.at(0).fail(State::Expired);
    cam.sleep();
    cam.run(
        "INSERT INTO operator_events WITH RECURSIVE n(n) AS \
         (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 1000) \
         SELECT n, (SELECT event FROM operator_events WHERE seq = 1) FROM n",
    );
    cam.run(
        "UPDATE operator_events SET event = \
         json_set(event, '$[0].n', 1000, '$[0].last', 1000) WHERE seq = 0",
    );
    cam.fail(State::Expired);
    cam.at(61_000).ring();
    assert_eq!(cam.waiting_events().len(), 1_000);
    cam.taken(Some(100));
    let waiting = cam.waiting_events();
    assert_eq!(waiting.len(), 901);
    assert_eq!(waiting[900], "1001 delivery.failed.summary");
    assert_eq!(cam.event(1001)["count"], 1);
}

#[test]
fn a_service_without_a_tag_for_events_reads_and_writes_nothing_for_them() {
    let costs = |mut cam: Harness| {
        cam.wake();
        let before = (cam.writes(), cam.statements());
        cam.at(0).connect(1);
        cam.at(10).closed(1);
        cam.fail(State::Expired);
        cam.sleep();
        cam.at(90_000).ring();
        cam.revoke().unwrap();
        assert!(cam.has_no_table());
        (cam.writes() - before.0, cam.statements() - before.1)
    };
    let mut was_on = Harness::telling();
    was_on.wake();
    was_on.events = None;
    was_on.sleep();
    let mut never_on = Harness::new();
    never_on.sleep();
    assert_eq!(costs(was_on), costs(never_on));
}

#[test]
fn a_mailbox_to_which_nothing_happens_writes_nothing_for_events() {
    let mut cam = Harness::new();
    cam.tells(None);
    cam.at(0).connect(1);
    cam.at(10).closed(1);
    cam.fail(State::Delivered);
    assert!(cam.has_no_table());
}

#[test]
fn an_event_costs_five_rows_at_its_mailbox() {
    let mut cam = Harness::new();
    cam.tells(None);
    cam.fail(State::Expired);
    cam.taken(Some(1));
    let ids = [(); 2].map(|()| cam.send_held(&["yard"]));
    let before = cam.writes();
    cam.report(ids[0], delivery("yard", State::Delivered))
        .unwrap();
    let delivered = cam.writes() - before;
    let before = cam.writes();
    cam.report(ids[1], delivery("yard", State::Expired))
        .unwrap();
    cam.taken(Some(2));
    // The event, how far it has come, both again; the alarm is not counted here.
    assert_eq!(cam.writes() - before, delivered + 4);
}
