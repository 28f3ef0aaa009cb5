//! Times on the command line: seconds, or a number with a unit.

use std::ops::RangeInclusive;

/// Seconds, written as `90`, `90s`, `15m`, `2h` or `30d`.
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3_600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        _ => (Some(text), 1),
    };
    digits
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u32>().ok()?.checked_mul(unit))
        .ok_or_else(|| "it must be a time such as 30, 30s, 15m, 2h or 7d".to_owned())
}

/// Seconds in a range. `longest` is how its upper bound is written.
pub(super) fn within(
    range: RangeInclusive<u32>,
    longest: &str,
) -> impl Fn(&str) -> Result<u32, String> + Clone {
    move |text| {
        let time = Some(seconds(text)?).filter(|time| range.contains(time));
        time.ok_or_else(|| format!("it must be a time up to {longest}"))
    }
}

#[cfg(test)]
mod tests {
    use tagpost_core::publish;

    use super::*;

    #[test]
    fn a_time_out_of_range_is_refused_before_anything_is_sent() {
        let ttl = within(publish::TTL, "30d");
        assert_eq!(ttl("30d"), Ok(2_592_000));
        assert!(ttl("31d").unwrap_err().contains("30d"));
        assert!(ttl("soon").unwrap_err().contains("such as"));
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("2h", 7_200),
            ("30d", 2_592_000),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "s", "-1", "1.5h", "1w", "1 h", "99999999d", "é"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
