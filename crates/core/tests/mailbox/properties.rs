//! What holds for any sequence of events at one mailbox.

use proptest::prelude::*;
use tagpost_core::message::Message;

use super::harness::{Harness, WATCHER, message};
use super::summary::answer;

/// Something that happens to the mailbox.
#[derive(Debug, Clone)]
enum Step {
    Deliver { n: u64, ttl: u32, wait: bool },
    Ack { n: u64 },
    Nack { n: u64 },
    Withdraw { n: u64 },
    Connect,
    Close,
    Poll,
    Ring,
    Sleep,
    Crash,
    Pass { millis: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let n = 1..6_u64;
    let step = prop_oneof![
        4 => (n.clone(), prop::sample::select(vec![1_u32, 10, 600]), any::<bool>())
            .prop_map(|(n, ttl, wait)| Step::Deliver { n, ttl, wait }),
        2 => n.clone().prop_map(|n| Step::Ack { n }),
        1 => n.clone().prop_map(|n| Step::Nack { n }),
        1 => n.prop_map(|n| Step::Withdraw { n }),
        2 => Just(Step::Connect),
        1 => Just(Step::Close),
        1 => Just(Step::Poll),
        2 => Just(Step::Ring),
        1 => Just(Step::Sleep),
        1 => Just(Step::Crash),
        3 => prop::sample::select(vec![1_i64, 500, 1_000, 5_000]).prop_map(|millis| Step::Pass { millis }),
    ];
    prop::collection::vec(step, 1..40)
}

/// The mailbox of a run, and what is known of it from outside.
struct Run {
    harness: Harness,
    now: i64,
    connection: u32,
    messages: Vec<Message>,
    is_open: bool,
    /// When the mailbox was opened last.
    opened_at: i64,
}

impl Run {
    fn new() -> Self {
        let harness = Harness::with(|limits| {
            (
                limits.ack_timeout,
                limits.max_in_flight,
                limits.max_attempts,
            ) = (1, 2, 3)
        });
        Self {
            harness,
            now: 0,
            connection: 0,
            messages: Vec::new(),
            is_open: true,
            opened_at: 0,
        }
    }

    fn message(&mut self, n: u64, ttl: u32) -> Message {
        let known = self.messages.iter().find(|message| {
            message.size == 6 && message.payload.get().ends_with(&format!("{n}\""))
        });
        let ttl = ttl.to_string();
        let new = || message(n, &[("Content-Type", "text/plain"), ("TTL", &ttl)]);
        let message = known.cloned().unwrap_or_else(new);
        self.messages.push(message.clone());
        message
    }

    fn step(&mut self, step: &Step) {
        self.harness.at(self.now);
        match step {
            Step::Sleep | Step::Crash => self.is_open = false,
            Step::Pass { .. } => {}
            _ if self.is_open => {}
            _ => (self.is_open, self.opened_at) = (true, self.now),
        }
        match *step {
            Step::Deliver { n, ttl, wait } => {
                let message = self.message(n, ttl);
                self.harness.deliver(&message, if wait { 1_000 } else { 0 });
                if wait {
                    self.now += 1_000;
                    self.harness.at(self.now).tick();
                }
            }
            Step::Ack { n } => {
                let id = message(n, &[]).id;
                self.harness.ack(id);
            }
            Step::Nack { n } => {
                let id = message(n, &[]).id;
                self.harness.nack(id);
            }
            Step::Withdraw { n } => {
                let id = message(n, &[]).id;
                self.harness.cancel_delivery(id);
            }
            Step::Connect => {
                self.connection += 1;
                self.harness.connect(self.connection);
            }
            Step::Close => drop(self.harness.closed(self.connection)),
            Step::Poll => drop(self.harness.poll(2)),
            Step::Ring => drop(self.harness.ring()),
            Step::Sleep => self.harness.sleep(),
            Step::Crash => self.harness.crash(),
            Step::Pass { millis } => self.now += millis,
        }
    }

    /// The state of the `n`th message, as its mailbox says.
    fn state(&mut self, n: u64) -> String {
        let id = message(n, &[]).id;
        answer(&self.harness.get_delivery(id))
    }
}

fn is_terminal(state: &str) -> bool {
    !["held", "sent", "Unknown"]
        .iter()
        .any(|open| state.starts_with(open))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_message_that_has_ended_stays_as_it_is(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            let before: Vec<String> = (1..6).map(|n| run.state(n)).collect();
            run.step(step);
            // What was never stored is known as long as the mailbox is awake.
            let forgets = matches!(step, Step::Sleep | Step::Crash);
            for (n, before) in (1..6).zip(before).filter(|(_, before)| is_terminal(before)) {
                let after = run.state(n);
                prop_assert!(after == before || (forgets && after.starts_with("Unknown")), "{n}: {before}, then {after}");
            }
        }
    }

    #[test]
    fn acknowledging_twice_is_the_same_as_acknowledging_once(steps in steps(), n in 1..6_u64) {
        let mut run = Run::new();
        steps.iter().for_each(|step| run.step(step));
        run.step(&Step::Ack { n });
        let (state, rows) = (run.state(n), run.harness.rows());
        run.step(&Step::Ack { n });
        prop_assert_eq!((run.state(n), run.harness.rows()), (state, rows));
    }

    #[test]
    fn the_alarm_is_never_later_than_the_earliest_thing_due(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
            let held = "SELECT min(expires_at) FROM inbox WHERE settled IS NULL";
            let due = run.harness.query(held).opt_int().unwrap().map(|at| at - super::harness::START);
            if let Some(due) = due.filter(|_| !matches!(step, Step::Pass { .. })) {
                let alarm = run.harness.alarm.unwrap_or(i64::MAX);
                // What a mailbox finds overdue when it is opened waits for a second.
                let latest = due.max(run.now).max(run.opened_at + 1_000);
                prop_assert!(alarm <= latest, "alarm {alarm}, due {due}, now {}, after {step:?}", run.now);
            }
        }
    }

    #[test]
    fn a_watcher_changes_nothing(steps in steps()) {
        let (mut watched, mut alone) = (Run::new(), Run::new());
        for (n, step) in (0..).zip(&steps) {
            // A crash ends the watcher's socket as well.
            watched.harness.watch(WATCHER + n, None, true).unwrap();
            alone.harness.status();
            for run in [&mut watched, &mut alone] {
                run.step(step);
            }
            let seen = |run: &Run| (run.harness.log.clone(), run.harness.rows(), run.harness.writes(), run.harness.alarm);
            prop_assert_eq!(seen(&watched), seen(&alone), "after {:?}", step);
        }
    }

    #[test]
    fn when_all_is_acknowledged_and_reported_nothing_is_left(steps in steps()) {
        let mut run = Run::new();
        steps.iter().for_each(|step| run.step(step));
        (1..6).for_each(|n| run.step(&Step::Ack { n }));
        run.step(&Step::Ring);
        run.harness.reported("door", true);
        run.now += 600_000;
        run.step(&Step::Ring);
        run.harness.reported("door", true);
        run.step(&Step::Ring);
        prop_assert_eq!(run.harness.rows(), "account 1");
        // Payloads of failed deliveries are kept for the retention time.
        for _ in 0..10 {
            if let Some(at) = run.harness.alarm {
                run.now = run.now.max(at);
                run.step(&Step::Ring);
            }
        }
        prop_assert_eq!(run.harness.alarm, None);
        let left = run.harness.query("SELECT count(*) FROM inbox").int();
        prop_assert_eq!(left.unwrap(), 0);
    }
}
