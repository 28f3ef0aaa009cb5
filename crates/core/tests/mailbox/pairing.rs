//! A pairing code is exchanged once, in time, for a token of what was granted.

use tagpost_core::call::{Call, IssuedCode};
use tagpost_core::mailbox::Reply;
use tagpost_core::pairing::LIFE;
use tagpost_core::problem::Code;
use tagpost_core::token::{Claims, Grant};

use super::harness::{Harness, START, device};

/// What tells the refusals of one code apart is for people.
const USED: &str = "was used already";
const EXPIRED: &str = "has expired";
const ENDED: &str = "has ended";

fn grant() -> Grant {
    serde_json::from_str(r#"{"publish":["@door"],"tags":["hall.*"],"expires_in":60}"#).unwrap()
}

fn try_issue(harness: &mut Harness) -> Result<IssuedCode, String> {
    let call = Call::IssueCode { grant: grant() };
    match harness.ask(call).0? {
        Reply::IssuedCode(issued) => Ok(issued),
        other => panic!("{other:?}"),
    }
}

fn issue(harness: &mut Harness) -> i64 {
    try_issue(harness).unwrap().number
}

/// The claims of the token, or what the problem says.
fn exchange(harness: &mut Harness, number: i64) -> Result<Claims, String> {
    let (_, (reply, words)) = harness.ask_as(None, Call::ExchangeCode { number }, None, None);
    assert_eq!(words, [""; 0]);
    match reply.unwrap() {
        Reply::Paired(claims) => Ok(claims),
        Reply::Problem(problem) if problem.code == Code::UnknownCode => Err(problem.detail),
        Reply::Problem(problem) => Err(problem.code.as_str().to_owned()),
        other => panic!("{other:?}"),
    }
}

fn assert_refused(harness: &mut Harness, number: i64, why: &str) {
    let refused = exchange(harness, number).unwrap_err();
    assert!(refused.contains(why), "{refused}");
}

#[test]
fn a_code_is_exchanged_for_the_claims_of_what_was_granted() {
    let mut harness = Harness::new();
    harness.revoke().unwrap();
    let issued = try_issue(harness.at(1_000)).unwrap();
    assert_eq!(issued.expires_at, START + 1_000 + LIFE);
    harness.crash();
    // The token's time begins when it is minted.
    let claims = exchange(harness.at(9_000), issued.number).unwrap();
    let id = claims.id.clone().unwrap();
    let granted = grant().claims(device("cam"), id, START / 1_000 + 9, 1);
    assert_eq!(claims, granted);
    assert_eq!(claims.expires_at, Some(START / 1_000 + 69));
    assert!(harness.admits(&claims));
}

#[test]
fn a_code_is_exchanged_once_even_if_the_mailbox_crashes_right_after() {
    let mut harness = Harness::new();
    let code = issue(&mut harness);
    exchange(&mut harness, code).unwrap();
    assert_refused(&mut harness, code, USED);
    harness.crash();
    assert_refused(&mut harness, code, USED);
}

#[test]
fn a_code_is_valid_for_ten_minutes() {
    let mut harness = Harness::new();
    let code = issue(&mut harness);
    assert_refused(harness.at(LIFE), code, EXPIRED);
    exchange(harness.at(LIFE - 1), code).unwrap();
}

#[test]
fn a_new_code_ends_the_one_before() {
    let mut harness = Harness::new();
    let (first, second) = (issue(&mut harness), issue(&mut harness));
    assert_ne!(first, second);
    assert_refused(&mut harness, first, ENDED);
    exchange(&mut harness, second).unwrap();
    let third = issue(&mut harness);
    assert_refused(&mut harness, second, ENDED);
    exchange(&mut harness, third).unwrap();
}

#[test]
fn a_device_that_never_had_a_code_takes_none() {
    let mut harness = Harness::new();
    assert_refused(&mut harness, 0, ENDED);
}

#[test]
fn revoking_the_tokens_of_a_device_ends_its_code() {
    let mut harness = Harness::new();
    let code = issue(&mut harness);
    harness.revoke().unwrap();
    assert_refused(&mut harness, code, ENDED);
}

#[test]
fn removing_a_device_ends_its_code_even_if_it_is_created_again() {
    let mut harness = Harness::new();
    let code = issue(&mut harness);
    harness.remove();
    assert_refused(&mut harness, code, ENDED);
    harness.register();
    assert_refused(&mut harness, code, ENDED);
    assert_eq!(harness.query("SELECT count(*) FROM pairing").int(), Ok(0));
}

#[test]
fn a_mailbox_without_a_device_issues_no_code() {
    let mut harness = Harness::new();
    harness.remove();
    assert_eq!(try_issue(&mut harness).unwrap_err(), "unknown_device");
}

#[test]
fn ten_codes_a_minute_are_issued_and_ten_exchanges_tried() {
    let mut harness = Harness::new();
    let codes: Vec<i64> = (0..10).map(|_| issue(&mut harness)).collect();
    assert_eq!(try_issue(&mut harness).unwrap_err(), "too_many_requests");
    for code in &codes[..9] {
        assert_refused(&mut harness, *code, ENDED);
    }
    exchange(&mut harness, codes[9]).unwrap();
    let tried = exchange(&mut harness, codes[9]);
    assert_eq!(tried.unwrap_err(), "too_many_requests");
    let code = issue(harness.at(6_000));
    exchange(&mut harness, code).unwrap();
    assert_eq!(try_issue(&mut harness).unwrap_err(), "too_many_requests");
}

#[test]
fn issuing_a_code_and_exchanging_it_write_a_row_each() {
    let mut harness = Harness::new();
    // The first creates the table.
    issue(&mut harness);
    let before = harness.writes();
    let code = issue(&mut harness);
    assert_eq!(harness.writes() - before, 1);
    exchange(&mut harness, code).unwrap();
    assert_eq!(harness.writes() - before, 2);
    assert_refused(&mut harness, code, USED);
    assert_eq!(harness.writes() - before, 2);
}
