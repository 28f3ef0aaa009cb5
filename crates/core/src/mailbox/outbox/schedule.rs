//! Scheduled messages: accepted now, handed over at their time.
//!
//! Until then a message has no deliveries: its target is looked up at its time, and its TTL and its topic count from
//! then. Those that are due together are handed over in the order of their times, each with a later turn than the one
//! before. Its row stays until the message that is sent overwrites it. What happens if the mailbox fails in between
//! is in [`super::lost_hand_overs`].
//! A message whose target leads nowhere ends without a delivery, and so does one that is cancelled before its time.

use std::collections::BTreeMap;

use super::recipients::recipients;
use super::resolve::LOOKUPS;
use super::schedule_rows::{self, Scheduled};
use super::{ConnectionId, Failure, News, Outbox, SAFETY_DELAY, Timer};
use super::{job_rows, jobs, publish, rows};
use crate::delivery::{State, unreached};
use crate::id::{DeviceId, MessageId};
use crate::message::{Target, turn};
use crate::plan::{End, Plan, Schedule};
use crate::problem::Problem;
use crate::publish::{DELIVER_AT, Draft};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::trace::Trace;

/// What is known of the scheduled messages, without their payloads.
#[derive(Debug, Default)]
pub(super) struct Schedules(BTreeMap<MessageId, Due>);

#[derive(Debug, Clone, Copy)]
struct Due {
    /// The time that its sender named.
    deliver_at: Millis,
    /// When it is handed over, or tried again.
    at: Millis,
    bytes: u64,
    /// How many times it was put off.
    tries: u32,
    /// A query looks up its target.
    is_looked_up: bool,
    /// It may have been handed over before the memory was lost.
    is_in_doubt: bool,
}

impl Due {
    fn of(schedule: &Schedule) -> Self {
        Self {
            deliver_at: schedule.deliver_at,
            at: schedule.deliver_at,
            bytes: schedule.bytes,
            tries: 0,
            is_looked_up: false,
            is_in_doubt: false,
        }
    }
}

impl Schedules {
    /// The first message.
    pub(super) fn first(&self) -> Option<MessageId> {
        self.0.keys().next().copied()
    }

    /// The last message.
    fn last(&self) -> Option<MessageId> {
        self.0.keys().next_back().copied()
    }

    /// The messages that may have been handed over before the memory was lost, in the order of that. No more can have
    /// been: those after them waited for calls and queries.
    pub(super) fn in_doubt(&self) -> Vec<MessageId> {
        let known = self.0.iter().filter(|(_, due)| due.is_in_doubt);
        let mut places: Vec<_> = known.map(|(id, due)| (due.deliver_at, *id)).collect();
        places.sort_unstable();
        let first = places.into_iter().take(jobs::CALLS + LOOKUPS);
        first.map(|(_, id)| id).collect()
    }

    /// Nothing was handed over before the memory was lost, except what is stored as that.
    pub(super) fn end_doubt(&mut self) {
        self.0.values_mut().for_each(|due| due.is_in_doubt = false);
    }

    /// Whether this message is scheduled.
    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.0.contains_key(&id)
    }

    /// This message is no longer scheduled. Returns whether it was.
    pub(super) fn remove(&mut self, id: MessageId) -> bool {
        self.0.remove(&id).is_some()
    }

    /// How many there are, and their bytes.
    pub(super) fn size(&self) -> (u32, u64) {
        let add = |(count, bytes), due: &Due| (count + 1, bytes + due.bytes);
        self.0.values().fold((0, 0), add)
    }

    /// The time of a message that its sender named, and its id: messages are handed over in this order.
    fn place(&self, id: MessageId) -> Option<(Millis, MessageId)> {
        self.0.get(&id).map(|due| (due.deliver_at, id))
    }

    /// All their ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.0.keys().copied()
    }

    /// None are left.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<S: Store> Outbox<'_, S> {
    /// Reads what is scheduled. Before a message is handed over, `alarm` is no later than its time. If it is later, the
    /// message may have been handed over before the memory was lost.
    pub(super) fn open_schedule(&mut self, alarm: Option<Millis>) -> Result<(), StoreError> {
        for (id, schedule) in schedule_rows::all(&self.cx.store)? {
            let mut due = Due::of(&schedule);
            due.is_in_doubt =
                schedule.handed_over_at.is_some() || alarm > Some(schedule.deliver_at);
            self.memory.schedules.0.insert(id, due);
        }
        self.memory.opened_with = self.memory.opened_with.max(self.memory.schedules.last());
        Ok(())
    }

    /// Accepts a message that is to be handed over later. Its rate and its key are checked already.
    pub(super) fn schedule(
        &mut self,
        to: Target,
        draft: Draft,
        fingerprint: Option<[u8; 16]>,
        frame: Option<(ConnectionId, Option<String>)>,
        now: Now,
    ) -> Result<MessageId, Failure> {
        let when = draft.when.map(|when| when.after(now.at, DELIVER_AT));
        let deliver_at = when.transpose()?.flatten().unwrap_or(now.at);
        if let Some(problem) = self.full(draft.bytes(), 1) {
            return Err(problem.into());
        }
        if let Some(problem) = self.make_room(true, now)? {
            return Err(problem.into());
        }
        let Some(id) = self.next_id(now) else {
            return Err(publish::removed().into());
        };
        if let (Some(key), Some(fingerprint)) = (&draft.key, fingerprint) {
            job_rows::insert_key(&self.cx.store, key, id, fingerprint)?;
        }
        let schedule = Schedule {
            deliver_at,
            accepted_at: now.at,
            bytes: draft.bytes(),
            handed_over_at: None,
        };
        let due = Due::of(&schedule);
        let plan = Plan {
            schedule: Some(schedule),
            ..Plan::of(&draft)
        };
        let scheduled = Scheduled {
            id,
            to,
            plan,
            draft,
            devices: None,
        };
        let over = self.recyclable_row(now)?;
        schedule_rows::insert(&self.cx.store, over, &scheduled)?;
        self.memory.schedules.0.insert(id, due);
        self.cx.wake_by(Timer::Schedule, deliver_at);
        self.tell(scheduled.trace(), frame.as_slice(), None);
        Ok(id)
    }

    /// Hands over what is due, as much as one event may call for.
    pub(super) fn hand_over_due(&mut self, now: Now) -> Result<(), StoreError> {
        self.queue_lost_hand_overs(now)?;
        let due = self.schedule_due(now).filter(|(_, at)| *at <= now.at);
        let mut due: Vec<MessageId> = due.map(|(id, _)| id).collect();
        due.sort_unstable_by_key(|id| self.memory.schedules.place(*id));
        for id in due {
            let publishing = self.memory.publishing.values();
            if publishing.map(|it| it.open).sum::<usize>() >= jobs::CALLS {
                break;
            }
            let Some(scheduled) = schedule_rows::load(&self.cx.store, id)? else {
                self.memory.schedules.remove(id);
                continue;
            };
            if let Some(devices) = scheduled.known_devices() {
                self.hand_over(scheduled, devices, now)?;
            } else if self.memory.resolving.look_up(id, scheduled.to, LOOKUPS) {
                self.looks_up(id, true);
            } else {
                // The answer to the query goes on from here.
                break;
            }
        }
        // Nothing else would wake a mailbox that crashes while it waits for the answers.
        if self.memory.schedules.0.values().any(|due| due.at <= now.at) {
            self.cx.wake_by(Timer::Schedule, now.at + SAFETY_DELAY);
        }
        self.accept_frames(now)
    }

    fn looks_up(&mut self, id: MessageId, is_looked_up: bool) {
        if let Some(due) = self.memory.schedules.0.get_mut(&id) {
            due.is_looked_up = is_looked_up;
        }
    }

    /// A query has found the devices of a message that is due, or has failed.
    pub(super) fn looked_up(
        &mut self,
        id: MessageId,
        devices: Result<Vec<DeviceId>, Problem>,
        now: Now,
    ) -> Result<(), StoreError> {
        self.looks_up(id, false);
        let Some(scheduled) = schedule_rows::load(&self.cx.store, id)? else {
            return Ok(());
        };
        match devices {
            Ok(devices) => self.hand_over(scheduled, devices, now),
            Err(_) => {
                self.postpone(id, now);
                Ok(())
            }
        }
    }

    /// A message could not be handed over: it is tried again.
    fn postpone(&mut self, id: MessageId, now: Now) {
        if let Some(due) = self.memory.schedules.0.get_mut(&id) {
            due.tries += 1;
            due.at = now.at + jobs::pause(due.tries);
            self.cx.wake_by(Timer::Schedule, due.at);
        }
    }

    /// Hands over a message to the devices of its target.
    fn hand_over(
        &mut self,
        scheduled: Scheduled,
        devices: Vec<DeviceId>,
        now: Now,
    ) -> Result<(), StoreError> {
        let Some(sender) = self.cx.device().cloned() else {
            return Ok(());
        };
        let (id, echo, limits) = (scheduled.id, scheduled.draft.echo, &self.cx.limits);
        let found = match scheduled.devices {
            Some(_) => Ok(devices),
            None => recipients(&scheduled.to, devices, &sender, echo, limits),
        };
        let devices = match found {
            Ok(devices) => devices,
            Err(problem) => {
                let reason = Some(problem.code.as_str().to_owned());
                return self.end_scheduled(&scheduled, State::Refused, reason, now);
            }
        };
        let Some(route) = self.route(&devices, &scheduled.draft)? else {
            // Bytes under way go soon.
            self.postpone(id, now);
            return Ok(());
        };
        let (plan, sent_at) = self.hand_over_plan(&scheduled, now);
        // A device that the sender named is known without this, and a message that is queued is stored anyway.
        let is_named = matches!(scheduled.to, Target::Device(_));
        if scheduled.devices.is_none() && !is_named && !route.is_queued() {
            let deliveries = unreached(&devices, sent_at);
            schedule_rows::save_devices(&self.cx.store, id, &deliveries, &plan)?;
        }
        let Scheduled { to, draft, .. } = scheduled;
        let (wait, key) = (draft.wait, draft.key.clone());
        let message = draft.into_message(id, sender, to, sent_at);
        self.start(message, devices, plan, key, Vec::new(), route, wait, now)
    }

    /// The plan of a message that is handed over, and the time of that. Its turn comes after those of all that were
    /// handed over before it, even at the same time and with a greater id.
    pub(super) fn hand_over_plan(&mut self, scheduled: &Scheduled, now: Now) -> (Plan, Millis) {
        let (id, last) = (scheduled.id, self.memory.last_turn);
        let at = match last {
            Some(last) if turn(id, now.at) <= last => last.0 + 1,
            _ => now.at,
        };
        let plan = scheduled.handed_over(at);
        let sent_at = plan.sent_at(at);
        self.memory.last_turn = last.max(Some(turn(id, sent_at)));
        (plan, sent_at)
    }

    /// A scheduled message ends without a delivery. Its sender gets a receipt.
    fn end_scheduled(
        &mut self,
        scheduled: &Scheduled,
        state: State,
        reason: Option<String>,
        now: Now,
    ) -> Result<(), StoreError> {
        let id = scheduled.id;
        let mut trace = scheduled.trace();
        trace.plan.drop_steps();
        trace.plan.end = Some(End {
            state,
            at: now.at,
            reason,
            receipt: Some(self.next_receipt(now)?),
        });
        let key = scheduled.draft.key.as_ref();
        let (over, head) = (self.row_for(id, now)?, rows::Head::of_trace(&trace));
        rows::insert(&self.cx.store, over, &head, key, &[], Some(now.at))?;
        self.cx.wake_by(Timer::Retention, self.clean_up_at(now.at));
        self.send_receipt_of_end(id, trace.plan.end.as_ref());
        self.cx.push(News::Settled(id));
        Ok(())
    }

    /// Cancels a message before its time. `None` if it is not scheduled, or was handed over: then it is stored with its
    /// deliveries, which can be cancelled.
    pub(super) fn cancel_scheduled(
        &mut self,
        id: MessageId,
        now: Now,
    ) -> Result<Option<Trace>, StoreError> {
        if !self.memory.schedules.contains(id) {
            return Ok(None);
        }
        if self.memory.publishing.contains_key(&id) {
            self.store_publishing(id, now)?;
            return Ok(None);
        }
        self.queue_lost_hand_overs(now)?;
        if !self.memory.schedules.contains(id) {
            return Ok(None);
        }
        let Some(scheduled) = schedule_rows::load(&self.cx.store, id)? else {
            return Ok(None);
        };
        self.end_scheduled(&scheduled, State::Cancelled, None, now)?;
        rows::trace(&self.cx.store, id, None, 1)
    }

    /// When each message is due.
    pub(super) fn schedule_due(&self, now: Now) -> impl Iterator<Item = (MessageId, Millis)> {
        let known = self.memory.schedules.0.iter();
        known.map(move |(id, due)| {
            let is_under_way = due.is_looked_up || self.memory.publishing.contains_key(id);
            match is_under_way {
                true => (*id, now.at + SAFETY_DELAY),
                false => (*id, due.at),
            }
        })
    }
}
