//! Names on the command line: a target is a tag, an @device or an expression, and a device may be written with its @.

use tagpost_client::{DeviceId, HookTarget, InvalidExpression, InvalidName, Target};

/// `hallway`, `@kitchen-cam` or `hallway & !muted`.
pub(crate) fn target(text: &str) -> Result<Target, String> {
    let text = text.trim();
    if text.contains(['&', '|', '!', '(', ')']) {
        let expression = text.parse();
        let expression = expression.map_err(|error: InvalidExpression| error.to_string())?;
        return Ok(Target::Match(expression));
    }
    Target::named(text).map_err(|error| error.to_string())
}

/// `hallway` or `@kitchen-cam`: a hook has no expression.
pub(super) fn hook_target(text: &str) -> Result<HookTarget, String> {
    match target(text)? {
        Target::Tag(tag) => Ok(HookTarget::Tag(tag)),
        Target::Device(device) => Ok(HookTarget::Device(device)),
        Target::Match(_) => Err("a hook publishes to one tag or one @device".to_owned()),
    }
}

/// `kitchen-cam` or `@kitchen-cam`, where nothing but a device can stand.
pub(super) fn device_name(text: &str) -> Result<DeviceId, String> {
    let name = text.strip_prefix('@').unwrap_or(text);
    name.parse().map_err(|error: InvalidName| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_tag_a_device_or_an_expression() {
        for (text, expected) in [
            ("hall", Target::Tag("hall".parse().unwrap())),
            ("@cam-1", Target::Device("cam-1".parse().unwrap())),
            (" @cam-1 ", Target::Device("cam-1".parse().unwrap())),
            (
                "hall & !muted",
                Target::Match("hall & !muted".parse().unwrap()),
            ),
            ("@a|@b", Target::Match("@a|@b".parse().unwrap())),
        ] {
            assert_eq!(target(text), Ok(expected), "{text}");
        }
        for (text, told) in [
            ("no tag", "tag"),
            ("@no device", "device"),
            ("a & !!b", "character 6"),
        ] {
            let error = target(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_device_may_be_written_with_its_sign_and_a_hook_has_no_expression() {
        assert_eq!(device_name("@cam"), device_name("cam"));
        assert!(device_name("cam").is_ok());
        assert!(device_name("@@cam").is_err() && device_name("@").is_err());
        assert_eq!(
            hook_target("@cam"),
            Ok(HookTarget::Device("cam".parse().unwrap()))
        );
        assert!(hook_target("hall & !muted").is_err());
    }
}
