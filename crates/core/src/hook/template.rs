//! What becomes of a body that is posted to a hook: it is passed on as it is, or made into a notification.
//!
//! Of a body that it cannot read, a template makes a notification, too, with the beginning of the text. Text is never
//! taken for markup; of addresses only `https` ones are. Not here: the form of a notification, which `docs/protocol.md`
//! defines.

mod github;
mod grafana;
mod notification;
mod parts;

use serde::Serialize;

pub(super) use self::notification::Notification;
use super::HookName;

/// How a body is made into a payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// The payload is the body, with its `Content-Type`.
    #[default]
    Raw,
    /// The body is text.
    Text,
    /// The body is a webhook delivery of GitHub: JSON, or a form with the JSON in `payload`.
    Github,
    /// The body is a notification of Grafana's alerting.
    Grafana,
}

impl Template {
    /// All.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Text, Self::Github, Self::Grafana];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Text => "text",
            Self::Github => "github",
            Self::Grafana => "grafana",
        }
    }

    /// The template of this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|template| template.as_str() == name)
    }

    /// The notification that is made of a body; `None` if the body is passed on as it is.
    pub(super) fn apply(
        self,
        name: Option<&HookName>,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
    ) -> Option<Notification> {
        let name = name.map(HookName::as_str);
        let (read, title) = match self {
            Self::Raw => return None,
            Self::Text => (None, name),
            Self::Github => (github::read(header, body), Some(name.unwrap_or("GitHub"))),
            Self::Grafana => (grafana::read(body), Some(name.unwrap_or("Grafana"))),
        };
        Some(read.unwrap_or_else(|| Notification::of_text(title, body)))
    }
}
