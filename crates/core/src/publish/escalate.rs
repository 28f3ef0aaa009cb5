//! The steps of an escalation, as the header `Escalate`: `managers;after=60, @boss;after=300`.
//!
//! ```text
//! escalate = step *( "," step )
//! step     = target ";" "after=" 1*DIGIT
//! ```
//!
//! A target is a tag, an `@device` or an expression; none of them contains a comma or a semicolon. Spaces and tabs are
//! allowed between all of these. Frames have the same steps in JSON, with the same bounds.

use std::ops::RangeInclusive;

use super::{DEFAULT_TTL, matching, whole_number};
use crate::message::Target;
use crate::plan::escalation::{MAX_STEPS, Step};
use crate::problem::Problem;

/// Reads the header `Escalate` of a message with this TTL.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`] names the header, the step and what it must be.
pub(super) fn header(text: &str, ttl: Option<u32>) -> Result<Vec<Step>, Problem> {
    let times = times("Escalate", ttl)?;
    let steps = text.split(',').take(MAX_STEPS + 1).enumerate();
    let steps: Result<Vec<Step>, Problem> = steps
        .map(|(place, text)| step(text, &format!("step {} of Escalate", place + 1), &times))
        .collect();
    let steps = steps?;
    let name = |place| format!("after of step {} of Escalate", place + 1);
    check_steps(&steps, "Escalate", name)?;
    Ok(steps)
}

fn step(text: &str, name: &str, times: &RangeInclusive<u32>) -> Result<Step, Problem> {
    let wrong = || {
        let detail = format!("{name} must be a target and a time, such as managers;after=60");
        Problem::bad_request(detail)
    };
    let (to, after) = text.split_once(';').ok_or_else(wrong)?;
    let (key, after) = after.split_once('=').ok_or_else(wrong)?;
    if !key.trim().eq_ignore_ascii_case("after") {
        return Err(wrong());
    }
    let to = to.trim();
    let to = match Target::named(to) {
        Ok(named) => named,
        Err(_) => matching(name, to.to_owned())?,
    };
    let after = whole_number(&format!("after of {name}"), after.trim(), times.clone())?;
    Ok(Step { to, after })
}

/// The times at which a step of a message with this TTL may be taken, in seconds.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`] names `field`: there are none.
pub(crate) fn times(field: &str, ttl: Option<u32>) -> Result<RangeInclusive<u32>, Problem> {
    let ttl = ttl.unwrap_or(DEFAULT_TTL);
    if ttl < 2 {
        let detail = format!("{field} needs a TTL of at least 2 seconds");
        return Err(Problem::bad_request(detail));
    }
    Ok(1..=ttl - 1)
}

/// Checks the number of steps, and that their times grow. `name` is the name of the time of a step, by its place.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`] names the field.
pub(crate) fn check_steps(
    steps: &[Step],
    field: &str,
    name: impl Fn(usize) -> String,
) -> Result<(), Problem> {
    if steps.len() > MAX_STEPS {
        let detail = format!("{field} must have at most {MAX_STEPS} steps");
        return Err(Problem::bad_request(detail));
    }
    let mut before = 0;
    for (place, step) in steps.iter().enumerate() {
        if step.after <= before {
            let name = name(place);
            let detail = format!("{name} must be greater than {before}, that of the step before");
            return Err(Problem::bad_request(detail));
        }
        before = step.after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    fn read(text: &str) -> Result<Vec<(String, u32)>, String> {
        let steps = header(text, None).map_err(|problem| {
            assert_eq!(problem.code, Code::BadRequest, "{text}");
            problem.detail
        })?;
        let text = |step: Step| (serde_json::to_string(&step.to).unwrap(), step.after);
        Ok(steps.into_iter().map(text).collect())
    }

    #[test]
    fn a_step_names_a_tag_a_device_or_an_expression_and_its_time() {
        let steps = read("managers;after=60, @boss;after=300 ,\ta & !b ; After = 86399").unwrap();
        let steps: Vec<_> = steps.iter().map(|(to, at)| (to.as_str(), *at)).collect();
        assert_eq!(
            steps,
            [
                (r#"{"tag":"managers"}"#, 60),
                (r#"{"device":"boss"}"#, 300),
                (r#"{"match":"a & !b"}"#, 86_399),
            ]
        );
    }

    #[test]
    fn a_wrong_step_is_refused_with_its_number_and_what_is_wrong() {
        let form = |n: u32| {
            format!("step {n} of Escalate must be a target and a time, such as managers;after=60")
        };
        for text in [
            "",
            "managers",
            "managers;60",
            "managers;before=60",
            "a;after",
        ] {
            assert_eq!(read(text), Err(form(1)), "{text:?}");
        }
        assert_eq!(read("a;after=1,"), Err(form(2)));
        let range = |n: u32| {
            format!("after of step {n} of Escalate must be a whole number from 1 to 86399")
        };
        for after in ["0", "86400", "4294967295"] {
            assert_eq!(read(&format!("a;after={after}")), Err(range(1)), "{after}");
        }
        for after in ["", "-1", "1.5", "60s", "60;after=90", "4294967296"] {
            let error = read(&format!("a;after={after}")).unwrap_err();
            assert!(
                error.starts_with("after of step 1 of Escalate must be a whole number"),
                "{error}"
            );
        }
        let error = read("a;after=1, b |;after=2").unwrap_err();
        assert_eq!(
            error,
            "step 2 of Escalate is wrong at character 4: expected a tag, an @device or ("
        );
    }

    #[test]
    fn times_grow_and_stay_below_the_ttl() {
        let not_greater =
            "after of step 2 of Escalate must be greater than 60, that of the step before";
        assert_eq!(read("a;after=60,b;after=60"), Err(not_greater.to_owned()));
        assert_eq!(read("a;after=60,b;after=59"), Err(not_greater.to_owned()));
        let late = header("a;after=1,b;after=60", Some(60)).unwrap_err();
        assert_eq!(
            late.detail,
            "after of step 2 of Escalate must be a whole number from 1 to 59"
        );
        for ttl in [0, 1] {
            let never = header("a;after=1", Some(ttl)).unwrap_err();
            assert!(
                never
                    .detail
                    .starts_with("Escalate needs a TTL of at least 2 seconds"),
                "{never}"
            );
        }
        assert_eq!(header("a;after=1", Some(2)).unwrap().len(), 1);
    }

    #[test]
    fn a_message_has_at_most_eight_steps() {
        let steps = |count: usize| {
            let steps: Vec<String> = (1..=count).map(|n| format!("a;after={n}")).collect();
            read(&steps.join(", "))
        };
        assert_eq!(steps(8).unwrap().len(), 8);
        let most = "Escalate must have at most 8 steps".to_owned();
        assert_eq!(steps(9), Err(most.clone()));
        assert_eq!(steps(900), Err(most), "no more than nine are read");
    }
}
