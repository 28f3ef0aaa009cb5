//! A publish becomes one message, however often its request has to be made; and its receipts arrive.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tagpost_client::{
    Client, Error, EscalationStep, Expression, Grant, MessageState, State, Step, Tag, Target,
};

use crate::support::{Network, Relay, fresh, next, send, settled, status, waiting, within};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn publishes_with_the_connection_cut_in_the_middle_stay_one_message_each() {
    const COUNT: u32 = 200;
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let mut inbox = camera.at(&relay.url()).connect();

    let sender = doorbell.at(&network.url());
    let publishes = stream::iter(0..COUNT).map(|number| {
        if number % 50 == 25 {
            network.cut();
        }
        send(&sender, &camera, number)
    });
    let publishes = publishes.buffer_unordered(16).collect::<Vec<_>>();
    let take = async {
        let mut numbers = Vec::new();
        for _ in 0..COUNT {
            let message = next(&mut inbox).await;
            message.ack().unwrap();
            numbers.push(message.json::<u32>().unwrap());
        }
        numbers.sort_unstable();
        numbers
    };
    let (ids, numbers) = tokio::join!(publishes, take);

    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    assert_eq!(ids.len(), COUNT as usize);
    // Were there a message too many, it would come before this one.
    send(&sender, &camera, COUNT).await;
    assert_eq!(
        next(&mut inbox).await.json::<u32>().unwrap(),
        COUNT,
        "a publish became two messages"
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_publish_made_while_offline_is_sent_after_the_reconnect() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&network.url());

    network.down();
    let publish = send(&sender, &camera, 1);
    let back = async {
        while network.connections() == 0 {
            tokio::task::yield_now().await;
        }
        network.up();
    };
    let (id, ()) = tokio::join!(publish, back);
    let mut inbox = camera.at(&relay.url()).connect();
    assert_eq!(next(&mut inbox).await.id, id);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_publish_over_the_rate_is_sent_again() {
    let relay = Relay::start(&[("PUBLISH_RATE", 2), ("PUBLISH_BURST", 3)]);
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let impatient = sender.clone().retry_for(Duration::ZERO);
    let burst = (0..6).map(|_| {
        impatient
            .publish(Target::Device(camera.id.clone()))
            .wait(0)
            .send()
    });
    let burst = futures_util::future::join_all(burst).await;
    let refused = |answer: &Result<_, Error>| matches!(answer, Err(Error::Refused(problem)) if problem.code == "too_many_requests");
    assert!(
        burst.iter().any(refused),
        "the rate was not reached: {burst:?}"
    );

    let patient = (0..6).map(|number| send(&sender, &camera, number));
    futures_util::future::join_all(patient).await;
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_refused_publish_is_an_error_that_says_why() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let to = || sender.publish(Target::Device(camera.id.clone())).wait(0);
    let nowhere: Tag = "nobody-has-this".parse().unwrap();
    for (publish, code, named) in [
        (
            sender.publish(Target::Tag(nowhere)),
            "unknown_tag",
            "nobody-has-this",
        ),
        (to().ttl(u32::MAX), "bad_request", "TTL"),
        (
            to().bytes("no media type", "x"),
            "bad_request",
            "Content-Type",
        ),
        (
            to().text("x".repeat(262_145)),
            "payload_too_large",
            "262144",
        ),
    ] {
        match publish.send().await {
            Err(Error::Refused(problem)) => {
                assert_eq!(problem.code, code, "{problem}");
                assert!(
                    problem.detail.contains(named),
                    "{problem} does not name {named}"
                );
            }
            other => panic!("expected {code}, but {other:?}"),
        }
    }
    send(&sender, &camera, 1).await;
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_message_to_a_tag_comes_back_to_its_sender_only_if_the_sender_asks_for_it() {
    let relay = Relay::shared();
    let doorbell = relay.device().await;
    let tag = relay.tag(&[&doorbell]).await;
    let sender = doorbell.at(&relay.url());
    let publish = || sender.publish(Target::Tag(tag.clone())).text("ring");
    match publish().send().await {
        Err(Error::Refused(problem)) => {
            assert_eq!(problem.code, "unknown_tag");
            assert!(problem.detail.contains("only the sender"), "{problem}");
        }
        other => panic!("expected a refusal, but {other:?}"),
    }
    let echoed = publish().echo().wait(0).send().await.unwrap();
    let mut inbox = sender.connect();
    assert_eq!(next(&mut inbox).await.id, echoed.id);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_message_goes_to_the_devices_that_match_an_expression() {
    let relay = Relay::shared();
    let (doorbell, camera, display) = (
        relay.device().await,
        relay.device().await,
        relay.device().await,
    );
    let tag = relay.tag(&[&camera, &display]).await;
    let muted = relay.tag(&[&display]).await;
    let text = format!("{tag} & !{muted}");
    let sender = doorbell.at(&relay.url());
    let to = Target::Match(text.parse().unwrap());
    let published = sender.publish(to.clone()).wait(0).send().await.unwrap();
    let devices: Vec<_> = published.deliveries.iter().map(|it| &it.device).collect();
    assert_eq!(devices, [&camera.id]);
    let mut inbox = camera.at(&relay.url()).connect();
    let message = next(&mut inbox).await;
    assert_eq!((message.id, &message.to), (published.id, &to));
    assert_eq!(sender.trace(published.id).await.unwrap().to, to);
    let fault = format!("{tag} & ").parse::<Expression>().unwrap_err();
    assert_eq!(fault.at, tag.as_str().len() + 4);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_device_joins_a_tag_and_leaves_it() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let tag: Tag = fresh("joined").parse().unwrap();
    let grant = Grant {
        tags: vec![tag.to_string().try_into().unwrap()],
        ..Grant::default()
    };
    let granted = relay.operator().put_device(&camera.id, &grant).await;
    let receiver = Client::new(&relay.url(), &granted.unwrap().token).unwrap();
    receiver.bind(&tag, &camera.id).await.unwrap();
    let sender = doorbell.at(&relay.url());
    let publish = || {
        let publish = sender.publish(Target::Tag(tag.clone()));
        publish.text("joined").wait(0).send()
    };
    let mut inbox = receiver.connect();
    publish().await.unwrap();
    let message = next(&mut inbox).await;
    assert_eq!(message.text().unwrap(), "joined");
    message.ack().unwrap();
    receiver.unbind(&tag, &camera.id).await.unwrap();
    let refused = |error: Error| match error {
        Error::Refused(problem) => problem.code,
        other => panic!("expected a refusal, but {other:?}"),
    };
    assert_eq!(refused(publish().await.unwrap_err()), "unknown_tag");
    let other = fresh("other").parse().unwrap();
    let foreign = receiver.bind(&other, &camera.id).await;
    assert_eq!(refused(foreign.unwrap_err()), "forbidden");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn the_first_answer_wins() {
    let relay = Relay::shared();
    let sender = relay.device().await.at(&relay.url());
    let (first, other) = (relay.device().await, relay.device().await);
    let tag = relay.tag(&[&first, &other]).await;
    let (mut taken, mut ringing) = (
        first.at(&relay.url()).connect(),
        other.at(&relay.url()).connect(),
    );
    let publish = sender.publish(Target::Tag(tag));
    let publish = publish.text("pump").wait(30).acks_needed(1).send();
    let answer = async {
        // It rings at both.
        next(&mut ringing).await;
        next(&mut taken).await.reply("I go").unwrap();
    };
    let (published, ()) = tokio::join!(publish, answer);
    let published = published.unwrap();
    assert!(published.enough_at.is_some(), "{published:?}");
    for delivery in &published.deliveries {
        let (state, reason) = (delivery.state, delivery.reason.as_deref());
        let expected = match delivery.device == first.id {
            true => (State::Delivered, None),
            false => (State::Cancelled, Some("enough")),
        };
        assert_eq!((state, reason), expected, "{published:?}");
    }
    let end = send(&sender, &other, 1).await;
    assert_eq!(next(&mut ringing).await.id, end);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_message_that_nobody_takes_goes_to_the_next() {
    let relay = Relay::shared();
    let sender = relay.device().await.at(&relay.url());
    let (first, manager) = (relay.device().await, relay.device().await);
    let tag = relay.tag(&[&first]).await;
    let (mut ringing, mut taken) = (
        first.at(&relay.url()).connect(),
        manager.at(&relay.url()).connect(),
    );
    let to = Target::Device(manager.id.clone());
    let nobody = Target::Tag(fresh("nobody").parse().unwrap());
    let publish = sender.publish(Target::Tag(tag.clone())).text("pump");
    let publish = publish.wait(0).acks_needed(1).escalate(to.clone(), 1);
    let published = publish.escalate(nobody, 3_600).send().await.unwrap();
    next(&mut ringing).await;
    let message = next(&mut taken).await;
    assert_eq!(message.id, published.id);
    message.reply("I go").unwrap();
    let trace = sender.trace_within(published.id, 20).await.unwrap();
    assert!(trace.is_settled() && trace.enough_at.is_some(), "{trace:?}");
    let steps = trace.timeline.iter().filter_map(|step| match step {
        Step::Escalation(EscalationStep::Escalated { to, devices, .. }) => {
            Some((to.clone(), *devices))
        }
        Step::Delivery(_) => None,
        other => panic!("expected one step, and no other than {other:?}"),
    });
    assert_eq!(steps.collect::<Vec<_>>(), [(to.clone(), 1)]);
    let now = sender.publish(Target::Tag(tag)).escalate(to, 0).send();
    match now.await.unwrap_err() {
        Error::Refused(problem) => assert!(problem.detail.contains("Escalate"), "{problem:?}"),
        other => panic!("expected a refusal, but {other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_scheduled_message_is_handed_over_at_its_time() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut inbox = camera.at(&relay.url()).connect();
    let publish = sender.publish(Target::Device(camera.id.clone()));
    let published = publish.text("tea").delay(1).send().await.unwrap();
    assert_eq!(published.state, Some(MessageState::Scheduled));
    assert!(!published.is_settled() && published.deliveries.is_empty());
    let message = next(&mut inbox).await;
    assert_eq!(message.id, published.id);
    assert!(Some(message.sent_at) >= published.deliver_at, "{message:?}");
    message.ack().unwrap();
    let trace = sender.trace_within(published.id, 10).await.unwrap();
    assert!(trace.is_settled() && trace.state.is_none(), "{trace:?}");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_receipt_that_was_not_seen_comes_again() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut camera_inbox = camera.at(&relay.url()).connect();
    for number in [1, 2] {
        let id = send(&sender, &camera, number).await;
        next(&mut camera_inbox).await.reply(&number).unwrap();
        settled(&sender, id).await;
    }

    // The first time nothing is asked for after the first receipt, so nothing counts as seen.
    let (inbox, mut receipts) = sender.connect_with_receipts();
    let first = within("a receipt", receipts.next()).await.unwrap();
    assert_eq!(
        (first.state, first.reply.as_ref().map(|it| it.get())),
        (State::Delivered, Some("1"))
    );
    drop(receipts);
    inbox.close().await.unwrap();

    // The second time the first receipt is seen, since another is asked for after the second.
    let (inbox, mut receipts) = sender.connect_with_receipts();
    let again = within("the receipt again", receipts.next()).await.unwrap();
    assert_eq!(again.seq, first.seq);
    let second = within("a second receipt", receipts.next()).await.unwrap();
    tokio::select! {
        biased;
        third = receipts.next() => panic!("expected no third receipt, but {third:?}"),
        () = async {} => {}
    }
    inbox.close().await.unwrap();

    let id = send(&sender, &camera, 3).await;
    next(&mut camera_inbox).await.reply(&3).unwrap();
    settled(&sender, id).await;
    let (_inbox, mut receipts) = sender.connect_with_receipts();
    let third = within("a third receipt", receipts.next()).await.unwrap();
    assert!(
        third.seq > second.seq && third.id == id,
        "a receipt that was seen came again: {third:?}"
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn receipts_that_nobody_asked_for_are_kept() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&network.url());
    let inbox = sender.connect();
    let id = send(&sender, &camera, 1).await;
    let mut camera_inbox = camera.at(&relay.url()).connect();
    next(&mut camera_inbox).await.ack().unwrap();
    settled(&sender, id).await;
    network.cut();
    status(&mut inbox.status(), waiting).await;
    inbox.close().await.unwrap();

    let (_inbox, mut receipts) = sender.connect_with_receipts();
    assert_eq!(within("the receipt", receipts.next()).await.unwrap().id, id);
}
