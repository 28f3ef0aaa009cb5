//! From a method and a path to what is asked for.
//!
//! One table lists everything that is served. A name in a path becomes a checked type here, so a
//! handler never sees a malformed one. Who may ask is not decided here.

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use tagpost_core::id::{DeviceId, InvalidName, MessageId, Tag};
use tagpost_core::message::Target;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// Whether the service runs.
    Health,
    /// The description of this interface.
    OpenApi,
    /// A list of devices.
    ListDevices,
    /// Create a device and mint a token.
    PutDevice(DeviceId),
    /// Presence and queue of a device.
    GetDevice(DeviceId),
    /// Forget a device.
    DeleteDevice(DeviceId),
    /// Revoke a device's tokens.
    RevokeTokens(DeviceId),
    /// A list of tags.
    ListTags,
    /// The devices of a tag.
    GetTag(Tag),
    /// Let a tag lead to a device.
    Bind(Tag, DeviceId),
    /// Let a tag not lead to a device any more.
    Unbind(Tag, DeviceId),
    /// Publish a message.
    Publish(Target),
    /// What became of a message.
    Trace(MessageId),
    /// The messages that the caller sent.
    ListMessages,
    /// Take a message back.
    Cancel(MessageId),
    /// Open the WebSocket.
    Connect,
    /// Take messages without a WebSocket.
    Inbox,
    /// Acknowledge a message.
    Ack(MessageId),
    /// Refuse a message.
    Nack(MessageId),
    /// What a browser may do at this path (CORS preflight).
    Preflight {
        /// The methods that are served, as `Allow` lists them.
        allow: String,
    },
}

/// Why a method and a path ask for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Miss {
    /// Nothing is served at this path.
    NotFound,
    /// The path is served, but not by this method.
    MethodNotAllowed {
        /// The methods that are, as `Allow` lists them.
        allow: String,
    },
    /// A name in the path does not match its grammar.
    Malformed(InvalidName),
}

/// Finds what `method` at `path` asks for; `path` as it was sent, percent-encoded, without the query.
pub(crate) fn route(method: &str, path: &str) -> Result<Route, Miss> {
    let (endpoints, names) = TABLE
        .iter()
        .find_map(|(template, endpoints)| Some((endpoints, Names::read(template, path)?)))
        .ok_or(Miss::NotFound)?;
    match endpoints
        .iter()
        .find(|endpoint| endpoint.methods.contains(&method))
    {
        Some(endpoint) => (endpoint.read)(&names).map_err(Miss::Malformed),
        None if method == "OPTIONS" => Ok(Route::Preflight {
            allow: allow(endpoints),
        }),
        None => Err(Miss::MethodNotAllowed {
            allow: allow(endpoints),
        }),
    }
}

/// What one method, or `GET` with its `HEAD`, does at a path.
struct Endpoint {
    methods: &'static [&'static str],
    read: fn(&Names) -> Result<Route, InvalidName>,
}

const fn on(
    methods: &'static [&'static str],
    read: fn(&Names) -> Result<Route, InvalidName>,
) -> Endpoint {
    Endpoint { methods, read }
}

/// A `GET` that changes nothing, and so is served to `HEAD` too (RFC 9110, section 9.3.2).
const READ: &[&str] = &["GET", "HEAD"];
const GET: &[&str] = &["GET"];
const PUT: &[&str] = &["PUT"];
const POST: &[&str] = &["POST"];
const DELETE: &[&str] = &["DELETE"];

/// Everything that is served: the path, with `{name}` for one segment, and what its methods do.
const TABLE: &[(&str, &[Endpoint])] = &[
    ("/health", &[on(READ, |_| Ok(Route::Health))]),
    ("/openapi.json", &[on(READ, |_| Ok(Route::OpenApi))]),
    ("/v1/devices", &[on(READ, |_| Ok(Route::ListDevices))]),
    (
        "/v1/devices/{device}",
        &[
            on(READ, |path| Ok(Route::GetDevice(path.name("device")?))),
            on(PUT, |path| Ok(Route::PutDevice(path.name("device")?))),
            on(DELETE, |path| Ok(Route::DeleteDevice(path.name("device")?))),
        ],
    ),
    (
        "/v1/devices/{device}/tokens",
        &[on(DELETE, |path| {
            Ok(Route::RevokeTokens(path.name("device")?))
        })],
    ),
    (
        "/v1/devices/{device}/messages",
        &[on(POST, |path| {
            Ok(Route::Publish(Target::Device(path.name("device")?)))
        })],
    ),
    ("/v1/tags", &[on(READ, |_| Ok(Route::ListTags))]),
    (
        "/v1/tags/{tag}",
        &[on(READ, |path| Ok(Route::GetTag(path.name("tag")?)))],
    ),
    (
        "/v1/tags/{tag}/devices/{device}",
        &[
            on(PUT, |path| {
                Ok(Route::Bind(path.name("tag")?, path.name("device")?))
            }),
            on(DELETE, |path| {
                Ok(Route::Unbind(path.name("tag")?, path.name("device")?))
            }),
        ],
    ),
    (
        "/v1/tags/{tag}/messages",
        &[on(POST, |path| {
            Ok(Route::Publish(Target::Tag(path.name("tag")?)))
        })],
    ),
    ("/v1/messages", &[on(READ, |_| Ok(Route::ListMessages))]),
    (
        "/v1/messages/{id}",
        &[
            on(READ, |path| Ok(Route::Trace(path.name("id")?))),
            on(DELETE, |path| Ok(Route::Cancel(path.name("id")?))),
        ],
    ),
    ("/v1/connect", &[on(GET, |_| Ok(Route::Connect))]),
    ("/v1/inbox", &[on(GET, |_| Ok(Route::Inbox))]),
    (
        "/v1/inbox/{id}/ack",
        &[on(POST, |path| Ok(Route::Ack(path.name("id")?)))],
    ),
    (
        "/v1/inbox/{id}/nack",
        &[on(POST, |path| Ok(Route::Nack(path.name("id")?)))],
    ),
];

/// Every method and path that is served, `HEAD` and `OPTIONS` apart.
#[cfg(test)]
pub(crate) fn served() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().flat_map(|(path, endpoints)| {
        endpoints
            .iter()
            .map(|endpoint| (endpoint.methods[0], *path))
    })
}

fn allow(endpoints: &[Endpoint]) -> String {
    let mut methods: Vec<&str> = endpoints
        .iter()
        .flat_map(|endpoint| endpoint.methods)
        .copied()
        .collect();
    methods.push("OPTIONS");
    methods.join(", ")
}

/// The names that a path holds where its template says `{…}`.
struct Names(Vec<(&'static str, String)>);

impl Names {
    /// The names in `path`, if it fits the template.
    fn read(template: &'static str, path: &str) -> Option<Self> {
        let mut names = Vec::new();
        let mut segments = path.split('/');
        for wanted in template.split('/') {
            // Decoded after the split: an encoded slash is part of a name, which it makes malformed.
            // So does what is no UTF-8, by the replacement character.
            let segment = percent_decode_str(segments.next()?).decode_utf8_lossy();
            match wanted
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'))
            {
                Some(_) if segment.is_empty() => return None,
                Some(name) => names.push((name, segment.into_owned())),
                None if segment == wanted => {}
                None => return None,
            }
        }
        segments.next().is_none().then_some(Self(names))
    }

    /// The name that stands for `{name}`.
    fn name<T: FromStr<Err = InvalidName>>(&self, name: &str) -> Result<T, InvalidName> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        // Where the template has no such name, the empty text is as malformed as can be.
        found.map_or("", |(_, text)| text.as_str()).parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01J9Z3NDEKTSV4RRFFQ69G5FAV";

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    fn tag(name: &str) -> Tag {
        name.parse().unwrap()
    }

    fn id() -> MessageId {
        ID.parse().unwrap()
    }

    fn allowed(path: &str) -> String {
        match route("BREW", path) {
            Err(Miss::MethodNotAllowed { allow }) => allow,
            other => panic!("{path}: expected 405, got {other:?}"),
        }
    }

    #[test]
    fn every_request_of_the_contract_is_served() {
        let expected = [
            ("GET", "/health".to_owned(), Route::Health),
            ("GET", "/openapi.json".to_owned(), Route::OpenApi),
            ("GET", "/v1/devices".to_owned(), Route::ListDevices),
            (
                "PUT",
                "/v1/devices/cam-1".to_owned(),
                Route::PutDevice(device("cam-1")),
            ),
            (
                "GET",
                "/v1/devices/cam-1".to_owned(),
                Route::GetDevice(device("cam-1")),
            ),
            (
                "DELETE",
                "/v1/devices/cam-1".to_owned(),
                Route::DeleteDevice(device("cam-1")),
            ),
            (
                "DELETE",
                "/v1/devices/cam-1/tokens".to_owned(),
                Route::RevokeTokens(device("cam-1")),
            ),
            (
                "PUT",
                "/v1/tags/a:b/devices/cam-1".to_owned(),
                Route::Bind(tag("a:b"), device("cam-1")),
            ),
            (
                "DELETE",
                "/v1/tags/a:b/devices/cam-1".to_owned(),
                Route::Unbind(tag("a:b"), device("cam-1")),
            ),
            ("GET", "/v1/tags".to_owned(), Route::ListTags),
            (
                "GET",
                "/v1/tags/kitchen".to_owned(),
                Route::GetTag(tag("kitchen")),
            ),
            (
                "POST",
                "/v1/tags/kitchen/messages".to_owned(),
                Route::Publish(Target::Tag(tag("kitchen"))),
            ),
            (
                "POST",
                "/v1/devices/cam-1/messages".to_owned(),
                Route::Publish(Target::Device(device("cam-1"))),
            ),
            ("GET", format!("/v1/messages/{ID}"), Route::Trace(id())),
            ("GET", "/v1/messages".to_owned(), Route::ListMessages),
            ("DELETE", format!("/v1/messages/{ID}"), Route::Cancel(id())),
            ("GET", "/v1/connect".to_owned(), Route::Connect),
            ("GET", "/v1/inbox".to_owned(), Route::Inbox),
            ("POST", format!("/v1/inbox/{ID}/ack"), Route::Ack(id())),
            ("POST", format!("/v1/inbox/{ID}/nack"), Route::Nack(id())),
        ];
        for (method, path, wanted) in expected {
            assert_eq!(route(method, &path), Ok(wanted), "{method} {path}");
        }
    }

    #[test]
    fn nothing_is_served_anywhere_else() {
        for path in [
            "",
            "/",
            "//",
            "/v1",
            "/v1/",
            "/v2/devices",
            "/V1/devices",
            "/v1/devices/",
            "/v1//devices",
            "/v1/devices/cam-1/",
            "/v1/devices/cam-1/nothing",
            "/v1/devices/cam-1/messages/more",
            "/v1/tags/kitchen/devices",
            "/v1/tags/kitchen/devices/",
            "/health/",
            "/v1/inbox/x",
            "/v1/messages/",
            "health",
        ] {
            for method in ["GET", "PUT", "OPTIONS", "BREW"] {
                assert_eq!(
                    route(method, path),
                    Err(Miss::NotFound),
                    "{method} {path:?}"
                );
            }
        }
    }

    #[test]
    fn a_method_that_is_not_served_is_told_which_are() {
        for (path, allow) in [
            ("/health", "GET, HEAD, OPTIONS"),
            ("/v1/devices/cam-1", "GET, HEAD, PUT, DELETE, OPTIONS"),
            ("/v1/devices/cam-1/tokens", "DELETE, OPTIONS"),
            ("/v1/tags/kitchen/devices/cam-1", "PUT, DELETE, OPTIONS"),
            ("/v1/tags/kitchen/messages", "POST, OPTIONS"),
            ("/v1/connect", "GET, OPTIONS"),
        ] {
            assert_eq!(allowed(path), allow, "{path}");
            assert_eq!(
                route("OPTIONS", path),
                Ok(Route::Preflight {
                    allow: allow.to_owned()
                }),
                "{path}"
            );
        }
        // The method is looked at before the names.
        assert_eq!(
            allowed("/v1/devices/.bad"),
            "GET, HEAD, PUT, DELETE, OPTIONS"
        );
    }

    #[test]
    fn head_is_get_only_where_get_changes_nothing() {
        assert_eq!(route("HEAD", "/health"), Ok(Route::Health));
        assert_eq!(
            route("HEAD", "/v1/devices/cam-1"),
            route("GET", "/v1/devices/cam-1")
        );
        for path in ["/v1/inbox", "/v1/connect"] {
            assert!(
                matches!(route("HEAD", path), Err(Miss::MethodNotAllowed { .. })),
                "{path}"
            );
        }
    }

    #[test]
    fn percent_encoding_means_what_it_encodes() {
        assert_eq!(
            route("GET", "/v1/devices/cam%2D1"),
            Ok(Route::GetDevice(device("cam-1")))
        );
        assert_eq!(
            route("GET", "/v1/tags/a%3Ab"),
            Ok(Route::GetTag(tag("a:b")))
        );
        assert_eq!(route("GET", "/v1/%64evices"), Ok(Route::ListDevices));
    }

    #[test]
    fn a_malformed_name_is_named() {
        let long = format!("/v1/devices/{}", "a".repeat(65));
        for (method, path, what) in [
            ("GET", "/v1/devices/.hidden", "device"),
            ("GET", "/v1/devices/a%2Fb", "device"),
            ("GET", "/v1/devices/%FF", "device"),
            ("GET", "/v1/devices/a%00", "device"),
            ("GET", "/v1/devices/a%", "device"),
            ("GET", "/v1/devices/a:b", "device"),
            ("GET", long.as_str(), "device"),
            ("PUT", "/v1/tags/b%C3%A4d/devices/ok", "tag"),
            ("PUT", "/v1/tags/ok/devices/b+d", "device"),
            ("GET", "/v1/messages/7", "message id"),
            ("POST", "/v1/inbox/not-a-ulid/ack", "message id"),
        ] {
            match route(method, path) {
                Err(Miss::Malformed(name)) => assert_eq!(name.what, what, "{method} {path}"),
                other => panic!("{method} {path}: expected 400 for the {what}, got {other:?}"),
            }
        }
    }
}
