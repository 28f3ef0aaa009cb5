//! A look at what waits.

use serde_json::Value;
use tagpost_core::mailbox::Place;
use tagpost_core::message::Urgency;

use super::harness::{Harness, message};

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

fn list(harness: &mut Harness, limit: u32, after: Option<&str>, payload: bool) -> Value {
    let after = after.map(|text| text.parse::<Place>().unwrap());
    let page = harness.list_waiting(limit, after, payload);
    assert_eq!(page.1, [""; 0], "a look has no effect");
    serde_json::to_value(page.0).unwrap()
}

/// `held 0 x` is one that is held, was never sent, and has the payload x.
fn brief(page: &Value) -> Vec<String> {
    let messages = page["messages"].as_array().unwrap().iter();
    let words = messages.map(|it| {
        let payload = it["payload"].as_str().unwrap_or_default();
        format!(
            "{} {} {payload}",
            it["state"].as_str().unwrap(),
            it["attempts"]
        )
    });
    words.collect()
}

#[test]
fn a_listing_has_all_waiting_messages_and_writes_nothing() {
    let mut harness = Harness::with(|limits| limits.max_in_flight = 2);
    harness.connect(1);
    harness.deliver(&message(1, TEXT), 0);
    harness.deliver(&message(2, TEXT), 60_000);
    harness.deliver(&message(3, TEXT), 60_000);
    let (written, before) = (harness.writes(), harness.rows());
    let page = list(&mut harness, 10, None, true);
    assert_eq!(
        brief(&page),
        ["sent 1 body 1", "sent 1 body 2", "held 0 body 3"]
    );
    assert_eq!(page["next"], Value::Null);
    assert_eq!((harness.writes(), harness.rows()), (written, before));
    assert_eq!(brief(&list(&mut harness, 1, None, false)), ["sent 1 "]);
}

#[test]
fn pages_follow_each_other_through_all_urgencies() {
    let mut harness = Harness::new();
    for (n, urgency) in (1..=6).zip(["low", "high", "normal", "low", "high", "normal"]) {
        harness.deliver(
            &message(n, &[("Content-Type", "text/plain"), ("Urgency", urgency)]),
            0,
        );
    }
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = list(&mut harness, 2, after.as_deref(), true);
        assert!(page["messages"].as_array().unwrap().len() <= 2);
        seen.extend(brief(&page));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    let bodies: Vec<&str> = seen.iter().map(|it| &it[it.len() - 1..]).collect();
    assert_eq!(bodies, ["2", "5", "3", "6", "1", "4"]);
}

#[test]
fn pages_follow_each_other_past_the_messages_of_channels() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    harness.closed(1);
    for urgency in [Urgency::VeryLow, Urgency::High] {
        harness.push(&url, "x", |draft| draft.urgency = urgency);
    }
    harness.deliver(&message(1, TEXT), 0);
    let mut after: Option<String> = None;
    let mut urgencies = Vec::new();
    for _ in 0..3 {
        let page = list(&mut harness, 1, after.as_deref(), false);
        urgencies.push(page["messages"][0]["urgency"].to_string());
        after = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(after, None);
    let expected = [r#""normal""#, r#""high""#, r#""very-low""#];
    assert_eq!(urgencies, expected, "those of devices come first");
}

#[test]
fn expired_messages_are_not_listed() {
    let mut harness = Harness::new();
    harness.deliver(&message(1, &[("TTL", "1")]), 0);
    harness.deliver(&message(2, TEXT), 0);
    harness.at(1_000);
    assert_eq!(brief(&list(&mut harness, 1, None, false)), ["held 0 "]);
}

#[test]
fn only_the_cursor_of_a_page_is_a_cursor() {
    for text in [
        "",
        "1",
        "-",
        "8-01JZZZZZZZZZZZZZZZZZZZZZZZ",
        "1-x",
        "01JZZZZZZZZZZZZZZZZZZZZZZZ",
    ] {
        assert!(text.parse::<Place>().is_err(), "{text}");
    }
    let place: Place = "3-01JZZZZZZZZZZZZZZZZZZZZZZZ".parse().unwrap();
    assert_eq!(place.to_string(), "3-01JZZZZZZZZZZZZZZZZZZZZZZZ");
}

#[test]
fn a_page_reads_a_bounded_amount_of_payloads_whether_it_shows_them_or_not() {
    for payload in [true, false] {
        let mut harness = Harness::new();
        let text = format!("{:?}", "x".repeat(1 << 20));
        for n in 1..=10 {
            let large = tagpost_core::message::Message {
                payload: serde_json::value::RawValue::from_string(text.clone()).unwrap(),
                ..message(n, TEXT)
            };
            harness.deliver(&large, 0);
        }
        let mut after: Option<String> = None;
        let mut lengths = Vec::new();
        loop {
            let page = list(&mut harness, 100, after.as_deref(), payload);
            lengths.push(page["messages"].as_array().unwrap().len());
            match page["next"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(lengths, [3, 3, 3, 1]);
    }
}
