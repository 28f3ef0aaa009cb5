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
    /// The table `operator_events`.
    pub operator_events: bool,
    /// The table `revoked_tokens`.
    pub revoked_tokens: bool,
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
        self.operator_events |= sql.contains(" operator_events");
        self.revoked_tokens |= sql.contains(" revoked_tokens");
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
mod tests;
