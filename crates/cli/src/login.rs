//! `tagpost login` and `logout`: keeps a URL and a credential in a profile, after trying them.

use std::io::{self, BufRead, IsTerminal};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tagpost_client::{Client, DeviceId, Error, MessageId};

use crate::advice::Failure;
use crate::arguments::{Global, Login};
use crate::output::{self, Outcome};
use crate::profile::{Profile, Profiles};

pub(crate) async fn run(global: &Global, options: &Login) -> Result<Outcome, Failure> {
    let url = options.service.trim_end_matches('/');
    let mut profiles = Profiles::load()?;
    // Whatever is there already is asked first, so that a mistyped URL does not cost a typed secret.
    let nobody = Client::new(url, "nobody")?.retry_for(std::time::Duration::ZERO);
    nobody.health().await?;

    let credential = secret("Admin key, viewer key or device token: ")?;
    let client = Client::new(url, &credential)?;
    let known = profiles
        .get(&global.profile)
        .filter(|profile| profile.url == url);
    let mut profile = known.cloned().unwrap_or_else(|| Profile {
        url: url.to_owned(),
        ..Profile::default()
    });
    let who = match subject(&credential) {
        Some(device) => {
            client.device(&device).await.map_err(refused)?;
            profile.token = Some(credential);
            device.to_string()
        }
        None => {
            client.devices(None).await.map_err(refused)?;
            let is_viewer = is_viewer(&client).await?;
            profile.admin_key = Some(credential);
            let who = if is_viewer {
                "a viewer"
            } else {
                "the operator"
            };
            who.to_owned()
        }
    };
    profiles.set(&global.profile, profile)?;
    let kept = json!({ "profile": global.profile, "url": url, "as": who });
    output::object(global, &kept, |_| format!("Logged in at {url} as {who}."))?;
    output::note(format!("kept in {}", profiles.path().display()));
    Ok(Outcome::Done)
}

/// Whether a key that lists devices is the viewer key. It is shown no payload: that is refused before it is looked
/// whether there is such a message. An older service has neither the payload nor a viewer key.
pub(crate) async fn is_viewer(client: &Client) -> Result<bool, Failure> {
    let id = "00000000000000000000000000".parse::<MessageId>();
    let id = id.map_err(|error| Failure::new(error.to_string()))?;
    Ok(is_forbidden(client.payload(id).await)?)
}

/// Any other refusal says nothing of the key.
fn is_forbidden<T>(answer: Result<T, Error>) -> Result<bool, Error> {
    match answer {
        Err(Error::Refused(problem)) if problem.code == "forbidden" => Ok(true),
        Err(Error::Refused(problem)) if problem.status == 404 => Ok(false),
        answer => answer.map(|_| false),
    }
}

/// A credential that the service does not accept is not kept.
fn refused(error: Error) -> Failure {
    let is_refused = matches!(&error, Error::Refused(problem) if problem.status == 401);
    let failure = Failure::from(error);
    if is_refused {
        return failure.advise("Copy the whole admin key or token of this service again.");
    }
    failure
}

pub(crate) fn forget(global: &Global) -> Result<Outcome, Failure> {
    let name = &global.profile;
    if !Profiles::load()?.remove(name)? {
        return Err(Failure::new(format!("there is no profile {name}"))
            .advise("`tagpost login URL --profile NAME` keeps one."));
    }
    output::object(global, &json!({ "profile": name, "removed": true }), |_| {
        format!("Deleted the profile {name}.")
    })?;
    Ok(Outcome::Done)
}

/// A secret: asked for without echo on a terminal, else the first line of standard input.
pub(crate) fn secret(prompt: &str) -> Result<String, Failure> {
    let read = if io::stdin().is_terminal() {
        rpassword::prompt_password(prompt)
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    };
    let text = read.map_err(|error| Failure::new(format!("cannot read the secret: {error}")))?;
    match text.trim() {
        "" => {
            Err(Failure::new("no secret was given")
                .advise("Type it, or send it on standard input."))
        }
        text => Ok(text.to_owned()),
    }
}

/// What a token says of itself that revoking it takes.
#[derive(Deserialize)]
pub(crate) struct End {
    /// Its device.
    pub(crate) sub: DeviceId,
    /// Its id.
    pub(crate) jti: Option<String>,
    /// When it expires, in seconds.
    pub(crate) exp: Option<f64>,
}

/// The device that a token speaks for; `None` for what is no token. Its signature is the service's matter.
pub(crate) fn subject(credential: &str) -> Option<DeviceId> {
    #[derive(Deserialize)]
    struct Claims {
        sub: DeviceId,
    }
    read(credential).map(|Claims { sub }| sub)
}

/// The same, with its id and its end.
pub(crate) fn end(token: &str) -> Option<End> {
    read(token)
}

fn read<T: DeserializeOwned>(token: &str) -> Option<T> {
    let claims = token.split('.').nth(1)?;
    let claims = BASE64_URL.decode(claims).ok()?;
    serde_json::from_slice(&claims).ok()
}

#[cfg(test)]
mod tests {
    use tagpost_core::token::{Claims, TokenId, mint};

    use super::*;

    #[test]
    fn a_token_is_told_from_an_admin_key() {
        let claims = Claims {
            device: "doorbell".parse().unwrap(),
            issued_at: 0,
            expires_at: None,
            publish: None,
            tags: vec![],
            revocations: None,
            webhook: false,
            id: None,
        };
        let token = mint(&claims, b"0123456789abcdef").unwrap();
        assert_eq!(subject(&token), Some(claims.device));
        for key in ["", "0123456789abcdef", "a.b.c", "with.dots.in.it", "."] {
            assert_eq!(subject(key), None, "{key}");
        }
    }

    #[test]
    fn a_key_is_the_viewers_only_if_the_payload_is_forbidden_to_it() {
        let refused = |status: u16, code: &str| {
            let problem = json!({ "status": status, "code": code, "detail": "" });
            let problem = serde_json::from_value(problem).unwrap();
            is_forbidden(Err::<(), _>(Error::Refused(problem)))
        };
        assert!(matches!(refused(403, "forbidden"), Ok(true)));
        for code in ["unknown_message", "not_found", "unknown"] {
            assert!(matches!(refused(404, code), Ok(false)), "{code}");
        }
        for status in [401, 403, 429, 503] {
            assert!(refused(status, "unknown").is_err(), "{status}");
        }
        assert!(matches!(is_forbidden(Ok(())), Ok(false)));
    }

    #[test]
    fn a_token_says_its_id_and_when_it_ends() {
        let claims = Claims {
            device: "doorbell".parse().unwrap(),
            issued_at: 0,
            expires_at: Some(60),
            publish: None,
            tags: vec![],
            revocations: None,
            webhook: false,
            id: Some(TokenId::from_random(10)),
        };
        let token = mint(&claims, b"0123456789abcdef").unwrap();
        let read = end(&token).unwrap();
        assert_eq!(read.sub, claims.device);
        assert_eq!(read.jti.as_deref(), Some("000000000000000a"));
        assert_eq!(read.exp, Some(60.0));
        assert!(end("a.b.c").is_none());
    }
}
