//! `tagpost listen --exec`: the command that it runs for a message, and the answer that comes of it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tagpost_client::{State, Target};
use tagpost_core::secrets::SECRETS;

use crate::support::{Relay, Shell, TAGPOST, next, outcome, send, settled, until};

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
async fn a_command_is_given_no_credential() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut shell = Shell::of(&relay, &camera)
        .with("TAGPOST_ADMIN_KEY", "hunter2-admin")
        .with("TAGPOST_KEY", "hunter2-key")
        .with("TAGPOST_TAG", "of-somebody-else")
        .with("GREETING", "hello");
    for name in SECRETS {
        shell = shell.with(name, "hunter2");
    }
    let id = send(&sender, &camera, 1).await;
    shell
        .run(&["listen", "--once", "--exec", "env | grep -v ^PATH= | sort"])
        .await
        .code(0);
    let trace = settled(&sender, id).await;
    let (_, reply) = outcome(&trace);
    let environment: String = serde_json::from_str(&reply.unwrap()).unwrap();
    assert!(environment.contains("GREETING=hello"), "{environment}");
    let own = environment.lines().filter_map(|line| line.split_once('='));
    let own = own.filter(|(name, _)| name.contains("TAGPOST") || name.contains("KEY"));
    let expected = [
        ("TAGPOST_ATTEMPT", "1"),
        ("TAGPOST_CONTENT_TYPE", "application/json"),
        ("TAGPOST_FROM", doorbell.id.as_str()),
        ("TAGPOST_ID", &id.to_string()),
        ("TAGPOST_PROFILE", "default"),
        ("TAGPOST_SENT_AT", &trace.accepted_at.to_string()),
        ("TAGPOST_URGENCY", "normal"),
        ("TAGPOST_URL", &relay.url()),
    ];
    assert_eq!(own.collect::<Vec<_>>(), expected);
    assert!(!environment.contains("hunter2") && !environment.contains(&camera.token));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_command_can_call_tagpost_as_the_same_device() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut answers = sender.connect();
    let script = format!("{TAGPOST} send --wait 60s --to-device $TAGPOST_FROM seen > /dev/null");
    for name in ["default", "work"] {
        let shell = Shell::new();
        let login = ["login", "--profile", name, &relay.url()];
        shell.run_with(&login, &camera.token).await.code(0);
        let id = send(&sender, &camera, 1).await;
        let listen = ["listen", "--profile", name, "--once", "--exec", &script];
        let answered = async {
            let answer = next(&mut answers).await;
            answer.ack().unwrap();
            (answer.from.clone(), answer.text().unwrap())
        };
        let (listen, answered) = tokio::join!(shell.run(&listen), answered);
        assert_eq!(answered, (camera.id.clone(), "seen".to_owned()), "{name}");
        listen.code(0);
        let delivered = (State::Delivered, None);
        assert_eq!(outcome(&settled(&sender, id).await), delivered, "{name}");
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_command_ends_with_itself_and_not_with_what_it_left_running() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let shell = Shell::of(&relay, &camera);
    let id = send(&sender, &camera, 1).await;
    let pid = shell.home.path().join("pid");
    // It holds the output open for as long as this test runs.
    let script = format!(
        "({}) 2> /dev/null & echo $! > {}; echo started",
        shell.while_here(),
        pid.display()
    );
    shell
        .run(&["listen", "--once", "--exec", &script])
        .await
        .code(0);
    let trace = settled(&sender, id).await;
    let delivered = (State::Delivered, Some(r#""started""#.to_owned()));
    assert_eq!(outcome(&trace), delivered);
    let left = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    kill(Pid::from_raw(left), Signal::SIGKILL).expect("what it left running was ended");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_command_that_hangs_is_ended_with_all_it_started_and_the_next_message_follows() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let shell = Shell::of(&relay, &camera);
    let ids = [
        send(&sender, &camera, 1).await,
        send(&sender, &camera, 2).await,
    ];
    let started = shell.home.path().join("started");
    // It does not end when it is asked to, either.
    let script = format!(
        "trap '' TERM; test $(cat) = 2 && exit 0; sh -c 'echo $$ > {}; {}'",
        started.display(),
        shell.while_here()
    );
    let arguments = ["listen", "--exec-timeout", "1s", "--exec", &script];
    let mut listening = shell.start(&arguments);
    let rejected = outcome(&settled(&sender, ids[0]).await);
    let reason = "the command did not end within 1 s".to_owned();
    assert_eq!(rejected, (State::Rejected, Some(reason)));
    let delivered = outcome(&settled(&sender, ids[1]).await);
    assert_eq!(delivered, (State::Delivered, None));
    let inner: i32 = std::fs::read_to_string(started)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let gone = async || kill(Pid::from_raw(inner), None).is_err();
    until("what it started to be gone", gone, |gone| *gone).await;
    listening.kill().await.unwrap();
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_once_ends_with_a_code_that_tells_how_the_message_was_answered() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let shell = Shell::of(&relay, &camera);
    for (script, code, state) in [
        ("exit 7", 4, State::Rejected),
        ("no-such-command 2> /dev/null", 4, State::Rejected),
        ("true", 0, State::Delivered),
    ] {
        let id = send(&sender, &camera, 1).await;
        let ended = shell.run(&["listen", "--once", "--exec", script]).await;
        ended.code(code);
        assert_eq!(outcome(&settled(&sender, id).await).0, state, "{script}");
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn commands_run_at_the_same_time_if_that_is_wanted() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let ids = [
        send(&sender, &camera, 1).await,
        send(&sender, &camera, 2).await,
    ];
    let shell = Shell::of(&relay, &camera);
    let home = shell.home.path().display().to_string();
    // Each waits for the other one to have started.
    let script = format!(
        "cd {home} && touch started-$(cat) && while ! test -e started-1 -a -e started-2; do sleep 0.1; done"
    );
    let arguments = ["listen", "--parallel=2", "--exec-timeout=15s", "--exec"];
    let mut listening = shell.start(&[&arguments[..], &[script.as_str()]].concat());
    for id in ids {
        let delivered = outcome(&settled(&sender, id).await);
        assert_eq!(delivered, (State::Delivered, None));
    }
    listening.kill().await.unwrap();
    for wrong in [
        &["listen", "--parallel", "2"][..],
        &["listen", "--parallel", "2", "--once", "--exec", "true"],
        &["listen", "--parallel", "0", "--exec", "true"],
    ] {
        shell.run(wrong).await.code(2);
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_command_that_prints_bytes_acknowledges_without_a_reply_and_the_answer_is_said() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let shell = Shell::of(&relay, &camera);
    for (script, reply, told) in [
        (r"printf '\377\376'", None, "without a reply: the 2 bytes"),
        ("echo seen", Some(r#""seen""#.to_owned()), "  seen"),
    ] {
        let id = send(&sender, &camera, 1).await;
        let ended = shell.run(&["listen", "--once", "--exec", script]).await;
        let line = ended.err.lines().find(|line| line.contains("acknowledged"));
        let line = line.unwrap_or_else(|| panic!("{ended:?}"));
        assert!(
            line.contains(&id.to_string()) && line.contains(told),
            "{line}"
        );
        ended.code(0);
        let delivered = outcome(&settled(&sender, id).await);
        assert_eq!(delivered, (State::Delivered, reply));
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_reason_that_is_too_long_is_cut_between_characters() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let id = send(&sender, &camera, 1).await;
    let script = r#"printf 'no more tea: '; yes '🍵' | head -n 300 | tr -d '\n'; exit 1"#;
    let shell = Shell::of(&relay, &camera);
    shell
        .run(&["listen", "--once", "--exec", script])
        .await
        .code(4);
    let reason = format!("no more tea: {}", "🍵".repeat(243));
    let rejected = (State::Rejected, Some(reason));
    assert_eq!(outcome(&settled(&sender, id).await), rejected);
}
