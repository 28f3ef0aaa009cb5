//! An event of an object, as the Worker's `src/mailbox.rs` and `src/entry.js` handle it.
//!
//! The writes of an event are committed, with its alarm, before its other outputs happen. An event that fails ends the
//! object. A mailbox is opened before its first event, so that an alarm set by opening remains if the event fails; only
//! an alarm opens the mailbox in its own event.

use std::rc::Rc;

use tagpost_core::call::{Call, Progress};
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::{CallPurpose, Input, Mailbox, Output, Reply};
use tagpost_core::message::Message;
use tagpost_core::problem::Code;
use tagpost_core::protocol::CODECS;
use tagpost_core::store::StoreError;
use tagpost_core::time::Now;

use super::bounds::{Work, measured};
use super::object::Object;
use super::{World, said};
use crate::claims::{Checked, KnockSent, broken, claim};
use crate::plan::Moment;

/// After one event in this many, memory is compared with the rows. That takes as long as an event, and a difference
/// does not go away.
const ROWS_CHECKED: u64 = 16;

impl World<'_> {
    /// Passes an event to the mailbox, and performs its outputs. `None` if it crashed.
    pub(super) fn event(&mut self, object: usize, input: Input) -> Checked<Option<()>> {
        let returned = match &input {
            Input::Returned {
                purpose: CallPurpose::Deliver(id),
                ..
            } => Some(*id),
            _ => None,
        };
        let Some(outputs) = self.handle(object, input)? else {
            return Ok(None);
        };
        if let Some(id) = returned.filter(|_| outputs.iter().any(refuses_publish)) {
            self.ledger.not_accepted(id);
        }
        self.perform(object, outputs)?;
        Ok(Some(()))
    }

    /// Passes an event to the mailbox, and commits its writes. `None` if it crashed.
    pub(super) fn handle(&mut self, object: usize, input: Input) -> Checked<Option<Vec<Output>>> {
        self.touched = Some(object);
        self.may_sleep(object);
        self.objects[object].busy_at = self.now;
        if !self.can_open(object) {
            self.fails(object, |name| format!("{name} cannot be opened"));
            return Ok(None);
        }
        let asleep = self.objects[object].mailbox.is_none();
        if asleep && !self.objects[object].ringing {
            let Some(outputs) = self.transact(object, false, Input::Wake)? else {
                return Ok(None);
            };
            self.perform(object, outputs)?;
        }
        let is_frame = matches!(input, Input::Frame { .. });
        let Some(outputs) = self.transact(object, true, input)? else {
            return Ok(None);
        };
        if let Some(Moment::Committed(left)) = self.objects[object].doom.take() {
            let outputs = outputs.into_iter().filter(|output| !sets_alarm(output));
            let mut performed: Vec<Output> = outputs.collect();
            let lost = performed.split_off(performed.len().min(left as usize));
            self.perform(object, performed)?;
            // Messages that a poll took count as sent, even if its answer is lost.
            for output in &lost {
                if let Output::Reply(_, Reply::Polled(messages)) = output {
                    self.polled(object, messages)?;
                }
                self.may_have_been_pushed(output)?;
            }
            self.fails(object, |name| {
                format!("{name} fails when this is committed")
            });
            return Ok(None);
        }
        self.arm(object);
        let host = &mut self.objects[object];
        let now = self.now + host.skew;
        let waits = is_frame && outputs.is_empty() && host.timer.is_some_and(|at| at <= now);
        if !waits {
            let heard = std::mem::take(&mut host.heard);
            host.answered.extend(heard);
        }
        Ok(Some(outputs))
    }

    /// Handles an input in one transaction with its alarm, and opens the mailbox if it is not open. `None` if it
    /// crashed. If the event is planned to crash, it does so in its `last` transaction at the latest.
    fn transact(
        &mut self,
        object: usize,
        last: bool,
        input: Input,
    ) -> Checked<Option<Vec<Output>>> {
        let attachments = self.attachments(object);
        // The live connection is not known before the mailbox is open.
        let unopened = Now {
            pong_at: None,
            ..self.clock(object)
        };
        let full = self.now < self.objects[object].full_until;
        let within = match self.objects[object].doom {
            Some(Moment::Within(statements)) => Some(statements),
            _ => None,
        };
        let store = self.objects[object].store.clone();
        let keys = Rc::clone(&self.servers.keys);
        store.fail_after(within);
        store.refuse_writes(full);
        let mut work = Work::default();
        let attempt = || -> Result<Vec<Output>, StoreError> {
            store.begin()?;
            let host = &mut self.objects[object];
            if host.mailbox.is_none() {
                let (store, limits) = (host.store.clone(), self.plan.limits.clone());
                let (opened, opening) = measured(&host.store, || {
                    Mailbox::open(store, limits, CODECS, &attachments, host.alarm, unopened)
                });
                work.opening = Some(opening);
                // The clock may have been set back since.
                host.opened_at = host.opened_at.max(unopened.at);
                let opened = opened?.with_push_keys(Some(keys.clone()));
                let opened = opened.with_knocks(self.knocks);
                let opened = opened.with_failures(true);
                host.mailbox = Some(opened.with_events(self.publishes.clone()));
            }
            let now = self.clock(object);
            let host = &mut self.objects[object];
            let Object { mailbox, store, .. } = host;
            let mailbox = mailbox.as_mut().ok_or(StoreError("not open".to_owned()))?;
            let (done, event) = measured(store, || mailbox.handle(input, now));
            work.event = event;
            done
        };
        let outcome = attempt();
        let (failed, left) = (store.failed(), store.lasts());
        store.fail_after(None);
        store.refuse_writes(false);
        if let Some(statements) = within.filter(|_| last || failed) {
            store.roll_back().map_err(broken)?;
            self.objects[object].doom = None;
            self.fails(object, |name| {
                format!("{name} fails at statement {statements} of this")
            });
            claim(
                "an event fails if its store does",
                !failed || outcome.is_err(),
                String::new,
            )?;
            return Ok(None);
        }
        match outcome {
            Err(_) if failed && full => {
                store.roll_back().map_err(broken)?;
                self.fails(object, |name| format!("the store of {name} refuses this"));
                Ok(None)
            }
            Err(error) => Err(broken(error)),
            Ok(outputs) => {
                claim("an event fails if its store does", !failed, String::new)?;
                store.commit().map_err(broken)?;
                work.is_bounded(object)?;
                let host = &mut self.objects[object];
                let checked = unopened.random.is_multiple_of(ROWS_CHECKED);
                if let Some(mailbox) = host.mailbox.as_mut().filter(|_| checked) {
                    mailbox.assert_rows().map_err(broken)?;
                }
                host.doom = left.map(Moment::Within).or(host.doom);
                let (life, now) = (host.life, unopened.at);
                for output in &outputs {
                    match output {
                        Output::Alarm(at) => self.set_alarm(object, *at),
                        Output::Reply(_, reply) => self.may_tell_secret(object, reply),
                        _ => {}
                    }
                }
                let called: Vec<_> = outputs.iter().filter_map(called_for).collect();
                let knocks: Vec<_> = outputs.iter().filter_map(knock_in).collect();
                self.tells_of_all(object, &outputs)?;
                self.ledger
                    .committed(object, &store, now, life, &called, &knocks)?;
                for progress in outputs.iter().filter_map(progress_in) {
                    self.ledger.promised(object, progress, now)?;
                }
                Ok(Some(outputs))
            }
        }
    }

    /// A poll took messages.
    pub(super) fn polled(&mut self, object: usize, messages: &[(Message, u32)]) -> Checked {
        let host = &self.objects[object];
        let (now, losses) = (self.now + host.skew, (host.losses, host.life));
        messages.iter().try_for_each(|(message, attempt)| {
            self.ledger.polled(object, message, *attempt, now, losses)
        })
    }

    /// An event fails, and the object ends with it.
    fn fails(&mut self, object: usize, what: impl FnOnce(&str) -> String) {
        self.note(|names| what(names[object].as_str()));
        self.crash(object, false);
    }
}

/// The message that this call delivers.
fn called_for(output: &Output) -> Option<MessageId> {
    match output {
        Output::Call {
            purpose: CallPurpose::Deliver(id),
            ..
        } => Some(*id),
        _ => None,
    }
}

/// What this call tells the sender's mailbox of the device's work.
fn progress_in(output: &Output) -> Option<&Progress> {
    match output {
        Output::Call {
            call: Call::ReportProgress(progress),
            ..
        } => Some(progress),
        _ => None,
    }
}

/// The knock that this is.
fn knock_in(output: &Output) -> Option<KnockSent> {
    match output {
        Output::Knock {
            subscription,
            number,
            ttl,
            urgency,
            ..
        } => Some(KnockSent {
            subscription: *subscription,
            number: *number,
            ttl: *ttl,
            urgency: *urgency,
        }),
        _ => None,
    }
}

fn sets_alarm(output: &Output) -> bool {
    matches!(output, Output::Alarm(_))
}

/// Whether this tells a sender that its publish is refused after all.
fn refuses_publish(output: &Output) -> bool {
    let codes = [Code::UnknownDevice, Code::Unavailable];
    match output {
        Output::Reply(_, Reply::Problem(problem)) => codes.contains(&problem.code),
        Output::Send { frame, .. } => frame.text().is_some_and(said::refuses_publish),
        _ => false,
    }
}
