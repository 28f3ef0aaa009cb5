//! A hook publishes as its device, until the device's tokens or its hooks are revoked.

use tagpost_core::call::{Call, DeliveryStatus, Posted};
use tagpost_core::delivery::State;
use tagpost_core::hook::{Hook, HookTarget, Revocations, read};
use tagpost_core::id::DeviceId;
use tagpost_core::limits::Limits;
use tagpost_core::mailbox::{Awaited, CallId, Reply};
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};

use super::harness::{Harness, START, delivery, device};

/// A new hook of `cam`.
fn made(harness: &mut Harness, expires_at: Option<i64>) -> Result<Hook, String> {
    match harness.ask(Call::Revocations).0? {
        Reply::Revocations(revocations) => Ok(Hook {
            device: device("cam"),
            terms: read(br#"{"to":{"device":"a"}}"#).unwrap(),
            expires_at,
            revocations,
            nonce: [0; 8],
        }),
        other => panic!("{other:?}"),
    }
}

/// Posts to a hook: what comes of it at once, or why nothing does.
fn post(harness: &mut Harness, hook: &Hook) -> Result<Vec<String>, String> {
    post_with(harness, hook, &[], vec![device("a")]).1
}

/// Posts to a hook whose target has these devices.
fn post_with(
    harness: &mut Harness,
    hook: &Hook,
    headers: &[(&str, &str)],
    devices: Vec<DeviceId>,
) -> (CallId, Result<Vec<String>, String>) {
    let call = Call::PublishFromHook {
        to: Target::from(hook.terms.to.clone()),
        devices,
        wait: 1,
        revocations: hook.revocations.hooks,
    };
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| *known == name)?;
        Some(found.1.to_owned())
    };
    let draft = hook.draft(header, b"x", &Limits::default()).unwrap();
    let text = serde_json::to_string(&draft).unwrap();
    let (call, (reply, words)) = harness.ask_as(Some(hook.claims()), call, Some(text), None);
    let result = match reply {
        Some(Reply::Problem(problem)) => Err(problem.code.as_str().to_owned()),
        Some(Reply::Posted(posted)) => Err(format!("{posted:?}")),
        Some(other) => panic!("{other:?}"),
        None => Ok(words),
    };
    (call, result)
}

fn revoke_hooks(harness: &mut Harness) -> Result<(), String> {
    match harness.ask(Call::RevokeHooks).0? {
        Reply::Done => Ok(()),
        other => panic!("{other:?}"),
    }
}

const TAKEN: [&str; 1] = ["a: deliver, wait 1000"];

fn assert_revoked(harness: &mut Harness, hook: &Hook) {
    for when in ["at once", "after a crash"] {
        let why = post(harness, hook).unwrap_err();
        // The first is the answer if the device's tokens were revoked or are too old, the second that of its hooks.
        assert!(
            ["unauthorized", "Ended"].contains(&why.as_str()),
            "{when}: {why}"
        );
        harness.crash();
    }
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
    assert_eq!(post(harness.at(59_999), &hook).unwrap(), TAKEN);
    assert_revoked(harness.at(60_000), &hook);
}

#[test]
fn a_post_that_was_accepted_is_answered_with_its_id_even_if_its_hook_ends_meanwhile() {
    let ends: [fn(&mut Harness); 3] = [
        |harness| drop(harness.revoke().unwrap()),
        |harness| revoke_hooks(harness).unwrap(),
        |harness| drop(harness.at(60_000).tick()),
    ];
    for end in ends {
        let mut harness = Harness::new();
        let hook = made(&mut harness, Some(START / 1_000 + 60)).unwrap();
        let (call, taken) = post_with(&mut harness, &hook, &[], vec![device("a")]);
        assert_eq!(taken.unwrap(), TAKEN);
        let id = harness.calls[0].1.id;
        end(&mut harness);
        assert_eq!(
            harness.waits_for(call),
            Some((Awaited::Published(id), None))
        );
        let answer = DeliveryStatus::Known(delivery("a", State::Delivered));
        let words = harness.returned("a", id, Some(answer));
        let posted = Posted::Taken { id, settled: true };
        let answered = format!("publish_from_hook: Posted({posted:?})");
        assert!(words.contains(&answered), "{words:?}");
    }
}

#[test]
fn a_key_that_the_device_has_used_is_free_for_its_hooks_and_a_repeat_of_a_hook_has_the_same_id() {
    let mut harness = Harness::new();
    let key = [("Idempotency-Key", "k")];
    let (own, _) = harness.publish(&["a"], &key, "of the device").unwrap();
    harness.returned(
        "a",
        own,
        Some(DeliveryStatus::Known(delivery("a", State::Held))),
    );
    let first = made(&mut harness, None).unwrap();
    let second = Hook {
        nonce: [1; 8],
        ..first.clone()
    };
    for (number, hook) in (1..).zip([first, second]) {
        let (_, taken) = post_with(&mut harness, &hook, &key, vec![device("a")]);
        assert!(taken.is_ok(), "{taken:?}");
        assert_eq!(harness.calls.len(), number + 1, "a message of its own");
        let id = harness.calls[number].1.id;
        harness.returned(
            "a",
            id,
            Some(DeliveryStatus::Known(delivery("a", State::Held))),
        );
        let posted = Posted::Taken { id, settled: false };
        let (_, repeated) = post_with(&mut harness, &hook, &key, vec![device("a")]);
        assert_eq!(repeated, Err(format!("{posted:?}")));
        assert_eq!(harness.calls.len(), number + 1);
    }
}

#[test]
fn whoever_posts_learns_nothing_of_the_queue_of_the_device() {
    let mut harness = Harness::with(|limits| limits.max_fanout = 1);
    let mut hook = made(&mut harness, None).unwrap();
    hook.terms.to = HookTarget::Tag("yard".parse().unwrap());
    let mut refused = |devices: &[&str]| {
        let devices = devices.iter().map(|name| device(name)).collect();
        post_with(&mut harness, &hook, &[], devices).1.unwrap_err()
    };
    assert_eq!(refused(&[]), "NoTarget");
    assert_eq!(refused(&["a", "b"]), "TagTooLarge");
    for code in Code::ALL {
        let mut problem = Problem::new(*code, "400 publishes with 7 bytes are queued");
        problem.retry_after = Some(7);
        let known = serde_json::to_string(&Posted::from(problem)).unwrap();
        assert!(!known.contains("400"), "{known}");
        let is_for_strangers = [
            Code::Unauthorized,
            Code::UnknownTag,
            Code::UnknownDevice,
            Code::TagTooLarge,
            Code::IdempotencyMismatch,
            Code::TooManyRequests,
            Code::OutboxFull,
        ];
        let is_closed = known == r#""unavailable""#;
        assert_eq!(is_closed, !is_for_strangers.contains(code), "{known}");
    }
}
