use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;

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
fn encryption_headers_have_a_limit_for_both_together() {
    let read = |length: usize| {
        let salt = format!("salt={}", "s".repeat(length - 205));
        let key = format!("dh={}", "k".repeat(197));
        let headers = [
            ("Content-Encoding", "aesgcm"),
            ("Encryption", salt.as_str()),
            ("Crypto-Key", key.as_str()),
        ];
        content(&headers, b"x")
    };
    assert!(read(MAX_HEADERS).is_ok());
    let refusal = read(MAX_HEADERS + 1).unwrap_err();
    assert_eq!((refusal.status, refusal.errno), (400, Some(110)));
    for said in ["Encryption", "Crypto-Key", "1024"] {
        assert!(refusal.message.contains(said), "{}", refusal.message);
    }
}

#[test]
fn the_key_that_signs_must_not_encrypt() {
    let text =
        "BAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
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
