//! One mailbox on the bench: a store, a clock that is moved by hand, and outputs in short words.

mod rows;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tagpost_core::call::{Call, DeliveryStatus};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::{
    CallId, CallPurpose, Chain, ConnectionId, Input, Mailbox, Output, PostPurpose,
};
use tagpost_core::message::Message;
use tagpost_core::operator_event::Settings;
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::protocol::{CODECS, Codec, Codecs, Frame};
use tagpost_core::time::{Millis, Now};
use tagpost_core::wake::Knocks;
use tagpost_core::webhook::Post;
use tagpost_sim::store::Sqlite;

pub(crate) use self::samples::{
    addresses, claims, delivery, device, draft, known, message, message_from, push_keys,
};
use super::calls::Asked;
use super::summary::summary;

/// When every test begins; times in tests count from here.
pub(crate) const START: Millis = 1_800_000_000_000;

/// Connections from this number on are those of watchers.
pub(crate) const WATCHER: ConnectionId = 90_000;

/// The mailbox of the device `cam`, which is registered, unless it is another's.
pub(crate) struct Harness {
    pub(crate) limits: Limits,
    /// Which messages knock.
    pub(crate) knocks: Knocks,
    /// Whether the directory lists failures.
    pub(crate) failures: bool,
    /// Whether the service publishes events, and how.
    pub(crate) events: Option<Settings>,
    /// Whose mailbox it is.
    pub(super) owner: DeviceId,
    /// The protocols that it knows.
    pub(crate) codecs: &'static Codecs,
    store: Sqlite,
    mailbox: Option<Mailbox<Sqlite>>,
    attachments: BTreeMap<ConnectionId, String>,
    pub(crate) alarm: Option<Millis>,
    now: Millis,
    random: u64,
    /// The messages of the test, in the order in which it first met them.
    messages: Vec<MessageId>,
    /// The last calls to deliver that the mailbox made: to whom, and which message.
    pub(crate) calls: Vec<(DeviceId, Message)>,
    /// The requests to the address that are not answered.
    pub(crate) posts: Vec<(PostPurpose, Chain, Post)>,
    /// The calls that it was made.
    pub(super) asked: BTreeMap<CallId, Asked>,
    /// Those that it has not answered.
    pub(super) open: BTreeSet<CallId>,
    /// When it wants to be woken.
    timer: Option<Millis>,
    /// What watchers were told, in words, since this was last taken.
    pub(crate) told: Vec<String>,
    /// All outputs so far, in words, but answers and what watchers were told.
    pub(crate) log: Vec<String>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// One with other limits than the usual.
    pub(crate) fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut harness = Self::of(device("cam"), change);
        harness.register();
        harness
    }

    /// The mailbox of `owner`, to which nothing has happened.
    pub(super) fn of(owner: DeviceId, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self {
            limits,
            knocks: Knocks::Normal,
            failures: false,
            events: None,
            owner,
            codecs: CODECS,
            store: Sqlite::new().unwrap(),
            mailbox: None,
            attachments: BTreeMap::new(),
            alarm: None,
            now: 0,
            random: 0,
            messages: Vec::new(),
            calls: Vec::new(),
            posts: Vec::new(),
            asked: BTreeMap::new(),
            open: BTreeSet::new(),
            timer: None,
            told: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Milliseconds since the start.
    pub(crate) fn at(&mut self, millis: Millis) -> &mut Self {
        self.now = millis;
        self
    }

    /// One event, committed; returns its outputs in words. The alarm is not among them: it is [`Harness::alarm`].
    /// `tick` is a time at which the mailbox wants to be woken, unless a call waits until then.
    pub(crate) fn handle(&mut self, input: Input) -> Vec<String> {
        self.random += 1;
        let now = Now {
            at: START + self.now,
            pong_at: None,
            random: self.random,
        };
        self.store.begin().unwrap();
        let alarm = self.alarm.map(|at| START + at);
        let mailbox = self.mailbox.get_or_insert_with(|| {
            let (store, limits) = (self.store.clone(), self.limits.clone());
            let attachments: Vec<String> = self.attachments.values().cloned().collect();
            let mailbox = Mailbox::open(store, limits, self.codecs, &attachments, alarm, now);
            let mailbox = mailbox.unwrap();
            let mailbox = mailbox.with_push_keys(Some(Rc::new(push_keys())));
            let mailbox = mailbox.with_knocks(self.knocks);
            let mailbox = mailbox.with_failures(self.failures);
            mailbox.with_events(self.events.clone())
        });
        let outputs = mailbox.handle(input, now).unwrap();
        self.store.commit().unwrap();
        let mut calls = self.open.iter().filter_map(|call| mailbox.waits_for(*call));
        let timer = mailbox.poll_timeout();
        let of_a_call = calls.any(|(_, until)| until == timer);
        // Frames wait for a turn, not for a time.
        let ticks = timer.filter(|at| *at > now.at && !of_a_call && timer != self.timer);
        if timer.is_none_or(|at| at > now.at) {
            self.timer = timer;
        }
        let ticks = ticks.map(|at| format!("tick {}", at - START));
        let words = outputs
            .into_iter()
            .filter_map(|output| self.perform(output));
        ticks.into_iter().chain(words).collect()
    }

    fn perform(&mut self, output: Output) -> Option<String> {
        match output {
            Output::Alarm(at) => {
                self.alarm = Some(at - START);
                return None;
            }
            Output::Attach {
                connection,
                attachment,
            } => {
                self.attachments.insert(connection, attachment);
                return None;
            }
            Output::Accept(_) => return None,
            Output::Close { connection, .. } => drop(self.attachments.remove(&connection)),
            Output::Call {
                ref to,
                purpose: CallPurpose::Deliver(_),
                enclosed: Some(ref message),
                ..
            } => {
                let message = serde_json::from_str(message).unwrap();
                self.calls.push((to.clone(), message));
            }
            Output::Post {
                purpose,
                ref chain,
                ref post,
            } => self.posts.push((purpose, chain.clone(), post.clone())),
            Output::Reply(call, reply) => return self.replied(call, reply),
            _ => {}
        }
        let words = summary(&output);
        if let Output::Send { connection, .. } | Output::Close { connection, .. } = output
            && connection >= WATCHER
        {
            self.told.push(words);
            return None;
        }
        self.log.push(words.clone());
        Some(words)
    }

    /// The mailbox, which is open.
    pub(super) fn mailbox(&mut self) -> &mut Mailbox<Sqlite> {
        self.mailbox.as_mut().unwrap()
    }

    /// Memory and rows agree, if the mailbox is open.
    pub(crate) fn assert_rows(&mut self) {
        if let Some(mailbox) = self.mailbox.as_mut() {
            mailbox.assert_rows().unwrap();
        }
    }

    /// When the mailbox wants to be woken.
    pub(crate) fn timeout(&mut self) -> Option<Millis> {
        self.mailbox().poll_timeout().map(|at| at - START)
    }

    /// Whether frames wait for those right behind them.
    pub(crate) fn gathers_frames(&mut self) -> bool {
        self.mailbox().poll_timeout() == Some(START + self.now)
    }

    /// It is opened, if it is not open, and nothing happens.
    pub(crate) fn wake(&mut self) -> Vec<String> {
        self.handle(Input::Wake)
    }

    /// The time has come at which the mailbox wants to be woken.
    pub(crate) fn tick(&mut self) -> Vec<String> {
        let timeout = self.mailbox.as_ref().and_then(Mailbox::poll_timeout);
        let at = timeout.unwrap_or(START + self.now);
        self.handle(Input::Timeout(at.min(START + self.now)))
    }

    /// The number of this message among those of the test, from 1.
    pub(super) fn number(&mut self, id: MessageId) -> usize {
        let known = self.messages.iter().position(|message| *message == id);
        let place = known.unwrap_or_else(|| {
            self.messages.push(id);
            self.messages.len() - 1
        });
        place + 1
    }

    /// Memory goes; the store, the socket and the alarm stay.
    pub(crate) fn sleep(&mut self) {
        (self.mailbox, self.timer) = (None, None);
        self.open.clear();
        self.posts.clear();
    }

    /// Memory and sockets go; the store and the alarm stay.
    pub(crate) fn crash(&mut self) {
        self.sleep();
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
        self.open(connection, codec, claims("cam"), None)
    }

    pub(crate) fn frame(&mut self, connection: ConnectionId, text: &str) -> Vec<String> {
        self.frames(&[(connection, Frame::Text(text.to_owned()))])
    }

    /// Frames come right behind each other, and nothing else comes.
    pub(crate) fn frames(&mut self, frames: &[(ConnectionId, Frame)]) -> Vec<String> {
        let mut words = self.begin_frames(frames);
        if self.gathers_frames() {
            words.extend(self.tick());
        }
        words
    }

    /// Frames come right behind each other, and something else may come before they are handled.
    pub(crate) fn begin_frames(&mut self, frames: &[(ConnectionId, Frame)]) -> Vec<String> {
        let frames = frames.iter().cloned();
        frames
            .flat_map(|(connection, frame)| self.handle(Input::Frame { connection, frame }))
            .collect()
    }

    pub(crate) fn closed(&mut self, connection: ConnectionId) -> Vec<String> {
        let effects = self.handle(Input::Closed { connection });
        self.attachments.remove(&connection);
        effects
    }

    /// The alarm goes off.
    pub(crate) fn ring(&mut self) -> Vec<String> {
        self.alarm = None;
        self.handle(Input::Alarm)
    }

    /// The device works on a message for `seconds`.
    pub(crate) fn progress(&mut self, id: MessageId, seconds: u32, note: &str) -> Vec<String> {
        let call = Call::Progress {
            id,
            seconds: Some(seconds),
            note: (!note.is_empty()).then(|| note.to_owned()),
        };
        self.ask(call).1
    }

    /// Another mailbox answers a call to deliver this message, or does not.
    pub(crate) fn returned(
        &mut self,
        from: &str,
        id: MessageId,
        answer: Option<DeliveryStatus>,
    ) -> Vec<String> {
        self.returned_for(from, CallPurpose::Deliver(id), answer)
    }

    /// Another mailbox answers a call for this, or does not.
    pub(crate) fn returned_for(
        &mut self,
        from: &str,
        purpose: CallPurpose,
        answer: Option<DeliveryStatus>,
    ) -> Vec<String> {
        let text = answer.map(|answer| serde_json::to_string(&answer).unwrap());
        self.returned_text(from, purpose, text.as_deref())
    }

    pub(crate) fn returned_text(
        &mut self,
        from: &str,
        purpose: CallPurpose,
        answer: Option<&str>,
    ) -> Vec<String> {
        self.handle(Input::Returned {
            from: device(from),
            purpose,
            answer: answer.map(str::to_owned),
        })
    }

    /// A sender's mailbox takes a report, or does not.
    pub(crate) fn reported(&mut self, to: &str, taken: bool) -> Vec<String> {
        self.returned_text(to, CallPurpose::Report, taken.then_some("[]"))
    }
}
