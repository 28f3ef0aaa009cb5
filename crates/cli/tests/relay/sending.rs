//! `tagpost send`, as a shell sees it.

use std::fs;
use std::time::SystemTime;

use serde_json::{Value, json};
use tagpost_client::MessageId;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Network, Relay, Shell, fresh, next, within};

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
async fn a_message_to_a_tag_comes_back_to_its_sender_only_with_echo() {
    let relay = Relay::shared();
    let doorbell = relay.device().await;
    let tag = relay.tag(&[&doorbell]).await;
    let shell = Shell::of(&relay, &doorbell);
    let send = ["send", tag.as_str(), "hello"];
    let nobody = shell.run(&[&send[..], &["--json"]].concat()).await;
    assert!(nobody.err.contains("unknown_tag"), "{nobody:?}");
    nobody.code(1);
    let echoed = shell.run(&[&send[..], &["--echo"]].concat()).await.code(3);
    let held = format!("held          {}\n", doorbell.id);
    assert!(echoed.ends_with(&held), "{echoed}");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_message_is_handed_over_at_its_time_or_at_once_if_that_is_past() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::of(&relay, &doorbell);
    let at_camera = format!("@{}", camera.id);
    let send = ["send", at_camera.as_str(), "hello", "--deliver-at"];
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    let sent = shell.run(&[&send[..], &[past]].concat()).await.code(3);
    assert!(sent.contains("\nheld "), "{sent}");

    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let in_an_hour = (now.as_millis() + 3_600_000).to_string();
    let sent = shell.run(&[&send[..], &[&in_an_hour]].concat()).await;
    let sent = sent.code(3);
    let (id, rest) = sent.split_once('\n').unwrap();
    assert_eq!(rest, "scheduled\n");
    let trace = shell.run(&["trace", id, "--json"]).await.json(3);
    let deliver_at = trace[0]["deliver_at"].to_string();
    assert_eq!(deliver_at, in_an_hour);
    shell.run(&["cancel", id]).await.code(0);

    for wrong in [&["tomorrow"][..], &[past, "--delay", "4m"]] {
        let wrong = shell.run(&[&send[..], wrong].concat()).await;
        assert!(wrong.err.contains("--deliver-at"), "{wrong:?}");
        wrong.code(2);
    }
}

#[tokio::test]
async fn a_send_that_is_tried_again_says_so() {
    // Nothing listens on the port for discarding (RFC 863).
    let shell = Shell::new()
        .with("TAGPOST_URL", "http://127.0.0.1:9")
        .with("TAGPOST_TOKEN", "token");
    let send = ["send", "hall", "hello", "--wait=0", "--retry=6s"];
    let json = [&send[..], &["--json"]].concat();
    let (told, json) = tokio::join!(shell.run(&send), shell.run(&json));
    let again = told.err.matches("tried again for up to 6 s").count();
    assert_eq!(again, 1, "{told:?}");
    told.code(1);
    assert_eq!(json.err.lines().count(), 1, "{json:?}");
    json.code(1);

    let mut peek = shell.start(&["peek", "camera"]);
    let mut lines = BufReader::new(peek.stderr.take().unwrap()).lines();
    let line = within("a line", lines.next_line()).await.unwrap().unwrap();
    assert!(line.contains("tried again for up to 30 s"), "{line}");
    peek.kill().await.unwrap();
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_message_that_cannot_be_followed_any_more_is_published_all_the_same() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::of(&relay, &doorbell).with("TAGPOST_URL", network.url());
    let at_camera = format!("@{}", camera.id);
    let send = ["send", &at_camera, "hello", "--follow", "--retry=0"];
    let mut sending = shell.start(&send);
    let mut lines = BufReader::new(sending.stdout.take().unwrap()).lines();
    let id = within("the id", lines.next_line()).await.unwrap().unwrap();
    network.down();
    let ended = within("it to end", sending.wait_with_output()).await;
    let ended = ended.unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    let goes_on = format!("It is published; `tagpost trace {id} --follow`");
    assert!(told.contains(&goes_on), "{told}");
    assert_eq!(ended.status.code(), Some(3), "{told}");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_device_that_is_taken_for_a_tag_is_answered_with_its_address() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::of(&relay, &doorbell);
    let id = camera.id.as_str();
    let sent = shell.run(&["send", id, "hello"]).await;
    let address = format!("its address is @{id}.");
    assert!(sent.err.contains(&address), "{sent:?}");
    sent.code(1);
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
