//! Reading one field of a frame: its JSON, or its absence.
//!
//! Each reader is strict about the type and names the field in its error.

use std::str::FromStr;

use serde_json::value::RawValue;

use crate::id::InvalidName;
use crate::problem::Problem;

/// A string.
pub(super) fn text(field: &str, raw: Option<&RawValue>) -> Result<Option<String>, Problem> {
    raw.map(|raw| {
        serde_json::from_str(raw.get()).map_err(|_| {
            // Nothing else can be wrong with a JSON string (RFC 8259, section 8.2).
            let wrong = if raw.get().starts_with('"') {
                "contains an unpaired surrogate, which is not valid Unicode"
            } else {
                "must be a string"
            };
            Problem::bad_request(format!("{field} {wrong}"))
        })
    })
    .transpose()
}

/// A string of at most `most` characters.
pub(super) fn limited_text(
    field: &str,
    raw: Option<&RawValue>,
    most: usize,
) -> Result<Option<String>, Problem> {
    match text(field, raw)? {
        Some(text) if text.chars().count() > most => Err(Problem::bad_request(format!(
            "{field} must be at most {most} characters"
        ))),
        text => Ok(text),
    }
}

/// A string that is a checked name.
pub(super) fn name<T: FromStr<Err = InvalidName>>(
    field: &str,
    raw: Option<&RawValue>,
) -> Result<Option<T>, Problem> {
    let checked = |text: String| {
        let wrong =
            |error: InvalidName| Problem::bad_request(format!("{field} must {}", error.rule));
        text.parse().map_err(wrong)
    };
    text(field, raw)?.map(checked).transpose()
}

/// A value that must not be absent.
pub(super) fn required<T>(field: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::bad_request(format!("{field} is missing")))
}
