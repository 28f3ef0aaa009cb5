//! Log lines: one JSON object each, `{"level","event",…}`, which the platform's log viewer can search.
//!
//! A line has events, devices and causes. A token, a key or a payload is never one of its fields:
//! callers pass only names and error texts.

use serde::Serializer;

/// Logs something that an operator may want to know later.
pub(crate) fn info(event: &str, fields: &[(&str, &str)]) {
    worker::console_log!("{}", line("info", event, fields));
}

/// Logs a failure that should not happen.
pub(crate) fn error(event: &str, fields: &[(&str, &str)]) {
    worker::console_error!("{}", line("error", event, fields));
}

fn line(level: &str, event: &str, fields: &[(&str, &str)]) -> String {
    let head = [("level", level), ("event", event)];
    let mut line = Vec::new();
    // Writing strings to memory cannot fail.
    let _ = serde_json::Serializer::new(&mut line).collect_map(head.iter().chain(fields).copied());
    String::from_utf8(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_json_object_whatever_the_fields_hold() {
        let line = line(
            "error",
            "mailbox_failed",
            &[("cause", "a \"quoted\"\nsecond line")],
        );
        assert_eq!(
            line,
            r#"{"level":"error","event":"mailbox_failed","cause":"a \"quoted\"\nsecond line"}"#
        );
    }
}
