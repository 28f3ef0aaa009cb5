//! Authentication: the admin by the admin key, a viewer by the viewer key, or a device by its token. It is the first
//! check of a request.
//!
//! It needs no storage, so a request without a valid credential costs a hash and wakes no mailbox. Not here:
//! whether a token was revoked, which its device's mailbox checks when it is called anyway.
//! A credential is never taken from the URL.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tagpost_core::id::DeviceId;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::time::Millis;
use tagpost_core::token::Claims;

use crate::config::Config;

/// The caller of a request.
#[derive(Debug)]
pub(crate) enum Caller {
    /// The holder of the admin key.
    Admin,
    /// The holder of the viewer key. It may do nothing but what [`Self::reading`] says.
    Viewer,
    /// The device with these claims.
    Device(Claims),
}

impl Caller {
    /// The caller with this credential.
    ///
    /// # Errors
    /// [`Code::Unauthorized`]; the detail says what is wrong, and repeats no part of the credential.
    pub(crate) fn authenticate(
        credential: Option<&str>,
        config: &Config,
        now: Millis,
    ) -> Result<Self, Problem> {
        let Some(credential) = credential else {
            return Err(Problem::new(
                Code::Unauthorized,
                "Authorization must be `Bearer`, followed by the admin key or a device's token",
            ));
        };
        if config.credentials.is_admin_key(credential) {
            return Ok(Self::Admin);
        }
        if config.credentials.is_viewer_key(credential) {
            return Ok(Self::Viewer);
        }
        config
            .credentials
            .verify(credential, now)
            .map(Self::Device)
            .map_err(|error| Problem::new(Code::Unauthorized, error.to_string()))
    }

    /// The caller of a request that changes nothing, and whose answer has no payload and no secret: there a viewer is
    /// allowed what the admin is. Without this, it is allowed nothing.
    pub(crate) fn reading(self) -> Self {
        match self {
            Self::Viewer => Self::Admin,
            caller => caller,
        }
    }

    /// Whether the caller may see payloads where it may read.
    pub(crate) fn sight(&self) -> Sight {
        match self {
            Self::Viewer => Sight::NoPayloads,
            Self::Admin | Self::Device(_) => Sight::All,
        }
    }

    /// Allows only the admin.
    pub(crate) fn admin(&self) -> Result<(), Problem> {
        match self {
            Self::Admin => Ok(()),
            Self::Viewer | Self::Device(_) => Err(self.refused("this needs the admin key")),
        }
    }

    /// Allows only a device.
    pub(crate) fn device(self) -> Result<Claims, Problem> {
        match self {
            Self::Device(claims) => Ok(claims),
            Self::Admin | Self::Viewer => Err(self.refused("this needs a device's token")),
        }
    }

    /// Allows the admin, and `device` itself; returns the device's claims.
    pub(crate) fn admin_or(self, device: &DeviceId) -> Result<Option<Claims>, Problem> {
        match self {
            Self::Admin => Ok(None),
            Self::Device(claims) if claims.device == *device => Ok(Some(claims)),
            Self::Viewer | Self::Device(_) => {
                Err(self.refused("this needs the admin key, or a token of the device itself"))
            }
        }
    }

    /// The error for what the caller may not do; `needs` says who may.
    pub(crate) fn refused(&self, needs: &str) -> Problem {
        let detail = match self {
            Self::Viewer => format!("the viewer key is not enough: {needs}"),
            Self::Admin | Self::Device(_) => needs.to_owned(),
        };
        Problem::new(Code::Forbidden, detail)
    }
}

/// What a caller sees of what it may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All of it.
    All,
    /// All but payloads.
    NoPayloads,
}

impl Sight {
    /// Passes on whether a request asks for payloads, if it may.
    pub(crate) fn allow(self, payload: bool) -> Result<bool, Problem> {
        match (self, payload) {
            (Self::NoPayloads, true) => {
                let detail = "payload must not be true: the viewer key shows no payloads";
                Err(Problem::new(Code::Forbidden, detail))
            }
            _ => Ok(payload),
        }
    }
}

/// The credential in an `Authorization` header (RFC 6750, section 2.1).
pub(crate) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, credential) = authorization.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then(|| credential.trim_start())
}

/// What a credential among the subprotocols begins with, as it is and encoded.
const PREFIXES: [&str; 2] = ["token.", "token64."];

/// The subprotocols that a WebSocket handshake offers, and the token among them.
///
/// A browser cannot set a header on a WebSocket. It sends its credential as a subprotocol: `token.…`, or `token64.…`
/// followed by base64url without padding (RFC 4648, section 5), since a subprotocol cannot have every character.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer<'a> {
    /// The credential, without its prefix.
    pub(crate) token: Option<Cow<'a, str>>,
    /// The other subprotocols, in order.
    pub(crate) protocols: Vec<&'a str>,
}

impl<'a> Offer<'a> {
    /// Reads a `Sec-WebSocket-Protocol` header (RFC 6455, section 11.3.4).
    pub(crate) fn read(header: &'a str) -> Self {
        let offered = header
            .split(',')
            .map(str::trim)
            .filter(|protocol| !protocol.is_empty());
        let (tokens, protocols): (Vec<&str>, Vec<&str>) =
            offered.partition(|protocol| PREFIXES.iter().any(|it| protocol.starts_with(it)));
        let token = tokens.first().and_then(|protocol| {
            let [plain, encoded] = PREFIXES.map(|prefix| protocol.strip_prefix(prefix));
            plain.map(Cow::from).or_else(|| {
                let bytes = URL_SAFE_NO_PAD.decode(encoded?).ok()?;
                String::from_utf8(bytes).ok().map(Cow::from)
            })
        });
        Self { token, protocols }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_credential_is_read_whatever_the_case_of_its_scheme() {
        for header in ["Bearer abc", "bearer abc", "BEARER  abc", " Bearer abc "] {
            assert_eq!(bearer(header), Some("abc"), "{header:?}");
        }
    }

    #[test]
    fn another_scheme_is_no_credential() {
        for header in ["", "abc", "Bearer", "Basic abc", "Bearerabc", "Bearer\tabc"] {
            assert_eq!(bearer(header), None, "{header:?}");
        }
    }

    #[test]
    fn the_token_among_the_subprotocols_is_told_apart() {
        assert_eq!(
            Offer::read("tagpost.v1, token.a.b.c ,other"),
            Offer {
                token: Some("a.b.c".into()),
                protocols: vec!["tagpost.v1", "other"]
            }
        );
        assert_eq!(
            Offer::read(""),
            Offer {
                token: None,
                protocols: vec![]
            }
        );
    }

    #[test]
    fn a_credential_with_any_characters_is_encoded() {
        let offer = Offer::read("token64.YS9iPT0rYyDDpA, tagpost.watch.v1");
        assert_eq!(offer.token.as_deref(), Some("a/b==+c ä"));
        assert_eq!(offer.protocols, ["tagpost.watch.v1"]);
        for malformed in ["token64.YS9iP", "token64.YS9i=", "token64._w"] {
            let offer = Offer::read(malformed);
            assert_eq!(
                (offer.token, offer.protocols),
                (None, vec![]),
                "{malformed}"
            );
        }
    }

    #[test]
    fn no_token_is_left_among_the_subprotocols() {
        let offer = Offer::read("token.first,tagpost.v1,token.second");
        assert_eq!(
            offer,
            Offer {
                token: Some("first".into()),
                protocols: vec!["tagpost.v1"]
            }
        );
    }

    fn claims(device: &str) -> Claims {
        serde_json::from_value(serde_json::json!({ "sub": device, "iat": 0 })).unwrap()
    }

    #[test]
    fn each_passes_only_where_it_may() {
        let camera: DeviceId = "camera".parse().unwrap();
        assert_eq!(Caller::Admin.admin(), Ok(()));
        assert_eq!(Caller::Admin.admin_or(&camera), Ok(None));
        assert_eq!(
            Caller::Device(claims("camera")).device(),
            Ok(claims("camera"))
        );
        assert_eq!(
            Caller::Device(claims("camera")).admin_or(&camera),
            Ok(Some(claims("camera")))
        );

        let refused = [
            Caller::Admin.device().unwrap_err(),
            Caller::Viewer.device().unwrap_err(),
            Caller::Viewer.reading().device().unwrap_err(),
            Caller::Viewer.admin().unwrap_err(),
            Caller::Viewer.admin_or(&camera).unwrap_err(),
            Caller::Viewer.sight().allow(true).unwrap_err(),
            Caller::Device(claims("camera")).admin().unwrap_err(),
            Caller::Device(claims("doorbell"))
                .admin_or(&camera)
                .unwrap_err(),
        ];
        for problem in refused {
            assert_eq!(problem.code, Code::Forbidden, "{problem}");
        }
    }

    #[test]
    fn a_viewer_reads_what_the_admin_reads_but_payloads() {
        let camera: DeviceId = "camera".parse().unwrap();
        assert_eq!(Caller::Viewer.reading().admin(), Ok(()));
        assert_eq!(Caller::Viewer.reading().admin_or(&camera), Ok(None));
        assert_eq!(Caller::Viewer.sight().allow(false), Ok(false));
        assert_eq!(Caller::Admin.sight().allow(true), Ok(true));
        let device = Caller::Device(claims("camera"));
        assert_eq!(device.sight().allow(true), Ok(true));
        let problem = device.reading().admin().unwrap_err();
        assert_eq!(problem.code, Code::Forbidden, "{problem}");
    }
}
