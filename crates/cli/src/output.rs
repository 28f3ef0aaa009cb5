//! What is printed: lines for people, or JSON for programs; and how a command ends.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tagpost_client::{DeviceId, MessageState, RawValue, State, Trace};
use tokio::time::sleep;

use crate::advice::Failure;
use crate::arguments::Global;
use crate::clock;

pub(crate) const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const OPEN: Style = AnsiColor::Yellow.on_default();

/// How long an answer may be late before somebody who sees no spinner is told.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a command ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well: 0.
    Done,
    /// Some devices have not taken the message yet: 3.
    Open,
    /// Some devices never will: 4.
    Failed,
}

impl Outcome {
    /// The state of a message.
    pub(crate) fn of(trace: &Trace) -> Self {
        match trace.state {
            Some(MessageState::Scheduled) => return Self::Open,
            Some(_) => return Self::Failed,
            None => {}
        }
        if trace.acks_needed.is_some() {
            return match trace.enough_at {
                Some(_) => Self::Done,
                None if trace.is_settled() => Self::Failed,
                None => Self::Open,
            };
        }
        let mut states = trace.deliveries.iter().map(|delivery| delivery.state);
        if states
            .clone()
            .any(|state| state.is_terminal() && state != State::Delivered)
        {
            Self::Failed
        } else if states.any(|state| !state.is_terminal()) {
            Self::Open
        } else {
            Self::Done
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Open => Self::from(3),
            Outcome::Failed => Self::from(4),
        }
    }
}

/// Prints a line on standard output.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut output = anstream::stdout().lock();
    writeln!(output, "{}", text.as_ref())?;
    Ok(output.flush()?)
}

/// Prints an object as one line of JSON.
pub(crate) fn json<T: Serialize>(object: &T) -> Result<(), Failure> {
    let text = serde_json::to_string(object).map_err(|error| Failure::new(error.to_string()))?;
    let mut output = io::stdout().lock();
    writeln!(output, "{}", on_one_line(&text))?;
    Ok(output.flush()?)
}

/// Prints an object as JSON if that is asked for, else what `text` makes of it.
pub(crate) fn object<T: Serialize>(
    global: &Global,
    object: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    if global.json {
        json(object)
    } else {
        line(text(object))
    }
}

/// JSON without line breaks. They can stand only between its tokens: in strings they are escaped.
pub(crate) fn on_one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

/// Says something to a person who waits; programs do not see it.
pub(crate) fn note(text: impl AsRef<str>) {
    // That nobody reads along is no reason to stop.
    let _ = writeln!(anstream::stderr(), "{FAINT}{}{FAINT:#}", text.as_ref());
}

/// A spinner, while the command waits for something; only on a terminal.
pub(crate) fn spinner(what: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    style.map_or(spinner.clone(), |style| spinner.with_style(style))
}

/// Never ends. When an answer that may take `wait` is late, somebody who sees no spinner is told, and for how many seconds
/// it is tried again.
pub(crate) async fn late(
    global: &Global,
    spinner: &ProgressBar,
    wait: Duration,
    retry: u32,
) -> Infallible {
    sleep(PATIENCE + wait).await;
    if spinner.is_hidden() && !global.json && retry > 0 {
        note(format!(
            "No answer yet. A request that fails is tried again for up to {retry} s."
        ));
    }
    pending().await
}

/// A state in its colour, as wide as the longest.
pub(crate) fn state(state: State) -> String {
    let style = match state {
        State::Delivered => GOOD,
        State::Held | State::Sent | State::InProgress => OPEN,
        _ => BAD,
    };
    format!("{style}{:<13}{style:#}", state.as_str())
}

/// The recipient of a message that may have ended without one.
pub(crate) fn recipient(device: Option<&DeviceId>) -> &str {
    device.map_or("nobody", DeviceId::as_str)
}

/// What came back with a state: a reply or a reason.
pub(crate) fn answer(reply: Option<&RawValue>, reason: Option<&str>) -> String {
    match (reply, reason) {
        (Some(reply), _) => on_one_line(reply.get()),
        (None, Some(reason)) => visible(reason),
        (None, None) => String::new(),
    }
}

/// A payload that is text.
pub(crate) fn text(payload: &str) -> String {
    visible(payload.trim_end_matches(['\r', '\n']))
}

/// A payload that is no text.
pub(crate) fn bytes(length: impl std::fmt::Display, content_type: &str) -> String {
    format!("{length} bytes of {}", visible(content_type))
}

/// Text of others, without the control characters that would change the terminal.
pub(crate) fn visible(text: &str) -> String {
    let escape = |c: char| {
        if c.is_control() && c != '\n' && c != '\t' {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(escape).collect()
}

/// The width of the longest of these names, which is the width of its column.
pub(crate) fn width<T: AsRef<str>>(names: impl Iterator<Item = T>) -> usize {
    let widths = names.map(|name| name.as_ref().len());
    widths.max().unwrap_or_default()
}

/// Prints a line with the time before it, in UTC: those of a listener stand for hours.
pub(crate) fn stamped(text: impl AsRef<str>) -> Result<(), Failure> {
    let now = i64::try_from(clock::now().as_millis()).unwrap_or(i64::MAX);
    line(format!("{FAINT}{}{FAINT:#}  {}", time(now), text.as_ref()))
}

/// A time to the second, in UTC (RFC 3339), from milliseconds since the Unix epoch.
pub(crate) fn time(millis: i64) -> String {
    let seconds = millis.div_euclid(1_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that begin in March, in eras of 400 years, so that the day of a leap year is the last.
    let from_era = days.saturating_add(719_468);
    let (era, day) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (400 * era + year, month + 3),
        _ => (400 * era + year + 1, month - 9),
    };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// How long something took: to the millisecond, as long as that can be read at a glance.
pub(crate) fn span(millis: i64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0..60 => format!("{millis} ms"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// How long ago a time was, roughly.
pub(crate) fn age(at: i64) -> String {
    let now = clock::now().as_millis();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let ago = now.saturating_sub(at).max(0) / 1_000;
    match ago {
        0 => "now".to_owned(),
        1..60 => format!("{ago}s ago"),
        60..3_600 => format!("{}m ago", ago / 60),
        3_600..86_400 => format!("{}h ago", ago / 3_600),
        _ => format!("{}d ago", ago / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(states: &[&str]) -> Trace {
        let deliveries: Vec<_> = states
            .iter()
            .map(|state| serde_json::json!({ "device": "d", "state": state, "at": 0, "attempts": 1 }))
            .collect();
        let json = serde_json::json!({
            "id": "01HF7YAT00FYHWCCN200000007", "to": { "tag": "t" }, "accepted_at": 0, "expires_at": 0,
            "deliveries": deliveries, "summary": {}
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_outcome_is_failure_before_waiting_before_success() {
        for (states, expected) in [
            (&[][..], Outcome::Done),
            (&["delivered", "delivered"], Outcome::Done),
            (&["delivered", "held"], Outcome::Open),
            (&["sent"], Outcome::Open),
            (&["held", "expired", "delivered"], Outcome::Failed),
            (&["cancelled"], Outcome::Failed),
        ] {
            assert_eq!(Outcome::of(&trace(states)), expected, "{states:?}");
        }
    }

    #[test]
    fn a_message_that_needs_few_acknowledgements_is_done_once_it_has_them() {
        let needs_one = |states: &[&str], enough_at| {
            let mut message = trace(states);
            (message.acks_needed, message.enough_at) = (Some(1), enough_at);
            message
        };
        for (states, enough_at, expected) in [
            (&["delivered", "cancelled"][..], Some(5), Outcome::Done),
            (&["delivered", "held"], Some(5), Outcome::Done),
            (&["rejected", "held"], None, Outcome::Open),
            (&["rejected", "expired"], None, Outcome::Failed),
        ] {
            let message = needs_one(states, enough_at);
            assert_eq!(Outcome::of(&message), expected, "{states:?}");
        }
    }

    #[test]
    fn a_span_is_read_at_a_glance() {
        for (millis, expected) in [
            (0, "0 ms"),
            (59_999, "59999 ms"),
            (61_000, "1 min 1 s"),
            (3_600_000, "1 h 0 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(millis), expected);
        }
    }

    #[test]
    fn a_time_is_that_of_the_calendar() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00Z"),
            (1_795_921_098_386, "2026-11-29T02:58:18Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(millis), expected, "{millis}");
        }
    }

    #[test]
    fn json_of_many_lines_becomes_one_of_the_same_meaning() {
        let json = "{\r\n  \"a\": \"x\\ny\"\n}";
        let line = on_one_line(json);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!((line.lines().count(), value(&line)), (1, value(json)));
    }

    #[test]
    fn text_of_others_cannot_reach_the_terminal() {
        assert_eq!(visible("a\x1b[2Jb\u{9b}c\n"), "a\u{fffd}[2Jb\u{fffd}c\n");
    }
}
