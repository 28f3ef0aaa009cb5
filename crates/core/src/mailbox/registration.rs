//! A mailbox's device comes, has its tokens revoked, and goes.

use super::connection::CLOSE_TOKEN;
use super::{Account, Effect, Failure, Mailbox};
use crate::call::Registered;
use crate::id::DeviceId;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::Now;
use crate::token::Claims;

impl<S: Store> Mailbox<S> {
    /// Whether the bearer of these claims may act for this device.
    ///
    /// # Errors
    /// `unauthorized` if the token was revoked or has expired.
    pub fn admit(&self, claims: &Claims, now: Now) -> Result<(), Problem> {
        if claims
            .expires_at
            .is_some_and(|at| at.saturating_mul(1000) <= now.at)
        {
            return Err(Problem::new(Code::Unauthorized, "the token has expired"));
        }
        match &self.cx.account {
            Some(account) if !account.admits(claims) => {
                Err(Problem::new(Code::Unauthorized, "the token was revoked"))
            }
            _ => Ok(()),
        }
    }

    /// Whether there is a device behind this mailbox.
    pub fn is_registered(&self) -> bool {
        self.cx.device().is_some()
    }

    /// There is a device of this name from now on.
    ///
    /// # Errors
    /// The store failed.
    pub fn register(&mut self, device: &DeviceId, now: Now) -> Result<Registered, StoreError> {
        let mut account = match self.cx.account.take() {
            Some(account) => account,
            None => Account::create(&self.cx.store, device.clone())?,
        };
        let changed = account.created_at == 0;
        if changed {
            account.created_at = now.at;
            account.save(&self.cx.store)?;
        }
        let registered = account.registered(changed);
        self.cx.account = Some(account);
        Ok(registered)
    }

    /// The tokens issued up to now stop working; an open socket is closed.
    ///
    /// # Errors
    /// `unknown_device`, or the store failed.
    pub fn revoke(&mut self, now: Now) -> Result<Registered, Failure> {
        let Some(account) = self
            .cx
            .account
            .as_mut()
            .filter(|account| account.created_at > 0)
        else {
            return Err(Problem::new(Code::UnknownDevice, "there is no such device").into());
        };
        account.revoke(now.at);
        account.save(&self.cx.store)?;
        let registered = account.registered(false);
        self.cx.effects.push(Effect::Revoked);
        self.outbox().refuse_frames();
        self.hang_up(now, CLOSE_TOKEN, "token revoked")?;
        Ok(registered)
    }

    /// Forgets the device: its tokens, its socket, its messages, and all it ever sent. The senders of
    /// messages that it has not settled get them back as `refused`.
    ///
    /// # Errors
    /// The store failed.
    pub fn remove(&mut self, now: Now) -> Result<Registered, StoreError> {
        let Some(device) = self.cx.device().cloned() else {
            let registered = self
                .cx
                .account
                .as_ref()
                .map(|account| account.registered(false));
            return Ok(registered.unwrap_or(Registered {
                changed: false,
                created_at: 0,
                revocations: 0,
            }));
        };
        self.hang_up(now, CLOSE_TOKEN, "device removed")?;
        self.inbox().refuse_all(&device, now)?;
        self.outbox().forget_all()?;
        self.inbox().report_all(now)?;
        let Some(account) = self.cx.account.as_mut() else {
            return Err(StoreError("the account is gone".to_owned()));
        };
        account.revoke(now.at);
        account.created_at = 0;
        account.last_seen_at = None;
        account.lost.clear();
        account.save(&self.cx.store)?;
        let registered = account.registered(true);
        self.cx.effects.push(Effect::Revoked);
        Ok(registered)
    }
}
