//! A hook publishes as its device, until the device's tokens or its hooks are revoked.

use tagpost_core::call::Call;
use tagpost_core::hook::{Hook, Revocations, read};
use tagpost_core::mailbox::Reply;
use tagpost_core::message::Target;

use super::harness::{Harness, START, device, draft};

/// A new hook of `cam`.
fn made(harness: &mut Harness, expires_at: Option<i64>) -> Result<Hook, String> {
    match harness.ask(Call::Revocations).0? {
        Reply::Revocations(revocations) => Ok(Hook {
            device: device("cam"),
            terms: read(br#"{"to":{"device":"a"}}"#).unwrap(),
            expires_at,
            revocations,
        }),
        other => panic!("{other:?}"),
    }
}

/// Posts to a hook: what comes of it at once, or the code of the problem.
fn post(harness: &mut Harness, hook: &Hook) -> Result<Vec<String>, String> {
    let call = Call::PublishFromHook {
        to: Target::Device(device("a")),
        devices: vec![device("a")],
        wait: 1,
        revocations: hook.revocations.hooks,
    };
    let draft = draft(&[("Prefer", "wait=1")], "x");
    let text = serde_json::to_string(&draft).unwrap();
    let (_, (reply, words)) = harness.ask_as(Some(hook.claims()), call, Some(text), None);
    match reply {
        Some(Reply::Problem(problem)) => Err(problem.code.as_str().to_owned()),
        Some(other) => panic!("{other:?}"),
        None => Ok(words),
    }
}

fn revoke_hooks(harness: &mut Harness) -> Result<(), String> {
    match harness.ask(Call::RevokeHooks).0? {
        Reply::Done => Ok(()),
        other => panic!("{other:?}"),
    }
}

const TAKEN: [&str; 1] = ["a: deliver, wait 1000"];
const REVOKED: &str = "unauthorized";

fn assert_revoked(harness: &mut Harness, hook: &Hook) {
    assert_eq!(post(harness, hook), Err(REVOKED.to_owned()));
    harness.crash();
    assert_eq!(
        post(harness, hook),
        Err(REVOKED.to_owned()),
        "after a crash"
    );
}

#[test]
fn making_a_hook_and_posting_to_it_writes_no_more_than_a_publish_and_revoking_all_one_row() {
    let mut harness = Harness::new();
    let written = harness.writes();
    let hook = made(&mut harness, None).unwrap();
    assert_eq!(post(&mut harness, &hook).unwrap(), TAKEN);
    assert_eq!(harness.writes(), written);
    revoke_hooks(&mut harness).unwrap();
    assert_eq!(harness.writes(), written + 1);
}

#[test]
fn revoking_the_hooks_ends_all_made_so_far_and_no_token() {
    let mut harness = Harness::new();
    let first = made(&mut harness, None).unwrap();
    revoke_hooks(&mut harness).unwrap();
    assert_revoked(&mut harness, &first);
    let second = made(&mut harness, None).unwrap();
    assert_eq!(
        second.revocations,
        Revocations {
            tokens: 0,
            hooks: 1
        }
    );
    assert_eq!(post(&mut harness, &second).unwrap(), TAKEN);
    revoke_hooks(&mut harness).unwrap();
    assert_revoked(&mut harness, &first);
    assert_revoked(&mut harness, &second);
    assert!(harness.admits(&super::harness::claims("cam")));
}

#[test]
fn revoking_the_tokens_ends_the_hooks_and_a_removed_device_that_comes_back_has_none() {
    let mut harness = Harness::new();
    let first = made(&mut harness, None).unwrap();
    revoke_hooks(&mut harness).unwrap();
    let second = made(&mut harness, None).unwrap();
    harness.revoke().unwrap();
    assert_revoked(&mut harness, &second);
    let third = made(&mut harness, None).unwrap();
    harness.remove();
    assert_revoked(&mut harness, &third);
    let unknown = || Err("unknown_device".to_owned());
    assert_eq!(made(&mut harness, None), unknown());
    assert_eq!(revoke_hooks(&mut harness), unknown().map(drop));
    harness.register();
    for hook in [first, second, third] {
        assert_revoked(&mut harness, &hook);
    }
    let fourth = made(&mut harness, None).unwrap();
    assert_eq!(
        fourth.revocations,
        Revocations {
            tokens: 2,
            hooks: 1
        }
    );
    assert_eq!(post(&mut harness, &fourth).unwrap(), TAKEN);
}

#[test]
fn a_hook_expires_with_the_token_that_it_was_made_with() {
    let mut harness = Harness::new();
    let hook = made(&mut harness, Some(START / 1_000 + 60)).unwrap();
    // A post that waits is answered at that moment at the latest.
    let taken = [&["tick 60000"], &TAKEN[..]].concat();
    assert_eq!(post(harness.at(59_999), &hook).unwrap(), taken);
    assert_revoked(harness.at(60_000), &hook);
}
