//! The endpoint of a subscription: the URL that a knock is published to.
//!
//! Whoever has it can make the device wake, so it is shown to nobody, and cannot be printed. It leads to a push service
//! by https, or to a push path of this service, which is then kept as a path: the service does not call itself over the
//! network.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest endpoint, in bytes.
const MAX_LENGTH: usize = 2_048;

/// The longest name of a host, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

/// Where channels of this service are published to.
const OWN_PATH: &str = "/wpush/";

/// An endpoint that was checked: an https URL, or a path of this service.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoint(String);

/// Where a knock goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination<'a> {
    /// To the channel of this service with this sealed URL.
    Own(&'a str),
    /// To another push service.
    Elsewhere {
        /// The whole URL.
        url: &'a str,
        /// Its origin, which the service identifies itself to (RFC 8292, section 2).
        origin: &'a str,
    },
}

impl Endpoint {
    /// Checks an endpoint. Returns its host, too. `own` are origins of this service.
    ///
    /// # Errors
    /// What is wrong, without any part of it.
    pub(super) fn read(url: String, own: [&str; 2]) -> Result<(Self, String), &'static str> {
        check_text(&url)?;
        let mut own = own.into_iter();
        if let Some((own, path)) = own.find_map(|own| Some((own, path_below(&url, own)?))) {
            let sealed = path.strip_prefix(OWN_PATH).unwrap_or_default();
            let is_sealed = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
            if sealed.is_empty() || !sealed.bytes().all(is_sealed) {
                return Err("is a URL of this service, but not of one of its channels");
            }
            let host = own.split_once("://").map_or(own, |(_, host)| host);
            return Ok((Self(path.to_owned()), host.to_owned()));
        }
        let Some(rest) = url.strip_prefix("https://") else {
            return Err("must be an https URL");
        };
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        check_host(host)?;
        let host = host.to_owned();
        Ok((Self(url), host))
    }

    /// The endpoint of a row.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text of a row.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it leads.
    pub fn destination(&self) -> Destination<'_> {
        match self.0.strip_prefix(OWN_PATH) {
            Some(sealed) => Destination::Own(sealed),
            None => Destination::Elsewhere {
                url: &self.0,
                origin: origin(&self.0),
            },
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match self.destination() {
            Destination::Own(_) => "of this service",
            Destination::Elsewhere { origin, .. } => origin,
        };
        write!(f, "Endpoint({shown}, …)")
    }
}

/// The path and query of a URL with this origin, whether or not it names the usual port.
fn path_below<'a>(url: &'a str, origin: &str) -> Option<&'a str> {
    let port = if origin.starts_with("https") {
        ":443"
    } else {
        ":80"
    };
    let origin = origin.strip_suffix(port).unwrap_or(origin);
    let rest = url.strip_prefix(origin)?;
    let rest = rest.strip_prefix(port).unwrap_or(rest);
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
}

/// Checks the text of a URL, whatever it leads to.
pub(crate) fn check_text(url: &str) -> Result<(), &'static str> {
    if url.len() > MAX_LENGTH {
        return Err("must have at most 2048 bytes");
    }
    let is_plain = |c: u8| c.is_ascii_graphic() && c != b'\\';
    if !url.bytes().all(is_plain) {
        return Err("must be ASCII without spaces, control characters and \\");
    }
    if url.contains('#') {
        return Err("must not have a fragment");
    }
    Ok(())
}

/// Checks a host with its port, and splits them. It is written as browsers write it, so that no two texts mean this
/// service.
pub(crate) fn check_host(host: &str) -> Result<(&str, Option<u16>), &'static str> {
    if host.contains('@') {
        return Err("must not have a user name or password");
    }
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("has a malformed host")?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_of_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-._:".contains(&c);
    if name.is_empty() || name.ends_with('.') || !name.bytes().all(is_of_name) {
        return Err("must have a host in lower case, without a dot at its end");
    }
    if name.len() > MAX_NAME {
        return Err("has a host of more than 253 bytes");
    }
    // The usual port has one text, so that it is recognised: not `0443` or `+443`.
    let is_port = |port: &str| {
        let number = port.parse::<u16>();
        number.is_ok_and(|number| number > 0 && number.to_string() == port)
    };
    match port.strip_prefix(':') {
        Some(port) if is_port(port) => Ok((name, port.parse().ok())),
        None if port.is_empty() => Ok((name, None)),
        _ => Err("has a malformed port"),
    }
}

/// The origin of an https URL, as the push service knows it: without the usual port.
fn origin(url: &str) -> &str {
    let start = "https://".len();
    let rest = url.get(start..).unwrap_or_default();
    let end = start + rest.find(['/', '?']).unwrap_or(rest.len());
    let origin = url.get(..end).unwrap_or(url);
    origin.strip_suffix(":443").unwrap_or(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://tagpost.example";

    /// The service's other name, under which it was asked.
    const ALSO: &str = "https://tagpost.workers.example";

    fn read(url: &str) -> Result<(Endpoint, String), &'static str> {
        Endpoint::read(url.to_owned(), [OWN, ALSO])
    }

    #[test]
    fn an_https_url_leads_to_its_push_service() {
        for (url, origin, host) in [
            (
                "https://fcm.googleapis.com/fcm/send/a:b",
                "https://fcm.googleapis.com",
                "fcm.googleapis.com",
            ),
            (
                "https://push.example:8443/x?y=z",
                "https://push.example:8443",
                "push.example:8443",
            ),
            (
                "https://push.example:443/x",
                "https://push.example",
                "push.example:443",
            ),
            (
                "https://push.example?x=/",
                "https://push.example",
                "push.example",
            ),
            (
                "https://[2001:db8::1]:444/x",
                "https://[2001:db8::1]:444",
                "[2001:db8::1]:444",
            ),
            // Another service, whose name only begins like this one's.
            (
                "https://tagpost.example.org/v1/x",
                "https://tagpost.example.org",
                "tagpost.example.org",
            ),
        ] {
            let (endpoint, found) = read(url).unwrap();
            assert_eq!(found, host);
            assert_eq!(
                endpoint.destination(),
                Destination::Elsewhere { url, origin }
            );
        }
    }

    #[test]
    fn a_url_of_the_service_itself_must_be_that_of_a_channel() {
        for url in [
            "https://tagpost.example/wpush/aB-_9",
            "https://tagpost.example:443/wpush/aB-_9",
        ] {
            let (endpoint, host) = read(url).unwrap();
            assert_eq!(endpoint.destination(), Destination::Own("aB-_9"));
            assert_eq!(
                (endpoint.as_str(), host.as_str()),
                ("/wpush/aB-_9", "tagpost.example")
            );
        }
        for path in [
            "",
            "/",
            "/v1/devices",
            "/wpush/",
            "/wpush/../v1/devices",
            "/wpush/a/b",
            "/wpush/a?b",
            "/push/abc",
            "?x",
            ":443/v1/tags",
            "/wpush/%2e%2e",
        ] {
            let refused = read(&format!("{OWN}{path}")).unwrap_err();
            assert!(refused.contains("of this service"), "{path}: {refused}");
            let refused = read(&format!("{ALSO}{path}")).unwrap_err();
            assert!(refused.contains("of this service"), "{path}: {refused}");
        }
        let (endpoint, host) = read(&format!("{ALSO}/wpush/abc")).unwrap();
        assert_eq!(endpoint.destination(), Destination::Own("abc"));
        assert_eq!(host, "tagpost.workers.example");
        let local = "http://127.0.0.1:8787";
        let found = Endpoint::read(format!("{local}/wpush/abc"), [OWN, local]).unwrap();
        assert_eq!(found.0.destination(), Destination::Own("abc"));
        assert!(Endpoint::read(format!("{local}8/wpush/abc"), [OWN, local]).is_err());
    }

    #[test]
    fn what_is_no_plain_https_url_is_refused() {
        for url in [
            "",
            "push.example/x",
            "http://push.example/x",
            "HTTPS://push.example/x",
            "ftp://push.example",
            "https://",
            "https:///x",
            "https://user@push.example/",
            "https://user:word@push.example/",
            "https://tagpost.example@evil.example/",
            "https://push.example./x",
            "https://Push.example/x",
            "https://push.example/x#y",
            "https://push.example/ x",
            "https://push.example/ä",
            "https://push.example:0/",
            "https://push.example:65536/",
            "https://push.example:/",
            "https://push.example:x/",
            "https://tagpost.example:0443/v1/devices",
            "https://tagpost.example:+443/v1/devices",
            "https://[::1]:0443/",
            "https://[::1/",
            "https://[::1]x/",
            "https://push.example\\@evil.example/",
            "https://push.example/\n",
            "https://push%2eexample/",
        ] {
            assert!(read(url).is_err(), "{url}");
        }
        let longest = format!("https://push.example/{}", "x".repeat(2_048 - 21));
        assert!(read(&longest).is_ok());
        assert!(read(&format!("{longest}x")).is_err());
        let name = "a.".repeat(126) + "a";
        assert!(read(&format!("https://{name}:8443/x")).is_ok());
        let refused = read(&format!("https://a{name}/x")).unwrap_err();
        assert_eq!(refused, "has a host of more than 253 bytes");
    }

    #[test]
    fn an_endpoint_is_not_printed() {
        for url in [
            "https://push.example/secret",
            "https://tagpost.example/wpush/secret",
        ] {
            let printed = format!("{:?}", read(url).unwrap());
            assert!(!printed.contains("secret"), "{printed}");
        }
    }
}
