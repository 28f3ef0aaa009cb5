//! Which hooks of the device have ended, and what is posted to one.
//!
//! Hooks are not stored. The device has one number: how often all of them were revoked. A hook carries that number from
//! when it was made. There is no row until the first revocation: the number has a table of its own, and is no column of
//! the account, whose version need not change for it. Not here: what a hook does, which is [`crate::hook`].

use super::output::{Failure, Reply};
use super::pending::{Awaited, Next};
use super::{CallId, Mailbox};
use crate::hook::Revocations;
use crate::id::DeviceId;
use crate::message::Target;
use crate::problem::{Code, Problem};
use crate::publish::Draft;
use crate::schema;
use crate::store::{Store, StoreError};
use crate::time::Now;

/// What is kept in memory: how often the hooks were revoked, once that was read.
#[derive(Debug, Default)]
pub(super) struct Memory {
    revocations: Option<u32>,
}

impl<S: Store> Mailbox<S> {
    /// What has been revoked so far, for a new hook.
    ///
    /// # Errors
    /// `unknown_device`, or the store failed.
    pub(super) fn revocations(&mut self) -> Result<Revocations, Failure> {
        let account = self.cx.account.as_ref();
        let Some(account) = account.filter(|account| account.created_at > 0) else {
            return Err(Problem::unknown_device().into());
        };
        let tokens = account.revocations;
        let hooks = self.hook_revocations()?;
        Ok(Revocations { tokens, hooks })
    }

    /// Publishes what was posted to a hook that was made after this many revocations of all hooks. Once it is accepted,
    /// it is answered with its id, even if the hook ends before that: so no token is checked again.
    pub(super) fn post(
        &mut self,
        id: CallId,
        to: Target,
        devices: Vec<DeviceId>,
        revocations: u32,
        draft: Draft,
        now: Now,
    ) -> Result<(), StoreError> {
        let admitted = self.admit_hook(revocations);
        match admitted.and_then(|()| self.outbox().accept(to, devices, draft, None, now)) {
            Ok(message) => {
                let waits = Awaited::Published(message);
                self.wait(waits, id, None, None, Next::Posted, now);
            }
            Err(Failure::Problem(problem)) => self.answer(id, Reply::Posted(problem.into())),
            Err(Failure::Store(error)) => return Err(error),
        }
        Ok(())
    }

    /// Whether a hook may publish that was made after this many revocations of all hooks.
    ///
    /// # Errors
    /// `unauthorized` if it was revoked, or the store failed.
    fn admit_hook(&mut self, seen: u32) -> Result<(), Failure> {
        match seen >= self.hook_revocations()? {
            true => Ok(()),
            false => Err(Problem::new(Code::Unauthorized, "the hook was revoked").into()),
        }
    }

    /// Revokes all hooks made so far.
    ///
    /// # Errors
    /// `unknown_device`, or the store failed.
    pub(super) fn revoke_hooks(&mut self) -> Result<(), Failure> {
        if !self.is_registered() {
            return Err(Problem::unknown_device().into());
        }
        let revocations = self.hook_revocations()?.saturating_add(1);
        let store = &self.cx.store;
        schema::create_hooks(store)?;
        let sql = "INSERT OR REPLACE INTO hooks (one, revocations) VALUES (1, ?)";
        store.run(sql, &[i64::from(revocations).into()])?;
        self.hooks.revocations = Some(revocations);
        Ok(())
    }

    fn hook_revocations(&mut self) -> Result<u32, StoreError> {
        if let Some(revocations) = self.hooks.revocations {
            return Ok(revocations);
        }
        let store = &self.cx.store;
        let mut revocations = 0;
        if schema::has_hooks(store)? {
            let sql = "SELECT revocations FROM hooks WHERE one = 1";
            if let Some(mut row) = store.run(sql, &[])?.pop() {
                revocations = row.count()?;
            }
        }
        self.hooks.revocations = Some(revocations);
        Ok(revocations)
    }
}
