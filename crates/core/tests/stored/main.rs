//! What a mailbox stores, and what it makes of what earlier versions stored.
//!
//! `UPDATE_GOLDEN=1 cargo test -p tagpost-core --test stored` writes the golden files anew.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

mod rows;
mod upgrade;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use tagpost_core::call::{Call, Request};
use tagpost_core::id::DeviceId;
use tagpost_core::mailbox::{ConnectionId, Input, Mailbox, Output, Reply};
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::store::{Row, Store, StoreError, Value};
use tagpost_core::time::{Millis, Now};
use tagpost_core::token::Claims;

const START: Millis = 1_800_000_000_000;

/// SQLite as the core sees it.
struct Sqlite<'a>(&'a Connection);

struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Store for Sqlite<'_> {
    fn run(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let failed = |error: rusqlite::Error| StoreError(error.to_string());
        let mut statement = self.0.prepare(sql).map_err(failed)?;
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row| {
            let value = |column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Integer(number) => Value::Int(number),
                    ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                    ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
                    ValueRef::Null | ValueRef::Real(_) => Value::Null,
                })
            };
            (0..columns)
                .map(value)
                .collect::<rusqlite::Result<_>>()
                .map(Row::new)
        };
        let rows = statement.query_map(params_from_iter(parameters.iter().map(Parameter)), read);
        rows.map_err(failed)?
            .collect::<rusqlite::Result<_>>()
            .map_err(failed)
    }

    fn size(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

fn at(millis: Millis) -> Now {
    Now {
        at: START + millis,
        pong_at: None,
        random: 7,
    }
}

fn device(name: &str) -> DeviceId {
    name.parse().unwrap()
}

type Tested<'a> = Mailbox<Sqlite<'a>>;

/// A call for the mailbox's device; what comes of it.
fn call(mailbox: &mut Tested, call: Call, enclosed: Option<String>, now: Now) -> Vec<Output> {
    let request = Request {
        device: device("kitchen-cam"),
        caller: None,
        call,
    };
    let input = Input::Call {
        id: 0,
        request,
        enclosed,
    };
    mailbox.handle(input, now).unwrap()
}

/// A call that is answered at once.
fn ask(mailbox: &mut Tested, asked: Call, now: Now) -> Reply {
    let outputs = call(mailbox, asked, None, now).into_iter();
    let mut replies = outputs.filter_map(|output| match output {
        Output::Reply(_, reply) => Some(reply),
        _ => None,
    });
    replies.next().unwrap()
}

fn open_connection(
    mailbox: &mut Tested,
    connection: ConnectionId,
    claims: Claims,
    now: Now,
) -> Vec<Output> {
    let input = Input::Open {
        id: 0,
        connection,
        codec: &TagpostV1,
        claims,
        window: None,
        origin: None,
    };
    mailbox.handle(input, now).unwrap()
}
