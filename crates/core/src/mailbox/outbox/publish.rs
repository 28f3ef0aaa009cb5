//! Accepting a message from this device, and starting its delivery.
//!
//! A message to a few devices is stored once, with its result; messages that settle at about the same time share a
//! row. A message is stored before any call if it has an idempotency key, sends another again, goes to more than
//! [`PART`] devices, or has to wait behind an earlier one: it is then also a job, and survives a crash. A message that
//! is not stored was never answered, and its sender repeats it.

use super::SAFETY_DELAY;
use super::backlog::untaken;
use super::job_rows;
use super::job_rows::Queued;
use super::recipients::recipients;
use super::rows::{self, Head, PART};
use super::schedule_rows;
use super::under_way::{self, wave};
use super::unlisted::MAX_LOOKUPS;
use super::{ConnectionId, Failure, Outbox, Timer};
use crate::delivery::{Delivery, summary, unreached};
use crate::id::{DeviceId, IdempotencyKey, MessageId};
use crate::message::{Message, Target};
use crate::plan::{Plan, Verdict};
use crate::problem::{Code, Problem};
use crate::protocol::ToDevice;
use crate::publish::Draft;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::trace::{self, Trace};

/// How a message is delivered.
#[derive(Debug)]
pub(super) struct Route {
    /// Part by part, as a job.
    pub(super) many: bool,
    /// The devices that an older message waits for.
    pub(super) behind: Vec<DeviceId>,
    /// Its share of the bytes under way.
    bytes: u64,
}

/// A publish that is not answered.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) message: Message,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) plan: Plan,
    /// Its share of the bytes under way.
    pub(super) bytes: u64,
    /// Calls under way.
    pub(super) open: usize,
    /// Until when it waits for acknowledgements.
    pub(super) until: Millis,
    /// Whether it is stored.
    pub(super) stored: bool,
    /// Whether it was answered before: it was scheduled, or goes to further devices.
    pub(super) is_answered: bool,
    pub(super) key: Option<IdempotencyKey>,
    /// The devices whose deliveries were told to have failed.
    pub(super) told: Vec<DeviceId>,
    /// Its only recipient does not exist.
    pub(super) unknown: bool,
    /// The frames that it answers.
    pub(super) frames: Vec<(ConnectionId, Option<String>)>,
}

impl Route {
    /// Whether the message is stored before it is delivered.
    pub(super) fn is_queued(&self) -> bool {
        self.many || !self.behind.is_empty()
    }
}

impl Publishing {
    /// Whether all its deliveries are settled, and no further ones will come.
    pub(super) fn is_settled(&self) -> bool {
        self.deliveries.iter().all(Delivery::is_settled) && !self.plan.has_steps()
    }

    /// Notes in its plan what follows from its deliveries.
    pub(super) fn judge(&mut self, now: Now) -> Verdict {
        match self.plan.is_empty() {
            true => Verdict::default(),
            false => self.plan.judge(&summary(&self.deliveries), now.at),
        }
    }

    /// When the next step of its escalation is due.
    pub(super) fn next_step_at(&self) -> Option<Millis> {
        self.plan.next_step_at(self.message.sent_at)
    }
}

impl<S: Store> Outbox<'_, S> {
    /// Accepts a message of this device, and starts to deliver it. `devices` are the devices of its target, at most one
    /// more than `MAX_FANOUT`. If it came in a `frame`, that is answered; [`News::Published`] always has the answer.
    ///
    /// # Errors
    /// `too_many_requests`, `outbox_full`, `unknown_tag`, `tag_too_large`, `idempotency_mismatch`, `unknown_device`,
    /// or the store failed.
    pub(in crate::mailbox) fn accept(
        &mut self,
        to: Target,
        devices: Vec<DeviceId>,
        draft: Draft,
        frame: Option<(ConnectionId, Option<String>)>,
        now: Now,
    ) -> Result<MessageId, Failure> {
        let Some(sender) = self.cx.device().cloned() else {
            return Err(removed().into());
        };
        self.memory.bucket.take(&self.cx.limits, now.at)?;
        // Most messages have no key, and the fingerprint is a hash of the whole payload.
        let fingerprint = draft.key.as_ref().map(|_| draft.fingerprint(&to));
        let known = draft
            .key
            .as_ref()
            .map(|key| job_rows::key(&self.cx.store, key));
        if let Some((id, known)) = known.transpose()?.flatten() {
            if self.is_kept(id)? {
                return self.repeated(id, fingerprint.is_some_and(|it| known == it), frame);
            }
            // Its message is gone, so this is not a repeat.
            if let Some(key) = &draft.key {
                job_rows::delete_key(&self.cx.store, key)?;
            }
        }
        if draft.when.is_some() {
            return self.schedule(to, draft, fingerprint, frame, now);
        }
        let devices = recipients(&to, devices, &sender, draft.echo, &self.cx.limits)?;
        self.queue_lost_hand_overs(now)?;
        let Some(route) = self.route(&devices, &draft)? else {
            return Err(under_way::no_room().into());
        };
        // One with steps is kept until the last of them.
        let queued = route.is_queued() || !draft.escalate.is_empty();
        // A publish with a key or a resend is queued, too, if its mailbox does not answer: it can no longer be refused
        // then.
        let times = if queued {
            Some(1)
        } else {
            (draft.key.is_some() || draft.resend.is_some()).then_some(2)
        };
        if let Some(problem) = times.and_then(|times| self.full(draft.bytes(), times)) {
            return Err(problem.into());
        }
        if let Some(problem) = self.make_room(queued, now)? {
            return Err(problem.into());
        }
        let Some(id) = self.next_id(now) else {
            return Err(removed().into());
        };
        if let (Some(key), Some(fingerprint)) = (&draft.key, fingerprint) {
            job_rows::insert_key(&self.cx.store, key, id, fingerprint)?;
        }
        let (wait, key, plan) = (draft.wait, draft.key.clone(), Plan::of(&draft));
        let resend = draft
            .resend
            .clone()
            .map(|resend| (resend.of, devices.clone()));
        let message = draft.into_message(id, sender, to, now.at);
        let frames = frame.into_iter().collect();
        self.start(message, devices, plan, key, frames, route, wait, now)?;
        if let Some((of, devices)) = resend {
            self.link_resent(of, id, &devices)?;
        }
        Ok(id)
    }

    /// The id of the next message; `None` if the device was removed.
    pub(super) fn next_id(&mut self, now: Now) -> Option<MessageId> {
        let sender = self.cx.device()?;
        // Its turn comes after those of the messages that were handed over.
        let at = now
            .at
            .max(self.memory.last_turn.map_or(now.at, |last| last.0));
        let id = MessageId::next(sender, at, self.memory.last_id, now.random);
        self.memory.last_id = Some(id);
        Some(id)
    }

    /// How a message to these devices is delivered; `None` if it has one recipient and there is no room for it.
    pub(super) fn route(
        &mut self,
        devices: &[DeviceId],
        draft: &Draft,
    ) -> Result<Option<Route>, StoreError> {
        let bytes = draft.bytes().saturating_mul(devices.len() as u64);
        let alone = devices.len() <= 1;
        let fits =
            self.has_room(bytes) && (alone || devices.len() <= wave(draft.payload.get().len()));
        if alone && !fits {
            return Ok(None);
        }
        let many = devices.len() > PART || !fits;
        let behind = match many {
            true => Vec::new(),
            false => self.behind(devices, None, &mut { MAX_LOOKUPS })?,
        };
        Ok(Some(Route {
            many,
            behind,
            bytes,
        }))
    }

    /// Begins to deliver a message, which is stored first if it has a key and is not stored as a scheduled one, or if it
    /// sends another again. `wait` is in seconds.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are all there is of a message"
    )]
    pub(super) fn start(
        &mut self,
        message: Message,
        devices: Vec<DeviceId>,
        mut plan: Plan,
        key: Option<IdempotencyKey>,
        frames: Vec<(ConnectionId, Option<String>)>,
        route: Route,
        wait: u32,
        now: Now,
    ) -> Result<(), StoreError> {
        let Route {
            many,
            behind,
            bytes,
        } = route;
        let (id, wait) = (message.id, wait.saturating_mul(1000));
        let deliveries = unreached(&devices, now.at);
        // Fewer devices than are needed cannot be enough.
        if !plan.is_empty() {
            plan.judge(&summary(&deliveries), now.at);
        }
        let until = now.at + i64::from(wait);
        let next = plan.next_step_at(message.sent_at);
        self.expect_steps(id, next, until);
        let called = !many && behind.len() < deliveries.len();
        let is_scheduled = plan.schedule.is_some();
        // A link to a message that a crash takes back would lead nowhere.
        let is_safe = (key.is_some() && !is_scheduled) || plan.resend_of.is_some();
        let stored = many || !behind.is_empty() || is_safe;
        if stored {
            let over = self.row_for(id, now)?;
            let key = key.as_ref();
            let head = Head::of(&message, &plan);
            rows::insert(&self.cx.store, over, &head, key, &deliveries, None)?;
            self.memory.escalations.keep(self.cx, &message)?;
            let left = (!many).then(|| untaken(&deliveries));
            let queued = Queued::of(&message, &deliveries)?;
            self.keep_job(queued, left, now.at, called)?;
            let first_try = if many { now.at } else { now.at + SAFETY_DELAY };
            self.cx.wake_by(Timer::Job, first_try);
        }
        if many {
            let trace = Trace::of(message, deliveries, plan);
            let trace = trace.into_page(None, trace::MAX_PAGE_DELIVERIES);
            self.tell(trace, &frames, None);
            return Ok(());
        }
        let publishing = Publishing {
            message,
            deliveries,
            plan,
            bytes,
            open: 0,
            until,
            stored,
            is_answered: is_scheduled,
            key,
            told: Vec::new(),
            unknown: false,
            frames,
        };
        self.memory.publishing.insert(id, publishing);
        self.memory.under_way += bytes;
        self.dispatch(id, &behind, wait, now)
    }

    /// Stores a publish that is not answered yet.
    pub(super) fn store_publishing(&mut self, id: MessageId, now: Now) -> Result<(), StoreError> {
        let stored = |publishing: &Publishing| publishing.stored;
        if self.memory.publishing.get(&id).is_none_or(stored) {
            return Ok(());
        }
        self.number_answered(id, now)?;
        let over = self.row_for(id, now)?;
        let Some(publishing) = self.memory.publishing.get_mut(&id) else {
            return Ok(());
        };
        publishing.stored = true;
        let Publishing {
            message,
            deliveries,
            plan,
            key,
            ..
        } = publishing;
        let key = key.as_ref();
        rows::insert(
            &self.cx.store,
            over,
            &Head::of(message, plan),
            key,
            deliveries,
            None,
        )?;
        publishing.tell_failed(self.cx);
        let Publishing {
            message,
            deliveries,
            plan,
            ..
        } = publishing;
        self.memory.escalations.keep(self.cx, message)?;
        // What is not cancelled is not tried again.
        if plan.enough_at.is_some() {
            return Ok(());
        }
        let (message, left) = (Queued::of(message, deliveries)?, untaken(deliveries));
        self.keep_job(message, Some(left), now.at, true)?;
        self.cx.wake_by(Timer::Job, now.at + SAFETY_DELAY);
        Ok(())
    }

    /// An idempotency key was repeated.
    fn repeated(
        &mut self,
        id: MessageId,
        same: bool,
        frame: Option<(ConnectionId, Option<String>)>,
    ) -> Result<MessageId, Failure> {
        if !same {
            let detail = "Idempotency-Key was used for another body or target";
            return Err(Problem::new(Code::IdempotencyMismatch, detail).into());
        }
        if let Some(publishing) = self.memory.publishing.get_mut(&id) {
            publishing.frames.extend(frame);
            return Ok(id);
        }
        let mut trace = rows::trace(&self.cx.store, id, None, trace::MAX_PAGE_DELIVERIES)?;
        if trace.is_none() {
            let scheduled = schedule_rows::load(&self.cx.store, id)?;
            trace = scheduled.map(|scheduled| scheduled.trace());
        }
        let gone = || StoreError("an idempotency key without its message".to_owned());
        self.tell(trace.ok_or_else(gone)?, frame.as_slice(), None);
        Ok(id)
    }

    /// Whether the message of a key is still kept. Such a message is stored before any call.
    pub(super) fn is_kept(&self, id: MessageId) -> Result<bool, StoreError> {
        let memory = &self.memory;
        let is_known = memory.publishing.contains_key(&id) || memory.schedules.contains(id);
        Ok(is_known || rows::load(&self.cx.store, id)?.is_some())
    }

    pub(super) fn send_published(
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
            scheduled: trace.deliver_at().filter(|_| trace.is_scheduled()),
        };
        self.say_over(connection, &published);
    }

    /// Sends over `connection`, if it is still there, that a publish was not accepted.
    pub(super) fn send_problem(
        &mut self,
        connection: ConnectionId,
        reference: Option<&str>,
        problem: &Problem,
    ) {
        self.say_over(connection, &ToDevice::Error { reference, problem });
    }

    /// Sends this over `connection`, if it is still there.
    fn say_over(&mut self, connection: ConnectionId, said: &ToDevice<'_>) {
        let live = self
            .connection
            .as_ref()
            .filter(|live| live.id == connection);
        let said = live.and_then(|live| live.say(said));
        self.cx
            .effects
            .extend(said.map(|(output, _)| output.into()));
    }
}

/// The problem of a device that was removed.
pub(super) fn removed() -> Problem {
    Problem::new(Code::UnknownDevice, "the sending device was removed")
}
