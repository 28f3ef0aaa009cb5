//! How much the inbox holds: counted when it is first needed, and kept as long as the mailbox is awake.
//!
//! A mailbox that holds little counts its rows. One that holds much keeps its totals in the account's
//! row, so that no event after a sleep reads more than [`FEW`] rows to know them.

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::timer::Timer;
use crate::store::{Store, StoreError, to_json};
use crate::time::{Millis, Now};

/// At most this many rows are counted wherever they have to be.
const FEW: u32 = 1_000;

/// Where there are more, the table is gone through for expiries no sooner than this after the last time: it has
/// no index for them, as each row of one is charged like a row.
const EXPIRIES: Millis = 10_000;

/// What the rows of the inbox that are not settled are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    /// How many there are.
    #[serde(rename = "n")]
    pub(super) messages: u32,
    /// Their payloads' bytes.
    #[serde(rename = "b")]
    pub(super) bytes: u64,
    /// None of them expires before this; `None` where there is none.
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
    /// What the rows are together.
    pub(super) fn rows(&mut self) -> Result<&mut Totals, StoreError> {
        if self.rows.is_none() {
            let few = Totals::count(&self.store, Some(FEW + 1))?;
            let totals = if few.messages > FEW {
                Totals::count(&self.store, None)?
            } else {
                few
            };
            self.rows = Some(totals);
        }
        Ok(self.rows.get_or_insert_default())
    }

    /// Counts the rows anew, because the earliest expiry that was known is over.
    pub(super) fn recount(&mut self, now: Now) -> Result<(), StoreError> {
        self.rows = Some(Totals::count(&self.store, None)?);
        self.recounted_at = now.at;
        Ok(())
    }

    /// When the table is to be gone through for expiries. Nothing is sent that has expired meanwhile.
    pub(super) fn next_expiry(&mut self) -> Result<Option<Millis>, StoreError> {
        let earliest = self.recounted_at + EXPIRIES;
        let rows = self.rows()?;
        let next = |at: Millis| {
            if rows.messages > FEW {
                at.max(earliest)
            } else {
                at
            }
        };
        Ok(rows.expires_at.map(next))
    }

    /// A message has a row that had none.
    pub(super) fn row_added(&mut self, size: u32, expires_at: Millis) -> Result<(), StoreError> {
        // Counted with the others where they are not counted yet.
        if let Some(rows) = self.rows.as_mut() {
            rows.messages += 1;
            rows.bytes += u64::from(size);
            let earliest = rows.expires_at.map_or(expires_at, |at| at.min(expires_at));
            rows.expires_at = Some(earliest);
        }
        self.wake_by(Timer::Expiry, expires_at);
        Ok(())
    }

    /// A message that has a row has ended.
    pub(super) fn row_settled(&mut self, size: u64) {
        if let Some(rows) = self.rows.as_mut() {
            rows.messages -= 1;
            rows.bytes -= size;
        }
    }

    /// What the account's row is to hold of the totals: nothing where there are few.
    pub(super) fn kept_totals(&self) -> Option<Totals> {
        let kept = self
            .account
            .as_ref()
            .is_some_and(|account| account.held.is_some());
        // Where they are kept they stay so for a while: to cross the mark costs a row.
        let mark = if kept { FEW / 2 } else { FEW };
        self.rows.filter(|rows| rows.messages > mark)
    }

    /// Writes the totals down where there is much, at the end of each event that changed them.
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
