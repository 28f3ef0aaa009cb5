//! The body that says what a new token will permit: that of creating a device, and of issuing a pairing code.

use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::RawValue;
use tagpost_core::id::DeviceId;
use tagpost_core::json;
use tagpost_core::pattern::Pattern;
use tagpost_core::problem::Problem;
use tagpost_core::publish::json_whole_number;
use tagpost_core::token::{Claims, Grant, TokenId};

use super::Exchange;
use crate::respond::Error;

/// The longest body, in bytes: more than fits in any token.
const LONGEST_GRANT: usize = 16_384;

/// The longest `expires_in`: 100 years.
const LONGEST_EXPIRY: i64 = 100 * 365 * 86_400;

/// Reads the body of the request, which grants a token to `device`.
///
/// # Errors
/// It is malformed, or such a token would be too long: nothing is changed then.
pub(super) async fn read(exchange: &Exchange, device: &DeviceId) -> Result<Grant, Error> {
    let grant = parse(&exchange.body(LONGEST_GRANT).await?)?;
    // With the longest number of revocations. All new ids have the same length.
    let (id, issued_at) = (TokenId::from_random(0), exchange.now.div_euclid(1_000));
    let claims = grant
        .clone()
        .claims(device.clone(), id, issued_at, u32::MAX);
    exchange.config.credentials.mint(&claims).map_err(|error| {
        let detail = format!("publish and tags have too many patterns: {error}");
        Problem::bad_request(detail)
    })?;
    Ok(grant)
}

/// An id for a new token.
pub(super) fn new_id() -> Result<TokenId, Error> {
    let bits = getrandom::u64().map_err(|error| Error::internal("no_random_bytes", error))?;
    Ok(TokenId::from_random(bits))
}

/// Mints a token with claims that come from a grant of [`read`].
pub(super) fn mint(exchange: &Exchange, claims: &Claims) -> Result<String, Error> {
    let token = exchange.config.credentials.mint(claims);
    token.map_err(|error| Error::internal("token_not_minted", error))
}

/// Parses the body: nothing, or an object. An unknown field is refused, because a misspelt one must not yield a token
/// that allows more than intended. So is a null, and a field that is given twice.
fn parse(body: &[u8]) -> Result<Grant, Problem> {
    if body.is_empty() {
        return Ok(Grant::default());
    }
    let invalid =
        |error: &dyn Display| Problem::bad_request(format!("the body is not valid: {error}"));
    let body = str::from_utf8(body).map_err(|error| invalid(&error))?;
    let fields: Fields = json::object(body).map_err(|error| invalid(&error))?;
    let expires_in = fields
        .expires_in
        .map(|raw| json_whole_number("expires_in", raw, 1..=LONGEST_EXPIRY));
    Ok(Grant {
        publish: fields
            .publish
            .map(|raw| patterns("publish", raw))
            .transpose()?,
        tags: fields.tags.map_or(Ok(Vec::new()), tag_patterns)?,
        webhook: fields
            .webhook
            .map(yes_or_no)
            .transpose()?
            .unwrap_or_default(),
        expires_in: expires_in.transpose()?,
    })
}

/// The fields of the body, unparsed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    publish: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    tags: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    webhook: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    expires_in: Option<&'a RawValue>,
}

fn yes_or_no(raw: &RawValue) -> Result<bool, Problem> {
    serde_json::from_str(raw.get())
        .map_err(|_| Problem::bad_request("webhook must be true or false"))
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
    use tagpost_core::problem::Code;

    use super::*;

    fn list(texts: &[&str]) -> Vec<Pattern> {
        texts
            .iter()
            .map(|text| Pattern::try_from((*text).to_owned()).unwrap())
            .collect()
    }

    #[test]
    fn no_body_grants_everything_for_ever() {
        assert_eq!(parse(b""), Ok(Grant::default()));
        assert_eq!(parse(b" {} "), Ok(Grant::default()));
    }

    #[test]
    fn a_grant_is_read_as_it_stands() {
        assert_eq!(
            parse(br#"{"publish":["kitchen.*","@cam-1"],"tags":["hall*"],"webhook":true,"expires_in":60}"#),
            Ok(Grant {
                publish: Some(list(&["kitchen.*", "@cam-1"])),
                tags: list(&["hall*"]),
                webhook: true,
                expires_in: Some(60)
            })
        );
        assert_eq!(
            parse(br#"{"publish":[]}"#),
            Ok(Grant {
                publish: Some(vec![]),
                tags: vec![],
                webhook: false,
                expires_in: None
            })
        );
    }

    #[test]
    fn an_end_is_a_whole_number_in_every_form() {
        for text in ["60", "60.0", "6e1"] {
            let grant = parse(format!(r#"{{"expires_in":{text}}}"#).as_bytes()).unwrap();
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
                let problem = parse(body.as_bytes()).unwrap_err();
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
            (r#"{"webhook":null}"#, "webhook must be true or false"),
            (r#"{"webhook":1}"#, "webhook must be true or false"),
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
            let problem = parse(body.as_bytes()).unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{body}");
            assert!(problem.detail.contains(named), "{body}: {problem}");
        }
    }
}
