//! Setting a webhook: its secret, its owner, its end.

use tagpost_core::call::Call;
use tagpost_core::mailbox::Reply;
use tagpost_core::problem::Code;

use super::super::harness::{Harness, claims, message};
use super::{TEXT, posts, secret, setting, status};

#[test]
fn the_secret_is_told_once_and_kept_by_a_second_setting() {
    let mut harness = Harness::new();
    assert_eq!(harness.get_webhook(), Err("unknown_webhook".to_owned()));
    let (webhook, first, _) = harness.set_webhook(1).unwrap();
    assert_eq!((webhook.max_in_flight, webhook.timeout), (1, 15));
    assert_eq!(first, Some(secret(1)));
    let (webhook, second, _) = harness.set_webhook(4).unwrap();
    assert_eq!((webhook.max_in_flight, second), (4, None));
    harness.crash();
    assert_eq!(harness.get_webhook().unwrap().max_in_flight, 4);
}

#[test]
fn a_new_secret_signs_before_the_old_one() {
    let mut harness = Harness::webhook(1);
    let rotate = Call::RotateWebhook { secret: secret(2) };
    match harness.ask(rotate).0 {
        Ok(Reply::WebhookSecret(new)) => assert_eq!(new, secret(2)),
        other => panic!("{other:?}"),
    }
    harness.crash();
    let message = message(1, TEXT);
    harness.at(500).deliver(&message, 0);
    let headers = &harness.posts[0].2.headers;
    let signature = headers
        .iter()
        .find(|(name, _)| *name == "webhook-signature");
    let sign = |byte| secret(byte).sign(&message.id.to_string(), 1_800_000_000, b"body 1");
    let expected = format!("{} {}", sign(2), sign(1));
    assert_eq!(signature.unwrap().1, expected);
}

#[test]
fn a_webhook_that_the_device_has_set_ends_with_its_tokens_and_the_operator_s_does_not() {
    for (caller, ends) in [(Some(claims("cam")), true), (None, false)] {
        let mut harness = Harness::new();
        let call = Call::SetWebhook {
            setting: setting(1),
            secret: secret(1),
        };
        let (_, (reply, _)) = harness.ask_as(caller, call, None, None);
        assert!(matches!(reply, Some(Reply::Webhook { .. })));
        harness.revoke().unwrap();
        assert_eq!(harness.get_webhook().is_err(), ends);
        harness.crash();
        assert_eq!(harness.get_webhook().is_err(), ends);
        let words = harness.deliver(&message(1, TEXT), 0);
        assert_eq!(posts(&words).is_empty(), ends);
    }
}

#[test]
fn another_owner_has_another_secret_and_the_old_one_signs_nothing() {
    for own_first in [true, false] {
        let mut harness = Harness::new();
        for (is_own, byte) in [(own_first, 1), (!own_first, 2)] {
            let call = Call::SetWebhook {
                setting: setting(1),
                secret: secret(byte),
            };
            let caller = is_own.then(|| claims("cam"));
            let (_, (reply, _)) = harness.ask_as(caller, call, None, None);
            let Some(Reply::Webhook { secret: told, .. }) = reply else {
                panic!("{reply:?}");
            };
            assert_eq!(told, Some(secret(byte)));
        }
        let message = message(1, TEXT);
        harness.deliver(&message, 0);
        let headers = &harness.posts[0].2.headers;
        let mut signatures = headers
            .iter()
            .filter(|(name, _)| *name == "webhook-signature");
        let expected = secret(2).sign(&message.id.to_string(), 1_800_000_000, b"body 1");
        assert_eq!(signatures.next().unwrap().1, expected);
    }
}

#[test]
fn a_device_may_change_its_webhook_as_often_as_it_may_read_and_the_operator_any_time() {
    let set = || Call::SetWebhook {
        setting: setting(1),
        secret: secret(1),
    };
    let rotate = || Call::RotateWebhook { secret: secret(2) };
    let calls: [&dyn Fn() -> Call; 2] = [&set, &rotate];
    for call in calls {
        let mut harness = Harness::webhook_with(1, |limits| {
            limits.ask_rate = 1;
            limits.ask_burst = 2;
        });
        let mut ask = |caller| harness.ask_as(caller, call(), None, None).1.0;
        for _ in 0..2 {
            let reply = ask(Some(claims("cam")));
            assert!(!matches!(reply, Some(Reply::Problem(_))), "{reply:?}");
        }
        let Some(Reply::Problem(refused)) = ask(Some(claims("cam"))) else {
            panic!("the third is not refused");
        };
        assert_eq!(refused.code, Code::TooManyRequests);
        let reply = ask(None);
        assert!(!matches!(reply, Some(Reply::Problem(_))), "{reply:?}");
    }
}

#[test]
fn revoking_the_tokens_repeats_no_request() {
    let mut harness = Harness::webhook(1);
    let message = message(1, TEXT);
    harness.deliver(&message, 0);
    assert_eq!(posts(&harness.revoke().unwrap()), [""; 0]);
    assert_eq!(
        harness.answers(message.id, status(200)),
        ["door: receipts delivered 1"]
    );
}

#[test]
fn a_device_that_is_removed_has_no_webhook_when_it_is_back() {
    let mut harness = Harness::webhook(1);
    harness.remove();
    assert_eq!(
        harness.set_webhook(1).err().as_deref(),
        Some("unknown_device")
    );
    harness.register();
    assert_eq!(harness.get_webhook(), Err("unknown_webhook".to_owned()));
    assert_eq!(harness.deliver(&message(1, TEXT), 0), ["held 0"]);
}

#[test]
fn a_webhook_costs_the_rows_of_its_setting_and_of_what_is_stored() {
    let mut harness = Harness::new();
    let before = harness.writes();
    harness.set_webhook(1).unwrap();
    assert_eq!(harness.writes() - before, 1, "the account's row");
    let before = harness.writes();
    let message = message(1, TEXT);
    harness.deliver(&message, 1_000);
    harness.answers(message.id, status(200));
    assert_eq!(harness.writes() - before, 0, "nothing is stored");
}
