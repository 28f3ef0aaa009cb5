//! A request's headers.
//!
//! They are read from the runtime all at once: a publish looks for a dozen, and each look would be a call from wasm to
//! JavaScript and back.

use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::web_sys;

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

#[wasm_bindgen(module = "/src/headers.js")]
extern "C" {
    fn lines(headers: &web_sys::Headers) -> String;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_by_its_name_in_any_case_and_without_white_space_around_it() {
        let headers = Headers("ttl\n\t60 \nx\nttl\nprefer\n\n".to_owned());
        assert_eq!(headers.get("TTL").as_deref(), Some("60"));
        assert_eq!(headers.get("Prefer").as_deref(), Some(""));
        assert_eq!(headers.get("60"), None, "a value is no name");
        assert_eq!(headers.get("Topic"), None);
    }
}
