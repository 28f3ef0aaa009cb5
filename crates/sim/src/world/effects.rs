//! What a mailbox wants done outside, as the Worker's `src/mailbox/effects.rs` does it.

use tagpost_core::call::DeliveryStatus;
use tagpost_core::id::MessageId;
use tagpost_core::mailbox::Effect;
use tagpost_core::time::Millis;

use super::calls::{Caller, Reply};
use super::{Event, World};
use crate::claims::{Checked, broken};

/// How long it takes to find the devices of a tag.
const RESOLVING: Millis = 3;

impl World<'_> {
    pub(super) fn perform(&mut self, object: usize, effects: Vec<Effect>) -> Checked {
        for effect in effects {
            match effect {
                Effect::Send { connection, frame } => {
                    let text = frame
                        .text()
                        .ok_or_else(|| broken("a frame that is not text"))?;
                    self.send(object, connection, text)?;
                }
                Effect::Close {
                    connection,
                    code,
                    reason,
                } => self.hang_up(object, connection, code, reason)?,
                Effect::Attach {
                    connection,
                    attachment,
                } => self.attach(connection, attachment)?,
                Effect::Call {
                    to,
                    purpose,
                    call,
                    enclosed,
                } => {
                    let life = self.objects[object].life;
                    self.objects[object].calls_out += 1;
                    let to = self.places[&to];
                    self.call(
                        Caller::Mailbox {
                            object,
                            life,
                            purpose,
                        },
                        to,
                        None,
                        call,
                        enclosed,
                    )?;
                }
                Effect::Resolve(frame) => {
                    let host = &mut self.objects[object];
                    host.lane.push_back(*frame);
                    let life = host.life;
                    if host.lane.len() == 1 {
                        self.after(RESOLVING, Event::Resolved { object, life });
                    }
                }
                Effect::Tick(at) => {
                    let host = &mut self.objects[object];
                    host.ticks += 1;
                    let (at, life) = (at - host.skew, host.life);
                    self.at(at, Event::Tick { object, life });
                }
                // Set when the event was committed.
                Effect::Alarm(_) => {}
                Effect::Delivered(id, delivered) => self.delivered(object, id, &delivered)?,
                Effect::Published(id, outcome) => {
                    match &outcome {
                        Ok(trace) => self.ledger.answered(object, trace)?,
                        Err(_) => self.ledger.not_accepted(id),
                    }
                    let calls = self.objects[object].waiting.publishes.remove(&id);
                    for call in calls.into_iter().flatten() {
                        let reply = outcome.clone().map_or_else(Reply::Problem, Reply::Trace);
                        self.answer_if_admitted(object, call, reply)?;
                    }
                }
                Effect::Settled(id) => {
                    let host = &self.objects[object];
                    let life = host.life;
                    let traces = host.waiting.traces.iter().filter(|(_, of)| **of == id);
                    for call in traces.map(|(call, _)| *call).collect::<Vec<_>>() {
                        self.after(0, Event::Trace { object, life, call });
                    }
                }
                Effect::Cancelled(id) => {
                    let host = &mut self.objects[object];
                    let life = host.life;
                    for call in host.waiting.cancels.remove(&id).into_iter().flatten() {
                        self.objects[object].waiting.traces.insert(call, id);
                        self.after(0, Event::Trace { object, life, call });
                    }
                }
                Effect::Revoked => self.dismiss(object)?,
                Effect::Ready => {
                    let host = &self.objects[object];
                    let life = host.life;
                    for call in host.waiting.polls.keys().copied().collect::<Vec<_>>() {
                        self.after(0, Event::Poll { object, life, call });
                    }
                }
            }
        }
        Ok(())
    }

    fn delivered(&mut self, object: usize, id: MessageId, delivered: &DeliveryStatus) -> Checked {
        let calls = self.objects[object].waiting.deliveries.remove(&id);
        for call in calls.into_iter().flatten() {
            self.answer_delivered(object, call, id, delivered)?;
        }
        Ok(())
    }
}
