//! A publish to a channel, read and checked (RFC 8030, section 5, RFC 8291, RFC 8188).
//!
//! The body is not looked into. Its encryption headers are checked only for what every user agent needs.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;

use super::channel::SenderKey;
use super::content::{Content, Headers};
use super::refusal::Refusal;
use super::vapid::parameter;
use crate::id::Topic;
use crate::limits::Limits;
use crate::message::Urgency;
use crate::payload;
use crate::publish::{Draft, TTL, WAIT, preferred_wait, urgency, whole_number};

/// Where a body of aes128gcm has the sender's key for this message (RFC 8188, section 2.1): after the salt, the record
/// size and the key's length.
const KEY_AT: usize = 21;

/// What the headers say, before the body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Seconds to keep trying, no longer than the service keeps a message.
    pub ttl: u32,
    topic: Option<Topic>,
    urgency: Urgency,
    /// Milliseconds to wait for the acknowledgement.
    pub wait: u32,
    /// Whether the sender asks for a receipt.
    pub receipt: bool,
}

impl Options {
    /// Reads the headers. `header` returns the value of a header.
    ///
    /// # Errors
    /// The refusal names the header.
    pub fn read(header: impl Fn(&str) -> Option<String>, limits: &Limits) -> Result<Self, Refusal> {
        let ttl = header("TTL").ok_or_else(|| Refusal::new(400, 111, "TTL is missing"))?;
        let topic = header("Topic")
            .map(|topic| topic.parse::<Topic>())
            .transpose();
        let topic = topic.map_err(|error| Refusal::new(400, 113, error.to_string()))?;
        let urgency = header("Urgency")
            .map(|name| urgency("Urgency", &name))
            .transpose()?;
        let prefer = header("Prefer").unwrap_or_default();
        let wait = preferred_wait(&prefer);
        let wait = wait
            .map(|text| whole_number("Prefer: wait", &text, WAIT))
            .transpose()?;
        Ok(Self {
            ttl: seconds(&ttl)
                .ok_or_else(|| Refusal::new(400, 112, "TTL must be a whole number of seconds"))?,
            topic,
            urgency: urgency.unwrap_or_default(),
            wait: (wait.unwrap_or(0) * 1_000).max(limits.push_wait_ms),
            receipt: prefers(&prefer, "respond-async"),
        })
    }
}

/// The relation of a link to the receipts of a channel (RFC 8030, section 4.1).
pub const RECEIPTS_RELATION: &str = "urn:ietf:params:push:receipt";

/// The sealed part of the URL in a `Link` header (RFC 8288) that has the relation to receipts; `None` if there is no such
/// link.
pub fn receipts_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let relation = parameter(parameters, "rel")?;
        (relation == RECEIPTS_RELATION).then(|| url.rsplit('/').next().unwrap_or_default())
    })
}

/// Whether a `Prefer` header (RFC 7240) has this preference.
fn prefers(header: &str, wanted: &str) -> bool {
    let preferences = header.split(',');
    let mut names = preferences.filter_map(|preference| preference.split([';', '=']).next());
    names.any(|name| name.trim().eq_ignore_ascii_case(wanted))
}

/// A TTL, cut to what the service keeps: the answer says how long that is (RFC 8030, section 5.2).
fn seconds(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let longest = *TTL.end();
    // A number that is too long to read is too large, too.
    is_number.then(|| text.parse().map_or(longest, |ttl: u32| ttl.min(longest)))
}

impl Options {
    /// The draft of a message with this body, whose payload is a [`Content`]. `sender` is the key that the sender has identified itself with.
    ///
    /// # Errors
    /// [`Refusal::bad_encryption`] names what is missing or does not fit.
    pub fn draft(
        self,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
        sender: Option<&SenderKey>,
    ) -> Result<Draft, Refusal> {
        let receipt = self.receipt;
        let content = match body.is_empty() {
            true => Content {
                receipt,
                ..Content::default()
            },
            false => Content {
                receipt,
                data: Some(BASE64_URL.encode(body)),
                headers: Some(headers(header, body, sender)?),
            },
        };
        Ok(Draft {
            ttl: self.ttl,
            topic: self.topic,
            urgency: self.urgency,
            wait: 0,
            key: None,
            echo: false,
            acks_needed: None,
            when: None,
            size: u32::try_from(body.len()).unwrap_or(u32::MAX),
            content_type: payload::JSON.to_owned(),
            encoding: None,
            payload: content.to_payload(),
        })
    }
}

fn headers(
    header: impl Fn(&str) -> Option<String>,
    body: &[u8],
    sender: Option<&SenderKey>,
) -> Result<Headers, Refusal> {
    let (encryption, crypto_key) = (header("Encryption"), header("Crypto-Key"));
    let has = |header: &Option<String>, name| {
        header
            .as_deref()
            .and_then(|header| parameter(header, name))
            .is_some()
    };
    let encoding = header("Content-Encoding")
        .unwrap_or_default()
        .to_ascii_lowercase();
    match encoding.as_str() {
        "aes128gcm" => {
            if has(&encryption, "salt") || has(&crypto_key, "dh") {
                let detail =
                    "a body of aes128gcm has its keys in itself: not in Encryption or Crypto-Key";
                return Err(Refusal::bad_encryption(detail));
            }
            // RFC 8292, section 3.2: a key that signs must not encrypt.
            let key = body.get(KEY_AT..KEY_AT + 65);
            if key.is_some() && key == sender.map(|key| key.bytes().as_slice()) {
                let detail = "the body is encrypted with the key that signs for the sender";
                return Err(Refusal::bad_encryption(detail));
            }
            Ok(Headers {
                encoding,
                encryption: None,
                crypto_key: None,
            })
        }
        "aesgcm" => {
            if !has(&encryption, "salt") {
                return Err(Refusal::bad_encryption("Encryption must have a salt"));
            }
            if crypto_key.is_some() && !has(&crypto_key, "dh") {
                return Err(Refusal::bad_encryption("Crypto-Key must have dh"));
            }
            Ok(Headers {
                encoding,
                encryption: encryption.as_deref().map(without_signer),
                crypto_key: crypto_key.as_deref().map(without_signer),
            })
        }
        _ => Err(Refusal::bad_encryption(
            "Content-Encoding must be aes128gcm or aesgcm if there is a body",
        )),
    }
}

/// The parameters of a header as user agents read them: without quotes, without padding, and without the sender's key,
/// which is not theirs to know (RFC 8292, section 4.2).
fn without_signer(header: &str) -> String {
    let group = |group: &str| {
        let parameters = group.split(';').filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let name = name.trim();
            let value = value.trim().trim_matches('"').trim_end_matches('=');
            (!name.eq_ignore_ascii_case("p256ecdsa")).then(|| format!("{name}={value}"))
        });
        parameters.collect::<Vec<_>>().join(";")
    };
    let groups = header.split(',').map(group);
    let groups = groups.filter(|group| !group.is_empty());
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(headers: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let found = headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    fn options(headers: &[(&str, &str)]) -> Result<Options, Refusal> {
        Options::read(header(headers), &Limits::default())
    }

    fn content(headers: &[(&str, &str)], body: &[u8]) -> Result<Content, Refusal> {
        let options = options(&[("TTL", "60")]).unwrap();
        let draft = options.draft(header(headers), body, None)?;
        let read: serde_json::Value = serde_json::from_str(draft.payload.get()).unwrap();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        Ok(Content {
            receipt: Content::asks_for_receipt(&draft.payload),
            data: text(&read["data"]),
            headers: text(&read["headers"]["encoding"]).map(|encoding| Headers {
                encoding,
                encryption: text(&read["headers"]["encryption"]),
                crypto_key: text(&read["headers"]["crypto_key"]),
            }),
        })
    }

    #[test]
    fn a_ttl_is_required_and_cut_to_thirty_days() {
        for (ttl, taken) in [
            ("0", 0),
            ("60", 60),
            ("0060", 60),
            ("2592000", 2_592_000),
            ("2592001", 2_592_000),
            ("99999999999999999999", 2_592_000),
        ] {
            assert_eq!(options(&[("TTL", ttl)]).unwrap().ttl, taken, "{ttl}");
        }
        assert_eq!(options(&[]).unwrap_err().errno, Some(111));
        for ttl in ["", "-1", "+1", "1.5", "a", "60, 60", "0x10"] {
            assert_eq!(
                options(&[("TTL", ttl)]).unwrap_err().errno,
                Some(112),
                "{ttl}"
            );
        }
    }

    #[test]
    fn topic_urgency_and_prefer_are_read_strictly() {
        let long = "x".repeat(33);
        for (name, value, errno) in [
            ("Topic", "", Some(113)),
            ("Topic", "a b", Some(113)),
            ("Topic", "a+b", Some(113)),
            ("Topic", long.as_str(), Some(113)),
            ("Urgency", "urgent", None),
            ("Urgency", "low, high", None),
            ("Urgency", "", None),
            ("Prefer", "wait=61", None),
            ("Prefer", "wait=soon", None),
        ] {
            let refusal = options(&[("TTL", "1"), (name, value)]).unwrap_err();
            assert_eq!(
                (refusal.status, refusal.errno),
                (400, errno),
                "{name}: {value}"
            );
            assert!(refusal.message.contains(name), "{}", refusal.message);
        }
        let given = options(&[
            ("TTL", "1"),
            ("Topic", "a_b-C"),
            ("Urgency", "very-low"),
            ("Prefer", "wait=2"),
        ]);
        let given = given.unwrap();
        assert_eq!((given.urgency, given.wait), (Urgency::VeryLow, 2_000));
        assert_eq!(options(&[("TTL", "1")]).unwrap().wait, 150);
    }

    #[test]
    fn a_receipt_is_asked_for_among_other_preferences() {
        for (prefer, asks) in [
            ("respond-async", true),
            ("wait=5, Respond-Async", true),
            ("respond-async; x=y,wait=5", true),
            ("wait=5", false),
            ("respond", false),
            ("x=respond-async", false),
        ] {
            let options = options(&[("TTL", "1"), ("Prefer", prefer)]).unwrap();
            assert_eq!(options.receipt, asks, "{prefer}");
            let draft = options.draft(|_| None, b"", None).unwrap();
            assert_eq!(Content::asks_for_receipt(&draft.payload), asks);
        }
    }

    #[test]
    fn the_link_to_receipts_is_found_among_others() {
        let wanted = format!("<https://push.example/r/abc>; rel=\"{RECEIPTS_RELATION}\"");
        for header in [wanted.clone(), format!("</x>; rel=next, {wanted}")] {
            assert_eq!(receipts_link(&header), Some("abc"), "{header}");
        }
        for header in ["", "abc", "</x>; rel=next", "<abc"] {
            assert_eq!(receipts_link(header), None, "{header}");
        }
    }

    #[test]
    fn an_empty_body_needs_no_encryption() {
        assert_eq!(content(&[], b""), Ok(Content::default()));
        assert_eq!(
            content(&[("Content-Encoding", "aes128gcm")], b""),
            Ok(Content::default())
        );
    }

    #[test]
    fn a_body_is_passed_on_as_it_is_with_the_headers_that_decrypt_it() {
        let body: Vec<u8> = (0..=255).collect();
        let modern = content(&[("Content-Encoding", "aes128gcm")], &body).unwrap();
        assert_eq!(BASE64_URL.decode(modern.data.unwrap()).unwrap(), body);
        assert_eq!(modern.headers.unwrap().encoding, "aes128gcm");
        let older = content(
            &[
                ("Content-Encoding", "aesgcm"),
                ("Encryption", "keyid=p256dh; salt=\"abc=\""),
                ("Crypto-Key", "keyid=p256dh;dh=\"def==\", p256ecdsa=ghi"),
            ],
            &body,
        );
        let headers = older.unwrap().headers.unwrap();
        assert_eq!(headers.encryption.as_deref(), Some("keyid=p256dh;salt=abc"));
        assert_eq!(headers.crypto_key.as_deref(), Some("keyid=p256dh;dh=def"));
    }

    #[test]
    fn a_body_whose_encryption_headers_do_not_fit_is_refused() {
        for headers in [
            &[][..],
            &[("Content-Encoding", "identity")],
            &[("Content-Encoding", "gzip")],
            &[
                ("Content-Encoding", "aes128gcm"),
                ("Encryption", "salt=abc"),
            ],
            &[("Content-Encoding", "aes128gcm"), ("Crypto-Key", "dh=abc")],
            &[("Content-Encoding", "aesgcm")],
            &[("Content-Encoding", "aesgcm"), ("Encryption", "rs=4096")],
            &[
                ("Content-Encoding", "aesgcm"),
                ("Encryption", "salt=a"),
                ("Crypto-Key", "p256ecdsa=a"),
            ],
        ] {
            let refusal = content(headers, b"x").unwrap_err();
            assert_eq!(
                (refusal.status, refusal.errno),
                (400, Some(110)),
                "{headers:?}"
            );
        }
        let with_signer = [
            ("Content-Encoding", "aes128gcm"),
            ("Crypto-Key", "p256ecdsa=a"),
        ];
        assert!(
            content(&with_signer, b"x").is_ok(),
            "an older sender names its key there"
        );
    }

    #[test]
    fn the_key_that_signs_must_not_encrypt() {
        let text = "BAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        let key = SenderKey::read(text).unwrap();
        let body = [[0; KEY_AT].as_slice(), key.bytes(), b"record"].concat();
        let headers = [("Content-Encoding", "aes128gcm")];
        let draft = |sender| {
            let options = options(&[("TTL", "60")]).unwrap();
            options.draft(header(&headers), &body, sender).map(drop)
        };
        assert_eq!(draft(None), Ok(()));
        assert_eq!(draft(Some(&key)).unwrap_err().errno, Some(110));
    }
}
