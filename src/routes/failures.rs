//! What the operator sees of failures: the list, and an overview of the service. Both are from the directory alone.

use std::str::FromStr;

use tagpost_core::delivery::State;
use tagpost_core::id::{DeviceId, InvalidName, owner};
use tagpost_core::problem::Problem;
use tagpost_core::time::Millis;

use super::Exchange;
use super::input::Query;
use crate::auth::Caller;
use crate::directory::failures::{self, Wanted};
use crate::respond::{self, Error, Response};

/// The latest time that may be named, in milliseconds.
const LATEST: u64 = 1 << 53;

/// The longest tag or expression that may be named, in characters.
const LONGEST_TAG: usize = 4_096;

/// `GET /v1/failures`
pub(super) async fn list(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    caller.reading().admin()?;
    let kept_from = exchange.now - exchange.config.limits.retention_ms();
    let wanted = wanted(&exchange.query()?, kept_from)?;
    let page = failures::list(&exchange.directory()?, &wanted).await?;
    // A place holds nothing that JSON would have to escape.
    let next = page.next.map(|place| format!(r#""{place}""#));
    let next = next.unwrap_or_else(|| "null".to_owned());
    let off = match exchange.config.records_failures {
        true => "",
        false => r#","off":true"#,
    };
    let failures = page.failures.join(",");
    let list = format!(r#"{{"failures":[{failures}],"next":{next}{off}}}"#);
    Ok(respond::json_text(200, list))
}

/// `GET /v1/overview`
pub(super) async fn overview(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    caller.reading().admin()?;
    let overview = failures::overview(&exchange.directory()?, exchange.now).await?;
    Ok(respond::json_text(200, overview))
}

/// Which failures a request asks for, of those from `kept_from` on.
fn wanted(query: &Query, kept_from: Millis) -> Result<Wanted, Problem> {
    let since = query.given_time("since", LATEST)?;
    let tag = query.text("tag")?;
    if tag.is_some_and(|tag| tag.len() > LONGEST_TAG) {
        let detail = format!("tag must have at most {LONGEST_TAG} characters");
        return Err(Problem::bad_request(detail));
    }
    let cursor = query.text("cursor")?.map(str::parse).transpose();
    let cursor = cursor
        .map_err(|()| Problem::bad_request("cursor must be the `next` of the page before"))?;
    Ok(Wanted {
        since: since.map_or(kept_from, |since| since.max(kept_from)),
        before: cursor,
        state: query.text("state")?.map(state).transpose()?,
        tag: tag.map(str::to_owned),
        device: name(query, "device", DeviceId::from_str)?,
        sender: name(query, "sender", owner::read)?,
        limit: query.limit()?,
    })
}

/// The device in this parameter.
fn name(
    query: &Query,
    parameter: &str,
    read: impl FnOnce(&str) -> Result<DeviceId, InvalidName>,
) -> Result<Option<DeviceId>, Problem> {
    let text = query.text(parameter)?;
    let name = text.map(read).transpose();
    name.map_err(|error: InvalidName| Problem::bad_request(format!("{parameter}: {error}")))
}

/// The state of this name.
fn state(name: &str) -> Result<State, Problem> {
    let mut all = State::ALL.into_iter().filter(|state| state.is_failure());
    all.find(|state| state.as_str() == name).ok_or_else(|| {
        Problem::bad_request("state must be expired, undeliverable, refused or rejected")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Wanted, Problem> {
        wanted(
            &Query::read(&format!("https://relay/v1/failures?{query}")),
            500,
        )
    }

    #[test]
    fn without_parameters_all_that_are_kept_are_wanted() {
        let wanted = read("").unwrap();
        assert_eq!((wanted.since, wanted.limit), (500, 100));
        assert!(wanted.state.is_none() && wanted.tag.is_none() && wanted.before.is_none());
        assert!(wanted.device.is_none() && wanted.sender.is_none());
        assert_eq!(read("since=499").unwrap().since, 500);
        assert_eq!(read("since=501").unwrap().since, 501);
    }

    #[test]
    fn each_filter_is_read() {
        let wanted = read("state=expired&tag=a%20%26%20b&device=cam&sender=bell&limit=7").unwrap();
        assert_eq!(wanted.state, Some(State::Expired));
        assert_eq!(wanted.tag.as_deref(), Some("a & b"));
        let names = [wanted.device, wanted.sender].map(|name| name.unwrap().to_string());
        assert_eq!(names, ["cam", "bell"]);
        assert_eq!(wanted.limit, 7);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for text in [
            "state=delivered",
            "state=",
            "device=a%20b",
            "sender=",
            "since=-1",
            "since=now",
            "cursor=x",
            "limit=0",
        ] {
            let (name, _) = text.split_once('=').unwrap();
            let problem = read(text).unwrap_err();
            assert!(problem.detail.starts_with(name), "{text}: {problem}");
        }
        let long = format!("tag={}", "a".repeat(4_097));
        assert!(read(&long).unwrap_err().detail.starts_with("tag"));
    }
}
