//! The guarantees that every run must keep, checked from outside.
//!
//! The ledger sees frames, answers and committed rows, and reports any that contradict a guarantee or each other. It
//! does not know how a mailbox works, only what it promises.

mod attempts;
mod due;
mod ends;
mod enough;
mod escalation;
mod events;
mod failures;
mod finish;
mod knocks;
mod links;
mod listing;
mod progress;
mod push;
mod resolution;
mod revoked;
mod room;
mod rows;
mod schedule;
mod sent_bytes;
mod sent_rows;
mod status;
mod track;
mod webhook;
mod wire;
mod withdrawn;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::Deserialize;
use tagpost_core::call::{Call, Progress};
use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::ConnectionId;
use tagpost_core::message::{Message, Urgency};
use tagpost_core::time::Millis;
use tagpost_core::trace::Trace;
use tagpost_core::wake::Knocks;

pub(crate) use self::due::Alarm;
pub(crate) use self::events::events_of;
use self::events::{Happened, Told};
use self::failures::{Failing, Listed};
use self::knocks::Phones;
pub(crate) use self::knocks::{KnockSent, knocks_of};
use self::links::Link;
pub(crate) use self::push::PushSent;
use self::push::Pushes;
use self::resolution::Found;
use self::rows::Tables;
pub(crate) use self::sent_bytes::is_tight;
use self::sent_bytes::lost_its_reply;
use self::track::{NOBODY, Published, Track, Wire};
pub(crate) use self::webhook::Posted;
use self::webhook::Webhook;
pub(crate) use self::wire::Sent;
use crate::plan::{Action, Plan, Publication, To};
use crate::world::Verdict;

/// A claim that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The claim that is broken.
    pub claim: &'static str,
    /// What was seen instead.
    pub detail: String,
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.claim, self.detail)
    }
}

pub(crate) type Checked<T = ()> = Result<T, Violation>;

/// A claim, whether it holds, and what was seen.
pub(crate) fn claim(claim: &'static str, holds: bool, seen: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Violation {
            claim,
            detail: seen(),
        })
    }
}

/// Something failed that must never fail.
pub(crate) fn broken(error: impl Display) -> Violation {
    Violation {
        claim: "nothing fails except what is made to fail",
        detail: error.to_string(),
    }
}

/// All that was seen.
pub(crate) struct Ledger {
    limits: Limits,
    /// The most that two clocks may differ.
    skew: Millis,
    places: BTreeMap<DeviceId, usize>,
    /// The devices that each tag has, or has had.
    tags: Vec<Vec<usize>>,
    publications: BTreeMap<u32, Publication>,
    messages: BTreeMap<MessageId, Published>,
    deliveries: BTreeMap<(MessageId, usize), Track>,
    tables: Vec<Tables>,
    /// The messages of one sender and urgency to one device, in the order in which they first went out.
    first_sent: BTreeMap<(usize, usize, Urgency), Vec<MessageId>>,
    /// The same, in the order in which they first reached the device over a socket.
    first_heard: BTreeMap<(usize, usize, Urgency), Vec<MessageId>>,
    /// When each sender's mailbox accepted a message in its present life, by its clock.
    paces: BTreeMap<usize, (u32, Vec<Millis>)>,
    /// The newest message of each key of each sender.
    keys: BTreeMap<(usize, u32), MessageId>,
    links: BTreeMap<ConnectionId, Link>,
    /// The last receipt that each device says it has seen.
    seen: BTreeMap<usize, i64>,
    cancelled: BTreeSet<MessageId>,
    /// How many messages were handed over, by anyone.
    handed_over: usize,
    /// Messages that ended as undeliverable.
    given_up: Vec<(MessageId, usize, Delivery)>,
    /// Devices that fail at one message in this many, and since when they are otherwise well.
    poisoned: BTreeMap<usize, (u32, Millis)>,
    push: Pushes,
    found: Found,
    /// Which messages knock.
    knocks: Knocks,
    phones: Vec<Phones>,
    /// The failed deliveries that the directory lists.
    listed: Listed,
    failing: Vec<Failing>,
    /// What has happened that the operator is told of, and how far each mailbox has come with telling.
    happened: Vec<Happened>,
    /// The events that the service has published.
    told: Told,
    webhooks: Vec<Webhook>,
}

impl Ledger {
    pub(crate) fn new(plan: &Plan, names: &[DeviceId]) -> Self {
        let publications = plan.ops.iter().filter_map(|op| match &op.action {
            Action::Publish(publication) => Some((op.number, publication.clone())),
            _ => None,
        });
        Self {
            limits: plan.limits.clone(),
            skew: 2 * plan.weather.clocks,
            places: names.iter().cloned().zip(0..).collect(),
            tags: plan.tags.clone(),
            publications: publications.collect(),
            messages: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            tables: names.iter().map(|_| Tables::default()).collect(),
            first_sent: BTreeMap::new(),
            first_heard: BTreeMap::new(),
            paces: BTreeMap::new(),
            keys: BTreeMap::new(),
            links: BTreeMap::new(),
            seen: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            handed_over: 0,
            given_up: Vec::new(),
            poisoned: BTreeMap::new(),
            push: Pushes::of(plan),
            found: Found::default(),
            knocks: knocks_of(plan.seed),
            phones: names.iter().map(|_| Phones::default()).collect(),
            listed: Listed::new(),
            failing: names.iter().map(|_| Failing::default()).collect(),
            happened: names.iter().map(|_| Happened::default()).collect(),
            told: Told::of(plan.seed, names.len()),
            webhooks: names.iter().map(|_| Webhook::default()).collect(),
        }
    }

    /// What a call is about, for its fate: the publish behind it.
    pub(crate) fn subject(&self, call: &Call, message: Option<&Message>) -> u64 {
        u64::from(match call {
            Call::Deliver { .. } => message.map_or(0, number),
            Call::CancelDelivery { id, .. }
            | Call::GetDelivery { id }
            | Call::Ack { id, .. }
            | Call::Nack { id, .. }
            | Call::Progress { id, .. }
            | Call::ReportProgress(Progress { id, .. }) => self.op_of(*id),
            Call::Report { settled } => settled.first().map_or(0, |settled| self.op_of(settled.id)),
            _ => 0,
        })
    }

    /// The publish of a message, as far as it is known.
    pub(crate) fn op_of(&self, id: MessageId) -> u32 {
        self.messages.get(&id).map_or(0, |message| message.op)
    }

    /// A message leaves its sender's mailbox.
    pub(crate) fn leaves(&mut self, from: usize, to: usize, message: &Message) -> Checked {
        self.accepted(from, message.id)?;
        let op = number(message);
        let publication = self.publications.get(&op);
        claim(
            "a message to a tag comes back to its sender only if the sender asks for it",
            from != to
                || publication
                    .is_none_or(|it| it.echo || it.targets().any(|to| matches!(to, To::Device(_)))),
            || message.id.to_string(),
        )?;
        claim(
            "a message goes to no device that its expression takes away",
            publication.is_none_or(|it| {
                it.targets()
                    .any(|target| !matches!(target, To::Without(_, device) if device == to))
            }),
            || message.id.to_string(),
        )?;
        let known = self.messages.entry(message.id).or_default();
        known.sender = from;
        known.op = op;
        known.size = message.size;
        known.expire(message.expires_at);
        self.deliveries.entry((message.id, to)).or_default();
        self.is_stored_before_it_is_called(message.id, to)
    }

    /// A publish is answered.
    pub(crate) fn answered(
        &mut self,
        sender: usize,
        id: MessageId,
        deliveries: &[Delivery],
    ) -> Checked {
        // Its sender may have been removed in the event that accepted it.
        if !self.is_bound(sender) {
            self.messages.entry(id).or_default().void = true;
            return Ok(());
        }
        let tables = &self.tables[sender];
        let is_stored = tables.outbox.contains_key(&id) || tables.schedule.contains_key(&id);
        // A repeat may wait for a call of the first publish, beyond a short retention time.
        let has_lapsed = || {
            let over = tables.latest - self.retention();
            let mut ends = deliveries.iter();
            ends.all(|it| it.state.is_terminal() && it.at <= over) && !deliveries.is_empty()
        };
        let has_made_room = || {
            let truncated_before = tables.account.and_then(|account| account.truncated_before);
            truncated_before >= Some(id.time())
                && deliveries.iter().all(|it| it.state.is_terminal())
        };
        claim(
            "an answered publish is stored",
            is_stored || has_lapsed() || has_made_room(),
            || id.to_string(),
        )?;
        let message = self.messages.entry(id).or_default();
        let first = !std::mem::replace(&mut message.answered, true);
        for delivery in deliveries {
            let device = self.places[&delivery.device];
            if delivery.state.is_terminal() {
                self.ended(id, device, delivery)?;
                if first {
                    self.deliveries.entry((id, device)).or_default().in_answer = true;
                }
            }
        }
        Ok(())
    }

    /// A publish is answered over a connection, with what its row says.
    pub(crate) fn answered_over(&mut self, sender: usize, id: MessageId) -> Checked {
        let row = self.tables[sender].outbox.get(&id);
        let texts = row.into_iter().flat_map(|row| &row.texts);
        let parts = texts.map(|text| serde_json::from_str::<Vec<Delivery>>(text));
        let parts = parts.collect::<Result<Vec<_>, _>>().map_err(broken)?;
        self.answered(sender, id, &parts.concat())
    }

    /// A publish is answered with a problem.
    pub(crate) fn not_accepted(&mut self, id: MessageId) {
        self.messages.entry(id).or_default().void = true;
    }

    /// A publish was answered with another id than before.
    pub(crate) fn another_id(
        &self,
        sender: usize,
        op: u32,
        known: MessageId,
        id: MessageId,
    ) -> Checked {
        // An answer may come when its message is gone and its key was used again.
        let tables = &self.tables[sender];
        let kept =
            |id: &MessageId| tables.outbox.contains_key(id) || tables.schedule.contains_key(id);
        claim(
            "an idempotency key never makes a second message",
            !(kept(&known) && kept(&id)),
            || format!("publish {op}: {known}, then {id}"),
        )
    }

    /// A sender reads a trace.
    pub(crate) fn traced(&mut self, sender: usize, trace: &Trace) -> Checked {
        if self
            .messages
            .get(&trace.id)
            .is_none_or(|message| message.void || message.sender != sender)
        {
            return Ok(());
        }
        for delivery in trace
            .deliveries
            .iter()
            .filter(|delivery| delivery.state.is_terminal())
        {
            let device = self.places[&delivery.device];
            self.ended(trace.id, device, delivery)?;
        }
        Ok(())
    }

    /// A call to deliver is answered.
    pub(crate) fn answered_delivery(
        &mut self,
        device: usize,
        id: MessageId,
        delivery: &Delivery,
    ) -> Checked {
        let stored = self.tables[device].inbox.contains_key(&id);
        let ended = delivery.state.is_terminal();
        let track = self.deliveries.entry((id, device)).or_default();
        // It is in flight no longer, even if a repeated call brings it again: the sender's mailbox may have failed to
        // record this answer.
        if let Some(wire) = track.wire.as_mut().filter(|_| ended) {
            wire.connection = None;
        }
        claim(
            "a call to deliver is answered once the message is stored or settled",
            ended || stored,
            || format!("{id} is {:?}", delivery.state),
        )
    }

    /// A device says what it does about a message.
    pub(crate) fn verdict(&mut self, device: usize, verdict: &Verdict) {
        let track = self.deliveries.entry((verdict.id, device)).or_default();
        track.verdicts.push(verdict.clone());
    }

    /// A sender asks to cancel a message.
    pub(crate) fn cancelling(&mut self, id: MessageId) {
        self.cancelled.insert(id);
    }

    /// A device says which receipts it has seen.
    pub(crate) fn seen(&mut self, device: usize, seq: i64) {
        let seen = self.seen.entry(device).or_default();
        *seen = (*seen).max(seq);
    }

    /// The least time that a device has to acknowledge a message.
    fn time_to_acknowledge(&self) -> Millis {
        i64::from(self.limits.ack_timeout) * 1000
    }

    /// The most time that it has for this attempt.
    fn backoff(&self, attempt: u32) -> Millis {
        i64::from(self.limits.ack_timeout) * 1000 * (1 << attempt.saturating_sub(1).min(3))
    }
}

/// The number that a payload carries: the publish behind the message.
fn number(message: &Message) -> u32 {
    #[derive(Deserialize)]
    struct Payload {
        n: u32,
    }
    serde_json::from_str::<Payload>(message.payload.get()).map_or(0, |payload| payload.n)
}

/// Whether the device said this about the message.
fn said(verdicts: &[Verdict], delivery: &Delivery) -> bool {
    verdicts.iter().any(|verdict| {
        let words = match delivery.state {
            State::Rejected => delivery.reason.as_deref(),
            _ => delivery.reply.as_ref().map(|reply| reply.get()),
        };
        let is_lost = lost_its_reply(delivery) && verdict.words.is_some();
        verdict.state == delivery.state && (is_lost || verdict.words.as_deref() == words)
    })
}
