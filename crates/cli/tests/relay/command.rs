//! The command `tagpost`, as a shell sees it; for `tagpost listen` see `listen.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tagpost_client::MessageId;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{ADMIN_KEY, Ended, Relay, Shell, TOKEN_KEY, fresh, next, send, within};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn login_keeps_credentials_that_work_where_only_the_owner_can_read_them() {
    let relay = Relay::shared();
    let camera = relay.device().await;
    let shell = Shell::new();
    let url = relay.url();
    let login = ["login", url.as_str()];
    shell
        .run_with(&login, &format!("{ADMIN_KEY}\n"))
        .await
        .code(0);
    shell.run_with(&login, &camera.token).await.code(0);

    let status = shell.run(&["status", "--json"]).await.json(0);
    assert_eq!(status[0]["operator"], json!(true));
    assert_eq!(status[0]["device"]["device"], json!(camera.id));
    let path = within("the path", shell.run(&["status"])).await.code(0);
    assert!(
        path.contains(&url) && !path.contains(&camera.token) && !path.contains(ADMIN_KEY),
        "{path}"
    );
    let files = find(shell.home.path());
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(
        fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // With another URL the profile's credentials are not used.
    let other = shell
        .run(&["--url", "http://127.0.0.1:9", "device", "ls"])
        .await;
    assert!(other.err.contains("there is no admin key"), "{other:?}");
    shell.run(&["logout"]).await.code(0);
    assert!(
        shell
            .run(&["status"])
            .await
            .err
            .contains("tagpost login URL")
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn login_does_not_keep_what_does_not_work() {
    let relay = Relay::shared();
    let shell = Shell::new();
    for credential in [
        "wrong-admin-key-hunter2",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW0ifQ.hunter2",
    ] {
        let ended = shell.run_with(&["login", &relay.url()], credential).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
        assert!(
            ended.err.contains("Copy the whole admin key or token"),
            "{ended:?}"
        );
    }
    shell.run_with(&["login", &relay.url()], "").await.code(1);
    assert!(find(shell.home.path()).is_empty());
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn send_ends_with_a_code_that_tells_what_became_of_the_message() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::of(&relay, &doorbell);
    let at_camera = format!("@{}", camera.id);
    let to = ["send", at_camera.as_str()];
    let held = shell.run(&[&to[..], &["hello"]].concat()).await;
    let (id, rest) = held.out.split_once('\n').unwrap();
    assert!(id.parse::<MessageId>().is_ok(), "{held:?}");
    assert!(
        rest.starts_with("held ") && rest.contains(camera.id.as_str()),
        "{held:?}"
    );
    assert!(
        held.err.contains(&format!("tagpost cancel {id}")),
        "{held:?}"
    );
    held.code(3);
    shell
        .run(&[&to[..], &["--ttl", "0", "--follow", "now or never"]].concat())
        .await
        .code(4);

    let mut inbox = camera.at(&relay.url()).connect();
    next(&mut inbox).await.ack().unwrap();
    let arguments = [&to[..], &["--wait", "20s", "hello"]].concat();
    let sent = shell.run(&arguments);
    let (sent, ()) = tokio::join!(sent, async {
        next(&mut inbox)
            .await
            .reply(&json!({ "opened": true }))
            .unwrap();
    });
    assert!(
        sent.out.contains(" ms") && sent.out.contains(r#"{"opened":true}"#),
        "{sent:?}"
    );
    sent.code(0);

    let unknown = shell.run(&["send", "nobody-has-this", "hello"]).await;
    assert!(unknown.err.contains("tagpost tag add"), "{unknown:?}");
    unknown.code(1);
    shell
        .run(&["send", "--ttl", "soon", "tag", "hello"])
        .await
        .code(2);
    for two in [
        &["send", "--to-device", "cam", "two", "messages"][..],
        &["send", "@cam", "one", "--file", "two"],
        &["send", "@", "hello"],
    ] {
        shell.run(two).await.code(2);
    }
    let wrong = shell.run(&["send", "no tag", "hello"]).await;
    assert!(wrong.err.contains("tagpost send"), "{wrong:?}");
    wrong.code(2);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn an_empty_message_is_sent_only_if_that_is_meant() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::of(&relay, &doorbell);
    let at_camera = format!("@{}", camera.id);
    let nothing = shell.home.path().join("nothing");
    fs::write(&nothing, "").unwrap();
    let file = nothing.to_str().unwrap();
    for empty in [&["", "--wait=0"][..], &["-"], &[], &["--file", file]] {
        let refused = shell.run(&[&["send", &at_camera], empty].concat()).await;
        assert!(refused.err.contains("--empty"), "{empty:?}: {refused:?}");
        refused.code(1);
    }
    let held = camera.at(&relay.url()).device(&camera.id).await.unwrap();
    assert_eq!(held.held, 0, "an empty message was sent");
    for (number, empty) in [&[""][..], &[]].into_iter().enumerate() {
        let meant = [&["send", &at_camera, "--empty"], empty].concat();
        shell.run(&meant).await.code(3);
        let held = camera.at(&relay.url()).device(&camera.id).await.unwrap();
        assert_eq!(held.held as usize, number + 1);
    }
    let broken = shell.run(&["send", &at_camera, "{\"a\":"]).await;
    assert!(broken.err.contains("sent as text"), "{broken:?}");
    broken.code(3);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn send_ends_well_once_enough_devices_have_acknowledged() {
    let relay = Relay::shared();
    let (doorbell, camera, display) = (
        relay.device().await,
        relay.device().await,
        relay.device().await,
    );
    let tag = relay.tag(&[&camera, &display]).await;
    let shell = Shell::of(&relay, &doorbell);
    let mut inbox = camera.at(&relay.url()).connect();
    let arguments = [
        "send",
        tag.as_str(),
        "pump",
        "--acks-needed",
        "1",
        "--follow",
    ];
    let (sent, ()) = tokio::join!(shell.run(&arguments), async {
        next(&mut inbox).await.ack().unwrap();
    });
    assert!(sent.out.contains("enough"), "{sent:?}");
    sent.code(0);
    shell
        .run(&["send", tag.as_str(), "pump", "--acks-needed", "0"])
        .await
        .code(2);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn send_escalates_and_trace_shows_to_whom() {
    let relay = Relay::shared();
    let (doorbell, camera, manager) = (
        relay.device().await,
        relay.device().await,
        relay.device().await,
    );
    let tag = relay.tag(&[&camera]).await;
    let shell = Shell::of(&relay, &doorbell);
    let mut inbox = manager.at(&relay.url()).connect();
    let steps = format!("{};after=1s, @{};after=2s", fresh("nobody"), manager.id);
    let (to, steps) = (tag.as_str(), steps.as_str());
    let send = [
        "send",
        to,
        "pump",
        "--acks-needed=1",
        "--escalate",
        steps,
        "--wait=0",
        "--json",
    ];
    let sent = shell.run(&send).await.json(3);
    let id = sent[0]["id"].as_str().unwrap();
    // It is told while it happens.
    let follow = ["trace", id, "--follow"];
    let (traced, ()) = tokio::join!(shell.run(&follow), async {
        next(&mut inbox).await.reply("I go").unwrap();
    });
    let traced = traced.code(0);
    for once in [": unknown_tag", "escalated ", "I go"] {
        assert_eq!(traced.matches(once).count(), 1, "{once}: {traced}");
    }
    let at = |text: &str| {
        let line = traced.lines().position(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("{text} is missing: {traced}"))
    };
    let failed = at(": unknown_tag");
    let escalated = at(&format!("escalated     to @{}: 1 device", manager.id));
    assert!(failed < escalated && escalated < at("I go"), "{traced}");
    for wrong in ["managers", "managers;after=soon", "a & ;after=1"] {
        let refused = shell.run(&["send", to, "pump", "--escalate", wrong]).await;
        assert!(refused.err.contains("--escalate"), "{refused:?}");
        refused.code(2);
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn send_takes_an_expression_and_tells_where_its_fault_is() {
    let relay = Relay::shared();
    let (doorbell, camera, display) = (
        relay.device().await,
        relay.device().await,
        relay.device().await,
    );
    let tag = relay.tag(&[&camera, &display]).await;
    let shell = Shell::of(&relay, &doorbell);
    let to = format!("{tag} & !@{}", display.id);
    let sent = shell.run(&["send", &to, "hello"]).await;
    assert!(sent.out.contains(camera.id.as_str()), "{sent:?}");
    assert!(!sent.out.contains(display.id.as_str()), "{sent:?}");
    sent.code(3);
    let listed = shell.run(&["ls"]).await.code(0);
    assert!(listed.contains(&to), "{listed}");
    let command = "printf '\"%s\"' \"$TAGPOST_MATCH\"";
    let listener = Shell::of(&relay, &camera);
    let listening = ["listen", "--once", "--exec", command];
    listener.run(&listening).await.code(0);
    let replied = shell.run(&["ls", "--json"]).await.json(0);
    assert_eq!(replied[0]["deliveries"][0]["reply"], json!(to));
    for wrong in [
        &["send", "hall & !!muted", "hello"][..],
        &["send", "--to", "hall & !!muted", "hello"],
    ] {
        let wrong = shell.run(wrong).await;
        assert!(wrong.err.contains("at character 9"), "{wrong:?}");
        wrong.code(2);
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn send_follows_every_delivery_to_its_end() {
    let relay = Relay::shared();
    let (doorbell, camera, display) = (
        relay.device().await,
        relay.device().await,
        relay.device().await,
    );
    let tag = relay.tag(&[&camera, &display]).await;
    let shell = Shell::of(&relay, &doorbell);
    let arguments = ["send", tag.as_str(), "-", "--follow", "--wait", "0"];
    let sent = shell.run_with(&arguments, r#"{"ring":1}"#);
    let answers = async {
        for (device, reply) in [(&camera, "first"), (&display, "second")] {
            let mut inbox = device.at(&relay.url()).connect();
            let message = next(&mut inbox).await;
            assert_eq!(message.json::<Value>().unwrap(), json!({ "ring": 1 }));
            message.reply(reply).unwrap();
            inbox.close().await.unwrap();
        }
    };
    let (sent, ()) = tokio::join!(sent, answers);
    let out = sent.code(0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].parse::<MessageId>().is_ok(), "{out}");
    // Both may have settled before the command looks again; then they come in the order of their names.
    for device in [&camera, &display] {
        let of_device = |line: &&str| line.contains(device.id.as_str());
        let line = lines.iter().find(|line| of_device(line));
        assert!(
            line.is_some_and(|line| line.starts_with("delivered")),
            "{out}"
        );
    }
}

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
        told.starts_with(&format!("The token {id} of lock")),
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
#[ignore = "needs the built Worker"]
async fn trace_and_ls_show_what_became_of_messages() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::of(&relay, &doorbell);
    let id = send(&doorbell.at(&relay.url()), &camera, 1)
        .await
        .to_string();
    shell.run(&["trace", &id]).await.code(3);
    // Each step is told when it happens, not at the end.
    let mut trace = shell.start(&["trace", &id, "--follow"]);
    let mut lines = BufReader::new(trace.stdout.take().unwrap()).lines();
    let mut told = async || within("a line", lines.next_line()).await.unwrap().unwrap();
    let first = told().await;
    assert!(
        first.starts_with(&id) && first.ends_with("1 held"),
        "{first}"
    );
    assert_eq!(words(&told().await), ["held", camera.id.as_str()]);
    let mut inbox = camera.at(&relay.url()).connect();
    let message = next(&mut inbox).await;
    assert_eq!(words(&told().await), ["sent", camera.id.as_str()]);
    message.reply("seen").unwrap();
    let delivered = ["delivered", camera.id.as_str(), r#""seen""#];
    assert_eq!(words(&told().await), delivered);
    assert_eq!(told().await, "1 delivered");
    inbox.close().await.unwrap();
    let status = within("it to end", trace.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    let traced = shell.run(&["trace", &id, "--json"]).await.json(0);
    assert_eq!(traced[0]["timeline"][2]["event"], json!("delivered"));

    let listed = shell.run(&["ls", "--json"]).await.json(0);
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &json!(id)));
    assert!(
        shell
            .run(&["ls", "--state", "held"])
            .await
            .code(0)
            .is_empty()
    );
    assert!(shell.run(&["ls"]).await.code(0).contains("1 delivered"));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn ls_goes_on_where_it_ended_and_finds_what_is_asked_for() {
    let relay = Relay::shared();
    let (doorbell, camera, display) = (
        relay.device().await,
        relay.device().await,
        relay.device().await,
    );
    let sender = doorbell.at(&relay.url());
    let mut ids = Vec::new();
    for number in 0..5 {
        let to = if number == 2 { &display } else { &camera };
        ids.insert(0, send(&sender, to, number).await.to_string());
    }
    let shell = Shell::of(&relay, &doorbell);
    let listed = async |arguments: &[&str]| {
        let arguments = [&["ls", "--json"], arguments].concat();
        let messages = shell.run(&arguments).await.json(0);
        let id = |message: &Value| message["id"].as_str().unwrap().to_owned();
        messages.iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]).await, ids);
    assert_eq!(listed(&["--limit", "2"]).await, ids[..2]);
    assert_eq!(listed(&["--after", &ids[1]]).await, ids[2..]);
    let at_display = format!("@{}", display.id);
    assert_eq!(listed(&["--to", &at_display]).await, ids[2..3]);
    assert_eq!(listed(&["--since", "1h", "--state", "held"]).await, ids);
    assert_eq!(listed(&["--since", "0"]).await, ids[..0]);

    let two = shell.run(&["ls", "--limit", "2"]).await;
    let on = format!("tagpost ls --after {}", ids[1]);
    assert!(two.err.contains(&on), "{two:?}");
    let all = shell.run(&["ls", "--limit", "5"]).await;
    assert!(all.err.is_empty(), "{all:?}");
    let operator = Shell::operator(&relay);
    let of = ["ls", "--sender", doorbell.id.as_str(), "--json"];
    assert_eq!(operator.run(&of).await.json(0).len(), 5);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn cancel_takes_back_what_is_open_and_nothing_else() {
    let relay = Relay::shared();
    let (doorbell, camera, display) = (
        relay.device().await,
        relay.device().await,
        relay.device().await,
    );
    let tag = relay.tag(&[&camera, &display]).await;
    let shell = Shell::of(&relay, &doorbell);
    let mut inbox = camera.at(&relay.url()).connect();
    let arguments = ["send", tag.as_str(), "hello", "--wait=1s", "--json"];
    let (sent, ()) = tokio::join!(shell.run(&arguments), async {
        next(&mut inbox).await.ack().unwrap();
    });
    let sent = sent.json(3);
    let id = sent[0]["id"].as_str().unwrap();
    let cancelled = shell.run(&["cancel", id]).await.code(0);
    let state_of = |device: &str| {
        let line = cancelled.lines().find(|line| line.contains(device));
        line.and_then(|line| line.split_whitespace().next())
    };
    assert_eq!(state_of(camera.id.as_str()), Some("delivered"));
    assert_eq!(state_of(display.id.as_str()), Some("cancelled"));
    // Once more changes nothing.
    shell.run(&["cancel", id]).await.code(0);

    let later = ["send", tag.as_str(), "tea", "--delay=1h", "--json"];
    let later = shell.run(&later).await.json(3);
    let cancelled = shell
        .run(&["cancel", later[0]["id"].as_str().unwrap()])
        .await;
    assert_eq!(cancelled.code(0), "cancelled\n");
    let unknown = shell.run(&["cancel", "01JQ3Y5M2E8ZK4TB6V7N9WXHCD"]).await;
    assert!(unknown.err.contains("unknown_message"), "{unknown:?}");
    unknown.code(1);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_error_that_says_what_to_do() {
    // Nothing listens on the port for discarding (RFC 863).
    let shell = Shell::new()
        .with("TAGPOST_URL", "http://127.0.0.1:9")
        .with("TAGPOST_TOKEN", "token");
    let ended = shell.run(&["send", "hall", "hello", "--retry", "0"]).await;
    assert!(
        ended.err.contains("http://127.0.0.1:9") && ended.err.contains("TAGPOST_URL"),
        "{ended:?}"
    );
    ended.code(1);
    let nowhere = Shell::new().run(&["send", "hall", "hello"]).await;
    assert!(nowhere.err.contains("tagpost login URL"), "{nowhere:?}");
    nowhere.code(1);
}

#[tokio::test]
async fn with_json_an_error_is_a_problem_document_on_standard_error() {
    let shell = Shell::new()
        .with("TAGPOST_URL", "http://127.0.0.1:9")
        .with("TAGPOST_TOKEN", "token");
    let problem = |ended: &Ended| -> Value {
        assert!(
            ended.out.is_empty() && ended.err.lines().count() == 1,
            "{ended:?}"
        );
        serde_json::from_str(&ended.err).unwrap()
    };
    let ended = shell.run(&["send", "hall", "hello", "--retry", "0", "--json"]);
    let (wrong, usage) = tokio::join!(
        shell.run(&["--json", "send", "no tag", "hello"]),
        shell.run(&["--json", "send"])
    );
    for usage in [wrong, usage] {
        assert_eq!(problem(&usage)["code"], "usage");
        usage.code(2);
    }
    let ended = ended.await;
    assert_eq!(problem(&ended)["type"], "urn:tagpost:command:unreachable");
    ended.code(1);
    assert!(
        shell
            .run(&["--json", "--help"])
            .await
            .code(0)
            .contains("Usage")
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn with_json_a_problem_of_the_service_is_passed_on() {
    let relay = Relay::shared();
    let doorbell = relay.device().await;
    let shell = Shell::of(&relay, &doorbell);
    let refused = shell
        .run(&["send", "nobody-has-this", "hello", "--json"])
        .await;
    let problem: Value = serde_json::from_str(&refused.err).unwrap();
    assert_eq!(problem["type"], "urn:tagpost:problem:unknown_tag");
    assert_eq!(problem["status"], 404);
    refused.code(1);
}

#[tokio::test]
async fn no_token_is_minted_that_no_service_would_take() {
    let shell = Shell::new();
    let short = shell.run_with(&["token", "cam"], "fifteen-bytes-x").await;
    assert!(short.err.contains("fewer than 16"), "{short:?}");
    assert!(!format!("{short:?}").contains("fifteen"), "{short:?}");
    short.code(1);
    let over = ["token", "cam", "--expires-in", "0"];
    shell.run_with(&over, TOKEN_KEY).await.code(2);
    shell.run_with(&["token", "cam"], TOKEN_KEY).await.code(0);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn status_without_a_credential_is_a_failure() {
    let relay = Relay::shared();
    let shell = Shell::new().with("TAGPOST_URL", relay.url());
    let status = shell.run(&["status"]).await;
    assert!(status.out.contains("The service works"), "{status:?}");
    assert!(status.err.contains("no credential"), "{status:?}");
    status.code(1);
}

#[tokio::test]
async fn no_option_of_a_single_message_comes_from_the_environment() {
    // Nothing listens on the port for discarding (RFC 863).
    let shell = Shell::new()
        .with("TAGPOST_URL", "http://127.0.0.1:9")
        .with("TAGPOST_TOKEN", "token")
        .with("TAGPOST_KEY", "no\tkey")
        .with("TAGPOST_TTL", "soon")
        .with("TAGPOST_FILE", "/nowhere");
    let ended = shell.run(&["send", "hall", "hello", "--retry", "0"]).await;
    assert!(ended.err.contains("could not be reached"), "{ended:?}");
    ended.code(1);
}

/// What a shell is offered for the last of these words.
async fn offered(shell: &Shell, words: &[&str]) -> Vec<String> {
    let arguments = [&["--", "tagpost"], words].concat();
    let out = shell.run(&arguments).await.code(0);
    let value = |line: &str| line.split('\t').next().unwrap().to_owned();
    out.lines().map(value).collect()
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_shell_is_offered_what_the_service_has() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let tag = relay.tag(&[&camera]).await;
    let id = send(&doorbell.at(&relay.url()), &camera, 1).await;
    let operator = Shell::operator(&relay).with("TAGPOST_COMPLETE", "fish");
    let devices = offered(&operator, &["device", "show", ""]).await;
    assert!(devices.contains(&camera.id.to_string()), "{devices:?}");
    let targets = offered(&operator, &["send", ""]).await;
    let at_camera = format!("@{}", camera.id);
    for target in [&at_camera, &tag.to_string()] {
        assert!(targets.contains(target), "{targets:?}");
    }
    let of_doorbell = Shell::of(&relay, &doorbell).with("TAGPOST_COMPLETE", "fish");
    let sent = offered(&of_doorbell, &["cancel", ""]).await;
    assert!(sent.contains(&id.to_string()), "{sent:?}");
}

#[tokio::test]
async fn without_a_service_there_is_only_what_is_known() {
    let shell = Shell::new()
        .with("TAGPOST_COMPLETE", "fish")
        .with("TAGPOST_URL", "http://127.0.0.1:9")
        .with("TAGPOST_ADMIN_KEY", "admin");
    let states = offered(&shell, &["ls", "--state", "in"]).await;
    assert_eq!(states, ["in_progress"]);
    assert!(
        offered(&shell, &["tag", "show", ""])
            .await
            .iter()
            .all(|it| it.starts_with('-'))
    );
}

#[tokio::test]
async fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = Shell::new().run(&["completions", shell]).await.code(0);
        assert!(script.contains("TAGPOST_COMPLETE"), "{shell}");
    }
}

/// What a line of a trace says, without the time.
fn words(line: &str) -> Vec<&str> {
    let (_, words) = line.split_once(" ms ").unwrap();
    words.split_whitespace().collect()
}

/// Every file below a directory.
fn find(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                find(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
