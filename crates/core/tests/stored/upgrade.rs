//! Mailboxes that an earlier version wrote, and those of a newer one.

use rusqlite::Connection;
use tagpost_core::call::Call;
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::{CallPurpose, Input, Mailbox, Output};
use tagpost_core::protocol::{CODECS, Frame};
use tagpost_core::time::Now;
use tagpost_core::token::Claims;

use super::{Sqlite, ask, at, open_connection};

/// What version 1 left on disk of a device that published.
const VERSION_1: &str = include_str!("../../../../tests/storage/1/doorbell.sql");

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
    assert_eq!(query("SELECT schema || '' FROM account"), "8");
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
const VERSION_2: &str = include_str!("../../../../tests/storage/2/kitchen-cam.sql");

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

/// What version 4 left on disk of a device that published.
const VERSION_4: &str = include_str!("../../../../tests/storage/4/doorbell.sql");

#[test]
fn a_mailbox_of_version_4_is_upgraded_in_place_and_goes_on_to_cancel_the_others() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(VERSION_4).unwrap();
    let query = |sql: &str| -> String { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    let jobs = "SELECT group_concat(hex(id) || message) FROM jobs WHERE length(id) = 16";
    let before = query(jobs);
    // Kept for a day, and not settled: the one to all.
    let ending = query("SELECT hex(id) FROM outbox WHERE deliveries IS NULL");
    let sql = format!("INSERT INTO endings (id) VALUES (x'{ending}')");
    connection.execute_batch(&sql).unwrap();

    let now = Now {
        at: 1_795_942_700_000,
        pong_at: None,
        random: 7,
    };
    let limits = Limits::default();
    let mut mailbox = Mailbox::open(Sqlite(&connection), limits, CODECS, &[], None, now).unwrap();
    assert_eq!(query(jobs), before);
    let behind = query(
        "SELECT group_concat(hex(id)) FROM jobs WHERE typeof(id) = 'blob' AND length(id) = 17",
    );
    assert_eq!(behind, format!("FF{ending}"));
    let tables = "SELECT count(*) || '' FROM sqlite_master WHERE name = 'endings'";
    assert_eq!(query(tables), "0");
    let outputs = mailbox.handle(Input::Alarm, now).unwrap();
    let asked = outputs.iter().filter(|output| match output {
        Output::Call { purpose, .. } => matches!(purpose, CallPurpose::Cancel(_)),
        _ => false,
    });
    assert_eq!(asked.count(), 100, "the first part of the open deliveries");
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
