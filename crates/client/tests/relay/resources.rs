//! Memory stays bounded, and nothing is lost for it.
//!
//! That a wrong clock changes nothing needs no test: the library has no clock, which clippy.toml sees to.

use tagpost_client::Target;

use crate::support::{Relay, next, until};

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
