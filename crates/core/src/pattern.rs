//! Patterns of tags and devices: which of them a token is for.
//!
//! A pattern matches tags or, with a leading `@`, devices; never both. Not here: what the bearer of a
//! pattern may do, which the token says.

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, Tag};
use crate::message::Target;

/// A text that is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {0:?} must be a tag or an @device, and only its last character may be *")]
pub struct InvalidPattern(pub String);

/// A pattern of devices where only tags are allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {0:?} must be a tag pattern, without @")]
pub struct NotOfTags(pub String);

/// `kitchen`, `kitchen.*` or `*` for tags; `@camera-1`, `@*` for devices. A trailing `*` matches any rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl Pattern {
    /// These patterns, if all of them speak of tags.
    ///
    /// # Errors
    /// [`NotOfTags`]: the first that does not.
    pub fn of_tags(patterns: Vec<Self>) -> Result<Vec<Self>, NotOfTags> {
        match patterns.iter().find(|pattern| pattern.0.starts_with('@')) {
            Some(of_devices) => Err(NotOfTags(of_devices.0.clone())),
            None => Ok(patterns),
        }
    }

    /// Whether `patterns`, of which none allow everything, allow to publish to `target`: they have to match every
    /// name in it, since an answer tells who has a name, a negated one too.
    pub fn allow(patterns: Option<&[Self]>, target: &Target) -> bool {
        let Some(patterns) = patterns else {
            return true;
        };
        let matched = |name: &Target| patterns.iter().any(|pattern| pattern.matches(name));
        match target {
            Target::Tag(_) | Target::Device(_) => matched(target),
            Target::Match(expression) => {
                let mut names = expression.names().into_iter().map(Target::named);
                names.all(|name| name.is_ok_and(|name| matched(&name)))
            }
        }
    }

    /// Whether it is a pattern of `target`, which is a tag or a device.
    pub fn matches(&self, target: &Target) -> bool {
        let (pattern, name) = match (self.0.strip_prefix('@'), target) {
            (None, Target::Tag(tag)) => (self.0.as_str(), tag.as_str()),
            (Some(pattern), Target::Device(device)) => (pattern, device.as_str()),
            _ => return false,
        };
        match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;
    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        let (name, is_device) = match text.strip_prefix('@') {
            Some(name) => (name, true),
            None => (text.as_str(), false),
        };
        // The start of a name is a name itself, so the part before `*` must be one.
        let start = name.strip_suffix('*').unwrap_or(name);
        let is_name = if is_device {
            start.parse::<DeviceId>().is_ok()
        } else {
            start.parse::<Tag>().is_ok()
        };
        if name == "*" || is_name {
            Ok(Self(text))
        } else {
            Err(InvalidPattern(text))
        }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::try_from(text.to_owned()).unwrap()
    }

    fn tag(name: &str) -> Target {
        Target::Tag(name.parse().unwrap())
    }

    fn device(name: &str) -> Target {
        Target::Device(name.parse().unwrap())
    }

    #[test]
    fn a_pattern_without_a_star_matches_that_name_alone() {
        assert!(pattern("kitchen").matches(&tag("kitchen")));
        for other in ["kitchen.cam", "kitche", "Kitchen"] {
            assert!(!pattern("kitchen").matches(&tag(other)), "{other}");
        }
    }

    #[test]
    fn a_trailing_star_matches_any_rest_also_none() {
        assert!(pattern("kitchen.*").matches(&tag("kitchen.cam")));
        assert!(pattern("kitchen*").matches(&tag("kitchen")));
        assert!(!pattern("kitchen.*").matches(&tag("kitchen")));
        assert!(!pattern("kitchen.*").matches(&tag("kitchenette")));
    }

    #[test]
    fn a_tag_pattern_matches_no_device_and_a_device_pattern_no_tag() {
        assert!(pattern("*").matches(&tag("camera-1")));
        assert!(!pattern("*").matches(&device("camera-1")));
        assert!(pattern("@*").matches(&device("camera-1")));
        assert!(!pattern("@*").matches(&tag("camera-1")));
        assert!(pattern("@camera-*").matches(&device("camera-1")));
        assert!(!pattern("camera-1").matches(&device("camera-1")));
    }

    #[test]
    fn an_expression_is_allowed_if_all_its_names_are_negated_ones_included() {
        let patterns = [pattern("hall*"), pattern("@cam-1"), pattern("muted")];
        let allowed = |text: &str, patterns: &[Pattern]| {
            Pattern::allow(Some(patterns), &Target::Match(text.parse().unwrap()))
        };
        for text in [
            "hallway",
            "hallway & !muted",
            "@cam-1 | hall & !(muted | @cam-1)",
        ] {
            assert!(allowed(text, &patterns), "{text}");
            assert!(Pattern::allow(None, &Target::Match(text.parse().unwrap())));
            assert!(!allowed(text, &[]), "{text}");
        }
        for text in [
            "kitchen",
            "hallway & !kitchen",
            "hallway | @cam-2",
            "@hall | hall",
        ] {
            assert!(!allowed(text, &patterns), "{text}");
        }
    }

    #[test]
    fn patterns_of_tags_have_none_of_devices_among_them() {
        let tags = vec![pattern("kitchen.*"), pattern("*")];
        assert_eq!(Pattern::of_tags(tags.clone()), Ok(tags));
        let mixed = vec![pattern("kitchen.*"), pattern("@cam"), pattern("@*")];
        assert_eq!(Pattern::of_tags(mixed), Err(NotOfTags("@cam".to_owned())));
    }

    #[test]
    fn what_is_neither_a_name_nor_its_start_is_refused() {
        for text in [
            "", "@", "**", "@**", "a*b", "*a", "@@a", "a b", ".a", "@.a*", "@a:b", "ü", "a**",
        ] {
            assert_eq!(
                Pattern::try_from(text.to_owned()),
                Err(InvalidPattern(text.to_owned())),
                "{text:?}"
            );
        }
        assert!(Pattern::try_from("a".repeat(128)).is_ok());
        assert!(Pattern::try_from("a".repeat(129)).is_err());
        assert!(Pattern::try_from(format!("@{}*", "a".repeat(64))).is_ok());
        assert!(Pattern::try_from(format!("@{}", "a".repeat(65))).is_err());
    }

    proptest! {
        #[test]
        fn every_start_of_a_name_with_a_star_matches_it(
            name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
            cut in any::<prop::sample::Index>(),
        ) {
            let start = &name[..cut.index(name.len() + 1)];
            let text = format!("{start}*");
            prop_assert!(pattern(&text).matches(&tag(&name)));
            let text = format!("@{text}");
            prop_assert!(pattern(&text).matches(&device(&name)));
        }

        #[test]
        fn reading_any_text_never_panics_and_keeps_it(text in ".{0,140}") {
            if let Ok(pattern) = Pattern::try_from(text.clone()) {
                prop_assert_eq!(String::from(pattern), text);
            }
        }
    }
}
