//! `tagpost hook`, and the same in the library.

use serde_json::json;
use tagpost_client::{Error, HookTarget, HookTerms};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Relay, Shell, within};

/// Posts a text to a hook, as a service without any library would: the status.
async fn post(url: &str, text: &str) -> u16 {
    let (authority, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    within("an answer", read).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_hook_publishes_what_is_posted_to_it_until_the_hooks_are_revoked() {
    let relay = Relay::shared();
    let (ci, phone) = (relay.device().await, relay.device().await);
    let (id, to) = (ci.id.as_str(), phone.id.as_str());
    let options = ["--template", "text", "--name", "Backups", "--ttl", "2h"];
    // The device itself may ask, too.
    for shell in [Shell::operator(&relay), Shell::of(&relay, &ci)] {
        let made = [&["hook", "new", id, "--to-device", to][..], &options].concat();
        let made = shell.run(&made).await;
        assert!(made.out.starts_with("http://127.0.0.1:"), "{made:?}");
        assert_eq!(made.out.lines().count(), 1, "{made:?}");
        let told = format!("Whoever has this URL publishes as {id} to the device {to}");
        assert!(
            made.err.contains(&told) && !made.err.contains("/h/"),
            "{made:?}"
        );
        let url = made.code(0).trim_end().to_owned();
        assert_eq!(post(&url, "12 GB").await, 202);
        let waiting = phone.at(&relay.url());
        let waiting = waiting.waiting(&phone.id, 10, None, true).await.unwrap();
        let message = waiting.entries.last().unwrap();
        assert_eq!(message.from, ci.id);
        let payload = message.text().unwrap().unwrap();
        assert_eq!(payload, r#"{"title":"Backups","body":"12 GB"}"#);

        let revoked = shell.run(&["hook", "revoke", id, "--json"]).await.json(0);
        assert_eq!(
            revoked,
            [json!({ "device": id, "all_hooks": true, "revoked": true })]
        );
        assert_eq!(post(&url, "late").await, 404);
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn what_cannot_be_done_about_hooks_is_said_with_what_to_do() {
    let relay = Relay::without_push_key();
    let ci = relay.device().await;
    let (id, shell) = (ci.id.as_str(), Shell::operator(&relay));
    for arguments in [&["hook", "new", id, "phones"][..], &["hook", "revoke", id]] {
        let refused = shell.run(arguments).await;
        assert!(
            refused.err.contains("the service has no PUSH_KEY"),
            "{refused:?}"
        );
        assert_eq!(refused.code(1), "");
    }
    for wrong in [
        &["hook", "new", id][..],
        &["hook", "new", id, "phones", "--to-device", id],
        &["hook", "new", id, "phones", "--template", "slack"],
    ] {
        shell.run(wrong).await.code(2);
    }
    let client = ci.at(&relay.url());
    let terms = HookTerms::new(HookTarget::Device(ci.id.clone()));
    match client.hook(&ci.id, &terms).await {
        Err(Error::Refused(problem)) => assert_eq!(problem.code, "not_found"),
        Err(other) => panic!("expected a refusal, but {other:?}"),
        Ok(_) => panic!("there are no hooks"),
    }
}
