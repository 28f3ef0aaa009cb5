//! The command `tagpost`, as a shell sees it: its credentials, and its errors.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{ADMIN_KEY, Ended, Relay, Shell, VIEWER_KEY, within};

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn login_keeps_credentials_that_work_where_only_the_owner_can_read_them() {
    let relay = Relay::shared();
    let camera = relay.device().await;
    let shell = Shell::new();
    let url = relay.url();
    let login = ["login", url.as_str()];
    shell
        .run_with(&login, &format!("{ADMIN_KEY}\n"))
        .await
        .code(0);
    shell.run_with(&login, &camera.token).await.code(0);

    let status = shell.run(&["status", "--json"]).await.json(0);
    assert_eq!(status[0]["operator"], json!(true));
    assert_eq!(status[0]["device"]["device"], json!(camera.id));
    let path = within("the path", shell.run(&["status"])).await.code(0);
    assert!(
        path.contains(&url) && !path.contains(&camera.token) && !path.contains(ADMIN_KEY),
        "{path}"
    );
    let files = find(shell.home.path());
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(
        fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // With another URL the profile's credentials are not used.
    let other = shell
        .run(&["--url", "http://127.0.0.1:9", "device", "ls"])
        .await;
    assert!(other.err.contains("there is no admin key"), "{other:?}");
    shell.run(&["logout"]).await.code(0);
    assert!(
        shell
            .run(&["status"])
            .await
            .err
            .contains("tagpost login URL")
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn the_viewer_key_is_told_from_the_admin_key() {
    let relay = Relay::shared();
    let url = relay.url();
    for (key, who, works, is_viewer) in [
        (VIEWER_KEY, "as a viewer.", "it reads, and changes", true),
        (
            ADMIN_KEY,
            "as the operator.",
            "The admin key is valid",
            false,
        ),
    ] {
        let shell = Shell::new();
        let login = shell.run_with(&["login", &url], key).await.code(0);
        assert!(login.contains(who), "{login}");
        let status = shell.run(&["status"]).await.code(0);
        assert!(status.contains(works), "{status}");
        let status = shell.run(&["status", "--json"]).await.json(0);
        assert_eq!(
            (&status[0]["viewer"], &status[0]["operator"]),
            (&json!(is_viewer), &json!(!is_viewer))
        );
    }
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn login_does_not_keep_what_does_not_work() {
    let relay = Relay::shared();
    let shell = Shell::new();
    for credential in [
        "wrong-admin-key-hunter2",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW0ifQ.hunter2",
    ] {
        let ended = shell.run_with(&["login", &relay.url()], credential).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
        assert!(
            ended.err.contains("Copy the whole admin key or token"),
            "{ended:?}"
        );
    }
    shell.run_with(&["login", &relay.url()], "").await.code(1);
    assert!(find(shell.home.path()).is_empty());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_error_that_says_what_to_do() {
    // Nothing listens on the port for discarding (RFC 863).
    let shell = Shell::new()
        .with("TAGPOST_URL", "http://127.0.0.1:9")
        .with("TAGPOST_TOKEN", "token");
    let ended = shell.run(&["send", "hall", "hello", "--retry", "0"]).await;
    assert!(
        ended.err.contains("http://127.0.0.1:9") && ended.err.contains("TAGPOST_URL"),
        "{ended:?}"
    );
    ended.code(1);
    let nowhere = Shell::new().run(&["send", "hall", "hello"]).await;
    assert!(nowhere.err.contains("tagpost login URL"), "{nowhere:?}");
    nowhere.code(1);
}

#[tokio::test]
async fn with_json_an_error_is_a_problem_document_on_standard_error() {
    let shell = Shell::new()
        .with("TAGPOST_URL", "http://127.0.0.1:9")
        .with("TAGPOST_TOKEN", "token");
    let problem = |ended: &Ended| -> Value {
        assert!(
            ended.out.is_empty() && ended.err.lines().count() == 1,
            "{ended:?}"
        );
        serde_json::from_str(&ended.err).unwrap()
    };
    let ended = shell.run(&["send", "hall", "hello", "--retry", "0", "--json"]);
    let (wrong, usage) = tokio::join!(
        shell.run(&["--json", "send", "no tag", "hello"]),
        shell.run(&["--json", "send"])
    );
    for usage in [wrong, usage] {
        assert_eq!(problem(&usage)["code"], "usage");
        usage.code(2);
    }
    let ended = ended.await;
    assert_eq!(problem(&ended)["type"], "urn:tagpost:command:unreachable");
    ended.code(1);
    assert!(
        shell
            .run(&["--json", "--help"])
            .await
            .code(0)
            .contains("Usage")
    );
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn with_json_a_problem_of_the_service_is_passed_on() {
    let relay = Relay::shared();
    let doorbell = relay.device().await;
    let shell = Shell::of(&relay, &doorbell);
    let refused = shell
        .run(&["send", "nobody-has-this", "hello", "--json"])
        .await;
    let problem: Value = serde_json::from_str(&refused.err).unwrap();
    assert_eq!(problem["type"], "urn:tagpost:problem:unknown_tag");
    assert_eq!(problem["status"], 404);
    refused.code(1);
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn status_without_a_credential_is_a_failure() {
    let relay = Relay::shared();
    let shell = Shell::new().with("TAGPOST_URL", relay.url());
    let status = shell.run(&["status"]).await;
    assert!(status.out.contains("The service works"), "{status:?}");
    assert!(status.err.contains("no credential"), "{status:?}");
    status.code(1);
}

/// Every file below a directory.
fn find(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                find(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
