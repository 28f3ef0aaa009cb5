//! How the service identifies itself to push services (VAPID, RFC 8292): `VAPID_KEY` and `VAPID_SUBJECT`.
//!
//! Not here: signing, which is [`crate::vapid`].

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;

use super::remedy;

/// How the service identifies itself to push services (VAPID, RFC 8292).
pub(crate) struct Vapid {
    key: [u8; 32],
    /// `VAPID_SUBJECT`.
    subject: Option<String>,
}

impl Vapid {
    /// The identity, if `VAPID_KEY` is set: 32 bytes, which `openssl rand -hex 32` prints, or base64url as other Web
    /// Push programs print them.
    ///
    /// # Errors
    /// Which variable is wrong, and how to set it. A key is not repeated.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let subject = variable("VAPID_SUBJECT").map(subject).transpose()?;
        let Some(text) = variable("VAPID_KEY") else {
            return Ok(None);
        };
        let key = private_key(&text).ok_or_else(|| {
            format!(
                "the secret VAPID_KEY is not 64 hexadecimal digits, as `openssl rand -hex 32` prints, nor 32 bytes in \
                 base64url: {}",
                remedy("VAPID_KEY")
            )
        })?;
        Ok(Some(Self { key, subject }))
    }

    /// The private key.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whom a push service may turn to: the operator, or else the service itself, whose origin is `own`. One that is
    /// only reached by http is not on the Internet; push services take no such URL.
    pub(crate) fn subject(&self, own: &str) -> String {
        match &self.subject {
            Some(subject) => subject.clone(),
            None if own.starts_with("https://") => own.to_owned(),
            None => "mailto:tagpost@localhost".to_owned(),
        }
    }
}

/// The private key of P-256 that this text writes: a number between 0 and the order of the curve.
fn private_key(text: &str) -> Option<[u8; 32]> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let bytes = match text.len() {
        64 => hex(text)?,
        _ => BASE64_URL.decode(text).ok()?,
    };
    let key: [u8; 32] = bytes.try_into().ok()?;
    (key != [0; 32] && key < ORDER).then_some(key)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let bytes = digits?;
    let bytes = bytes.chunks(2).map(|pair| {
        let byte = pair.iter().fold(0, |byte, digit| byte * 16 + digit);
        u8::try_from(byte).ok()
    });
    bytes.collect()
}

/// Checks that this is what push services take (RFC 8292, section 2.1).
fn subject(text: String) -> Result<String, String> {
    let rest = text
        .strip_prefix("mailto:")
        .or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && text.bytes().all(|c| c.is_ascii_graphic()) => Ok(text),
        _ => Err(format!(
            "VAPID_SUBJECT is {text:?}, but must be a mailto: or https: URL"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Vapid>, String> {
        Vapid::read(|name| {
            let mut known = variables.iter().filter(|(known, _)| *known == name);
            known.next().map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_vapid_key_is_read_in_both_forms_and_a_wrong_one_is_not_shown() {
        let hex = "00000000000000000000000000000000000000000000000000000000000001ff";
        let base64 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAf8";
        let mut expected = [0; 32];
        (expected[30], expected[31]) = (1, 255);
        for text in [hex, base64] {
            let vapid = read(&[("VAPID_KEY", text)]).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(vapid.as_ref().map(Vapid::key), Some(&expected[..]));
        }
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let zero = "0".repeat(64);
        for text in [
            "",
            "secret",
            &zero,
            order,
            &hex[1..],
            &base64[1..],
            &hex.replace('1', "g"),
        ] {
            let error = read(&[("VAPID_KEY", text)]).err().expect(text);
            assert!(error.starts_with("the secret VAPID_KEY is not"), "{error}");
            assert!(!error.contains("secret\""), "{error}");
        }
    }

    #[test]
    fn the_subject_is_a_contact_and_by_default_the_service() {
        let key = (
            "VAPID_KEY",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        );
        let subject = |variables: &[(&str, &str)]| {
            let vapid = read(variables).unwrap_or_else(|error| panic!("{error}"));
            let subject = vapid.map(|it| it.subject("https://a.example"));
            subject.unwrap_or_default()
        };
        assert_eq!(subject(&[key]), "https://a.example");
        assert_eq!(
            subject(&[key, ("VAPID_SUBJECT", "mailto:a@b.example")]),
            "mailto:a@b.example"
        );
        for text in [
            "",
            "a@b.example",
            "mailto:",
            "http://a.example",
            "https://a b",
        ] {
            assert!(read(&[("VAPID_SUBJECT", text)]).is_err(), "{text}");
        }
    }
}
