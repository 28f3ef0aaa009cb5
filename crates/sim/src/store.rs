//! A mailbox's store over SQLite in memory, with the transactions and the limits of the platform.
//!
//! The writes of one event are all committed with [`Sqlite::commit`], or all dropped with
//! [`Sqlite::roll_back`]. A statement the platform would refuse fails here too. Handles that are cloned
//! share one database, so that the driver of a mailbox can look at the rows it has committed.

mod hidden;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Params, StatementStatus, ToSql};
use tagpost_core::store::{Row, Store, StoreError, Value};

use self::hidden::{Hidden, Instead, ON_FIRST_USE};

/// The most parameters that a statement of a Durable Object binds.
const MAX_PARAMETERS: usize = 100;
/// The most bytes of a text or BLOB of a Durable Object.
const MAX_BYTES: usize = 2_000_000;
/// The platform carries numbers as doubles.
const MAX_INT: u64 = (1 << 53) - 1;
/// The tables of every mailbox.
const TABLES: [&str; 7] = [
    "account", "inbox", "outbox", "parts", "groups", "keys", "jobs",
];
/// The name of no table.
const NO_NAME: &[Value] = &[Value::Null];
/// More than the number of statements that a mailbox has.
const STATEMENTS: usize = 128;

/// A database of its own, in memory.
#[derive(Clone)]
pub struct Sqlite(Rc<Database>);

struct Database {
    connection: Connection,
    hidden: Hidden,
    /// How many more statements succeed; `None` for all.
    lasts: Cell<Option<u32>>,
    failed: Cell<bool>,
    /// Whether every write fails.
    refuses: Cell<bool>,
    written: Cell<Written>,
    steps: Cell<u64>,
    statements: Cell<u64>,
}

/// Which tables statements have written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// The table `inbox`.
    pub inbox: bool,
    /// The tables `outbox` and `parts`.
    pub outbox: bool,
    /// The table `groups`.
    pub groups: bool,
    /// The table `jobs`.
    pub jobs: bool,
    /// The table `account`.
    pub account: bool,
    /// The tables `channels`, `user_agent` and `push_receipts`.
    pub channels: bool,
    /// The table `subscriptions`.
    pub subscriptions: bool,
    /// The table `failures`.
    pub failures: bool,
}

impl Sqlite {
    /// An empty database.
    ///
    /// # Errors
    /// SQLite cannot open one.
    pub fn new() -> Result<Self, StoreError> {
        let connection = Connection::open_in_memory().map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Otherwise a statement with a limit is prepared again for each value that is bound to it.
        let stable = DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
        connection.set_db_config(stable, true).map_err(failed)?;
        Ok(Self(Rc::new(Database {
            connection,
            hidden: Hidden::default(),
            lasts: Cell::new(None),
            failed: Cell::new(false),
            refuses: Cell::new(false),
            written: Cell::default(),
            steps: Cell::default(),
            statements: Cell::default(),
        })))
    }

    /// Begins an event.
    ///
    /// # Errors
    /// An event is under way already.
    pub fn begin(&self) -> Result<(), StoreError> {
        self.0.hidden.begin();
        self.control("BEGIN")
    }

    /// Commits the writes of an event.
    ///
    /// # Errors
    /// No event is under way.
    pub fn commit(&self) -> Result<(), StoreError> {
        self.control("COMMIT")
    }

    /// Drops the writes of an event, as a crash does.
    ///
    /// # Errors
    /// No event is under way.
    pub fn roll_back(&self) -> Result<(), StoreError> {
        self.0.written.set(Written::default());
        self.0.hidden.roll_back();
        self.control("ROLLBACK")
    }

    /// After this many more statements every statement fails; `None` lets them succeed again.
    pub fn fail_after(&self, statements: Option<u32>) {
        self.0.lasts.set(statements);
        self.0.failed.set(false);
    }

    /// After how many more statements they fail; `None` if they do not.
    pub fn lasts(&self) -> Option<u32> {
        self.0.lasts.get()
    }

    /// Lets every write fail from now on, or none: a database that is full can still be read.
    pub fn refuse_writes(&self, refuses: bool) {
        self.0.refuses.set(refuses);
    }

    /// Whether a statement has failed as ordered.
    pub fn failed(&self) -> bool {
        self.0.failed.get()
    }

    /// Deletes every row, so that the database is that of a mailbox without a device. It has the tables that every
    /// mailbox has, and hides those that a mailbox makes when it first needs them.
    ///
    /// # Errors
    /// A table of either kind is missing.
    pub fn clear(&self) -> Result<(), StoreError> {
        self.fail_after(None);
        self.0.hidden.show_all();
        self.begin()?;
        for table in TABLES.iter().chain(&ON_FIRST_USE) {
            self.run(&format!("DELETE FROM {table}"), &[])?;
        }
        self.commit()?;
        self.0.hidden.hide_all();
        self.take_written();
        Ok(())
    }

    /// Which tables were written to since this was last asked.
    pub fn take_written(&self) -> Written {
        self.0.written.take()
    }

    /// How many rows were inserted, updated or deleted so far; entries of indexes are not counted.
    pub fn changes(&self) -> u64 {
        self.0.connection.total_changes()
    }

    /// Bytes of memory that the database takes. Clearing it gives none back.
    pub fn footprint(&self) -> Result<u64, StoreError> {
        let sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        self.bytes(sql, ())
    }

    fn bytes(&self, sql: &str, parameters: impl Params) -> Result<u64, StoreError> {
        let size = self
            .0
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, |row| row.get::<_, i64>(0)));
        size.map(i64::unsigned_abs).map_err(failed)
    }

    /// How many steps SQLite took for all statements so far: the work they were, whatever the machine.
    pub fn steps(&self) -> u64 {
        self.0.steps.get()
    }

    /// How many statements were run so far.
    pub fn statements(&self) -> u64 {
        self.0.statements.get()
    }

    fn control(&self, sql: &str) -> Result<(), StoreError> {
        let mut statement = self.0.connection.prepare_cached(sql).map_err(failed)?;
        statement.raw_execute().map(drop).map_err(failed)
    }

    /// Counts down to the failure that was ordered.
    fn wear(&self) -> Result<(), StoreError> {
        match self.0.lasts.get() {
            None => Ok(()),
            Some(0) => {
                self.0.failed.set(true);
                Err(StoreError("the disk is gone".to_owned()))
            }
            Some(more) => {
                self.0.lasts.set(Some(more - 1));
                Ok(())
            }
        }
    }
}

impl Written {
    fn add(&mut self, sql: &str) {
        self.inbox |= sql.contains(" inbox");
        self.outbox |= sql.contains(" outbox") || sql.contains(" parts");
        self.groups |= sql.contains(" groups");
        self.jobs |= sql.contains(" jobs");
        self.account |= sql.contains(" account");
        self.subscriptions |= sql.contains(" subscriptions");
        // The account has a column of this name.
        self.failures |= hidden::names(sql, "failures");
        let of_channels = ["channels", "user_agent", "push_receipts"];
        self.channels |= of_channels.iter().any(|table| sql.contains(table));
    }
}

impl Store for Sqlite {
    fn run(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.wear()?;
        self.0.statements.set(self.0.statements.get() + 1);
        within_limits(parameters)?;
        let instead = self.0.hidden.instead(sql, parameters)?;
        let (sql, parameters) = match &instead {
            Instead::Itself => (sql, parameters),
            Instead::NoName => (sql, NO_NAME),
            Instead::Nothing(sql) => (sql.as_str(), parameters),
        };
        let mut statement = self.0.connection.prepare_cached(sql).map_err(failed)?;
        if statement.parameter_count() != parameters.len() {
            let detail = format!(
                "{} parameters for {} places: {sql}",
                parameters.len(),
                statement.parameter_count()
            );
            return Err(StoreError(detail));
        }
        if !statement.readonly() {
            if self.0.refuses.get() {
                self.0.failed.set(true);
                return Err(StoreError("database or disk is full".to_owned()));
            }
            let mut written = self.0.written.get();
            written.add(sql);
            self.0.written.set(written);
        }
        for (value, place) in parameters.iter().zip(1..) {
            statement
                .raw_bind_parameter(place, Bound(value))
                .map_err(failed)?;
        }
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let values = (0..columns).map(|column| value(row.get_ref(column).map_err(failed)?));
            found.push(Row::new(values.collect::<Result<_, _>>()?));
        }
        drop(rows);
        let steps = statement.reset_status(StatementStatus::VmStep);
        self.0
            .steps
            .set(self.0.steps.get() + u64::from(steps.unsigned_abs()));
        Ok(found)
    }

    fn size(&self) -> Result<u64, StoreError> {
        // An empty table takes one page.
        let sql = "SELECT (page_count - freelist_count - ?) * page_size \
                   FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()";
        self.bytes(sql, [self.0.hidden.count()])
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}

/// A parameter as SQLite takes it.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A column as the core takes it.
fn value(column: ValueRef<'_>) -> Result<Value, StoreError> {
    match column {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Blob(bytes) => Ok(Value::Blob(bytes.to_vec())),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(error) => Err(StoreError(error.to_string())),
        },
        ValueRef::Real(number) => Err(StoreError(format!("{number} is no integer"))),
    }
}

fn within_limits(parameters: &[Value]) -> Result<(), StoreError> {
    let too_large = |value: &&Value| match value {
        Value::Null => false,
        Value::Int(number) => number.unsigned_abs() > MAX_INT,
        Value::Text(text) => text.len() > MAX_BYTES,
        Value::Blob(bytes) => bytes.len() > MAX_BYTES,
    };
    if parameters.len() > MAX_PARAMETERS || parameters.iter().any(|value| too_large(&value)) {
        return Err(StoreError(
            "the platform would refuse these parameters".to_owned(),
        ));
    }
    Ok(())
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(store: &Sqlite) -> usize {
        store.run("SELECT n FROM inbox", &[]).unwrap().len()
    }

    #[test]
    fn what_an_event_wrote_stays_or_goes_as_a_whole() {
        let store = Sqlite::new().unwrap();
        store.run("CREATE TABLE inbox (n INTEGER)", &[]).unwrap();
        let insert = "INSERT INTO inbox (n) VALUES (?)";
        for (end, left) in [(false, 0), (true, 2), (false, 2)] {
            store.begin().unwrap();
            store.run(insert, &[1_i64.into()]).unwrap();
            store.run(insert, &[2_i64.into()]).unwrap();
            if end {
                store.commit().unwrap();
            } else {
                store.roll_back().unwrap();
            }
            assert_eq!(rows(&store), left);
        }
    }

    #[test]
    fn a_statement_that_the_platform_would_refuse_fails() {
        let store = Sqlite::new().unwrap();
        let run = |value: Value| store.run("SELECT ?", &[value]);
        assert!(run(Value::Int((1 << 53) - 1)).is_ok());
        assert!(run(Value::Int(1 << 53)).is_err());
        assert!(run(Value::Blob(vec![0; MAX_BYTES])).is_ok());
        assert!(run(Value::Text("a".repeat(MAX_BYTES + 1))).is_err());
        assert!(store.run("SELECT ?", &[]).is_err());
    }

    #[test]
    fn statements_fail_from_the_ordered_one_on() {
        let store = Sqlite::new().unwrap();
        store.fail_after(Some(1));
        assert!(store.run("SELECT 1", &[]).is_ok());
        assert!(store.run("SELECT 1", &[]).is_err());
        assert!(store.run("SELECT 1", &[]).is_err());
        store.fail_after(None);
        assert!(store.run("SELECT 1", &[]).is_ok());
    }

    #[test]
    fn a_full_store_refuses_writes_and_can_be_read() {
        let store = Sqlite::new().unwrap();
        store.run("CREATE TABLE inbox (n INTEGER)", &[]).unwrap();
        let insert = || store.run("INSERT INTO inbox (n) VALUES (1)", &[]);
        store.refuse_writes(true);
        assert!(insert().is_err());
        assert_eq!((rows(&store), store.failed()), (0, true));
        store.refuse_writes(false);
        store.fail_after(None);
        assert!(insert().is_ok());
        assert_eq!((rows(&store), store.failed()), (1, false));
    }

    /// A database with all tables, as a mailbox finds it that has made none of those made on first use.
    fn cleared() -> Sqlite {
        let store = Sqlite::new().unwrap();
        for table in TABLES.iter().chain(&ON_FIRST_USE) {
            let sql = format!("CREATE TABLE {table} (n INTEGER)");
            store.run(&sql, &[]).unwrap();
        }
        store.clear().unwrap();
        store
    }

    #[test]
    fn a_cleared_database_has_no_table_that_is_made_on_first_use() {
        let store = cleared();
        let size = store.size().unwrap();
        for table in ON_FIRST_USE {
            let asks = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?";
            let found = || {
                store
                    .run(asks, &[table.into()])
                    .unwrap()
                    .remove(0)
                    .int()
                    .unwrap()
            };
            let read = || {
                let rows = store.run(&format!("SELECT n FROM {table}"), &[]);
                rows.map(|rows| rows.len())
            };
            assert_eq!(found(), 0, "{table}");
            assert_eq!(read(), Err(StoreError(format!("no such table: {table}"))));
            assert_eq!(rows(&store), 0);
            let make = format!("CREATE TABLE {table} (n INTEGER)");
            store.run(&make, &[]).unwrap();
            assert_eq!((found(), read()), (1, Ok(0)), "{table}");
            assert!(store.run(&make, &[]).is_err(), "{table} is there already");
        }
        assert_eq!(store.size().unwrap(), size + 5 * 4096);
        store.clear().unwrap();
        assert_eq!(store.size(), Ok(size));
        assert!(store.run("SELECT n FROM failures", &[]).is_err());
    }

    #[test]
    fn a_table_made_in_an_event_that_fails_is_not_there() {
        let store = cleared();
        let make = || store.run("CREATE TABLE IF NOT EXISTS failures (n INTEGER)", &[]);
        let read = || store.run("SELECT n FROM failures", &[]);
        store.begin().unwrap();
        make().unwrap();
        assert!(read().is_ok());
        store.roll_back().unwrap();
        assert!(read().is_err());
        store.refuse_writes(true);
        store.begin().unwrap();
        assert!(make().is_err());
        store.roll_back().unwrap();
        store.refuse_writes(false);
        assert!(read().is_err());
        store.begin().unwrap();
        make().unwrap();
        store.commit().unwrap();
        assert!(read().is_ok());
    }

    #[test]
    fn a_column_may_be_called_as_a_hidden_table() {
        let store = cleared();
        store
            .run("ALTER TABLE account ADD COLUMN failures TEXT", &[])
            .unwrap();
        assert!(store.run("UPDATE account SET failures = NULL", &[]).is_ok());
        assert!(store.run("SELECT n, failures FROM account", &[]).is_ok());
    }

    #[test]
    fn writes_are_told_by_table() {
        let store = Sqlite::new().unwrap();
        store.run("CREATE TABLE inbox (n INTEGER)", &[]).unwrap();
        store.take_written();
        store.run("SELECT n FROM inbox", &[]).unwrap();
        assert_eq!(store.take_written(), Written::default());
        store.run("DELETE FROM inbox", &[]).unwrap();
        let inbox = Written {
            inbox: true,
            ..Written::default()
        };
        assert_eq!(store.take_written(), inbox);
    }
}
