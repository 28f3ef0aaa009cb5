//! Storing where a device can be knocked.

use tagpost_core::call::Call;
use tagpost_core::wake::Subscription;

use super::super::harness::{Harness, START};
use super::{OWN, subscription};

#[test]
fn a_subscription_is_listed_without_its_endpoint() {
    let mut harness = Harness::new();
    let stored = harness
        .at(7)
        .subscribe_as(subscription("secret", Some("phone")));
    let stored = stored.unwrap();
    assert!(stored.created);
    harness.crash();
    let listed = harness.subscriptions();
    assert_eq!(listed, [stored.subscription]);
    let text = serde_json::to_string(&listed).unwrap();
    assert_eq!(
        text,
        format!(
            r#"[{{"id":"{}","label":"phone","host":"push.example","created_at":{},"knocked_at":null}}]"#,
            listed[0].id,
            START + 7
        )
    );
}

#[test]
fn the_same_endpoint_again_keeps_its_id_and_takes_the_new_label() {
    let mut harness = Harness::new();
    let first = harness.subscribe_at("a").unwrap();
    let writes = harness.writes();
    let again = harness.at(5).subscribe_at("a").unwrap();
    assert_eq!(
        (again.created, &again.subscription),
        (false, &first.subscription)
    );
    assert_eq!(harness.writes(), writes, "nothing has changed");
    let renamed = harness
        .subscribe_as(subscription("a", Some("tablet")))
        .unwrap();
    assert!(!renamed.created);
    assert_eq!(renamed.subscription.id, first.subscription.id);
    assert_eq!(harness.subscriptions()[0].label.as_deref(), Some("tablet"));
}

#[test]
fn a_ninth_subscription_is_refused_until_one_is_removed() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let (mut harness, ids) = Harness::knockable(&names);
    assert_eq!(
        harness.subscribe_at("i").unwrap_err(),
        "too_many_subscriptions"
    );
    assert!(!harness.subscribe_at("a").unwrap().created);
    harness
        .ask(Call::Unsubscribe { id: Some(ids[3]) })
        .0
        .unwrap();
    assert!(harness.subscribe_at("i").unwrap().created);
    assert_eq!(harness.subscriptions().len(), 8);
}

#[test]
fn removing_all_or_the_device_leaves_nothing() {
    for call in [Call::Unsubscribe { id: None }, Call::Remove] {
        let (mut harness, _) = Harness::knockable(&["a", "b"]);
        harness.comes(0, 1, &[]);
        let name = call.name();
        harness.ask(call).0.unwrap();
        harness.crash();
        harness.register();
        assert_eq!(harness.subscriptions(), [], "{name}");
        let mut left = harness.query("SELECT count(*) FROM subscriptions");
        assert_eq!(left.int().unwrap(), 0, "{name}");
        assert_eq!(harness.comes(60_000, 2, &[]), [""; 0], "{name}");
        assert!(harness.subscribe_at("a").unwrap().created, "{name}");
    }
}

#[test]
fn revoking_the_tokens_removes_all_and_knocks_for_nothing() {
    let (mut harness, _) = Harness::knockable(&["a", "b"]);
    harness.connect(1);
    harness.comes(1, 1, &[]);
    let words = harness.at(2).revoke().unwrap();
    let is_knock = |word: &String| word.starts_with("knock");
    assert!(!words.iter().any(is_knock), "{words:?}");
    harness.crash();
    assert_eq!(harness.subscriptions(), []);
    let mut left = harness.query("SELECT count(*) FROM subscriptions");
    assert_eq!(left.int().unwrap(), 0);
    assert_eq!(harness.comes(60_000, 2, &[]), [""; 0]);
    assert!(harness.subscribe_at("a").unwrap().created);
}

#[test]
fn without_a_device_there_are_no_subscriptions() {
    let mut harness = Harness::new();
    harness.remove();
    assert_eq!(harness.subscribe_at("a").unwrap_err(), "unknown_device");
    assert_eq!(
        harness.ask(Call::Subscriptions).0.unwrap_err(),
        "unknown_device"
    );
}

#[test]
fn a_device_that_subscribes_too_fast_is_refused() {
    let mut harness = Harness::new();
    (0..1_000).for_each(|_| drop(harness.subscribe_at("a").unwrap()));
    assert_eq!(harness.subscribe_at("a").unwrap_err(), "too_many_requests");
}

#[test]
fn a_channel_of_the_service_itself_is_knocked_by_its_path() {
    let mut harness = Harness::new();
    let body = format!(r#"{{"endpoint":"{OWN}/wpush/abc"}}"#);
    let own = Subscription::read(body.as_bytes(), OWN, OWN).unwrap();
    let stored = harness.subscribe_as(own).unwrap();
    assert_eq!(stored.subscription.host, "tagpost.example");
    harness.crash();
    assert_eq!(
        harness.comes(0, 1, &[]),
        ["knock 1 at own, ttl 86400, Normal"]
    );
}
