//! The walls between the components of a mailbox, as its sources show them. The compiler keeps what is private to
//! each; this keeps them from naming each other at all.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn mailbox() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mailbox")
}

/// The lines of code of a component that contain one of these words, with their files.
fn naming(component: &str, words: &[&str]) -> Vec<String> {
    let folder = mailbox().join(component);
    let files = fs::read_dir(&folder).expect("the component's folder");
    let (mut found, mut read) = (Vec::new(), 0);
    for file in files {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        read += 1;
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let bad = code.filter(|line| words.iter().any(|word| line.contains(word)));
        found.extend(bad.map(|line| format!("{}: {}", path.display(), line.trim())));
    }
    assert!(read > 2, "{} has {read} files", folder.display());
    found
}

#[test]
fn the_inbox_does_not_name_the_outbox_or_the_router() {
    let named = naming("inbox", &["outbox", "Outbox", "Mailbox<"]);
    assert_eq!(named, [""; 0]);
}

#[test]
fn the_outbox_does_not_name_the_inbox_or_the_router() {
    let named = naming("outbox", &["inbox", "Inbox", "Mailbox<"]);
    assert_eq!(named, [""; 0]);
}

#[test]
fn the_connection_names_neither_the_inbox_nor_the_outbox() {
    let words = ["inbox", "Inbox", "outbox", "Outbox", "Mailbox<", "Context"];
    assert_eq!(naming("connection", &words), [""; 0]);
}
