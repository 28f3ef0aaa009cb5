//! Memory stays bounded, and nothing is lost for it; the device's clock decides nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use tagpost_client::{State, Target};

use crate::support::{Network, Relay, connected, next, outcome, status, until, within};

const DAY: i64 = 86_400_000;

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_slow_consumer_holds_no_more_than_the_window() {
    const COUNT: u32 = 200;
    const WINDOW: u32 = 8;
    let relay = Relay::start(&[("MAX_IN_FLIGHT", WINDOW)]);
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    for number in 0..COUNT {
        let payload = format!("{number} {}", "x".repeat(65_536));
        let publish = sender
            .publish(Target::Device(camera.id.clone()))
            .text(payload);
        publish.wait(0).send().await.unwrap();
    }

    let client = camera.at(&relay.url());
    let mut inbox = client.connect();
    for number in 0..COUNT {
        let message = next(&mut inbox).await;
        assert!(
            message.text().unwrap().starts_with(&format!("{number} ")),
            "out of order at {number}"
        );
        if number % 50 == 0 {
            // The application is slow here: what it has not taken must neither be acknowledged nor fetched.
            let left = COUNT - number;
            let ask = || async {
                let status = client.device(&camera.id).await.unwrap();
                (status.held, status.in_flight)
            };
            let full = (left - WINDOW.min(left), WINDOW.min(left));
            until("a full window and the rest held", ask, |waiting| {
                *waiting == full
            })
            .await;
        }
        message.ack().unwrap();
    }
    let ask = || async { client.device(&camera.id).await.unwrap().in_flight };
    until("nothing in flight", ask, |in_flight| *in_flight == 0).await;
}

#[tokio::test]
#[ignore = "needs the built Worker"]
#[expect(
    clippy::disallowed_methods,
    reason = "the test looks at the clock that the library must not look at"
)]
async fn a_clock_that_is_wrong_changes_nothing() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    // The client's clock is a day behind the service's, then a day ahead.
    for shift in [DAY, -DAY] {
        network.shift(shift);
        let (doorbell, camera) = (relay.device().await, relay.device().await);
        let sender = doorbell.at(&network.url());
        let mut inbox = camera.at(&network.url()).connect();
        let (outbox, mut receipts) = sender.connect_with_receipts();
        status(&mut inbox.status(), connected).await;
        status(&mut outbox.status(), connected).await;

        let publish = sender.publish(Target::Device(camera.id.clone()));
        let publish = publish.text("fast").ttl(60).wait(20);
        let (published, message) = tokio::join!(publish.send(), async {
            let message = next(&mut inbox).await;
            message.reply("at once").unwrap();
            message
        });
        let off = message.sent_at - now - shift;
        assert!(off.abs() < DAY / 24, "the clock is right: {message:?}");
        let at_once = (State::Delivered, Some(r#""at once""#.to_owned()));
        assert_eq!(outcome(&published.unwrap()), at_once);

        let publish = sender.publish(Target::Device(camera.id.clone()));
        let id = publish.text("slow").ttl(60).wait(0).send().await;
        next(&mut inbox).await.reply("later").unwrap();
        let receipt = within("a receipt", receipts.next()).await.unwrap();
        assert_eq!(
            (receipt.id, receipt.state),
            (id.unwrap().id, State::Delivered)
        );
    }
}
