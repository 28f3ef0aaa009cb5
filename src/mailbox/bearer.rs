//! The bearer of a token waits for an answer.
//!
//! A token holds at the moment of the answer: whoever waits while it is revoked or expires is told so then,
//! and nothing else. What it asked for goes on: a publish that was accepted stays accepted.

use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};
use tagpost_core::problem::Problem;
use tagpost_core::time::{Millis, Now};
use tagpost_core::token::Claims;

use super::Object;
use super::waiting::within;
use crate::clock;
use crate::respond::{self, Response};

/// Nobody waits for an answer as long as this, in milliseconds.
const LONGEST_WAIT: Millis = 600_000;

impl Object {
    /// What `served` answers, unless the token that these are the claims of ends before.
    pub(super) async fn while_admitted(
        self: &Rc<Self>,
        claims: &Claims,
        mut served: impl Future<Output = worker::Result<Response>> + Unpin,
    ) -> worker::Result<Response> {
        loop {
            let end = pin!(self.may_have_ended(claims));
            let answer = match select(&mut served, end).await {
                Either::Left((answer, _)) => Some(answer?),
                Either::Right(((), _)) => None,
            };
            self.waiting.revocations.tidy();
            match (self.still_admits(claims), answer) {
                (Ok(()), Some(answer)) => return Ok(answer),
                (Ok(()), None) => {}
                (Err(problem), _) => {
                    drop(served);
                    self.waiting.tidy();
                    return Ok(respond::problem(&problem));
                }
            }
        }
    }

    /// Waits until tokens are revoked, or this one expires.
    async fn may_have_ended(&self, claims: &Claims) {
        let revoked = self.waiting.revocations.add(());
        let expires_at = claims
            .expires_at
            .map(|seconds| seconds.saturating_mul(1000));
        let left = expires_at.map(|at| at.saturating_sub(clock()));
        match left.filter(|left| *left < LONGEST_WAIT) {
            Some(left) => drop(within(revoked, left).await),
            None => drop(revoked.await),
        }
    }

    fn still_admits(&self, claims: &Claims) -> Result<(), Problem> {
        let now = Now {
            at: clock(),
            pong_at: None,
            random: 0,
        };
        match self.mailbox.borrow().as_ref() {
            Some(mailbox) => mailbox.admit(claims, now),
            None => Ok(()),
        }
    }
}
