//! Tables that are there, and that the mailbox does not see because it has not made them yet.
//!
//! A mailbox makes some tables when it first needs them. After a table is made or dropped, SQLite prepares every
//! statement again, which takes longer than most histories. So a database that serves one mailbox after another keeps
//! these tables and hides them from each mailbox, until the mailbox makes them. A hidden table is empty.

use std::cell::Cell;

use tagpost_core::store::{StoreError, Value};

/// The tables that are made with the first channel, subscription, failure, event or token that is revoked alone.
pub(super) const ON_FIRST_USE: [&str; 8] = [
    "channels",
    "user_agent",
    "push_receipts",
    "subscriptions",
    "failures",
    "operator_events",
    "event_sources",
    "revoked_tokens",
];
/// The words of a statement that come before the name of a table.
const BEFORE_NAMES: [&str; 6] = ["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "EXISTS"];

/// Which tables of [`ON_FIRST_USE`] are hidden.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    now: Cell<[bool; ON_FIRST_USE.len()]>,
    /// Those before the event that is under way.
    before: Cell<[bool; ON_FIRST_USE.len()]>,
}

/// What is run in place of a statement.
pub(super) enum Instead {
    /// The statement itself.
    Itself,
    /// It asks for a table that is hidden: the same question for a name that no table has.
    NoName,
    /// It makes a table that is hidden: a statement that writes to the table, and changes nothing.
    Nothing(String),
}

impl Hidden {
    pub(super) fn begin(&self) {
        self.before.set(self.now.get());
    }

    pub(super) fn roll_back(&self) {
        self.now.set(self.before.get());
    }

    pub(super) fn hide_all(&self) {
        self.now.set([true; ON_FIRST_USE.len()]);
    }

    pub(super) fn show_all(&self) {
        self.now.set([false; ON_FIRST_USE.len()]);
    }

    /// How many tables are hidden.
    pub(super) fn count(&self) -> i64 {
        self.now.get().into_iter().map(i64::from).sum()
    }

    /// What to run in place of a statement. A table that it makes is no longer hidden.
    ///
    /// # Errors
    /// It names a hidden table.
    pub(super) fn instead(&self, sql: &str, parameters: &[Value]) -> Result<Instead, StoreError> {
        let mut now = self.now.get();
        for (table, hidden) in ON_FIRST_USE.into_iter().zip(&mut now) {
            if !*hidden {
                continue;
            }
            let asks = matches!(parameters, [Value::Text(name)] if name == table);
            if asks && names(sql, "sqlite_master") {
                return Ok(Instead::NoName);
            }
            if !names(sql, table) {
                continue;
            }
            if !sql.starts_with("CREATE TABLE") {
                return Err(StoreError(format!("no such table: {table}")));
            }
            *hidden = false;
            self.now.set(now);
            return Ok(Instead::Nothing(format!("DELETE FROM {table}")));
        }
        Ok(Instead::Itself)
    }
}

/// Whether a statement names a table, and not only a column that is called the same.
pub(super) fn names(sql: &str, table: &str) -> bool {
    // To look first whether it is there at all takes less time.
    sql.contains(table)
        && sql.match_indices(table).any(|(at, _)| {
            let before = sql.get(..at).unwrap_or_default().trim_end();
            BEFORE_NAMES.iter().any(|word| before.ends_with(word))
        })
}
