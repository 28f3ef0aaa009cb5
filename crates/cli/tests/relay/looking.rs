//! `tagpost trace`, `ls` and `cancel`, as a shell sees them.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Relay, Shell, next, send, within};

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

/// What a line of a trace says, without the time.
fn words(line: &str) -> Vec<&str> {
    let (_, words) = line.split_once(" ms ").unwrap();
    words.split_whitespace().collect()
}
