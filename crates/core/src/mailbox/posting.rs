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
use super::webhook::{Set, unknown_webhook};
use crate::call::WebhookTried;
use crate::id::MessageId;
use crate::mailbox::Input;
use crate::operator_event::OperatorEvent;
use crate::problem::Problem;
use crate::protocol::Receipt;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::token::Claims;
use crate::webhook::{Answer, PostError, PostResponse, Secret, Setting, Tried, Try, TryOf, pause};

/// The most seconds for which an address may say that it works on a message.
const MOST_SECONDS: u32 = 3_600;

/// A message that an address says it works on pauses at least as long as if the attempt had failed, up to this many
/// seconds: it may name no time, or a very short one, until the TTL ends.
const MOST_LEAST_SECONDS: u32 = 60;

/// The status by which an address says that it is gone.
const GONE: u16 = 410;

/// How long after the time of a request a call that tries the address is answered, in milliseconds.
const GRACE: Millis = 5_000;

/// The least seconds for which an address is left alone that works on a message, after this attempt.
fn least_seconds(attempt: u32) -> u32 {
    let seconds = u32::try_from(pause(attempt, None, 0) / 1000).unwrap_or(u32::MAX);
    seconds.min(MOST_LEAST_SECONDS)
}

/// Where requests to an address count that are made because of this input: an event of the platform's own begins a
/// chain (`None`), and an answer goes on with that of its request. What else follows from an earlier event leads to none.
fn chain_of(input: &Input) -> Option<Chain> {
    match input {
        Input::Posted { chain, .. } => Some(chain.clone()),
        Input::Call { .. }
        | Input::Wake
        | Input::Open { .. }
        | Input::Watch { .. }
        | Input::Frame { .. }
        | Input::Closed { .. }
        | Input::Alarm => None,
        Input::Returned { .. }
        | Input::Resolved(_)
        | Input::Registered { .. }
        | Input::Knocked { .. }
        | Input::Recorded { .. }
        | Input::Timeout(_) => Some(Chain::exhausted()),
    }
}

impl<S: Store> Mailbox<S> {
    /// Begins an event: what is posted in it counts in its chain. What the mailbox was opened for goes on with the chain
    /// that opening has begun, since the platform counts both together.
    pub(super) fn begin_chain(&mut self, input: &Input) {
        let is_first = match input {
            Input::Wake => self.is_new,
            _ => std::mem::take(&mut self.is_new),
        };
        match chain_of(input) {
            Some(chain) => self.chain = chain,
            None if is_first => {}
            None => self.chain = Chain::default(),
        }
    }

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
            if self.is_connected() {
                // What a knock was for is posted.
                self.wake().fetched();
            }
            self.connect_receipts(now)?;
        }
        Ok(())
    }

    /// The mailbox is opened, and its alarm is overdue or lost. The event that it is opened for posts what waits; if that
    /// event fails, nothing else wakes the mailbox in time, since an address does not connect again.
    pub(super) fn wake_to_post(&mut self, now: Now) -> Result<(), StoreError> {
        let mut address = self.connection.iter().filter(|it| !it.is_socket());
        if address.any(Connection::takes_messages) && self.inbox().held()?.0 > 0 {
            self.cx.wake_by(Timer::Post, now.at);
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

    /// The alarm went off: receipts whose pause is over, or that were withheld, are posted. An answer that has not come
    /// will not come.
    pub(super) fn post_receipts_again(&mut self, now: Now) -> Result<(), StoreError> {
        if self.webhook().receipts_lost(now) {
            self.pause_receipts(None, now);
        }
        let pause = self.webhook().receipts_pause();
        let is_due = match pause {
            Some(until) => until <= now.at,
            None => self.outbox().withholds_receipts(),
        };
        match is_due && self.has_address() {
            true => self.outbox().send_receipts(),
            false => Ok(()),
        }
    }

    /// The address has not taken receipts.
    fn pause_receipts(&mut self, at_least: Option<u32>, now: Now) {
        if self.has_address() {
            self.webhook().receipts_failed(at_least, now);
            self.outbox().receipts_failed();
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
            // Any 2xx says that they were seen; there is nothing to work on.
            Answer::Delivered { .. } | Answer::InProgress { .. } => {
                self.webhook().receipts_taken();
                return self.outbox().receipts_seen(seq);
            }
            Answer::Gone => {
                return self.address_gone(now);
            }
            Answer::Failed { retry_after, .. } => retry_after,
            Answer::Rejected { .. } => None,
        };
        self.pause_receipts(retry_after, now);
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

    /// The address is gone: nothing is posted any more, and the operator is told.
    fn address_gone(&mut self, now: Now) -> Result<(), StoreError> {
        self.webhook().disable(GONE, now);
        if let Some(device) = self.cx.device().cloned() {
            let event = OperatorEvent::WebhookDisabled {
                device: &device,
                status: GONE,
            };
            self.operator_events().keep(&event, now)?;
        }
        self.update_address(now)
    }

    /// If more could be posted, but no further request may follow from this event, the alarm goes on. It is also set to
    /// the end of the next pause: an alarm of before may have gone off while a socket was open.
    pub(super) fn go_on_posting(&mut self, now: Now) {
        let goes_on = self.inbox().has_to_go_on(now) || self.outbox().withholds_receipts();
        let next = match goes_on {
            true => Some(now.at),
            false => self.inbox().next_post(now),
        };
        if let Some(at) = next {
            self.cx.wake_by(Timer::Post, at);
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
        let try_of = |of| Try::new(of, &outcome, now.at, millis);
        match purpose {
            PostPurpose::Message { id, attempt } => {
                let last = Try {
                    id: Some(id),
                    ..try_of(TryOf::Message)
                };
                // An answer that is late may come from another address.
                let is_late = !self.inbox().is_posted(id, attempt);
                if !is_late {
                    self.webhook().tried(last);
                }
                self.answered_by_address(id, attempt, outcome, is_late, now)
            }
            PostPurpose::Receipts { batch, seq } => {
                // The answer to a request that is not under way any longer says nothing of those that are.
                if !self.webhook().take_batch(batch) {
                    return Ok(());
                }
                self.webhook().tried(try_of(TryOf::Receipts));
                self.receipts_answered(seq, outcome, now)
            }
            PostPurpose::Test(call) => {
                self.webhook().tried(try_of(TryOf::Test));
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

    /// A late answer, to an attempt that is not under way any longer, still settles its message. It says nothing of the
    /// address, which may be another.
    fn answered_by_address(
        &mut self,
        id: MessageId,
        attempt: u32,
        outcome: Result<PostResponse, PostError>,
        is_late: bool,
        now: Now,
    ) -> Result<(), StoreError> {
        match Answer::of(outcome) {
            Answer::Delivered {
                reply,
                is_truncated,
            } => {
                self.receive(|inbox| inbox.conclude_posted(id, reply, is_truncated, now))?;
                self.address_succeeded(is_late, now)
            }
            Answer::Rejected { reason } => {
                self.receive(|inbox| inbox.conclude_nacked(id, reason, now))?;
                self.address_succeeded(is_late, now)
            }
            Answer::InProgress { .. } if is_late => Ok(()),
            Answer::InProgress { seconds } => {
                let seconds = seconds.clamp(least_seconds(attempt), MOST_SECONDS);
                self.receive(|inbox| inbox.progress(id, Some(seconds), None, now))?;
                self.address_succeeded(is_late, now)
            }
            Answer::Gone => {
                let tried = Tried::Status(GONE);
                if self.receive(|inbox| inbox.post_failed(id, attempt, tried, None, now))? {
                    self.address_gone(now)?;
                }
                Ok(())
            }
            Answer::Failed { .. } if is_late => Ok(()),
            Answer::Failed { tried, retry_after } => {
                let cuts_off = self.webhook().failed()?;
                self.receive(|inbox| inbox.post_failed(id, attempt, tried, retry_after, now))?;
                match cuts_off {
                    true => self.update_address(now),
                    false => Ok(()),
                }
            }
        }
    }

    /// If the address was cut off, everything is posted again.
    fn address_succeeded(&mut self, is_late: bool, now: Now) -> Result<(), StoreError> {
        if !is_late && self.webhook().succeeded() {
            self.inbox().end_pauses(now)?;
            self.update_address(now)?;
        }
        Ok(())
    }

    /// Sets the webhook, for the operator or for the device itself, for which it counts as a read that asks one mailbox.
    /// What is under way to another address is posted again, to this one.
    pub(super) fn set_webhook(
        &mut self,
        setting: Setting,
        secret: Secret,
        caller: Option<&Claims>,
        now: Now,
    ) -> Result<Reply, StoreError> {
        let may = self.may_change_webhook(caller, now);
        let set = may.and_then(|()| self.webhook().set(setting, secret, caller.is_some()));
        let Set {
            webhook,
            secret,
            has_moved,
        } = match set {
            Ok(set) => set,
            Err(refused) => return problem(refused.into()),
        };
        if has_moved && self.has_address() {
            self.receive(|inbox| inbox.disconnect(None, now))?;
        }
        self.update_address(now)?;
        self.inbox().end_pauses(now)?;
        if self.has_address() {
            self.connect_receipts(now)?;
        }
        Ok(Reply::Webhook { webhook, secret })
    }

    /// Replaces the secret, for the operator or for the device itself, for which it counts as a read that asks one mailbox.
    pub(super) fn rotate_secret(
        &mut self,
        secret: Secret,
        caller: Option<&Claims>,
        now: Now,
    ) -> Result<Reply, StoreError> {
        let may = self.may_change_webhook(caller, now);
        match may.and_then(|()| self.webhook().rotate(secret, now)) {
            Ok(secret) => Ok(Reply::WebhookSecret(secret)),
            Err(refused) => problem(refused.into()),
        }
    }

    fn may_change_webhook(&mut self, caller: Option<&Claims>, now: Now) -> Result<(), Problem> {
        match caller {
            Some(_) => self.outbox().may_ask(1, now),
            None => Ok(()),
        }
    }

    /// Removes the webhook.
    pub(super) fn remove_webhook(&mut self, now: Now) -> Result<(), StoreError> {
        self.webhook().end();
        self.update_address(now)?;
        self.inbox().end_pauses(now)
    }

    /// Tries the address. For the device it counts as a read that asks one mailbox.
    pub(super) fn test_webhook(
        &mut self,
        id: CallId,
        caller: Option<Claims>,
        now: Now,
    ) -> Result<(), StoreError> {
        let may = self.may_change_webhook(caller.as_ref(), now);
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
