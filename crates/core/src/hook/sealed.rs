//! How a hook is written in its URL.
//!
//! Hooks live for years: the number of every urgency and template stays what it is. Not here: the encryption, which is
//! that of [`crate::web_push::seal`].

use super::{Hook, HookName, HookTarget, Nonce, Revocations, Template, Terms};
use crate::id::Topic;
use crate::message::Urgency;
use crate::web_push::seal::{Capability, NAME, Reader, name, number, text};

/// The bytes of a target's name: those of the longest tag.
const TARGET: usize = 128;
/// The bytes of a topic.
const TOPIC: usize = 32;
/// The bytes of a hook's name: its longest, all of characters of four bytes.
const HOOK_NAME: usize = 4 * super::target::LONGEST_NAME;

impl Capability for Hook {
    const KIND: char = 'h';
    const LENGTH: usize = 1
        + (1 + NAME)
        + 1
        + (1 + TARGET)
        + 4
        + 1
        + 1
        + (1 + TOPIC)
        + (2 + HOOK_NAME)
        + 5
        + 4
        + 4
        + size_of::<Nonce>();

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
        number(plaintext, number_of_urgency(*urgency), 1);
        number(plaintext, number_of_template(*template), 1);
        text(plaintext, topic.as_ref().map_or("", Topic::as_str), TOPIC);
        let label = label.as_ref().map_or("", HookName::as_str);
        text(plaintext, label, HOOK_NAME);
        number(plaintext, self.expires_at.unwrap_or(0), 5);
        number(plaintext, self.revocations.tokens.into(), 4);
        number(plaintext, self.revocations.hooks.into(), 4);
        plaintext.extend(self.nonce);
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
            urgency: urgency(plaintext.number(1)?)?,
            template: template(plaintext.number(1)?)?,
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
            nonce: plaintext.take(size_of::<Nonce>())?.try_into().ok()?,
        })
    }
}

fn number_of_urgency(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::VeryLow => 0,
        Urgency::Low => 1,
        Urgency::Normal => 2,
        Urgency::High => 3,
    }
}

fn urgency(number: i64) -> Option<Urgency> {
    Some(match number {
        0 => Urgency::VeryLow,
        1 => Urgency::Low,
        2 => Urgency::Normal,
        3 => Urgency::High,
        _ => return None,
    })
}

fn number_of_template(template: Template) -> i64 {
    match template {
        Template::Raw => 0,
        Template::Text => 1,
        Template::Github => 2,
        Template::Grafana => 3,
    }
}

fn template(number: i64) -> Option<Template> {
    Some(match number {
        0 => Template::Raw,
        1 => Template::Text,
        2 => Template::Github,
        3 => Template::Grafana,
        _ => return None,
    })
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
