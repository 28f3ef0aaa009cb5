//! A mailbox's storage: a small synchronous SQL database of its own.
//!
//! In a Durable Object it is the object's SQLite; in tests the same statements run on native SQLite.
//! All writes of one event are one transaction: the platform commits everything that is written without
//! an `await` in between, or nothing.

use crate::delivery::IllegalTransition;
use crate::id::MessageId;

/// A value of a column or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// An integer of at most 53 bits: the platform passes numbers as doubles.
    Int(i64),
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Int(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

impl From<MessageId> for Value {
    fn from(id: MessageId) -> Self {
        Value::Blob(id.to_bytes().to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// The storage failed, or holds something that this program did not write.
///
/// The mailbox's memory cannot be trusted after this error. The caller drops the mailbox and all
/// uncommitted writes, and opens it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("storage: {0}")]
pub struct StoreError(pub String);

impl From<IllegalTransition> for StoreError {
    fn from(error: IllegalTransition) -> Self {
        StoreError(error.to_string())
    }
}

/// One row of a result, read column by column in the order of the statement.
#[derive(Debug)]
pub struct Row(std::vec::IntoIter<Value>);

impl Row {
    /// A row of these columns.
    pub fn new(columns: Vec<Value>) -> Self {
        Self(columns.into_iter())
    }

    fn next(&mut self, wanted: &str) -> Result<Value, StoreError> {
        let missing = || StoreError(format!("a column is missing where {wanted} was expected"));
        self.0.next().ok_or_else(missing)
    }

    /// The next column, an integer.
    pub fn int(&mut self) -> Result<i64, StoreError> {
        match self.next("an integer")? {
            Value::Int(value) => Ok(value),
            other => Err(unexpected("an integer", &other)),
        }
    }

    /// The next column, an integer or NULL.
    pub fn opt_int(&mut self) -> Result<Option<i64>, StoreError> {
        match self.next("an integer or NULL")? {
            Value::Int(value) => Ok(Some(value)),
            Value::Null => Ok(None),
            other => Err(unexpected("an integer or NULL", &other)),
        }
    }

    /// The next column, an integer that counts something.
    pub fn count<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let value = self.int()?;
        T::try_from(value).map_err(|_| StoreError(format!("{value} is out of range")))
    }

    /// The next column, text.
    pub fn text(&mut self) -> Result<String, StoreError> {
        match self.next("text")? {
            Value::Text(value) => Ok(value),
            other => Err(unexpected("text", &other)),
        }
    }

    /// The next column, text or NULL.
    pub fn opt_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.next("text or NULL")? {
            Value::Text(value) => Ok(Some(value)),
            Value::Null => Ok(None),
            other => Err(unexpected("text or NULL", &other)),
        }
    }

    /// The next column, bytes.
    pub fn blob(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.next("bytes")? {
            Value::Blob(value) => Ok(value),
            other => Err(unexpected("bytes", &other)),
        }
    }

    /// The next column, this number of bytes or NULL.
    pub fn opt_bytes<const N: usize>(&mut self) -> Result<Option<[u8; N]>, StoreError> {
        let wrong = |bytes: Vec<u8>| StoreError(format!("{} bytes instead of {N}", bytes.len()));
        match self.next("bytes or NULL")? {
            Value::Null => Ok(None),
            Value::Blob(bytes) => bytes.try_into().map(Some).map_err(wrong),
            other => Err(unexpected("bytes or NULL", &other)),
        }
    }

    /// The next column, the bytes of a message id or NULL.
    pub fn opt_id(&mut self) -> Result<Option<MessageId>, StoreError> {
        match self.next("a message id or NULL")? {
            Value::Null => Ok(None),
            Value::Blob(bytes) => read_id(&bytes).map(Some),
            other => Err(unexpected("a message id or NULL", &other)),
        }
    }

    /// The next column, the bytes of a message id.
    pub fn id(&mut self) -> Result<MessageId, StoreError> {
        read_id(&self.blob()?)
    }
}

fn read_id(bytes: &[u8]) -> Result<MessageId, StoreError> {
    MessageId::from_bytes(bytes)
        .ok_or_else(|| StoreError(format!("{} bytes are not a message id", bytes.len())))
}

/// The kind of a value, for errors. Its content stays out of the log.
fn unexpected(wanted: &str, found: &Value) -> StoreError {
    let found = match found {
        Value::Null => "NULL",
        Value::Int(_) => "an integer",
        Value::Text(_) => "text",
        Value::Blob(_) => "bytes",
    };
    StoreError(format!("{found} where {wanted} was expected"))
}

/// A synchronous SQL database (SQLite's dialect).
pub trait Store {
    /// Runs one statement with its positional parameters and returns all rows.
    ///
    /// # Errors
    /// The statement failed; see [`StoreError`].
    fn run(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StoreError>;

    /// The size of the database's used pages, in bytes.
    ///
    /// # Errors
    /// The store failed.
    fn size(&self) -> Result<u64, StoreError>;
}

/// Reads JSON that this program wrote into a row.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError(format!("a stored row: {error}")))
}

/// Writes a value as JSON for a row or a call. Every type of this crate has a JSON form.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError(format!("a row to store: {error}")))
}
