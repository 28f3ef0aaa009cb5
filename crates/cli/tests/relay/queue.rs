//! One message at a time, and looks at what waits that leave no trace.

use serde_json::json;
use tagpost_client::{State, Status, Target};

use crate::support::{
    Relay, Shell, VIEWER_KEY, connected, next, outcome, send, settled, status, until,
};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn listen_once_takes_one_message_each_time_and_loses_none() {
    // More than `MAX_ATTEMPTS`.
    const COUNT: u32 = 14;
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut ids = Vec::new();
    for number in 0..COUNT {
        ids.push(send(&sender, &camera, number).await);
    }
    let shell = Shell::of(&relay, &camera);
    for number in 0..COUNT {
        let shown = shell.run(&["listen", "--once", "--json"]).await.json(0);
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert_eq!(shown[0]["payload"], json!(number));
    }
    for id in ids {
        assert_eq!(outcome(&settled(&sender, id).await).0, State::Delivered);
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_connection_has_the_window_that_it_asks_for() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    for number in 0..3 {
        send(&sender, &camera, number).await;
    }
    let client = camera.at(&relay.url());
    let mut inbox = client.clone().max_in_flight(1).connect();
    let mut current = inbox.status();
    status(&mut current, connected).await;
    let Status::Connected(welcome) = current.borrow().clone() else {
        panic!("not connected");
    };
    assert_eq!(welcome.max_in_flight, 1);
    for left in [2, 1, 0] {
        let message = next(&mut inbox).await;
        let ask = || async {
            let status = client.device(&camera.id).await.unwrap();
            (status.in_flight, status.held)
        };
        until("one in flight", ask, |waiting| *waiting == (1, left)).await;
        message.ack().unwrap();
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_look_at_what_waits_leaves_no_trace() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    for number in 0..3 {
        send(&sender, &camera, number).await;
    }
    let image = sender.publish(Target::Device(camera.id.clone()));
    let image = image.bytes("image/png", *b"\x89PNG").wait(0);
    image.send().await.unwrap();
    let shell = Shell::of(&relay, &camera);
    let look = ["listen", "--no-ack", "--json"];
    // More often than `MAX_ATTEMPTS`.
    for _ in 0..12 {
        let shown = shell.run(&look).await.json(0);
        let payloads: Vec<_> = shown.iter().map(|message| &message["payload"]).collect();
        assert_eq!(json!(payloads), json!([0, 1, 2, "iVBORw=="]));
        for message in &shown {
            let (state, attempts) = (&message["state"], &message["attempts"]);
            assert_eq!((state, attempts), (&json!("held"), &json!(0)));
        }
    }
    let out = shell.run(&["listen", "--no-ack"]).await.code(0);
    assert!(
        out.contains(", held: 0\n") && out.ends_with(", held: 4 bytes of image/png\n"),
        "{out}"
    );
    let first = shell.run(&[&look[..], &["--once"]].concat()).await.json(0);
    assert_eq!((first.len(), &first[0]["payload"]), (1, &json!(0)));
    let peeked = shell.run(&["peek", "--limit", "1", "--json"]).await;
    assert_eq!(peeked.json(0), first);
    let operator = Shell::operator(&relay);
    let peeked = operator.run(&["peek", camera.id.as_str()]).await.code(0);
    assert_eq!(peeked, out);
    let viewer = Shell::of(&relay, &camera).with("TAGPOST_ADMIN_KEY", VIEWER_KEY);
    let peeked = viewer.run(&["peek", camera.id.as_str()]).await.code(0);
    assert!(
        peeked.lines().count() == 4 && peeked.contains(", held: 1 bytes of application/json\n"),
        "expected what waits without its payloads, but {peeked}"
    );
    let other = shell.run(&["peek", doorbell.id.as_str()]).await;
    assert!(other.err.contains("forbidden"), "{other:?}");
    other.code(1);
    let seen = relay.operator().device(&camera.id).await.unwrap();
    assert_eq!((seen.last_seen_at, seen.held), (None, 4));
    let mut inbox = camera.at(&relay.url()).connect();
    assert_eq!(next(&mut inbox).await.attempt, 1, "a look was an attempt");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_payload_is_had_back_while_the_service_has_it() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let publish = sender.publish(Target::Device(camera.id.clone()));
    let publish = publish.bytes("image/svg+xml", *b"<svg/>").wait(0);
    let id = publish.send().await.unwrap().id;
    let payload = sender.payload(id).await.unwrap();
    assert_eq!(payload.content_type, "image/svg+xml");
    assert_eq!(payload.bytes, b"<svg/>");
    let shell = Shell::of(&relay, &doorbell);
    let text = id.to_string();
    let print = ["trace", text.as_str(), "--payload"];
    assert_eq!(shell.run(&print).await.code(0), "<svg/>");
    let mut inbox = camera.at(&relay.url()).connect();
    next(&mut inbox).await.ack().unwrap();
    settled(&sender, id).await;
    let gone = shell.run(&print).await;
    assert!(gone.err.contains("payload_gone"), "{gone:?}");
    gone.code(1);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn what_waits_is_shown_page_by_page_with_payloads_only_on_request() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(send(&sender, &camera, number).await);
    }
    let operator = relay.operator();
    for payload in [false, true] {
        let (mut shown, mut after) = (Vec::new(), None);
        loop {
            let page = operator.waiting(&camera.id, 2, after.as_deref(), payload);
            let page = page.await.unwrap();
            assert!(page.entries.len() <= 2, "{page:?}");
            let has_payload = |bytes: Option<Vec<u8>>| bytes.is_some() == payload;
            assert!(
                page.entries
                    .iter()
                    .all(|it| has_payload(it.bytes().unwrap()))
            );
            shown.extend(page.entries.iter().map(|message| message.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(shown, ids);
    }
}
