//! One mailbox on the bench: a store, a clock that is moved by hand, and effects in short words.

use tagpost_core::call::{Call, DeliveryStatus, Settled};
use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::{
    Accepted, CallPurpose, ConnectionId, Effect, Mailbox, PublishFrame, Published, Terms,
};
use tagpost_core::message::{Message, Target};
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::protocol::{CODECS, Codec, Codecs, Frame};
use tagpost_core::publish::Draft;
use tagpost_core::store::{Row, Store, StoreError};
use tagpost_core::time::{Millis, Now};
use tagpost_core::token::Claims;
use tagpost_core::trace;
use tagpost_sim::store::Sqlite;

use super::summary::{answer, problem_or, states, summary};

/// When every test begins; times in tests count from here.
pub(crate) const START: Millis = 1_800_000_000_000;

/// The mailbox of the device `cam`, which is registered.
pub(crate) struct Harness {
    pub(crate) limits: Limits,
    /// The protocols that it knows.
    pub(crate) codecs: &'static Codecs,
    store: Sqlite,
    mailbox: Option<Mailbox<Sqlite>>,
    attachments: Vec<String>,
    pub(crate) alarm: Option<Millis>,
    now: Millis,
    random: u64,
    /// The messages of the test, in the order in which it first met them.
    messages: Vec<MessageId>,
    /// The last calls to deliver that the mailbox made: to whom, and which message.
    pub(crate) calls: Vec<(DeviceId, Message)>,
    /// The last frames whose targets it wanted resolved.
    pub(crate) resolving: Vec<PublishFrame>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// One with other limits than the usual.
    pub(crate) fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let mut harness = Self {
            limits,
            codecs: CODECS,
            store: Sqlite::new().unwrap(),
            mailbox: None,
            attachments: Vec::new(),
            alarm: None,
            now: 0,
            random: 0,
            messages: Vec::new(),
            calls: Vec::new(),
            resolving: Vec::new(),
        };
        harness.event(|mailbox, now| mailbox.register(&device("cam"), now));
        harness
    }

    /// Milliseconds since the start.
    pub(crate) fn at(&mut self, millis: Millis) -> &mut Self {
        self.now = millis;
        self
    }

    /// One event, committed; returns its outcome and its effects in words. The alarm is in neither: it is
    /// [`Harness::alarm`].
    pub(crate) fn event<T>(
        &mut self,
        handle: impl FnOnce(&mut Mailbox<Sqlite>, Now) -> Result<T, StoreError>,
    ) -> (T, Vec<String>) {
        self.event_with(&[], handle)
    }

    fn event_with<T>(
        &mut self,
        frames: &[(ConnectionId, Frame)],
        handle: impl FnOnce(&mut Mailbox<Sqlite>, Now) -> Result<T, StoreError>,
    ) -> (T, Vec<String>) {
        self.random += 1;
        let now = Now {
            at: START + self.now,
            pong_at: None,
            random: self.random,
        };
        self.store.begin().unwrap();
        let mailbox = self.mailbox.get_or_insert_with(|| {
            let alarm = self.alarm.map(|at| START + at);
            Mailbox::open(
                self.store.clone(),
                self.limits.clone(),
                self.codecs,
                &self.attachments,
                alarm,
                now,
            )
            .unwrap()
        });
        let outcome = mailbox.with_batched_frames(frames, now, handle).unwrap();
        let effects = mailbox.take_effects();
        self.store.commit().unwrap();
        let summaries = effects
            .into_iter()
            .filter_map(|effect| self.perform(effect))
            .collect();
        (outcome, summaries)
    }

    fn perform(&mut self, effect: Effect) -> Option<String> {
        match effect {
            Effect::Alarm(at) => {
                self.alarm = Some(at - START);
                return None;
            }
            Effect::Attach { attachment, .. } => {
                self.attachments = vec![attachment];
                return None;
            }
            Effect::Close { .. } => self.attachments.clear(),
            Effect::Call {
                ref to,
                call: Call::Deliver { .. },
                enclosed: Some(ref message),
                ..
            } => {
                let message = serde_json::from_str(message).unwrap();
                self.calls.push((to.clone(), message));
            }
            Effect::Resolve(frame) => {
                self.resolving.push(*frame);
                return Some("resolve".to_owned());
            }
            _ => {}
        }
        Some(summary(&effect, |id| self.number(id)))
    }

    /// The number of this message among those of the test, from 1.
    fn number(&mut self, id: MessageId) -> usize {
        let known = self.messages.iter().position(|message| *message == id);
        let place = known.unwrap_or_else(|| {
            self.messages.push(id);
            self.messages.len() - 1
        });
        place + 1
    }

    /// Memory goes; the store, the socket and the alarm stay.
    pub(crate) fn sleep(&mut self) {
        self.mailbox = None;
    }

    /// Memory and sockets go; the store and the alarm stay.
    pub(crate) fn crash(&mut self) {
        self.mailbox = None;
        self.attachments.clear();
    }

    pub(crate) fn connect(&mut self, connection: ConnectionId) -> Vec<String> {
        self.connect_over(connection, &TagpostV1)
    }

    pub(crate) fn connect_over(
        &mut self,
        connection: ConnectionId,
        codec: &'static dyn Codec,
    ) -> Vec<String> {
        self.event(|mailbox, now| mailbox.connect(connection, codec, &claims("cam"), None, now))
            .1
    }

    pub(crate) fn frame(&mut self, connection: ConnectionId, text: &str) -> Vec<String> {
        self.with_batched_frames(&[(connection, Frame::Text(text.to_owned()))], |_, _| Ok(()))
    }

    /// An event that takes along frames which came before it.
    pub(crate) fn with_batched_frames<T>(
        &mut self,
        frames: &[(ConnectionId, Frame)],
        handle: impl FnOnce(&mut Mailbox<Sqlite>, Now) -> Result<T, StoreError>,
    ) -> Vec<String> {
        self.event_with(frames, handle).1
    }

    pub(crate) fn ack(&mut self, id: MessageId) -> Vec<String> {
        self.event(|mailbox, now| mailbox.ack(id, None, now)).1
    }

    pub(crate) fn closed(&mut self, connection: ConnectionId) -> Vec<String> {
        let effects = self.event(|mailbox, now| mailbox.closed(connection, now)).1;
        self.attachments.clear();
        effects
    }

    /// The alarm goes off.
    pub(crate) fn ring(&mut self) -> Vec<String> {
        self.alarm = None;
        self.event(|mailbox, now| mailbox.alarm(now)).1
    }

    /// A message comes; the answer in words comes before the effects, if there is one at once.
    pub(crate) fn deliver(&mut self, message: &Message, wait: u32) -> Vec<String> {
        self.deliver_on(
            message,
            Terms {
                wait,
                after: None,
                until: Millis::MAX,
                waited: false,
            },
        )
    }

    pub(crate) fn deliver_on(&mut self, message: &Message, terms: Terms) -> Vec<String> {
        self.number(message.id);
        let (accepted, effects) =
            self.event(|mailbox, now| mailbox.deliver(message.clone(), terms, now));
        let answer = match accepted {
            Accepted::Answer(delivered) => answer(&delivered),
            Accepted::Wait(until) => format!("waits until {}", until - START),
            Accepted::Early(early) => {
                assert_eq!(early.message.id, message.id);
                assert_eq!(early.terms.after, Some(early.after));
                assert!(early.terms.waited);
                format!("again at {}", early.until - START)
            }
        };
        [vec![answer], effects].concat()
    }

    pub(crate) fn wait_is_over(&mut self, id: MessageId) -> Vec<String> {
        let (delivered, effects) = self.event(|mailbox, now| mailbox.wait_is_over(id, now));
        [vec![answer(&delivered)], effects].concat()
    }

    /// The device publishes; `headers` are those of the request.
    pub(crate) fn publish(
        &mut self,
        to: &[&str],
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(MessageId, Vec<String>), String> {
        let (target, devices) = addresses(to);
        let draft = draft(headers, body);
        let (published, effects) =
            self.event(|mailbox, now| problem_or(mailbox.publish(target, devices, draft, now)));
        match published {
            Ok(Published::Wait(id)) => {
                self.number(id);
                Ok((id, effects))
            }
            Ok(Published::Answer(trace)) => {
                self.number(trace.id);
                Ok((trace.id, [vec![states(&trace)], effects].concat()))
            }
            Err(problem) => Err(problem),
        }
    }

    /// Another mailbox answers a call to deliver this message, or does not.
    pub(crate) fn returned(
        &mut self,
        from: &str,
        id: MessageId,
        answer: Option<DeliveryStatus>,
    ) -> Vec<String> {
        let text = answer.map(|answer| serde_json::to_string(&answer).unwrap());
        let purpose = CallPurpose::Deliver(id);
        self.event(|mailbox, now| mailbox.returned(&device(from), purpose, text.as_deref(), now))
            .1
    }

    /// A sender's mailbox takes a report, or does not.
    pub(crate) fn reported(&mut self, to: &str, taken: bool) -> Vec<String> {
        let text = taken.then_some("[]");
        self.event(|mailbox, now| mailbox.returned(&device(to), CallPurpose::Report, text, now))
            .1
    }

    /// A recipient's mailbox reports how a delivery ended.
    pub(crate) fn report(
        &mut self,
        id: MessageId,
        delivery: Delivery,
    ) -> Result<Vec<String>, String> {
        let settled = vec![Settled { id, delivery }];
        let (taken, effects) =
            self.event(|mailbox, now| problem_or(mailbox.take_report(settled, now)));
        taken.map(|()| effects)
    }

    /// The states of a message's deliveries, as its trace tells them.
    pub(crate) fn trace(&mut self, id: MessageId) -> Result<String, String> {
        let found = self
            .event(|mailbox, _| problem_or(mailbox.trace(id, None, trace::PAGE)))
            .0;
        found.map(|(trace, _)| states(&trace))
    }

    /// How many rows each table has that has any.
    pub(crate) fn rows(&self) -> String {
        let tables = [
            "account", "inbox", "outbox", "parts", "groups", "keys", "jobs",
        ];
        let count = |table: &str| {
            let mut rows = self
                .store
                .run(&format!("SELECT count(*) FROM {table}"), &[])
                .unwrap();
            rows[0].int().unwrap()
        };
        let counted = tables.map(|table| (table, count(table)));
        let some = counted.iter().filter(|(_, count)| *count > 0);
        some.map(|(table, count)| format!("{table} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// How many rows were written so far.
    pub(crate) fn writes(&self) -> u64 {
        self.store.changes()
    }

    /// The bytes of the database.
    pub(crate) fn size(&self) -> u64 {
        self.store.size().unwrap()
    }

    /// How many statements were run so far.
    pub(crate) fn statements(&self) -> u64 {
        self.store.statements()
    }

    /// How much work the statements were so far.
    pub(crate) fn steps(&self) -> u64 {
        self.store.steps()
    }

    /// The numbers of all receipts that are kept, in the order of their rows, seen or not.
    pub(crate) fn receipts(&self) -> Vec<i64> {
        let numbers = "SELECT json_extract(value, '$.receipt') FROM outbox, json_each(deliveries) \
            WHERE json_extract(value, '$.receipt') IS NOT NULL UNION ALL \
            SELECT json_extract(value, '$.receipt') FROM parts, json_each(parts.deliveries) \
            WHERE json_extract(value, '$.receipt') IS NOT NULL";
        let rows = self.store.run(numbers, &[]).unwrap();
        rows.into_iter().map(|mut row| row.int().unwrap()).collect()
    }

    /// The only column of the only row of a query.
    pub(crate) fn query(&self, sql: &str) -> Row {
        self.store.run(sql, &[]).unwrap().pop().unwrap()
    }
}

pub(crate) fn device(name: &str) -> DeviceId {
    name.parse().unwrap()
}

pub(crate) fn claims(name: &str) -> Claims {
    Claims {
        device: device(name),
        issued_at: START / 1000,
        expires_at: None,
        publish: None,
        tags: vec![],
        revocations: None,
    }
}

fn draft(headers: &[(&str, &str)], body: &str) -> Draft {
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Draft::from_http(header, body.as_bytes(), &Limits::default()).unwrap()
}

fn addresses(to: &[&str]) -> (Target, Vec<DeviceId>) {
    let devices = to.iter().map(|name| device(name)).collect();
    match to {
        [one] => (Target::Device(device(one)), devices),
        _ => (Target::Tag("hall".parse().unwrap()), devices),
    }
}

/// A message of `door`, the `n`th, accepted at the start.
pub(crate) fn message(n: u64, headers: &[(&str, &str)]) -> Message {
    message_from("door", n, headers)
}

pub(crate) fn message_from(sender: &str, n: u64, headers: &[(&str, &str)]) -> Message {
    let id = MessageId::next(&device(sender), START, None, n);
    draft(headers, &format!("body {n}")).into_message(
        id,
        device(sender),
        Target::Device(device("cam")),
        START,
    )
}

/// What a mailbox says of a delivery in this state.
pub(crate) fn known(name: &str, state: State) -> Option<DeliveryStatus> {
    Some(DeliveryStatus::Known(delivery(name, state)))
}

pub(crate) fn delivery(name: &str, state: State) -> Delivery {
    Delivery::first(device(name), state, START + 1)
}
