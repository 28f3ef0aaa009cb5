//! JSON as the protocol reads and writes it: one object, unknown fields ignored.
//!
//! Depth is bounded, so that any JSON parser can read what is passed on (RFC 8259, section 9, lets a parser
//! limit it). Not here: the caller checks the fields.

use serde::{Deserialize, Deserializer, Serialize};

use crate::problem::Problem;

/// The greatest depth of nested arrays and objects.
pub const MAX_DEPTH: usize = 100;

/// The greatest whole number that every JSON parser reads exactly (RFC 8259, section 6).
pub(crate) const MAX_EXACT: i64 = (1 << 53) - 1;

/// Why a text is not the object that was expected.
#[derive(Debug, thiserror::Error)]
pub enum InvalidObject {
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    Syntax(serde_json::Error),
    /// JSON, but another kind of value.
    #[error("not a JSON object")]
    Kind,
    /// A field is missing, given twice, or of the wrong type.
    #[error("{0}")]
    Field(serde_json::Error),
}

/// Reads a text that is one object.
///
/// serde would also read an array as a struct, field by field. The protocol does not allow that.
///
/// # Errors
/// [`InvalidObject`].
pub fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, InvalidObject> {
    let starts_an_object = text.trim_ascii_start().starts_with('{');
    match serde_json::from_str(text) {
        Ok(value) if starts_an_object => Ok(value),
        Err(error) if !error.is_data() => Err(InvalidObject::Syntax(error)),
        Err(error) if starts_an_object => Err(InvalidObject::Field(error)),
        _ => Err(InvalidObject::Kind),
    }
}

/// Checks that `text`, valid JSON, has at most [`MAX_DEPTH`] levels.
///
/// # Errors
/// [`crate::problem::Code::BadRequest`] names `field`.
pub(crate) fn check_depth(field: &str, text: &str) -> Result<(), Problem> {
    if is_deeper(text, MAX_DEPTH) {
        return Err(too_deep(field));
    }
    Ok(())
}

/// The problem of a `field` with more than [`MAX_DEPTH`] levels.
pub(crate) fn too_deep(field: &str) -> Problem {
    Problem::bad_request(format!(
        "{field} has more than {MAX_DEPTH} levels of nested arrays and objects"
    ))
}

/// Whether `text`, valid JSON, has more than `most` levels. One pass over the bytes, no recursion.
pub fn is_deeper(text: &str, most: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// The whole number that this JSON value is, in any form: `60`, `60.0`, `6e1`. It is read digit by digit, since a
/// double would round.
pub(crate) fn whole(text: &str) -> Option<i64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    let significant = digits.trim_end_matches('0');
    if matches!(significant, "" | "-") {
        return Some(0);
    }
    let zeros = i64::from(exponent.parse::<i32>().ok()?) + digits.len() as i64
        - (significant.len() + fraction.len()) as i64;
    let power = 10_i64.checked_pow(zeros.try_into().ok()?)?;
    significant.parse::<i64>().ok()?.checked_mul(power)
}

/// For serde: a field whose `null` is not the same as its absence. The field's type accepts or refuses the null.
///
/// # Errors
/// Those of the field's type.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Writes a value of the protocol.
pub(crate) fn text(value: &impl Serialize) -> String {
    // Writing to memory fails only for maps with keys that are not strings, and the protocol has none.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    /// The depth of a value, computed differently from the code under test.
    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    #[test]
    fn a_hundred_levels_are_taken_and_one_more_is_not() {
        assert_eq!(check_depth("reply", &nested(100)), Ok(()));
        let problem = check_depth("reply", &nested(101)).unwrap_err();
        assert!(problem.detail.starts_with("reply has more than 100 levels"));
        assert!(is_deeper(&nested(1_000_000), MAX_DEPTH));
    }

    #[test]
    fn brackets_in_strings_and_beside_each_other_are_no_levels() {
        let row = format!("[{}1]", "[],{\"a\":[]},".repeat(1_000));
        for text in [row.as_str(), r#"["[[[","\"[[[","\\",{"[[[":"{{{\\"}]"#] {
            let value: Value = serde_json::from_str(text).unwrap();
            let depth = depth(&value);
            assert!(!is_deeper(text, depth), "{text}");
            assert!(is_deeper(text, depth - 1), "{text}");
        }
    }

    #[test]
    fn a_whole_number_is_taken_in_every_form() {
        for (text, whole_number) in [
            ("60", Some(60)),
            ("60.0", Some(60)),
            ("6e1", Some(60)),
            ("0.6E+2", Some(60)),
            ("6000e-2", Some(60)),
            ("-0", Some(0)),
            ("-5.0", Some(-5)),
            ("9007199254740991.0", Some(MAX_EXACT)),
            ("9223372036854775807", Some(i64::MAX)),
            ("0e999999999999", Some(0)),
            ("60.5", None),
            ("60.00000000000000000001", None),
            ("1e-1", None),
            ("1e19", None),
            ("1e999999999999", None),
            ("18446744073709551615", None),
            (r#""60""#, None),
            (r#""6e1""#, None),
            ("[6]", None),
            ("true", None),
        ] {
            assert_eq!(whole(text), whole_number, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_and_its_scientific_form_are_the_same(number in any::<i64>()) {
            prop_assert_eq!(whole(&format!("{number}")), Some(number));
            prop_assert_eq!(whole(&format!("{number}.00")), Some(number));
            prop_assert_eq!(whole(&format!("{number:e}")), Some(number));
        }

        #[test]
        fn depth_is_that_of_the_value_a_parser_builds(
            value in Just(Value::Null).prop_recursive(12, 64, 4, |inner| {
                let name = r#"[\[\]{}\"\\a]{0,3}"#;
                prop_oneof![
                    name.prop_map(Value::from),
                    prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                    prop::collection::btree_map(name, inner, 0..4)
                        .prop_map(|fields| Value::Object(fields.into_iter().collect())),
                ]
            })
        ) {
            let (text, depth) = (value.to_string(), depth(&value));
            prop_assert!(!is_deeper(&text, depth));
            prop_assert!(depth == 0 || is_deeper(&text, depth - 1));
        }
    }
}
