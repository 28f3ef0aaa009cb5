//! `tagpost device pair`, and the same in the library: a link with which a phone becomes a device.

use serde_json::{Value, json};
use tagpost_client::{Client, Error, Grant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Relay, Shell, within};

/// What a phone does that has opened this link: the status of the answer, and its JSON.
async fn opened(link: &str) -> (u16, Value) {
    let (page, code) = link.split_once('#').unwrap();
    let authority = page.strip_prefix("http://").unwrap();
    let authority = authority.strip_suffix("/phone").unwrap();
    let body = json!({ "code": code }).to_string();
    let request = format!(
        "POST /v1/pair HTTP/1.1\r\nHost: {authority}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    within("an answer", read).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    // The body is one object; its length may come in a line of its own.
    let body = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_link_in_a_pipe_is_alone_on_standard_output_and_called_a_credential() {
    let relay = Relay::shared();
    let phone = relay.device().await;
    let (id, shell) = (phone.id.as_str(), Shell::operator(&relay));
    let pair = ["device", "pair", id, "--expires-in", "1h"];
    let made = shell.run(&pair).await;
    assert_eq!(made.out.lines().count(), 1, "{made:?}");
    let told = format!("the first to do so becomes {id}");
    assert!(made.err.contains(&told), "{made:?}");
    assert!(!made.err.contains("/phone#"), "{made:?}");
    let link = made.code(0);

    let (status, paired) = opened(link.trim_end()).await;
    assert_eq!((status, &paired["device"]), (200, &json!(id)), "{paired}");
    let token = paired["token"].as_str().unwrap();
    let client = Client::new(&relay.url(), token).unwrap();
    assert_eq!(client.device(&phone.id).await.unwrap().device, phone.id);
    let shown = Shell::new()
        .with("TAGPOST_URL", relay.url())
        .with("TAGPOST_TOKEN", token);
    let sent = shown.run(&["send", "--to-device", id, "hello"]).await;
    assert!(sent.err.contains("forbidden"), "{sent:?}");

    let (status, refused) = opened(link.trim_end()).await;
    assert_eq!((status, &refused["code"]), (404, &json!("unknown_code")));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn the_answer_as_json_is_alone_and_the_library_gets_the_same() {
    let relay = Relay::shared();
    let phone = relay.device().await;
    let (id, shell) = (phone.id.as_str(), Shell::operator(&relay));
    let made = shell.run(&["device", "pair", id, "--json"]).await;
    assert_eq!(made.err, "");
    let made = made.json(0);
    let code = made[0]["code"].as_str().unwrap();
    let link = format!("{}/phone#{code}", relay.url().trim_end_matches('/'));
    assert_eq!(made[0]["url"], json!(link));
    assert!(made[0]["expires_at"].is_i64(), "{made:?}");

    let operator = relay.operator();
    let issued = operator.pairing_code(&phone.id, &Grant::default()).await;
    let issued = issued.unwrap();
    let (status, _) = opened(&link).await;
    assert_eq!(status, 404, "a new code ends the one before");
    let (status, paired) = opened(&issued.url).await;
    assert_eq!(status, 200, "{paired}");
    assert!(issued.url.ends_with(&format!("#{}", issued.code)));
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_link_that_cannot_be_made_is_refused_with_what_to_do() {
    let relay = Relay::shared();
    let phone = relay.device().await;
    let shell = Shell::operator(&relay);
    let unknown = shell.run(&["device", "pair", "never-added"]).await;
    assert!(unknown.err.contains("tagpost device add"), "{unknown:?}");
    assert_eq!(unknown.code(1), "");
    // A device makes no tokens, and so no codes.
    let client = phone.at(&relay.url());
    let refused = client.pairing_code(&phone.id, &Grant::default()).await;
    match refused.err().unwrap() {
        Error::Refused(problem) => assert_eq!(problem.code, "forbidden"),
        other => panic!("expected a refusal, but {other:?}"),
    }
}
