//! Names on the command line: a target is a tag, an @device or an expression, and a device may be written with its @.

use tagpost_client::{DeviceId, HookTarget, InvalidName, InvalidTarget, Target};

/// `hallway`, `@kitchen-cam` or `hallway & !muted`, with space around it.
pub(crate) fn target(text: &str) -> Result<Target, InvalidTarget> {
    text.trim().parse()
}

/// `hallway` or `@kitchen-cam`: a hook has no expression.
pub(super) fn hook_target(text: &str) -> Result<HookTarget, String> {
    match target(text).map_err(|error| error.to_string())? {
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
    fn a_target_may_have_space_around_it_and_not_in_its_name() {
        let camera = Target::Device("cam-1".parse().unwrap());
        assert_eq!(target(" @cam-1 "), Ok(camera));
        assert!(target("@cam 1").is_err());
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
