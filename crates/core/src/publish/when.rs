//! When a message is to be handed over, if not now: after a delay, or at a time.
//!
//! A time is a date of RFC 9110, section 5.6.7, in any of its three forms, or milliseconds since the Unix epoch.
//! Not here: the clock, and what happens to a message until then.

use serde::{Deserialize, Serialize};

use super::{MAX_AHEAD, not_in, whole_number};
use crate::problem::Problem;
use crate::time::Millis;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// When a message is to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// This many seconds after it is accepted.
    Delay(u32),
    /// At this time.
    At(Millis),
}

impl When {
    /// What a sender said: a delay, a time, or neither. `names` are those of both.
    ///
    /// # Errors
    /// [`crate::problem::Code::BadRequest`]: both.
    pub(crate) fn of(
        delay: Option<u32>,
        at: Option<Millis>,
        names: [&str; 2],
    ) -> Result<Option<Self>, Problem> {
        match (delay, at) {
            (Some(_), Some(_)) => {
                let [delay, at] = names;
                let detail = format!("only one of {delay} and {at} can be given");
                Err(Problem::bad_request(detail))
            }
            (Some(seconds), None) => Ok(Some(Self::Delay(seconds))),
            (None, at) => Ok(at.map(Self::At)),
        }
    }

    /// The time that this is; `None` if that is now, or past. `field` is the name of a time.
    ///
    /// # Errors
    /// [`crate::problem::Code::BadRequest`]: it is too far ahead.
    pub fn after(self, now: Millis, field: &str) -> Result<Option<Millis>, Problem> {
        let at = match self {
            Self::Delay(seconds) => now + i64::from(seconds) * 1000,
            Self::At(at) => at,
        };
        if at > now + i64::from(MAX_AHEAD) * 1000 {
            let detail = format!("{field} must be at most {MAX_AHEAD} seconds ahead");
            return Err(Problem::bad_request(detail));
        }
        Ok(Some(at).filter(|at| *at > now))
    }
}

/// The time in the header `Deliver-At`.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`]: it is neither a date nor a number.
pub fn time(field: &str, text: &str) -> Result<Millis, Problem> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return whole_number(field, text, 0..=crate::json::MAX_EXACT)
            .map_err(|_| not_in(field, 0..=crate::json::MAX_EXACT));
    }
    date(text).ok_or_else(|| {
        Problem::bad_request(format!(
            "{field} must be a date such as Sun, 06 Nov 1994 08:49:37 GMT, or milliseconds since 1970"
        ))
    })
}

/// Reads a date: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or `Sun Nov  6 08:49:37 1994`.
fn date(text: &str) -> Option<Millis> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (day, month, year, clock) = match words.as_slice() {
        [weekday, day, month, year, clock, "GMT"] => {
            is_short_weekday(weekday.strip_suffix(',')?).then_some(())?;
            (*day, *month, number(year, 4)?, *clock)
        }
        [weekday, date, clock, "GMT"] => {
            DAYS.contains(&weekday.strip_suffix(',')?).then_some(())?;
            let mut parts = date.split('-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            // Two digits are of this century: all dates of the last one are past, and so is their hundredth year.
            (day, month, 2000 + number(year, 2)?, *clock)
        }
        [weekday, month, day, clock, year] => {
            is_short_weekday(weekday).then_some(())?;
            (*day, *month, number(year, 4)?, *clock)
        }
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let day = number(day, day.len().clamp(1, 2))?;
    (1..=days_in(year, month)).contains(&day).then_some(())?;
    let mut clock = clock.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // A leap second is the last second of its minute.
    let is_time = clock.next().is_none() && hour < 24 && minute < 60 && second <= 60;
    let seconds = (hour * 60 + minute) * 60 + second.min(59);
    is_time.then(|| (days_before(year, month) + day - 1) * 86_400_000 + seconds * 1000)
}

fn is_short_weekday(text: &str) -> bool {
    DAYS.iter().any(|day| day.get(..3) == Some(text))
}

/// A number with this many digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days of a month, which is counted from 0.
fn days_in(year: i64, month: usize) -> i64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// The days from the epoch to the first of a month.
fn days_before(year: i64, month: usize) -> i64 {
    let leaps = |years: i64| years / 4 - years / 100 + years / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    years + (0..month).map(|month| days_in(year, month)).sum::<i64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    #[test]
    fn a_date_is_read_in_each_of_its_three_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "784111777000",
        ] {
            assert_eq!(time("Deliver-At", text), Ok(784_111_777_000), "{text}");
        }
        let text = "Sunday, 06-Nov-26 08:49:37 GMT";
        assert_eq!(time("Deliver-At", text), Ok(1_793_954_977_000));
        for (text, millis) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:60 GMT", 1_709_251_199_000),
            ("Sat, 01 Mar 2025 00:00:00 GMT", 1_740_787_200_000),
            ("Fri, 31 Dec 2100 12:00:00 GMT", 4_133_937_600_000),
        ] {
            assert_eq!(time("Deliver-At", text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused_with_the_name_of_the_field() {
        for text in [
            "",
            "soon",
            "-1",
            "1.5",
            "12:00",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 6 November 1994 08:49:37 GMT",
            "Son, 06 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 2025 00:00:00 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:01 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "9007199254740993",
        ] {
            let problem = time("Deliver-At", text).unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{text}");
            assert!(
                problem.detail.starts_with("Deliver-At must be "),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_time_that_has_come_is_now() {
        let now = 1_800_000_000_000;
        let at = |when: When| when.after(now, "deliver_at");
        assert_eq!(at(When::Delay(0)), Ok(None));
        assert_eq!(at(When::At(now)), Ok(None));
        assert_eq!(at(When::At(0)), Ok(None));
        assert_eq!(at(When::Delay(2)), Ok(Some(now + 2_000)));
        assert_eq!(at(When::At(now + 1)), Ok(Some(now + 1)));
        let most = i64::from(MAX_AHEAD) * 1000;
        assert_eq!(at(When::At(now + most)), Ok(Some(now + most)));
        let far = at(When::At(now + most + 1)).unwrap_err();
        assert_eq!(
            far.detail,
            "deliver_at must be at most 2592000 seconds ahead"
        );
    }

    #[test]
    fn a_delay_and_a_time_cannot_both_be_given() {
        let names = ["Delay", "Deliver-At"];
        assert_eq!(When::of(None, None, names), Ok(None));
        let both = When::of(Some(1), Some(1), names).unwrap_err();
        assert_eq!(both.detail, "only one of Delay and Deliver-At can be given");
    }
}
