//! Making requests to the address, and counting those that fail.

use super::Webhook;
use super::state::ReceiptPause;
use crate::mailbox::connection::{Chain, Posting};
use crate::mailbox::output::{CallId, Output, PostPurpose};
use crate::mailbox::timer::Timer;
use crate::message::Message;
use crate::protocol::Receipt;
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::webhook::{Disabled, Events, Post, Try, pause};

/// How long after the time of a request for receipts its answer counts as lost, in milliseconds.
const GRACE: Millis = 10_000;

impl<S: Store> Webhook<'_, S> {
    /// How messages are posted in an event of this chain; `None` if they are not.
    pub(in crate::mailbox) fn posting(&self, chain: &Chain) -> Option<Posting> {
        self.cx.device()?;
        let state = self.memory.state.as_ref()?;
        let setting = &state.setting;
        let width = match setting.posts(Events::Message) {
            true => setting.max_in_flight,
            false => 0,
        };
        state.disabled.is_none().then(|| Posting {
            width,
            receipts: setting.posts(Events::Receipt),
            timeout: state.setting.timeout_ms(),
            is_cut_off: state.is_cut_off,
            chain: chain.clone(),
        })
    }

    /// Posts a message.
    pub(in crate::mailbox) fn post(
        &mut self,
        message: &Message,
        attempt: u32,
        chain: &Chain,
        now: Now,
    ) {
        let (Some(state), Some(device)) = (&self.memory.state, self.cx.device()) else {
            return;
        };
        let id = message.id;
        self.cx.push(Output::Post {
            purpose: PostPurpose::Message { id, attempt },
            chain: chain.clone(),
            post: Post::of(
                message,
                attempt,
                device,
                &state.setting,
                &state.secrets,
                now.at,
            ),
        });
    }

    /// Posts receipts.
    pub(in crate::mailbox) fn post_receipts(
        &mut self,
        receipts: &[Receipt],
        chain: &Chain,
        now: Now,
    ) {
        let device = self.cx.device();
        let (Some(state), Some(device), Some(last)) = (&self.memory.state, device, receipts.last())
        else {
            return;
        };
        let batch = self.memory.batch.wrapping_add(1);
        self.memory.batch = batch;
        // If memory is lost, the alarm has them posted again.
        let due_at = now.at + state.setting.timeout_ms() + GRACE;
        self.memory.under_way = Some((batch, due_at));
        let seq = last.seq;
        let output = Output::Post {
            purpose: PostPurpose::Receipts { batch, seq },
            chain: chain.clone(),
            post: Post::of_receipts(receipts, device, &state.setting, &state.secrets, now.at),
        };
        self.cx.push(output);
        self.cx.wake_by(Timer::Post, due_at);
    }

    /// A request for receipts was answered. Returns whether that counts: whether it is the one under way.
    pub(in crate::mailbox) fn take_batch(&mut self, batch: u32) -> bool {
        let under_way = &mut self.memory.under_way;
        let taken = under_way.take_if(|(number, _)| *number == batch);
        taken.is_some()
    }

    /// Whether the answer to a request for receipts counts as lost. It is not under way any longer then.
    pub(in crate::mailbox) fn receipts_lost(&mut self, now: Now) -> bool {
        let under_way = &mut self.memory.under_way;
        let lost = under_way.take_if(|(_, due_at)| *due_at <= now.at);
        lost.is_some()
    }

    /// The address has taken receipts.
    pub(in crate::mailbox) fn receipts_taken(&mut self) {
        let state = self.memory.state.as_mut();
        self.memory.stale |= state.is_some_and(|state| state.receipts.take().is_some());
    }

    /// The address has not taken receipts, and asks to be left alone for at least this many seconds.
    pub(in crate::mailbox) fn receipts_failed(&mut self, at_least: Option<u32>, now: Now) {
        let Some(state) = &mut self.memory.state else {
            return;
        };
        let failed = state.receipts.map_or(0, |it| it.failed).saturating_add(1);
        let until = now.at + pause(failed, at_least, now.random);
        state.receipts = Some(ReceiptPause { failed, until });
        self.memory.stale = true;
        self.cx.wake_by(Timer::Post, until);
    }

    /// Until when receipts pause.
    pub(in crate::mailbox) fn receipts_pause(&self) -> Option<Millis> {
        let state = self.memory.state.as_ref()?;
        state.receipts.map(|it| it.until)
    }

    /// When something is due next, after now.
    pub(in crate::mailbox) fn next_due(&self, now: Now) -> Option<(Millis, Timer)> {
        let under_way = self.memory.under_way.map(|(_, due_at)| due_at);
        let times = self.receipts_pause().into_iter().chain(under_way);
        let next = times.filter(|at| *at > now.at).min()?;
        Some((next, Timer::Post))
    }

    /// Tries the address for a call. Returns how long that may take, in milliseconds; `None` if there is no webhook.
    pub(in crate::mailbox) fn try_address(
        &mut self,
        call: CallId,
        chain: &Chain,
        now: Now,
    ) -> Option<Millis> {
        let (state, device) = (self.memory.state.as_ref()?, self.cx.device()?);
        let id = format!("test_{:016x}", now.random);
        chain.count();
        let timeout = state.setting.timeout_ms();
        let output = Output::Post {
            purpose: PostPurpose::Test(call),
            chain: chain.clone(),
            post: Post::test(&id, device, &state.setting, &state.secrets, now.at),
        };
        self.cx.push(output);
        Some(timeout)
    }

    /// The address has taken a message. Returns whether it was cut off.
    pub(in crate::mailbox) fn succeeded(&mut self) -> bool {
        let state = self.memory.state.as_mut();
        let (had_failed, was_cut_off) = state.map_or((false, false), |state| state.succeed());
        self.memory.stale |= had_failed || was_cut_off;
        was_cut_off
    }

    /// The address has failed a message, and is written with it. Returns whether this cuts it off.
    pub(in crate::mailbox) fn failed(&mut self) -> Result<bool, StoreError> {
        let state = self.memory.state.as_mut();
        let is_news = state.is_some_and(|state| state.fail());
        self.memory.stale |= is_news;
        self.remember()?;
        Ok(is_news)
    }

    /// The address was tried. That costs no row by itself.
    pub(in crate::mailbox) fn tried(&mut self, last: Try) {
        if let Some(state) = &mut self.memory.state {
            state.tries.add(last);
        }
    }

    /// The address is gone: nothing is posted until the webhook is set again.
    pub(in crate::mailbox) fn disable(&mut self, status: u16, now: Now) {
        if let Some(state) = &mut self.memory.state {
            state.disabled = Some(Disabled { at: now.at, status });
            self.memory.stale = true;
            self.memory.under_way = None;
            self.cx.push(Output::AddressGone);
        }
    }
}
