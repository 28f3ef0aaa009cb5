//! Reading what a device says: frames, and the bodies that say the same over HTTP.
//!
//! Types are strict, a null is as good as an absent field, unknown fields are ignored. A frame is taken
//! whole or not at all, and the error names the field.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::FromDevice;
use crate::id::{InvalidName, MessageId};
use crate::json;
use crate::limits::Limits;
use crate::message::Target;
use crate::payload::{self, Form, Names, Payload};
use crate::problem::{Code, Problem};
use crate::publish::{self, Draft, Options, whole_number};

/// The longest `ref`, in characters.
pub const MAX_REF: usize = 64;
/// The longest `reply`, in bytes of JSON.
pub const MAX_REPLY_BYTES: usize = 4_096;
/// The longest `reason`, in characters.
pub const MAX_REASON: usize = 256;

/// The largest number that every JSON parser reads exactly (RFC 8259, section 6).
const MAX_SEQ: i64 = (1 << 53) - 1;

/// The most that a frame has beside its payload, in bytes.
const MAX_ENVELOPE_BYTES: usize = 16_384;
/// The most bytes of JSON that one byte of a payload takes: `\u0000`.
const MAX_ESCAPED_BYTES: usize = 6;

const NAMES: Names = Names {
    payload: "payload",
    content_type: "content_type",
};

/// A frame that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFrame {
    /// What is wrong with it.
    pub problem: Problem,
    /// Its `ref`, where that could be read.
    pub reference: Option<String>,
}

/// The fields of all frames, each as it stands there.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    reply: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
    #[serde(borrow)]
    to: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "null_too")]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    content_type: Option<&'a RawValue>,
    #[serde(borrow)]
    encoding: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl: Option<&'a RawValue>,
    #[serde(borrow)]
    topic: Option<&'a RawValue>,
    #[serde(borrow)]
    urgency: Option<&'a RawValue>,
    #[serde(borrow)]
    wait: Option<&'a RawValue>,
    #[serde(borrow)]
    idempotency_key: Option<&'a RawValue>,
}

/// The fields of `to`.
#[derive(Deserialize)]
struct To<'a> {
    #[serde(borrow)]
    tag: Option<&'a RawValue>,
    #[serde(borrow)]
    device: Option<&'a RawValue>,
}

/// The body of an acknowledgement or rejection over HTTP.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    reply: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
}

impl FromDevice {
    /// Reads a text frame.
    ///
    /// # Errors
    /// [`Code::BadFrame`] names the field that is missing or wrong; [`Code::PayloadTooLarge`].
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, BadFrame> {
        let bad = |problem| BadFrame {
            problem,
            reference: None,
        };
        let longest = MAX_ENVELOPE_BYTES + MAX_ESCAPED_BYTES * limits.max_payload_bytes as usize;
        if text.len() > longest {
            let detail = format!(
                "the frame has {} bytes; at most {longest} are allowed",
                text.len()
            );
            return Err(bad(Problem::new(Code::PayloadTooLarge, detail)));
        }
        let fields: Fields = json::object(text).map_err(|error| {
            bad(Problem::new(
                Code::BadFrame,
                format!("the frame is not valid: {error}"),
            ))
        })?;
        let reference = limited_text("ref", fields.reference, MAX_REF)
            .map_err(in_frame)
            .map_err(bad)?;
        fields
            .read(reference.clone(), limits)
            .map_err(|problem| BadFrame {
                problem: in_frame(problem),
                reference,
            })
    }
}

impl Fields<'_> {
    fn read(&self, reference: Option<String>, limits: &Limits) -> Result<FromDevice, Problem> {
        let kind = required("type", text("type", self.kind)?)?;
        match kind.as_str() {
            "ack" => Ok(FromDevice::Ack {
                id: self.id()?,
                reply: reply(self.reply)?,
            }),
            "nack" => Ok(FromDevice::Nack {
                id: self.id()?,
                reason: reason(self.reason)?,
            }),
            "publish" => Ok(FromDevice::Publish {
                reference,
                to: target(required("to", self.to)?)?,
                draft: Draft::new(self.options()?, self.payload(limits)?),
            }),
            "receipts_seen" => {
                let seq = required("seq", self.seq)?;
                Ok(FromDevice::ReceiptsSeen {
                    seq: whole_number("seq", seq.get(), 0..=MAX_SEQ)?,
                })
            }
            _ => Err(Problem::bad_request(
                "type must be ack, nack, publish or receipts_seen",
            )),
        }
    }

    fn id(&self) -> Result<MessageId, Problem> {
        required("id", name("id", self.id)?)
    }

    fn options(&self) -> Result<Options, Problem> {
        let number = |field, raw: Option<&RawValue>, range| {
            raw.map(|raw| whole_number(field, raw.get(), range))
                .transpose()
        };
        Ok(Options {
            ttl: number("ttl", self.ttl, publish::TTL)?,
            topic: name("topic", self.topic)?,
            urgency: text("urgency", self.urgency)?
                .map(|name| publish::urgency("urgency", &name))
                .transpose()?,
            wait: number("wait", self.wait, publish::WAIT)?,
            key: name("idempotency_key", self.idempotency_key)?,
        })
    }

    /// The payload; where its media type is absent, the kind of JSON that it is tells it.
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

/// Reads the body of `POST /v1/inbox/{id}/ack`: nothing, or `{"reply":…}`.
///
/// # Errors
/// [`Code::BadRequest`] names what is wrong.
pub fn parse_ack_body(body: &[u8]) -> Result<Option<Box<RawValue>>, Problem> {
    answer(body)?.map_or(Ok(None), |answer| reply(answer.reply))
}

/// Reads the body of `POST /v1/inbox/{id}/nack`: nothing, or `{"reason":"…"}`.
///
/// # Errors
/// [`Code::BadRequest`] names what is wrong.
pub fn parse_nack_body(body: &[u8]) -> Result<Option<String>, Problem> {
    answer(body)?.map_or(Ok(None), |answer| reason(answer.reason))
}

fn answer(body: &[u8]) -> Result<Option<Answer<'_>>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    let invalid =
        |error: &dyn Display| Problem::bad_request(format!("the body is not valid: {error}"));
    let text = std::str::from_utf8(body).map_err(|error| invalid(&error))?;
    json::object(text)
        .map(Some)
        .map_err(|error| invalid(&error))
}

fn reply(raw: Option<&RawValue>) -> Result<Option<Box<RawValue>>, Problem> {
    match raw {
        Some(raw) if raw.get().len() > MAX_REPLY_BYTES => Err(Problem::bad_request(format!(
            "reply must be at most {MAX_REPLY_BYTES} bytes of JSON"
        ))),
        raw => Ok(raw.map(ToOwned::to_owned)),
    }
}

fn reason(raw: Option<&RawValue>) -> Result<Option<String>, Problem> {
    limited_text("reason", raw, MAX_REASON)
}

fn target(raw: &RawValue) -> Result<Target, Problem> {
    let wrong = || Problem::bad_request(r#"to must be {"tag":"…"} or {"device":"…"}"#);
    let to: To = json::object(raw.get()).map_err(|_| wrong())?;
    match (name("to.tag", to.tag)?, name("to.device", to.device)?) {
        (Some(tag), None) => Ok(Target::Tag(tag)),
        (None, Some(device)) => Ok(Target::Device(device)),
        _ => Err(wrong()),
    }
}

fn text(field: &str, raw: Option<&RawValue>) -> Result<Option<String>, Problem> {
    raw.map(|raw| {
        serde_json::from_str(raw.get())
            .map_err(|_| Problem::bad_request(format!("{field} must be a string")))
    })
    .transpose()
}

fn limited_text(
    field: &str,
    raw: Option<&RawValue>,
    most: usize,
) -> Result<Option<String>, Problem> {
    match text(field, raw)? {
        Some(text) if text.chars().count() > most => Err(Problem::bad_request(format!(
            "{field} must be at most {most} characters"
        ))),
        text => Ok(text),
    }
}

fn name<T: FromStr<Err = InvalidName>>(
    field: &str,
    raw: Option<&RawValue>,
) -> Result<Option<T>, Problem> {
    let checked = |text: String| {
        let wrong = |error: InvalidName| {
            Problem::bad_request(format!("{field} must match {}", error.grammar))
        };
        text.parse().map_err(wrong)
    };
    text(field, raw)?.map(checked).transpose()
}

fn required<T>(field: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::bad_request(format!("{field} is missing")))
}

/// The problem of a field, met in a frame.
fn in_frame(problem: Problem) -> Problem {
    let code = match problem.code {
        Code::BadRequest => Code::BadFrame,
        code => code,
    };
    Problem { code, ..problem }
}

/// A payload of null is a payload.
fn null_too<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01HF7YAT00FYHWCCN2FZZZZZZZ";

    fn parse(text: &str) -> Result<FromDevice, BadFrame> {
        FromDevice::parse(text, &Limits::default())
    }

    /// The detail of the `bad_frame` that this frame gets.
    fn wrong(text: &str) -> String {
        let bad = parse(text).unwrap_err();
        assert_eq!(bad.problem.code, Code::BadFrame, "{text}");
        bad.problem.detail
    }

    fn publish(fields: &str) -> Result<Draft, BadFrame> {
        let text = format!(r#"{{"type":"publish","to":{{"tag":"kitchen"}},{fields}}}"#);
        parse(&text).map(|frame| match frame {
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
    fn the_kind_of_payload_tells_an_absent_media_type() {
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
                r#""payload":1,"ttl":60.0"#,
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
                "idempotency_key must match 1 to 64 printable ASCII characters",
            ),
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
            (r#""payload":"\ud800""#, "payload must be a string"),
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
                "payload must be base64 as encoding says: ",
            ),
            (
                r#""payload":"YQ","encoding":"base64""#,
                "payload must be base64 as encoding says: ",
            ),
            (
                r#""payload":"a","content_type":"text""#,
                "content_type must be a media type",
            ),
            (
                r#""payload":"aGk=","encoding":"base64","content_type":"application/json""#,
                "payload is not JSON as content_type says: ",
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
    fn a_publish_names_either_a_tag_or_a_device() {
        let to = |to: &str| wrong(&format!(r#"{{"type":"publish","payload":1,"to":{to}}}"#));
        let neither = r#"to must be {"tag":"…"} or {"device":"…"}"#;
        for wrong in [
            "{}",
            "[]",
            r#""kitchen""#,
            r#"{"tag":null}"#,
            r#"{"tag":"a","device":"b"}"#,
            r#"["a"]"#,
        ] {
            assert_eq!(to(wrong), neither, "{wrong}");
        }
        assert_eq!(
            to(r#"{"tag":"a b"}"#),
            "to.tag must match [A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
        );
        assert_eq!(to(r#"{"device":7}"#), "to.device must be a string");
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
            match FromDevice::parse(&text, &limits) {
                Ok(_) => assert!(fits, "{payload} fits"),
                Err(bad) => {
                    assert!(!fits, "{payload}: {}", bad.problem);
                    assert_eq!(bad.problem.code, Code::PayloadTooLarge);
                    assert_eq!(bad.reference.as_deref(), Some("a1"));
                }
            }
        }
    }

    #[test]
    fn a_frame_longer_than_any_payload_needs_is_refused_unread() {
        let limits = Limits {
            max_payload_bytes: 1,
            ..Limits::default()
        };
        let bad = FromDevice::parse(&"[".repeat(20_000), &limits).unwrap_err();
        assert_eq!(bad.problem.code, Code::PayloadTooLarge);
    }

    #[test]
    fn acknowledgements_and_rejections_carry_their_words() {
        let reply = |text: &str| match parse(text).unwrap() {
            FromDevice::Ack { id, reply } => {
                (id.to_string(), reply.map(|raw| raw.get().to_owned()))
            }
            other => panic!("not an ack: {other:?}"),
        };
        assert_eq!(
            reply(&format!(r#"{{"type":"ack","id":"{ID}"}}"#)),
            (ID.into(), None)
        );
        assert_eq!(
            reply(&format!(r#"{{"type":"ack","id":"{ID}","reply":null}}"#)),
            (ID.into(), None)
        );
        let with_reply =
            format!(r#"{{"reply":{{"a": [1]}},"id":"{ID}","extra":[{{}}],"type":"ack"}}"#);
        assert_eq!(
            reply(&with_reply),
            (ID.into(), Some(r#"{"a": [1]}"#.into()))
        );
        let nack = parse(&format!(r#"{{"type":"nack","id":"{ID}","reason":"no"}}"#)).unwrap();
        assert!(matches!(nack, FromDevice::Nack { reason: Some(reason), .. } if reason == "no"));
    }

    #[test]
    fn words_that_are_too_long_are_refused() {
        let ack = |length: usize| {
            format!(
                r#"{{"type":"ack","id":"{ID}","reply":"{}"}}"#,
                "a".repeat(length)
            )
        };
        assert!(parse(&ack(4_094)).is_ok());
        assert_eq!(
            wrong(&ack(4_095)),
            "reply must be at most 4096 bytes of JSON"
        );
        let nack = |length: usize| {
            format!(
                r#"{{"type":"nack","id":"{ID}","reason":"{}"}}"#,
                "é".repeat(length)
            )
        };
        assert!(parse(&nack(256)).is_ok());
        assert_eq!(wrong(&nack(257)), "reason must be at most 256 characters");
        let with_ref = |length: usize| {
            format!(
                r#"{{"type":"ack","id":"{ID}","ref":"{}"}}"#,
                "é".repeat(length)
            )
        };
        assert!(parse(&with_ref(64)).is_ok());
        assert_eq!(wrong(&with_ref(65)), "ref must be at most 64 characters");
    }

    #[test]
    fn a_frame_that_is_no_object_of_a_known_type_is_refused() {
        assert!(wrong("").starts_with("the frame is not valid: not JSON: EOF"));
        assert!(wrong("{").starts_with("the frame is not valid: not JSON: EOF"));
        assert!(
            wrong("{} {}").starts_with("the frame is not valid: not JSON: trailing characters")
        );
        for text in [
            "[]",
            "1",
            "null",
            r#""ping""#,
            r#"["ack",null,"01HF7YAT00FYHWCCN2FZZZZZZZ"]"#,
        ] {
            assert_eq!(
                wrong(text),
                "the frame is not valid: not a JSON object",
                "{text}"
            );
        }
        assert!(wrong(r#"{"type":"ack","type":"nack"}"#).contains("duplicate field `type`"));
        assert_eq!(wrong("{}"), "type is missing");
        assert_eq!(wrong(r#"{"type":1}"#), "type must be a string");
        assert_eq!(
            wrong(r#"{"type":"Ack"}"#),
            "type must be ack, nack, publish or receipts_seen"
        );
        assert_eq!(wrong(r#"{"type":"ack"}"#), "id is missing");
        assert_eq!(
            wrong(r#"{"type":"ack","id":"x"}"#),
            "id must match a ULID of 26 characters"
        );
        assert_eq!(wrong(r#"{"type":"nack","id":7}"#), "id must be a string");
    }

    #[test]
    fn seen_receipts_are_named_by_a_number() {
        let seen = parse(r#"{"type":"receipts_seen","seq":7}"#).unwrap();
        assert!(matches!(seen, FromDevice::ReceiptsSeen { seq: 7 }));
        assert_eq!(wrong(r#"{"type":"receipts_seen"}"#), "seq is missing");
        for seq in ["-1", "1.0", r#""7""#, "9007199254740992"] {
            let detail = wrong(&format!(r#"{{"type":"receipts_seen","seq":{seq}}}"#));
            assert_eq!(
                detail,
                "seq must be a whole number from 0 to 9007199254740991"
            );
        }
    }

    #[test]
    fn an_error_carries_the_ref_that_could_be_read() {
        let reference = |text: &str| parse(text).unwrap_err().reference;
        assert_eq!(
            reference(r#"{"type":"publish","ref":"a1"}"#).as_deref(),
            Some("a1")
        );
        assert_eq!(reference(r#"{"ref":"a1"}"#).as_deref(), Some("a1"));
        assert_eq!(reference(r#"{"type":"publish","ref":7}"#), None);
        assert_eq!(
            wrong(r#"{"type":"publish","ref":7}"#),
            "ref must be a string"
        );
    }

    #[test]
    fn bodies_of_acknowledgements_are_read_like_frames() {
        assert!(parse_ack_body(b"").unwrap().is_none());
        assert!(parse_ack_body(b"{}").unwrap().is_none());
        assert_eq!(
            parse_ack_body(br#"{"reply": [1, 2]}"#)
                .unwrap()
                .unwrap()
                .get(),
            "[1, 2]"
        );
        assert_eq!(parse_nack_body(b"").unwrap(), None);
        assert_eq!(
            parse_nack_body(br#"{"reason":"no"}"#).unwrap().as_deref(),
            Some("no")
        );

        let long = format!(r#"{{"reply":"{}"}}"#, "a".repeat(4_095));
        for (problem, detail) in [
            (
                parse_ack_body(long.as_bytes()).unwrap_err(),
                "reply must be at most 4096 bytes of JSON",
            ),
            (
                parse_nack_body(br#"{"reason":7}"#).unwrap_err(),
                "reason must be a string",
            ),
            (
                parse_ack_body(b"[1]").unwrap_err(),
                "the body is not valid: not a JSON object",
            ),
            (
                parse_nack_body(b"no").unwrap_err(),
                "the body is not valid: not JSON: expected ident at line 1 column 2",
            ),
        ] {
            assert_eq!(
                (problem.code, problem.detail.as_str()),
                (Code::BadRequest, detail)
            );
        }
        assert_eq!(parse_ack_body(b"\xff").unwrap_err().code, Code::BadRequest);
    }

    /// Something close to a frame, so that most of the reading is reached.
    fn any_frame() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            Just("null".to_owned()),
            Just(r#"{"tag":"a"}"#.to_owned()),
            Just(r#"{"device":"a"}"#.to_owned()),
            Just(format!("\"{ID}\"")),
            "\"(base64|high|text/plain|application/json|[ -~é]{0,70})\"",
            "-?[0-9]{1,20}(\\.[0-9])?",
            "[\\[\\]{},:\"]{1,4}",
        ];
        let fields = "type|ref|id|reply|reason|seq|to|payload|content_type|encoding|ttl|topic|urgency|wait|idempotency_key";
        let field = (fields, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        let kind = "ack|nack|publish|receipts_seen|other";
        (kind, prop::collection::vec(field, 0..6))
            .prop_map(|(kind, fields)| format!("{{\"type\":\"{kind}\",{}}}", fields.join(",")))
    }

    proptest! {
        #[test]
        fn no_text_makes_parse_panic(text in ".{0,200}") {
            prop_assert!(parse(&text).is_err());
        }

        #[test]
        fn nothing_like_a_frame_makes_parse_panic(text in any_frame()) {
            match parse(&text) {
                Ok(FromDevice::Publish { draft, .. }) => prop_assert!(publish::TTL.contains(&draft.ttl)),
                Ok(FromDevice::Ack { reply, .. }) => {
                    prop_assert!(reply.is_none_or(|raw| raw.get().len() <= MAX_REPLY_BYTES));
                }
                Ok(_) => {}
                Err(bad) => prop_assert!(!bad.problem.detail.is_empty()),
            }
        }

        #[test]
        fn no_body_makes_reading_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse_ack_body(&body);
            let _ = parse_nack_body(&body);
        }
    }
}
