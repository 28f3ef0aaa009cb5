//! Claims about what a sender sees of its message.

use serde_json::Value;

use super::*;
use crate::delivery::Event;
use crate::plan::escalation::{Escalation, Step};
use crate::problem::Code;

fn trace(deliveries: Vec<Delivery>) -> Trace {
    let from: DeviceId = "doorbell".parse().unwrap();
    Trace {
        id: MessageId::next(&from, 1, None, 7),
        to: Target::Tag("kitchen".parse().unwrap()),
        accepted_at: 1,
        expires_at: 9,
        deliveries,
        plan: Plan::default(),
        page: None,
    }
}

fn delivery(device: &str, state: State, at: Millis) -> Delivery {
    Delivery::first(device.parse().unwrap(), state, at)
}

#[test]
fn a_message_is_settled_when_its_last_delivery_is() {
    for state in State::ALL {
        let deliveries = vec![delivery("a", State::Delivered, 1), delivery("b", state, 1)];
        assert_eq!(
            trace(deliveries).is_settled(),
            state.is_terminal(),
            "{state:?}"
        );
    }
    assert!(trace(Vec::new()).is_settled());
}

#[test]
fn a_message_with_steps_left_is_not_settled() {
    let mut trace = trace(vec![delivery("a", State::Rejected, 1)]);
    let to = Target::named("managers").unwrap();
    trace.plan.escalation = Escalation::of(&[Step { to, after: 1 }], false);
    assert!(!trace.is_settled());
    assert!(!trace.clone().into_page(None, 1).is_settled());
    let answer = |trace: &Trace| serde_json::from_str::<Value>(&trace.answer_json()).unwrap();
    let managers = serde_json::json!([{"to": {"tag": "managers"}, "after": 1}]);
    assert_eq!(answer(&trace)["escalate"], managers);
    trace.plan.take_step(Outcome::Devices(0), 2);
    assert!(trace.is_settled());
    assert_eq!(answer(&trace)["escalate"], Value::Null);
}

#[test]
fn a_timeline_shows_the_steps_of_the_escalation() {
    let mut trace = trace(vec![after("a", &[(Event::Expire, 4)])]);
    let step = |name| Step {
        to: Target::named(name).unwrap(),
        after: 1,
    };
    trace.plan.escalation = Escalation::of(&[step("managers"), step("@boss")], false);
    trace.plan.take_step(Outcome::failed(Code::UnknownTag), 3);
    trace.plan.take_step(Outcome::Devices(1), 5);
    let json: Value = serde_json::from_str(&trace.trace_json()).unwrap();
    assert_eq!(
        json["timeline"],
        serde_json::json!([
            {"event": "escalation_failed", "at": 3, "to": {"tag": "managers"}, "code": "unknown_tag"},
            {"device": "a", "event": "held", "at": 3, "attempt": 0},
            {"device": "a", "event": "expired", "at": 4, "attempt": 0},
            {"event": "escalated", "at": 5, "to": {"device": "boss"}, "devices": 1},
        ])
    );
}

/// A delivery that is held since 3, after these events.
fn after(device: &str, events: &[(Event, Millis)]) -> Delivery {
    let held = delivery(device, State::Held, 3);
    let apply =
        |delivery: Delivery, (event, at): &(Event, Millis)| delivery.apply(*event, *at).unwrap();
    events.iter().fold(held, apply)
}

#[test]
fn a_timeline_is_ordered_by_time_and_keeps_the_order_within_a_millisecond() {
    let deliveries = vec![
        after("a", &[(Event::Send, 5), (Event::Acknowledge, 5)]),
        after("b", &[(Event::Expire, 4)]),
        delivery("c", State::Refused, 2),
    ];
    let trace: Value = serde_json::from_str(&trace(deliveries).trace_json()).unwrap();
    let timeline: Vec<_> = trace["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| format!("{} {} {}", event["at"], event["device"], event["event"]))
        .collect();
    assert_eq!(
        timeline,
        [
            r#"2 "c" "refused""#,
            r#"3 "a" "held""#,
            r#"3 "b" "held""#,
            r#"4 "b" "expired""#,
            r#"5 "a" "sent""#,
            r#"5 "a" "delivered""#,
        ]
    );
}

/// The devices of a page, in one text, and the number of those before it and after it that are held.
fn page(of: &Trace, after: Option<&DeviceId>, limit: u32) -> (usize, Option<DeviceId>, Trace) {
    let page = of.clone().into_page(after, limit);
    let next = page.page.as_ref().and_then(|page| page.next.clone());
    (page.deliveries.len(), next, page)
}

#[test]
fn pages_hold_every_delivery_once_and_a_summary_of_all() {
    let names = (0..25).map(|n| format!("d{n:02}"));
    let all = trace(names.map(|name| delivery(&name, State::Held, 1)).collect());
    for limit in [1, 7, 24, 25, 26, 1_000] {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let (count, next, page) = page(&all, after.as_ref(), limit);
            assert!(count <= limit as usize, "{count} in a page of {limit}");
            assert_eq!(page.summary(), all.summary());
            seen.extend(page.deliveries.into_iter().map(|it| it.device));
            after = next;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<_> = all.deliveries.iter().map(|it| it.device.clone()).collect();
        assert_eq!(seen, expected, "in pages of {limit}");
    }
}

#[test]
fn a_page_ends_before_it_is_too_long_for_the_platform() {
    let reply = || serde_json::from_str(&format!("\"{}\"", "x".repeat(4_094))).ok();
    let late = |n| Delivery {
        reply: reply(),
        reason: Some("\u{1}".repeat(256)),
        ..delivery(&format!("d{n:04}"), State::Delivered, 1)
    };
    let all = trace((0..2_000).map(late).collect());
    let (count, next, page) = page(&all, None, 2_000);
    assert!(next.is_some() && count > 500, "{count}");
    let length = page.trace_json().len();
    assert!(length <= PAGE_BYTES + 1_000, "{length}");
}

#[test]
fn what_a_mailbox_knows_better_is_counted_in_a_pages_summary() {
    let all = trace(vec![
        delivery("a", State::Held, 1),
        delivery("b", State::Held, 1),
    ]);
    let mut page = page(&all, None, 1).2;
    page.learn(delivery("a", State::Delivered, 2));
    assert!(!page.is_settled(), "b is held");
    let answer: Value = serde_json::from_str(&page.answer_json()).unwrap();
    assert_eq!(
        answer["summary"],
        serde_json::json!({"held": 1, "delivered": 1})
    );
    assert_eq!(answer["next"], "a");
}

#[test]
fn an_answer_is_a_trace_without_its_timeline() {
    let trace = trace(vec![after("a", &[(Event::Send, 5)])]);
    let answer: Value = serde_json::from_str(&trace.answer_json()).unwrap();
    let mut whole: Value = serde_json::from_str(&trace.trace_json()).unwrap();
    assert!(whole.as_object_mut().unwrap().remove("timeline").is_some());
    assert_eq!(whole, answer);
}
