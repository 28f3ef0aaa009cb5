//! `tagpost device`, `tag` and `token`, as a shell sees them.

use serde_json::{Value, json};

use crate::support::{Relay, Shell, TOKEN_KEY};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_device_joins_and_leaves_tags_with_its_own_token() {
    let relay = Relay::shared();
    let add = ["device", "add", "phone", "--tags", "room.*,muted", "--json"];
    let added = Shell::operator(&relay).run(&add).await.json(0);
    let phone = Shell::new()
        .with("TAGPOST_URL", relay.url())
        .with("TAGPOST_TOKEN", added[0]["token"].as_str().unwrap());
    let joined = ["tag", "join", "room.kitchen", "muted"];
    let told = phone.run(&joined).await.code(0);
    assert_eq!(
        told,
        "room.kitchen is bound to phone\nmuted is bound to phone\n"
    );
    let left = ["tag", "leave", "muted", "--json"];
    let left = phone.run(&left).await.json(0);
    assert_eq!(
        left,
        [json!({ "tag": "muted", "device": "phone", "bound": false })]
    );
    let status = phone.run(&["status", "--json"]).await.json(0);
    assert_eq!(status[0]["device"]["tags"], json!(["room.kitchen"]));
    let foreign = phone.run(&["tag", "join", "attic"]).await;
    assert!(foreign.err.contains("`tags` patterns"), "{foreign:?}");
    foreign.code(1);
    let wrong = ["device", "add", "phone", "--tags", "@phone"];
    Shell::operator(&relay).run(&wrong).await.code(2);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_token_that_says_so_sets_a_webhook_of_its_device() {
    let relay = Relay::shared();
    let operator = Shell::operator(&relay);
    let offline = Shell::new().with("TOKEN_KEY", TOKEN_KEY);
    let device = relay.device().await;
    let id = device.id.as_str();
    let set = ["webhook", "set", id, "http://127.0.0.1:9000/"];
    for (shell, mint) in [
        (&offline, &["token", id][..]),
        (&operator, &["device", "add", id]),
    ] {
        for (option, code) in [(None, 1), (Some("--webhook"), 0)] {
            let mint: Vec<&str> = mint.iter().copied().chain(option).collect();
            let token = shell.run(&mint).await.code(0);
            let of_device = Shell::new()
                .with("TAGPOST_URL", relay.url())
                .with("TAGPOST_TOKEN", token.trim_end());
            let set = of_device.run(&set).await;
            let is_refused = set.err.contains("a token with the claim webhook");
            assert_eq!(is_refused, option.is_none(), "{mint:?}: {set:?}");
            set.code(code);
        }
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn one_token_is_revoked_by_its_id_or_by_itself() {
    let relay = Relay::shared();
    let shell = Shell::operator(&relay);
    let add = ["device", "add", "lock", "--expires-in", "1h", "--json"];
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(shell.run(&add).await.json(0).remove(0));
    }
    let of = |token: &Value| {
        Shell::new()
            .with("TAGPOST_URL", relay.url())
            .with("TAGPOST_TOKEN", token["token"].as_str().unwrap())
    };
    let id = tokens[0]["token_id"].as_str().unwrap();
    let revoke = ["device", "revoke", "lock", "--token-id", id, "--json"];
    let revoked = shell.run(&revoke).await.json(0);
    let said = json!({ "device": "lock", "token_id": id, "revoked": true });
    assert_eq!(revoked, [said]);
    let given = ["device", "revoke", "lock", "--token-id", "-"];
    let token = tokens[1]["token"].as_str().unwrap();
    let told = shell.run_with(&given, token).await.code(0);
    let id = tokens[1]["token_id"].as_str().unwrap();
    assert!(
        told.starts_with(&format!("Tokens of lock with the id {id} are refused")),
        "{told}"
    );
    for (token, code) in tokens.iter().zip([1, 1, 0]) {
        of(token).run(&["listen", "--no-ack"]).await.code(code);
    }
    let other = ["device", "revoke", "other", "--token-id", "-"];
    let refused = shell.run_with(&other, token).await;
    assert!(refused.err.contains("no token of other"), "{refused:?}");
    refused.code(1);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn an_operator_looks_after_devices_and_tags() {
    let relay = Relay::shared();
    let shell = Shell::operator(&relay);
    let added = shell
        .run(&[
            "device",
            "add",
            "cam-1",
            "--publish",
            "hall*,@cam-2",
            "--json",
        ])
        .await
        .json(0);
    assert_eq!(added[0]["device"], json!("cam-1"));
    let again = shell.run(&["device", "add", "cam-1"]).await;
    assert!(again.err.contains("cam-1 existed already"), "{again:?}");
    let token = again.code(0);
    assert_eq!(token.trim().split('.').count(), 3, "{token}");
    let new = shell.run(&["device", "add", "cam-2", "--expires-in", "1h"]);
    let new = new.await;
    assert!(!new.err.contains("existed already"), "{new:?}");
    new.code(0);
    shell
        .run(&["tag", "add", "hall", "cam-1", "cam-2"])
        .await
        .code(0);
    let members = shell.run(&["tag", "show", "hall", "--json"]).await.json(0);
    let expected = ["cam-1", "cam-2"].map(|device| json!({ "device": device, "online": false }));
    assert_eq!(members, expected);
    let tags = shell.run(&["tag", "ls", "--json"]).await.json(0);
    assert!(
        tags.contains(&json!({ "tag": "hall", "devices": 2 })),
        "{tags:?}"
    );
    shell.run(&["tag", "rm", "hall", "cam-1"]).await.code(0);
    let device = shell
        .run(&["device", "show", "@cam-2", "--json"])
        .await
        .json(0);
    assert_eq!(device[0]["tags"], json!(["hall"]));
    let presence = ["device", "ls", "--presence"];
    let listed = shell.run(&presence).await.code(0);
    let line = listed.lines().find(|line| line.starts_with("cam-2 "));
    assert!(line.is_some_and(|line| line.contains("offline, never seen")));
    let listed = shell
        .run(&[&presence[..], &["--json"]].concat())
        .await
        .json(0);
    let status = listed.iter().find(|status| status["device"] == "cam-2");
    assert_eq!(status.unwrap()["tags"], json!(["hall"]));
    shell.run(&["device", "revoke", "cam-2"]).await.code(0);
    shell.run(&["device", "rm", "cam-2"]).await.code(0);
    let gone = shell.run(&["device", "rm", "cam-2", "--yes"]).await;
    assert!(!gone.err.contains("device add"), "{gone:?}");
    gone.code(1);
    let devices = shell.run(&["device", "ls", "--json"]).await.json(0);
    let is_there = |name: &str| devices.iter().any(|device| device["device"] == name);
    assert!(is_there("cam-1") && !is_there("cam-2"), "{devices:?}");
    let gone = shell.run(&["device", "show", "cam-2"]).await;
    assert!(gone.err.contains("tagpost device ls"), "{gone:?}");
    gone.code(1);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_token_minted_offline_is_good_for_a_device_that_is_new() {
    let relay = Relay::shared();
    let shell = Shell::new().with("TOKEN_KEY", TOKEN_KEY);
    let name = crate::support::fresh("minted");
    let token = shell.run(&["token", &name, "--no-publish"]).await.code(0);
    let minted = shell
        .with("TAGPOST_URL", relay.url())
        .with("TAGPOST_TOKEN", token.trim());
    let sent = minted.run(&["send", "hall", "hello"]).await;
    assert!(sent.err.contains("forbidden"), "{sent:?}");
    let status = minted.run(&["status", "--json"]).await.json(0);
    assert_eq!(status[0]["device"]["device"], json!(name));
}

#[tokio::test]
async fn no_token_is_minted_that_no_service_would_take() {
    let shell = Shell::new();
    let short = shell.run_with(&["token", "cam"], "fifteen-bytes-x").await;
    assert!(short.err.contains("at least 16"), "{short:?}");
    assert!(!format!("{short:?}").contains("fifteen"), "{short:?}");
    short.code(1);
    let over = ["token", "cam", "--expires-in", "0"];
    shell.run_with(&over, TOKEN_KEY).await.code(2);
    shell.run_with(&["token", "cam"], TOKEN_KEY).await.code(0);
}
