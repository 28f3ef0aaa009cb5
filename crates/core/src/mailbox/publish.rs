//! Accepting a message from this device and handing it to the mailboxes it is addressed to.
//!
//! A message to a few devices is written down once, with what became of it. It is written down
//! before anything leaves if it has an idempotency key, goes to more than [`PART`] devices, or has to
//! wait behind one that has not reached its mailbox: then it is a job as well, and survives a crash.
//! A message of which nothing is written was never answered; its sender repeats it.

use std::collections::{BTreeMap, BTreeSet};

use super::jobs::Work;
use super::outbox_rows::{self, PART};
use super::rate::Bucket;
use super::sent::Withdrawal;
use super::{ConnectionId, Effect, Errand, Failure, Mailbox, PublishFrame};
use crate::call::{Call, Delivered};
use crate::delivery::{Delivery, State};
use crate::frame::ToDevice;
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::message::{Message, Target};
use crate::problem::{Code, Problem};
use crate::publish::Draft;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::trace::Trace;

/// A call to deliver is void after so many milliseconds beyond its wait: nobody listens any more.
const CALL_SLACK: Millis = 10_000;

/// When a mailbox looks after a job that it is busy with, should it have failed meanwhile.
pub(super) const SAFETY_DELAY: Millis = 30_000;

/// When a delivery is tried again that did not reach its mailbox.
pub(super) const FIRST_RETRY: Millis = 1_000;

/// What the outbox keeps in memory; all of it can be had from the rows again.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) last_id: Option<MessageId>,
    /// The number of the last receipt given out.
    pub(super) last_receipt: i64,
    pub(super) bucket: Bucket,
    /// Publishes that are not answered.
    pub(super) publishing: BTreeMap<MessageId, Publishing>,
    /// Calls to deliver that are under way, by device.
    pub(super) calling: BTreeMap<DeviceId, BTreeSet<MessageId>>,
    /// Jobs' deliveries that have not reached their mailbox, by device: later ones go behind them.
    pub(super) waiting: BTreeMap<DeviceId, BTreeSet<MessageId>>,
    pub(super) work: Option<Work>,
    /// The first device of the part up to which the pass through a job has come.
    pub(super) passed: BTreeMap<MessageId, DeviceId>,
    pub(super) withdrawing: BTreeMap<MessageId, Withdrawal>,
    pub(super) cleaned_at: Millis,
}

/// A publish that is not answered.
#[derive(Debug)]
pub(super) struct Publishing {
    message: Message,
    pub(super) deliveries: Vec<Delivery>,
    /// Calls under way.
    open: usize,
    /// Whether it is written down.
    stored: bool,
    key: Option<IdempotencyKey>,
    /// The one device it is addressed to does not exist.
    unknown: bool,
    /// The frames that it answers.
    frames: Vec<(ConnectionId, Option<String>)>,
}

/// A publish, as far as it got.
#[derive(Debug)]
pub enum Published {
    /// This is what became of it.
    Answer(Trace),
    /// Wait for [`Effect::Published`] with this id.
    Wait(MessageId),
}

impl<S: Store> Mailbox<S> {
    pub(super) fn open_outbox(&mut self) -> Result<(), StoreError> {
        let span = outbox_rows::receipts_span(&self.store)?;
        let noted = self
            .account
            .as_ref()
            .map_or(0, |account| account.last_receipt);
        self.outbox.last_id = outbox_rows::newest(&self.store)?;
        self.outbox.last_receipt = span.map_or(0, |(_, _, last)| last).max(noted);
        self.open_jobs()
    }

    /// Accepts a message of this device. `devices` is what its target resolved to, or one more than
    /// `MAX_FANOUT` of them.
    ///
    /// # Errors
    /// `too_many_requests`, `unknown_tag`, `tag_too_large`, `idempotency_mismatch`, `unknown_device`, or the store failed.
    pub fn publish(
        &mut self,
        to: Target,
        devices: Vec<DeviceId>,
        draft: Draft,
        now: Now,
    ) -> Result<Published, Failure> {
        self.accept(to, devices, draft, None, now)
    }

    /// Accepts a message that came in a frame, and answers there. `devices` is what its target
    /// resolved to.
    ///
    /// # Errors
    /// The store failed.
    pub fn publish_frame(
        &mut self,
        frame: PublishFrame,
        devices: Result<Vec<DeviceId>, Problem>,
        now: Now,
    ) -> Result<(), StoreError> {
        let PublishFrame {
            connection,
            reference,
            to,
            draft,
        } = frame;
        let origin = (connection, reference.clone());
        let published = devices
            .map_err(Failure::from)
            .and_then(|devices| self.accept(to, devices, draft, Some(origin), now));
        match published {
            Ok(Published::Answer(trace)) => {
                self.send_published(connection, reference.as_deref(), &trace)
            }
            Ok(Published::Wait(_)) => {}
            Err(Failure::Problem(problem)) => {
                self.send_problem(connection, reference.as_deref(), &problem)
            }
            Err(Failure::Store(error)) => return Err(error),
        }
        Ok(())
    }

    fn accept(
        &mut self,
        to: Target,
        mut devices: Vec<DeviceId>,
        draft: Draft,
        frame: Option<(ConnectionId, Option<String>)>,
        now: Now,
    ) -> Result<Published, Failure> {
        let Some(sender) = self.device().cloned() else {
            return Err(Problem::new(Code::UnknownDevice, "the sending device was removed").into());
        };
        self.outbox.bucket.take(&self.limits, now.at)?;
        self.check_reach(&to, devices.len())?;
        let fingerprint = draft.fingerprint(&to);
        let known = draft
            .key
            .as_ref()
            .map(|key| outbox_rows::key(&self.store, key));
        if let Some((id, known)) = known.transpose()?.flatten() {
            return self.repeated(id, known == fingerprint, frame);
        }
        devices.sort();
        devices.dedup();
        let id = MessageId::next(&sender, now.at, self.outbox.last_id, now.random);
        self.outbox.last_id = Some(id);
        let wait = draft.wait.saturating_mul(1000);
        let key = draft.key.clone();
        let message = draft.into_message(id, sender, to, now.at);
        let deliveries: Vec<Delivery> = devices
            .into_iter()
            .map(|device| Delivery::waiting(device, now.at))
            .collect();
        let many = deliveries.len() > PART;
        let behind = deliveries
            .iter()
            .any(|delivery| self.outbox.waiting.contains_key(&delivery.device));
        if many || behind || key.is_some() {
            if let Some(key) = &key {
                outbox_rows::insert_key(&self.store, key, id, fingerprint)?;
            }
            outbox_rows::insert(&self.store, &message, key.as_ref(), &deliveries, None)?;
            outbox_rows::insert_job(&self.store, &message, now.at)?;
            self.wake_by(if many { now.at } else { now.at + SAFETY_DELAY });
        }
        if many {
            self.wait_in_line(id, &deliveries);
            let Message {
                to,
                sent_at: accepted_at,
                expires_at,
                ..
            } = message;
            return Ok(Published::Answer(Trace {
                id,
                to,
                accepted_at,
                expires_at,
                deliveries,
            }));
        }
        let stored = behind || key.is_some();
        let frames = frame.into_iter().collect();
        let publishing = Publishing {
            message,
            deliveries,
            open: 0,
            stored,
            key,
            unknown: false,
            frames,
        };
        self.outbox.publishing.insert(id, publishing);
        self.hand_over(id, wait, now)?;
        Ok(Published::Wait(id))
    }

    /// Whether a message to a target that resolved to so many devices can go out.
    fn check_reach(&self, to: &Target, devices: usize) -> Result<(), Problem> {
        let Target::Tag(tag) = to else {
            return Ok(());
        };
        let most = self.limits.max_fanout;
        if devices == 0 {
            return Err(Problem::new(
                Code::UnknownTag,
                format!("no device has the tag {tag}"),
            ));
        }
        if u32::try_from(devices).is_ok_and(|devices| devices <= most) {
            return Ok(());
        }
        let detail = format!("the tag {tag} has more than {most} devices, which is MAX_FANOUT");
        Err(Problem::new(Code::TagTooLarge, detail))
    }

    /// Calls every mailbox of a publish that nothing waits for already.
    fn hand_over(&mut self, id: MessageId, wait: u32, now: Now) -> Result<(), StoreError> {
        let Some(publishing) = self.outbox.publishing.get(&id) else {
            return Ok(());
        };
        let free = |device: &&DeviceId| !self.outbox.waiting.contains_key(*device);
        let devices = publishing
            .deliveries
            .iter()
            .map(|delivery| &delivery.device);
        let devices: Vec<DeviceId> = devices.filter(free).cloned().collect();
        let message = publishing.message.clone();
        let open = devices.len();
        for device in devices {
            self.call_deliver(&device, message.clone(), wait, false, now);
        }
        if let Some(publishing) = self.outbox.publishing.get_mut(&id) {
            publishing.open = open;
        }
        if open == 0 {
            self.answer(id, now)
        } else {
            Ok(())
        }
    }

    /// Calls one mailbox to deliver a message.
    pub(super) fn call_deliver(
        &mut self,
        to: &DeviceId,
        message: Message,
        wait: u32,
        again: bool,
        now: Now,
    ) {
        let id = message.id;
        let calls = self.outbox.calling.entry(to.clone()).or_default();
        // While an earlier call is not answered it is not certain that its message is there first.
        let after = calls.range(..id).next_back().copied();
        calls.insert(id);
        let until = now.at + i64::from(wait) + CALL_SLACK;
        let call = Call::Deliver {
            message,
            wait,
            again,
            after,
            until,
        };
        self.effects.push(Effect::Call {
            to: to.clone(),
            errand: Errand::Deliver(id),
            call,
        });
    }

    /// A mailbox has answered a call, or could not be reached.
    ///
    /// # Errors
    /// The store failed.
    pub fn returned(
        &mut self,
        from: &DeviceId,
        errand: Errand,
        answer: Option<&str>,
        now: Now,
    ) -> Result<(), StoreError> {
        let delivered = || answer.and_then(|text| serde_json::from_str::<Delivered>(text).ok());
        match errand {
            Errand::Report => self.reported(from, answer.is_some(), now),
            Errand::Withdraw(id) => self.withdrawn(id, from, delivered(), now),
            Errand::Deliver(id) => {
                if let Some(calls) = self.outbox.calling.get_mut(from) {
                    calls.remove(&id);
                    if calls.is_empty() {
                        self.outbox.calling.remove(from);
                    }
                }
                if self.outbox.publishing.contains_key(&id) {
                    self.handed_over(id, from, delivered(), now)
                } else {
                    self.worked(id, from, delivered(), now)
                }
            }
        }
    }

    fn handed_over(
        &mut self,
        id: MessageId,
        device: &DeviceId,
        answer: Option<Delivered>,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(publishing) = self.outbox.publishing.get_mut(&id) else {
            return Ok(());
        };
        let alone = matches!(publishing.message.to, Target::Device(_));
        publishing.unknown |= alone && matches!(answer, Some(Delivered::UnknownDevice));
        if let Some(delivery) = taken(device, answer, now.at) {
            let known = publishing
                .deliveries
                .iter_mut()
                .find(|known| known.device == *device);
            // A receipt may have come before the answer; the last state stays.
            if let Some(known) = known.filter(|known| !known.state.is_last()) {
                *known = delivery;
            }
        }
        publishing.open = publishing.open.saturating_sub(1);
        if publishing.open == 0 {
            self.answer(id, now)
        } else {
            Ok(())
        }
    }

    /// Every mailbox has answered or failed: writes down what became of the message, and says so.
    fn answer(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let Some(publishing) = self.outbox.publishing.remove(&id) else {
            return Ok(());
        };
        let Publishing {
            message,
            deliveries,
            stored,
            key,
            unknown,
            frames,
            ..
        } = publishing;
        if unknown || self.device().is_none() {
            if stored {
                outbox_rows::delete(&self.store, id, key.as_ref().map(IdempotencyKey::as_str))?;
            }
            let problem = Problem::new(Code::UnknownDevice, "there is no such device");
            for (connection, reference) in &frames {
                self.send_problem(*connection, reference.as_deref(), &problem);
            }
            self.effects.push(Effect::Published(id, Err(problem)));
            return Ok(());
        }
        let done = deliveries.iter().all(|delivery| delivery.state.is_last());
        let done_at = done.then_some(now.at);
        if stored {
            outbox_rows::save(&self.store, id, &deliveries, done_at)?;
        } else {
            outbox_rows::insert(&self.store, &message, key.as_ref(), &deliveries, done_at)?;
        }
        if deliveries.iter().all(Delivery::is_taken) {
            if stored {
                outbox_rows::delete_job(&self.store, id)?;
            }
        } else {
            outbox_rows::insert_job(&self.store, &message, now.at + FIRST_RETRY)?;
            self.wait_in_line(id, &deliveries);
            self.wake_by(now.at + FIRST_RETRY);
        }
        self.wake_by(self.clean_up_at(message.sent_at));
        let Message {
            to,
            sent_at: accepted_at,
            expires_at,
            ..
        } = message;
        let trace = Trace {
            id,
            to,
            accepted_at,
            expires_at,
            deliveries,
        };
        for (connection, reference) in &frames {
            self.send_published(*connection, reference.as_deref(), &trace);
        }
        if trace.is_settled() {
            self.effects.push(Effect::Settled(id));
        }
        self.effects.push(Effect::Published(id, Ok(trace)));
        Ok(())
    }

    /// Writes down a publish that is not answered, because something about it has to be kept.
    pub(super) fn store_publishing(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let Some(publishing) = self
            .outbox
            .publishing
            .get_mut(&id)
            .filter(|publishing| !publishing.stored)
        else {
            return Ok(());
        };
        publishing.stored = true;
        let Publishing {
            message,
            deliveries,
            key,
            ..
        } = publishing;
        outbox_rows::insert(&self.store, message, key.as_ref(), deliveries, None)?;
        outbox_rows::insert_job(&self.store, message, now.at)?;
        self.wake_by(now.at + SAFETY_DELAY);
        Ok(())
    }

    /// The same idempotency key came again.
    fn repeated(
        &mut self,
        id: MessageId,
        same: bool,
        frame: Option<(ConnectionId, Option<String>)>,
    ) -> Result<Published, Failure> {
        if !same {
            let detail = "Idempotency-Key was used for another body or target";
            return Err(Problem::new(Code::IdempotencyMismatch, detail).into());
        }
        if let Some(publishing) = self.outbox.publishing.get_mut(&id) {
            publishing.frames.extend(frame);
            return Ok(Published::Wait(id));
        }
        let trace = outbox_rows::trace(&self.store, id)?;
        let gone = || StoreError("an idempotency key without its message".to_owned());
        Ok(Published::Answer(trace.ok_or_else(gone)?))
    }

    fn send_published(&mut self, connection: ConnectionId, reference: Option<&str>, trace: &Trace) {
        let published = ToDevice::Published {
            reference,
            id: trace.id,
            deliveries: &trace.deliveries,
        };
        self.send_frame(connection, published.to_json());
    }

    /// Forgets everything this device sent.
    pub(super) fn forget_outbox(&mut self) -> Result<(), StoreError> {
        outbox_rows::delete_all(&self.store)?;
        for publishing in self.outbox.publishing.values_mut() {
            publishing.stored = false;
        }
        self.outbox.waiting.clear();
        self.outbox.passed.clear();
        self.outbox.work = None;
        Ok(())
    }
}

/// What an answer makes of a delivery; `None` where the mailbox has not taken it.
pub(super) fn taken(device: &DeviceId, answer: Option<Delivered>, now: Millis) -> Option<Delivery> {
    match answer? {
        Delivered::Known(delivery) => Some(delivery),
        Delivered::UnknownDevice => {
            Some(Delivery::first(device.clone(), State::Refused, now).because("device_removed"))
        }
        Delivered::UnknownMessage | Delivered::NotNow => None,
    }
}
