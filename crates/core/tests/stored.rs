//! What a mailbox writes, byte for byte: the rows of every table, and what it attaches to its socket.
//!
//! A deploy reads what an earlier version wrote, so a change of these files is a change of a stored format.
//! `UPDATE_GOLDEN=1 cargo test -p tagpost-core --test stored` writes them anew.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use tagpost_core::call::{Call, DeliveryStatus, Request, Settled, Status};
use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::{CallPurpose, ConnectionId, Input, Mailbox, Output, Reply};
use tagpost_core::message::{Message, Target};
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::protocol::{CODECS, Frame};
use tagpost_core::publish::Draft;
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

fn draft(headers: &[(&str, &str)], body: &str) -> Draft {
    let header = |name: &str| {
        let mut found = headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| (*value).to_owned())
    };
    Draft::from_http(header, body.as_bytes(), &Limits::default()).unwrap()
}

fn message(from: &str, n: u64, headers: &[(&str, &str)], body: &str) -> Message {
    let id = MessageId::next(&device(from), START, None, n);
    draft(headers, body).into_message(
        id,
        device(from),
        Target::Tag("kitchen".parse().unwrap()),
        START,
    )
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

fn deliver(mailbox: &mut Tested, message: &Message, now: Now) {
    let deliver = Call::Deliver {
        wait: 0,
        after: None,
        until: START + 1_000_000,
    };
    let text = serde_json::to_string(message).unwrap();
    call(mailbox, deliver, Some(text), now);
}

fn publish(
    mailbox: &mut Tested,
    to: Target,
    devices: Vec<DeviceId>,
    draft: Draft,
    now: Now,
) -> Vec<Output> {
    let text = serde_json::to_string(&draft).unwrap();
    let publish = Call::Publish {
        to,
        devices,
        wait: 0,
    };
    call(mailbox, publish, Some(text), now)
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

/// Every row of every table, a line each, with the tables' own order.
fn dump(connection: &Connection) -> String {
    let mut text = String::new();
    for table in [
        "account", "inbox", "outbox", "parts", "groups", "keys", "jobs",
    ] {
        writeln!(text, "# {table}").unwrap();
        let mut statement = connection
            .prepare(&format!("SELECT * FROM {table}"))
            .unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (column, name) in names.iter().enumerate() {
                let value = match row.get_ref(column).unwrap() {
                    ValueRef::Null => "NULL".to_owned(),
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Real(number) => panic!("{name} holds {number}"),
                    ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                    ValueRef::Blob(bytes) => {
                        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
                    }
                };
                writeln!(text, "{name} = {value}").unwrap();
            }
            writeln!(text).unwrap();
        }
    }
    text
}

fn compare(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/stored")
        .join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{} holds\n{expected}\nbut this was stored:\n{found}",
        path.display()
    );
}

#[test]
fn every_table_and_the_attachment_are_as_an_earlier_version_wrote_them() {
    let connection = Connection::open_in_memory().unwrap();
    let open = |attachments: &[String], now| {
        Mailbox::open(
            Sqlite(&connection),
            Limits::default(),
            CODECS,
            attachments,
            None,
            now,
        )
        .unwrap()
    };
    let mut mailbox = open(&[], at(0));
    ask(&mut mailbox, Call::Register, at(0));

    // The inbox: one that waits, one that a poll has taken, one that is settled and not reported.
    let topic = [
        ("Content-Type", "application/json"),
        ("Topic", "motion"),
        ("Urgency", "high"),
    ];
    let waiting = message("doorbell", 1, &topic, r#"{"ring":true}"#);
    let settled = message("doorbell", 2, &[("Content-Type", "text/plain")], "hello");
    let polled = message("gate", 3, &[("Urgency", "low")], "bytes");
    let settled_id = settled.id;
    for message in [settled, polled] {
        deliver(&mut mailbox, &message, at(1));
    }
    ask(&mut mailbox, Call::Inbox { limit: 2, wait: 0 }, at(2));
    let reply = serde_json::from_str(r#"{"opened":true}"#).unwrap();
    let (id, reply) = (settled_id, Some(reply));
    ask(&mut mailbox, Call::Ack { id, reply }, at(3));
    deliver(&mut mailbox, &waiting, at(4));

    // The outbox: one that ended after its answer, a keyed publish that is under way, and one to more devices than a
    // row holds.
    let gate = device("gate");
    let to = Target::Device(gate.clone());
    let outputs = publish(&mut mailbox, to, vec![gate.clone()], draft(&[], "z"), at(4));
    let ended = outputs.iter().find_map(|output| match output {
        Output::Call {
            purpose: CallPurpose::Deliver(id),
            ..
        } => Some(*id),
        _ => None,
    });
    let ended = ended.unwrap();
    for state in [State::Held, State::Delivered] {
        let delivery = Delivery::first(gate.clone(), state, START + 4);
        if state == State::Held {
            let answer = serde_json::to_string(&DeliveryStatus::Known(delivery)).unwrap();
            let purpose = CallPurpose::Deliver(ended);
            let input = Input::Returned {
                from: gate.clone(),
                purpose,
                answer: Some(answer),
            };
            mailbox.handle(input, at(4)).unwrap();
        } else {
            let id = ended;
            let settled = vec![Settled { id, delivery }];
            ask(&mut mailbox, Call::Report { settled }, at(4));
        }
    }
    let keyed = draft(&[("Idempotency-Key", "ring-1"), ("TTL", "60")], "x");
    let door = device("door");
    let to = Target::Device(door.clone());
    publish(&mut mailbox, to, vec![door], keyed, at(5));
    let many = (100..201).map(|n| device(&format!("cam-{n}"))).collect();
    let everyone = Target::Tag("everyone".parse().unwrap());
    publish(&mut mailbox, everyone, many, draft(&[], "y"), at(6));

    compare("rows.txt", &dump(&connection));

    // A connection with a message in flight.
    let claims: Claims = serde_json::from_str(
        r#"{"sub":"kitchen-cam","iat":1800000000,"exp":1800009999,"publish":["hall.*"]}"#,
    )
    .unwrap();
    let outputs = open_connection(&mut mailbox, 9, claims, at(7)).into_iter();
    let attached = outputs.filter_map(|output| match output {
        Output::Attach { attachment, .. } => Some(attachment),
        _ => None,
    });
    let attached: Vec<String> = attached.collect();
    compare("attachment.json", attached.last().unwrap());

    // And they are read again.
    drop(mailbox);
    let mut again = open(&attached, at(8));
    let status = ask(&mut again, Call::Status, at(8));
    let is_there = |status: &Status| status.online && status.in_flight > 0;
    assert!(
        matches!(&status, Reply::Status(status) if is_there(status)),
        "{status:?}"
    );
    let list = Call::Messages {
        state: None,
        limit: 10,
        before: None,
    };
    let listed = ask(&mut again, list, at(8));
    assert!(
        matches!(&listed, Reply::Messages { traces, .. } if traces.len() == 3),
        "{listed:?}"
    );
}

/// What version 1 left on disk of a device that published.
const VERSION_1: &str = include_str!("../../../tests/storage/1/doorbell.sql");

#[test]
fn a_mailbox_of_version_1_is_upgraded_in_place_and_keeps_its_receipts() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(VERSION_1).unwrap();
    let query = |sql: &str| -> String { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    let columns = |connection: &Connection| -> Vec<String> {
        let sql = "SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || c.pk FROM sqlite_master m, \
                   pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    };
    let old = query("SELECT group_concat(seq || receipt) FROM receipts");
    assert!(old.contains(r#""reply":"late""#), "{old}");
    let outbox = query(
        "SELECT group_concat(hex(id) || target || open || deliveries) FROM outbox \
                        WHERE instr(deliveries, '\"late\"') = 0",
    );

    let now = Now {
        at: 1_795_527_200_000,
        pong_at: None,
        random: 7,
    };
    let limits = Limits::default();
    let mut mailbox = Mailbox::open(Sqlite(&connection), limits, CODECS, &[], None, now).unwrap();

    let fresh = Connection::open_in_memory().unwrap();
    tagpost_core::schema::upgrade(&Sqlite(&fresh), 0).unwrap();
    assert_eq!(columns(&connection), columns(&fresh));
    assert_eq!(query("SELECT schema || '' FROM account"), "5");
    let kept = query(
        "SELECT group_concat(hex(id) || target || open || deliveries) FROM outbox \
                      WHERE receipt IS NULL",
    );
    assert_eq!(kept, outbox, "the others are as they were");

    let claims = r#"{"sub":"doorbell","iat":1795527000}"#;
    let claims: Claims = serde_json::from_str(claims).unwrap();
    let outputs = open_connection(&mut mailbox, 1, claims, now).into_iter();
    let frames = outputs.filter_map(|output| match output {
        Output::Send {
            frame: Frame::Text(text),
            ..
        } => Some(text),
        _ => None,
    });
    let frames: Vec<String> = frames.collect();
    let [_, receipt] = &frames[..] else {
        panic!("{frames:?}");
    };
    let seq = query("SELECT receipt || '' FROM outbox WHERE receipt IS NOT NULL");
    assert!(old.starts_with(&seq), "{old}, now {seq}");
    let expected = old.replacen(&format!("{seq}{{"), r#"{"type":"receipt","#, 1);
    assert_eq!(*receipt, expected, "as it was given out before");
}

/// What version 2 left on disk of a device for which messages wait.
const VERSION_2: &str = include_str!("../../../tests/storage/2/kitchen-cam.sql");

#[test]
fn a_mailbox_of_version_2_is_upgraded_in_place_and_its_attempts_do_not_count() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(VERSION_2).unwrap();
    connection
        .execute("UPDATE inbox SET settled = 'x' WHERE rank = 0", [])
        .unwrap();
    let sent = "SELECT sent FROM inbox WHERE attempts > 0";
    let query = |sql: &str| -> String { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    let at = query(sent).trim_matches(['[', ']']).to_owned();
    tagpost_core::schema::upgrade(&Sqlite(&connection), 2).unwrap();
    assert_eq!(query(sent), format!(r#"{{"n":1,"t":[[1,{at},0]]}}"#));
    let ranks = "SELECT group_concat(rank || ' ' || coalesce(settled, ''), ',') FROM inbox";
    assert_eq!(query(ranks), "-1 x,1 ,1 ");
    let leased = "SELECT count(*) || '' FROM inbox WHERE retry_at > 0";
    assert_eq!(
        query(leased),
        "0",
        "the time of an attempt is no poll's lease"
    );
    let fresh = Connection::open_in_memory().unwrap();
    tagpost_core::schema::upgrade(&Sqlite(&fresh), 0).unwrap();
    let columns = "SELECT group_concat(name) FROM pragma_table_info('account')";
    let of = |connection: &Connection| -> String {
        connection.query_row(columns, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(of(&connection), of(&fresh));
}

#[test]
fn a_mailbox_of_a_newer_version_is_not_opened() {
    let connection = Connection::open_in_memory().unwrap();
    let mut mailbox = Mailbox::open(
        Sqlite(&connection),
        Limits::default(),
        CODECS,
        &[],
        None,
        at(0),
    )
    .unwrap();
    ask(&mut mailbox, Call::Register, at(0));
    drop(mailbox);
    connection
        .execute("UPDATE account SET schema = schema + 1", [])
        .unwrap();
    let opened = Mailbox::open(
        Sqlite(&connection),
        Limits::default(),
        CODECS,
        &[],
        None,
        at(1),
    );
    assert!(opened.is_err_and(|error| error.0.contains("newer")));
}
