//! A request's headers, query parameters and body.
//!
//! The headers are read from the runtime all at once: a publish looks for a dozen, and each look would be a call from
//! wasm to JavaScript and back. A parameter that is out of range or given twice is refused by name; an unknown one is
//! ignored. No more of a body is read than allowed. A body that cannot be read is the client's error, since no part of
//! the service is involved in reading it.

use std::ops::RangeInclusive;
use std::str::FromStr;

use js_sys::Uint8Array;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::publish::{flag, whole_number};
use tagpost_core::time::Millis;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::web_sys;

use crate::respond::Error;

/// How many entries a page of a list may have.
pub(super) const PAGE: RangeInclusive<u32> = 1..=1_000;
/// How many entries a page of a list has by default.
pub(super) const DEFAULT_PAGE: u32 = 100;

/// The headers of a request.
pub(super) struct Headers(String);

impl Headers {
    /// Those of this request.
    pub(super) fn of(request: &web_sys::Request) -> Self {
        Self(lines(&request.headers()))
    }

    /// The value of a header. White space around it is not part of it (RFC 9110, section 5.5); the platform does not
    /// remove it everywhere. The values of a header that is given twice are joined.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let mut lines = self.0.split('\n');
        while let (Some(known), Some(value)) = (lines.next(), lines.next()) {
            if known.eq_ignore_ascii_case(name) {
                return Some(value.trim_matches([' ', '\t']).to_owned());
            }
        }
        None
    }
}

/// The query parameters of a request.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters of a URL in order, decoded.
    pub(super) fn read(url: &str) -> Self {
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let parameters = form_urlencoded::parse(query.as_bytes());
        Self(parameters.into_owned().collect())
    }

    /// The parameter of this name.
    ///
    /// # Errors
    /// The parameter is given twice.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut given = self.0.iter().filter(|(known, _)| known == name);
        match (given.next(), given.next()) {
            (_, Some(_)) => Err(Problem::bad_request(format!("{name} is given twice"))),
            (first, None) => Ok(first.map(|(_, value)| value.as_str())),
        }
    }

    /// Whether the parameter of this name is `true`; if it is absent, it is not.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        self.text(name)?.map_or(Ok(false), |text| flag(name, text))
    }

    /// The parameter `name`, a whole number.
    pub(super) fn number(
        &self,
        name: &str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Result<u32, Problem> {
        Ok(self.given(name, range)?.unwrap_or(default))
    }

    /// The parameter `name`, a whole number, if it is given.
    pub(super) fn given(
        &self,
        name: &str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, Problem> {
        let text = self.text(name)?;
        text.map(|text| whole_number(name, text, range)).transpose()
    }

    /// The parameter `name`, a time in milliseconds, if it is given.
    pub(super) fn given_time(&self, name: &str, latest: u64) -> Result<Option<Millis>, Problem> {
        let text = self.text(name)?;
        let time = text.map(|text| whole_number(name, text, 0..=latest));
        Ok(time
            .transpose()?
            .and_then(|time| Millis::try_from(time).ok()))
    }

    /// The length of a page.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        self.number("limit", DEFAULT_PAGE, PAGE)
    }

    /// Where a page begins: after the name that ended the one before.
    pub(super) fn cursor<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        self.text("cursor")?
            .map(str::parse)
            .transpose()
            .map_err(|_| Problem::bad_request("cursor must be the `next` of the page before"))
    }
}

/// The body of a request with this `Content-Encoding`, if it has at most `longest` bytes.
///
/// # Errors
/// [`Code::UnsupportedMediaType`] if it is encoded, since it would not be decoded. [`Code::PayloadTooLarge`].
/// [`Code::BadRequest`] if it is incomplete or malformed.
pub(super) async fn body(
    request: &web_sys::Request,
    encoding: Option<String>,
    longest: usize,
) -> Result<Vec<u8>, Error> {
    if encoding.is_some_and(|codings| !is_identity(&codings)) {
        let detail = "Content-Encoding must be absent or identity: bodies are not decoded";
        return Err(Problem::new(Code::UnsupportedMediaType, detail).into());
    }
    let Ok(bytes) = read(request, longest).await else {
        return Err(Problem::bad_request("the body is incomplete, or not valid HTTP").into());
    };
    if bytes.is_null() {
        let detail = format!("the body has more than {longest} bytes");
        return Err(Problem::new(Code::PayloadTooLarge, detail).into());
    }
    Ok(Uint8Array::new(&bytes).to_vec())
}

/// Whether all these content codings (RFC 9110, section 8.4) are `identity`.
fn is_identity(codings: &str) -> bool {
    let mut codings = codings.split(',').map(str::trim);
    codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
}

/// Discards the unread rest of the body, so that the connection can carry the next request.
pub(crate) async fn finish(request: &web_sys::Request) {
    if is_left(request) {
        discard(request).await;
    }
}

#[wasm_bindgen(module = "/src/request.js")]
extern "C" {
    fn lines(headers: &web_sys::Headers) -> String;

    #[wasm_bindgen(catch)]
    async fn read(request: &web_sys::Request, longest: usize) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = isLeft)]
    fn is_left(request: &web_sys::Request) -> bool;

    /// Never rejects.
    async fn discard(request: &web_sys::Request);
}

#[cfg(test)]
mod tests {
    use tagpost_core::id::DeviceId;

    use super::*;

    fn query(text: &str) -> Query {
        Query::read(&format!("https://relay/v1/devices?{text}"))
    }

    #[test]
    fn a_header_is_found_by_its_name_in_any_case_and_without_white_space_around_it() {
        let headers = Headers("ttl\n\t60 \nx\nttl\nprefer\n\n".to_owned());
        assert_eq!(headers.get("TTL").as_deref(), Some("60"));
        assert_eq!(headers.get("Prefer").as_deref(), Some(""));
        assert_eq!(headers.get("60"), None, "a value is no name");
        assert_eq!(headers.get("Topic"), None);
    }

    #[test]
    fn an_absent_parameter_has_its_default() {
        assert_eq!(query("").limit(), Ok(100));
        assert_eq!(query("other=7").number("wait", 0, 0..=60), Ok(0));
        assert_eq!(query("").cursor::<DeviceId>(), Ok(None));
    }

    #[test]
    fn a_parameter_in_range_is_taken() {
        assert_eq!(query("limit=1").limit(), Ok(1));
        assert_eq!(query("x=1&x=2&limit=1000").limit(), Ok(1000));
        assert_eq!(query("presence=true").flag("presence"), Ok(true));
        assert_eq!(query("presence=false").flag("presence"), Ok(false));
        assert_eq!(query("").flag("presence"), Ok(false));
        assert_eq!(
            query("cursor=cam%2D1").cursor::<DeviceId>(),
            Ok(Some("cam-1".parse().unwrap()))
        );
    }

    #[test]
    fn a_flag_is_true_or_false() {
        assert_eq!(query("").flag("payload"), Ok(false));
        assert_eq!(query("payload=false").flag("payload"), Ok(false));
        assert_eq!(query("payload=true").flag("payload"), Ok(true));
        for text in ["payload", "payload=", "payload=1", "payload=True"] {
            let problem = query(text).flag("payload").unwrap_err();
            assert_eq!(problem.detail, "payload must be true or false", "{text}");
        }
    }

    #[test]
    fn a_url_without_a_query_has_no_parameters() {
        let query = Query::read("https://relay/v1/devices");
        assert_eq!(query.limit(), Ok(100));
    }

    #[test]
    fn a_parameter_that_is_wrong_is_named() {
        for text in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=1.5",
            "limit=",
            "limit=ten",
            "limit=99999999999",
        ] {
            let problem = query(text).limit().unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{text}");
            assert_eq!(
                problem.detail, "limit must be a whole number from 1 to 1000",
                "{text}"
            );
        }
        for text in ["presence=", "presence=1", "presence=True"] {
            let problem = query(text).flag("presence").unwrap_err();
            assert_eq!(problem.detail, "presence must be true or false", "{text}");
        }
        for text in ["cursor=", "cursor=.x", "cursor=a%20b"] {
            let problem = query(text).cursor::<DeviceId>().unwrap_err();
            assert!(problem.detail.starts_with("cursor "), "{text}: {problem}");
        }
    }

    #[test]
    fn a_parameter_that_is_given_twice_is_refused_by_its_name() {
        for (text, name) in [
            ("limit=1&limit=2", "limit"),
            ("limit=1&limit=1", "limit"),
            ("wait=1&x=2&wait=3", "wait"),
        ] {
            let problem = query(text).number(name, 0, 0..=60).unwrap_err();
            assert_eq!(problem.code, Code::BadRequest, "{text}");
            assert_eq!(problem.detail, format!("{name} is given twice"));
        }
    }

    #[test]
    fn only_a_coding_that_changes_nothing_is_read() {
        for codings in [
            "",
            "identity",
            "Identity",
            "identity, identity",
            " , identity",
        ] {
            assert!(is_identity(codings), "{codings:?}");
        }
        for codings in ["gzip", "br", "x", "identity, gzip", "identity gzip", "*"] {
            assert!(!is_identity(codings), "{codings:?}");
        }
    }
}
