//! Channels that end: by their user agent, by the operator, and with their device.

use serde_json::json;
use tagpost_core::call::{Call, ChannelStatus, Pushed};
use tagpost_core::mailbox::Reply;

use super::super::harness::Harness;
use super::{KEY, ONE, TWO, bodies, since, versions};

fn channels(harness: &mut Harness) -> Vec<ChannelStatus> {
    match harness.ask(Call::Channels).0 {
        Ok(Reply::Channels(channels)) => channels,
        other => panic!("{other:?}"),
    }
}

fn unregister(harness: &mut Harness, connection: u32, channel: &str) -> Vec<String> {
    let frame = json!({"messageType": "unregister", "channelID": channel, "code": 200});
    harness.frame(connection, &frame.to_string())
}

#[test]
fn an_unregistered_channel_is_gone_with_its_messages_and_comes_back_with_another_endpoint() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    harness.pushed(&url, "held");
    // Firefox forgets the channel first, and then connects without its id.
    harness.hello(2, None);
    let answer = json!({"messageType": "unregister", "channelID": ONE, "status": 200}).to_string();
    let said: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(unregister(&mut harness, 2, ONE), [format!("2 <- {said}")]);
    assert_eq!(harness.rows(), "account 1");
    assert_eq!(
        harness.push(&url, "late", |_| {}).1,
        Some(Pushed::NoChannel)
    );
    harness.closed(2);
    let (same, words) = harness.hello(3, Some(&agent));
    assert_eq!((same, bodies(&words).len()), (agent, 0));
    let (again, _) = harness.subscribe(3, ONE, None);
    assert!(since(&again) > since(&url), "within the same millisecond");
    assert_eq!(
        harness.push(&url, "late", |_| {}).1,
        Some(Pushed::NoChannel)
    );
}

#[test]
fn the_time_of_a_registration_grows_though_the_clock_is_set_back_and_the_mailbox_has_slept() {
    let mut harness = Harness::new();
    harness.at(5_000);
    let (_, url) = harness.subscribed();
    unregister(&mut harness, 1, ONE);
    harness.sleep();
    let (again, _) = harness.at(1_000).subscribe(1, ONE, None);
    assert!(
        since(&again) > since(&url),
        "{} > {}",
        since(&again),
        since(&url)
    );
}

#[test]
fn an_unknown_channel_is_unregistered_all_the_same() {
    let mut harness = Harness::new();
    harness.hello(1, None);
    for channel in [TWO, "no-uuid", ""] {
        let answer = &unregister(&mut harness, 1, channel)[0];
        assert!(
            answer.contains(r#""status":200"#) && answer.contains(channel),
            "{answer}"
        );
    }
}

#[test]
fn a_message_in_flight_ends_with_its_channel() {
    let mut harness = Harness::new();
    let (_, url) = harness.subscribed();
    let id = versions(&harness.push(&url, "x", |_| {}).2)[0];
    let words = unregister(&mut harness, 1, ONE);
    assert!(
        words.contains(&format!("push: Pushed(Taken({id}))")),
        "{words:?}"
    );
    assert_eq!(harness.acks(1, &[(id, 100)]), [""; 0]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn channels_are_listed_and_one_is_removed_of_which_its_user_agent_is_told() {
    let mut harness = Harness::new();
    let (_, one) = harness.subscribed();
    let (two, _) = harness.subscribe(1, TWO, Some(KEY));
    let listed = channels(&mut harness);
    let restricted: Vec<bool> = listed.iter().map(|channel| channel.restricted).collect();
    assert_eq!(
        (listed[0].since, restricted),
        (one.since, vec![false, true])
    );

    let channel = Some(two.channel);
    let words = harness.ask(Call::RemoveChannels { channel }).1;
    assert!(
        words[0].contains("unregister") && words[0].contains(TWO),
        "{words:?}"
    );
    assert_eq!(
        harness.push(&two, "late", |_| {}).1,
        Some(Pushed::NoChannel)
    );
    assert_eq!(bodies(&harness.push(&one, "still", |_| {}).2), ["still"]);
    assert_eq!(
        harness.ask(Call::RemoveChannels { channel }).1,
        [""; 0],
        "it is gone already"
    );
    assert_eq!(channels(&mut harness).len(), 1);
}

#[test]
fn when_all_channels_are_removed_the_user_agent_learns_it_by_its_id() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    let words = harness.ask(Call::RemoveChannels { channel: None }).1;
    assert_eq!(words, ["1 closes with 1001"]);
    assert_eq!(
        harness.push(&url, "late", |_| {}).1,
        Some(Pushed::NoChannel)
    );
    assert_ne!(harness.hello(2, Some(&agent)).0, agent);
    assert_eq!(channels(&mut harness), []);
    let mut other = Harness::new();
    assert_eq!(
        other.ask(Call::RemoveChannels { channel: None }).1,
        [""; 0],
        "it never had any"
    );
}

#[test]
fn a_device_that_is_removed_has_no_channels_and_may_come_back() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    harness.closed(1);
    harness.pushed(&url, "held");
    harness.remove();
    assert_eq!(harness.push(&url, "late", |_| {}).1, Some(Pushed::NoDevice));
    assert_eq!(harness.rows(), "account 1");
    harness.register();
    assert_eq!(
        harness.push(&url, "late", |_| {}).1,
        Some(Pushed::NoChannel)
    );
    harness.at(1_000);
    assert_ne!(harness.hello_later(&agent), agent);
}

impl Harness {
    /// The device has a token of after its removal.
    fn hello_later(&mut self, agent: &str) -> String {
        let claims = tagpost_core::token::Claims {
            revocations: Some(1),
            webhook: false,
            ..super::super::harness::claims("cam")
        };
        self.open(7, &tagpost_core::protocol::web_push::WebPush, claims, None);
        let hello = json!({"messageType": "hello", "uaid": agent});
        let answer = self.frame(7, &hello.to_string()).remove(0);
        let answer: serde_json::Value =
            serde_json::from_str(answer.split_once("<- ").unwrap().1).unwrap();
        answer["uaid"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_message_can_be_cancelled_wherever_it_is() {
    let mut harness = Harness::new();
    let (agent, url) = harness.subscribed();
    let in_flight = versions(&harness.push(&url, "in flight", |_| {}).2)[0];
    let words = harness.ask(Call::CancelPush { id: in_flight }).1;
    assert_eq!(words, [format!("push: Pushed(Taken({in_flight}))")]);
    harness.closed(1);
    let held = harness.pushed(&url, "held");
    let again = harness.ask(Call::CancelPush { id: held });
    assert!(matches!(again.0, Ok(Reply::Done)), "{again:?}");
    assert_eq!(harness.ask(Call::CancelPush { id: held }).1, [""; 0]);
    assert_eq!(bodies(&harness.hello(2, Some(&agent)).1), [""; 0]);
    assert_eq!(harness.rows(), "account 1");
}

#[test]
fn the_work_of_a_takeover_grows_with_what_ends_and_not_with_its_square() {
    let work = |channels: u32| {
        let mut harness = Harness::with(|limits| limits.publish_burst = 1_000);
        harness.hello(1, None);
        let name = |n: u32| format!("00000000-0000-4000-8000-{n:012x}");
        let urls: Vec<_> = (0..channels)
            .map(|n| harness.subscribe(1, &name(n), None).0)
            .collect();
        harness.closed(1);
        for url in &urls {
            harness.pushed(url, "held");
        }
        harness.hello(2, None);
        let before = harness.steps();
        harness.subscribe(2, ONE, None);
        assert_eq!(harness.rows(), "account 1");
        harness.steps() - before
    };
    let (few, many) = (work(100), work(400));
    assert!(many < 6 * few, "{few} steps for 100, {many} for 400");
}
