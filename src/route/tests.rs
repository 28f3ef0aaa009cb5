//! What is served, and what is not.

use super::*;

const ID: &str = "01J9Z3NDEKTSV4RRFFQ69G5FAV";
const CHANNEL: &str = "24cf03b3-f215-489e-8a5b-f3a5ec97785d";

fn device(name: &str) -> DeviceId {
    name.parse().unwrap()
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn id() -> MessageId {
    ID.parse().unwrap()
}

/// What is served to who has a credential.
fn found(method: &str, path: &str) -> Route {
    match route(method, path) {
        Ok(Found::Guarded(Ok(route))) => route,
        other => panic!("{method} {path}: expected a route, got {other:?}"),
    }
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
            "DELETE",
            "/v1/devices/cam-1/tokens/00f1.a~b:c".to_owned(),
            Route::RevokeToken(device("cam-1"), "00f1.a~b:c".parse().unwrap()),
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
        ("POST", "/v1/messages".to_owned(), Route::PublishToMatch),
        ("DELETE", format!("/v1/messages/{ID}"), Route::Cancel(id())),
        (
            "POST",
            format!("/v1/messages/{ID}/resend"),
            Route::Resend(id()),
        ),
        (
            "GET",
            format!("/v1/messages/{ID}/payload"),
            Route::GetPayload(id()),
        ),
        (
            "GET",
            "/v1/devices/cam-1/messages".to_owned(),
            Route::ListSent(device("cam-1")),
        ),
        ("GET", "/v1/failures".to_owned(), Route::ListFailures),
        ("GET", "/v1/overview".to_owned(), Route::Overview),
        ("GET", "/v1/connect".to_owned(), Route::Connect),
        ("GET", "/v1/inbox".to_owned(), Route::Inbox),
        (
            "GET",
            "/v1/devices/cam-1/inbox".to_owned(),
            Route::ListWaiting(device("cam-1")),
        ),
        (
            "GET",
            "/v1/devices/cam-1/watch".to_owned(),
            Route::Watch(device("cam-1")),
        ),
        (
            "POST",
            "/v1/devices/cam-1/hooks".to_owned(),
            Route::MakeHook(device("cam-1")),
        ),
        (
            "DELETE",
            "/v1/devices/cam-1/hooks".to_owned(),
            Route::RevokeHooks(device("cam-1")),
        ),
        (
            "POST",
            "/v1/devices/cam-1/pair".to_owned(),
            Route::IssueCode(device("cam-1")),
        ),
        (
            "POST",
            "/v1/devices/cam-1/push".to_owned(),
            Route::PushUrl(device("cam-1")),
        ),
        (
            "GET",
            "/v1/devices/cam-1/channels".to_owned(),
            Route::ListChannels(device("cam-1")),
        ),
        (
            "DELETE",
            "/v1/devices/cam-1/channels".to_owned(),
            Route::RemoveChannels(device("cam-1"), None),
        ),
        (
            "DELETE",
            format!("/v1/devices/cam-1/channels/{CHANNEL}"),
            Route::RemoveChannels(device("cam-1"), CHANNEL.parse().ok()),
        ),
        (
            "PUT",
            "/v1/devices/cam-1/wake".to_owned(),
            Route::Subscribe(device("cam-1")),
        ),
        (
            "GET",
            "/v1/devices/cam-1/wake".to_owned(),
            Route::ListSubscriptions(device("cam-1")),
        ),
        (
            "DELETE",
            "/v1/devices/cam-1/wake".to_owned(),
            Route::Unsubscribe(device("cam-1"), None),
        ),
        (
            "DELETE",
            "/v1/devices/cam-1/wake/0123456789ab".to_owned(),
            Route::Unsubscribe(device("cam-1"), "0123456789ab".parse().ok()),
        ),
        ("POST", format!("/v1/inbox/{ID}/ack"), Route::Ack(id())),
        ("POST", format!("/v1/inbox/{ID}/nack"), Route::Nack(id())),
        (
            "POST",
            format!("/v1/inbox/{ID}/progress"),
            Route::Progress(id()),
        ),
    ];
    for (method, path, wanted) in expected {
        assert_eq!(found(method, &path), wanted, "{method} {path}");
    }
    let sealed = [
        ("GET", "/push/a-B_9", Sealed::Agent("a-B_9".to_owned())),
        ("POST", "/wpush/a-B_9", Sealed::Push("a-B_9".to_owned())),
        ("GET", "/wpush/a-B_9", Sealed::Discover("a-B_9".to_owned())),
        ("GET", "/m/a-B_9", Sealed::PushState("a-B_9".to_owned())),
        ("GET", "/r/a-B_9", Sealed::PushReceipts("a-B_9".to_owned())),
        ("DELETE", "/m/a-B_9", Sealed::CancelPush("a-B_9".to_owned())),
        (
            "DELETE",
            "/r/a-B_9",
            Sealed::DropPushReceipts("a-B_9".to_owned()),
        ),
        ("POST", "/h/a-B_9", Sealed::Hook("a-B_9".to_owned())),
        ("POST", "/_matrix/push/v1/notify", Sealed::Matrix),
        ("GET", "/_matrix/push/v1/notify", Sealed::DiscoverMatrix),
    ];
    for (method, path, wanted) in sealed {
        assert_eq!(
            route(method, path),
            Ok(Found::Sealed(wanted)),
            "{method} {path}"
        );
        assert!(is_sealed(path), "{path}");
        assert_eq!(is_web_push(path), !path.starts_with("/h/"), "{path}");
    }
    let open = [
        ("/phone", Open::Phone),
        ("/health", Open::Health),
        ("/openapi.json", Open::Description),
        ("/", Open::Console),
        ("/v1/wake-key", Open::WakeKey),
    ];
    for (path, wanted) in open {
        assert_eq!(route("GET", path), Ok(Found::Open(wanted)), "{path}");
        assert!(!is_sealed(path) && !is_web_push(path), "{path}");
    }
}

#[test]
fn nothing_is_served_anywhere_else() {
    for path in [
        "",
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
        ("/", "GET, HEAD, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/v1/devices/cam-1", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("/v1/devices/cam-1/tokens", "DELETE, OPTIONS"),
        ("/v1/tags/kitchen/devices/cam-1", "PUT, DELETE, OPTIONS"),
        ("/v1/tags/kitchen/messages", "POST, OPTIONS"),
        ("/v1/devices/cam-1/messages", "GET, HEAD, POST, OPTIONS"),
        ("/v1/connect", "GET, OPTIONS"),
        ("/v1/devices/cam-1/wake", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ] {
        assert_eq!(allowed(path), allow, "{path}");
        assert_eq!(
            route("OPTIONS", path),
            Ok(Found::Preflight {
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
    assert_eq!(route("HEAD", "/health"), Ok(Found::Open(Open::Health)));
    assert_eq!(
        route("HEAD", "/v1/devices/cam-1"),
        route("GET", "/v1/devices/cam-1")
    );
    for path in ["/v1/inbox", "/v1/connect", "/v1/devices/cam-1/watch"] {
        assert!(
            matches!(route("HEAD", path), Err(Miss::MethodNotAllowed { .. })),
            "{path}"
        );
    }
}

#[test]
fn percent_encoding_means_what_it_encodes() {
    assert_eq!(
        found("GET", "/v1/devices/cam%2D1"),
        Route::GetDevice(device("cam-1"))
    );
    assert_eq!(found("GET", "/v1/tags/a%3Ab"), Route::GetTag(tag("a:b")));
    assert_eq!(found("GET", "/v1/%64evices"), Route::ListDevices);
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
            Ok(Found::Guarded(Err(name))) => assert_eq!(name.what, what, "{method} {path}"),
            other => panic!("{method} {path}: expected 400 for the {what}, got {other:?}"),
        }
    }
}

#[test]
fn the_worker_answers_every_path_before_the_console_does() {
    let settings = include_str!("../../wrangler.toml");
    let mut lines = settings.lines();
    let list = lines.find_map(|line| line.strip_prefix("run_worker_first = "));
    let list: Vec<&str> = serde_json::from_str(list.unwrap()).unwrap();
    for (path, _) in TABLE {
        let first = path.split('/').nth(1).unwrap();
        let all = format!("/{first}/*");
        assert!(
            list.contains(path) || list.contains(&all.as_str()),
            "{path}"
        );
    }
}
