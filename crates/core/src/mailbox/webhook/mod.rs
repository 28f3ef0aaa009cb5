//! The webhook of the device: its address, to which messages are posted while no socket is open.
//!
//! Everything about it is in the account's row, so a device without one costs no row and no read. The secret is told
//! once, when it is made. Not here: which message is posted when. To those who hand messages over, the address is a
//! connection; the router opens and ends it.

mod posts;
mod state;

use self::state::State;
use super::account::Kept;
use super::context::Context;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError, from_json, to_json};
use crate::time::{Millis, Now};
use crate::webhook::{Secret, Secrets, Setting, Tries, WebhookStatus};

/// The webhook, for one event.
#[derive(Debug)]
pub(super) struct Webhook<'a, S> {
    pub(super) cx: &'a mut Context<S>,
    pub(super) memory: &'a mut Memory,
}

/// What is kept in memory: what the account's row says, and what is only counted.
#[derive(Debug, Default)]
pub(super) struct Memory {
    state: Option<State>,
    /// The account does not say it yet.
    stale: bool,
    /// The number of the last request for receipts.
    batch: u32,
    /// The request for receipts that is under way, and when its answer counts as lost.
    under_way: Option<(u32, Millis)>,
}

/// A webhook was set.
#[derive(Debug)]
pub(super) struct Set {
    /// The webhook.
    pub(super) webhook: WebhookStatus,
    /// Its secret, if it is new.
    pub(super) secret: Option<Secret>,
    /// Whether what is under way was sent elsewhere.
    pub(super) has_moved: bool,
}

impl<S: Store> Webhook<'_, S> {
    /// The mailbox is opened.
    pub(super) fn open(&mut self) -> Result<(), StoreError> {
        let account = self.cx.account.as_ref();
        if let Some(kept) = account.and_then(|account| account.webhook.as_ref()) {
            self.memory.state = Some(from_json(&kept.0)?);
        }
        Ok(())
    }

    /// Sets the webhook, and enables it. The first time it has this `secret`, which is returned, and so it has if the
    /// operator had set it and now the device does, or the other way round: whoever knew the secret before must not be
    /// able to write requests for the new owner. Otherwise it keeps its own. `is_own`: the device itself sets it.
    ///
    /// # Errors
    /// `unknown_device`.
    pub(super) fn set(
        &mut self,
        setting: Setting,
        secret: Secret,
        is_own: bool,
    ) -> Result<Set, Problem> {
        if self.cx.device().is_none() {
            return Err(Problem::new(Code::UnknownDevice, "there is no such device"));
        }
        self.memory.stale = true;
        let webhook = setting.status(None, Tries::default());
        let known = self.memory.state.take();
        let is_posting = |known: &&State| known.disabled.is_none();
        let posted_to = known.as_ref().filter(is_posting);
        let has_moved = posted_to.is_none_or(|known| known.setting.url != setting.url);
        if has_moved {
            self.memory.under_way = None;
        }
        let kept = known.filter(|known| known.is_own == is_own);
        let is_new = kept.is_none();
        let secrets = match kept {
            Some(known) => known.secrets,
            None => Secrets::new(secret.clone()),
        };
        self.memory.state = Some(State {
            setting,
            secrets,
            is_own,
            disabled: None,
            is_cut_off: false,
            failures: 0,
            tries: Tries::default(),
            receipts: None,
        });
        Ok(Set {
            webhook,
            secret: is_new.then_some(secret),
            has_moved,
        })
    }

    /// The webhook, without its secret.
    ///
    /// # Errors
    /// `unknown_webhook`.
    pub(super) fn status(&self) -> Result<WebhookStatus, Problem> {
        let state = self.memory.state.as_ref();
        let status = state.map(|it| it.setting.status(it.disabled, it.tries.clone()));
        status.ok_or_else(unknown_webhook)
    }

    /// Replaces the secret by this one.
    ///
    /// # Errors
    /// `unknown_webhook`.
    pub(super) fn rotate(&mut self, secret: Secret, now: Now) -> Result<Secret, Problem> {
        let state = self.memory.state.as_mut().ok_or_else(unknown_webhook)?;
        state.secrets.rotate(secret.clone(), now.at);
        self.memory.stale = true;
        Ok(secret)
    }

    /// Removes the webhook.
    pub(super) fn end(&mut self) {
        self.memory.under_way = None;
        self.memory.stale |= self.memory.state.take().is_some();
    }

    /// The device's tokens are revoked. Whoever had one may have set the webhook, unless the operator has.
    pub(super) fn revoked(&mut self) {
        if self.memory.state.as_ref().is_some_and(|state| state.is_own) {
            self.end();
        }
    }

    /// Updates the account, whose row is written later. Returns whether it has to be.
    pub(super) fn note(&mut self) -> Result<bool, StoreError> {
        match self.memory.stale && self.cx.account.is_some() {
            true => {
                self.remember()?;
                self.memory.stale = false;
                Ok(true)
            }
            false => Ok(false),
        }
    }

    /// Updates the account, also with what is only counted. That is written whenever its row is.
    fn remember(&mut self) -> Result<(), StoreError> {
        if let Some(account) = &mut self.cx.account {
            let state = self.memory.state.as_ref();
            account.webhook = state.map(to_json).transpose()?.map(Kept);
        }
        Ok(())
    }

    /// Writes what has changed in this event.
    pub(super) fn keep(&mut self) -> Result<(), StoreError> {
        match (self.note()?, &self.cx.account) {
            (true, Some(account)) => account.save_webhook(&self.cx.store),
            _ => Ok(()),
        }
    }
}

/// The device has no webhook.
pub(super) fn unknown_webhook() -> Problem {
    Problem::new(Code::UnknownWebhook, "the device has no webhook")
}
