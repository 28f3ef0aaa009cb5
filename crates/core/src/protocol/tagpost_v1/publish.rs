//! Reading a `publish` frame: the same request as over HTTP, in JSON.
//!
//! Names, ranges and defaults are those of [`crate::publish`]. Only the payload differs: JSON is part of the
//! frame as it is.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{name, required, text};
use super::read::Fields;
use super::steps;
use crate::json;
use crate::limits::Limits;
use crate::message::Target;
use crate::payload::{self, Form, Names, Payload};
use crate::problem::Problem;
use crate::publish::{self, Draft, Options, When, json_whole_number};

const NAMES: Names = Names {
    payload: "payload",
    content_type: "content_type",
};

/// The fields of `to`.
#[derive(Deserialize)]
struct To<'a> {
    #[serde(borrow)]
    tag: Option<&'a RawValue>,
    #[serde(borrow)]
    device: Option<&'a RawValue>,
    #[serde(borrow, rename = "match")]
    expression: Option<&'a RawValue>,
}

/// The target in the field with this name.
pub(super) fn target(field: &str, raw: Option<&RawValue>) -> Result<Target, Problem> {
    let wrong = || {
        let detail =
            format!(r#"{field} must be {{"tag":"…"}}, {{"device":"…"}} or {{"match":"…"}}"#);
        Problem::bad_request(detail)
    };
    let to: To = json::object(required(field, raw)?.get()).map_err(|_| wrong())?;
    let inner = |key| format!("{field}.{key}");
    let (tag, device) = (
        name(&inner("tag"), to.tag)?,
        name(&inner("device"), to.device)?,
    );
    match (tag, device, text(&inner("match"), to.expression)?) {
        (Some(tag), None, None) => Ok(Target::Tag(tag)),
        (None, Some(device), None) => Ok(Target::Device(device)),
        (None, None, Some(expression)) => publish::matching(&inner("match"), expression),
        _ => Err(wrong()),
    }
}

impl Fields<'_> {
    /// What it is published to.
    pub(super) fn target(&self) -> Result<Target, Problem> {
        target("to", self.to)
    }

    /// The message.
    pub(super) fn draft(&self, limits: &Limits) -> Result<Draft, Problem> {
        Ok(Draft::new(self.options(limits)?, self.payload(limits)?))
    }

    fn options(&self, limits: &Limits) -> Result<Options, Problem> {
        let number = |field, raw: Option<&RawValue>, range| {
            raw.map(|raw| json_whole_number(field, raw, range))
                .transpose()
        };
        let ttl = number("ttl", self.ttl, publish::TTL)?;
        Ok(Options {
            ttl,
            topic: name("topic", self.topic)?,
            urgency: text("urgency", self.urgency)?
                .map(|name| publish::urgency("urgency", &name))
                .transpose()?,
            wait: number("wait", self.wait, publish::WAIT)?,
            key: name("idempotency_key", self.idempotency_key)?,
            echo: self
                .echo
                .map(|raw| publish::flag("echo", raw.get()))
                .transpose()?,
            acks_needed: number("acks_needed", self.acks_needed, 1..=limits.max_fanout)?,
            escalate: self
                .escalate
                .map(|raw| steps::read(raw, ttl))
                .transpose()?
                .unwrap_or_default(),
            when: When::of(
                number("delay", self.delay, 0..=publish::MAX_AHEAD)?,
                self.deliver_at
                    .map(|raw| json_whole_number("deliver_at", raw, 0..=json::MAX_EXACT))
                    .transpose()?,
                ["delay", "deliver_at"],
            )?,
        })
    }

    /// The payload. If there is no media type, it follows from the kind of JSON value.
    fn payload(&self, limits: &Limits) -> Result<Payload, Problem> {
        let raw = required("payload", self.payload)?;
        let is_base64 = match text("encoding", self.encoding)?.as_deref() {
            None => false,
            Some("base64") => true,
            Some(_) => return Err(Problem::bad_request("encoding must be base64 or absent")),
        };
        let content_type = text("content_type", self.content_type)?.unwrap_or_else(|| {
            let is_string = raw.get().starts_with('"');
            let absent = match (is_base64, is_string) {
                (true, _) => payload::BYTES,
                (false, true) => payload::TEXT,
                (false, false) => payload::JSON,
            };
            absent.to_owned()
        });
        if !is_base64 && Form::of(&content_type) == Form::Json {
            return Payload::of_json(raw, content_type, NAMES, limits);
        }
        let text = required("payload", text("payload", Some(raw))?)?;
        let bytes = if is_base64 {
            payload::decode_base64(&text, NAMES)?
        } else {
            text.into_bytes()
        };
        Payload::of_bytes(&bytes, content_type, NAMES, limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;
    use crate::protocol::tagpost_v1::read;
    use crate::protocol::{BadFrame, FromDevice};

    fn publish(fields: &str) -> Result<Draft, BadFrame> {
        let text = format!(r#"{{"type":"publish","to":{{"tag":"kitchen"}},{fields}}}"#);
        read::frame(&text, &Limits::default()).map(|frame| match frame {
            FromDevice::Publish { draft, .. } => draft,
            other => panic!("not a publish: {other:?}"),
        })
    }

    #[test]
    fn a_publish_has_the_defaults_of_http() {
        let draft = publish(r#""payload":{"a": 1},"topic":null,"idempotency_key":null,"ttl":null"#)
            .unwrap();
        assert_eq!(
            (draft.ttl, draft.wait),
            (publish::DEFAULT_TTL, publish::DEFAULT_WAIT)
        );
        assert_eq!(
            (draft.topic, draft.key, draft.urgency),
            (None, None, Default::default())
        );
    }

    #[test]
    fn an_absent_media_type_follows_from_the_kind_of_payload() {
        for (fields, content_type, payload, size) in [
            (
                r#""payload":{"a": 1}"#,
                "application/json",
                r#"{"a": 1}"#,
                8,
            ),
            (r#""payload":null"#, "application/json", "null", 4),
            (r#""payload":1.50"#, "application/json", "1.50", 4),
            (
                r#""payload":"h\u00e9""#,
                "text/plain; charset=utf-8",
                r#""hé""#,
                3,
            ),
            (
                r#""payload":"/w==","encoding":"base64""#,
                "application/octet-stream",
                r#""/w==""#,
                1,
            ),
            (
                r#""payload":"h","content_type":"application/json""#,
                "application/json",
                r#""h""#,
                3,
            ),
            (
                r#""payload":"h","content_type":"text/html""#,
                "text/html",
                r#""h""#,
                1,
            ),
            (
                r#""payload":"<a/>","content_type":"image/svg+xml""#,
                "image/svg+xml",
                r#""PGEvPg==""#,
                4,
            ),
            (
                r#""payload":"aGk=","encoding":"base64","content_type":"text/html""#,
                "text/html",
                r#""hi""#,
                2,
            ),
        ] {
            let draft = publish(fields).unwrap();
            assert_eq!(draft.content_type, content_type, "{fields}");
            assert_eq!(draft.payload.get(), payload, "{fields}");
            assert_eq!(draft.size, size, "{fields}");
        }
    }

    #[test]
    fn a_frame_and_a_request_with_the_same_payload_have_the_same_fingerprint() {
        let to = Target::Tag("kitchen".parse().unwrap());
        for (fields, content_type, body) in [
            (
                r#""payload":{"a": 1}"#,
                "application/json",
                &b"{\"a\": 1}"[..],
            ),
            (r#""payload":"h\u00e9""#, payload::TEXT, "hé".as_bytes()),
            (
                r#""payload":"/w==","encoding":"base64""#,
                payload::BYTES,
                b"\xff",
            ),
        ] {
            let header = |name: &str| (name == "Content-Type").then(|| content_type.to_owned());
            let http = Draft::from_http(header, body, &Limits::default()).unwrap();
            assert_eq!(
                publish(fields).unwrap().fingerprint(&to),
                http.fingerprint(&to),
                "{fields}"
            );
        }
    }

    #[test]
    fn a_wrong_field_of_a_publish_is_named() {
        for (fields, detail) in [
            (r#""ttl":1"#, "payload is missing"),
            (
                r#""payload":1,"ttl":2592001"#,
                "ttl must be a whole number from 0 to 2592000",
            ),
            (
                r#""payload":1,"ttl":"60""#,
                "ttl must be a whole number from 0 to 2592000",
            ),
            (
                r#""payload":1,"ttl":60.5"#,
                "ttl must be a whole number from 0 to 2592000",
            ),
            (
                r#""payload":1,"wait":61"#,
                "wait must be a whole number from 0 to 60",
            ),
            (
                r#""payload":1,"topic":"a.b""#,
                "topic must match [A-Za-z0-9_-]{1,32}",
            ),
            (r#""payload":1,"topic":1"#, "topic must be a string"),
            (
                r#""payload":1,"urgency":"HIGH""#,
                "urgency must be very-low, low, normal or high",
            ),
            (
                r#""payload":1,"idempotency_key":"""#,
                "idempotency_key must be 1 to 64 printable ASCII characters",
            ),
            (r#""payload":1,"echo":"true""#, "echo must be true or false"),
            (r#""payload":1,"echo":1"#, "echo must be true or false"),
            (
                r#""payload":"a","encoding":"hex""#,
                "encoding must be base64 or absent",
            ),
            (
                r#""payload":1,"encoding":"base64""#,
                "payload must be a string",
            ),
            (
                r#""payload":1,"content_type":"text/plain""#,
                "payload must be a string",
            ),
            (
                r#""payload":"\ud800""#,
                "payload contains an unpaired surrogate, which is not valid Unicode",
            ),
        ] {
            let bad = publish(fields).unwrap_err();
            assert_eq!(
                (bad.problem.code, bad.problem.detail.as_str()),
                (Code::BadFrame, detail),
                "{fields}"
            );
        }
        let starts = [
            (
                r#""payload":"a=b","encoding":"base64""#,
                "payload is not base64, although encoding says so: ",
            ),
            (
                r#""payload":"YQ","encoding":"base64""#,
                "payload is not base64, although encoding says so: ",
            ),
            (
                r#""payload":"a","content_type":"text""#,
                "content_type must be a media type",
            ),
            (
                r#""payload":"aGk=","encoding":"base64","content_type":"application/json""#,
                "payload is not JSON, although content_type says so: ",
            ),
        ];
        for (fields, start) in starts {
            let bad = publish(fields).unwrap_err();
            assert!(
                bad.problem.detail.starts_with(start),
                "{fields}: {}",
                bad.problem.detail
            );
        }
    }

    #[test]
    fn echo_is_asked_for_by_true_alone() {
        for (fields, echo) in [
            (r#""payload":1"#, false),
            (r#""payload":1,"echo":null"#, false),
            (r#""payload":1,"echo":false"#, false),
            (r#""payload":1,"echo": true "#, true),
        ] {
            assert_eq!(publish(fields).unwrap().echo, echo, "{fields}");
        }
    }

    #[test]
    fn a_number_is_taken_in_every_form_in_which_it_is_written() {
        for ttl in ["60", "60.0", "6e1", "0.6E+2"] {
            let draft = publish(&format!(r#""payload":1,"ttl":{ttl},"wait":3.0e0"#)).unwrap();
            assert_eq!((draft.ttl, draft.wait), (60, 3), "{ttl}");
        }
    }

    #[test]
    fn a_publish_names_either_a_tag_or_a_device_or_an_expression() {
        let wrong = |text: &str| {
            read::frame(text, &Limits::default())
                .unwrap_err()
                .problem
                .detail
        };
        let to = |to: &str| wrong(&format!(r#"{{"type":"publish","payload":1,"to":{to}}}"#));
        let neither = r#"to must be {"tag":"…"}, {"device":"…"} or {"match":"…"}"#;
        for target in [
            "{}",
            "[]",
            r#""kitchen""#,
            r#"{"tag":null}"#,
            r#"{"tag":"a","device":"b"}"#,
            r#"{"tag":"a","match":"b"}"#,
            r#"{"device":"a","match":"b"}"#,
            r#"{"match":null}"#,
            r#"["a",null]"#,
        ] {
            assert_eq!(to(target), neither, "{target}");
        }
        assert_eq!(
            to(r#"{"tag":"a b"}"#),
            "to.tag must match [A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
        );
        assert_eq!(to(r#"{"device":7}"#), "to.device must be a string");
        assert_eq!(to(r#"{"match":7}"#), "to.match must be a string");
        assert_eq!(
            to(r#"{"match":"a & "}"#),
            "to.match is wrong at character 5: expected a tag, an @device or ("
        );
        assert_eq!(wrong(r#"{"type":"publish","payload":1}"#), "to is missing");
    }

    #[test]
    fn a_payload_over_the_limit_is_too_large_in_each_form() {
        let limits = Limits {
            max_payload_bytes: 4,
            ..Limits::default()
        };
        for (payload, fits) in [
            (r#""payload":1234"#, true),
            (r#""payload":12345"#, false),
            (r#""payload":"\u0061\u0061\u0061\u0061""#, true),
            (r#""payload":"aaaaa""#, false),
            (r#""payload":"YWFhYQ==","encoding":"base64""#, true),
            (r#""payload":"YWFhYWE=","encoding":"base64""#, false),
        ] {
            let text = format!(r#"{{"type":"publish","ref":"a1","to":{{"tag":"a"}},{payload}}}"#);
            match read::frame(&text, &limits) {
                Ok(_) => assert!(fits, "{payload} fits"),
                Err(bad) => {
                    assert!(!fits, "{payload}: {}", bad.problem);
                    assert_eq!(bad.problem.code, Code::PayloadTooLarge);
                    assert_eq!(bad.reference.as_deref(), Some("a1"));
                }
            }
        }
    }
}
