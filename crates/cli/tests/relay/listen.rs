//! `tagpost listen`, as a shell sees it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tagpost_client::State;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Network, Relay, Shell, outcome, send, settled, within};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_prints_and_acknowledges_with_the_reply() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let shell = Shell::of(&relay, &camera);
    let (first, second) = (
        send(&sender, &camera, 1).await,
        send(&sender, &camera, 2).await,
    );

    let out = shell
        .run(&["listen", "--once", "--reply", r#"{"opened":true}"#])
        .await
        .code(0);
    let (time, line) = out.split_once("  ").unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{out}");
    assert!(
        line.starts_with(doorbell.id.as_str()) && line.ends_with(": 1\n"),
        "{out}"
    );
    let trace = settled(&sender, first).await;
    assert_eq!(
        outcome(&trace),
        (State::Delivered, Some(r#"{"opened":true}"#.to_owned()))
    );

    let lines = shell
        .run(&["listen", "--once", "--json", "--reply", "not json"])
        .await
        .json(0);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["type"], &lines[0]["payload"]),
        (&json!("message"), &json!(2))
    );
    let trace = settled(&sender, second).await;
    assert_eq!(
        outcome(&trace),
        (State::Delivered, Some(r#""not json""#.to_owned()))
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_ends_in_order_on_a_signal() {
    let relay = Relay::shared();
    let camera = relay.device().await;
    let shell = Shell::of(&relay, &camera);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut child = shell.start(&["listen"]);
        let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
        let note = within("it to listen", notes.next_line())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(note, format!("listening as {}", camera.id));
        kill(
            Pid::from_raw(child.id().unwrap().try_into().unwrap()),
            signal,
        )
        .unwrap();
        let status = within("it to end", child.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_under_nohup_outlives_its_terminal() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let mut child = Shell::of(&relay, &camera).start_deaf_to_hangups(&["listen"]);
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let note = within("it to listen", notes.next_line()).await.unwrap();
    assert_eq!(note, Some(format!("listening as {}", camera.id)));
    let id = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    kill(id, Signal::SIGHUP).unwrap();
    // The signal handler closes the connection before anything that is sent from now on arrives.
    let sender = doorbell.at(&relay.url());
    for number in 0..3 {
        let sent = send(&sender, &camera, number).await;
        let delivered = outcome(&settled(&sender, sent).await);
        assert_eq!(delivered, (State::Delivered, None));
    }
    kill(id, Signal::SIGTERM).unwrap();
    let status = within("it to end", child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_message_whose_answer_is_refused_is_rejected() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    network.garble(true);
    let shell = Shell::of(&relay, &camera).with("TAGPOST_URL", network.url());
    let _listening = shell.start(&["listen"]);
    let id = send(&sender, &camera, 1).await;
    let (state, reason) = outcome(&settled(&sender, id).await);
    assert_eq!(state, State::Rejected);
    assert!(reason.is_some_and(|reason| reason.contains("id")));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_ends_with_advice_when_the_token_is_revoked() {
    let relay = Relay::shared();
    let camera = relay.device().await;
    let shell = Shell::of(&relay, &camera);
    relay.operator().revoke_tokens(&camera.id).await.unwrap();
    let ended = shell.run(&["listen"]).await;
    assert!(
        ended.err.contains("unauthorized") && ended.err.contains("tagpost device add"),
        "{ended:?}"
    );
    assert!(!ended.err.contains(&camera.token));
    ended.code(1);
}
