//! Messages arrive once and in order, and their answers arrive too, whatever the network does.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use tagpost_client::{Error, State, Target};

use crate::support::{
    Network, Relay, connected, next, outcome, send, settled, status, until, waiting, within,
};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_publish_is_answered_with_the_reply_of_the_device() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let tag = relay.tag(&[&camera]).await;
    let mut inbox = camera.at(&relay.url()).connect();
    status(&mut inbox.status(), connected).await;

    let doorbell = doorbell.at(&relay.url());
    let publish = doorbell
        .publish(Target::Tag(tag))
        .json(&json!({ "ring": true }))
        .unwrap();
    let answer = async {
        let message = next(&mut inbox).await;
        message.reply(&json!({ "opened": true })).unwrap();
        message
    };
    let (published, message) = tokio::join!(publish.wait(20).send(), answer);

    let published = published.unwrap();
    assert_eq!(
        outcome(&published),
        (State::Delivered, Some(r#"{"opened":true}"#.to_owned()))
    );
    assert_eq!((message.id, message.attempt), (published.id, 1));
    assert_eq!(message.json::<Value>().unwrap(), json!({ "ring": true }));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_rejected_message_carries_its_reason() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let mut inbox = camera.at(&relay.url()).connect();
    status(&mut inbox.status(), connected).await;

    let doorbell = doorbell.at(&relay.url());
    let publish = doorbell
        .publish(Target::Device(camera.id.clone()))
        .wait(20)
        .send();
    let (published, ()) = tokio::join!(publish, async {
        next(&mut inbox).await.nack("not at home").unwrap();
    });
    assert_eq!(
        outcome(&published.unwrap()),
        (State::Rejected, Some("not at home".to_owned()))
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn payloads_arrive_as_they_were_sent() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let doorbell = doorbell.at(&relay.url());
    let to = || doorbell.publish(Target::Device(camera.id.clone())).wait(0);

    let values = [
        json!({ "a": [1, null] }),
        json!([]),
        json!(null),
        json!(7),
        json!("text"),
    ];
    for value in &values {
        to().json(value).unwrap().send().await.unwrap();
    }
    to().text("it \"rings\"\n\u{1F514}").send().await.unwrap();
    to().bytes("image/png", [0x89, 0xff, 0])
        .send()
        .await
        .unwrap();

    let mut inbox = camera.at(&relay.url()).connect();
    for value in values {
        let message = next(&mut inbox).await;
        assert_eq!(message.content_type, "application/json");
        assert_eq!(message.json::<Value>().unwrap(), value);
    }
    assert_eq!(
        next(&mut inbox).await.text().unwrap(),
        "it \"rings\"\n\u{1F514}"
    );
    let image = next(&mut inbox).await;
    assert_eq!(
        (image.content_type.as_str(), image.bytes().unwrap()),
        ("image/png", vec![0x89, 0xff, 0])
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_flood_with_the_connection_cut_in_the_middle_is_shown_once_each_and_in_order() {
    const COUNT: u32 = 300;
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let mut inbox = camera.at(&network.url()).connect();
    status(&mut inbox.status(), connected).await;

    let sender = doorbell.at(&relay.url());
    let flood = async {
        for number in 0..COUNT {
            send(&sender, &camera, number).await;
        }
    };
    let take = async {
        let (mut numbers, mut unanswered) = (Vec::new(), VecDeque::new());
        for taken in 0..COUNT {
            let message = next(&mut inbox).await;
            numbers.push(message.json::<u32>().unwrap());
            unanswered.push_back(message);
            // So that some are being worked on whenever the network is cut.
            if unanswered.len() > 4 {
                unanswered.pop_front().unwrap().ack().unwrap();
            }
            if taken == 50 || taken == 120 || taken == 200 {
                network.cut();
            }
        }
        for message in unanswered {
            message.ack().unwrap();
        }
        numbers
    };
    let ((), numbers) = tokio::join!(flood, take);

    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    assert!(network.connections() >= 4, "the network was not cut");
    let states = || async {
        let messages = sender.messages(None, 1_000, None).await.unwrap().messages;
        let mut states = BTreeMap::new();
        for message in &messages {
            *states.entry(outcome(message).0).or_insert(0) += 1;
        }
        states
    };
    let all = BTreeMap::from([(State::Delivered, COUNT)]);
    until("every delivery to be delivered", states, |states| {
        *states == all
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn an_answer_given_while_offline_arrives_after_the_reconnect() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let id = send(&sender, &camera, 1).await;
    let mut inbox = camera.at(&network.url()).connect();
    let message = next(&mut inbox).await;

    network.down();
    status(&mut inbox.status(), waiting).await;
    message.reply("while offline").unwrap();
    network.up();

    let trace = settled(&sender, id).await;
    assert_eq!(
        outcome(&trace),
        (State::Delivered, Some(r#""while offline""#.to_owned()))
    );
    send(&sender, &camera, 2).await;
    assert_eq!(
        next(&mut inbox).await.json::<u32>().unwrap(),
        2,
        "the message was shown again"
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_lost_answer_is_sent_again() {
    let relay = Relay::shared();
    let mut network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let id = send(&sender, &camera, 1).await;
    let mut inbox = camera.at(&network.url()).connect();
    let message = next(&mut inbox).await;

    network.mute();
    message.reply("said once").unwrap();
    // What counts is the first answer.
    message.nack("on second thoughts").unwrap();
    network.swallowed().await;
    network.cut();

    let trace = settled(&sender, id).await;
    assert_eq!(
        outcome(&trace),
        (State::Delivered, Some(r#""said once""#.to_owned()))
    );
    assert!(
        trace.deliveries[0].attempts > 1,
        "the answer was not lost: {trace:?}"
    );
    send(&sender, &camera, 2).await;
    assert_eq!(
        next(&mut inbox).await.json::<u32>().unwrap(),
        2,
        "the message was shown again"
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn an_answer_that_the_service_refuses_is_an_error_and_another_may_be_given() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let id = send(&sender, &camera, 1).await;
    let mut inbox = camera.at(&network.url()).connect();
    let message = next(&mut inbox).await;

    network.garble(true);
    message.ack().unwrap();
    match within("an error", inbox.next()).await {
        Some(Err(Error::AnswerRefused {
            id: refused,
            detail,
        })) => {
            assert!(refused == id && detail.contains("id must"), "{detail}");
        }
        other => panic!("expected a refusal, but {other:?}"),
    }
    network.garble(false);
    message.reply("once more").unwrap();
    let trace = settled(&sender, id).await;
    let delivered = (State::Delivered, Some(r#""once more""#.to_owned()));
    assert_eq!(outcome(&trace), delivered);

    send(&sender, &camera, 2).await;
    let message = next(&mut inbox).await;
    network.garble(true);
    message.ack().unwrap();
    let closed = within("the inbox to close", inbox.close()).await;
    assert!(
        matches!(&closed, Err(Error::AnswerRefused { id, .. }) if *id == message.id),
        "{closed:?}"
    );
}
