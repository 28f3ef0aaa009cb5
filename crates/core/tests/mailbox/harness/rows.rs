//! What the store of the mailbox has, and what it has cost.

use tagpost_core::store::{Row, Store};

use super::Harness;

impl Harness {
    /// How many rows each table has that has any, and `jobs` of each kind. Kept payloads are not counted.
    pub(crate) fn rows(&self) -> String {
        let tables = ["outbox", "parts", "groups", "keys"];
        let inbox = [("account", "account"), ("inbox", "inbox WHERE rank > -2")];
        let kinds = [
            ("jobs", "jobs WHERE length(id) = 16"),
            ("endings", "jobs WHERE id > x'ff'"),
            ("escalations", "jobs WHERE id > x'fe' AND id < x'ff'"),
        ];
        let tables = inbox.into_iter().chain(tables.map(|table| (table, table)));
        let count = |rows: &str| {
            let mut rows = self
                .store
                .run(&format!("SELECT count(*) FROM {rows}"), &[])
                .unwrap();
            rows[0].int().unwrap()
        };
        let counted = tables.chain(kinds).map(|(name, rows)| (name, count(rows)));
        let some = counted.filter(|(_, count)| *count > 0);
        some.map(|(table, count)| format!("{table} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// How many rows were written so far.
    pub(crate) fn writes(&self) -> u64 {
        self.store.changes()
    }

    /// The bytes of the database.
    pub(crate) fn size(&self) -> u64 {
        self.store.size().unwrap()
    }

    /// How many statements were run so far.
    pub(crate) fn statements(&self) -> u64 {
        self.store.statements()
    }

    /// How much work the statements were so far.
    pub(crate) fn steps(&self) -> u64 {
        self.store.steps()
    }

    /// The numbers of all receipts that are kept, in the order of their rows, seen or not.
    pub(crate) fn receipts(&self) -> Vec<i64> {
        let numbers = "SELECT json_extract(value, '$.receipt') FROM outbox, json_each(deliveries) \
            WHERE json_extract(value, '$.receipt') IS NOT NULL UNION ALL \
            SELECT json_extract(value, '$.receipt') FROM parts, json_each(parts.deliveries) \
            WHERE json_extract(value, '$.receipt') IS NOT NULL";
        let rows = self.store.run(numbers, &[]).unwrap();
        rows.into_iter().map(|mut row| row.int().unwrap()).collect()
    }

    /// Runs a statement of the test itself.
    pub(crate) fn run(&self, sql: &str) {
        self.store.run(sql, &[]).unwrap();
    }

    /// The only column of the only row of a query.
    pub(crate) fn query(&self, sql: &str) -> Row {
        self.store.run(sql, &[]).unwrap().pop().unwrap()
    }
}
