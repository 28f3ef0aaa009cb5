//! What holds for any sequence of events between user agents, application servers and one mailbox.
//!
//! Each history is checked from outside: from the frames that user agents get, from the answers to application servers,
//! and from the receipts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use tagpost_core::call::{Call, Pushed};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::Reply;
use tagpost_core::message::Urgency;
use tagpost_core::protocol::web_push::WebPush;
use tagpost_core::web_push::seal::PushUrl;

use super::super::harness::Harness;
use super::receipts::asks;
use super::steps::{Step, steps};
use super::{ONE, TWO};

/// A message that the service has taken, or may take yet.
#[derive(Debug)]
struct Sent {
    /// Its place among all.
    number: usize,
    channel: PushUrl,
    expires_at: i64,
    now_or_never: bool,
    urgent: bool,
    topic: bool,
}

struct Run {
    harness: Harness,
    now: i64,
    connection: u32,
    open: bool,
    /// The id that the user agent was given, and whether the mailbox holds channels for it.
    agent: Option<String>,
    holds: Option<String>,
    endpoints: BTreeMap<usize, PushUrl>,
    sent: Vec<Sent>,
    /// The numbers of the messages that came over this connection.
    on_connection: BTreeSet<usize>,
    /// How often each message came, the oldest first that waits for an acknowledgement, and what was acknowledged.
    arrivals: BTreeMap<usize, u32>,
    waiting: Vec<(usize, MessageId)>,
    acked: BTreeMap<usize, MessageId>,
    /// The messages by their ids, as far as these are known from outside.
    numbers: BTreeMap<MessageId, usize>,
    /// Those that application servers were told are taken.
    taken: BTreeSet<MessageId>,
    /// When the user agent has taken over from itself; too often is refused.
    takeovers: Vec<i64>,
}

impl Run {
    fn new() -> Self {
        let change = |limits: &mut tagpost_core::limits::Limits| {
            (
                limits.push_ack_timeout,
                limits.max_in_flight,
                limits.max_attempts,
            ) = (2, 3, 100);
        };
        Self {
            harness: Harness::with(change),
            now: 0,
            connection: 0,
            open: false,
            agent: None,
            holds: None,
            endpoints: BTreeMap::new(),
            sent: Vec::new(),
            on_connection: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            waiting: Vec::new(),
            acked: BTreeMap::new(),
            numbers: BTreeMap::new(),
            taken: BTreeSet::new(),
            takeovers: Vec::new(),
        }
    }

    fn frame(&mut self, frame: &Value) -> Vec<String> {
        match self.open {
            true => self.harness.frame(self.connection, &frame.to_string()),
            false => Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.harness.at(self.now);
        let words = match *step {
            Step::Connect { knows } => {
                self.takeovers.retain(|at| self.now - at < 60_000);
                if self.takeovers.len() >= 6 {
                    self.takeovers.clear();
                    self.step(&Step::Pass { millis: 60_000 })?;
                }
                self.takeovers.push(self.now);
                self.connection += 1;
                self.begin_connection(true);
                let words = self.harness.connect_over(self.connection, &WebPush);
                prop_assert!(
                    !words.iter().any(|word| word.contains("notification")),
                    "before hello: {words:?}"
                );
                self.heard(&words)?;
                let said = self.agent.clone().filter(|_| knows);
                let words = self.frame(&json!({"messageType": "hello", "uaid": said}));
                let answer = frames(&words)
                    .find(|frame| frame["messageType"] == "hello")
                    .unwrap();
                let agent = answer["uaid"].as_str().unwrap().to_owned();
                prop_assert_eq!(
                    said.is_some() && said == self.holds,
                    Some(&agent) == self.holds.as_ref()
                );
                self.agent = Some(agent);
                words
            }
            Step::Close => {
                let words = self.harness.closed(self.connection);
                self.begin_connection(false);
                words
            }
            Step::Register { channel } => {
                let name = [ONE, TWO][channel];
                let words = self.frame(&json!({"messageType": "register", "channelID": name}));
                if self.open {
                    if self.holds != self.agent {
                        self.endpoints.clear();
                        self.holds.clone_from(&self.agent);
                    }
                    let answer = frames(&words)
                        .find(|frame| frame["messageType"] == "register")
                        .unwrap();
                    let endpoint = answer["pushEndpoint"].as_str().unwrap();
                    let sealed = endpoint.rsplit('/').next().unwrap();
                    let url: PushUrl = super::super::harness::push_keys().open(sealed).unwrap();
                    let known = self.sent.iter().find(|sent| sent.channel == url);
                    let is_old = self.endpoints.get(&channel).is_some_and(|old| *old == url);
                    prop_assert!(is_old || known.is_none(), "an endpoint is used again");
                    self.endpoints.insert(channel, url);
                }
                words
            }
            Step::Unregister { channel } => {
                let name = [ONE, TWO][channel];
                if self.open {
                    self.endpoints.remove(&channel);
                }
                self.frame(&json!({"messageType": "unregister", "channelID": name}))
            }
            Step::Push {
                channel,
                ttl,
                topic,
                urgent,
            } => self.push(channel, ttl, topic, urgent)?,
            Step::Ack { code } => match self.waiting.first().copied().filter(|_| self.open) {
                Some((number, id)) => {
                    self.waiting.remove(0);
                    self.acked.insert(number, id);
                    self.harness.acks(self.connection, &[(id, code)])
                }
                None => Vec::new(),
            },
            Step::AckAgain => match self.acked.values().next().copied().filter(|_| self.open) {
                Some(id) => self.harness.acks(self.connection, &[(id, 102)]),
                None => Vec::new(),
            },
            Step::RemoveAll => {
                let words = self.harness.ask(Call::RemoveChannels { channel: None }).1;
                self.endpoints.clear();
                self.holds = None;
                words
            }
            Step::Ring => self.harness.ring(),
            Step::Tick => self.harness.tick(),
            Step::Sleep => {
                self.harness.sleep();
                Vec::new()
            }
            // The timer goes off in time.
            Step::Pass { millis } => {
                self.now += millis;
                self.harness.at(self.now).tick()
            }
        };
        self.heard(&words)
    }

    fn push(
        &mut self,
        channel: usize,
        ttl: u32,
        topic: bool,
        urgent: bool,
    ) -> Result<Vec<String>, TestCaseError> {
        let Some(url) = self.endpoints.get(&channel).cloned() else {
            // The endpoint of a channel that has ended is gone.
            if let Some(gone) = self
                .sent
                .iter()
                .find(|sent| !self.endpoints.values().any(|it| *it == sent.channel))
            {
                let gone = gone.channel.clone();
                let answer = self.harness.push(&gone, "late", |_| {}).1;
                prop_assert_eq!(answer, Some(Pushed::NoChannel));
            }
            return Ok(Vec::new());
        };
        let number = self.sent.len();
        self.sent.push(Sent {
            number,
            channel: url.clone(),
            expires_at: self.now + i64::from(ttl) * 1_000,
            now_or_never: ttl == 0,
            urgent,
            topic,
        });
        let (_, answer, words) = self.harness.push(&url, &number.to_string(), |draft| {
            if ttl > 0 {
                asks(draft);
            }
            draft.ttl = ttl;
            draft.topic = topic.then(|| "t".parse().unwrap());
            draft.urgency = if urgent {
                Urgency::High
            } else {
                Urgency::Normal
            };
        });
        match answer {
            Some(Pushed::Taken(id)) => {
                self.numbers.insert(id, number);
                self.taken.insert(id);
            }
            None => {}
            Some(other) => prop_assert!(false, "{other:?}"),
        }
        Ok(words)
    }

    fn begin_connection(&mut self, open: bool) {
        self.open = open;
        self.on_connection.clear();
        self.waiting.clear();
    }

    /// Checks what the user agent gets.
    fn heard(&mut self, words: &[String]) -> Result<(), TestCaseError> {
        let answers = words
            .iter()
            .filter_map(|word| word.strip_prefix("push: Pushed(Taken("));
        let answers = answers.map(|id| id.trim_end_matches("))").parse::<MessageId>().unwrap());
        self.taken.extend(answers);
        for frame in frames(words) {
            if frame["messageType"] != "notification" {
                continue;
            }
            let number: usize = frame["data"].as_str().unwrap().parse().unwrap();
            let id = frame["version"].as_str().unwrap().parse().unwrap();
            prop_assert!(
                *self.numbers.entry(id).or_insert(number) == number,
                "an id is used again"
            );
            let sent = &self.sent[number];
            prop_assert!(
                self.open && self.agent == self.holds,
                "sent to a user agent that holds no channels"
            );
            prop_assert!(
                self.endpoints.values().any(|it| *it == sent.channel),
                "its channel has ended"
            );
            prop_assert!(
                self.on_connection.insert(number),
                "sent twice over one connection"
            );
            prop_assert!(
                !self.acked.contains_key(&number),
                "sent though acknowledged"
            );
            prop_assert!(
                sent.now_or_never || self.now < sent.expires_at,
                "sent though expired"
            );
            let arrivals = self.arrivals.entry(number).or_default();
            *arrivals += 1;
            prop_assert!(
                !sent.now_or_never || *arrivals == 1,
                "now or never, and sent again"
            );
            let newer = |other: &&Sent| {
                let same = other.channel == sent.channel && other.topic && sent.topic;
                same && other.number > number
                    && (!other.now_or_never || self.arrivals.contains_key(&other.number))
            };
            prop_assert!(
                self.sent.iter().find(newer).is_none(),
                "sent though replaced"
            );
            if self.arrivals[&number] == 1 {
                let later = |other: &&Sent| {
                    other.number > number
                        && other.urgent == sent.urgent
                        && other.channel == sent.channel
                        && !other.now_or_never
                        && self.arrivals.contains_key(&other.number)
                };
                prop_assert!(
                    sent.now_or_never || self.sent.iter().find(later).is_none(),
                    "sent after a later one"
                );
            }
            if !sent.now_or_never {
                self.waiting.push((number, id));
            }
        }
        if words.iter().any(|word| word.contains(" closes with "))
            && !words.iter().any(|word| word.contains("closes with 4774"))
        {
            self.begin_connection(false);
        }
        self.harness.assert_rows();
        Ok(())
    }

    /// The user agent comes back and acknowledges everything.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..self.sent.len() + 2 {
            self.step(&Step::Pass { millis: 61_000 })?;
            self.step(&Step::Connect { knows: true })?;
            while !self.waiting.is_empty() {
                self.step(&Step::Ack { code: 100 })?;
            }
        }
        self.step(&Step::Pass { millis: 700_000 })?;
        self.step(&Step::Ring)
    }
}

fn frames(words: &[String]) -> impl Iterator<Item = Value> {
    let texts = words.iter().filter_map(|word| word.split_once(" <- "));
    texts.filter_map(|(_, text)| serde_json::from_str(text).ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn user_agents_get_each_message_as_promised_and_senders_learn_every_end(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step)?;
        }
        let before: BTreeSet<usize> = run.acked.keys().copied().collect();
        run.finish()?;
        // Nothing is left but the receipts.
        prop_assert_eq!(run.harness.rows(), "account 1");
        for url in run.endpoints.clone().into_values() {
            let call = Call::PushReceipts { channel: url.channel, since: url.since, seen: None, after: None, wait: 0 };
            let receipts = match run.harness.ask(call).0 {
                Ok(Reply::PushReceipts(Some(receipts))) => receipts,
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            let ids: BTreeSet<MessageId> = receipts.iter().map(|receipt| receipt.message).collect();
            prop_assert_eq!(ids.len(), receipts.len(), "one receipt for each message");
            for id in &run.taken {
                let sent = run.numbers.get(id).map(|number| &run.sent[*number]);
                let is_due = |sent: &&Sent| sent.channel == url && !sent.topic && !sent.now_or_never;
                if let Some(sent) = sent.filter(is_due) {
                    prop_assert!(ids.contains(id), "no receipt for {}; acknowledged before the end: {before:?}", sent.number);
                }
            }
        }
    }
}
