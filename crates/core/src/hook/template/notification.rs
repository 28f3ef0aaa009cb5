//! A notification: a payload for a person, in the form and within the bounds of `docs/protocol.md`.

use serde::Serialize;

/// The longest title, in characters.
const MAX_TITLE: usize = 128;
/// The longest text, in characters.
const MAX_BODY: usize = 1_024;
/// The longest address, in characters.
const MAX_URL: usize = 2_048;

/// The title of a notification that has nothing to say.
const UNTITLED: &str = "Message";

/// A title, and perhaps a text and an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::hook) struct Notification {
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl Notification {
    /// A notification with as much of these as there is room for. An address that is not `https` is left out.
    pub(super) fn new(title: &str, body: &str, url: Option<&str>) -> Self {
        // A title is one line.
        let words: Vec<&str> = title.split_whitespace().collect();
        let title = cut(&words.join(" "), MAX_TITLE);
        let is_taken = |url: &&str| url.starts_with("https://") && url.chars().count() <= MAX_URL;
        Self {
            title: match title.is_empty() {
                true => UNTITLED.to_owned(),
                false => title,
            },
            body: cut(body.trim(), MAX_BODY),
            url: url.filter(is_taken).map(str::to_owned),
        }
    }

    /// The beginning of a text. Without a title the first line is the title.
    pub(super) fn of_text(title: Option<&str>, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        match title {
            Some(title) => Self::new(title, text, None),
            // Nothing of a first line that is too long for a title is lost.
            None if first.chars().count() > MAX_TITLE => Self::new(first, text, None),
            None => Self::new(first, rest, None),
        }
    }
}

/// The text, or its beginning with an ellipsis, in at most `longest` characters.
pub(super) fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let start: String = text.chars().take(longest.saturating_sub(1)).collect();
    format!("{}…", start.trim_end())
}
