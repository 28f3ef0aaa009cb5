//! Registering a device, revoking its tokens or one of them, and removing it.

use super::account::Account;
use super::connection::CLOSE_TOKEN;
use super::context::Context;
use super::news::News;
use super::output::{Failure, Output, Reply};
use super::pending::{Awaited, Handshake, Next, Waiter};
use super::{CallId, Mailbox};
use crate::call::Registered;
use crate::id::DeviceId;
use crate::operator_event::{OperatorEvent, Registrar};
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};
use crate::time::{Millis, Now};
use crate::token::{Claims, TokenId};

impl<S: Store> Mailbox<S> {
    /// The device wants to open a connection.
    pub(super) fn opening(
        &mut self,
        id: CallId,
        handshake: Handshake,
        claims: Claims,
        now: Now,
    ) -> Result<(), StoreError> {
        let admitted = self.admitted(Some(&claims), now);
        match admitted.and_then(|known| self.may_take_over(&handshake, now).map(|()| known)) {
            Err(problem) => self.answer(id, Reply::Problem(problem)),
            Ok(true) => {
                self.connect(handshake, &claims, now)?;
                self.answer(id, Reply::Opened);
            }
            Ok(false) => {
                let next = Next::Open(handshake);
                self.enter(id, claims.device.clone(), Some(claims), next, now);
            }
        }
        Ok(())
    }

    /// Admits the caller if its token is valid. Returns whether its device is registered already: if not, a valid token
    /// registers it. `None` is the service itself, or the operator.
    ///
    /// # Errors
    /// `unauthorized` if the token was revoked or has expired.
    pub(super) fn admitted(&self, caller: Option<&Claims>, now: Now) -> Result<bool, Problem> {
        let Some(claims) = caller else {
            return Ok(true);
        };
        self.cx.admit(claims, now)?;
        Ok(self.is_registered())
    }

    /// Adds the device to the directory. The call waits until that is done.
    pub(super) fn enter(
        &mut self,
        id: CallId,
        device: DeviceId,
        caller: Option<Claims>,
        next: Next,
        now: Now,
    ) {
        if !self.pending.has(Awaited::Registration) {
            self.cx.push(Output::Register(device));
        }
        self.wait(Awaited::Registration, id, caller, None, next, now);
    }

    /// The device was added to the directory, or that failed. Its token may have been revoked meanwhile.
    pub(super) fn entered(&mut self, entered: bool, now: Now) -> Result<(), StoreError> {
        for (id, Waiter { caller, next, .. }) in self.pending.take(Awaited::Registration) {
            if !entered {
                let detail = "the device could not be added to the directory; nothing was accepted";
                let problem = Problem::new(Code::Unavailable, detail);
                self.answer_caller(id, caller.as_ref(), Reply::Problem(problem), now);
                continue;
            }
            if let Err(problem) = self.admitted(caller.as_ref(), now) {
                self.answer(id, Reply::Problem(problem));
                continue;
            }
            match (next, caller) {
                (
                    Next::Serve {
                        device,
                        call,
                        enclosed,
                    },
                    caller,
                ) => {
                    self.register(&device, Registrar::Device, now)?;
                    self.serve(id, device, caller, *call, enclosed, now)?;
                }
                (Next::Open(handshake), Some(claims)) => {
                    self.register(&claims.device, Registrar::Device, now)?;
                    self.connect(handshake, &claims, now)?;
                    self.answer(id, Reply::Opened);
                }
                (next, _) => debug_assert!(false, "{next:?} does not wait for this"),
            }
        }
        Ok(())
    }

    /// Whether this mailbox has a registered device.
    pub(super) fn is_registered(&self) -> bool {
        self.cx.device().is_some()
    }

    /// Registers the device.
    pub(super) fn register(
        &mut self,
        device: &DeviceId,
        by: Registrar,
        now: Now,
    ) -> Result<Registered, StoreError> {
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
        if changed {
            let event = OperatorEvent::Registered { device, by };
            self.operator_events().keep(&event, now)?;
        }
        Ok(registered)
    }

    /// Revokes all tokens issued so far and the pairing code, removes the subscriptions, and closes an open socket.
    ///
    /// # Errors
    /// `unknown_device`, or the store failed.
    pub(super) fn revoke(&mut self, now: Now) -> Result<Registered, Failure> {
        let Some(account) = self
            .cx
            .account
            .as_mut()
            .filter(|account| account.created_at > 0)
        else {
            return Err(Problem::unknown_device().into());
        };
        account.revoke(&self.cx.store, now.at)?;
        let registered = account.registered(false);
        // Whoever had a token may have added some. What is in flight knocks at none of them.
        self.wake().unsubscribe(None)?;
        self.wake().note()?;
        self.webhook().revoked();
        self.webhook().note()?;
        if let Some(account) = &self.cx.account {
            account.save(&self.cx.store)?;
        }
        self.end_code()?;
        if let Some(device) = self.cx.device().cloned() {
            let event = OperatorEvent::TokensRevoked { device: &device };
            self.operator_events().keep(&event, now)?;
        }
        self.cx.push(News::Revoked);
        self.outbox().refuse_frames();
        match self.connection() {
            Some(_) => self.hang_up(now, CLOSE_TOKEN, "token revoked")?,
            None => self.update_address(now)?,
        }
        Ok(registered)
    }

    /// Revokes one token, which expires at this time if that is known, and closes a socket that was opened with it.
    /// What else its bearer has made stays: subscriptions, push URLs, hooks, the webhook.
    ///
    /// # Errors
    /// `unknown_device`, `too_many_revoked`, or the store failed.
    pub(super) fn revoke_token(
        &mut self,
        token: &TokenId,
        expires_at: Option<Millis>,
        now: Now,
    ) -> Result<(), Failure> {
        let account = self.cx.account.as_mut();
        let Some(account) = account.filter(|account| account.created_at > 0) else {
            return Err(Problem::unknown_device().into());
        };
        account.revoke_one(&self.cx.store, token.clone(), expires_at, now.at)?;
        let device = account.device.clone();
        let event = OperatorEvent::TokenRevoked {
            device: &device,
            jti: token,
        };
        self.operator_events().keep(&event, now)?;
        self.cx.push(News::TokenRevoked(token.clone()));
        let connection = self.connection.as_ref();
        if connection.is_some_and(|it| it.token.as_ref() == Some(token)) {
            self.outbox().refuse_frames();
            self.hang_up(now, CLOSE_TOKEN, "token revoked")?;
        }
        Ok(())
    }

    /// Removes the device: its tokens, its socket, its messages, and everything it sent. Its unsettled messages
    /// become `refused`.
    pub(super) fn remove(&mut self, now: Now) -> Result<Registered, StoreError> {
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
        self.webhook().end();
        self.webhook().note()?;
        self.inbox().refuse_all(&device, now)?;
        self.inbox().forget_payloads()?;
        self.channels().forget_all()?;
        self.end_code()?;
        self.wake().unsubscribe(None)?;
        self.wake().note()?;
        self.outbox().forget_all()?;
        self.inbox().report_all(now)?;
        let Some(account) = self.cx.account.as_mut() else {
            return Err(StoreError("the account is gone".to_owned()));
        };
        account.revoke(&self.cx.store, now.at)?;
        account.created_at = 0;
        account.last_seen_at = None;
        account.lost.clear();
        account.save(&self.cx.store)?;
        let registered = account.registered(true);
        self.cx.push(News::Revoked);
        self.cx.push(News::Removed);
        Ok(registered)
    }
}

impl<S: Store> Context<S> {
    /// Whether the bearer of these claims may act for this device.
    ///
    /// # Errors
    /// `unauthorized` if the token was revoked or has expired.
    pub(super) fn admit(&self, claims: &Claims, now: Now) -> Result<(), Problem> {
        if claims.expires_at_millis().is_some_and(|at| at <= now.at) {
            return Err(Problem::new(Code::Unauthorized, "the token has expired"));
        }
        match &self.account {
            Some(account) if !account.admits(claims) => {
                Err(Problem::new(Code::Unauthorized, "the token was revoked"))
            }
            _ => Ok(()),
        }
    }
}
