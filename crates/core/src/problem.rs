//! The problems that a request can be answered with (RFC 9457, problem details).
//!
//! A problem tells the caller what is wrong with the request, or what prevents it. It never tells
//! what failed inside the service: the shell logs that and answers [`Code::Internal`].

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Declares the problems: code, HTTP status, title.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $title:literal;)*) => {
        /// The stable code of a problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The code, as written in answers and `error` frames.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// Its HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }

            /// A short description of this kind of problem; the same each time.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// A header, query parameter or body field is malformed; the detail names it.
    BadRequest = "bad_request", 400, "The request is malformed";
    /// A WebSocket frame is malformed; the detail names the field.
    BadFrame = "bad_frame", 400, "The frame is malformed";
    /// No credential, or an invalid one.
    Unauthorized = "unauthorized", 401, "A valid credential is required";
    /// A valid credential without the permission.
    Forbidden = "forbidden", 403, "The credential does not allow this";
    /// Nothing is served at this path.
    NotFound = "not_found", 404, "Nothing is served at this path";
    /// The tag has no devices.
    UnknownTag = "unknown_tag", 404, "No device has this tag";
    /// No device of this name is known.
    UnknownDevice = "unknown_device", 404, "There is no such device";
    /// The caller sent no message with this id, or its trace is no longer kept.
    UnknownMessage = "unknown_message", 404, "There is no such message";
    /// The device has no webhook.
    UnknownWebhook = "unknown_webhook", 404, "The device has no webhook";
    /// The pairing code is not one of this service, has expired, was used, or has ended.
    UnknownCode = "unknown_code", 404, "The pairing code is not valid";
    /// The path does not have this method; `Allow` lists those it has.
    MethodNotAllowed = "method_not_allowed", 405, "The path does not have this method";
    /// No delivery of the message has failed, or not those to the devices that the caller names.
    NothingFailed = "nothing_failed", 409, "No such delivery has failed";
    /// The payload of the message is not kept any more.
    PayloadGone = "payload_gone", 410, "The payload is not kept any more";
    /// The payload is over `MAX_PAYLOAD_BYTES`.
    PayloadTooLarge = "payload_too_large", 413, "The payload is too large";
    /// The body has a `Content-Encoding`, and bodies are not decoded.
    UnsupportedMediaType = "unsupported_media_type", 415, "The Content-Encoding is not supported";
    /// The same idempotency key came with another body or target.
    IdempotencyMismatch = "idempotency_mismatch", 422, "The idempotency key was used for another message";
    /// The tag has more devices than `MAX_FANOUT`.
    TagTooLarge = "tag_too_large", 422, "The tag has too many devices";
    /// The device binds itself, and has as many tags as one device may have.
    TooManyTags = "too_many_tags", 422, "The device has too many tags";
    /// As many tokens of the device were revoked one by one as is possible.
    TooManyRevoked = "too_many_revoked", 422, "Too many tokens of the device were revoked one by one";
    /// The device has as many subscriptions for wake-ups as one device may have.
    TooManySubscriptions = "too_many_subscriptions", 422, "The device has too many subscriptions";
    /// The path takes only a WebSocket handshake.
    UpgradeRequired = "upgrade_required", 426, "A WebSocket handshake is required";
    /// More publishes than `PUBLISH_RATE`, too much under way or queued, or too many reads that ask other
    /// mailboxes; `Retry-After` says when to try again.
    TooManyRequests = "too_many_requests", 429, "Too many requests";
    /// The stored messages of the sender take more than `MAX_SENT_BYTES`, and none of them is settled.
    OutboxFull = "outbox_full", 429, "The sender's unsettled messages take too much space";
    /// The service failed; the cause is in its log.
    Internal = "internal", 500, "The service failed";
    /// A part of the service could not be reached in time; the request may be repeated.
    Unavailable = "unavailable", 503, "A part of the service could not be reached";
    /// The request comes from this service itself, by way of `Tagpost-Via`: publishing it could go round for ever.
    LoopDetected = "loop_detected", 508, "The request comes from this service itself";
}

/// One problem, as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind of problem.
    pub code: Code,
    /// What is wrong in this case; for people.
    pub detail: String,
    /// Seconds to wait before trying again.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem without `retry_after`.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// A malformed request; `detail` names the field.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, detail)
    }

    /// The mailbox has no device.
    pub(crate) fn unknown_device() -> Self {
        Self::new(Code::UnknownDevice, "there is no such device")
    }

    /// The same problem as that of a frame.
    pub(crate) fn in_frame(self) -> Self {
        let code = match self.code {
            Code::BadRequest => Code::BadFrame,
            code => code,
        };
        Self { code, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let code = self.code.as_str();
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("type", &format!("urn:tagpost:problem:{code}"))?;
        map.serialize_entry("title", self.code.title())?;
        map.serialize_entry("status", &self.code.status())?;
        map.serialize_entry("detail", &self.detail)?;
        map.serialize_entry("code", code)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_unique_and_has_an_error_status() {
        let codes: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(
                (400..600).contains(&code.status()),
                "{} has {}",
                code.as_str(),
                code.status()
            );
        }
    }

    #[test]
    fn a_problem_prints_its_code_and_detail() {
        let problem = Problem::bad_request("TTL must be a whole number");
        assert_eq!(
            problem.to_string(),
            "bad_request: TTL must be a whole number"
        );
    }
}
