//! User agents: hello, their ids, and who holds the channels.

use serde_json::json;
use tagpost_core::call::Pushed;
use tagpost_core::protocol::web_push::WebPush;

use super::super::harness::{Harness, claims};
use super::{KEY, ONE, TWO, bodies, since};

#[test]
fn a_hello_is_answered_with_all_that_the_clients_want_and_writes_nothing() {
    let mut harness = Harness::new();
    let before = harness.writes();
    assert_eq!(
        harness.connect_over(1, &WebPush),
        [""; 0],
        "nothing comes before hello"
    );
    let words = harness.frame(
        1,
        r#"{"messageType":"hello","use_webpush":true,"broadcasts":{}}"#,
    );
    let [answer] = words.as_slice() else {
        panic!("{words:?}");
    };
    let answer: serde_json::Value =
        serde_json::from_str(answer.strip_prefix("1 <- ").unwrap()).unwrap();
    assert_eq!(answer["uaid"].as_str().unwrap().len(), 32);
    let expected = json!({
        "messageType": "hello", "uaid": answer["uaid"], "status": 200, "use_webpush": true, "broadcasts": {},
    });
    assert_eq!(answer, expected);
    assert_eq!(harness.writes(), before);
    assert_eq!(harness.alarm, None);
}

#[test]
fn a_mailbox_that_has_slept_counts_its_channels_before_one_gets_another_key() {
    let mut harness = Harness::new();
    let (_, one) = harness.subscribed();
    harness.subscribe(1, TWO, None);
    harness.sleep();
    harness.at(1_000).subscribe(1, TWO, Some(KEY));
    let unregister = json!({"messageType": "unregister", "channelID": TWO});
    harness.frame(1, &unregister.to_string());
    harness.closed(1);
    let answer = harness.push(&one, "x", |_| {}).1;
    assert!(matches!(answer, Some(Pushed::Taken(_))), "{answer:?}");
}

#[test]
fn anything_but_hello_first_and_a_second_hello_end_the_connection() {
    for frame in [
        r#"{"messageType":"register","channelID":"x"}"#,
        r#"{"messageType":"ping"}"#,
        r#"{"messageType":"unknown"}"#,
        "[]",
        "hello",
    ] {
        let mut harness = Harness::new();
        harness.connect_over(1, &WebPush);
        assert_eq!(harness.frame(1, frame), ["1 closes with 1002"], "{frame}");
    }
    let mut harness = Harness::new();
    harness.hello(1, None);
    let again = harness.frame(1, r#"{"messageType":"hello"}"#);
    assert_eq!(again, ["1 closes with 1002"]);
}

#[test]
fn pings_are_answered_and_unknown_frames_are_not() {
    let mut harness = Harness::new();
    harness.hello(1, None);
    assert_eq!(harness.frame(1, "{}"), ["1 <- {}"]);
    assert_eq!(harness.frame(1, r#"{"messageType":"ping"}"#), ["1 <- {}"]);
    for frame in [
        r#"{"messageType":"broadcast_subscribe","broadcasts":{"a":"\"0\""}}"#,
        r#"{"messageType":"urgency","min":"normal"}"#,
        r#"{"messageType":7}"#,
    ] {
        assert_eq!(harness.frame(1, frame), [""; 0], "{frame}");
    }
}

#[test]
fn a_user_agent_keeps_its_id_while_it_holds_channels() {
    let mut harness = Harness::new();
    let (agent, _) = harness.subscribed();
    harness.closed(1);
    assert_eq!(harness.hello(2, Some(&agent)).0, agent);
    harness.sleep();
    harness.closed(2);
    assert_eq!(
        harness.hello(3, Some(&agent)).0,
        agent,
        "its mailbox has slept"
    );
}

#[test]
fn an_id_that_holds_no_channels_is_replaced_by_a_fresh_one() {
    let mut harness = Harness::new();
    let (first, _) = harness.hello(1, None);
    let (second, _) = harness.hello(2, Some(&first));
    assert_ne!(first, second, "nothing was registered");
    for other in ["", "x", &"f".repeat(32)] {
        let mut harness = Harness::new();
        let (agent, _) = harness.subscribed();
        let (fresh, _) = harness.hello(2, Some(other));
        assert!(fresh != agent && fresh != other, "{fresh}");
    }
}

#[test]
fn another_user_agent_gets_no_messages_and_ends_nothing_until_it_registers() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    harness.pushed(&url, "held");
    let before = harness.writes();
    let (_, words) = harness.hello(2, None);
    assert_eq!(bodies(&words), [""; 0]);
    assert_eq!(harness.writes(), before, "its hello writes nothing");
    harness.closed(2);
    assert_eq!(bodies(&harness.hello(3, Some(&agent)).1), ["held"]);

    harness.closed(3);
    harness.hello(4, None);
    let (second, _) = harness.subscribe(4, TWO, None);
    assert_eq!(
        harness.push(&url, "late", |_| {}).1,
        Some(Pushed::NoChannel)
    );
    assert!(harness.push(&second, "new", |_| {}).2[0].contains("new"));
    harness.closed(4);
    let (other, words) = harness.hello(5, Some(&agent));
    assert_ne!(
        other, agent,
        "the former one learns that its channels are gone"
    );
    assert_eq!(bodies(&words), [""; 0]);
}

#[test]
fn a_newer_user_agent_takes_over_and_the_older_one_is_told_not_to_come_back() {
    let mut harness = Harness::new();
    harness.hello(1, None);
    let words = harness.connect_over(2, &WebPush);
    assert_eq!(words, ["1 closes with 4774"]);
    let words = harness.connect(3);
    assert!(
        words.contains(&"2 closes with 4774".to_owned()),
        "{words:?}"
    );
    let words = harness.connect_over(4, &WebPush);
    assert_eq!(words, ["3 closes with 4409"]);
}

#[test]
fn user_agents_that_keep_taking_over_are_refused_for_a_while() {
    let mut harness = Harness::new();
    for connection in 1..=7 {
        harness.connect_over(connection, &WebPush);
    }
    let refused = harness.try_open(8, &WebPush, claims("cam"), None);
    assert!(
        format!("{refused:?}").contains("Unavailable"),
        "{refused:?}"
    );
    assert_eq!(
        harness.frame(7, r#"{"messageType":"hello"}"#).len(),
        1,
        "the seventh stays"
    );
    harness.at(60_001).connect_over(9, &WebPush);
}

#[test]
fn a_channel_that_is_registered_again_has_the_same_endpoint_and_writes_nothing() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    let before = harness.writes();
    assert_eq!(harness.at(5).subscribe(1, ONE, None).0, url);
    harness.closed(1);
    harness.hello(2, Some(&agent));
    let upper = ONE.to_uppercase();
    assert_eq!(
        harness.subscribe(2, &upper, None).0,
        url,
        "the answer repeats the name as it was sent"
    );
    // The connection that ended is one row.
    assert_eq!(harness.writes() - before, 1);
}

#[test]
fn the_first_channel_writes_two_rows_and_another_one() {
    let mut harness = Harness::new();
    harness.hello(1, None);
    harness.subscribe(1, ONE, None);
    let before = harness.writes();
    harness.subscribe(1, TWO, Some(KEY));
    assert_eq!(harness.writes() - before, 1);
    assert_eq!(
        harness
            .query("SELECT count(*) FROM user_agent")
            .int()
            .unwrap(),
        1
    );
    assert_eq!(
        harness
            .query("SELECT count(*) FROM channels")
            .int()
            .unwrap(),
        2
    );
}

#[test]
fn a_channel_with_another_key_has_another_endpoint_and_the_former_one_is_gone() {
    let mut harness = Harness::new();
    let (_, open) = harness.subscribed();
    let (bound, _) = harness.subscribe(1, ONE, Some(KEY));
    assert_eq!((open.key, bound.key.is_some()), (None, true));
    assert!(since(&bound) > since(&open), "within the same millisecond");
    assert_eq!(
        harness.push(&open, "old", |_| {}).1,
        Some(Pushed::NoChannel)
    );
    assert_eq!(bodies(&harness.push(&bound, "new", |_| {}).2), ["new"]);
}

#[test]
fn a_malformed_channel_or_key_is_refused_with_an_empty_endpoint() {
    let mut harness = Harness::new();
    harness.hello(1, None);
    for (channel, key) in [
        ("no-uuid", json!(null)),
        ("", json!(null)),
        (ONE, json!("short")),
        (ONE, json!(7)),
    ] {
        let register = json!({"messageType": "register", "channelID": channel, "key": key});
        let answer = json!({"messageType": "register", "channelID": channel, "status": 400, "pushEndpoint": ""});
        let words = harness.frame(1, &register.to_string());
        let said: serde_json::Value =
            serde_json::from_str(words[0].strip_prefix("1 <- ").unwrap()).unwrap();
        assert_eq!(said, answer);
    }
    assert_eq!(
        harness
            .query("SELECT count(*) FROM sqlite_master WHERE name = 'channels'")
            .int()
            .unwrap(),
        0
    );
}

#[test]
fn a_device_has_at_most_a_thousand_channels() {
    let mut harness = Harness::new();
    harness.hello(1, None);
    let channel = |n: u32| format!("00000000-0000-4000-8000-{n:012x}");
    for n in 0..1_000 {
        harness.subscribe(1, &channel(n), None);
    }
    harness.at(1_000);
    let register = json!({"messageType": "register", "channelID": channel(1_000)});
    let refused = &harness.frame(1, &register.to_string())[0];
    assert!(refused.contains(r#""status":500"#), "{refused}");
    harness.subscribe(1, &channel(7), None);
    harness.frame(
        1,
        &json!({"messageType": "unregister", "channelID": channel(8)}).to_string(),
    );
    harness.subscribe(1, &channel(1_000), None);
}

#[test]
fn a_user_agent_that_registers_all_the_time_is_slowed_down() {
    let mut harness = Harness::new();
    harness.hello(1, None);
    let frame =
        |kind: &str, channel: &str| json!({"messageType": kind, "channelID": channel}).to_string();
    let (kept, _) = harness.subscribe(1, TWO, None);
    for _ in 0..499 {
        harness.subscribe(1, ONE, None);
        harness.frame(1, &frame("unregister", ONE));
    }
    harness.frame(1, &frame("unregister", ONE));
    let before = harness.writes();
    let refused = &harness.frame(1, &frame("register", ONE))[0];
    assert!(refused.contains(r#""status":500"#), "{refused}");
    let ignored = &harness.frame(1, &frame("unregister", TWO))[0];
    assert!(ignored.contains(r#""status":200"#), "{ignored}");
    assert_eq!(harness.writes(), before);
    assert_eq!(bodies(&harness.push(&kept, "still", |_| {}).2), ["still"]);
    harness.at(10).subscribe(1, ONE, None);
}
