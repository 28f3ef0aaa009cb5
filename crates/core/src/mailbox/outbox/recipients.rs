//! The recipients of a message, chosen from the devices of its target.
//!
//! However the target was resolved, a message to a tag or an expression does not come back to its sender, unless the
//! sender asks for it. Not here: finding the devices of a target, which the shell does.

use crate::id::DeviceId;
use crate::limits::Limits;
use crate::message::Target;
use crate::problem::{Code, Problem};

/// The recipients of a message from `sender`, sorted, each once; with `echo`, the sender may be one of them.
///
/// # Errors
/// [`Code::UnknownTag`]: there are none. [`Code::TagTooLarge`]: `to` has more devices than [`Limits::max_fanout`], the
/// sender included.
pub(super) fn recipients(
    to: &Target,
    mut devices: Vec<DeviceId>,
    sender: &DeviceId,
    echo: bool,
    limits: &Limits,
) -> Result<Vec<DeviceId>, Problem> {
    if matches!(to, Target::Device(_)) {
        return Ok(devices);
    }
    let most = limits.max_fanout;
    if devices.len() > usize::try_from(most).unwrap_or(usize::MAX) {
        let detail = format!("more than {most} devices (MAX_FANOUT) have {}", named(to));
        return Err(Problem::new(Code::TagTooLarge, detail));
    }
    let is_known = !devices.is_empty();
    if !echo {
        devices.retain(|device| device != sender);
    }
    if devices.is_empty() {
        let detail = match is_known {
            true => format!(
                "only the sender has {}; a message comes back to its sender if Echo is true",
                named(to)
            ),
            false => format!("no device has {}", named(to)),
        };
        return Err(Problem::new(Code::UnknownTag, detail));
    }
    devices.sort_unstable();
    devices.dedup();
    Ok(devices)
}

/// What the devices of a target have in common, in words.
fn named(to: &Target) -> String {
    match to {
        Target::Tag(tag) => format!("the tag {tag}"),
        Target::Match(expression) => format!("the tags {expression}"),
        Target::Device(device) => format!("the name {device}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(names: &[&str]) -> Vec<DeviceId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    /// The names of the recipients of a message from `bell` to a tag of these devices, or the problem's detail.
    fn reached(names: &[&str], echo: bool) -> Result<String, (Code, String)> {
        let to = Target::Tag("hall".parse().unwrap());
        let limits = Limits {
            max_fanout: 3,
            ..Limits::default()
        };
        let sender = &devices(&["bell"])[0];
        match recipients(&to, devices(names), sender, echo, &limits) {
            Ok(devices) => {
                let names: Vec<&str> = devices.iter().map(DeviceId::as_str).collect();
                Ok(names.join(" "))
            }
            Err(problem) => Err((problem.code, problem.detail)),
        }
    }

    #[test]
    fn a_message_to_a_tag_comes_back_to_its_sender_only_with_echo() {
        assert_eq!(
            reached(&["cam", "bell", "door"], false).unwrap(),
            "cam door"
        );
        assert_eq!(
            reached(&["cam", "bell", "door"], true).unwrap(),
            "bell cam door"
        );
        assert_eq!(reached(&["bell"], true).unwrap(), "bell");
    }

    #[test]
    fn the_problem_without_recipients_says_whether_the_sender_has_the_tag() {
        let (code, detail) = reached(&["bell"], false).unwrap_err();
        assert_eq!(code, Code::UnknownTag);
        assert!(detail.contains("only the sender has the tag hall") && detail.contains("Echo"));
        for echo in [false, true] {
            let nobody = (Code::UnknownTag, "no device has the tag hall".to_owned());
            assert_eq!(reached(&[], echo), Err(nobody));
        }
    }

    #[test]
    fn the_sender_counts_among_the_devices_of_a_tag_that_is_too_large() {
        assert!(reached(&["a", "b", "bell"], false).is_ok());
        for echo in [false, true] {
            // Only one device more than allowed is looked up: there may be further ones.
            let (code, _) = reached(&["a", "b", "bell", "c"], echo).unwrap_err();
            assert_eq!(code, Code::TagTooLarge);
        }
    }

    #[test]
    fn what_an_expression_leads_to_is_treated_as_a_tag_is() {
        let to = Target::Match("hall & !muted".parse().unwrap());
        let sender = &devices(&["bell"])[0];
        let reached = |names: &[&str], echo| {
            let limits = Limits::default();
            let reached = recipients(&to, devices(names), sender, echo, &limits);
            reached.map_err(|problem| problem.to_string())
        };
        assert_eq!(reached(&["bell", "cam"], false), Ok(devices(&["cam"])));
        assert_eq!(reached(&["bell"], true), Ok(devices(&["bell"])));
        let alone = reached(&["bell"], false).unwrap_err();
        assert!(alone.starts_with("unknown_tag: only the sender has the tags hall & !muted"));
        let nobody = reached(&[], false).unwrap_err();
        assert_eq!(nobody, "unknown_tag: no device has the tags hall & !muted");
    }

    #[test]
    fn a_message_to_the_sending_device_itself_goes_there() {
        let to = Target::Device("bell".parse().unwrap());
        let bell = devices(&["bell"]);
        let reached = recipients(&to, bell.clone(), &bell[0], false, &Limits::default());
        assert_eq!(reached, Ok(bell));
    }
}
