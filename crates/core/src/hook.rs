//! Hooks: URLs for services that can only call a URL. What is posted to one is published.
//!
//! A hook publishes as one device, to one target, as was chosen when it was made. All of that is in its URL, which is
//! sealed (see [`crate::web_push::seal`]): no hook is stored, so there may be any number of them. It ends with the
//! tokens of its device, with the token that it was made with, or with all hooks of the device. Not here: whether it
//! has ended, which the device's mailbox knows.

mod request;
mod target;
mod template;

use serde::{Deserialize, Serialize};

pub use self::request::{LONGEST_REQUEST, read};
pub use self::target::{HookName, HookTarget};
pub use self::template::Template;

use crate::id::{DeviceId, Topic};
use crate::limits::Limits;
use crate::message::Urgency;
use crate::payload::{self, Names, Payload};
use crate::problem::Problem;
use crate::publish::{self, DEFAULT_TTL, Draft, Options};
use crate::token::Claims;
use crate::web_push::seal::{Capability, NAME, Reader, name, number, text};

/// The header in which a service that posts a message to an address names its own host. Several are separated by
/// commas.
pub const VIA: &str = "Tagpost-Via";

/// The bytes of a target's name: those of the longest tag.
const TARGET: usize = 128;
/// The bytes of a topic.
const TOPIC: usize = 32;
/// The bytes of a hook's name.
const HOOK_NAME: usize = 64;

/// What a hook does with what is posted to it. Written, it is the body of a request for a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// To whom it publishes.
    pub to: HookTarget,
    /// Seconds to keep trying.
    pub ttl: u32,
    /// The place of its messages in the queue.
    pub urgency: Urgency,
    /// Its messages replace the unacknowledged one of this topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    /// What it is for; for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<HookName>,
    /// What becomes of a body.
    pub template: Template,
}

impl Terms {
    /// A hook that publishes to this target as it comes, with the defaults of a publish.
    pub fn new(to: HookTarget) -> Self {
        Self {
            to,
            ttl: DEFAULT_TTL,
            urgency: Urgency::default(),
            topic: None,
            name: None,
            template: Template::default(),
        }
    }
}

/// How often something of a device had been revoked when a hook was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    /// Its tokens.
    pub tokens: u32,
    /// Its hooks.
    pub hooks: u32,
}

/// What the URL of a hook permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The device that it publishes as.
    pub device: DeviceId,
    /// What it does.
    pub terms: Terms,
    /// When it expires, in seconds; `None` is never.
    pub expires_at: Option<i64>,
    /// What had been revoked by then.
    pub revocations: Revocations,
}

impl Capability for Hook {
    const KIND: char = 'h';
    const LENGTH: usize =
        1 + (1 + NAME) + 1 + (1 + TARGET) + 4 + 1 + 1 + (1 + TOPIC) + (1 + HOOK_NAME) + 5 + 4 + 4;

    fn write(&self, plaintext: &mut Vec<u8>) {
        let Terms {
            to,
            ttl,
            urgency,
            topic,
            name: label,
            template,
        } = &self.terms;
        name(plaintext, &self.device);
        let (kind, target) = match to {
            HookTarget::Tag(tag) => (0, tag.as_str()),
            HookTarget::Device(device) => (1, device.as_str()),
        };
        number(plaintext, kind, 1);
        text(plaintext, target, TARGET);
        number(plaintext, i64::from(*ttl), 4);
        number(plaintext, place(&Urgency::ALL, urgency), 1);
        number(plaintext, place(&Template::ALL, template), 1);
        text(plaintext, topic.as_ref().map_or("", Topic::as_str), TOPIC);
        let label = label.as_ref().map_or("", HookName::as_str);
        text(plaintext, label, HOOK_NAME);
        number(plaintext, self.expires_at.unwrap_or(0), 5);
        number(plaintext, self.revocations.tokens.into(), 4);
        number(plaintext, self.revocations.hooks.into(), 4);
    }

    fn read(plaintext: &mut Reader<'_>) -> Option<Self> {
        let device = plaintext.name()?;
        let kind = plaintext.number(1)?;
        let target = plaintext.text(TARGET)?;
        let to = match kind {
            0 => HookTarget::Tag(target.parse().ok()?),
            1 => HookTarget::Device(target.parse().ok()?),
            _ => return None,
        };
        let terms = Terms {
            to,
            ttl: plaintext.number(4)?.try_into().ok()?,
            urgency: at(&Urgency::ALL, plaintext.number(1)?)?,
            template: at(&Template::ALL, plaintext.number(1)?)?,
            topic: given(plaintext.text(TOPIC)?)
                .map(str::parse)
                .transpose()
                .ok()?,
            name: given(plaintext.text(HOOK_NAME)?)
                .map(str::parse)
                .transpose()
                .ok()?,
        };
        Some(Self {
            device,
            terms,
            expires_at: Some(plaintext.number(5)?).filter(|at| *at > 0),
            revocations: Revocations {
                tokens: plaintext.number(4)?.try_into().ok()?,
                hooks: plaintext.number(4)?.try_into().ok()?,
            },
        })
    }
}

impl Hook {
    /// The claims with which its device's mailbox admits it: those of a token that was minted when it was made, and
    /// that permits nothing else.
    pub fn claims(&self) -> Claims {
        Claims {
            device: self.device.clone(),
            issued_at: 0,
            expires_at: self.expires_at,
            publish: Some(Vec::new()),
            tags: Vec::new(),
            revocations: Some(self.revocations.tokens),
        }
    }

    /// The draft of what was posted. Of the headers only `Content-Type`, `Idempotency-Key` and those that its template
    /// names are read: a service that calls a URL does not mean tagpost with any other.
    ///
    /// # Errors
    /// [`crate::problem::Code::BadRequest`] names the header or the body;
    /// [`crate::problem::Code::PayloadTooLarge`].
    pub fn draft(
        &self,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
        limits: &Limits,
    ) -> Result<Draft, Problem> {
        let terms = &self.terms;
        let key = header("Idempotency-Key");
        let options = Options {
            ttl: Some(terms.ttl),
            topic: terms.topic.clone(),
            urgency: Some(terms.urgency),
            key: key.as_deref().map(publish::key).transpose()?,
            ..Options::default()
        };
        let content_type = header("Content-Type");
        let notification = terms
            .template
            .apply(terms.name.as_ref(), &header, body)
            .map(|notification| crate::json::text(&notification));
        let (content_type, body) = match &notification {
            Some(text) => (Some(payload::JSON.to_owned()), text.as_bytes()),
            None => (content_type, body),
        };
        let names = Names {
            payload: "the body",
            content_type: "Content-Type",
        };
        let content_type = content_type.unwrap_or_else(|| payload::BYTES.to_owned());
        let payload = Payload::of_bytes(body, content_type, names, limits)?;
        Ok(Draft::new(options, payload))
    }
}

/// Whether a request with this value of [`VIA`] comes from the service at `origin`.
pub fn is_loop(via: &str, origin: &str) -> bool {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    let mut hosts = via.split(',').map(str::trim);
    hosts.any(|found| found.eq_ignore_ascii_case(host))
}

/// The place of a value in the list of all.
fn place<T: PartialEq>(all: &[T], value: &T) -> i64 {
    let place = all.iter().position(|known| known == value);
    place.map_or(i64::MAX, |place| place as i64)
}

fn at<T: Copy>(all: &[T], place: i64) -> Option<T> {
    all.get(usize::try_from(place).ok()?).copied()
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
