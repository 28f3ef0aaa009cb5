//! Terminal states: each delivery has one, all sources agree on it, and it has its reason.

use std::collections::BTreeSet;

use tagpost_core::delivery::{Delivery, Phase, State, Step};
use tagpost_core::id::MessageId;

use super::{Checked, Ledger, Published, claim, is_tight, lost_its_reply, said};

/// How many attempts a trace has.
const TOLD: u32 = 12;

impl Ledger {
    /// The recipient's mailbox has stored the terminal state of a delivery.
    pub(super) fn settled(
        &mut self,
        id: MessageId,
        device: usize,
        delivery: &Delivery,
        text: String,
    ) -> Checked {
        let track = self.deliveries.entry((id, device)).or_default();
        // Cancelling a message that is settled and not here changes nothing: its sender's mailbox has the terminal
        // state, which stays.
        let void = self.messages.get(&id).is_none_or(|message| message.void);
        if delivery.phase() == Phase::CancelledEarly && (track.end.is_some() || void) {
            return Ok(());
        }
        let before = track.settled.replace(text);
        claim("a delivery is settled once", before.is_none(), || {
            format!("{id}: {before:?}, then {delivery:?}")
        })?;
        if let Some(end) = self
            .deliveries
            .get(&(id, device))
            .and_then(|track| track.end.as_ref())
            && !void
        {
            // Its sender's mailbox may have expired a message with TTL 0 before it could learn of the answer.
            let publication = self.publications.get(&self.op_of(id));
            let is_now_or_never = publication.is_some_and(|it| it.ttl == 0);
            let given_up = end.state == State::Expired && end.attempts == 0;
            if !(is_now_or_never && given_up) {
                same(id, end, delivery)?;
            }
        }
        self.reasonable(id, device, delivery)
    }

    /// A mailbox has received its device's answer to a message.
    pub(crate) fn has_answered(&mut self, device: usize, id: MessageId) -> Checked {
        if self.push.has(id) {
            return self.push_has_answered(device, id);
        }
        let row = self.tables[device].inbox.get(&id);
        claim(
            "a message settles when its device has answered",
            row.is_none_or(|row| row.settled),
            || format!("{id} to device {device}: {row:?}"),
        )
    }

    /// Of one sender's messages of one topic a device is to get one.
    pub(super) fn one_of_a_topic(&self, device: usize) -> Checked {
        let rows = self.tables[device].inbox.iter();
        let mut topics = BTreeSet::new();
        for (id, _) in rows.filter(|(_, row)| !row.settled) {
            let message = self.messages.get(id);
            let op = message.and_then(|message| self.publications.get(&message.op));
            let topic = op.and_then(|op| Some((op.sender, op.topic?)));
            claim(
                "a message replaces those of its topic",
                topic.is_none_or(|topic| topics.insert(topic)),
                || format!("{id} to device {device}, {topic:?}"),
            )?;
        }
        Ok(())
    }

    /// A sender was told a terminal state, or its mailbox has stored it.
    pub(super) fn ended(&mut self, id: MessageId, device: usize, delivery: &Delivery) -> Checked {
        if self.messages.get(&id).is_some_and(|message| message.void) {
            return Ok(());
        }
        let publication = self.publications.get(&self.op_of(id));
        let is_now_or_never = publication.is_some_and(|it| it.ttl == 0);
        let track = self.deliveries.entry((id, device)).or_default();
        if let Some(end) = &track.end {
            return same(id, end, delivery);
        }
        if let Some(settled) = &track.settled {
            let settled: Delivery = serde_json::from_str(settled).map_err(super::broken)?;
            // What ended without a row is forgotten in a crash, so that a cancellation after it does not find it. The
            // sender's mailbox keeps what it records first. After a crash it expires a message with TTL 0 itself.
            let unstored = track.stored_at.is_none_or(|at| at >= settled.at);
            let earlier = delivery.at <= settled.at + self.skew;
            let given_up = delivery.state == State::Expired && delivery.attempts == 0;
            let forgotten = unstored && (earlier || given_up);
            let is_late = given_up && is_now_or_never;
            let is_early = forgotten && settled.phase() == Phase::CancelledEarly;
            if !(is_late || is_early) {
                same(id, &settled, delivery)?;
            }
        }
        track.end = Some(delivery.clone());
        if delivery.state == State::Undeliverable {
            self.gives_up(id, device, delivery);
        }
        self.reasonable(id, device, delivery)
    }

    /// Whether a terminal state is possible here.
    fn reasonable(&self, id: MessageId, device: usize, delivery: &Delivery) -> Checked {
        let what = || format!("{id} to device {device}: {delivery:?}");
        timeline(delivery, what)?;
        let Some(track) = self.deliveries.get(&(id, device)) else {
            return Ok(());
        };
        let Some(message) = self.messages.get(&id) else {
            return Ok(());
        };
        match delivery.state {
            State::Delivered | State::Rejected => {
                let claimed = "what a device said reaches the sender unchanged";
                let has_reply = !lost_its_reply(delivery) || is_tight(&self.limits);
                claim(claimed, has_reply && said(&track.verdicts, delivery), what)
            }
            State::Expired => {
                let early = message.expires_at > delivery.at + self.skew;
                claim("nothing expires early", !early, what)
            }
            State::Undeliverable => {
                let mut steps = delivery
                    .steps
                    .iter()
                    .filter(|step| step.event == State::Sent);
                let (first, last) = (steps.next(), steps.next_back());
                let since = |step: Option<&Step>| step.map_or(0, |step| delivery.at - step.at);
                let holds = match delivery.reason.as_deref() {
                    None => {
                        let given_up = since(last.or(first)) + self.skew;
                        let time_outs = track.time_outs + track.work.times + 1;
                        (given_up >= self.time_to_acknowledge() || track.work.times > 0)
                            && time_outs >= self.limits.max_attempts
                    }
                    // Three connections made it a suspect, and ten more ended while it was alone on them.
                    Some("device_fails") => {
                        delivery.attempts >= 13 && since(first) + self.skew >= 600_000
                    }
                    Some("webhook_fails") => delivery.attempts >= self.limits.max_webhook_attempts,
                    Some(_) => false,
                };
                claim(
                    "a message is undeliverable after MAX_ATTEMPTS time-outs, or if its device or address fails",
                    holds,
                    || format!("{}, {} times", what(), track.time_outs),
                )
            }
            State::Replaced => claim(
                "a message is replaced only by a newer one that was accepted",
                self.is_replaced(id, device),
                what,
            ),
            State::Cancelled if delivery.reason.as_deref() == Some("enough") => claim(
                "a delivery is not needed any more once enough others are acknowledged",
                self.is_enough(id),
                what,
            ),
            State::Cancelled => claim(
                "a message is cancelled only by its sender",
                self.cancelled.contains(&id),
                what,
            ),
            State::Refused => {
                let removed = self.tables[device]
                    .account
                    .is_none_or(|account| account.revocations > 0);
                let holds = match delivery.reason.as_deref() {
                    Some("queue_full") => true,
                    Some("device_removed") => removed,
                    _ => false,
                };
                claim("a refusal has its reason", holds, what)
            }
            State::Held | State::Sent | State::InProgress => Ok(()),
        }
    }

    fn is_replaced(&self, id: MessageId, device: usize) -> bool {
        let topic = |id: MessageId| {
            let message = self.messages.get(&id)?;
            let publication = self.publications.get(&message.op)?;
            Some((message.sender, publication.topic?))
        };
        // A scheduled message is newer than those that were accepted after it.
        let is_newer = |(other, message): &(&MessageId, &Published)| {
            **other > id || (**other != id && message.is_handed_over)
        };
        let newer = self.messages.iter().filter(is_newer);
        let newer = newer.map(|(newer, _)| *newer);
        let mut same = newer.filter(|newer| topic(*newer).is_some() && topic(*newer) == topic(id));
        // The message that replaces it is stored or in flight only when this event is over.
        same.any(|newer| {
            let track = self.deliveries.get(&(newer, device));
            track.is_some_and(|track| {
                let refused = |end: &Delivery| end.state == State::Refused && end.attempts == 0;
                track.stored_at.is_some() || !track.end.as_ref().is_some_and(refused)
            })
        })
    }
}

fn same(id: MessageId, known: &Delivery, found: &Delivery) -> Checked {
    let words = |delivery: &Delivery| delivery.reply.as_ref().map(|reply| reply.get().to_owned());
    let is_lost = lost_its_reply(known) || lost_its_reply(found);
    let holds = known.state == found.state
        && known.at == found.at
        && known.attempts == found.attempts
        && (is_lost || known.reason == found.reason && words(known) == words(found));
    claim("a delivery has one terminal state", holds, || {
        format!("{id}: {known:?}, then {found:?}")
    })
}

/// Whether the steps of a delivery lead to its end.
fn timeline(delivery: &Delivery, what: impl Fn() -> String) -> Checked {
    let last = delivery.steps.last();
    let ends = last.is_some_and(|step| {
        step.event == delivery.state && step.at == delivery.at && step.attempt == delivery.attempts
    });
    let before = delivery.steps.iter().rev().skip(1);
    let open = before.clone().all(|step| !step.event.is_terminal());
    let attempts: Vec<u32> = delivery.steps.iter().map(|step| step.attempt).collect();
    let sent: Vec<u32> = before
        .rev()
        .filter(|step| step.event == State::Sent)
        .map(|step| step.attempt)
        .collect();
    // Of many attempts the first and the latest are told.
    let counted = match delivery.attempts {
        few @ 0..=TOLD => sent.iter().copied().eq(1..=few),
        _ => sent.len() == TOLD as usize && sent.is_sorted_by(|before, after| before < after),
    };
    claim(
        "a timeline ends with the terminal state",
        ends && open && attempts.is_sorted() && counted,
        what,
    )
}
