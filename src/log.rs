//! Log lines: one JSON object each, `{"level","event",…}`, for the platform's log viewer to search.
//!
//! A line names events, devices and causes. A token, a key or a payload is never one of its fields:
//! whoever logs passes names and error texts only.

/// Logs what an operator may want to know later.
pub(crate) fn info(event: &str, fields: &[(&str, &str)]) {
    worker::console_log!("{}", line("info", event, fields));
}

/// Logs what failed and should not have.
pub(crate) fn error(event: &str, fields: &[(&str, &str)]) {
    worker::console_error!("{}", line("error", event, fields));
}

fn line(level: &str, event: &str, fields: &[(&str, &str)]) -> String {
    let entries = [("level", level), ("event", event)];
    let line: serde_json::Map<_, _> = entries
        .iter()
        .chain(fields)
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect();
    serde_json::Value::Object(line).to_string()
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
        assert!(!line.contains('\n'), "more than one line: {line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            read,
            serde_json::json!({
                "level": "error",
                "event": "mailbox_failed",
                "cause": "a \"quoted\"\nsecond line",
            })
        );
    }
}
