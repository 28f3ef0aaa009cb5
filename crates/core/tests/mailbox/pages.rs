//! Traces and lists of large tags come in pages.

use tagpost_core::call::DeliveryStatus;
use tagpost_core::delivery::{Delivery, State};
use tagpost_core::id::{DeviceId, MessageId};
use tagpost_core::trace::Trace;

use super::harness::{Harness, delivery, device};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("d{n:04}")).collect()
}

fn large(harness: &mut Harness, count: usize) -> MessageId {
    let names = names(count);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    harness.publish(&names, &[], "x").unwrap().0
}

fn page(harness: &mut Harness, id: MessageId, after: Option<&DeviceId>, limit: u32) -> Trace {
    harness.page(id, after, limit).unwrap()
}

fn next(page: &Trace) -> Option<DeviceId> {
    page.page.as_ref().and_then(|page| page.next.clone())
}

fn summary(page: &Trace) -> String {
    serde_json::to_string(&page.summary()).unwrap()
}

/// With a reply of about four kilobytes.
fn answered(name: &str) -> Delivery {
    let reply = format!("\"{}\"", "r".repeat(4_000));
    Delivery {
        reply: serde_json::from_str(&reply).ok(),
        ..delivery(name, State::Delivered)
    }
}

#[test]
fn the_pages_of_a_trace_hold_each_delivery_once() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 350);
    for limit in [1_000, 350, 100, 99, 7] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = page(&mut harness, id, after.as_ref(), limit);
            assert_eq!(summary(&page), r#"{"held":350}"#);
            seen.extend(page.deliveries.iter().map(|it| it.device.to_string()));
            after = next(&page);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, names(350), "in pages of {limit}");
    }
}

#[test]
fn a_page_of_a_trace_does_not_read_the_others() {
    let steps = [200, 4_000].map(|count| {
        let mut harness = Harness::new();
        let id = large(&mut harness, count);
        let before = harness.steps();
        page(&mut harness, id, None, 100);
        harness.steps() - before
    });
    assert!(steps[1] * 5 <= steps[0] * 6, "{steps:?}");
}

#[test]
fn the_summary_is_over_all_pages_and_exact_at_each_moment() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 150);
    harness
        .report(id, delivery("d0001", State::Delivered))
        .unwrap();
    harness
        .report(id, delivery("d0140", State::Rejected))
        .unwrap();
    let first = page(&mut harness, id, None, 10);
    assert_eq!(
        summary(&first),
        r#"{"held":148,"delivered":1,"rejected":1}"#
    );
    assert!(!first.is_settled(), "the other page is open");
    for name in names(150) {
        harness
            .report(id, delivery(&name, State::Delivered))
            .unwrap();
    }
    let first = page(&mut harness, id, None, 10);
    assert_eq!(summary(&first), r#"{"delivered":149,"rejected":1}"#);
    assert!(first.is_settled());
    let of = |state| {
        let sql = format!(
            "SELECT count(*) FROM outbox WHERE states & {}",
            State::bit(state)
        );
        harness.query(&sql).int().unwrap()
    };
    assert_eq!((of(State::Held), of(State::Rejected)), (0, 1));
}

#[test]
fn a_summary_that_an_earlier_version_did_not_write_is_counted() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 150);
    harness
        .report(id, delivery("d0001", State::Delivered))
        .unwrap();
    harness.query("UPDATE outbox SET summary = NULL RETURNING id");
    let expected = r#"{"held":149,"delivered":1}"#;
    assert_eq!(summary(&page(&mut harness, id, None, 10)), expected);
    harness
        .report(id, delivery("d0002", State::Delivered))
        .unwrap();
    let written = harness.query("SELECT summary FROM outbox").text().unwrap();
    assert_eq!(written, r#"{"held":148,"delivered":2}"#);
}

#[test]
fn a_list_shows_a_hundred_deliveries_of_a_large_tag_and_a_summary_of_all() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 150);
    for name in names(150) {
        harness.report(id, answered(&name)).unwrap();
    }
    let (messages, more, _) = harness.messages(None, None, 10);
    assert!(!more);
    let [entry] = &messages[..] else {
        panic!("{} entries", messages.len())
    };
    assert_eq!(entry.deliveries.len(), 100);
    assert_eq!(next(entry), Some(device("d0099")));
    assert_eq!(summary(entry), r#"{"delivered":150}"#);
    assert!(entry.answer_json().len() < 1 << 20);
}

#[test]
fn a_repeat_of_a_large_publish_is_answered_with_a_page() {
    let mut harness = Harness::new();
    let names = names(1_200);
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    let headers = [("Idempotency-Key", "k")];
    let (id, _) = harness.publish(&to, &headers, "x").unwrap();
    for name in &names {
        harness.report(id, answered(name)).unwrap();
    }
    let (again, effects) = harness.publish(&to, &headers, "x").unwrap();
    assert_eq!(again, id);
    let told = effects[0].matches("delivered").count();
    assert!((500..=1_000).contains(&told), "{told} deliveries");
}

#[test]
fn a_message_to_thousands_is_cancelled_part_by_part() {
    let mut harness = Harness::new();
    let id = large(&mut harness, 2_500);
    let (_, mut asked) = harness.cancel(id);
    assert_eq!(asked.len(), 100, "at most 100 at a time");
    let mut all = std::collections::BTreeSet::new();
    while let Some(word) = asked.pop() {
        let Some(name) = word.strip_suffix(": withdraw") else {
            assert_eq!(word, "cancelled (#1)");
            continue;
        };
        assert!(all.insert(name.to_owned()), "{name} is asked twice");
        let gone = DeliveryStatus::Known(delivery(name, State::Cancelled));
        let purpose = tagpost_core::mailbox::CallPurpose::Cancel(id);
        asked.extend(harness.returned_for(name, purpose, Some(gone)));
    }
    assert_eq!(all.into_iter().collect::<Vec<_>>(), names(2_500));
    assert_eq!(
        summary(&page(&mut harness, id, None, 1)),
        r#"{"cancelled":2500}"#
    );
}
