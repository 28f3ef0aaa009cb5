//! Routing: from a method and a path to a request.
//!
//! One table lists everything that is served. Names in a path are parsed here, so a handler never sees a malformed
//! one. Not here: who may make the request.

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use tagpost_core::id::{DeviceId, InvalidName, MessageId, Tag, owner};
use tagpost_core::message::Target;
use tagpost_core::token::TokenId;
use tagpost_core::wake::SubscriptionId;
use tagpost_core::web_push::channel::Channel;

/// The result of routing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A request that needs no credential.
    Open(Open),
    /// A browser's preflight (CORS).
    Preflight {
        /// The methods that are served, as `Allow` lists them.
        allow: String,
    },
    /// A request whose URL is its permission.
    Sealed(Sealed),
    /// A request that needs a credential. Without one, the caller does not even learn that a name is malformed.
    Guarded(Result<Route, InvalidName>),
}

/// The requests that need no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// The way to the phone's page.
    Phone,
    /// Whether the service runs.
    Health,
    /// The description of this interface.
    Description,
    /// The console's page.
    Console,
    /// Exchange a pairing code for a token.
    Pair,
    /// The public half of the key that knocks are signed with.
    WakeKey,
}

/// The requests whose permission is a sealed URL: that of the request, or those in its body. All but those to hooks are
/// of Web Push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sealed {
    /// Open the WebSocket of a user agent.
    Agent(String),
    /// Publish to a channel.
    Push(String),
    /// Ask what a channel is.
    Discover(String),
    /// Cancel a message of a channel.
    CancelPush(String),
    /// Ask what became of a message of a channel.
    PushState(String),
    /// The receipts of a channel.
    PushReceipts(String),
    /// Keep no receipts for what was sent to a channel.
    DropPushReceipts(String),
    /// Publish what is posted to a hook.
    Hook(String),
    /// Publish the notification of a Matrix homeserver to channels.
    Matrix,
    /// Ask what the path for Matrix homeservers is.
    DiscoverMatrix,
}

/// The requests that need a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A list of devices.
    ListDevices,
    /// Create a device and mint a token.
    PutDevice(DeviceId),
    /// Presence and queue of a device.
    GetDevice(DeviceId),
    /// Delete a device.
    DeleteDevice(DeviceId),
    /// Revoke a device's tokens.
    RevokeTokens(DeviceId),
    /// Revoke one token of a device.
    RevokeToken(DeviceId, TokenId),
    /// Issue a pairing code for a device.
    IssueCode(DeviceId),
    /// The messages that wait for a device.
    ListWaiting(DeviceId),
    /// Watch a device.
    Watch(DeviceId),
    /// A list of tags.
    ListTags,
    /// The devices of a tag.
    GetTag(Tag),
    /// Bind a tag to a device.
    Bind(Tag, DeviceId),
    /// Unbind a tag from a device.
    Unbind(Tag, DeviceId),
    /// Publish a message to a tag or a device.
    Publish(Target),
    /// Publish a message to the devices that match the header `To`.
    PublishToMatch,
    /// The trace of a message.
    Trace(MessageId),
    /// The messages that the caller sent.
    ListMessages,
    /// Cancel a message.
    Cancel(MessageId),
    /// Send a message again.
    Resend(MessageId),
    /// The payload of a message.
    GetPayload(MessageId),
    /// The messages that a device sent.
    ListSent(DeviceId),
    /// The failed deliveries.
    ListFailures,
    /// Counts of the whole service.
    Overview,
    /// Make a URL for a user agent of Web Push.
    PushUrl(DeviceId),
    /// The channels of a device.
    ListChannels(DeviceId),
    /// Remove a channel, or all.
    RemoveChannels(DeviceId, Option<Channel>),
    /// Make a hook of a device.
    MakeHook(DeviceId),
    /// Revoke all hooks of a device.
    RevokeHooks(DeviceId),
    /// Store where a device can be knocked.
    Subscribe(DeviceId),
    /// Where a device can be knocked.
    ListSubscriptions(DeviceId),
    /// Remove a subscription, or all.
    Unsubscribe(DeviceId, Option<SubscriptionId>),
    /// Set the webhook of a device.
    PutWebhook(DeviceId),
    /// The webhook of a device.
    GetWebhook(DeviceId),
    /// Remove the webhook of a device.
    RemoveWebhook(DeviceId),
    /// Replace the secret of a webhook.
    RotateWebhook(DeviceId),
    /// Try the address of a webhook.
    TestWebhook(DeviceId),
    /// Open the WebSocket.
    Connect,
    /// Poll for messages.
    Inbox,
    /// Acknowledge a message.
    Ack(MessageId),
    /// Reject a message.
    Nack(MessageId),
    /// Work on a message.
    Progress(MessageId),
}

/// Why there is no such request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Miss {
    /// Nothing is served at this path.
    NotFound,
    /// The path does not have this method.
    MethodNotAllowed {
        /// The methods that it has, as `Allow` lists them.
        allow: String,
    },
}

/// Routes a method and a path; `path` is as it was sent, percent-encoded, without the query.
pub(crate) fn route(method: &str, path: &str) -> Result<Found, Miss> {
    let (endpoints, names) = find(path).ok_or(Miss::NotFound)?;
    let endpoint = endpoints
        .iter()
        .find(|endpoint| endpoint.methods.contains(&method));
    match endpoint.map(|endpoint| &endpoint.leads_to) {
        Some(Place::Open(open)) => Ok(Found::Open(*open)),
        Some(Place::Guarded(read)) => Ok(Found::Guarded(read(&names))),
        Some(Place::Sealed(read)) => Ok(Found::Sealed(read(names.text("sealed").to_owned()))),
        None => {
            let allow = allow(endpoints);
            match method {
                "OPTIONS" => Ok(Found::Preflight { allow }),
                _ => Err(Miss::MethodNotAllowed { allow }),
            }
        }
    }
}

/// What is served at a path, and the names in it.
fn find(path: &str) -> Option<(&'static [Endpoint], Names)> {
    let mut table = TABLE.iter();
    table.find_map(|(template, endpoints)| Some((*endpoints, Names::read(template, path)?)))
}

/// What a method does at a path; `HEAD` goes with `GET`.
struct Endpoint {
    methods: &'static [&'static str],
    leads_to: Place,
}

enum Place {
    Open(Open),
    Guarded(fn(&Names) -> Result<Route, InvalidName>),
    Sealed(fn(String) -> Sealed),
}

const fn open(methods: &'static [&'static str], open: Open) -> Endpoint {
    Endpoint {
        methods,
        leads_to: Place::Open(open),
    }
}

const fn on(
    methods: &'static [&'static str],
    read: fn(&Names) -> Result<Route, InvalidName>,
) -> Endpoint {
    Endpoint {
        methods,
        leads_to: Place::Guarded(read),
    }
}

const fn sealed(methods: &'static [&'static str], read: fn(String) -> Sealed) -> Endpoint {
    Endpoint {
        methods,
        leads_to: Place::Sealed(read),
    }
}

/// A `GET` that changes nothing, and so is served to `HEAD` too (RFC 9110, section 9.3.2).
const READ: &[&str] = &["GET", "HEAD"];
const GET: &[&str] = &["GET"];
const PUT: &[&str] = &["PUT"];
const POST: &[&str] = &["POST"];
const DELETE: &[&str] = &["DELETE"];

/// Everything that is served: the path, with `{name}` for one segment, and what its methods do.
const TABLE: &[(&str, &[Endpoint])] = &[
    ("/phone", &[open(READ, Open::Phone)]),
    ("/health", &[open(READ, Open::Health)]),
    ("/openapi.json", &[open(READ, Open::Description)]),
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
        "/v1/devices/{device}/tokens/{jti}",
        &[on(DELETE, |path| {
            let id = path.name("jti")?;
            Ok(Route::RevokeToken(path.name("device")?, id))
        })],
    ),
    (
        "/v1/devices/{device}/pair",
        &[on(POST, |path| Ok(Route::IssueCode(path.name("device")?)))],
    ),
    ("/v1/pair", &[open(POST, Open::Pair)]),
    (
        "/v1/devices/{device}/messages",
        &[
            on(READ, |path| Ok(Route::ListSent(path.owner("device")?))),
            on(POST, |path| {
                Ok(Route::Publish(Target::Device(path.name("device")?)))
            }),
        ],
    ),
    (
        "/v1/devices/{device}/inbox",
        &[on(READ, |path| {
            Ok(Route::ListWaiting(path.name("device")?))
        })],
    ),
    (
        "/v1/devices/{device}/watch",
        &[on(GET, |path| Ok(Route::Watch(path.name("device")?)))],
    ),
    (
        "/v1/devices/{device}/push",
        &[on(POST, |path| Ok(Route::PushUrl(path.name("device")?)))],
    ),
    (
        "/v1/devices/{device}/channels",
        &[
            on(READ, |path| Ok(Route::ListChannels(path.name("device")?))),
            on(DELETE, |path| {
                Ok(Route::RemoveChannels(path.name("device")?, None))
            }),
        ],
    ),
    (
        "/v1/devices/{device}/channels/{channel}",
        &[on(DELETE, |path| {
            let channel = path.name("channel")?;
            Ok(Route::RemoveChannels(path.name("device")?, Some(channel)))
        })],
    ),
    (
        "/v1/devices/{device}/hooks",
        &[
            on(POST, |path| Ok(Route::MakeHook(path.name("device")?))),
            on(DELETE, |path| Ok(Route::RevokeHooks(path.name("device")?))),
        ],
    ),
    ("/v1/wake-key", &[open(READ, Open::WakeKey)]),
    (
        "/v1/devices/{device}/wake",
        &[
            on(READ, |path| {
                Ok(Route::ListSubscriptions(path.name("device")?))
            }),
            on(PUT, |path| Ok(Route::Subscribe(path.name("device")?))),
            on(DELETE, |path| {
                Ok(Route::Unsubscribe(path.name("device")?, None))
            }),
        ],
    ),
    (
        "/v1/devices/{device}/wake/{subscription}",
        &[on(DELETE, |path| {
            let subscription = path.name("subscription")?;
            Ok(Route::Unsubscribe(path.name("device")?, Some(subscription)))
        })],
    ),
    (
        "/v1/devices/{device}/webhook",
        &[
            on(READ, |path| Ok(Route::GetWebhook(path.name("device")?))),
            on(PUT, |path| Ok(Route::PutWebhook(path.name("device")?))),
            on(DELETE, |path| {
                Ok(Route::RemoveWebhook(path.name("device")?))
            }),
        ],
    ),
    (
        "/v1/devices/{device}/webhook/rotate",
        &[on(POST, |path| {
            Ok(Route::RotateWebhook(path.name("device")?))
        })],
    ),
    (
        "/v1/devices/{device}/webhook/test",
        &[on(POST, |path| {
            Ok(Route::TestWebhook(path.name("device")?))
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
    (
        "/v1/messages",
        &[
            on(READ, |_| Ok(Route::ListMessages)),
            on(POST, |_| Ok(Route::PublishToMatch)),
        ],
    ),
    (
        "/v1/messages/{id}",
        &[
            on(READ, |path| Ok(Route::Trace(path.name("id")?))),
            on(DELETE, |path| Ok(Route::Cancel(path.name("id")?))),
        ],
    ),
    (
        "/v1/messages/{id}/resend",
        &[on(POST, |path| Ok(Route::Resend(path.name("id")?)))],
    ),
    (
        "/v1/messages/{id}/payload",
        &[on(READ, |path| Ok(Route::GetPayload(path.name("id")?)))],
    ),
    ("/v1/failures", &[on(READ, |_| Ok(Route::ListFailures))]),
    ("/v1/overview", &[on(READ, |_| Ok(Route::Overview))]),
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
    (
        "/v1/inbox/{id}/progress",
        &[on(POST, |path| Ok(Route::Progress(path.name("id")?)))],
    ),
    ("/push/{sealed}", &[sealed(GET, Sealed::Agent)]),
    (
        "/wpush/{sealed}",
        &[sealed(POST, Sealed::Push), sealed(READ, Sealed::Discover)],
    ),
    (
        "/m/{sealed}",
        &[
            sealed(GET, Sealed::PushState),
            sealed(DELETE, Sealed::CancelPush),
        ],
    ),
    (
        "/r/{sealed}",
        &[
            sealed(GET, Sealed::PushReceipts),
            sealed(DELETE, Sealed::DropPushReceipts),
        ],
    ),
    ("/h/{sealed}", &[sealed(POST, Sealed::Hook)]),
    (
        "/_matrix/push/v1/notify",
        &[
            sealed(POST, |_| Sealed::Matrix),
            sealed(READ, |_| Sealed::DiscoverMatrix),
        ],
    ),
    ("/", &[open(READ, Open::Console)]),
];

/// Whether a path is that of a sealed URL: without `PUSH_KEY` it is not served, whatever the method.
pub(crate) fn is_sealed(path: &str) -> bool {
    sealed_at(path).next().is_some()
}

/// Whether a path belongs to Web Push.
pub(crate) fn is_web_push(path: &str) -> bool {
    sealed_at(path).any(|sealed| !matches!(sealed, Sealed::Hook(_)))
}

/// What the methods of a path do whose permission is a sealed URL.
fn sealed_at(path: &str) -> impl Iterator<Item = Sealed> {
    let endpoints = find(path).map_or(&[][..], |(endpoints, _)| endpoints);
    endpoints
        .iter()
        .filter_map(|endpoint| match &endpoint.leads_to {
            Place::Sealed(read) => Some(read(String::new())),
            Place::Open(_) | Place::Guarded(_) => None,
        })
}

/// Every method and path that is served, except `HEAD` and `OPTIONS`.
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

/// The names in a path, where its template has `{…}`.
struct Names(Vec<(&'static str, String)>);

impl Names {
    /// The names in `path`, if it fits the template.
    fn read(template: &'static str, path: &str) -> Option<Self> {
        let mut names = Vec::new();
        let mut segments = path.split('/');
        for wanted in template.split('/') {
            // Decoded after the split: an encoded slash is part of a name, and makes it malformed. So does
            // invalid UTF-8, which becomes the replacement character.
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

    /// The text in place of `{name}`.
    fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, text)| text.as_str())
    }

    /// The device in place of `{name}`, or the service itself.
    fn owner(&self, name: &str) -> Result<DeviceId, InvalidName> {
        owner::read(self.text(name))
    }

    /// The name in place of `{name}`.
    fn name<T: FromStr<Err = InvalidName>>(&self, name: &str) -> Result<T, InvalidName> {
        // If the template has no such name, the empty text is malformed for every type.
        self.text(name).parse()
    }
}

#[cfg(test)]
mod tests;
