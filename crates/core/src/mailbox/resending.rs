//! Sending messages again: what a device may ask of its mailbox to that end.
//!
//! Each request asks other mailboxes for a payload, so it counts as a read that does. The operator's are not limited.

use super::Mailbox;
use super::output::Failure;
use crate::failure::{MAX_ASKED, PayloadSources, ResendPlan};
use crate::id::{IdempotencyKey, MessageId};
use crate::publish::Resend;
use crate::store::Store;
use crate::time::Now;

impl<S: Store> Mailbox<S> {
    /// How a message is sent again.
    ///
    /// # Errors
    /// `too_many_requests`, `unknown_message`, `nothing_failed`, `idempotency_mismatch`; or the store failed.
    pub(super) fn plan_resend(
        &mut self,
        resend: &Resend,
        key: Option<&IdempotencyKey>,
        is_limited: bool,
        now: Now,
    ) -> Result<ResendPlan, Failure> {
        if is_limited {
            self.outbox().may_ask(MAX_ASKED, now)?;
        }
        self.outbox().plan_resend(resend, key)
    }

    /// Where the payload of a message may be.
    ///
    /// # Errors
    /// `too_many_requests`, `unknown_message`; or the store failed.
    pub(super) fn find_payload(
        &mut self,
        id: MessageId,
        is_limited: bool,
        now: Now,
    ) -> Result<PayloadSources, Failure> {
        if is_limited {
            self.outbox().may_ask(MAX_ASKED, now)?;
        }
        self.outbox().find_payload(id, now)
    }
}
