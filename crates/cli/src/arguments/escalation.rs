//! The steps of an escalation on the command line: `managers;after=5m`, `@boss;after=300` or `hall & !muted;after=1h`.

use tagpost_client::Target;

use super::target::target;
use super::time::seconds;

/// One step of an escalation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Escalation {
    pub(crate) to: Target,
    /// Seconds after the hand-over.
    pub(crate) after: u32,
}

impl Escalation {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (to, after) = text
            .split_once(';')
            .and_then(|(to, after)| Some((to.trim(), after.trim().strip_prefix("after=")?)))
            .ok_or_else(|| "it must be a step such as managers;after=5m".to_owned())?;
        let to = target(to).map_err(|error| error.to_string())?;
        let after = seconds(after)?;
        Ok(Self { to, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_tag_a_device_or_an_expression_and_a_time() {
        for (text, to, after) in [
            (
                "managers;after=60",
                Target::Tag("managers".parse().unwrap()),
                60,
            ),
            (
                " @boss ; after=5m ",
                Target::Device("boss".parse().unwrap()),
                300,
            ),
            (
                "hall & !muted;after=1h",
                Target::Match("hall & !muted".parse().unwrap()),
                3_600,
            ),
        ] {
            assert_eq!(
                Escalation::read(text),
                Ok(Escalation { to, after }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_step_is_told() {
        for (text, told) in [
            ("managers", "such as"),
            ("managers;60", "such as"),
            ("managers;after=soon", "it must be a time"),
            ("the managers;after=60", "tag"),
            ("a & !!b;after=60", "character 6"),
        ] {
            let error = Escalation::read(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
