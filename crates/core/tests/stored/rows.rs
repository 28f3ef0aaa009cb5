//! What a mailbox writes, byte for byte: the rows of every table, and what it attaches to its socket.
//! A deploy reads what an earlier version wrote, so a change of these files is a change of a stored format.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tagpost_core::call::{Call, DeliveryStatus, Settled, Status};
use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::{CallPurpose, Input, Mailbox, Output, Reply};
use tagpost_core::message::{Message, Target};
use tagpost_core::protocol::CODECS;
use tagpost_core::publish::Draft;
use tagpost_core::time::{Millis, Now};
use tagpost_core::token::Claims;

use super::{START, Sqlite, Tested, ask, at, call, device, open_connection};

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

/// The message that a mailbox is called for.
fn called(outputs: &[Output]) -> MessageId {
    let mut ids = outputs.iter().filter_map(|output| match output {
        Output::Call {
            purpose: CallPurpose::Deliver(id),
            ..
        } => Some(*id),
        _ => None,
    });
    ids.next().unwrap()
}

/// A mailbox answers that it has taken a message.
fn returned(mailbox: &mut Tested, from: &DeviceId, id: MessageId, state: State, millis: Millis) {
    let delivery = Delivery::first(from.clone(), state, START + millis);
    let answer = serde_json::to_string(&DeliveryStatus::Known(delivery)).unwrap();
    let input = Input::Returned {
        from: from.clone(),
        purpose: CallPurpose::Deliver(id),
        answer: Some(answer),
    };
    mailbox.handle(input, at(millis)).unwrap();
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
    let ended = called(&outputs);
    returned(&mut mailbox, &gate, ended, State::Held, 4);
    let delivery = Delivery::first(gate, State::Delivered, START + 4);
    let settled = vec![Settled {
        id: ended,
        delivery,
    }];
    ask(&mut mailbox, Call::Report { settled }, at(4));
    let keyed = draft(&[("Idempotency-Key", "ring-1"), ("TTL", "60")], "x");
    let door = device("door");
    let to = Target::Device(door.clone());
    publish(&mut mailbox, to, vec![door], keyed, at(5));
    let many = (100..201).map(|n| device(&format!("cam-{n}"))).collect();
    let everyone = Target::Tag("everyone".parse().unwrap());
    publish(&mut mailbox, everyone, many, draft(&[], "y"), at(6));

    // And one whose other delivery is being cancelled, and one with a step.
    let garden = Target::Tag("garden".parse().unwrap());
    let needed = draft(&[("Acks-Needed", "1")], "w");
    let (gate, pump) = (device("gate"), device("pump"));
    let both = vec![gate.clone(), pump.clone()];
    let outputs = publish(&mut mailbox, garden, both, needed, at(6));
    returned(&mut mailbox, &gate, called(&outputs), State::Delivered, 6);
    let steps = draft(&[("Escalate", "@boss;after=60")], "v");
    let to = Target::Device(pump.clone());
    let outputs = publish(&mut mailbox, to, vec![pump.clone()], steps, at(6));
    returned(&mut mailbox, &pump, called(&outputs), State::Held, 6);

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
        matches!(&listed, Reply::Messages { traces, .. } if traces.len() == 5),
        "{listed:?}"
    );
}
