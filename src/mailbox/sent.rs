//! What a sender asks about its messages: the trace, the list, and to take one back.
//!
//! What may be seen, and whom to ask, is the core's to say.

use std::rc::Rc;

use futures_util::future::join_all;
use serde::Serialize;
use tagpost_core::call::{Call, DeliveryStatus, Request};
use tagpost_core::delivery::State;
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::mailbox::Cancelled;
use tagpost_core::token::Claims;
use tagpost_core::trace::{self, Answer, Trace};

use super::Object;
use super::answer::{answered, json, problem_or};
use super::waiting::within;
use crate::respond::{self, Response};
use crate::{clock, stub};

/// How long a cancellation is waited for before the trace is answered as it is, in milliseconds.
const CANCEL_WAIT: i64 = 5_000;

impl Object {
    pub(super) async fn trace(
        self: &Rc<Self>,
        id: MessageId,
        wait: u32,
        after: Option<DeviceId>,
        limit: u32,
        caller: Option<&Claims>,
    ) -> worker::Result<Response> {
        let until = clock() + i64::from(wait) * 1000;
        let after = after.as_ref();
        let found = self.ask(|mailbox, _| mailbox.trace(id, after, limit))?;
        let open = found.as_ref().is_ok_and(|(trace, _)| !trace.is_settled());
        let found = if open && wait > 0 {
            within(self.waiting.traces.add(id), until - clock()).await;
            self.waiting.traces.tidy();
            self.ask(|mailbox, _| mailbox.trace(id, after, limit))?
        } else {
            found
        };
        let (mut trace, mut ask) = match found {
            Ok(found) => found,
            Err(problem) => return Ok(respond::problem(&problem)),
        };
        // The admin's reads are not limited. A device that has read too much gets what is recorded: it may have
        // waited for this.
        if caller.is_some() {
            let mailboxes = u32::try_from(ask.len()).unwrap_or(u32::MAX);
            let may = self.ask(|mailbox, now| Ok(mailbox.may_ask(mailboxes, now)?))?;
            if may.is_err() {
                ask.clear();
            }
        }
        let looks = join_all(ask.into_iter().map(|device| self.look(device, id))).await;
        // An end that was reported meanwhile stands. Its mailbox may have forgotten it when it was asked, and
        // taken a cancellation for that of a message that has not come.
        if let Ok((recorded, _)) = self.ask(|mailbox, _| mailbox.trace(id, after, limit))? {
            trace = recorded;
        }
        for delivered in looks {
            if let Some(DeliveryStatus::Known(delivery)) = delivered {
                trace.learn(delivery);
            }
        }
        Ok(respond::json_text(200, trace.trace_json()))
    }

    /// Where a delivery stands, as its own mailbox says; `None` if that cannot be reached now.
    async fn look(&self, device: DeviceId, id: MessageId) -> Option<DeliveryStatus> {
        let request = Request {
            device,
            caller: None,
            call: Call::GetDelivery { id },
        };
        match stub::ask_for(&self.calls, request).await {
            Ok(delivered) => Some(delivered),
            Err(error) => {
                error.log();
                None
            }
        }
    }

    pub(super) fn messages(
        self: &Rc<Self>,
        state: Option<State>,
        limit: u32,
        before: Option<MessageId>,
    ) -> worker::Result<Response> {
        #[derive(Serialize)]
        struct List<'a> {
            messages: Vec<Answer<'a>>,
            next: Option<MessageId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            truncated_before: Option<i64>,
        }
        let ((traces, more), truncated_before) = self.event(|mailbox, _| {
            let found = mailbox.messages(state, before, limit)?;
            Ok((found, mailbox.truncated_before()))
        })?;
        let next = traces.last().filter(|_| more).map(|trace| trace.id);
        json(&List {
            messages: traces.iter().map(Trace::answer).collect(),
            next,
            truncated_before,
        })
    }

    pub(super) async fn cancel(self: &Rc<Self>, id: MessageId) -> worker::Result<Response> {
        let (cancelled, effects) =
            self.handle(|mailbox, now| problem_or(mailbox.cancel(id, now)))?;
        let waiting = match &cancelled {
            Ok(Cancelled::Wait(id)) => Some(self.waiting.cancels.add(*id)),
            _ => None,
        };
        self.perform(effects);
        if let Some(waiting) = waiting {
            // The rest of a large tag is taken back after the answer.
            within(waiting, CANCEL_WAIT).await;
            self.waiting.cancels.tidy();
            // Every mailbox has just been asked; what it said is recorded.
            let found = self.ask(|mailbox, _| mailbox.trace(id, None, trace::PAGE))?;
            return answered(found, |(trace, _)| {
                Ok(respond::json_text(200, trace.trace_json()))
            });
        }
        answered(cancelled, |cancelled| match cancelled {
            Cancelled::Answer(trace) => Ok(respond::json_text(200, trace.trace_json())),
            Cancelled::Wait(_) => Err("a cancellation that nobody waits for".into()),
        })
    }
}
