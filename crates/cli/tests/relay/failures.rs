//! What has failed is listed, and sent again: by the library and the command.

use serde_json::json;
use tagpost_client::{Client, Error, FailureFilter, State};

use crate::support::{ADMIN_KEY, Relay, Shell, next, send, settled, until};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn what_has_failed_is_found_and_sent_again_once() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut inbox = camera.at(&relay.url()).connect();
    let id = send(&sender, &camera, 7).await;
    next(&mut inbox).await.nack("busy").unwrap();
    settled(&sender, id).await;

    let operator = Client::new(&relay.url(), ADMIN_KEY).unwrap();
    let filter = FailureFilter {
        since: Some(1),
        state: Some(State::Rejected),
        sender: Some(doorbell.id.clone()),
        ..FailureFilter::default()
    };
    let list = || async { operator.failures(&filter, 10, None).await.unwrap().entries };
    let listed = until("the failure", list, |found| !found.is_empty()).await;
    assert_eq!((listed[0].id, &listed[0].device), (id, &camera.id));
    assert_eq!(listed[0].reason.as_deref(), Some("busy"));

    let key = "once".parse().unwrap();
    let devices = [camera.id.clone()];
    let (again, message) = tokio::join!(sender.resend(id, &devices, Some(&key)), next(&mut inbox));
    let again = again.unwrap();
    assert_eq!((again.resend_of, message.id), (Some(id), again.id));
    message.ack().unwrap();
    let repeated = sender.resend(id, &devices, Some(&key)).await.unwrap();
    assert_eq!(repeated.id, again.id);
    settled(&sender, again.id).await;
    assert_eq!(sender.trace(id).await.unwrap().resent_as, [again.id]);
    match sender.resend(again.id, &[], None).await.unwrap_err() {
        Error::Refused(problem) => assert_eq!(problem.code, "nothing_failed"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn the_command_lists_failures_and_sends_again() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut inbox = camera.at(&relay.url()).connect();
    let id = send(&sender, &camera, 8).await;
    next(&mut inbox).await.nack("busy").unwrap();
    settled(&sender, id).await;

    let operator = Shell::operator(&relay);
    let name = doorbell.id.to_string();
    let failures = ["failures", "--since", "1h", "--sender", &name];
    let list = || async { operator.run(&failures).await.code(0) };
    let listed = until("the failure", list, |listed| {
        listed.contains(&id.to_string())
    })
    .await;
    for part in ["rejected", camera.id.as_str(), name.as_str(), "busy"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let listed = operator.run(&[&failures[..], &["--json"]].concat()).await;
    let listed = listed.json(0);
    assert_eq!(listed[0]["state"], json!("rejected"));
    let none = [&failures[..], &["--state", "expired"]].concat();
    assert!(operator.run(&none).await.err.contains("No failures"));
    operator
        .run(&["failures", "--state", "delivered"])
        .await
        .code(2);

    let shell = Shell::of(&relay, &doorbell);
    let text = id.to_string();
    let resend = ["resend", &text, "--device", camera.id.as_str(), "--follow"];
    let (ended, ()) = tokio::join!(shell.run(&resend), async {
        next(&mut inbox).await.ack().unwrap();
    });
    assert!(ended.code(0).contains("delivered"));
}
