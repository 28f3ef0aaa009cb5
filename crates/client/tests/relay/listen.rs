//! `tagpost listen`, as a shell sees it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tagpost_client::{State, Target};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Relay, Shell, next, outcome, send, settled, within};

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
    assert!(
        out.starts_with(doorbell.id.as_str()) && out.ends_with(": 1\n"),
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
async fn listen_without_acknowledging_leaves_the_message_to_the_next() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let id = send(&sender, &camera, 1).await;
    let shell = Shell::of(&relay, &camera);
    shell.run(&["listen", "--once", "--no-ack"]).await.code(0);
    let mut inbox = camera.at(&relay.url()).connect();
    let message = next(&mut inbox).await;
    assert!(message.id == id && message.attempt > 1, "{message:?}");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_runs_a_command_for_each_message_and_answers_with_what_it_prints() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let tag = relay.tag(&[&camera]).await;
    let sender = doorbell.at(&relay.url());
    let shell = Shell::of(&relay, &camera);
    let script = r#"payload=$(cat)
        case $payload in
          json) echo '{"from":"'$TAGPOST_FROM'","tag":"'$TAGPOST_TAG'","attempt":'$TAGPOST_ATTEMPT'}';;
          text) echo "$TAGPOST_ID is $TAGPOST_CONTENT_TYPE";;
          quiet) ;;
          long) head -c 5000 /dev/zero | tr '\0' x;;
          no) echo "not at home"; exit 1;;
          *) exit 7;;
        esac"#;
    let mut listening = shell.start(&["listen", "--exec", script]);
    let publish = async |payload: &str| {
        let publish = sender.publish(Target::Tag(tag.clone())).text(payload);
        let id = publish.wait(0).send().await.unwrap().id;
        let (state, answer) = outcome(&settled(&sender, id).await);
        (state, answer.unwrap_or_default(), id)
    };

    let (state, answer, _) = publish("json").await;
    let expected = json!({ "from": doorbell.id, "tag": tag, "attempt": 1 });
    assert_eq!(
        (state, serde_json::from_str::<Value>(&answer).unwrap()),
        (State::Delivered, expected)
    );
    let (state, answer, id) = publish("text").await;
    assert_eq!(
        (state, answer),
        (
            State::Delivered,
            format!(r#""{id} is text/plain; charset=utf-8""#)
        )
    );
    assert_eq!(publish("quiet").await.1, "");
    let (state, answer, _) = publish("long").await;
    assert_eq!(
        (state, answer.as_str()),
        (State::Delivered, ""),
        "an acknowledgement was lost with its reply"
    );
    let (state, answer, _) = publish("no").await;
    assert_eq!((state, answer.as_str()), (State::Rejected, "not at home"));
    let (state, answer, _) = publish("else").await;
    assert_eq!(
        (state, answer.as_str()),
        (State::Rejected, "exit status: 7")
    );
    listening.kill().await.unwrap();
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
