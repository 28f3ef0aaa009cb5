//! The body of a request for a hook.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Template, Terms};
use crate::json;
use crate::problem::Problem;
use crate::publish::{self, TTL, json_whole_number};

/// The longest body, in bytes.
pub const LONGEST_REQUEST: usize = 2_048;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    to: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "json::present")]
    ttl: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    urgency: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    topic: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    template: Option<&'a RawValue>,
}

/// Reads what a hook is to do.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`] names the field, and what it must be.
pub fn read(body: &[u8]) -> Result<Terms, Problem> {
    let invalid =
        |why: &dyn std::fmt::Display| Problem::bad_request(format!("the body is not valid: {why}"));
    let body = std::str::from_utf8(body).map_err(|error| invalid(&error))?;
    let body: Body<'_> = json::object(body).map_err(|error| invalid(&error))?;
    let to = serde_json::from_str(body.to.get()).map_err(|error| {
        Problem::bad_request(format!(
            "to must be {{\"tag\":…}} or {{\"device\":…}}: {error}"
        ))
    })?;
    let ttl = body.ttl.map(|raw| json_whole_number("ttl", raw, TTL));
    let urgency = body
        .urgency
        .map(|raw| publish::urgency("urgency", &string("urgency", raw)?));
    let template = body.template.map(|raw| {
        let name = string("template", raw)?;
        Template::named(&name)
            .ok_or_else(|| Problem::bad_request("template must be raw, text, github or grafana"))
    });
    let defaults = Terms::new(to);
    Ok(Terms {
        ttl: ttl.transpose()?.unwrap_or(defaults.ttl),
        urgency: urgency.transpose()?.unwrap_or(defaults.urgency),
        topic: named("topic", body.topic)?,
        name: named("name", body.name)?,
        template: template.transpose()?.unwrap_or(defaults.template),
        ..defaults
    })
}

/// The name in a field, if it is there.
fn named<T: std::str::FromStr<Err = crate::id::InvalidName>>(
    field: &str,
    raw: Option<&RawValue>,
) -> Result<Option<T>, Problem> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let name = string(field, raw)?.parse();
    let name = name.map_err(|error: crate::id::InvalidName| {
        Problem::bad_request(format!("{field} must {}", error.rule))
    })?;
    Ok(Some(name))
}

fn string(field: &str, raw: &RawValue) -> Result<String, Problem> {
    serde_json::from_str(raw.get())
        .map_err(|_| Problem::bad_request(format!("{field} must be a string")))
}
