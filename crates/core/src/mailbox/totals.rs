//! The totals of the inbox: computed when they are first needed, and kept while the mailbox is in memory.
//!
//! A small inbox counts its rows. A large one keeps its totals in the account's row, so that no event after
//! hibernation reads more than [`MAX_COUNTED`] rows for them.

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::timer::Timer;
use crate::store::{Store, StoreError, to_json};
use crate::time::{Millis, Now};

/// An inbox of more rows than this is large: its totals are stored.
const MAX_COUNTED: u32 = 1_000;

/// With more rows, the table is scanned for expiries at most this often: an index for them would cost a row each.
const EXPIRY_SCAN_INTERVAL: Millis = 10_000;

/// The totals of the inbox's unsettled rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    /// How many there are.
    #[serde(rename = "n")]
    pub(super) messages: u32,
    /// Their payloads' bytes.
    #[serde(rename = "b")]
    pub(super) bytes: u64,
    /// None of them expires before this; `None` if there are none.
    #[serde(rename = "e")]
    pub(super) expires_at: Option<Millis>,
}

impl Totals {
    pub(super) fn count(store: &impl Store, most: Option<u32>) -> Result<Self, StoreError> {
        let sql = "SELECT count(*), coalesce(sum(size), 0), min(expires_at) FROM \
                   (SELECT size, expires_at FROM inbox WHERE rank >= 0 LIMIT ?)";
        let most = most.map_or(-1, i64::from);
        let Some(mut row) = store.run(sql, &[most.into()])?.pop() else {
            return Ok(Self::default());
        };
        Ok(Self {
            messages: row.count()?,
            bytes: row.count()?,
            expires_at: row.opt_int()?,
        })
    }
}

impl<S: Store> Context<S> {
    /// The totals of the rows.
    pub(super) fn rows(&mut self) -> Result<&mut Totals, StoreError> {
        if self.rows.is_none() {
            let few = Totals::count(&self.store, Some(MAX_COUNTED + 1))?;
            let totals = if few.messages > MAX_COUNTED {
                Totals::count(&self.store, None)?
            } else {
                few
            };
            self.rows = Some(totals);
        }
        Ok(self.rows.get_or_insert_default())
    }

    /// Counts the rows again, because the earliest known expiry has passed.
    pub(super) fn recount(&mut self, now: Now) -> Result<(), StoreError> {
        self.rows = Some(Totals::count(&self.store, None)?);
        self.recounted_at = now.at;
        Ok(())
    }

    /// When to scan the table for expiries. Until then no expired message is sent.
    pub(super) fn next_expiry(&mut self) -> Result<Option<Millis>, StoreError> {
        let earliest = self.recounted_at + EXPIRY_SCAN_INTERVAL;
        let rows = self.rows()?;
        let next = |at: Millis| {
            if rows.messages > MAX_COUNTED {
                at.max(earliest)
            } else {
                at
            }
        };
        Ok(rows.expires_at.map(next))
    }

    /// A message was stored.
    pub(super) fn row_added(&mut self, size: u32, expires_at: Millis) -> Result<(), StoreError> {
        // If the rows are not counted yet, this one will be counted with them.
        if let Some(rows) = self.rows.as_mut() {
            rows.messages += 1;
            rows.bytes += u64::from(size);
            let earliest = rows.expires_at.map_or(expires_at, |at| at.min(expires_at));
            rows.expires_at = Some(earliest);
        }
        self.wake_by(Timer::Expiry, expires_at);
        Ok(())
    }

    /// A stored message is settled.
    pub(super) fn row_settled(&mut self, size: u64) {
        if let Some(rows) = self.rows.as_mut() {
            rows.messages -= 1;
            rows.bytes -= size;
        }
    }

    /// The bytes of the payloads of failed deliveries that are kept; see the inbox.
    pub(super) fn kept_bytes(&self) -> Result<u64, StoreError> {
        let account = self.account.as_ref();
        if account.is_none_or(|account| account.kept_until.is_none()) {
            return Ok(0);
        }
        let sql = "SELECT coalesce(sum(size), 0) FROM inbox WHERE rank = -2";
        let mut rows = self.store.run(sql, &[])?;
        rows.pop().map_or(Ok(0), |mut row| row.count())
    }

    /// The totals to store in the account's row: none for a small inbox.
    pub(super) fn kept_totals(&self) -> Option<Totals> {
        let kept = self
            .account
            .as_ref()
            .is_some_and(|account| account.held.is_some());
        // Hysteresis: crossing the threshold costs a row.
        let mark = if kept { MAX_COUNTED / 2 } else { MAX_COUNTED };
        self.rows.filter(|rows| rows.messages > mark)
    }

    /// Stores the totals of a large inbox, at the end of each event that changed them.
    pub(super) fn keep_totals(&mut self) -> Result<(), StoreError> {
        if self.rows.is_none() {
            return Ok(());
        }
        let totals = self.kept_totals();
        if let Some(account) = self
            .account
            .as_mut()
            .filter(|account| account.held != totals)
        {
            account.held = totals;
            let text = totals.as_ref().map(to_json).transpose()?;
            let sql = "UPDATE account SET held = ? WHERE one = 1";
            self.store.run(sql, &[text.as_deref().into()])?;
        }
        Ok(())
    }
}
