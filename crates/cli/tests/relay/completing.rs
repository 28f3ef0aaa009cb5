//! What `tagpost` offers a shell that completes a line.

use crate::support::{Relay, Shell, send};

/// What a shell is offered for the last of these words.
async fn offered(shell: &Shell, words: &[&str]) -> Vec<String> {
    let arguments = [&["--", "tagpost"], words].concat();
    let out = shell.run(&arguments).await.code(0);
    let value = |line: &str| line.split('\t').next().unwrap().to_owned();
    out.lines().map(value).collect()
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn a_shell_is_offered_what_the_service_has() {
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let tag = relay.tag(&[&camera]).await;
    let id = send(&doorbell.at(&relay.url()), &camera, 1).await;
    let operator = Shell::operator(&relay).with("TAGPOST_COMPLETE", "fish");
    let devices = offered(&operator, &["device", "show", ""]).await;
    assert!(devices.contains(&camera.id.to_string()), "{devices:?}");
    let targets = offered(&operator, &["send", ""]).await;
    let at_camera = format!("@{}", camera.id);
    for target in [&at_camera, &tag.to_string()] {
        assert!(targets.contains(target), "{targets:?}");
    }
    let of_doorbell = Shell::of(&relay, &doorbell).with("TAGPOST_COMPLETE", "fish");
    let sent = offered(&of_doorbell, &["cancel", ""]).await;
    assert!(sent.contains(&id.to_string()), "{sent:?}");
}

#[tokio::test]
async fn without_a_service_there_is_only_what_is_known() {
    let shell = Shell::new()
        .with("TAGPOST_COMPLETE", "fish")
        .with("TAGPOST_URL", "http://127.0.0.1:9")
        .with("TAGPOST_ADMIN_KEY", "admin");
    let states = offered(&shell, &["ls", "--state", "in"]).await;
    assert_eq!(states, ["in_progress"]);
    assert!(
        offered(&shell, &["tag", "show", ""])
            .await
            .iter()
            .all(|it| it.starts_with('-'))
    );
}

#[tokio::test]
async fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = Shell::new().run(&["completions", shell]).await.code(0);
        assert!(script.contains("TAGPOST_COMPLETE"), "{shell}");
    }
}
