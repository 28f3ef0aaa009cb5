//! Tokens that were revoked one by one: each stays revoked until its end, or until all of its device are revoked.

use std::collections::BTreeMap;

use tagpost_core::store::Row;
use tagpost_core::time::Millis;
use tagpost_core::token::TokenId;

use super::rows::all;
use super::{Checked, Ledger, broken, claim};
use crate::store::{Sqlite, Written};

/// For how long a token may survive the revocation of all, because the clock that has issued it is ahead.
const AHEAD: Millis = 60_000;

/// A token that was revoked alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct RevokedRow {
    revoked_at: Millis,
    expires_at: Option<Millis>,
    /// How often all tokens of the device had been revoked by then.
    revocations: u32,
}

impl Ledger {
    /// Whether a token with this id was revoked alone.
    pub(super) fn is_revoked_alone(&self, device: usize, token: Option<&TokenId>) -> bool {
        token.is_some_and(|id| self.tables[device].revoked.contains_key(id))
    }

    /// Reads which tokens were revoked alone, after the account.
    pub(super) fn read_revoked(
        &mut self,
        place: usize,
        store: &Sqlite,
        now: Millis,
        written: Written,
    ) -> Checked {
        if !written.revoked_tokens {
            return Ok(());
        }
        let revocations = self.revocations(place);
        let sql = "SELECT id, revoked_at, expires_at FROM revoked_tokens";
        let read = |mut row: Row| Ok((row.text()?, row.int()?, row.opt_int()?));
        let mut rows = BTreeMap::new();
        for (id, revoked_at, expires_at) in all(store, sql, read)? {
            let id: TokenId = id.parse().map_err(broken)?;
            let before = self.tables[place].revoked.get(&id).copied();
            if before.is_none() {
                self.happened[place].tokens += 1;
            }
            let row = RevokedRow {
                revoked_at,
                expires_at,
                revocations: before.map_or(revocations, |before| before.revocations),
            };
            rows.insert(id, row);
        }
        let before = std::mem::replace(&mut self.tables[place].revoked, rows);
        let kept = &self.tables[place].revoked;
        for (id, row) in before.iter().filter(|(id, _)| !kept.contains_key(*id)) {
            let is_over = row.expires_at.is_some_and(|at| at <= now);
            let is_covered = row.revocations < revocations && row.revoked_at + AHEAD < now;
            claim(
                "a revoked token is forgotten at its end, or when all are revoked",
                is_over || is_covered,
                || format!("{id} of device {place}: {row:?}"),
            )?;
        }
        Ok(())
    }
}
