//! What the templates of JSON share: a text at a place, and a list of which only the beginning is shown.

use serde_json::Value;

/// How many lines of a list are shown.
const LINES: usize = 8;

/// The text at a JSON pointer (RFC 6901), if it is one that is not empty.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let text = value.pointer(pointer)?.as_str()?;
    Some(text).filter(|text| !text.trim().is_empty())
}

/// The first lines of a list of `number`, and how many more there are.
pub(super) fn beginning(lines: impl Iterator<Item = String>, number: usize) -> String {
    let mut shown: Vec<String> = lines.take(LINES).collect();
    let more = number.saturating_sub(shown.len());
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join("\n")
}
