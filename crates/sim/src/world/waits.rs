//! Calls that waited for something, and go on: deliveries, traces, polls; and a mailbox's own timer.

use tagpost_core::call::Call;
use tagpost_core::id::MessageId;

use super::calls::{Caller, Reply, page};
use super::serve::problem_or;
use super::{CallId, Event, World};
use crate::claims::{Checked, claim};

impl World<'_> {
    /// A message has arrived: those that follow it are tried again.
    pub(super) fn arrived(&mut self, object: usize, id: MessageId) {
        let host = &self.objects[object];
        let life = host.life;
        let early = host.waiting.early.iter();
        let next = early.filter(|(_, early)| early.after == id);
        for call in next.map(|(call, _)| *call).collect::<Vec<_>>() {
            self.after(0, Event::Early { object, life, call });
        }
    }

    /// A call to deliver that came before the message that it follows comes again.
    pub(super) fn early(&mut self, object: usize, life: u32, call: CallId) -> Checked {
        let host = &mut self.objects[object];
        let early = host.waiting.early.remove(&call);
        let Some(early) = early.filter(|_| host.life == life) else {
            return Ok(());
        };
        self.keep_awake(object);
        self.note(|names| format!("{}: {} again", names[object], early.message.id));
        self.serve_deliver(call, object, early.message, early.terms)
    }

    /// The timer of a call to deliver ran out.
    pub(super) fn wait_is_over(
        &mut self,
        object: usize,
        life: u32,
        call: CallId,
        id: MessageId,
    ) -> Checked {
        let host = &mut self.objects[object];
        if host.life != life {
            return Ok(());
        }
        let Some(calls) = host.waiting.deliveries.get_mut(&id) else {
            return Ok(());
        };
        calls.retain(|waiting| *waiting != call);
        if calls.is_empty() {
            host.waiting.deliveries.remove(&id);
        }
        self.keep_awake(object);
        self.note(|names| {
            format!(
                "{} has waited for the acknowledgement of {id}",
                names[object]
            )
        });
        match self.event(object, |mailbox, now| mailbox.wait_is_over(id, now))? {
            Some(delivered) => self.answer_delivered(object, call, id, &delivered),
            None => self.failed(call),
        }
    }

    /// A timer of a mailbox ran out.
    pub(super) fn tick(&mut self, object: usize, life: u32) -> Checked {
        let host = &mut self.objects[object];
        if host.life != life {
            return Ok(());
        }
        host.ticks -= 1;
        self.keep_awake(object);
        self.event(object, |mailbox, now| mailbox.tick(now))
            .map(drop)
    }

    /// Answers a trace, once the mailboxes that know more have been asked.
    pub(super) fn trace(&mut self, object: usize, life: u32, call: CallId) -> Checked {
        let host = &mut self.objects[object];
        if host.life != life {
            return Ok(());
        }
        let Some(id) = host.waiting.traces.remove(&call) else {
            return Ok(());
        };
        self.keep_awake(object);
        match self.event(object, |mailbox, _| {
            problem_or(mailbox.trace(id, None, page(call)))
        })? {
            None => self.failed(call),
            Some(Err(problem)) => self.answer(call, Some(Reply::Problem(problem))),
            Some(Ok((trace, ask))) if ask.is_empty() => {
                self.answer_if_admitted(object, call, Reply::Trace(trace))
            }
            Some(Ok((trace, ask))) => {
                self.objects[object]
                    .waiting
                    .looking
                    .insert(call, (trace, ask.len()));
                for device in ask {
                    let to = self.places[&device];
                    self.call(
                        Caller::Look {
                            object,
                            life,
                            of: call,
                        },
                        to,
                        None,
                        Call::GetDelivery { id },
                        None,
                    )?;
                }
                Ok(())
            }
        }
    }

    /// Takes messages for a poll, if there are any or its time is up.
    pub(super) fn poll(&mut self, object: usize, life: u32, call: CallId) -> Checked {
        let host = &mut self.objects[object];
        let Some((limit, until)) = host
            .waiting
            .polls
            .get(&call)
            .copied()
            .filter(|_| host.life == life)
        else {
            return Ok(());
        };
        // Polled messages count as sent, so an invalid token polls nothing.
        if let Some(problem) = self.refusal(object, call) {
            self.objects[object].waiting.polls.remove(&call);
            return self.answer(call, Some(Reply::Problem(problem)));
        }
        let Some((messages, effects)) =
            self.handle(object, |mailbox, now| mailbox.poll(limit, now))?
        else {
            return self.failed(call);
        };
        let host = &self.objects[object];
        let (now, losses) = (self.now + host.skew, (host.losses, host.life));
        for (message, attempt) in &messages {
            self.ledger.polled(object, message, *attempt, now, losses)?;
        }
        self.perform(object, effects)?;
        if messages.is_empty() && self.now < until {
            return Ok(());
        }
        self.objects[object].waiting.polls.remove(&call);
        claim(
            "a poll takes no more than it asked for",
            messages.len() <= limit as usize,
            || format!("{messages:?}"),
        )?;
        self.answer(call, Some(Reply::Messages(messages)))
    }
}
