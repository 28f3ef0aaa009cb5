//! A message as its sender sees it: every delivery, with the time of each step.
//!
//! The answer to a publish and the trace are two views of the same data. Not here: who may see them, and how
//! long they are kept.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::{Delivery, State, Step, Summary, summary};
use crate::id::{DeviceId, MessageId};
use crate::json;
use crate::message::{Message, Target};
use crate::plan::Plan;
use crate::plan::escalation::{self, Outcome, Taken};
use crate::time::Millis;
use crate::webhook::Tried;

/// The most deliveries on one page of a trace.
pub const MAX_PAGE_DELIVERIES: u32 = 1_000;

/// The size of a rendered page of a trace, at most and roughly, in bytes. The platform limits an answer between
/// objects to 32 MiB, and counts two bytes per character if one of them is not Latin-1.
const PAGE_BYTES: usize = 4 << 20;

/// A message and its deliveries: all of them, or one page.
///
/// It is stored in its serialized form; senders see its views.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trace {
    /// The message.
    pub id: MessageId,
    /// The tag or device that it was published to.
    pub to: Target,
    /// When the sender's mailbox accepted it.
    pub accepted_at: Millis,
    /// When its TTL runs out: it is not sent after that.
    pub expires_at: Millis,
    /// One for each recipient, in the order of their names; or a page of them.
    pub deliveries: Vec<Delivery>,
    /// What else its sender wants of it.
    #[serde(default, skip_serializing_if = "Plan::is_empty")]
    pub plan: Plan,
    /// Set if `deliveries` is a page.
    #[serde(skip)]
    pub page: Option<Page>,
}

/// What a page of a trace contains besides its deliveries.
#[derive(Debug, Clone)]
pub struct Page {
    /// The summary of all deliveries.
    pub summary: Summary,
    /// The last device of the page, after which the next begins; `None` on the last page.
    pub next: Option<DeviceId>,
}

impl Trace {
    /// The trace of a message with these deliveries.
    pub fn of(message: Message, deliveries: Vec<Delivery>, plan: Plan) -> Self {
        Self {
            id: message.id,
            to: message.to,
            accepted_at: plan.accepted_at(message.sent_at),
            expires_at: message.expires_at,
            deliveries,
            plan,
            page: None,
        }
    }

    /// The same with one page of its deliveries: those after this device, at most `limit`.
    pub fn into_page(mut self, after: Option<&DeviceId>, limit: u32) -> Self {
        let summary = self.summary();
        let mut page = DeliveryPage::new(limit);
        let later = |delivery: &Delivery| Some(&delivery.device) > after;
        for delivery in std::mem::take(&mut self.deliveries)
            .into_iter()
            .filter(later)
        {
            if !page.add(delivery) {
                break;
            }
        }
        let (deliveries, next) = page.done();
        self.deliveries = deliveries;
        self.page = Some(Page { summary, next });
        self
    }

    /// How many deliveries are in each state, including those on other pages.
    pub fn summary(&self) -> Summary {
        match &self.page {
            Some(page) => page.summary.clone(),
            None => summary(&self.deliveries),
        }
    }

    /// Whether it is not handed over yet.
    pub fn is_scheduled(&self) -> bool {
        let Plan { schedule, end, .. } = &self.plan;
        let schedule = schedule.as_ref().filter(|_| end.is_none());
        schedule.is_some_and(|schedule| schedule.handed_over_at.is_none())
    }

    /// The state of the message itself, which it has only without deliveries.
    fn state(&self) -> Option<&'static str> {
        match &self.plan.end {
            Some(end) => Some(end.state.as_str()),
            None => self.is_scheduled().then_some("scheduled"),
        }
    }

    /// Whether every delivery is in a terminal state, and no further one will come.
    pub fn is_settled(&self) -> bool {
        if self.is_scheduled() || self.plan.has_steps() {
            return false;
        }
        match &self.page {
            Some(page) => page.summary.open() == 0,
            None => self.deliveries.iter().all(|it| it.state.is_terminal()),
        }
    }

    /// The time at which its sender wants it handed over, if that is not when it was accepted.
    pub fn deliver_at(&self) -> Option<Millis> {
        let schedule = self.plan.schedule.as_ref();
        schedule.map(|schedule| schedule.deliver_at)
    }

    /// Updates a delivery with what its recipient's mailbox says.
    pub fn learn(&mut self, delivery: Delivery) {
        let state = delivery.state;
        let mut known = self.deliveries.iter_mut();
        let known = known.find(|known| known.device == delivery.device);
        let before = known.and_then(|known| known.learn(delivery));
        if let (Some(before), Some(page)) = (before, &mut self.page) {
            page.summary.move_one(before, state);
        }
    }

    /// The answer to a publish, and an entry of a list of messages.
    pub fn answer(&self) -> Answer<'_> {
        Answer {
            id: self.id,
            to: &self.to,
            accepted_at: self.accepted_at,
            expires_at: self.expires_at,
            acks_needed: self.plan.acks_needed,
            enough_at: self.plan.enough_at,
            escalate: self.plan.steps(),
            deliver_at: self.deliver_at(),
            resend_of: self.plan.resend_of,
            resent_as: &self.plan.resent_as,
            state: self.state(),
            reason: self.plan.end.as_ref().and_then(|it| it.reason.as_deref()),
            deliveries: self.deliveries.iter().map(DeliveryForm::from).collect(),
            summary: self.summary(),
            next: self.page.as_ref().and_then(|page| page.next.as_ref()),
        }
    }

    /// The JSON of [`Trace::answer`].
    pub fn answer_json(&self) -> String {
        json::text(&self.answer())
    }

    /// The JSON of the trace: the answer with a timeline of all steps, oldest first.
    pub fn trace_json(&self) -> String {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            answer: Answer<'a>,
            timeline: Vec<TimelineEntry<'a>>,
        }
        json::text(&Whole {
            answer: self.answer(),
            timeline: self.timeline(),
        })
    }

    /// All steps by time. Those of the same millisecond stay in this order: those of the escalation, those of the
    /// deliveries, the knocks. A page has the whole escalation.
    fn timeline(&self) -> Vec<TimelineEntry<'_>> {
        let escalation = self.plan.escalation.iter();
        let taken = escalation.flat_map(|it| it.taken.iter().map(TimelineEntry::of));
        let events = self.deliveries.iter().flat_map(|delivery| {
            delivery.steps.iter().map(|step| TimelineEntry::Delivery {
                device: &delivery.device,
                event: match step.tried {
                    Some(_) => "attempted",
                    None => step.event.as_str(),
                },
                at: step.at,
                attempt: step.attempt,
                note: step.note.as_deref(),
                tried: step.tried,
            })
        });
        let woken = self.deliveries.iter().flat_map(|delivery| {
            delivery.woken.iter().map(|woken| TimelineEntry::Woken {
                event: "woken",
                device: &delivery.device,
                at: woken.at,
                host: &woken.host,
            })
        });
        let mut timeline: Vec<_> = taken.chain(events).chain(woken).collect();
        timeline.sort_by_key(TimelineEntry::at);
        timeline
    }
}

/// A message and the state of its deliveries, ready to be serialized.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    id: MessageId,
    to: &'a Target,
    accepted_at: Millis,
    expires_at: Millis,
    /// How many acknowledgements are enough, if the sender said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    acks_needed: Option<u32>,
    /// When there were enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    enough_at: Option<Millis>,
    /// The steps of its escalation that may still be taken.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    escalate: &'a [escalation::Step],
    /// When it was or will be handed over, if the sender named a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_at: Option<Millis>,
    /// The message that it sends again.
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_of: Option<MessageId>,
    /// The messages that sent it again, oldest first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    resent_as: &'a [MessageId],
    /// Set if there are no deliveries: `scheduled`, `cancelled` or `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    deliveries: Vec<DeliveryForm<'a>>,
    summary: Summary,
    /// Set if there are more deliveries than these.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a DeviceId>,
}

/// A page of deliveries that is being filled, in the order of their devices.
#[derive(Debug)]
pub(crate) struct DeliveryPage {
    deliveries: Vec<Delivery>,
    limit: usize,
    bytes: usize,
    full: bool,
}

impl DeliveryPage {
    /// A page of at most this many deliveries, and at least one.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            deliveries: Vec::new(),
            limit: (limit as usize).max(1),
            bytes: 0,
            full: false,
        }
    }

    /// Adds a delivery, unless the page is full; returns whether it did.
    pub(crate) fn add(&mut self, delivery: Delivery) -> bool {
        self.bytes += rendered(&delivery);
        let full = self.deliveries.len() >= self.limit || self.bytes > PAGE_BYTES;
        self.full |= full && !self.deliveries.is_empty();
        if !self.full {
            self.deliveries.push(delivery);
        }
        !self.full
    }

    /// The deliveries, and the last device if there are more.
    pub(crate) fn done(self) -> (Vec<Delivery>, Option<DeviceId>) {
        let last = self.deliveries.last().filter(|_| self.full);
        let next = last.map(|delivery| delivery.device.clone());
        (self.deliveries, next)
    }
}

/// Roughly how many bytes a delivery takes in a trace, at most, including its timeline.
fn rendered(delivery: &Delivery) -> usize {
    let device = delivery.device.as_str().len();
    let reply = delivery.reply.as_ref().map_or(0, |reply| reply.get().len());
    // A control character takes six bytes.
    let reason = delivery.reason.as_ref().map_or(0, |it| 6 * it.len());
    let note = |step: &Step| step.note.as_ref().map_or(0, |note| 20 + 6 * note.len());
    let steps = delivery.steps.iter().map(|step| 100 + device + note(step));
    let woken = delivery.woken.iter();
    let woken = woken.map(|woken| 80 + device + woken.host.len());
    120 + device + reply + reason + steps.sum::<usize>() + woken.sum::<usize>()
}

/// A delivery as senders see it: without its steps.
#[derive(Debug, Serialize)]
pub(crate) struct DeliveryForm<'a> {
    device: &'a DeviceId,
    state: State,
    at: Millis,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reply_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> From<&'a Delivery> for DeliveryForm<'a> {
    fn from(delivery: &'a Delivery) -> Self {
        Self {
            device: &delivery.device,
            state: delivery.state,
            at: delivery.at,
            attempts: delivery.attempts,
            reply: delivery.reply.as_deref(),
            reply_truncated: delivery.reply_truncated,
            reason: delivery.reason.as_deref(),
        }
    }
}

/// One entry of the timeline.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum TimelineEntry<'a> {
    Delivery {
        device: &'a DeviceId,
        event: &'static str,
        at: Millis,
        attempt: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<&'a str>,
        #[serde(flatten)]
        tried: Option<Tried>,
    },
    Woken {
        event: &'static str,
        device: &'a DeviceId,
        at: Millis,
        host: &'a str,
    },
    Escalation {
        event: &'static str,
        at: Millis,
        to: &'a Target,
        #[serde(flatten)]
        outcome: &'a Outcome,
    },
}

impl<'a> TimelineEntry<'a> {
    fn of(taken: &'a Taken) -> Self {
        let event = match taken.outcome {
            Outcome::Devices(_) => "escalated",
            Outcome::Code(_) => "escalation_failed",
        };
        Self::Escalation {
            event,
            at: taken.at,
            to: &taken.to,
            outcome: &taken.outcome,
        }
    }

    fn at(&self) -> Millis {
        match self {
            Self::Delivery { at, .. } | Self::Woken { at, .. } | Self::Escalation { at, .. } => *at,
        }
    }
}

#[cfg(test)]
mod tests;
