//! JSON as the protocol reads and writes it: one object, unknown fields ignored.
//!
//! What stands in the fields is for the reader of the object to check.

use serde::{Deserialize, Serialize};

/// Why a text is not the object that was expected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTheObject {
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    Syntax(serde_json::Error),
    /// JSON, but another kind of value.
    #[error("not a JSON object")]
    Kind,
    /// A field is missing, stands twice, or is not what it has to be.
    #[error("{0}")]
    Field(serde_json::Error),
}

/// Reads a text that is one object.
///
/// serde would take an array for a struct as well, field by field; that is no part of the protocol.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, NotTheObject> {
    let starts_an_object = text.trim_ascii_start().starts_with('{');
    match serde_json::from_str(text) {
        Ok(value) if starts_an_object => Ok(value),
        Err(error) if !error.is_data() => Err(NotTheObject::Syntax(error)),
        Err(error) if starts_an_object => Err(NotTheObject::Field(error)),
        _ => Err(NotTheObject::Kind),
    }
}

/// Writes a value of the protocol.
pub(crate) fn text(value: &impl Serialize) -> String {
    // Writing to memory fails only for maps whose keys are no strings, and the protocol has none.
    serde_json::to_string(value).unwrap_or_default()
}
