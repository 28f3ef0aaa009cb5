//! The core's store over the object's own SQLite.
//!
//! It carries values and rows, nothing else. Rows are read to the end at once: a cursor that is left
//! half read would be cut off by the next statement.

use tagpost_core::store::{Row, Store, StoreError, Value};
use worker::{SqlStorage, SqlStorageValue};

/// The SQLite database of one object.
#[derive(Debug)]
pub(super) struct ObjectStore(SqlStorage);

impl ObjectStore {
    pub(super) fn new(sql: SqlStorage) -> Self {
        Self(sql)
    }
}

impl Store for ObjectStore {
    fn run(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let parameters: Vec<SqlStorageValue> = parameters.iter().map(to_sql).collect();
        let cursor = self
            .0
            .exec(sql, parameters)
            .map_err(|error| StoreError(error.to_string()))?;
        cursor.raw().map(row).collect()
    }
}

fn row(columns: worker::Result<Vec<SqlStorageValue>>) -> Result<Row, StoreError> {
    let columns = columns.map_err(|error| StoreError(error.to_string()))?;
    columns
        .into_iter()
        .map(from_sql)
        .collect::<Result<_, _>>()
        .map(Row::new)
}

fn to_sql(value: &Value) -> SqlStorageValue {
    match value {
        Value::Null => SqlStorageValue::Null,
        Value::Int(number) => SqlStorageValue::Integer(*number),
        Value::Text(text) => SqlStorageValue::String(text.clone()),
        Value::Blob(bytes) => SqlStorageValue::Blob(bytes.clone()),
    }
}

fn from_sql(value: SqlStorageValue) -> Result<Value, StoreError> {
    match value {
        SqlStorageValue::Null => Ok(Value::Null),
        SqlStorageValue::Integer(number) => Ok(Value::Int(number)),
        SqlStorageValue::String(text) => Ok(Value::Text(text)),
        SqlStorageValue::Blob(bytes) => Ok(Value::Blob(bytes)),
        SqlStorageValue::Boolean(_) | SqlStorageValue::Float(_) => Err(StoreError(
            "a value of a type that is never stored".to_owned(),
        )),
    }
}
