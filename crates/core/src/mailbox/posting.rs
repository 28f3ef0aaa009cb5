//! Posting, between the inbox, which has the messages, and the webhook, which has the address.
//!
//! While no socket is open, the address of an enabled webhook is the connection. A socket takes over from it like from
//! any other, and what is under way then may be delivered twice, with the same id.

use super::Mailbox;
use super::calls::problem;
use super::connection::{Chain, Connection};
use super::output::{CallId, PostPurpose, Reply};
use super::pending::{Awaited, Next};
use super::timer::Timer;
use super::webhook::unknown_webhook;
use crate::call::WebhookTried;
use crate::id::MessageId;
use crate::mailbox::Input;
use crate::protocol::Receipt;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::token::Claims;
use crate::webhook::{Answer, PostError, PostResponse, Secret, Setting, Tried};

/// The most seconds for which an address may say that it works on a message.
const MOST_SECONDS: u32 = 3_600;

/// The status by which an address says that it is gone.
const GONE: u16 = 410;

/// How long after the time of a request a call that tries the address is answered, in milliseconds.
const GRACE: Millis = 5_000;

/// Where requests to an address count that are made because of this input: an event of the platform's own begins a
/// chain, and an answer goes on with that of its request. What else follows from an earlier event leads to none.
pub(super) fn chain_of(input: &Input) -> Chain {
    match input {
        Input::Posted { chain, .. } => chain.clone(),
        Input::Wake
        | Input::Call { .. }
        | Input::Open { .. }
        | Input::Watch { .. }
        | Input::Frame { .. }
        | Input::Closed { .. }
        | Input::Alarm => Chain::default(),
        Input::Returned { .. }
        | Input::Resolved(_)
        | Input::Registered { .. }
        | Input::Knocked { .. }
        | Input::Recorded { .. }
        | Input::Timeout(_) => Chain::exhausted(),
    }
}

impl<S: Store> Mailbox<S> {
    /// If no socket is open, the address is the connection.
    pub(super) fn connect_address(&mut self, now: Now) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let chain = self.chain.clone();
        if let Some(posting) = self.webhook().posting(&chain) {
            let account = self.cx.account.as_ref();
            let receipts_seen = account.map_or(0, |account| account.receipts_seen);
            self.connection = Some(Connection::posting(posting, receipts_seen, now.at));
            self.inbox().connected()?;
            self.connect_receipts(now)?;
        }
        Ok(())
    }

    /// Whether the connection is the address.
    fn has_address(&self) -> bool {
        self.connection.as_ref().is_some_and(|it| !it.is_socket())
    }

    /// The receipts that were not seen are posted, unless they pause.
    fn connect_receipts(&mut self, now: Now) -> Result<(), StoreError> {
        match self.webhook().receipts_pause() {
            Some(until) if until > now.at => {
                self.outbox().receipts_failed();
                Ok(())
            }
            _ => self.outbox().connected(),
        }
    }

    /// Posts receipts.
    pub(super) fn post_receipts(&mut self, receipts: &[Receipt], now: Now) {
        let chain = self.chain.clone();
        self.webhook().post_receipts(receipts, &chain, now);
    }

    /// The alarm went off: receipts whose pause is over are posted again.
    pub(super) fn post_receipts_again(&mut self, now: Now) -> Result<(), StoreError> {
        let pause = self.webhook().receipts_pause();
        match pause.is_some_and(|until| until <= now.at) && self.has_address() {
            true => self.outbox().send_receipts(),
            false => Ok(()),
        }
    }

    /// Whether the address has taken the receipts up to this one.
    fn receipts_answered(
        &mut self,
        seq: i64,
        outcome: Result<PostResponse, PostError>,
        now: Now,
    ) -> Result<(), StoreError> {
        let retry_after = match Answer::of(outcome) {
            Answer::Delivered { .. } => {
                self.webhook().receipts_taken();
                return self.outbox().receipts_seen(seq);
            }
            Answer::Gone => {
                self.webhook().disable(GONE, now);
                return self.update_address(now);
            }
            Answer::Failed { retry_after, .. } => retry_after,
            Answer::Rejected { .. } | Answer::InProgress { .. } => None,
        };
        if self.has_address() {
            self.webhook().receipts_failed(retry_after, now);
            self.outbox().receipts_failed();
        }
        Ok(())
    }

    /// The webhook was set, ended, disabled, cut off or put back: the connection follows, and so does the chain of the
    /// event.
    pub(super) fn update_address(&mut self, now: Now) -> Result<(), StoreError> {
        if !self.has_address() {
            return Ok(());
        }
        let chain = self.chain.clone();
        match (self.webhook().posting(&chain), &mut self.connection) {
            (Some(posting), Some(connection)) => connection.posting = Some(posting),
            _ => self.receive(|inbox| inbox.disconnect(None, now))?,
        }
        Ok(())
    }

    /// If more could be posted, but no further request may follow from this event, the alarm goes on.
    pub(super) fn go_on_posting(&mut self, now: Now) {
        if self.inbox().has_to_go_on() {
            self.cx.wake_by(Timer::Post, now.at);
        }
    }

    /// A request was answered, or could not be made.
    pub(super) fn posted(
        &mut self,
        purpose: PostPurpose,
        outcome: Result<PostResponse, PostError>,
        millis: u32,
        now: Now,
    ) -> Result<(), StoreError> {
        match purpose {
            PostPurpose::Message { id, attempt } => {
                self.answered_by_address(id, attempt, outcome, now)
            }
            PostPurpose::Receipts(seq) => self.receipts_answered(seq, outcome, now),
            PostPurpose::Test(call) => {
                let tried = match outcome {
                    Ok(PostResponse { status, .. }) => {
                        WebhookTried::Answered { status, ms: millis }
                    }
                    Err(error) => WebhookTried::Failed { error },
                };
                self.tested(call, tried, now);
                Ok(())
            }
        }
    }

    fn answered_by_address(
        &mut self,
        id: MessageId,
        attempt: u32,
        outcome: Result<PostResponse, PostError>,
        now: Now,
    ) -> Result<(), StoreError> {
        match Answer::of(outcome) {
            Answer::Delivered {
                reply,
                is_truncated,
            } => {
                self.receive(|inbox| inbox.conclude_posted(id, reply, is_truncated, now))?;
                self.address_succeeded(now)
            }
            Answer::Rejected { reason } => {
                self.receive(|inbox| inbox.conclude_nacked(id, reason, now))?;
                self.address_succeeded(now)
            }
            Answer::InProgress { seconds } => {
                let seconds = seconds.clamp(1, MOST_SECONDS);
                self.receive(|inbox| inbox.progress(id, Some(seconds), None, now))?;
                self.address_succeeded(now)
            }
            Answer::Gone => {
                let tried = Tried::Status(GONE);
                self.receive(|inbox| inbox.post_failed(id, attempt, tried, None, now))?;
                self.webhook().disable(GONE, now);
                self.update_address(now)
            }
            Answer::Failed { tried, retry_after } => {
                self.receive(|inbox| inbox.post_failed(id, attempt, tried, retry_after, now))?;
                match self.webhook().failed() {
                    true => self.update_address(now),
                    false => Ok(()),
                }
            }
        }
    }

    /// If the address was cut off, everything is posted again.
    fn address_succeeded(&mut self, now: Now) -> Result<(), StoreError> {
        if self.webhook().succeeded() {
            self.inbox().end_pauses(now);
            self.update_address(now)?;
        }
        Ok(())
    }

    /// Sets the webhook, for the operator or for the device itself.
    pub(super) fn set_webhook(
        &mut self,
        setting: Setting,
        secret: Secret,
        caller: Option<&Claims>,
        now: Now,
    ) -> Result<Reply, StoreError> {
        let set = self.webhook().set(setting, secret, caller.is_some());
        let (webhook, secret) = match set {
            Ok(set) => set,
            Err(refused) => return problem(refused.into()),
        };
        self.update_address(now)?;
        self.inbox().end_pauses(now);
        if self.has_address() {
            self.connect_receipts(now)?;
        }
        Ok(Reply::Webhook { webhook, secret })
    }

    /// Removes the webhook.
    pub(super) fn remove_webhook(&mut self, now: Now) -> Result<(), StoreError> {
        self.webhook().end();
        self.update_address(now)?;
        self.inbox().end_pauses(now);
        Ok(())
    }

    /// Tries the address. For the device it counts as a read that asks one mailbox.
    pub(super) fn test_webhook(
        &mut self,
        id: CallId,
        caller: Option<Claims>,
        now: Now,
    ) -> Result<(), StoreError> {
        let may = match caller {
            Some(_) => self.outbox().may_ask(1, now),
            None => Ok(()),
        };
        let chain = self.chain.clone();
        let tried = may.and_then(|()| {
            let timeout = self.webhook().try_address(id, &chain, now);
            timeout.ok_or_else(unknown_webhook)
        });
        match tried {
            Ok(timeout) => {
                let until = Some(now.at + timeout + GRACE);
                self.wait(Awaited::Tested, id, caller, until, Next::Answer, now);
            }
            Err(refused) => self.answer(id, Reply::Problem(refused)),
        }
        Ok(())
    }

    /// The address was tried for this call.
    pub(super) fn tested(&mut self, call: CallId, tried: WebhookTried, now: Now) {
        if let Some(waiter) = self.pending.take_call(Awaited::Tested, call) {
            let reply = Reply::WebhookTried(tried);
            self.answer_caller(call, waiter.caller.as_ref(), reply, now);
        }
    }
}
