//! `/v1/devices`: the operator's view of the devices, and each device's view of itself.

use std::fmt::Display;

use futures_util::future::join;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tagpost_core::call::{Call, Registered, Status};
use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::json;
use tagpost_core::pattern::Pattern;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::publish::json_whole_number;
use tagpost_core::time::Millis;
use tagpost_core::token::Claims;

use super::Exchange;
use crate::auth::Caller;
use crate::respond::{self, Error, Response};
use crate::{directory, log};

/// The longest body of a [`put`], in bytes: more than fits in any token.
const LONGEST_GRANT: usize = 16_384;

/// The longest `expires_in`: 100 years.
const LONGEST_EXPIRY: i64 = 100 * 365 * 86_400;

/// The answer to [`list`].
#[derive(Serialize)]
struct DeviceList<'a> {
    devices: &'a [directory::Device],
    next: Option<&'a DeviceId>,
}

/// The answer to [`put`].
#[derive(Serialize)]
struct DeviceToken {
    device: DeviceId,
    token: String,
    created_at: Millis,
}

/// The answer to [`get`].
#[derive(Serialize)]
struct DeviceStatus {
    device: DeviceId,
    online: bool,
    connected_at: Option<Millis>,
    last_seen_at: Option<Millis>,
    held: u32,
    in_flight: u32,
    in_progress: u32,
    held_bytes: u64,
    tags: Vec<Tag>,
}

/// `GET /v1/devices`
pub(super) async fn list(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    caller.admin()?;
    let query = exchange.query()?;
    let (after, limit) = (query.cursor()?, query.limit()?);
    let page = directory::devices(&exchange.directory()?, after.as_ref(), limit).await?;
    let next = page.next(|device| &device.device);
    let devices = &page.entries;
    Ok(respond::json(200, &DeviceList { devices, next }))
}

/// `PUT /v1/devices/{device}`
pub(super) async fn put(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    caller.admin()?;
    let body = exchange.body(LONGEST_GRANT).await?;
    let grant = Grant::read(&body)?;
    let issued_at = exchange.now.div_euclid(1_000);
    let mut claims = Claims {
        device: device.clone(),
        issued_at,
        expires_at: grant
            .expires_in
            .map(|seconds| issued_at.saturating_add(seconds)),
        publish: grant.publish,
        tags: grant.tags,
        revocations: Some(u32::MAX),
    };
    // Minted once with the longest number of revocations, so that a token that would be too long is refused
    // before anything is changed.
    exchange.config.mint(&claims).map_err(|error| {
        let detail = format!("publish and tags have too many patterns: {error}");
        Problem::bad_request(detail)
    })?;

    let registration = directory::register(&exchange.directory()?, &device, exchange.now).await?;
    let registered: Registered = exchange.ask_for(&device, None, Call::Register).await?;
    claims.revocations = Some(registered.revocations);
    let token = exchange
        .config
        .mint(&claims)
        .map_err(|error| Error::internal("token_not_minted", error))?;
    if registration.created {
        log::info("device_registered", &[("device", device.as_str())]);
    }
    let status = if registration.created { 201 } else { 200 };
    let created_at = registration.created_at;
    Ok(respond::json(
        status,
        &DeviceToken {
            device,
            token,
            created_at,
        },
    ))
}

/// `GET /v1/devices/{device}`
pub(super) async fn get(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let caller = caller.admin_or(&device)?;
    let directory = exchange.directory()?;
    let status = exchange.ask_for(&device, caller, Call::Status);
    let (status, tags) = join(status, directory::tags_of(&directory, &device)).await;
    let (status, tags): (Status, Vec<Tag>) = (status?, tags?);
    if !status.known {
        return Err(unknown(&device));
    }
    Ok(respond::json(
        200,
        &DeviceStatus {
            device,
            online: status.online,
            connected_at: status.connected_at,
            last_seen_at: status.last_seen_at,
            held: status.held,
            in_flight: status.in_flight,
            in_progress: status.in_progress,
            held_bytes: status.held_bytes,
            tags,
        },
    ))
}

/// `DELETE /v1/devices/{device}`
pub(super) async fn delete(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    caller.admin()?;
    // The mailbox first, and each whether or not the other knew the device: wherever this is cut off, a
    // repetition finds the rest and finishes it.
    let removed: Registered = exchange.ask_for(&device, None, Call::Remove).await?;
    let forgotten = directory::forget(&exchange.directory()?, &device).await?;
    if !(removed.changed || forgotten) {
        return Err(unknown(&device));
    }
    log::info("device_removed", &[("device", device.as_str())]);
    Ok(respond::empty(204))
}

/// `DELETE /v1/devices/{device}/tokens`
pub(super) async fn revoke(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    caller.admin()?;
    let revoked: Registered = exchange.ask_for(&device, None, Call::Revoke).await?;
    if revoked.created_at == 0 {
        return Err(unknown(&device));
    }
    log::info("tokens_revoked", &[("device", device.as_str())]);
    Ok(respond::empty(204))
}

/// The error if the device is not known.
pub(super) fn unknown(device: &DeviceId) -> Error {
    Problem::new(Code::UnknownDevice, format!("there is no device {device}")).into()
}

/// What the token minted by [`put`] allows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Grant {
    publish: Option<Vec<Pattern>>,
    tags: Vec<Pattern>,
    /// Seconds.
    expires_in: Option<i64>,
}

impl Grant {
    /// Reads the body of a [`put`]: nothing, or an object. An unknown field is refused, because a misspelt one
    /// must not yield a token that allows more than intended. So is a null, and a field that is given twice.
    fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let invalid =
            |error: &dyn Display| Problem::bad_request(format!("the body is not valid: {error}"));
        let body = str::from_utf8(body).map_err(|error| invalid(&error))?;
        let fields: Fields = json::object(body).map_err(|error| invalid(&error))?;
        let expires_in = fields
            .expires_in
            .map(|raw| json_whole_number("expires_in", raw, 1..=LONGEST_EXPIRY));
        Ok(Self {
            publish: fields
                .publish
                .map(|raw| patterns("publish", raw))
                .transpose()?,
            tags: fields.tags.map_or(Ok(Vec::new()), tag_patterns)?,
            expires_in: expires_in.transpose()?,
        })
    }
}

/// The fields of the body of a [`put`], unparsed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    publish: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    tags: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    expires_in: Option<&'a RawValue>,
}

fn patterns(field: &str, raw: &RawValue) -> Result<Vec<Pattern>, Problem> {
    let texts: Vec<String> = serde_json::from_str(raw.get()).map_err(|_| {
        Problem::bad_request(format!(
            "{field} must be an array of strings in valid Unicode"
        ))
    })?;
    let patterns = texts.into_iter().map(Pattern::try_from);
    let patterns = patterns.collect::<Result<_, _>>();
    patterns.map_err(|error| Problem::bad_request(format!("{field}: {error}")))
}

fn tag_patterns(raw: &RawValue) -> Result<Vec<Pattern>, Problem> {
    Pattern::of_tags(patterns("tags", raw)?)
        .map_err(|error| Problem::bad_request(format!("tags: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<Pattern> {
        texts
            .iter()
            .map(|text| Pattern::try_from((*text).to_owned()).unwrap())
            .collect()
    }

    #[test]
    fn no_body_grants_everything_for_ever() {
        assert_eq!(Grant::read(b""), Ok(Grant::default()));
        assert_eq!(Grant::read(b" {} "), Ok(Grant::default()));
    }

    #[test]
    fn a_grant_is_read_as_it_stands() {
        assert_eq!(
            Grant::read(br#"{"publish":["kitchen.*","@cam-1"],"tags":["hall*"],"expires_in":60}"#),
            Ok(Grant {
                publish: Some(list(&["kitchen.*", "@cam-1"])),
                tags: list(&["hall*"]),
                expires_in: Some(60)
            })
        );
        assert_eq!(
            Grant::read(br#"{"publish":[]}"#),
            Ok(Grant {
                publish: Some(vec![]),
                tags: vec![],
                expires_in: None
            })
        );
    }

    #[test]
    fn an_end_is_a_whole_number_in_every_form() {
        for text in ["60", "60.0", "6e1"] {
            let grant = Grant::read(format!(r#"{{"expires_in":{text}}}"#).as_bytes()).unwrap();
            assert_eq!(grant.expires_in, Some(60), "{text}");
        }
    }

    #[test]
    fn patterns_that_are_no_array_of_strings_are_refused_as_such() {
        for value in [
            "null",
            "true",
            "7",
            r#""kitchen""#,
            r#"{"kitchen":true}"#,
            "[7]",
            "[null]",
            r#"[["kitchen"]]"#,
            r#"["kitchen",7]"#,
            r#"["\ud800"]"#,
        ] {
            for field in ["publish", "tags"] {
                let body = format!(r#"{{"{field}":{value}}}"#);
                let problem = Grant::read(body.as_bytes()).unwrap_err();
                assert_eq!(problem.code, Code::BadRequest, "{body}");
                let detail = format!("{field} must be an array of strings in valid Unicode");
                assert_eq!(problem.detail, detail, "{body}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_grant_is_named() {
        for (body, named) in [
            (r#"{"publsh":["kitchen"]}"#, "publsh"),
            (r#"{"publish":null}"#, "publish"),
            (r#"{"publish":"kitchen"}"#, "publish"),
            (r#"{"publish":["a b"]}"#, "publish"),
            (r#"{"publish":[7]}"#, "publish"),
            (r#"{"tags":["a*b"]}"#, "tags: the pattern \"a*b\""),
            (
                r#"{"tags":["kitchen","@cam-1"]}"#,
                "tags: the pattern \"@cam-1\" must be a tag pattern",
            ),
            (r#"{"tags":[],"tags":["*"]}"#, "duplicate field `tags`"),
            (r#"{"expires_in":null}"#, "expires_in"),
            (r#"{"expires_in":0}"#, "expires_in"),
            (r#"{"expires_in":-1}"#, "expires_in"),
            (r#"{"expires_in":1.5}"#, "expires_in"),
            (r#"{"expires_in":"60"}"#, "expires_in"),
            (r#"{"expires_in":3153600001}"#, "expires_in"),
            (
                r#"{"expires_in":5,"expires_in":6}"#,
                "duplicate field `expires_in`",
            ),
            (
                r#"{"publish":[],"publish":["*"]}"#,
                "duplicate field `publish`",
            ),
            (
                r#"{"publish":[],"\u0070ublish":["*"]}"#,
                "duplicate field `publish`",
            ),
            ("[]", "not a JSON object"),
            ("[[],5]", "not a JSON object"),
            ("[]", "body"),
            ("nonsense", "body"),
            ("\"\u{fffd}", "body"),
        ] {
            let problem = Grant::read(body.as_bytes()).unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{body}");
            assert!(problem.detail.contains(named), "{body}: {problem}");
        }
    }
}
