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
    let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 2, "{} has {files:?}", folder.display());
    files.iter().flat_map(|file| lines(file, words)).collect()
}

/// The lines of code of a file that contain one of these words.
fn lines(path: &Path, words: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let bad = code.filter(|line| words.iter().any(|word| line.contains(word)));
    bad.map(|line| format!("{}: {}", path.display(), line.trim()))
        .collect()
}

#[test]
fn the_inbox_does_not_name_the_outbox_or_the_router() {
    let named = naming(
        "inbox",
        &[
            "outbox",
            "Outbox",
            "Mailbox<",
            "super::pending",
            "Waiter",
            "Awaited",
            "CallId",
            "Output::Reply",
        ],
    );
    assert_eq!(named, [""; 0]);
}

#[test]
fn the_outbox_does_not_name_the_inbox_or_the_router() {
    let named = naming(
        "outbox",
        &[
            "inbox",
            "Inbox",
            "Mailbox<",
            "super::pending",
            "Waiter",
            "Awaited",
            "CallId",
            "Output::Reply",
        ],
    );
    assert_eq!(named, [""; 0]);
}

#[test]
fn the_connection_names_neither_the_inbox_nor_the_outbox() {
    let words = ["inbox", "Inbox", "outbox", "Outbox", "Mailbox<", "Context"];
    assert_eq!(naming("connection", &words), [""; 0]);
}

#[test]
fn the_channels_name_neither_the_inbox_nor_the_outbox_nor_the_router() {
    let words = [
        "inbox",
        "Inbox",
        "outbox",
        "Outbox",
        "Mailbox<",
        "Awaited",
        "CallId",
        "Output::Reply",
    ];
    assert_eq!(naming("channels", &words), [""; 0]);
    for component in ["inbox", "outbox", "connection"] {
        let named = naming(component, &["super::channels", "Channels<"]);
        assert_eq!(named, [""; 0]);
    }
}

#[test]
fn the_wake_ups_name_no_other_component_and_no_router() {
    let words = [
        "inbox",
        "Inbox",
        "outbox",
        "Outbox",
        "channels",
        "Channels",
        "onnection",
        "Mailbox<",
        "Awaited",
        "CallId",
        "Output::Reply",
    ];
    assert_eq!(naming("wake", &words), [""; 0]);
    for component in ["inbox", "outbox", "connection", "channels"] {
        let named = naming(component, &["super::wake", "Wake<", "Knock"]);
        assert_eq!(named, [""; 0]);
    }
}

#[test]
fn the_failures_name_no_other_component_and_no_router() {
    let words = [
        "inbox",
        "Inbox",
        "outbox",
        "Outbox",
        "channels",
        "Channels",
        "onnection",
        "super::wake",
        "Mailbox<",
        "Awaited",
        "CallId",
        "Output::Reply",
    ];
    assert_eq!(naming("failures", &words), [""; 0]);
    for component in ["inbox", "outbox", "connection", "channels", "wake"] {
        let named = naming(
            component,
            &["super::failures", "Failures<", "Output::Record"],
        );
        assert_eq!(named, [""; 0]);
    }
}

#[test]
fn the_operators_events_name_no_other_component_and_no_router() {
    let words = [
        "inbox",
        "Inbox",
        "outbox",
        "Outbox",
        "channels",
        "Channels",
        "onnection",
        "super::wake",
        "super::failures",
        "Mailbox<",
        "Awaited",
        "CallId",
        "Output::Reply",
    ];
    assert_eq!(naming("operator_events", &words), [""; 0]);
    for component in [
        "inbox",
        "outbox",
        "connection",
        "channels",
        "wake",
        "failures",
    ] {
        let words = ["operator_event", "OperatorEvent", "TakeEvents"];
        assert_eq!(naming(component, &words), [""; 0]);
    }
}

#[test]
fn the_webhook_names_no_other_component_and_no_router() {
    let words = [
        "inbox",
        "Inbox",
        "outbox",
        "Outbox",
        "channels",
        "Channels",
        "Connection",
        "super::wake",
        "Mailbox<",
        "Awaited",
        "Output::Reply",
    ];
    assert_eq!(naming("webhook", &words), [""; 0]);
    for component in [
        "inbox",
        "outbox",
        "connection",
        "channels",
        "wake",
        "failures",
    ] {
        let named = naming(component, &["super::webhook", "Webhook<", "Output::Post"]);
        assert_eq!(named, [""; 0]);
    }
}

/// The inbox and the outbox tell what has happened, and do not know who waits for it.
#[test]
fn the_table_of_calls_and_the_timers_name_no_component_and_decide_nothing() {
    let words = ["Inbox", "Outbox", "Mailbox<", "Context", "Store", "Output"];
    for file in ["pending.rs", "timer.rs"] {
        assert_eq!(lines(&mailbox().join(file), &words), [""; 0]);
    }
}

/// So that the list of timers is complete.
#[test]
fn every_time_at_which_a_mailbox_wants_to_be_woken_goes_through_the_timers() {
    for file in [
        "mod.rs",
        "calls.rs",
        "waiting.rs",
        "waking.rs",
        "resending.rs",
        "presence.rs",
        "taking.rs",
        "posting.rs",
    ] {
        let named = lines(&mailbox().join(file), &["Output::Alarm(", "timers.set("]);
        let named = named.iter().filter(|line| !line.contains("take_alarm"));
        assert_eq!(named.count(), 0, "{file}");
    }
    for component in [
        "inbox",
        "outbox",
        "connection",
        "channels",
        "wake",
        "failures",
        "operator_events",
        "webhook",
    ] {
        assert_eq!(
            naming(component, &["Output::Alarm", "timers.set("]),
            [""; 0]
        );
    }
}

#[test]
fn the_watchers_name_no_other_component_and_no_router() {
    let words = [
        "Inbox",
        "Outbox",
        "Channels",
        "Connection,",
        "super::wake",
        "Mailbox<",
        "Awaited",
        "CallId",
        "Output::Reply",
    ];
    assert_eq!(lines(&mailbox().join("watchers.rs"), &words), [""; 0]);
    for component in [
        "inbox",
        "outbox",
        "connection",
        "channels",
        "wake",
        "failures",
        "operator_events",
    ] {
        let named = naming(component, &["super::watchers", "Watchers<"]);
        assert_eq!(named, [""; 0]);
    }
}
