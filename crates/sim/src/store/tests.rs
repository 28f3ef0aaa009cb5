//! What a database does that the platform does.

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
    let tables = ON_FIRST_USE.len() as u64;
    assert_eq!(store.size().unwrap(), size + tables * 4096);
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
