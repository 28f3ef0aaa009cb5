//! What a request carries besides its path: query parameters and a body.
//!
//! A parameter that is out of range is refused by its name; one that is not known is ignored. No more
//! of a body is read than is allowed.

use std::ops::RangeInclusive;
use std::str::FromStr;

use js_sys::Uint8Array;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::publish::whole_number;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::web_sys;

use crate::respond::Error;

/// How many entries a page of a list may have.
pub(super) const PAGE: RangeInclusive<u32> = 1..=1_000;
/// How many entries a page of a list has where the caller says nothing.
pub(super) const DEFAULT_PAGE: u32 = 100;

/// The query parameters of a request.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters of a URL in order, decoded; of those with the same name, the first counts.
    pub(super) fn read(url: &str) -> Self {
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let parameters = form_urlencoded::parse(query.as_bytes());
        Self(parameters.into_owned().collect())
    }

    /// The parameter of this name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let parameter = self.0.iter().find(|(known, _)| known == name);
        parameter.map(|(_, value)| value.as_str())
    }

    /// The whole number that the parameter `name` is.
    pub(super) fn number(
        &self,
        name: &str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Result<u32, Problem> {
        self.text(name)
            .map_or(Ok(default), |text| whole_number(name, text, range))
    }

    /// The length of a page.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        self.number("limit", DEFAULT_PAGE, PAGE)
    }

    /// Where a page begins: after the name that ended the one before.
    pub(super) fn cursor<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        self.text("cursor")
            .map(str::parse)
            .transpose()
            .map_err(|_| Problem::bad_request("cursor must be the `next` of an earlier page"))
    }
}

/// The body of a request, if it has at most `longest` bytes.
///
/// # Errors
/// [`Code::PayloadTooLarge`]; a body whose length is announced is then not read at all.
pub(super) async fn body(request: &web_sys::Request, longest: usize) -> Result<Vec<u8>, Error> {
    let too_large = || {
        Problem::new(
            Code::PayloadTooLarge,
            format!("the body has more than {longest} bytes"),
        )
    };
    let bytes = read(request, longest).await.map_err(worker::Error::from)?;
    if bytes.is_null() {
        return Err(too_large().into());
    }
    Ok(Uint8Array::new(&bytes).to_vec())
}

#[wasm_bindgen(module = "/src/body.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn read(request: &web_sys::Request, longest: usize) -> Result<JsValue, JsValue>;
}

#[cfg(test)]
mod tests {
    use tagpost_core::id::DeviceId;

    use super::*;

    fn query(text: &str) -> Query {
        Query::read(&format!("https://relay/v1/devices?{text}"))
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
        assert_eq!(query("x=1&limit=1000&limit=5").limit(), Ok(1000));
        assert_eq!(
            query("cursor=cam%2D1").cursor::<DeviceId>(),
            Ok(Some("cam-1".parse().unwrap()))
        );
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
        for text in ["cursor=", "cursor=.x", "cursor=a%20b"] {
            let problem = query(text).cursor::<DeviceId>().unwrap_err();
            assert!(problem.detail.starts_with("cursor "), "{text}: {problem}");
        }
    }
}
