//! The README of the Rust library: its programs run as it says, in a project that has nothing else.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Device, Relay, until, within};

/// How long the build of the project may take: at first it compiles every dependency.
const BUILD: Duration = Duration::from_secs(900);

/// The code blocks of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("\n```{language}\n");
    let blocks = page.split(&begin).skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect()
}

/// A project with the dependencies and programs of the README, built: where the programs are.
async fn build(project: &Path) -> PathBuf {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client");
    let library = library.canonicalize().unwrap();
    let readme = fs::read_to_string(library.join("README.md")).unwrap();
    let [dependencies] = blocks(&readme, "toml")[..] else {
        panic!("expected one block with the dependencies");
    };
    let named = "path = \"../tagpost/crates/client\"";
    assert!(dependencies.contains(named), "{dependencies}");
    let dependencies = dependencies.replace(named, &format!("path = {library:?}"));
    let package = "[package]\nname = \"readme\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    fs::write(
        project.join("Cargo.toml"),
        format!("{package}\n{dependencies}\n"),
    )
    .unwrap();
    // The versions that are on this machine.
    fs::copy(library.join("../../Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let mut programs = blocks(&readme, "rust,no_run");
    programs.retain(|code| code.contains("fn main()"));
    assert_eq!(programs.len(), 2, "{programs:?}");
    fs::create_dir_all(project.join("src/bin")).unwrap();
    for (name, code) in ["listen", "publish"].into_iter().zip(programs) {
        fs::write(project.join(format!("src/bin/{name}.rs")), code).unwrap();
    }

    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--offline", "--target-dir"])
        .arg(&target)
        .current_dir(project)
        // Nobody steps through it.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .kill_on_drop(true);
    let built = timeout(BUILD, cargo.output()).await;
    let built = built.expect("the build does not end").unwrap();
    let told = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && told.is_empty(), "{told}");
    target.join("debug")
}

fn command(program: &Path, relay: &Relay, device: &Device) -> Command {
    let mut command = Command::new(program);
    command
        .env("TAGPOST_URL", relay.url())
        .env("TAGPOST_TOKEN", &device.token)
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
#[ignore = "needs the built Worker"]
async fn the_programs_of_the_readme_run_as_it_says_in_an_empty_project() {
    let project = TempDir::new().unwrap();
    let programs = build(project.path()).await;
    let relay = Relay::shared();
    let (doorbell, camera) = (relay.device().await, relay.device().await);
    let hallway = "hallway".parse().unwrap();
    relay.operator().bind(&hallway, &camera.id).await.unwrap();

    let mut listening = command(&programs.join("listen"), &relay, &camera);
    let mut listening = listening.spawn().unwrap();
    let client = camera.at(&relay.url());
    let online = async || client.device(&camera.id).await.is_ok_and(|it| it.online);
    until("the listener to be online", online, |online| *online).await;
    let mut publishing = command(&programs.join("publish"), &relay, &doorbell);
    let published = within("the answer", publishing.output()).await.unwrap();
    let told = String::from_utf8(published.stdout).unwrap();
    let reply = json!({ "opened": true });
    assert_eq!(told, format!("{}: delivered {reply}\n", camera.id));
    let mut lines = BufReader::new(listening.stdout.take().unwrap()).lines();
    let heard = within("what the listener printed", lines.next_line()).await;
    let heard = heard.unwrap();
    assert_eq!(heard, Some(format!("{} says Dinner!", doorbell.id)));
}
