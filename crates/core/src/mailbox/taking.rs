//! Taking the events of other mailboxes, and publishing them: only the mailbox of [`owner::EVENTS`] does.
//!
//! A row for each mailbox says which of its events was taken last, and is written in the transaction that stores the
//! message that the event becomes. So an event that is told again is not published again, however late that is. An event
//! that cannot be accepted now, because of the rate or for want of room, and those behind it stay where they are.

use serde_json::value::RawValue;

use super::Mailbox;
use super::output::{Failure, Reply};
use crate::id::{DeviceId, owner};
use crate::message::Target;
use crate::operator_event::{Numbered, Registrar, draft};
use crate::problem::{Code, Problem};
use crate::schema;
use crate::store::{Store, StoreError};
use crate::time::Now;

impl<S: Store> Mailbox<S> {
    /// Publishes these events, which the mailbox of `from` has told, to the tag for events.
    pub(super) fn take_events(
        &mut self,
        device: &DeviceId,
        from: &DeviceId,
        events: Vec<Numbered>,
        now: Now,
    ) -> Result<Reply, StoreError> {
        let settings = self.cx.events.clone();
        let Some(settings) = settings.filter(|_| *device == owner::events()) else {
            let detail = "this mailbox publishes no events";
            return Ok(Reply::Problem(Problem::new(Code::Unavailable, detail)));
        };
        self.register(device, Registrar::Operator, now)?;
        schema::create_event_sources(&self.cx.store)?;
        let before = self.last_taken(from)?;
        let mut last = before;
        for Numbered { seq, event } in events {
            if seq <= last {
                continue;
            }
            let to = Target::Tag(settings.tag.clone());
            if !self.publish_event(to, event, now)? {
                break;
            }
            last = seq;
        }
        if last > before {
            let sql = "INSERT OR REPLACE INTO event_sources (device, last) VALUES (?, ?)";
            let values = [from.as_str().into(), last.into()];
            self.cx.store.run(sql, &values)?;
        }
        Ok(Reply::EventsTaken(last))
    }

    /// Accepts the message of an event. Returns whether there was room for it.
    fn publish_event(
        &mut self,
        to: Target,
        event: Box<RawValue>,
        now: Now,
    ) -> Result<bool, StoreError> {
        let draft = draft(event, now.at);
        match self.outbox().accept(to, Vec::new(), draft, None, now) {
            Ok(_) => Ok(true),
            Err(Failure::Problem(_)) => Ok(false),
            Err(Failure::Store(error)) => Err(error),
        }
    }

    /// The number of the last event that was taken from this mailbox; 0 if there is none.
    fn last_taken(&self, from: &DeviceId) -> Result<i64, StoreError> {
        let sql = "SELECT last FROM event_sources WHERE device = ?";
        let found = self.cx.store.run(sql, &[from.as_str().into()])?.pop();
        found.map_or(Ok(0), |mut row| row.int())
    }
}
