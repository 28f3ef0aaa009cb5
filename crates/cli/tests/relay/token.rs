//! A token that a function gives: renewed before it ends and when the service refuses it, and no more often than that.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::try_join_all;
use tagpost_client::{Client, DeviceId, Error, Grant, NoToken, Status, Target};
use tagpost_core::token::{Claims, mint};
use tokio::sync::{Mutex, mpsc};

use crate::support::{Device, Network, Relay, TOKEN_KEY, connected, next, send, status, within};

/// A token function that gives what the test says, in turn, and waits for that.
struct Source {
    answers: mpsc::UnboundedSender<Result<String, NoToken>>,
    asked: Arc<AtomicU32>,
}

impl Source {
    /// A client with such a function, which is told the `answers` first.
    fn at(url: &str, answers: impl IntoIterator<Item = String>) -> (Self, Client) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        let client = Client::with_tokens(url, move || {
            count.fetch_add(1, Ordering::SeqCst);
            let receiver = receiver.clone();
            async move {
                receiver
                    .lock()
                    .await
                    .recv()
                    .await
                    .expect("the test goes on")
            }
        });
        let source = Self {
            answers: sender,
            asked,
        };
        for answer in answers {
            source.gives(Ok(answer));
        }
        (source, client.expect("no client"))
    }

    fn gives(&self, answer: Result<String, NoToken>) {
        self.answers.send(answer).expect("the client is gone");
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A token of the device that was issued `age` seconds ago for `lifetime` seconds.
fn minted(device: &DeviceId, age: i64, lifetime: i64, key: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the service has the same clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let issued_at = i64::try_from(now.as_secs()).unwrap() - age;
    let claims = Claims {
        device: device.clone(),
        issued_at,
        expires_at: Some(issued_at + lifetime),
        publish: None,
        tags: vec![],
        revocations: None,
        webhook: false,
        id: None,
    };
    mint(&claims, key.as_bytes()).expect("a token")
}

fn expired(device: &Device) -> String {
    minted(&device.id, 60, 30, TOKEN_KEY)
}

/// Tokens signed with a key that the service does not know.
fn forged(device: &Device) -> [String; 3] {
    let key = "not the key of this service at all";
    [1, 2, 3].map(|age| minted(&device.id, age, 3_600, key))
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_token_is_renewed_before_it_ends() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let asked = Arc::new(AtomicU32::new(0));
    let (count, device) = (asked.clone(), camera.id.clone());
    let client = Client::with_tokens(&network.url(), move || {
        count.fetch_add(1, Ordering::SeqCst);
        let token = minted(&device, 0, 6, TOKEN_KEY);
        async { Ok(token) }
    });
    let mut inbox = client.unwrap().connect();
    let mut current = inbox.status();
    status(&mut current, connected).await;
    current.mark_unchanged();
    let mut renewals = 0;
    while renewals < 2 {
        within("a renewal", current.changed()).await.unwrap();
        match &*current.borrow_and_update() {
            Status::Connected(_) => renewals += 1,
            Status::Waiting { why, .. } => panic!("it is offline: {why}"),
            _ => {}
        }
    }
    assert_eq!(
        (asked.load(Ordering::SeqCst), network.connections()),
        (3, 3)
    );
    send(&doorbell.at(&relay.url()), &camera, 1).await;
    assert_eq!(next(&mut inbox).await.json::<u32>().unwrap(), 1);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_token_revoked_while_connected_is_replaced() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let (source, client) = Source::at(&relay.url(), [camera.token.clone()]);
    let mut inbox = client.connect();
    status(&mut inbox.status(), connected).await;

    let operator = relay.operator();
    operator.revoke_tokens(&camera.id).await.unwrap();
    status(&mut inbox.status(), |status| !connected(status)).await;
    let created = operator.put_device(&camera.id, &Grant::default()).await;
    source.gives(Ok(created.unwrap().token));
    status(&mut inbox.status(), connected).await;
    send(&doorbell.at(&relay.url()), &camera, 1).await;
    assert_eq!(next(&mut inbox).await.json::<u32>().unwrap(), 1);
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_handshake_whose_token_is_refused_is_repeated_with_a_new_one() {
    let relay = Relay::shared();
    let camera = relay.device().await;
    let answers = [expired(&camera), camera.token.clone()];
    let (source, client) = Source::at(&relay.url(), answers);
    let inbox = client.connect();
    status(&mut inbox.status(), connected).await;
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_new_token_that_is_refused_too_ends_it() {
    let relay = Relay::shared();
    let camera = relay.device().await;
    let (source, client) = Source::at(&relay.url(), forged(&camera));
    let mut inbox = client.connect();
    match within("the end", inbox.next()).await {
        Some(Err(Error::Refused(problem))) => assert_eq!(problem.code, "unauthorized"),
        other => panic!("expected a refusal, but {other:?}"),
    }
    assert!(within("the end", inbox.next()).await.is_none());
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_function_that_fails_is_asked_again_until_it_says_that_nobody_is_signed_in() {
    let relay = Relay::shared();
    let camera = relay.device().await;
    let (source, client) = Source::at(&relay.url(), []);
    let mut inbox = client.connect();
    for (answer, expected) in [
        (
            Err(NoToken::for_now("the backend is away")),
            "the backend is away",
        ),
        (Ok("no token".to_owned()), "something that is no token"),
    ] {
        source.gives(answer);
        let says = |status: &Status| matches!(status, Status::Waiting { why, .. } if why.contains(expected));
        status(&mut inbox.status(), says).await;
    }
    source.gives(Ok(camera.token.clone()));
    status(&mut inbox.status(), connected).await;

    relay.operator().revoke_tokens(&camera.id).await.unwrap();
    source.gives(Err(NoToken::for_good("signed out")));
    let end = within("the end", inbox.next()).await;
    assert!(
        matches!(&end, Some(Err(Error::NoFurtherToken(why))) if why == "signed out"),
        "expected its end, but {end:?}"
    );
    assert_eq!(source.asked(), 4);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_request_whose_token_is_refused_is_made_again_once_with_a_new_one() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let answers = [expired(&doorbell), doorbell.token.clone()];
    let (source, client) = Source::at(&relay.url(), answers);
    let publish = |number: u32| {
        let publish = client.publish(Target::Device(camera.id.clone()));
        publish.json(&number).expect("a number").wait(0).send()
    };
    let published = within("the publishes", try_join_all([1, 2, 3].map(publish))).await;
    let ids: HashSet<_> = published
        .unwrap()
        .iter()
        .map(|message| message.id)
        .collect();
    assert_eq!((ids.len(), source.asked()), (3, 2));
    let held = relay.operator().device(&camera.id).await.unwrap().held;
    assert_eq!(held, 3);

    let (source, client) = Source::at(&relay.url(), forged(&doorbell));
    let publish = client.publish(Target::Device(camera.id.clone()));
    match within("the publish", publish.text("x").send()).await {
        Err(Error::Refused(problem)) => assert_eq!(problem.status, 401),
        other => panic!("expected a refusal, but {other:?}"),
    }
    assert_eq!(source.asked(), 2);
}
