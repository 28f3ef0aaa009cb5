//! The way to the service: below a path, through proxies, and never to where a redirect leads.

use tagpost_client::{Client, Error, Target};
use tagpost_core::token::{Claims, mint};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::support::{
    Gateway, Network, Relay, Shell, Socks, TOKEN_KEY, Tls, connected, fresh, next, send, settled,
    status, waiting, within,
};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_service_below_a_path_works() {
    let relay = Relay::shared();
    let gateway = Gateway::below(relay.port(), "/push").await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    for slash in ["", "/"] {
        let url = format!("http://127.0.0.1:{}/push{slash}", gateway.port());
        let sender = doorbell.at(&url);
        let mut inbox = camera.at(&url).connect();
        status(&mut inbox.status(), connected).await;
        let id = send(&sender, &camera, 1).await;
        next(&mut inbox).await.ack().unwrap();
        settled(&sender, id).await;
        within("the inbox to close", inbox.close()).await.unwrap();
        let shell = Shell::new()
            .with("TAGPOST_URL", &url)
            .with("TAGPOST_TOKEN", &doorbell.token);
        shell.run(&["trace", &id.to_string()]).await.code(0);
    }
    let outside = gateway.requests();
    let mut outside = outside
        .iter()
        .filter(|request| !request.contains(" /push/v1/"));
    assert_eq!(outside.next(), None, "asked outside of the path");
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_credential() {
    let other = Gateway::below(9, "/").await;
    let moved = Gateway::moved_to(other.port()).await;
    let url = format!("http://127.0.0.1:{}", moved.port());
    let client = Client::new(&url, "a-token").unwrap();
    let publish = client.publish(Target::Device("camera".parse().unwrap()));
    let refused = within("an answer", publish.send()).await.unwrap_err();
    let location = format!("http://127.0.0.1:{}/v1/devices/camera", other.port());
    assert!(refused.to_string().contains(&location), "{refused}");
    let inbox = client.connect();
    let mut current = inbox.status();
    status(&mut current, waiting).await;
    let why = format!("{:?}", current.borrow());
    assert!(why.contains("/v1/connect was not followed"), "{why}");
    assert_eq!(other.requests(), Vec::<String>::new());
    assert_eq!(moved.requests().len(), 2);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn every_connection_goes_through_the_proxy_of_the_environment() {
    let relay = Relay::shared();
    // user:hunter2, and a host that only the proxy knows.
    let proxy = Gateway::proxy(relay.port(), "Basic dXNlcjpodW50ZXIy").await;
    let at = format!("http://user:hunter2@127.0.0.1:{}", proxy.port());
    let url = "http://relay.invalid:8080/";
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let sender = Shell::new()
            .with("TAGPOST_URL", url)
            .with("TAGPOST_TOKEN", &doorbell.token)
            .with(variable, &at);
        let device = Shell::new()
            .with("TAGPOST_URL", url)
            .with("TAGPOST_TOKEN", &camera.token)
            .with(variable, &at);
        sender
            .run(&["send", "--to-device", camera.id.as_str(), "hello"])
            .await
            .code(3);
        let listened = device.run(&["listen", "--once"]).await;
        assert!(
            listened.out.ends_with(": hello\n"),
            "{variable}: {listened:?}"
        );
        let tunnels = proxy.requests();
        let last = tunnels.last().unwrap();
        assert_eq!(last, "CONNECT relay.invalid:8080", "{variable}");
    }

    let without = Shell::new()
        .with("TAGPOST_URL", relay.url())
        .with("TAGPOST_TOKEN", &camera.token)
        .with("HTTP_PROXY", "http://127.0.0.1:9")
        .with("NO_PROXY", "localhost,127.0.0.1");
    send(&doorbell.at(&relay.url()), &camera, 1).await;
    without.run(&["listen", "--once"]).await.code(0);

    let wrong = format!("http://user:wrong-hunter3@127.0.0.1:{}", proxy.port());
    let refused = Shell::new()
        .with("TAGPOST_URL", url)
        .with("TAGPOST_TOKEN", &camera.token)
        .with("HTTP_PROXY", wrong);
    let mut child = refused.start(&["listen"]);
    let note = first_note(&mut child).await;
    assert!(note.contains("proxy") && !note.contains("hunter"), "{note}");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn every_connection_with_tls_goes_through_the_proxy_and_trusts_the_same() {
    let relay = Relay::shared();
    let tls = Tls::to(relay.port(), "relay.invalid").await;
    let proxy = Gateway::proxy(tls.port(), "Basic dXNlcjpodW50ZXIy").await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let of = |token: &str| {
        let at = format!("http://user:hunter2@127.0.0.1:{}", proxy.port());
        Shell::new()
            .with("TAGPOST_URL", "https://relay.invalid")
            .with("TAGPOST_TOKEN", token)
            .with("HTTPS_PROXY", at)
            .with("HTTP_PROXY", "http://127.0.0.1:9")
    };
    let root = tls.root().to_str().unwrap().to_owned();
    let sender = of(&doorbell.token).with("SSL_CERT_FILE", &root);
    let device = of(&camera.token).with("SSL_CERT_FILE", &root);
    let to = ["send", "--to-device", camera.id.as_str()];
    sender.run(&[&to[..], &["hello"]].concat()).await.code(3);
    device.run(&["listen", "--once"]).await.code(0);
    let asked = proxy.requests();
    assert_eq!(asked, ["CONNECT relay.invalid:443"; 2]);

    let distrustful = of(&camera.token).with("SSL_CERT_FILE", "/dev/null");
    let mut child = distrustful.start(&["listen"]);
    let note = first_note(&mut child).await;
    assert!(note.contains("certificate"), "{note}");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn every_connection_goes_through_a_socks_proxy() {
    let relay = Relay::shared();
    let proxy = Socks::to(relay.port(), b"\x04user\x07hunter2").await;
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let of = |token: &str| {
        let at = format!("socks5h://user:hunter2@127.0.0.1:{}", proxy.port());
        Shell::new()
            .with("TAGPOST_URL", "http://relay.invalid")
            .with("TAGPOST_TOKEN", token)
            .with("ALL_PROXY", at)
    };
    let to = ["send", "--to-device", camera.id.as_str(), "hello"];
    of(&doorbell.token).run(&to).await.code(3);
    of(&camera.token).run(&["listen", "--once"]).await.code(0);
    assert_eq!(proxy.asked(), ["relay.invalid"; 2]);
}

#[tokio::test]
async fn another_service_is_recognised_and_listening_to_it_ends() {
    let other = Gateway::below(9, "/nothing-is-here").await;
    let url = format!("http://127.0.0.1:{}", other.port());
    let shell = Shell::new()
        .with("TAGPOST_URL", &url)
        .with("TAGPOST_TOKEN", "hunter2");
    let told = format!("what answers at {url} is not a tagpost service");
    for arguments in [
        &["status"][..],
        &["send", "hall", "hello", "--retry", "0"],
        &["ls"],
        &["listen"],
        &["login", &url],
    ] {
        let ended = shell.run(arguments).await;
        assert!(ended.err.contains(&told), "{arguments:?}: {ended:?}");
        ended.code(1);
    }
    let json = shell.run(&["ls", "--json"]).await;
    assert!(
        json.err.contains("urn:tagpost:command:not_tagpost"),
        "{json:?}"
    );
}

#[tokio::test]
async fn a_service_that_may_be_too_old_is_recognised_by_its_version() {
    let old = Gateway::of_version("0.0.9").await;
    let shell = Shell::new()
        .with("TAGPOST_URL", format!("http://127.0.0.1:{}", old.port()))
        .with("TAGPOST_TOKEN", "hunter2");
    let listed = shell.run(&["ls"]).await;
    let hint = "The service has the version 0.0.9 and this command ";
    assert!(listed.err.contains(hint), "{listed:?}");
    assert!(listed.err.contains(": it may be too old"), "{listed:?}");
    listed.code(1);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn the_wrong_scheme_is_recognised() {
    let relay = Relay::shared();
    // Any certificate: without one TLS would not begin.
    let tls = Tls::to(relay.port(), "localhost").await;
    let shell = Shell::new()
        .with("TAGPOST_URL", format!("https://127.0.0.1:{}", relay.port()))
        .with("TAGPOST_TOKEN", "hunter2")
        .with("SSL_CERT_FILE", tls.root().to_str().unwrap());
    let sent = shell.run(&["send", "hall", "hello", "--retry", "0"]).await;
    let hint = format!("answers at {}", relay.url());
    assert!(sent.err.contains(&hint), "{sent:?}");
    sent.code(1);
}

/// The first line that a command says to a person.
async fn first_note(child: &mut Child) -> String {
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let note = within("a note", notes.next_line()).await;
    note.unwrap().unwrap()
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_token_that_has_expired_is_always_the_same_error() {
    let relay = Relay::shared();
    let network = Network::to(relay.port()).await;
    let claims = Claims {
        device: fresh("expired").parse().unwrap(),
        issued_at: 1_700_000_000,
        expires_at: Some(1_700_000_001),
        publish: None,
        tags: vec![],
        revocations: None,
        webhook: false,
        id: None,
    };
    let token = mint(&claims, TOKEN_KEY.as_bytes()).unwrap();
    for _ in 0..30 {
        let mut inbox = Client::new(&network.url(), &token).unwrap().connect();
        match within("the end", inbox.next()).await {
            Some(Err(Error::Refused(problem))) => assert_eq!(
                problem.to_string(),
                "the token has expired (unauthorized, 401)"
            ),
            other => panic!("expected a refusal, but {other:?}"),
        }
    }
}
