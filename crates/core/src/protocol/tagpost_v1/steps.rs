//! Reading the field `escalate` of a `publish` frame: `[{"to":{"tag":"managers"},"after":60}]`.
//!
//! The bounds are those of the header; see [`crate::publish`].

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::required;
use super::publish::target;
use crate::json;
use crate::plan::escalation::{MAX_STEPS, Step};
use crate::problem::Problem;
use crate::publish::{check_steps, json_whole_number, times};

/// The fields of a step.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    to: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
}

/// The steps of a message with this TTL.
pub(super) fn read(raw: &RawValue, ttl: Option<u32>) -> Result<Vec<Step>, Problem> {
    let list: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| {
        Problem::bad_request(r#"escalate must be a list of {"to":{…},"after":seconds}"#)
    })?;
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let times = times("escalate", ttl)?;
    let some = list.into_iter().take(MAX_STEPS + 1).enumerate();
    let steps: Result<Vec<Step>, Problem> = some
        .map(|(place, raw)| step(raw, &format!("escalate[{place}]"), &times))
        .collect();
    let steps = steps?;
    let name = |place| format!("escalate[{place}].after");
    check_steps(&steps, "escalate", name)?;
    Ok(steps)
}

fn step(raw: &RawValue, name: &str, times: &RangeInclusive<u32>) -> Result<Step, Problem> {
    let fields: Fields = json::object(raw.get()).map_err(|_| {
        Problem::bad_request(format!(r#"{name} must be {{"to":{{…}},"after":seconds}}"#))
    })?;
    let (to, after) = (format!("{name}.to"), format!("{name}.after"));
    Ok(Step {
        to: target(&to, fields.to)?,
        after: json_whole_number(&after, required(&after, fields.after)?, times.clone())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Step>, String> {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        read(raw, Some(100)).map_err(|problem| problem.detail)
    }

    #[test]
    fn steps_are_read_in_their_order() {
        let text =
            r#"[{"to":{"tag":"managers"},"after":6e1},{"after":99,"to":{"match":"a & !b"}}]"#;
        let steps = read_text(text).unwrap();
        let targets: Vec<_> = steps.iter().map(|it| (it.to.clone(), it.after)).collect();
        let named = |name| crate::message::Target::named(name).unwrap();
        let expression = crate::message::Target::Match("a & !b".parse().unwrap());
        assert_eq!(targets, [(named("managers"), 60), (expression, 99)]);
        assert_eq!(read_text("[]"), Ok(Vec::new()), "no steps are asked for");
    }

    #[test]
    fn a_wrong_step_is_refused_with_the_name_of_its_field() {
        let boss = r#""to":{"device":"boss"}"#;
        for (text, detail) in [
            (
                "7",
                r#"escalate must be a list of {"to":{…},"after":seconds}"#,
            ),
            (
                r#"{"to":1}"#,
                r#"escalate must be a list of {"to":{…},"after":seconds}"#,
            ),
            ("[7]", r#"escalate[0] must be {"to":{…},"after":seconds}"#),
            (
                r#"[["a",1]]"#,
                r#"escalate[0] must be {"to":{…},"after":seconds}"#,
            ),
            (r#"[{"after":1}]"#, "escalate[0].to is missing"),
            (
                r#"[{"to":"boss","after":1}]"#,
                r#"escalate[0].to must be {"tag":"…"}, {"device":"…"} or {"match":"…"}"#,
            ),
            (
                r#"[{"to":{"tag":"a b"},"after":1}]"#,
                "escalate[0].to.tag must match [A-Za-z0-9][A-Za-z0-9._:-]{0,127}",
            ),
            (&format!("[{{{boss}}}]"), "escalate[0].after is missing"),
            (
                &format!("[{{{boss},\"after\":\"1\"}}]"),
                "escalate[0].after must be a whole number from 1 to 99",
            ),
            (
                &format!("[{{{boss},\"after\":100}}]"),
                "escalate[0].after must be a whole number from 1 to 99",
            ),
            (
                &format!("[{{{boss},\"after\":5}},{{{boss},\"after\":5}}]"),
                "escalate[1].after must be greater than 5, that of the step before",
            ),
        ] {
            assert_eq!(read_text(text).unwrap_err(), detail, "{text}");
        }
        let steps: Vec<String> = (1..10)
            .map(|n| format!("{{{boss},\"after\":{n}}}"))
            .collect();
        let many = read_text(&format!("[{}]", steps.join(","))).unwrap_err();
        assert_eq!(many, "escalate must have at most 8 steps");
    }
}
