//! Tokens of calls that wait: they are judged again before the answer, as the Worker's
//! `src/mailbox/answer.rs` does, and when one is revoked or over its calls wait no longer.

use tagpost_core::problem::Problem;
use tagpost_core::token::Claims;

use super::calls::Reply;
use super::{CallId, Event, World};
use crate::claims::Checked;

impl World<'_> {
    /// Answers a call that has waited, if its token still holds.
    pub(super) fn answer_if_admitted(
        &mut self,
        object: usize,
        call: CallId,
        reply: Reply,
    ) -> Checked {
        let refusal = self.refusal(object, call).map(Reply::Problem);
        self.answer(call, Some(refusal.unwrap_or(reply)))
    }

    /// Why the token of a call is no longer valid.
    pub(super) fn refusal(&self, object: usize, call: CallId) -> Option<Problem> {
        let claims = self.calls.get(&call)?.claims.as_ref()?;
        let mailbox = self.objects[object].mailbox.as_ref()?;
        mailbox.admit(claims, self.clock(object)).err()
    }

    /// A call with this token is here, and may wait for longer than that holds.
    pub(super) fn watch_token(&mut self, object: usize, claims: &Claims) {
        if let Some(at) = claims.expires_at {
            let host = &self.objects[object];
            let (life, at) = (host.life, at * 1000 - host.skew);
            self.at(at, Event::TokenOver { object, life });
        }
    }

    /// Answers the calls of clients whose tokens are no longer valid.
    pub(super) fn dismiss(&mut self, object: usize) -> Checked {
        for call in self.objects[object].waiting.of_clients() {
            if let Some(problem) = self.refusal(object, call) {
                self.objects[object].waiting.forget(call);
                self.answer(call, Some(Reply::Problem(problem)))?;
            }
        }
        // Polls judge their tokens when they look for messages.
        let life = self.objects[object].life;
        let polls = self.objects[object].waiting.polls.keys().copied();
        for call in polls.collect::<Vec<_>>() {
            self.after(0, Event::Poll { object, life, call });
        }
        Ok(())
    }
}
