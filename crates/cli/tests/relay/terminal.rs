//! What only a terminal sees: a prompt without echo, colours, and a spinner.

use crate::support::{ADMIN_KEY, Relay, Shell};

const RED: &str = "\u{1b}[31m";
/// The colours of a QR code.
const PAPER: &str = "\u{1b}[97m\u{1b}[40m";
const SPINNER: &str = "waiting for 1 of 1";

/// All that a command shows on a terminal, after this was typed at its prompt.
async fn shown(shell: Shell, arguments: &[&str], typed: Option<(&'static str, &str)>) -> String {
    let mut terminal = shell.on_a_terminal(arguments);
    let typed = typed.map(|(prompt, text)| (prompt, text.to_owned()));
    let show = move || {
        let mut shown = String::new();
        if let Some((prompt, text)) = typed {
            shown += &terminal.exp_string(prompt).unwrap();
            terminal.send_line(&text).unwrap();
        }
        shown + &terminal.exp_eof().unwrap()
    };
    tokio::task::spawn_blocking(show).await.unwrap()
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_secret_is_asked_for_without_echo() {
    let relay = Relay::shared();
    let typed = ("Admin key, viewer key or device token: ", ADMIN_KEY);
    let shown = shown(Shell::new(), &["login", &relay.url()], Some(typed)).await;
    assert!(shown.contains("as the operator"), "{shown}");
    assert!(!shown.contains(ADMIN_KEY), "{shown}");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_device_is_removed_only_by_who_says_yes() {
    let relay = Relay::shared();
    let camera = relay.device().await;
    let remove = ["device", "rm", camera.id.as_str()];
    for (answer, removed) in [("n", false), ("y", true)] {
        let typed = ("[y/N] ", answer);
        let shown = shown(Shell::operator(&relay), &remove, Some(typed)).await;
        assert_eq!(shown.contains("was not removed"), !removed, "{shown}");
        let found = relay.operator().device(&camera.id).await;
        assert_eq!(found.is_err(), removed, "{shown}");
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn colours_and_a_spinner_are_for_a_terminal() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let send = ["send", "--to-device", camera.id.as_str(), "--ttl", "1"];
    let send = [&send[..], &["--follow", "hello"]].concat();
    let shell = || Shell::of(&relay, &doorbell);

    let colourful = shown(shell(), &send, None).await;
    assert!(
        colourful.contains(RED) && colourful.contains(SPINNER),
        "{colourful:?}"
    );
    let grey = shown(shell().with("NO_COLOR", "1"), &send, None).await;
    assert!(
        grey.contains("expired") && !grey.contains(RED) && grey.contains(SPINNER),
        "{grey:?}"
    );
    let piped = shell().run(&send).await;
    assert!(!format!("{}{}", piped.out, piped.err).contains('\u{1b}'));
    assert!(!piped.err.contains(SPINNER), "{piped:?}");
    piped.code(4);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_push_url_has_its_settings_and_a_qr_code_on_a_terminal_only() {
    let relay = Relay::shared();
    let laptop = relay.device().await;
    let push = ["push", "url", laptop.id.as_str()];
    let shell = || Shell::of(&relay, &laptop);

    let drawn = shown(shell(), &push, None).await;
    let url = drawn.lines().next().unwrap().trim_end().to_owned();
    let server = url.replacen("ws:", "http:", 1);
    assert!(url.starts_with("ws://127.0.0.1:"), "{drawn}");
    for line in [
        &format!("  dom.push.serverURL  {url}"),
        "  dom.push.testing.allowInsecureServerURL  true",
        &format!("  {server}"),
    ] {
        assert!(drawn.lines().any(|it| it.trim_end() == line), "{drawn}");
    }
    assert!(drawn.contains("keep it as you keep a token"), "{drawn}");
    let rows = drawn.lines().filter(|line| line.contains(PAPER)).count();
    assert!(rows > 20, "{drawn}");

    let json = shown(shell(), &[&push[..], &["--json"]].concat(), None).await;
    assert!(json.starts_with("{\"push_url\":\"ws://"), "{json}");
    assert!(!json.contains(PAPER) && !json.contains("token"), "{json}");
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_link_for_a_phone_has_a_qr_code_on_a_terminal_only() {
    let relay = Relay::shared();
    let phone = relay.device().await;
    let pair = ["device", "pair", phone.id.as_str()];
    let shell = || Shell::operator(&relay);

    let drawn = shown(shell(), &pair, None).await;
    let link = drawn.lines().next().unwrap();
    assert!(link.contains("/phone#"), "{drawn}");
    assert!(drawn.contains("keep it as you keep a token"), "{drawn}");
    let rows = drawn.lines().filter(|line| line.contains(PAPER)).count();
    assert!(rows > 20, "{drawn}");

    let json = shown(shell(), &[&pair[..], &["--json"]].concat(), None).await;
    assert!(json.starts_with("{\"code\":\""), "{json}");
    assert!(!json.contains(PAPER) && !json.contains("token"), "{json}");
}
