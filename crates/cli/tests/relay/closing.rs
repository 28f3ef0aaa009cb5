//! Closing wins, whatever the connection is doing and whatever the network does.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tagpost_client::Inbox;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr};
use tokio::time::timeout;

use crate::support::{
    Device, Network, Relay, Shell, connected, next, send, status, until, waiting, within,
};

/// Far less than any other time limit of the client. That it is 5 s is shown where the time is simulated, in
/// `src/connection/tests.rs`; here the machine may be busy.
const SOON: Duration = Duration::from_secs(10);

/// What a connection is doing when it is closed.
#[derive(Debug, Clone, Copy)]
enum State {
    /// It is there, and works.
    Online,
    /// The network swallows everything.
    Frozen,
    /// It is being made, on a network that swallows everything.
    Handshake,
    /// It was lost, and the next attempt has to wait.
    Pause,
    /// It was lost, and is being made again on a network that swallows everything.
    Reconnect,
}

const STATES: [State; 5] = [
    State::Online,
    State::Frozen,
    State::Handshake,
    State::Pause,
    State::Reconnect,
];

/// Brings a network and the inbox over it into a state.
async fn bring(network: &Network, device: &Device, state: State) -> Inbox {
    if matches!(state, State::Handshake) {
        network.swallow_all();
        let inbox = device.at(&network.url()).connect();
        until("a handshake", async || network.connections(), |n| *n > 0).await;
        return inbox;
    }
    let inbox = device.at(&network.url()).connect();
    status(&mut inbox.status(), connected).await;
    match state {
        State::Frozen => network.swallow_all(),
        State::Pause => {
            network.down();
            status(&mut inbox.status(), waiting).await;
        }
        State::Reconnect => {
            network.swallow_all();
            network.cut();
            until("a handshake", async || network.connections(), |n| *n > 1).await;
        }
        State::Online | State::Handshake => {}
    }
    inbox
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn closing_wins_in_every_state() {
    let relay = Relay::shared();
    for state in STATES {
        let network = Network::to(relay.port()).await;
        let camera = relay.device().await;
        let inbox = bring(&network, &camera, state).await;
        let closed = timeout(SOON, inbox.close()).await;
        let closed = closed.unwrap_or_else(|_| panic!("{state:?}: still open after {SOON:?}"));
        // Where the service did not say that it has read everything, that is told.
        assert_eq!(
            closed.is_err(),
            matches!(state, State::Frozen),
            "{state:?}: {closed:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_dropped_inbox_never_comes_back() {
    let relay = Relay::shared();
    for state in STATES {
        let network = Network::to(relay.port()).await;
        let camera = relay.device().await;
        let inbox = bring(&network, &camera, state).await;
        let mut dropped = inbox.status();
        drop(inbox);
        // Its last word on how it is comes with its end.
        let ended = async { while dropped.changed().await.is_ok() {} };
        let ended = timeout(SOON, ended).await;
        assert!(ended.is_ok(), "{state:?}: it goes on after {SOON:?}");
        network.up();
        network.thaw();

        let (mut inbox, connections) = (camera.at(&network.url()).connect(), network.connections());
        status(&mut inbox.status(), connected).await;
        send(&relay.device().await.at(&relay.url()), &camera, 1).await;
        next(&mut inbox).await.ack().unwrap();
        assert_eq!(network.connections(), connections + 1, "{state:?}");
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn an_answer_that_did_not_get_through_is_told_at_the_close() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    send(&doorbell.at(&relay.url()), &camera, 1).await;
    let mut inbox = camera.at(&network.url()).connect();
    let message = next(&mut inbox).await;
    network.down();
    status(&mut inbox.status(), waiting).await;
    message.ack().unwrap();
    let closed = within("the inbox to close", inbox.close()).await;
    assert!(closed.is_err(), "the answer counts as given");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn an_answer_lost_on_the_wire_is_told_at_the_close() {
    let relay = Relay::shared();
    let mut network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    send(&doorbell.at(&relay.url()), &camera, 1).await;
    let mut inbox = camera.at(&network.url()).connect();
    let message = next(&mut inbox).await;
    network.mute();
    message.ack().unwrap();
    network.swallowed().await;
    network.down();
    status(&mut inbox.status(), waiting).await;
    let closed = within("the inbox to close", inbox.close()).await;
    assert!(closed.is_err(), "the answer counts as given");
}

/// A command that listens, once it says so, or once it is on its way to.
async fn listening(network: &Network, device: &Device, state: State, exec: &[&str]) -> Listening {
    let shell = Shell::new()
        .with("TAGPOST_URL", network.url())
        .with("TAGPOST_TOKEN", &device.token);
    if matches!(state, State::Handshake) {
        network.swallow_all();
    }
    let mut child = shell.start(&[&["listen"], exec].concat());
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut note = async |what: &str| {
        let note = within(what, notes.next_line()).await.unwrap().unwrap();
        assert!(note.contains(what), "expected {what}, but {note}");
    };
    if matches!(state, State::Handshake) {
        until("a handshake", async || network.connections(), |n| *n > 0).await;
        return Listening { child, notes };
    }
    note("listening as").await;
    match state {
        State::Frozen => network.swallow_all(),
        State::Pause => {
            network.down();
            note("trying again").await;
        }
        State::Reconnect => {
            network.swallow_all();
            network.cut();
            until("a handshake", async || network.connections(), |n| *n > 1).await;
        }
        State::Online | State::Handshake => {}
    }
    Listening { child, notes }
}

/// The command `tagpost listen`, and somebody who reads what it says.
struct Listening {
    child: Child,
    notes: Lines<BufReader<ChildStderr>>,
}

fn tell(child: &Child, signal: Signal) {
    let id = child.id().unwrap().try_into().unwrap();
    kill(Pid::from_raw(id), signal).unwrap();
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_signal_ends_listen_in_every_state() {
    let relay = Relay::shared();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        for state in STATES {
            let network = Network::to(relay.port()).await;
            let camera = relay.device().await;
            let Listening {
                mut child,
                notes: _notes,
            } = listening(&network, &camera, state, &[]).await;
            tell(&child, signal);
            let ended = timeout(SOON, child.wait()).await;
            let ended = ended.unwrap_or_else(|_| panic!("{state:?}, {signal}: it goes on"));
            assert_eq!(ended.unwrap().code(), Some(0), "{state:?}, {signal}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_second_signal_does_not_wait_for_the_network() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let camera = relay.device().await;
    let Listening {
        mut child,
        mut notes,
    } = listening(&network, &camera, State::Frozen, &[]).await;
    let before = network.swallowed_so_far();
    tell(&child, Signal::SIGINT);
    // The close is under way, and is not answered.
    let swallowed = async || network.swallowed_so_far();
    until("the close to be said", swallowed, |bytes| *bytes > before).await;
    tell(&child, Signal::SIGINT);
    within("it to end", child.wait()).await.unwrap();
    // Who waits for the close is told that it was not answered.
    let note = within("the end of the notes", notes.next_line())
        .await
        .unwrap();
    assert_eq!(note, None);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_signal_ends_the_command_that_works_on_a_message() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::new();
    let (started, ended) = (
        shell.home.path().join("started"),
        shell.home.path().join("ended"),
    );
    let script = format!(
        "trap 'touch {}; exit' TERM; touch {}; {}",
        ended.display(),
        started.display(),
        shell.while_here()
    );
    let Listening {
        mut child,
        notes: _notes,
    } = listening(&network, &camera, State::Online, &["--exec", &script]).await;
    send(&doorbell.at(&relay.url()), &camera, 1).await;
    until("the command to start", async || started.exists(), |it| *it).await;
    tell(&child, Signal::SIGTERM);
    let status = within("it to end", child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    until("the command to end", async || ended.exists(), |it| *it).await;
    let device = camera.at(&relay.url()).device(&camera.id).await.unwrap();
    assert_eq!(
        device.held + device.in_flight,
        1,
        "the message is not there for the next"
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_command_that_does_not_end_when_told_to_does_not_outlive_listen() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::new();
    let started = shell.home.path().join("started");
    let script = format!(
        "trap '' TERM; echo $$ > {0}.new; mv {0}.new {0}; {1}",
        started.display(),
        shell.while_here()
    );
    let Listening {
        mut child,
        notes: _notes,
    } = listening(&network, &camera, State::Online, &["--exec", &script]).await;
    send(&doorbell.at(&relay.url()), &camera, 1).await;
    until("the command to start", async || started.exists(), |it| *it).await;
    let command = std::fs::read_to_string(started).unwrap();
    let command = Pid::from_raw(command.trim().parse().unwrap());
    tell(&child, Signal::SIGTERM);
    let status = within("it to end", child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(kill(command, None).is_err(), "the command goes on");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_signal_ends_a_send_that_follows_and_what_is_open_is_told() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::new()
        .with("TAGPOST_URL", relay.url())
        .with("TAGPOST_TOKEN", &doorbell.token);
    let at_camera = format!("@{}", camera.id);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut child = shell.start(&["send", &at_camera, "--follow", "--wait=0", "hello"]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
        let id = within("the id", lines.next_line()).await.unwrap().unwrap();
        tell(&child, signal);
        let open = within("what is open", lines.next_line()).await.unwrap();
        let open = open.unwrap_or_else(|| panic!("{signal}: nothing was told"));
        assert!(open.starts_with("held ") && open.contains(camera.id.as_str()));
        let note = within("how to go on", notes.next_line()).await.unwrap();
        assert!(
            note.unwrap()
                .contains(&format!("tagpost trace {id} --follow"))
        );
        let status = within("it to end", child.wait()).await.unwrap();
        assert_eq!(status.code(), Some(3), "{signal}");
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_send_that_was_ended_before_its_answer_is_repeated_without_a_second_message() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::new().with("TAGPOST_TOKEN", &doorbell.token);
    let at_camera = format!("@{}", camera.id);
    let url = network.url();
    let send = ["send", "--url", &url, &at_camera, "--wait=30s", "hello"];
    let mut inbox = camera.at(&relay.url()).connect();
    let mut child = shell.start(&send);
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    // It has arrived, and its answer is not there yet.
    let message = next(&mut inbox).await;
    tell(&child, Signal::SIGINT);
    within("the error", notes.next_line()).await.unwrap();
    let advice = within("the advice", notes.next_line()).await.unwrap();
    let advice = advice.unwrap();
    let (_, key) = advice.split_once("--key ").unwrap();
    let (key, _) = key.split_once(' ').unwrap();
    let status = within("it to end", child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(1));
    message.ack().unwrap();
    let again = [&send[..], &["--key", key, "--json"]].concat();
    let again = shell.run(&again).await.json(0);
    assert_eq!(again[0]["id"], serde_json::json!(message.id));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_signal_ends_a_send_that_follows_on_a_frozen_network() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let shell = Shell::new()
        .with("TAGPOST_URL", network.url())
        .with("TAGPOST_TOKEN", &doorbell.token);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let before = network.connections();
        let mut child = shell.start(&["send", "--to-device", camera.id.as_str(), "-f", "hello"]);
        until("a request", async || network.connections(), |n| *n > before).await;
        network.swallow_all();
        tell(&child, signal);
        let ended = timeout(SOON, child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{signal}: it goes on"));
        let status = ended.unwrap();
        assert_ne!(status.code(), Some(0), "{signal}: it says that it is done");
        network.thaw();
    }
}
