//! The core's store over the object's own SQLite.
//!
//! It only converts values and rows. All rows are read immediately: the next statement would end a cursor that is not
//! read to its end.

use js_sys::Uint8Array;
use tagpost_core::store::{Row, Store, StoreError, Value};
use wasm_bindgen::JsValue;
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
        let parameters: Vec<JsValue> = parameters.iter().map(to_js).collect();
        let cursor = self
            .0
            .exec_raw(sql, parameters)
            .map_err(|error| StoreError(error.to_string()))?;
        cursor.raw().map(row).collect()
    }

    fn size(&self) -> Result<u64, StoreError> {
        // The platform does not count free pages.
        Ok(self.0.database_size() as u64)
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

/// Converts without an intermediate copy: a text may have two megabytes.
fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Int(number) => JsValue::from_f64(*number as f64),
        Value::Text(text) => JsValue::from_str(text),
        Value::Blob(bytes) => Uint8Array::from(bytes.as_slice()).into(),
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
