//! Which hooks of the device have ended.
//!
//! Hooks are not stored. The device has one number: how often all of them were revoked. A hook carries that number from
//! when it was made. There is no row until the first revocation. Not here: what a hook does, which is
//! [`crate::hook`].

use super::Mailbox;
use super::output::Failure;
use crate::hook::Revocations;
use crate::problem::{Code, Problem};
use crate::schema;
use crate::store::{Store, StoreError};

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
            return Err(unknown_device().into());
        };
        let tokens = account.revocations;
        let hooks = self.hook_revocations()?;
        Ok(Revocations { tokens, hooks })
    }

    /// Whether a hook may publish that was made after this many revocations of all hooks.
    ///
    /// # Errors
    /// `unauthorized` if it was revoked, or the store failed.
    pub(super) fn admit_hook(&mut self, seen: u32) -> Result<(), Failure> {
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
            return Err(unknown_device().into());
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

fn unknown_device() -> Problem {
    Problem::new(Code::UnknownDevice, "there is no such device")
}
