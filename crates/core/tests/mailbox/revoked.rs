//! One token of a device is revoked, and the others stay valid.

use tagpost_core::call::Call;
use tagpost_core::mailbox::Reply;
use tagpost_core::protocol::tagpost_v1::TagpostV1;
use tagpost_core::time::Millis;
use tagpost_core::token::{Claims, TokenId};

use super::harness::{Harness, START, WATCHER, claims};

/// A token of `cam` with this id.
fn token(id: &str) -> Claims {
    Claims {
        id: Some(id.parse().unwrap()),
        ..claims("cam")
    }
}

/// The same, as the service mints it after so many revocations of all tokens.
fn minted(id: &str, revocations: u32) -> Claims {
    Claims {
        revocations: Some(revocations),
        ..token(id)
    }
}

impl Harness {
    /// Revokes the token with this id, which expires then. Returns the other outputs in words.
    fn revoke_token(
        &mut self,
        id: &str,
        expires_at: Option<Millis>,
    ) -> Result<Vec<String>, String> {
        let id: TokenId = id.parse().unwrap();
        let expires_at = expires_at.map(|at| START + at);
        let (reply, words) = self.ask(Call::RevokeToken { id, expires_at });
        reply.map(|reply| {
            assert!(matches!(reply, Reply::Done), "{reply:?}");
            words
        })
    }

    /// How many rows there are of tokens that were revoked alone.
    fn revoked(&self) -> i64 {
        let sql = "SELECT count(*) FROM revoked_tokens";
        self.query(sql).int().unwrap()
    }

    fn has_table_of_revoked_tokens(&self) -> bool {
        let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'revoked_tokens'";
        self.query(sql).int().unwrap() > 0
    }
}

#[test]
fn a_token_that_is_revoked_alone_is_dead_and_the_others_live() {
    let mut harness = Harness::new();
    let others = [token("b"), minted("c", 0), claims("cam")];
    assert!(harness.admits(&token("a")));
    harness.revoke_token("a", None).unwrap();
    for when in ["at once", "after sleep", "after a crash"] {
        assert!(!harness.admits(&token("a")), "{when}");
        assert!(!harness.admits(&minted("a", 0)), "{when}");
        for other in &others {
            assert!(harness.admits(other), "{when}: {:?}", other.id);
        }
        match when {
            "at once" => harness.sleep(),
            _ => harness.crash(),
        }
    }
}

#[test]
fn a_device_none_of_whose_tokens_was_revoked_alone_has_no_table_of_them() {
    let mut harness = Harness::new();
    harness.revoke().unwrap();
    assert!(!harness.has_table_of_revoked_tokens());
    let unknown = Harness::of("cam".parse().unwrap(), |_| {}).revoke_token("a", None);
    assert_eq!(unknown.unwrap_err(), "unknown_device");
    harness.revoke_token("a", None).unwrap();
    assert!(harness.has_table_of_revoked_tokens());
}

#[test]
fn revoking_one_token_writes_one_row() {
    let mut harness = Harness::new();
    harness.revoke_token("a", None).unwrap();
    let before = harness.writes();
    harness.revoke_token("b", None).unwrap();
    assert_eq!(harness.writes() - before, 1);
    harness.revoke_token("b", None).unwrap();
    assert_eq!(harness.revoked(), 2, "the same token again is no other");
}

#[test]
fn only_the_socket_of_the_revoked_token_closes() {
    let mut harness = Harness::new();
    harness.open(1, &TagpostV1, token("a"), None);
    assert_eq!(harness.revoke_token("b", None), Ok(vec![]));
    assert!(harness.status().online);
    let closed = Ok(vec!["1 closes with 4401".to_owned()]);
    assert_eq!(harness.revoke_token("a", None), closed);
    assert!(!harness.status().online);
}

#[test]
fn a_hibernating_mailbox_still_knows_with_which_token_its_sockets_were_opened() {
    let mut harness = Harness::new();
    harness.open(1, &TagpostV1, token("a"), None);
    harness.watch(WATCHER, Some(token("b")), false).unwrap();
    harness.watch(WATCHER + 1, Some(token("a")), false).unwrap();
    harness.told.clear();
    harness.sleep();
    harness.revoke_token("b", None).unwrap();
    assert_eq!(harness.told, ["90000 closes with 4401"]);
    assert!(harness.status().online);
    harness.sleep();
    harness.told.clear();
    let closed = harness.revoke_token("a", None).unwrap();
    assert_eq!(closed, ["1 closes with 4401"]);
    assert!(harness.told.contains(&"90001 closes with 4401".to_owned()));
}

#[test]
fn a_socket_without_an_id_and_one_of_the_operator_stay_open() {
    let mut harness = Harness::new();
    harness.open(1, &TagpostV1, claims("cam"), None);
    harness.watch(WATCHER, None, false).unwrap();
    harness.told.clear();
    assert_eq!(harness.revoke_token("a", None), Ok(vec![]));
    assert!(harness.status().online && harness.told.is_empty());
}

#[test]
fn a_poll_that_waits_with_the_revoked_token_ends_and_another_waits_on() {
    let mut harness = Harness::new();
    let poll = || Call::Inbox { limit: 1, wait: 60 };
    let (_, (reply, _)) = harness.ask_as(Some(token("a")), poll(), None, None);
    assert!(reply.is_none(), "it waits");
    let (other, (reply, _)) = harness.ask_as(Some(token("b")), poll(), None, None);
    assert!(reply.is_none(), "it waits");
    let words = harness.revoke_token("a", None).unwrap();
    assert_eq!(words, ["inbox: unauthorized"]);
    assert!(harness.waits_for(other).is_some());
}

#[test]
fn a_revoked_token_is_kept_until_it_expires_and_then_makes_room() {
    let mut harness = Harness::new();
    for n in 0..100 {
        let expires_at = (n > 0).then_some(5_000);
        harness.revoke_token(&format!("t{n}"), expires_at).unwrap();
    }
    assert_eq!(harness.revoked(), 100);
    let full = harness.at(4_999).revoke_token("more", None);
    assert_eq!(full.unwrap_err(), "too_many_revoked");
    assert!(harness.admits(&token("more")), "nothing was changed");
    harness.revoke_token("t7", Some(5_000)).unwrap();
    harness.at(5_000).revoke_token("more", None).unwrap();
    assert_eq!(harness.revoked(), 2, "one without an end, and the new one");
    assert!(!harness.admits(&token("t0")) && !harness.admits(&token("more")));
}

#[test]
fn a_token_that_is_revoked_twice_is_kept_for_the_longer_time() {
    for (first, second, kept) in [
        (Some(1_000), Some(5_000), 5_000),
        (Some(5_000), Some(1_000), 5_000),
        (None, Some(1_000), Millis::MAX),
        (Some(1_000), None, Millis::MAX),
    ] {
        let mut harness = Harness::new();
        harness.revoke_token("a", first).unwrap();
        harness.revoke_token("a", second).unwrap();
        let sql = "SELECT expires_at FROM revoked_tokens";
        let stored = harness.query(sql).opt_int().unwrap();
        let stored = stored.map_or(Millis::MAX, |at| at - START);
        assert_eq!(stored, kept, "{first:?}, {second:?}");
    }
}

#[test]
fn revoking_all_tokens_forgets_which_were_revoked_alone_but_for_those_of_the_last_minute() {
    let mut harness = Harness::new();
    harness.revoke_token("early", None).unwrap();
    harness.at(10_000).revoke_token("late", None).unwrap();
    harness.at(69_000).revoke().unwrap();
    assert_eq!(harness.revoked(), 1);
    // Its `iat` was as far ahead as a clock may be, and is later than the revocation of all.
    let ahead = Claims {
        issued_at: START / 1000 + 70,
        ..token("late")
    };
    for when in ["at once", "after a crash"] {
        assert!(!harness.admits(&ahead), "{when}");
        assert!(!harness.admits(&token("early")), "{when}");
        assert!(harness.admits(&minted("early", 1)), "{when}: a new token");
        harness.crash();
    }
}

#[test]
fn a_removed_device_that_is_created_again_does_not_know_a_token_that_was_revoked_alone() {
    let mut harness = Harness::new();
    harness.revoke_token("a", None).unwrap();
    harness.at(61_000).remove();
    assert_eq!(harness.revoked(), 0);
    harness.register();
    assert!(!harness.admits(&token("a")) && !harness.admits(&minted("a", 0)));
    assert!(harness.admits(&minted("a", 1)));
}
