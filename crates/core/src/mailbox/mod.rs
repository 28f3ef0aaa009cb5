//! The mailbox of one device: its connection, its inbox and its outbox, as a state machine.
//!
//! [`Mailbox::handle`] takes an input and the time, and returns the outputs, in order. [`Mailbox::poll_timeout`] is
//! when the mailbox has to be woken next; [`timer`] lists the reasons. Nothing else changes a mailbox.
//!
//! This file is the router between the components, which do not know each other: the inbox and the outbox are lent
//! the connection and the [`Context`] for one event, and [`pending`] is the table of unanswered calls.
//!
//! Between two inputs a mailbox that waits for nothing may be dropped and opened again: it continues from its rows and
//! its socket's attachment.
//!
//! Its invariants:
//! - a delivery is decided by the recipient's mailbox, and recorded in the sender's;
//! - a call to deliver is answered once the message is acknowledged, stored or settled, never before;
//! - a settled delivery is kept until the sender's mailbox has recorded it, a receipt until its device has
//!   seen it;
//! - a call is answered once, or its caller has a timeout of its own; its token is checked when it is answered;
//! - the alarm is set no later than the earliest thing due, and not set if nothing is.
//!
//! After a store error the mailbox must be dropped: see [`StoreError`].

mod account;
mod backoff;
mod bucket;
mod calls;
mod channels;
mod connection;
mod context;
mod failures;
mod hooks;
mod inbox;
mod lend;
mod news;
mod open;
mod operator_events;
mod outbox;
mod output;
mod pairing;
mod pending;
mod posting;
mod presence;
mod push;
mod registration;
mod resending;
mod revoked;
mod taking;
mod timer;
mod totals;
mod waiting;
mod wake;
mod waking;
mod watchers;
mod webhook;

use self::connection::Connection;
pub use self::connection::{Chain, ConnectionId};
use self::context::Context;
pub use self::inbox::{Page, Place, Waiting};
use self::news::{Effect, News};
pub use self::output::{CallId, CallPurpose, Input, Output, PostPurpose, Reply};
pub use self::pending::Awaited;
use self::pending::{Handshake, Pending};
use self::timer::Timer;
use crate::call::{DeliveryStatus, TAKEN};
use crate::id::DeviceId;
use crate::protocol::Frame;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};

/// The mailbox of one device.
#[derive(Debug)]
pub struct Mailbox<S> {
    cx: Context<S>,
    connection: Option<Connection>,
    /// Frames that wait for the frames right after them, oldest first.
    frames: Vec<(ConnectionId, Frame)>,
    inbox: inbox::Memory,
    outbox: outbox::Memory,
    channels: channels::Memory,
    pairing: pairing::Memory,
    hooks: hooks::Memory,
    wake: wake::Memory,
    failures: failures::Memory,
    operator_events: operator_events::Memory,
    watchers: watchers::Memory,
    webhook: webhook::Memory,
    /// Where requests to the address count in this event.
    chain: Chain,
    /// What the mailbox was opened for has not come yet.
    is_new: bool,
    pending: Pending,
}

impl<S: Store> Mailbox<S> {
    /// Handles an input. The outputs have to be performed in order, before the next input.
    ///
    /// # Errors
    /// The store failed.
    pub fn handle(&mut self, input: Input, now: Now) -> Result<Vec<Output>, StoreError> {
        self.operator_events().open(now)?;
        // What the mailbox was opened for comes next, and may be the first sign of life of a device that was asleep.
        let is_opening = matches!(input, Input::Wake);
        let input = match input {
            Input::Frame { connection, frame } => {
                let may_wait = self.may_wait(&frame);
                self.frames.push((connection, frame));
                if may_wait {
                    self.cx.wake_by(Timer::FrameTurn, now.at);
                    return Ok(Vec::new());
                }
                Input::Wake
            }
            other => other,
        };
        let silent_since = self.silent_since(now).filter(|_| !is_opening);
        self.begin_chain(&input);
        self.update_address(now)?;
        self.handle_frames(now)?;
        // Nothing is sent over a connection whose token has expired, whatever this event is about.
        self.receive(|inbox| inbox.check_token(now))?;
        let mut outputs = Vec::new();
        if matches!(input, Input::Watch { .. }) {
            // A watcher is told of what happens from then on.
            self.tell(&mut outputs, now)?;
        }
        self.route(input, now)?;
        // Filling the window may also settle what calls wait for.
        loop {
            self.connect_address(now)?;
            // The window is filled at the end: the event may concern a message that would be sent.
            if !is_opening {
                self.receive(|inbox| inbox.pump(now))?;
            }
            if !self.tell(&mut outputs, now)? {
                break;
            }
        }
        // One knock is for all messages that wait.
        if self.wake().knock(now)? {
            // Those that it was for have expired. Which others wait, the inbox knows.
            self.knock_for_missed(now)?;
            self.tell(&mut outputs, now)?;
            self.wake().knock(now)?;
        }
        self.failures().record(now)?;
        let reach = self.reach(silent_since, now);
        self.operator_events().tell(reach, now)?;
        self.tell(&mut outputs, now)?;
        self.cx.keep_totals()?;
        self.wake().keep()?;
        self.webhook().keep()?;
        self.go_on_posting(now);
        self.failures().note()?;
        self.operator_events().note()?;
        self.finish(&mut outputs);
        Ok(outputs)
    }

    /// Query: when [`Input::Timeout`] is due, if no other input comes first. Until then the mailbox must keep its
    /// memory. Whatever must happen even if the memory is lost uses the alarm: see [`Output::Alarm`].
    pub fn poll_timeout(&self) -> Option<Millis> {
        self.cx.timers.timer()
    }

    /// Query: what a call waits for, and until when at most; `None` if it is answered.
    pub fn waits_for(&self, call: CallId) -> Option<(Awaited, Option<Millis>)> {
        self.pending.find(call)
    }

    /// Asserts that memory and rows agree. Tests call it after each event. It runs statements of its own, and changes
    /// nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn assert_rows(&mut self) -> Result<(), StoreError> {
        if cfg!(debug_assertions) && self.cx.account.is_some() {
            self.inbox().assert_rows()?;
            self.outbox().assert_rows()?;
            self.channels().assert_rows()?;
            self.failures().assert_rows()?;
            self.operator_events().assert_rows()?;
        }
        Ok(())
    }
}

/// Routing inputs to the components, and their effects to the outputs.
impl<S: Store> Mailbox<S> {
    fn route(&mut self, input: Input, now: Now) -> Result<(), StoreError> {
        match input {
            // The frames and the window are handled for every input.
            Input::Wake | Input::Frame { .. } => Ok(()),
            Input::Call {
                id,
                request,
                enclosed,
            } => self.called(id, request, enclosed, now),
            Input::Open {
                id,
                connection,
                codec,
                claims,
                window,
                origin,
            } => {
                let handshake = Handshake {
                    connection,
                    codec,
                    window,
                    origin,
                };
                self.opening(id, handshake, claims, now)
            }
            Input::Watch {
                id,
                connection,
                caller,
                payload,
            } => self.watch(id, connection, caller.as_ref(), payload, now),
            Input::Closed { connection } => self.closed(connection, now),
            Input::Returned {
                from,
                purpose,
                answer,
            } => self.returned(&from, purpose, answer.as_deref(), now),
            Input::Resolved(found) => self.outbox().resolved(&found, now),
            Input::Registered { entered } => self.entered(entered, now),
            Input::Knocked {
                subscription,
                number,
                answer,
            } => self.wake().answered(subscription, number, answer, now),
            Input::Posted {
                purpose,
                outcome,
                millis,
                ..
            } => self.posted(purpose, outcome, millis, now),
            Input::Recorded { number, taken } => self.failures().recorded(number, taken, now),
            Input::Alarm => self.alarm(now),
            Input::Timeout(at) => self.timeout(at, now),
        }
    }

    /// A mailbox has answered a call, or could not be reached.
    fn returned(
        &mut self,
        from: &DeviceId,
        purpose: CallPurpose,
        answer: Option<&str>,
        now: Now,
    ) -> Result<(), StoreError> {
        let delivered =
            || answer.and_then(|text| serde_json::from_str::<DeliveryStatus>(text).ok());
        match purpose {
            // Any other answer comes from another version.
            CallPurpose::Report => self.inbox().reported(from, answer == Some(TAKEN), now),
            // The sender is told, or not: nothing follows from it.
            CallPurpose::ReportProgress => Ok(()),
            CallPurpose::TakeEvents => {
                let taken = answer.and_then(|text| text.parse().ok());
                self.operator_events().taken(taken, now)
            }
            CallPurpose::Cancel(id) => self.outbox().cancel_answered(id, from, delivered(), now),
            CallPurpose::Deliver(id) => match self.outbox().called(id, from, delivered(), now)? {
                true => self.wake_for(true, now),
                false => Ok(()),
            },
            CallPurpose::GetDelivery(call) => self.looked_up(call, delivered(), now),
        }
    }

    /// The alarm went off: handles everything that is due.
    fn alarm(&mut self, now: Now) -> Result<(), StoreError> {
        self.cx.timers.alarm_gone();
        if self.cx.account.is_none() {
            return Ok(());
        }
        self.receive(|inbox| inbox.alarm(now))?;
        self.outbox().alarm(now)?;
        self.post_receipts_again(now)?;
        self.knock_after_failure(now)?;
        self.wake_for(true, now)
    }

    /// The timer that was set to `at` went off. Waiting frames are handled already.
    fn timeout(&mut self, at: Millis, now: Now) -> Result<(), StoreError> {
        let at = at.max(now.at);
        if self.cx.timers.take_due(Timer::GroupCommit, at) {
            self.outbox().write_gathered(now)?;
        }
        if self.cx.timers.take_due(Timer::ReportBatch, at) {
            self.inbox().report_all(now)?;
        }
        if self.cx.timers.take_due(Timer::Call, at) {
            self.waited(at, now)?;
        }
        Ok(())
    }

    /// Sets the alarm to the earliest thing due, if there is one. `inbox`: whether the inbox may have anything due.
    fn wake_for(&mut self, inbox: bool, now: Now) -> Result<(), StoreError> {
        let inbox_due = match inbox {
            true => self.inbox().next_due(now)?,
            false => None,
        };
        let token = self.token_expires_at();
        let reports = self.inbox().reports_due(now);
        let due = [
            inbox_due,
            token.map(|at| (at, Timer::ConnectionToken)),
            reports.map(|at| (at, Timer::Report)),
            self.outbox().next_due(now)?,
            self.wake().next_due(now),
            self.failures().next_due(now),
            self.operator_events().next_due(now),
            self.webhook().next_due(now),
        ];
        if let Some((at, timer)) = due.into_iter().flatten().min() {
            self.cx.wake_by(timer, at);
        }
        Ok(())
    }

    /// Collects the outputs of the event so far, and passes news to the calls that wait for it. Returns whether there
    /// was news.
    fn tell(&mut self, outputs: &mut Vec<Output>, now: Now) -> Result<bool, StoreError> {
        let (mut told, mut pollable) = (false, false);
        let mut effects = std::mem::take(&mut self.cx.effects);
        effects.reverse();
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Output(output) => outputs.push(output),
                // A poll takes what comes after the messages that this event sends.
                Effect::News(News::Pollable) => pollable = true,
                Effect::News(news) => {
                    // A watcher changes nothing, and a request not before its answer.
                    let is_request = matches!(news, News::Post(..) | News::PostReceipts(_));
                    told |= !matches!(news, News::Watched(_)) && !is_request;
                    self.hear(news, now)?;
                    // Effects of the news come before later effects.
                    effects.extend(self.cx.effects.drain(..).rev());
                }
            }
        }
        if pollable {
            told = true;
            self.hear(News::Pollable, now)?;
        }
        Ok(told)
    }

    /// What is done once per event: the attachment and the alarm.
    fn finish(&mut self, outputs: &mut Vec<Output>) {
        debug_assert!(self.cx.ended.is_none(), "the outbox was not told");
        if let Some(connection) = self
            .connection
            .as_mut()
            .filter(|it| it.stale && it.is_socket())
        {
            let (id, attachment) = (connection.id, connection.attachment());
            outputs.push(Output::Attach {
                connection: id,
                attachment,
            });
        }
        self.watchers().attach(outputs);
        outputs.extend(self.cx.timers.take_alarm().map(Output::Alarm));
        if self.pending.is_empty() {
            self.cx.timers.clear(Timer::Call);
        }
        if cfg!(debug_assertions) {
            self.inbox().assert_memory();
            self.outbox().assert_memory();
            let (until, timer) = (self.pending.first_until(), self.cx.timers.timer());
            debug_assert!(
                until.is_none_or(|until| timer.is_some_and(|timer| timer <= until)),
                "a call waits until {until:?}, and the timer is set to {timer:?}"
            );
        }
    }
}
