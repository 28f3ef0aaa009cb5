//! What holds for any history of an address: it hangs, fails, answers late, is set again, moves or disappears, beside
//! sockets, polls and losses of memory. In the end the address takes everything.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tagpost_core::call::Call;
use tagpost_core::delivery::State;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{Chain, PostPurpose};
use tagpost_core::message::Message;
use tagpost_core::webhook::{Post, PostError, PostResponse};

use super::super::harness::{Harness, delivery, known, message_from};
use super::super::summary::answer;
use super::{setting_at, status};

const LASTING: &[(&str, &str)] = &[("Content-Type", "text/plain"), ("TTL", "864000")];
const SENDERS: [&str; 3] = ["door", "gate", "bell"];

/// What an address answers.
#[derive(Debug, Clone, Copy)]
enum How {
    Takes,
    Rejects,
    Works,
    Fails,
    Hangs,
    IsGone,
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A sender publishes, and perhaps waits.
    Deliver {
        sender: usize,
        waits: bool,
    },
    /// The device has sent a message, and it is delivered.
    Receipt,
    /// The address answers a request: the oldest, or a later one.
    Answer {
        place: usize,
        how: How,
    },
    /// The webhook is set, to one of two addresses.
    Set {
        moves: bool,
        width: u32,
    },
    Unset,
    Connect,
    Close,
    Poll,
    Ack {
        place: usize,
    },
    Cancel {
        place: usize,
    },
    Ring,
    Tick,
    Pass {
        millis: i64,
    },
    Crash,
}

fn hows() -> impl Strategy<Value = How> {
    prop::sample::select(vec![
        How::Takes,
        How::Takes,
        How::Rejects,
        How::Works,
        How::Fails,
        How::Fails,
        How::Fails,
        How::Hangs,
        How::IsGone,
    ])
}

/// Steps about messages and their address only.
fn of_address() -> BoxedStrategy<Step> {
    let place = || prop::sample::select(vec![0_usize, 0, 1, 2, 5]);
    let answer = (place(), hows()).prop_map(|(place, how)| Step::Answer { place, how });
    let deliver = (0..3_usize, any::<bool>());
    prop_oneof![
        5 => deliver.prop_map(|(sender, waits)| Step::Deliver { sender, waits }),
        8 => answer,
        1 => any::<bool>().prop_map(|moves| Step::Set { moves, width: 1 }),
        1 => place().prop_map(|place| Step::Cancel { place }),
        2 => Just(Step::Ring),
        1 => Just(Step::Tick),
        3 => prop::sample::select(vec![1_i64, 1_000, 5_000, 30_000])
            .prop_map(|millis| Step::Pass { millis }),
    ]
    .boxed()
}

/// All steps.
fn of_all() -> BoxedStrategy<Step> {
    let set = (any::<bool>(), prop::sample::select(vec![1_u32, 2, 16]));
    let of_sockets = prop_oneof![
        Just(Step::Connect),
        Just(Step::Close),
        Just(Step::Poll),
        Just(Step::Crash),
        Just(Step::Unset),
        (0..6_usize).prop_map(|place| Step::Ack { place }),
        set.prop_map(|(moves, width)| Step::Set { moves, width }),
    ];
    prop_oneof![3 => of_address(), 1 => Just(Step::Receipt), 2 => of_sockets].boxed()
}

fn histories(step: BoxedStrategy<Step>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step, 1..50)
}

/// A mailbox, and what is known of it from outside.
struct Run {
    harness: Harness,
    now: i64,
    connection: u32,
    /// Those that were delivered to it.
    messages: Vec<Message>,
    /// Those, counted from 1, whose senders were told that they are held or sent.
    promised: BTreeSet<usize>,
    /// The number of each in the words of the harness, which counts what the device sends, too.
    numbers: BTreeMap<usize, usize>,
    /// Receipts that there are, and those in requests that were answered with 2xx.
    receipts: BTreeSet<String>,
    taken: BTreeSet<String>,
    /// The first request for a message that was made before those before it had ended.
    out_of_order: Option<String>,
}

impl Run {
    fn new(events: &[&str], width: u32) -> Self {
        let mut harness = Harness::with(|limits| limits.max_attempts = 100);
        let setting = setting_at("https://hooks.example/x", events, width);
        harness.set_webhook_to(setting).unwrap();
        Self {
            harness,
            now: 0,
            connection: 0,
            messages: Vec::new(),
            promised: BTreeSet::new(),
            numbers: BTreeMap::new(),
            receipts: BTreeSet::new(),
            taken: BTreeSet::new(),
            out_of_order: None,
        }
    }

    fn message(&self, place: usize) -> Option<MessageId> {
        self.messages.iter().rev().nth(place).map(|it| it.id)
    }

    fn has_ended(&mut self, id: MessageId) -> bool {
        let state = answer(&self.harness.get_delivery(id));
        let open = ["held", "sent", "in_progress"];
        !open.iter().any(|open| state.starts_with(open))
    }

    /// What the mailbox has said and asked for.
    fn note(&mut self, words: &[String]) {
        for word in words {
            let Some(rest) = word.strip_prefix("answers ") else {
                continue;
            };
            let number = rest.rsplit("(#").next().unwrap().trim_end_matches(')');
            let number = self.numbers.get(&number.parse().unwrap());
            if rest.starts_with("held") || rest.starts_with("sent") {
                self.promised.extend(number);
            }
        }
        for word in super::posts(words) {
            let Some(rest) = word.strip_prefix("post body ") else {
                continue;
            };
            let number: usize = rest.split(',').next().unwrap().parse().unwrap();
            let sender = self.messages[number - 1].from.clone();
            let before = self.messages.iter().take(number - 1);
            let before = before.filter(|other| other.from == sender).map(|it| it.id);
            let before: Vec<_> = before.collect();
            if before.into_iter().any(|id| !self.has_ended(id)) && self.out_of_order.is_none() {
                self.out_of_order = Some(word.to_owned());
            }
        }
    }

    fn answer(&mut self, post: (PostPurpose, Chain, Post), how: How) {
        let outcome = match how {
            How::Takes => Ok(status(204)),
            How::Rejects => Ok(status(422)),
            How::Works => Ok(PostResponse {
                retry_after: Some(7),
                ..status(202)
            }),
            How::Fails => Ok(status(500)),
            How::Hangs => Err(PostError::Timeout),
            How::IsGone => Ok(status(410)),
        };
        let is_receipts = matches!(post.0, PostPurpose::Receipts { .. });
        if is_receipts && matches!(how, How::Takes | How::Works) {
            let body: serde_json::Value = serde_json::from_slice(&post.2.body).unwrap();
            let data = &body["data"];
            let all = data
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![data.clone()]);
            let ids = all.iter().map(|it| it["id"].as_str().unwrap().to_owned());
            self.taken.extend(ids);
        }
        let words = self.harness.answer_post(post, outcome);
        self.note(&words);
    }

    fn step(&mut self, step: &Step) {
        self.harness.at(self.now);
        let words = match *step {
            Step::Deliver { sender, waits } => {
                let n = self.messages.len() + 1;
                let message = message_from(SENDERS[sender], n as u64, LASTING);
                self.messages.push(message.clone());
                self.numbers.insert(self.harness.number(message.id), n);
                let words = self
                    .harness
                    .deliver(&message, if waits { 1_000 } else { 0 });
                if words
                    .iter()
                    .any(|it| it.starts_with("held") || it.starts_with("sent"))
                {
                    self.promised.insert(n);
                }
                words
            }
            Step::Receipt => {
                let (id, _) = self.harness.publish(&["a"], &[], "x").unwrap();
                self.harness.returned("a", id, known("a", State::Held));
                let report = self.harness.report(id, delivery("a", State::Delivered));
                self.receipts.insert(id.to_string());
                report.unwrap()
            }
            Step::Answer { place, how } => {
                if place < self.harness.posts.len() {
                    let post = self.harness.posts.remove(place);
                    self.answer(post, how);
                }
                return;
            }
            Step::Set { moves, width } => {
                let url = if moves {
                    "https://hooks.example/y"
                } else {
                    "https://hooks.example/x"
                };
                let setting = setting_at(url, &["message", "receipt"], width);
                self.harness.set_webhook_to(setting).unwrap().2
            }
            Step::Unset => self.harness.ask(Call::RemoveWebhook).1,
            Step::Connect => {
                self.connection += 1;
                self.harness.connect(self.connection)
            }
            Step::Close => self.harness.closed(self.connection),
            Step::Poll => {
                self.harness.poll(1);
                return;
            }
            Step::Ack { place } => match self.message(place) {
                Some(id) => self.harness.ack(id),
                None => return,
            },
            Step::Cancel { place } => match self.message(place) {
                Some(id) => self.harness.cancel_delivery(id).1,
                None => return,
            },
            Step::Ring => self.harness.ring(),
            Step::Tick => self.harness.tick(),
            Step::Pass { millis } => {
                self.now += millis;
                return;
            }
            Step::Crash => {
                self.harness.crash();
                return;
            }
        };
        self.note(&words);
    }

    /// The address takes everything from now on, and nothing but time passes. If there is none, it is set. Returns the
    /// promised messages that have not ended then.
    fn recover(&mut self) -> Vec<usize> {
        self.step(&Step::Close);
        let webhook = self.harness.get_webhook();
        if webhook.is_err() || webhook.is_ok_and(|it| it.disabled.is_some()) {
            self.step(&Step::Set {
                moves: false,
                width: 1,
            });
        }
        for _ in 0..600 {
            if !self.harness.posts.is_empty() {
                let post = self.harness.posts.remove(0);
                self.answer(post, How::Takes);
            } else if let Some(at) = self.harness.alarm {
                self.now = self.now.max(at);
                // Reports are repeated for ever, since no mailbox of a sender answers here.
                if self.now > 50_000_000 {
                    break;
                }
                self.step(&Step::Ring);
            } else {
                break;
            }
        }
        let promised: Vec<usize> = self.promised.iter().copied().collect();
        let left = promised.into_iter();
        left.filter(|number| !self.has_ended(self.messages[number - 1].id))
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_was_promised_ends_once_the_address_takes_everything(steps in histories(of_all())) {
        let mut run = Run::new(&["message", "receipt"], 1);
        steps.iter().for_each(|step| run.step(step));
        let left = run.recover();
        prop_assert!(left.is_empty(), "{left:?} have not ended");
    }

    #[test]
    fn every_receipt_is_in_a_request_that_was_taken(steps in histories(of_all())) {
        let has_socket = |step: &Step| matches!(step, Step::Connect);
        let mut run = Run::new(&["message", "receipt"], 1);
        // Over a socket receipts are sent, too, and may be seen there.
        let steps = steps.iter().filter(|step| !has_socket(step));
        steps.for_each(|step| run.step(step));
        run.recover();
        prop_assert_eq!(&run.taken, &run.receipts);
        run.step(&Step::Crash);
        run.step(&Step::Ring);
        prop_assert_eq!(run.harness.posts.len(), 0, "nothing is posted again");
    }

    #[test]
    fn one_at_a_time_is_in_order_through_failures_moves_and_crashes(
        steps in histories(prop_oneof![9 => of_address(), 1 => Just(Step::Crash)].boxed()),
    ) {
        let mut run = Run::new(&["message"], 1);
        // Those behind a message that the address works on do not wait for it.
        let works = |step: &&Step| matches!(step, Step::Answer { how: How::Works, .. });
        steps.iter().filter(|step| !works(step)).for_each(|step| run.step(step));
        run.recover();
        prop_assert_eq!(run.out_of_order, None);
    }

    #[test]
    fn one_at_a_time_is_in_order_beside_polls(
        steps in histories(prop_oneof![6 => of_address(), 1 => Just(Step::Poll)].boxed()),
    ) {
        let mut run = Run::new(&["message"], 1);
        // Nor for one that a poll takes while the webhook is disabled.
        let exempt = |step: &&Step| {
            matches!(step, Step::Answer { how: How::Works | How::IsGone, .. })
        };
        steps.iter().filter(|step| !exempt(step)).for_each(|step| run.step(step));
        run.recover();
        prop_assert_eq!(run.out_of_order, None);
    }
}
