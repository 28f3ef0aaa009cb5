//! `tagpost push`, and the same in the library: push URLs, and the channels of those who connect with them.

use std::collections::HashSet;

use serde_json::{Value, json};
use tagpost_client::{Channel, Error};

use crate::support::{Agent, Relay, Shell, until};

const NEWS: &str = "24cf03b3-f215-489e-8a5b-f3a5ec97785d";
const CHAT: &str = "0b1f6d1e-9a60-4a0c-8d3f-5b8f4a2f7c11";
const MAIL: &str = "c3c5a8d2-77b4-4a51-9a35-6f0a4f9d2b90";

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_push_url_connects_a_user_agent_whose_channels_are_listed_and_revoked() {
    let relay = Relay::shared();
    let laptop = relay.device().await;
    let (id, shell) = (laptop.id.as_str(), Shell::operator(&relay));
    let none = shell.run(&["push", "channels", id]).await;
    assert!(none.err.contains("has no channels"), "{none:?}");
    assert_eq!(none.code(0), "");

    let url = shell.run(&["push", "url", id]).await.code(0);
    let mut agent = Agent::connect(url.trim_end()).await;
    for channel in [NEWS, CHAT, MAIL] {
        agent.subscribe(channel).await;
    }
    let list = ["push", "channels", id, "--json"];
    let listed = shell.run(&list).await.json(0);
    assert_eq!(names(&listed), HashSet::from([NEWS, CHAT, MAIL]));
    assert_eq!(listed[0]["restricted"], json!(false));
    let lines = shell.run(&["push", "channels", id]).await.code(0);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].starts_with(&format!("{CHAT}  registered ")),
        "{lines:?}"
    );

    let revoked = ["push", "revoke", id, NEWS, CHAT, "--json"];
    let revoked = shell.run(&revoked).await.json(0);
    let told = [NEWS, CHAT].map(|it| json!({ "device": id, "channel": it, "revoked": true }));
    assert_eq!(revoked, told);
    for channel in [NEWS, CHAT] {
        let frame = agent.next().await;
        assert_eq!(frame["messageType"], json!("unregister"), "{frame}");
        assert_eq!(frame["channelID"], json!(channel));
    }
    let listed = shell.run(&list).await.json(0);
    assert_eq!(names(&listed), HashSet::from([MAIL]));

    shell.run(&["push", "revoke", id, "--all"]).await.code(0);
    assert_eq!(agent.closed().await, 1001);
    assert_eq!(shell.run(&list).await.code(0), "");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_push_url_in_a_pipe_is_alone_on_standard_output_and_called_a_credential() {
    let relay = Relay::shared();
    let laptop = relay.device().await;
    let id = laptop.id.as_str();
    // The device itself may ask, too.
    for shell in [Shell::operator(&relay), Shell::of(&relay, &laptop)] {
        let made = shell.run(&["push", "url", id, "--expires-in", "1h"]).await;
        assert!(made.out.starts_with("ws://127.0.0.1:"), "{made:?}");
        assert_eq!(made.out.lines().count(), 1, "{made:?}");
        let told = format!("Whoever has this URL receives as {id}");
        for note in [&told, "dom.push.serverURL", "Sunup"] {
            assert!(made.err.contains(note), "{made:?}");
        }
        assert!(!made.err.contains("/push/"), "{made:?}");
        Agent::connect(made.code(0).trim_end()).await;
    }
    let json = ["push", "url", id, "--json"];
    let made = Shell::of(&relay, &laptop).run(&json).await;
    assert_eq!(made.err, "");
    let made = made.json(0);
    assert!(made[0]["push_url"].is_string(), "{made:?}");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_push_url_that_expires_is_no_longer_accepted_then() {
    let relay = Relay::shared();
    let laptop = relay.device().await;
    let client = laptop.at(&relay.url());
    let made = client.push_url(&laptop.id, Some(1)).await.unwrap();
    let refusal = || Agent::refusal(&made.push_url);
    until("the URL to expire", refusal, |status| *status == Some(404)).await;
    let lasting = client.push_url(&laptop.id, None).await.unwrap();
    assert_eq!(Agent::refusal(&lasting.push_url).await, None);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn what_cannot_be_done_about_web_push_is_said_with_what_to_do() {
    let relay = Relay::shared();
    let (laptop, other) = (relay.device().await, relay.device().await);
    let (id, shell) = (laptop.id.as_str(), Shell::operator(&relay));
    let unknown = shell.run(&["push", "url", "never-added"]).await;
    assert!(unknown.err.contains("tagpost device add"), "{unknown:?}");
    unknown.code(1);
    let foreign = Shell::of(&relay, &other).run(&["push", "url", id]).await;
    assert!(foreign.err.contains("forbidden"), "{foreign:?}");
    foreign.code(1);
    let never = shell.run(&["push", "url", id, "--expires-in", "0"]).await;
    assert!(never.err.contains("expires_in"), "{never:?}");
    never.code(1);
    for wrong in [
        &["push", "revoke", id][..],
        &["push", "revoke", id, "news"],
        &["push", "revoke", id, NEWS, "--all"],
    ] {
        let refused = shell.run(wrong).await;
        assert!(refused.err.contains("CHANNEL"), "{refused:?}");
        refused.code(2);
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_service_without_push_key_is_named_as_the_cause() {
    let relay = Relay::without_push_key();
    let laptop = relay.device().await;
    let (id, shell) = (laptop.id.as_str(), Shell::operator(&relay));
    for arguments in [
        &["push", "url", id][..],
        &["push", "channels", id],
        &["push", "revoke", id, NEWS],
        &["push", "revoke", id, "--all"],
    ] {
        let refused = shell.run(arguments).await;
        assert!(
            refused.err.contains("the service has no PUSH_KEY")
                && refused.err.contains("wrangler secret put PUSH_KEY"),
            "{refused:?}"
        );
        assert_eq!(refused.code(1), "");
    }
    let client = laptop.at(&relay.url());
    let channel: Channel = NEWS.parse().unwrap();
    let refused = client.remove_channel(&laptop.id, channel).await;
    match refused.unwrap_err() {
        Error::Refused(problem) => assert_eq!(problem.code, "not_found"),
        other => panic!("expected a refusal, but {other:?}"),
    }
}

/// The channels of a list.
fn names(listed: &[Value]) -> HashSet<&str> {
    listed
        .iter()
        .map(|channel| channel["channel"].as_str().unwrap())
        .collect()
}
