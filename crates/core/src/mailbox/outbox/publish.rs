//! Accepting a message from this device and handing it to the mailboxes it is addressed to.
//!
//! A message to a few devices is written down once, with what became of it; those that are settled at
//! about the same time together, in one row. It is written down before anything leaves if it has an
//! idempotency key, goes to more than [`PART`] devices, or has to wait behind one that has not reached
//! its mailbox: then it is a job as well, and survives a crash. A message of which nothing is written
//! was never answered; its sender repeats it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use litemap::LiteMap;

use super::backlog::{Found, untaken};
use super::device_queues::Lines;
use super::group_commit::Gathered;
use super::job_rows::{Job, Queued};
use super::jobs::{Pass, SAFETY_DELAY, Work};
use super::rate::Bucket;
use super::receipt_rows::Place;
use super::resolve::Resolving;
use super::retention::Spent;
use super::rows::{self, Head, PART};
use super::sent::Withdrawal;
use super::sent_bytes::Size;
use super::under_way::{self, wave};
use super::{ConnectionId, Effect, Failure, Mailbox};
use super::{group_rows, job_rows};
use crate::delivery::Delivery;
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::message::{Message, Target};
use crate::problem::{Code, Problem};
use crate::protocol::ToDevice;
use crate::publish::Draft;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::trace::{self, Trace};

/// What the outbox keeps in memory. What is written down can be had from the rows again. The rest ends with
/// the memory: publishes that are not, frames whose targets are being resolved, and cancellations under way.
#[derive(Debug, Default)]
pub(in crate::mailbox) struct Outbox {
    pub(in crate::mailbox) last_id: Option<MessageId>,
    /// The number of the last receipt given out, once it was asked for.
    pub(in crate::mailbox) last_receipt: Option<i64>,
    /// The next receipts that the device has not seen, where more wait than go out at once.
    pub(in crate::mailbox) unseen: VecDeque<Place>,
    pub(in crate::mailbox) bucket: Bucket,
    /// Frames whose targets are being resolved.
    pub(in crate::mailbox) resolving: Resolving,
    /// Publishes that are not answered.
    pub(in crate::mailbox) publishing: BTreeMap<MessageId, Publishing>,
    /// Their payloads' bytes, once for each device that they go to.
    pub(in crate::mailbox) under_way: u64,
    /// Publishes that are settled and not answered: they are to be written down together.
    pub(in crate::mailbox) gathered: Gathered,
    /// Calls to deliver that are under way, by device.
    pub(in crate::mailbox) calling: BTreeMap<DeviceId, BTreeSet<MessageId>>,
    /// Deliveries that have not reached their mailbox, by device: later ones go behind them.
    pub(in crate::mailbox) waiting: Lines,
    /// What was found of those that are in no line.
    pub(in crate::mailbox) found: Found,
    /// All jobs, as their rows say.
    pub(in crate::mailbox) jobs: BTreeMap<MessageId, Job>,
    pub(in crate::mailbox) work: Option<Work>,
    /// From when on jobs are worked on: no call that a life before made can arrive then.
    pub(in crate::mailbox) jobs_from: Millis,
    /// The newest message of a life before.
    pub(in crate::mailbox) opened_with: Option<MessageId>,
    /// How many more calls of jobs may follow from the last alarm.
    pub(in crate::mailbox) calls_left: usize,
    /// Jobs that are being passed through.
    pub(in crate::mailbox) passes: LiteMap<MessageId, Pass>,
    pub(in crate::mailbox) withdrawing: LiteMap<MessageId, Withdrawal>,
    pub(in crate::mailbox) cleaned_at: Millis,
    /// What is known of the bytes of all that is kept.
    pub(in crate::mailbox) size: Size,
    /// Rows of `outbox` that new ones may overwrite.
    pub(in crate::mailbox) spent: Spent,
    /// The same of `groups`.
    pub(in crate::mailbox) spent_groups: Spent,
}

/// A publish that is not answered.
#[derive(Debug)]
pub(in crate::mailbox) struct Publishing {
    pub(in crate::mailbox) message: Message,
    pub(in crate::mailbox) deliveries: Vec<Delivery>,
    /// Its part of what is under way.
    pub(in crate::mailbox) bytes: u64,
    /// Calls under way.
    pub(in crate::mailbox) open: usize,
    /// Whether it is written down.
    pub(in crate::mailbox) stored: bool,
    pub(in crate::mailbox) key: Option<IdempotencyKey>,
    /// The one device it is addressed to does not exist.
    pub(in crate::mailbox) unknown: bool,
    /// The frames that it answers.
    pub(in crate::mailbox) frames: Vec<(ConnectionId, Option<String>)>,
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
    pub(in crate::mailbox) fn open_outbox(&mut self, now: Now) -> Result<(), StoreError> {
        let written = rows::newest(&self.store)?.max(group_rows::newest(&self.store)?);
        // Receipts of messages before this are not looked for: the one that it names may not be written down.
        let looked_from = self
            .account
            .as_ref()
            .and_then(|account| account.unseen_from);
        self.outbox.last_id = written.max(looked_from);
        self.outbox.opened_with = self.outbox.last_id;
        self.open_jobs(now)
    }

    /// Accepts a message of this device. `devices` is what its target resolved to, or one more than
    /// `MAX_FANOUT` of them.
    ///
    /// # Errors
    /// `too_many_requests`, `outbox_full`, `unknown_tag`, `tag_too_large`,
    /// `idempotency_mismatch`, `unknown_device`, or the store failed.
    pub fn publish(
        &mut self,
        to: Target,
        devices: Vec<DeviceId>,
        draft: Draft,
        now: Now,
    ) -> Result<Published, Failure> {
        self.accept(to, devices, draft, None, now)
    }

    pub(in crate::mailbox) fn accept(
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
        let fingerprint = draft.fingerprint(&to);
        let known = draft
            .key
            .as_ref()
            .map(|key| job_rows::key(&self.store, key));
        if let Some((id, known)) = known.transpose()?.flatten() {
            if self.is_kept(id)? {
                return self.repeated(id, known == fingerprint, frame);
            }
            // Its message is gone: there is nothing that it could be a repeat of.
            if let Some(key) = &draft.key {
                job_rows::delete_key(&self.store, key)?;
            }
        }
        self.check_reach(&to, devices.len())?;
        devices.sort_unstable();
        devices.dedup();
        let bytes = draft.bytes().saturating_mul(devices.len() as u64);
        let alone = devices.len() <= 1;
        let fits =
            self.has_room(bytes) && (alone || devices.len() <= wave(draft.payload.get().len()));
        if alone && !fits {
            return Err(under_way::no_room().into());
        }
        let many = devices.len() > PART || !fits;
        let behind = match many {
            true => Vec::new(),
            false => self.behind(&devices, None)?,
        };
        let queued = many || !behind.is_empty();
        // One with a key is queued, too, where its mailbox does not answer: it cannot be taken back then.
        let times = if queued {
            Some(1)
        } else {
            draft.key.as_ref().map(|_| 2)
        };
        if let Some(problem) = times.and_then(|times| self.full(draft.bytes(), times)) {
            return Err(problem.into());
        }
        if let Some(problem) = self.make_room(queued, now)? {
            return Err(problem.into());
        }
        let id = MessageId::next(&sender, now.at, self.outbox.last_id, now.random);
        self.outbox.last_id = Some(id);
        let wait = draft.wait.saturating_mul(1000);
        let key = draft.key.clone();
        let message = draft.into_message(id, sender, to, now.at);
        let deliveries: Vec<Delivery> = devices
            .into_iter()
            .map(|device| Delivery::unreached(device, now.at))
            .collect();
        let called = !many && behind.len() < deliveries.len();
        let stored = many || !behind.is_empty() || key.is_some();
        if stored {
            if let Some(key) = &key {
                job_rows::insert_key(&self.store, key, id, fingerprint)?;
            }
            let over = self.spent_row(now)?;
            let key = key.as_ref();
            let head = Head::of(&message);
            rows::insert(&self.store, over, &head, key, &deliveries, None)?;
            let left = (!many).then(|| untaken(&deliveries));
            self.keep_job(Queued::of(&message)?, left, now.at, called)?;
            self.wake_by(if many { now.at } else { now.at + SAFETY_DELAY });
        }
        if many {
            self.outbox.found.clear();
            let trace = Trace::of(message, deliveries).into_page(None, trace::PAGE);
            return Ok(Published::Answer(trace));
        }
        let frames = frame.into_iter().collect();
        let publishing = Publishing {
            message,
            deliveries,
            bytes,
            open: 0,
            stored,
            key,
            unknown: false,
            frames,
        };
        self.outbox.publishing.insert(id, publishing);
        self.outbox.under_way += bytes;
        self.hand_over(id, &behind, wait, now)?;
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

    /// Writes down a publish that is not answered, because something about it has to be kept.
    pub(in crate::mailbox) fn store_publishing(
        &mut self,
        id: MessageId,
        now: Now,
    ) -> Result<(), StoreError> {
        let until = self.kept_until(now);
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
        let over = self
            .outbox
            .spent
            .take(&self.store, until, now, rows::first)?;
        let key = key.as_ref();
        rows::insert(&self.store, over, &Head::of(message), key, deliveries, None)?;
        let (message, left) = (Queued::of(message)?, untaken(deliveries));
        self.keep_job(message, Some(left), now.at, true)?;
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
        let trace = rows::trace(&self.store, id, None, trace::PAGE)?;
        let gone = || StoreError("an idempotency key without its message".to_owned());
        Ok(Published::Answer(trace.ok_or_else(gone)?))
    }

    /// Whether a message that has a key is there: it is written down before anything leaves.
    fn is_kept(&self, id: MessageId) -> Result<bool, StoreError> {
        Ok(self.outbox.publishing.contains_key(&id) || rows::load(&self.store, id)?.is_some())
    }

    pub(in crate::mailbox) fn send_published(
        &mut self,
        connection: ConnectionId,
        reference: Option<&str>,
        trace: &Trace,
    ) {
        let published = ToDevice::Published {
            reference,
            id: trace.id,
            deliveries: &trace.deliveries,
            summary: trace.summary(),
        };
        self.say_over(connection, &published);
    }

    /// Forgets everything this device sent, also what is not answered.
    pub(in crate::mailbox) fn forget_outbox(&mut self) -> Result<(), StoreError> {
        rows::delete_all(&self.store)?;
        let publishing = std::mem::take(&mut self.outbox.publishing);
        let gathered = self.outbox.gathered.take().into_iter();
        self.outbox.under_way = 0;
        if let Some(account) = &mut self.account {
            account.truncated_before = None;
        }
        let gathered = gathered.map(|publish| publish.trace.id);
        for id in publishing.into_keys().chain(gathered) {
            let problem = Problem::new(Code::UnknownDevice, "the sending device was removed");
            self.effects.push(Effect::Published(id, Err(problem)));
        }
        for (id, _) in std::mem::take(&mut self.outbox.withdrawing) {
            self.effects.push(Effect::Cancelled(id));
        }
        self.outbox.size = Size::default();
        self.outbox.resolving.clear();
        self.outbox.unseen.clear();
        self.outbox.waiting.clear();
        self.outbox.jobs.clear();
        self.outbox.found.clear();
        self.outbox.passes.clear();
        self.outbox.work = None;
        Ok(())
    }
}
