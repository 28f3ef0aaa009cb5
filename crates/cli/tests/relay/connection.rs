//! A connection comes back by itself, unless that makes no sense.

use std::sync::Arc;
use std::time::Duration;

use tagpost_client::{Client, Error};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Network, Relay, Shell, connected, next, send, status, waiting, within};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_device_reconnects_to_a_relay_that_is_killed_and_started_again() {
    const COUNT: u32 = 60;
    let relay = Arc::new(Relay::start(&[]));
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let mut inbox = camera.at(&relay.url()).connect();
    status(&mut inbox.status(), connected).await;
    let sender = doorbell
        .at(&relay.url())
        .retry_for(Duration::from_secs(120));

    let publish = async {
        for number in 0..COUNT {
            send(&sender, &camera, number).await;
        }
    };
    let take = async {
        let (mut numbers, mut restarted) = (Vec::new(), None);
        for taken in 0..COUNT {
            let message = next(&mut inbox).await;
            message.ack().unwrap();
            numbers.push(message.json::<u32>().unwrap());
            if taken == COUNT / 2 {
                let relay = relay.clone();
                restarted = Some(tokio::task::spawn_blocking(move || {
                    relay.kill();
                    relay.restart();
                }));
            }
        }
        restarted
            .expect("never killed")
            .await
            .expect("not started again");
        numbers
    };
    let ((), numbers) = tokio::join!(publish, take);
    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_service_that_cannot_be_reached_is_waited_for() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    network.down();
    let camera = relay.device().await;
    let inbox = camera.at(&network.url()).connect();
    status(&mut inbox.status(), waiting).await;
    network.up();
    status(&mut inbox.status(), connected).await;
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_says_that_it_has_lost_its_connection_and_that_it_is_back() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let camera = relay.device().await;
    let shell = Shell::of(&relay, &camera).with("TAGPOST_URL", network.url());
    let mut child = shell.start(&["listen"]);
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut note = async || within("a note", notes.next_line()).await.unwrap().unwrap();
    assert_eq!(note().await, format!("listening as {}", camera.id));
    network.cut();
    let waits = note().await;
    assert!(waits.contains("; trying again in "), "{waits}");
    assert_eq!(note().await, format!("connected again as {}", camera.id));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_silent_connection_is_replaced() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let mut inbox = camera.at(&network.url()).connect();
    status(&mut inbox.status(), connected).await;

    network.freeze();
    status(&mut inbox.status(), waiting).await;
    status(&mut inbox.status(), connected).await;
    assert_eq!(network.connections(), 2);
    send(&doorbell.at(&relay.url()), &camera, 1).await;
    assert_eq!(next(&mut inbox).await.json::<u32>().unwrap(), 1);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_token_that_is_refused_is_an_error() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let camera = relay.device().await;
    relay.operator().revoke_tokens(&camera.id).await.unwrap();
    let revoked = camera.at(&network.url());
    let forged = Client::new(&network.url(), "eyJhbGciOiJIUzI1NiJ9.e30.AAAA").unwrap();
    for (client, handshakes) in [(revoked, 1), (forged, 2)] {
        let mut inbox = client.connect();
        match within("the end", inbox.next()).await {
            Some(Err(Error::Refused(problem))) => assert_eq!(problem.code, "unauthorized"),
            other => panic!("expected a refusal, but {other:?}"),
        }
        assert!(within("the end", inbox.next()).await.is_none());
        assert_eq!(network.connections(), handshakes);
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_token_revoked_while_connected_is_an_error_and_not_a_loop() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let camera = relay.device().await;
    let mut inbox = camera.at(&network.url()).connect();
    status(&mut inbox.status(), connected).await;

    relay.operator().revoke_tokens(&camera.id).await.unwrap();
    let end = within("the end", inbox.next()).await;
    assert!(
        matches!(end, Some(Err(Error::TokenEnded))),
        "expected TokenEnded, but {end:?}"
    );
    assert!(within("the end", inbox.next()).await.is_none());
    assert_eq!(network.connections(), 1, "it connected again");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_second_connection_takes_over_without_a_ping_pong() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let mut first = camera.at(&network.url()).connect();
    status(&mut first.status(), connected).await;
    let mut second = camera.at(&network.url()).connect();
    status(&mut second.status(), connected).await;

    let end = within("the end", first.next()).await;
    assert!(
        matches!(end, Some(Err(Error::TakenOver))),
        "expected TakenOver, but {end:?}"
    );
    assert!(within("the end", first.next()).await.is_none());
    send(&doorbell.at(&relay.url()), &camera, 1).await;
    next(&mut second).await.ack().unwrap();
    assert_eq!(network.connections(), 2, "one of them connected again");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn closing_brings_the_last_answer_to_the_service() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let id = send(&sender, &camera, 1).await;
    let mut inbox = camera.at(&relay.url()).connect();
    next(&mut inbox).await.ack().unwrap();
    within("the inbox to close", inbox.close()).await.unwrap();
    // Nobody is there any more who could acknowledge it.
    crate::support::settled(&sender, id).await;
}
