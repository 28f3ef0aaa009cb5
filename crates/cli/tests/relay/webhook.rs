//! `tagpost webhook`, and with it what the library does of webhooks.

use std::fs;
use std::time::SystemTime;

use serde_json::json;
use tagpost_client::{Secret, State};

use crate::support::{Receiver, Relay, Shell, outcome, send, settled};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_webhook_is_set_shown_tried_and_removed() {
    let relay = Relay::shared();
    let backend = relay.device().await;
    let mut receiver = Receiver::start().await;
    let (id, url) = (backend.id.as_str(), receiver.url.clone());
    let shell = Shell::operator(&relay);
    let webhook = async |rest: &[&str]| shell.run(&[&["webhook"], rest].concat()).await;

    let unset = webhook(&["show", id]).await;
    assert!(unset.err.contains("unknown_webhook"), "{unset:?}");
    unset.code(1);
    let set = ["set", id, &url, "--events", "receipt,message"];
    let set = webhook(&[&set[..], &["--max-in-flight=2", "--timeout=9"]].concat()).await;
    assert!(
        set.out.starts_with("whsec_") && set.out.lines().count() == 1,
        "expected the secret alone, but {set:?}"
    );
    assert!(
        set.err.contains("tagpost webhook rotate") && !set.err.contains("whsec_"),
        "{set:?}"
    );
    let secret = set.code(0);
    let shown = webhook(&["show", id]).await.code(0);
    let expected = format!("{url}  messages and receipts, 2 at a time, 9 s to answer\n");
    assert_eq!(shown, expected);
    let shown = webhook(&["show", id, "--json"]).await.json(0);
    assert_eq!(shown[0]["events"], json!(["message", "receipt"]));

    let tried = webhook(&["test", id]).await.code(0);
    assert!(tried.starts_with("204 after "), "{tried}");
    receiver.next().await;
    receiver.answer(500);
    let tried = webhook(&["test", id]).await.code(4);
    assert!(tried.starts_with("500 after "), "{tried}");
    drop(receiver);
    let tried = webhook(&["test", id]).await.code(4);
    assert_eq!(tried, "no answer: connect\n");
    let shown = webhook(&["show", id]).await.code(0);
    for line in [
        "test  204 after",
        "test  500 after",
        "test  no answer: connect",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }

    let rotated = webhook(&["rotate", id]).await.code(0);
    assert!(rotated.starts_with("whsec_") && rotated != secret);
    let again = webhook(&["set", id, &url, "--events", "receipt"]).await;
    let again = again.code(0);
    assert!(again.contains("  receipts, 1 at a time"), "{again}");
    let removed = webhook(&["rm", id]).await.code(0);
    assert_eq!(removed, format!("{id} has no webhook any more.\n"));
    webhook(&["show", id]).await.code(1);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_posted_request_verifies_with_the_secret_before_and_after_it_is_replaced() {
    let relay = Relay::shared();
    let (doorbell, backend) = (relay.device().await, relay.device().await);
    let sender = doorbell.at(&relay.url());
    let mut receiver = Receiver::start().await;
    let id = backend.id.as_str();
    let shell = Shell::operator(&relay);
    let file = |name: &str| shell.home.path().join(name).display().to_string();
    let set = ["webhook", "set", id, &receiver.url];
    let first = shell.run(&set).await.code(0);
    fs::write(file("first"), first).unwrap();
    let verify = async |request: &str, secret: &str, rest: &[&str]| {
        let secret = file(secret);
        let verify = ["webhook", "verify", "--secret-file", &secret];
        shell.run_with(&[&verify[..], rest].concat(), request).await
    };

    let sent = send(&sender, &backend, 12_345).await;
    let request = receiver.next().await;
    assert_eq!(verify(&request, "first", &[]).await.code(0), "12345");
    let delivered = (State::Delivered, None);
    assert_eq!(outcome(&settled(&sender, sent).await), delivered);

    let rotated = shell.run(&["webhook", "rotate", id]).await.code(0);
    fs::write(file("second"), rotated).unwrap();
    let early = verify(&request, "second", &[]).await;
    assert!(early.err.contains("no signature matches"), "{early:?}");
    assert_eq!(early.code(1), "");
    send(&sender, &backend, 67_890).await;
    let request = receiver.next().await;
    for secret in ["first", "second"] {
        let body = verify(&request, secret, &[]).await.code(0);
        assert_eq!(body, "67890", "{secret}");
    }
}

#[tokio::test]
async fn a_request_that_was_changed_or_is_old_is_not_valid() {
    let shell = Shell::new();
    let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let file = shell.home.path().join("secret");
    fs::write(&file, format!("{text}\n")).unwrap();
    let verify = ["webhook", "verify", "--secret-file", file.to_str().unwrap()];
    let secret = Secret::try_from(text.to_owned()).unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let request = |seconds: i64| {
        let signature = secret.sign("msg-1", seconds, b"12345");
        format!(
            "Webhook-Id: msg-1\nWebhook-Timestamp: {seconds}\nWebhook-Signature: {signature}\n\n12345"
        )
    };
    let any_age = [&verify[..], &["--any-age"]].concat();
    for (request, arguments, told) in [
        (request(now), &verify[..], None),
        (
            request(now).replace("12345", "12346"),
            &verify,
            Some("no signature"),
        ),
        (
            request(now).replace("msg-1", "msg-2"),
            &any_age,
            Some("no signature"),
        ),
        (request(now - 3_600), &verify, Some("five minutes")),
        (request(now - 3_600), &any_age, None),
        (String::new(), &verify, Some("webhook-timestamp")),
    ] {
        let ended = shell.run_with(arguments, &request).await;
        match told {
            None => assert_eq!(ended.code(0), "12345", "{request}"),
            Some(told) => {
                assert!(ended.err.contains(told), "{told}: {ended:?}");
                assert_eq!(ended.code(1), "", "{request}");
            }
        }
    }
}

#[tokio::test]
async fn events_that_a_webhook_does_not_have_are_a_wrong_command_line() {
    let set = ["webhook", "set", "backend", "https://example.com/"];
    for events in ["message,failure", ""] {
        let wrong = [&set[..], &["--events", events]].concat();
        let wrong = Shell::new().run(&wrong).await;
        assert!(wrong.err.contains("--events"), "{wrong:?}");
        wrong.code(2);
    }
}
