//! Failures: the directory is told of each failed delivery, whatever fails meanwhile.

use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::Input;

use super::harness::{Harness, START, delivery, known};

impl Harness {
    /// One whose directory lists failures.
    pub(super) fn listed() -> Self {
        let mut harness = Self::new();
        harness.failures = true;
        harness.sleep();
        harness
    }

    /// The device publishes to others that are offline.
    pub(super) fn send_held(&mut self, to: &[&str]) -> MessageId {
        let (id, _) = self.publish(to, &[], "x").unwrap();
        for name in to {
            self.returned(name, id, known(name, State::Held));
        }
        id
    }

    /// The directory has answered the record of this number.
    pub(super) fn recorded(&mut self, number: u64, taken: bool) -> Vec<String> {
        self.handle(Input::Recorded { number, taken })
    }

    /// How many failures wait, and what the account's row says of them.
    fn waiting_failures(&self) -> (i64, Option<String>) {
        let count = self.query("SELECT count(*) FROM failures").int().unwrap();
        let state = self.query("SELECT failures FROM account").opt_text();
        (count, state.unwrap())
    }
}

/// The records among these outputs.
pub(super) fn records(words: &[String]) -> Vec<&str> {
    let words = words.iter().map(String::as_str);
    words.filter(|word| word.starts_with("record")).collect()
}

#[test]
fn the_directory_is_told_of_a_failure_in_the_event_that_stores_it() {
    let mut cam = Harness::listed();
    let id = cam.send_held(&["yard"]);
    let words = cam.at(10).report(id, delivery("yard", State::Expired));
    assert_eq!(records(&words.unwrap()), ["record 1: yard expired"]);
    let (count, state) = cam.waiting_failures();
    assert_eq!((count, state.is_some()), (1, true));
    assert_eq!(cam.recorded(1, true), [""; 0]);
    assert_eq!(cam.waiting_failures(), (0, None));
}

#[test]
fn each_kind_of_failure_is_told_and_no_other_end() {
    for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
        let mut cam = Harness::listed();
        let id = cam.send_held(&["yard"]);
        let words = cam.report(id, delivery("yard", state)).unwrap();
        let told = format!("record 1: yard {}", state.as_str());
        match state.is_failure() {
            true => assert_eq!(records(&words), [told]),
            false => assert_eq!(records(&words), [""; 0], "{state:?}"),
        }
    }
}

#[test]
fn a_failure_in_the_answer_to_a_publish_is_told_once_it_is_stored() {
    let mut cam = Harness::listed();
    let (id, words) = cam.publish(&["yard", "gate"], &[], "x").unwrap();
    assert_eq!(records(&words), [""; 0]);
    // A crash now would take the message back.
    let words = cam.returned("yard", id, known("yard", State::Rejected));
    assert_eq!(records(&words), [""; 0]);
    let words = cam.returned("gate", id, known("gate", State::Held));
    assert_eq!(records(&words), ["record 1: yard rejected in hall"]);
    assert_eq!(cam.recorded(1, true), [""; 0]);
    let words = cam.report(id, delivery("yard", State::Rejected)).unwrap();
    assert_eq!(records(&words), [""; 0], "it is told once");
    let words = cam.report(id, delivery("gate", State::Expired)).unwrap();
    assert_eq!(records(&words), ["record 2: gate expired in hall"]);
}

#[test]
fn failures_of_publishes_that_are_written_together_are_told_together() {
    let mut cam = Harness::listed();
    let (first, _) = cam.publish(&["yard"], &[], "x").unwrap();
    let (second, _) = cam.publish(&["gate"], &[], "y").unwrap();
    cam.returned("yard", first, known("yard", State::Rejected));
    let words = cam.returned("gate", second, known("gate", State::Expired));
    assert_eq!(records(&words), ["record 1: yard rejected, gate expired"]);
}

#[test]
fn a_publish_that_is_refused_is_no_failure() {
    let mut cam = Harness::listed();
    let (id, _) = cam
        .publish(&["yard"], &[("Idempotency-Key", "k")], "x")
        .unwrap();
    let unknown = Some(tagpost_core::call::DeliveryStatus::UnknownDevice);
    let words = cam.returned("yard", id, unknown);
    assert_eq!(words, ["not published: unknown_device (#1)"]);
}

#[test]
fn a_delivery_that_does_not_fail_costs_nothing_more() {
    let costs = |mut cam: Harness| {
        cam.wake();
        let before = (cam.writes(), cam.statements());
        let id = cam.send_held(&["yard"]);
        cam.sleep();
        cam.report(id, delivery("yard", State::Delivered)).unwrap();
        let (id, _) = cam.publish(&["gate"], &[], "x").unwrap();
        cam.returned("gate", id, known("gate", State::Delivered));
        (cam.writes() - before.0, cam.statements() - before.1)
    };
    let mut off = Harness::listed();
    off.failures = false;
    assert_eq!(costs(Harness::listed()), costs(off));
}

#[test]
fn a_failure_costs_four_rows() {
    let mut cam = Harness::listed();
    let first = cam.send_held(&["yard"]);
    let second = cam.send_held(&["yard"]);
    let third = cam.send_held(&["yard"]);
    cam.report(first, delivery("yard", State::Expired)).unwrap();
    cam.recorded(1, true);
    let before = cam.writes();
    cam.report(second, delivery("yard", State::Delivered))
        .unwrap();
    let delivered = cam.writes() - before;
    let before = cam.writes();
    cam.report(third, delivery("yard", State::Expired)).unwrap();
    cam.recorded(2, true);
    assert_eq!(cam.writes() - before, delivered + 4);
}

#[test]
fn a_directory_that_fails_is_told_again_with_growing_pauses() {
    let mut cam = Harness::listed();
    let id = cam.send_held(&["yard"]);
    cam.at(0)
        .report(id, delivery("yard", State::Expired))
        .unwrap();
    let (mut now, mut pauses) = (0, Vec::new());
    for _ in 0..9 {
        assert_eq!(records(&cam.at(now).recorded(1, false)), [""; 0]);
        let due = cam.query("SELECT json_extract(failures, '$.due_at') FROM account");
        let due = { due }.int().unwrap() - START;
        pauses.push((due - now) / 1000);
        assert!(cam.alarm.is_some_and(|alarm| alarm <= due));
        // Memory is lost in each pause.
        cam.sleep();
        assert_eq!(records(&cam.at(due - 1).wake()), [""; 0]);
        assert_eq!(records(&cam.at(due).ring()), ["record 1: yard expired"]);
        now = due;
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
}

#[test]
fn a_crash_between_the_failure_and_the_answer_forgets_nothing() {
    let mut cam = Harness::listed();
    let id = cam.send_held(&["yard"]);
    cam.at(10)
        .report(id, delivery("yard", State::Expired))
        .unwrap();
    cam.crash();
    assert_eq!(records(&cam.at(20).wake()), [""; 0], "an answer may come");
    let words = cam.at(30_010).ring();
    assert_eq!(records(&words), ["record 1: yard expired"]);
    cam.recorded(1, true);
    assert_eq!(cam.waiting_failures(), (0, None));
}

#[test]
fn an_answer_that_comes_too_late_is_ignored() {
    let mut cam = Harness::listed();
    let id = cam.send_held(&["yard"]);
    cam.at(10)
        .report(id, delivery("yard", State::Expired))
        .unwrap();
    assert_eq!(records(&cam.at(30_010).ring()), ["record 2: yard expired"]);
    cam.recorded(1, true);
    assert_eq!(cam.waiting_failures().0, 1);
    cam.recorded(2, true);
    assert_eq!(cam.waiting_failures(), (0, None));
}

#[test]
fn what_fails_while_the_directory_is_told_is_told_next_and_100_at_a_time() {
    let mut cam = Harness::listed();
    let names: Vec<String> = (0..250).map(|n| format!("cam-{n}")).collect();
    let ids: Vec<MessageId> = names.iter().map(|name| cam.send_held(&[name])).collect();
    let mut told = Vec::new();
    for (name, id) in names.iter().zip(ids) {
        let words = cam.report(id, delivery(name, State::Expired)).unwrap();
        told.extend(words.into_iter().filter(|word| word.starts_with("record")));
    }
    assert_eq!(told, ["record 1: cam-0 expired"]);
    let mut sizes = Vec::new();
    for number in 1.. {
        let words = cam.recorded(number, true);
        let Some(record) = records(&words).first().map(|it| it.split(", ").count()) else {
            break;
        };
        sizes.push(record);
    }
    assert_eq!(sizes, [100, 100, 49]);
    assert_eq!(cam.waiting_failures(), (0, None));
}

#[test]
fn beyond_10_000_the_oldest_are_dropped_and_the_next_record_says_so() {
    let mut cam = Harness::listed();
    let id = cam.send_held(&["yard"]);
    let old = cam.send_held(&["gate"]);
    cam.report(old, delivery("gate", State::Expired)).unwrap();
    cam.sleep();
    cam.run(
        "INSERT INTO failures (failure) WITH RECURSIVE n(n) AS \
         (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 10000) \
         SELECT (SELECT failure FROM failures) FROM n",
    );
    cam.run("UPDATE account SET failures = json_set(failures, '$.n', 10000)");
    let words = cam.report(id, delivery("yard", State::Expired)).unwrap();
    assert_eq!(records(&words), [""; 0]);
    assert_eq!(cam.waiting_failures().0, 9_901);
    let words = cam.at(40_000).ring();
    assert!(records(&words)[0].ends_with("; 100 dropped"), "{words:?}");
    let words = cam.recorded(1, true);
    assert!(
        records(&words)[0].ends_with("gate expired"),
        "they are told of once"
    );
}

#[test]
fn what_a_removed_device_has_to_tell_is_told() {
    let mut cam = Harness::listed();
    let id = cam.send_held(&["yard"]);
    cam.report(id, delivery("yard", State::Expired)).unwrap();
    cam.remove();
    assert_eq!(cam.waiting_failures().0, 1);
    assert_eq!(records(&cam.at(30_000).ring()), ["record 2: yard expired"]);
    cam.recorded(2, true);
    assert_eq!(cam.waiting_failures(), (0, None));
}

#[test]
fn a_service_that_lists_none_writes_none_and_drops_those_that_wait() {
    let mut cam = Harness::new();
    let id = cam.send_held(&["yard"]);
    let words = cam.report(id, delivery("yard", State::Expired)).unwrap();
    assert_eq!(records(&words), [""; 0]);
    let tables = "SELECT count(*) FROM sqlite_master WHERE name = 'failures'";
    assert_eq!(cam.query(tables).int().unwrap(), 0);

    let mut cam = Harness::listed();
    let id = cam.send_held(&["yard"]);
    cam.report(id, delivery("yard", State::Expired)).unwrap();
    cam.sleep();
    cam.failures = false;
    assert_eq!(records(&cam.at(40_000).ring()), [""; 0]);
    assert_eq!(cam.waiting_failures(), (0, None));
}
