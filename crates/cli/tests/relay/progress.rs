//! Devices that work on a message, and messages that end meanwhile.

use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::json;
use tagpost_client::{State, Step, Withdrawal};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{
    Relay, Shell, connected, next, outcome, send, settled, status, until, within,
};

/// Seconds: a job takes longer than this.
const ACK_TIMEOUT: u32 = 1;

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_job_that_takes_longer_than_the_time_to_acknowledge_is_started_once() {
    let relay = Relay::start(&[("ACK_TIMEOUT", ACK_TIMEOUT)]);
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut inbox = camera.at(&relay.url()).connect();
    let id = send(&sender, &camera, 1).await;
    let message = next(&mut inbox).await;
    let working = message.working(60, "digging").unwrap();
    let told = async || sender.trace(id).await.unwrap();
    let trace = until("the job to be in progress", told, |trace| {
        outcome(trace).0 == State::InProgress
    });
    let steps = trace.await.timeline;
    let Some(Step::Delivery(step)) = steps.last() else {
        panic!("expected a step of the delivery, but {steps:?}");
    };
    assert_eq!(step.note.as_deref(), Some("digging"), "{steps:?}");
    let attempts = step.attempt;

    // Another connection does not get it while it is in progress.
    drop((working, message, inbox));
    let mut inbox = camera.at(&relay.url()).connect();
    status(&mut inbox.status(), connected).await;
    let last = send(&sender, &camera, 2).await;
    let message = next(&mut inbox).await;
    assert_eq!(message.id, last, "the job came again after a reconnect");
    message.ack().unwrap();
    settled(&sender, last).await;
    let trace = sender.trace(id).await.unwrap();
    assert_eq!(trace.deliveries[0].attempts, attempts);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_sender_sees_who_works_on_its_message() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let own = sender.connect();
    let mut progress = own.progress();
    status(&mut own.status(), connected).await;
    let mut inbox = camera.at(&relay.url()).connect();
    let id = send(&sender, &camera, 1).await;
    next(&mut inbox).await.progress(60, "digging").unwrap();
    let told = within("progress", progress.recv()).await.unwrap();
    assert_eq!((told.id, &told.device), (id, &camera.id));
    assert_eq!(told.note.as_deref(), Some("digging"));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_message_that_ends_elsewhere_ends_its_work() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut inbox = camera.at(&relay.url()).connect();
    let ids = [
        send(&sender, &camera, 1).await,
        send(&sender, &camera, 2).await,
    ];
    let message = next(&mut inbox).await;
    assert_eq!(message.is_withdrawn(), None);
    // What is told of the first is told after what is told of the second.
    for id in ids.into_iter().rev() {
        sender.cancel(id).await.unwrap();
    }
    let why = within("the message to be withdrawn", message.withdrawn()).await;
    assert_eq!(why, Withdrawal::Cancelled);
    // An answer comes too late, and the other message is not even shown.
    message.ack().unwrap();
    let last = send(&sender, &camera, 3).await;
    assert_eq!(next(&mut inbox).await.id, last);
    assert_eq!(outcome(&settled(&sender, ids[0]).await).0, State::Cancelled);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_keeps_a_message_in_progress_while_its_command_runs() {
    let relay = Relay::start(&[("ACK_TIMEOUT", 3)]);
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let watching = Shell::of(&relay, &doorbell);
    let mut watching = watching.start(&["listen", "--receipts", "--json"]);
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let shell = Shell::of(&relay, &camera);
    let runs = shell.home.path().join("runs");
    // It ends once it may: longer than the message may stay unacknowledged.
    let may_end = shell.home.path().join("may-end");
    let script = format!(
        "echo run >> {}; while ! test -e {}; do sleep 0.1; done; echo done",
        runs.display(),
        may_end.display()
    );
    let mut listening = shell.start(&["listen", "--exec", &script]);
    let id = send(&sender, &camera, 1).await;
    let line = within("progress", lines.next_line()).await.unwrap();
    let progress: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
    assert_eq!(
        (&progress["type"], &progress["id"], &progress["device"]),
        (&json!("progress"), &json!(id), &json!(camera.id))
    );
    // The whole time to acknowledge passes again: another message is sent twice within it.
    let trace = async || sender.trace(id).await.unwrap();
    let since = tokio::time::Instant::now();
    until("the time to acknowledge to be over", trace, |_| {
        since.elapsed().as_secs() > 4
    })
    .await;
    std::fs::write(may_end, "").unwrap();
    let trace = settled(&sender, id).await;
    let delivered = (State::Delivered, Some(r#""done""#.to_owned()));
    assert_eq!(outcome(&trace), delivered);
    assert_eq!(trace.deliveries[0].attempts, 1);
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "run\n");
    listening.kill().await.unwrap();
    watching.kill().await.unwrap();
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_ends_the_command_of_a_message_that_is_withdrawn() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let shell = Shell::of(&relay, &camera);
    let started = shell.home.path().join("started");
    let script = format!("echo $$ > {}; {}", started.display(), shell.while_here());
    let id = send(&sender, &camera, 1).await;
    let listen = ["listen", "--once", "--json", "--exec", &script];
    let cancel = async {
        let begun = async || std::fs::read_to_string(&started).unwrap_or_default();
        let pid = until("the command to run", begun, |pid| pid.ends_with('\n')).await;
        sender.cancel(id).await.unwrap();
        pid.trim().parse().unwrap()
    };
    let (ended, pid) = tokio::join!(shell.run(&listen), cancel);
    let lines = ended.json(4);
    let withdrawn = json!({ "type": "withdrawn", "id": id, "reason": "cancelled" });
    assert_eq!(lines.last(), Some(&withdrawn));
    assert!(kill(Pid::from_raw(pid), None).is_err(), "it still runs");
}
