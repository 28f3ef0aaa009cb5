//! The operator's configuration: the limits from `[vars]`, the secrets, and the public address.
//!
//! It is read and checked once per isolate. A secret is used only here and cannot leak: the types that
//! hold one cannot be printed.

mod credentials;
mod vapid;

use std::cell::OnceCell;
use std::rc::Rc;

use tagpost_core::limits::Limits;
use tagpost_core::operator_event::Settings;
use tagpost_core::wake::Knocks;
use tagpost_core::web_push::seal::Keys;
use wasm_bindgen::JsValue;
use worker::Env;

pub(crate) use self::credentials::Credentials;
pub(crate) use self::vapid::Vapid;
use crate::respond::Error;

/// The shortest secret that is accepted, in bytes.
const SHORTEST_SECRET: usize = 16;

/// The shortest `PUSH_KEY` that is accepted, in bytes. It protects URLs that are valid for years.
const SHORTEST_PUSH_KEY: usize = 32;

thread_local! {
    static CONFIG: OnceCell<Result<Rc<Config>, String>> = const { OnceCell::new() };
}

/// The service's configuration, checked.
pub(crate) struct Config {
    /// The limits of the service.
    pub(crate) limits: Limits,
    /// How the service identifies itself to push services; without it the service wakes nobody.
    pub(crate) vapid: Option<Vapid>,
    /// What seals the URLs of Web Push; without it the service has no Web Push.
    pub(crate) push_keys: Option<Rc<Keys>>,
    /// What seals pairing codes.
    pub(crate) pairing_keys: Keys,
    /// `PUBLIC_URL`: the origin under which clients reach the service. Without it, the origin of each request.
    pub(crate) public_url: Option<String>,
    /// `WAKE_ALL`: whether messages of every urgency wake.
    wakes_all: bool,
    /// `FAILURES`: whether the directory lists failed deliveries.
    pub(crate) records_failures: bool,
    /// `EVENTS_TAG` and `AWAY_AFTER`: how the service publishes events, if it does.
    pub(crate) events: Option<Settings>,
    /// `WEBHOOK_ALLOW_HTTP`: whether a webhook may be http, and on this machine: never on Cloudflare.
    pub(crate) is_local: bool,
    /// What credentials are judged by.
    pub(crate) credentials: Credentials,
}

impl Config {
    /// The configuration of this isolate.
    ///
    /// # Errors
    /// A limit out of range, or a secret that is missing or too short. The log line names it and says
    /// how to set it.
    pub(crate) fn from_env(env: &Env) -> Result<Rc<Self>, Error> {
        Self::checked(env).map_err(|cause| Error::internal("misconfigured", cause))
    }

    /// The same, with the error as text.
    pub(crate) fn checked(env: &Env) -> Result<Rc<Self>, String> {
        CONFIG.with(|config| {
            config
                .get_or_init(|| Self::read(|name| variable(env, name)).map(Rc::new))
                .clone()
        })
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let credentials = Credentials::read(&variable)?;
        Ok(Self {
            limits: Limits::from_vars(&variable).map_err(|limit| limit.to_string())?,
            vapid: Vapid::read(&variable)?,
            wakes_all: switch(&variable, "WAKE_ALL")?,
            records_failures: is_on(&variable, "FAILURES")?,
            events: Settings::from_vars(&variable).map_err(|setting| setting.to_string())?,
            push_keys: push_keys(&variable)?.map(Rc::new),
            pairing_keys: credentials.pairing_keys(),
            public_url: variable("PUBLIC_URL").map(origin).transpose()?,
            is_local: switch(&variable, "WEBHOOK_ALLOW_HTTP")?,
            credentials,
        })
    }

    /// Which messages wake.
    pub(crate) fn knocks(&self) -> Knocks {
        match (&self.vapid, self.wakes_all) {
            (None, _) => Knocks::Off,
            (Some(_), false) => Knocks::Normal,
            (Some(_), true) => Knocks::All,
        }
    }
}

fn optional_secret(
    variable: impl Fn(&str) -> Option<String>,
    name: &str,
    shortest: usize,
) -> Result<Option<String>, String> {
    match variable(name) {
        Some(secret) if secret.len() < shortest => Err(format!(
            "the secret {name} is shorter than {shortest} bytes: {}",
            remedy(name)
        )),
        secret => Ok(secret),
    }
}

fn remedy(name: &str) -> String {
    format!(
        "set it with `npx wrangler secret put {name}`; on your own machine in .dev.vars, or in `secrets` of the --state directory"
    )
}

/// The keys of Web Push, if `PUSH_KEY` is set.
fn push_keys(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Keys>, String> {
    let key = |name| optional_secret(&variable, name, SHORTEST_PUSH_KEY);
    let old = key("PUSH_KEY_OLD")?;
    Ok(key("PUSH_KEY")?.map(|new| Keys::new(new, old)))
}

/// Whether a variable is on; an absent one is off.
fn switch(variable: impl Fn(&str) -> Option<String>, name: &str) -> Result<bool, String> {
    match variable(name).as_deref() {
        Some("true" | "1") => Ok(true),
        Some("false" | "0") | None => Ok(false),
        Some(text) => Err(format!("{name} is {text:?}, but must be true or false")),
    }
}

/// Whether a variable is not `off`; an absent one is on.
fn is_on(variable: impl Fn(&str) -> Option<String>, name: &str) -> Result<bool, String> {
    match variable(name).as_deref() {
        Some("on") | None => Ok(true),
        Some("off") => Ok(false),
        Some(text) => Err(format!("{name} is {text:?}, but must be on or off")),
    }
}

/// Checks that this is an origin (RFC 6454): a scheme and a host, perhaps with a port, and nothing behind.
fn origin(text: String) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
    match host {
        Some(host) if !host.is_empty() && host.chars().all(is_host) => Ok(text),
        _ => Err(format!(
            "PUBLIC_URL is {text:?}, but must be an origin such as https://push.example.org, in lower case and \
             without a path"
        )),
    }
}

/// A variable as text. `[vars]` may hold a number or a truth value as a string or as itself, and [`Env::var`] reads
/// only strings.
fn variable(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &JsValue::from_str(name)).ok()?;
    value
        .as_string()
        .or_else(|| value.as_f64().map(|number| number.to_string()))
        .or_else(|| value.as_bool().map(|is_on| is_on.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::read(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    const KEYS: [(&str, &str); 2] = [
        ("ADMIN_KEY", "0123456789abcdef"),
        ("TOKEN_KEY", "fedcba9876543210"),
    ];

    #[test]
    fn a_limit_out_of_range_is_named() {
        let error = read(&[KEYS[0], KEYS[1], ("MAX_IN_FLIGHT", "none")])
            .err()
            .expect("no number");
        assert!(error.contains("MAX_IN_FLIGHT"), "{error}");
    }

    /// The configuration with these variables beside the two secrets.
    fn with(variables: &[(&str, &str)]) -> Result<Config, String> {
        read(&[&KEYS[..], variables].concat())
    }

    #[test]
    fn without_push_key_there_is_no_web_push() {
        assert!(with(&[]).is_ok_and(|config| config.push_keys.is_none()));
        let long = "0123456789abcdef0123456789abcdef";
        assert!(with(&[("PUSH_KEY_OLD", long)]).is_ok_and(|config| config.push_keys.is_none()));
        assert!(with(&[("PUSH_KEY", long)]).is_ok_and(|config| config.push_keys.is_some()));
    }

    #[test]
    fn a_short_push_key_is_named_and_not_shown() {
        for name in ["PUSH_KEY", "PUSH_KEY_OLD"] {
            let error = with(&[(name, "only-31-bytes-of-a-secret-value")]).err();
            let error = error.expect("too short");
            assert!(
                error.contains(&format!("{name} is shorter than 32 bytes")),
                "{error}"
            );
            assert!(
                !error.contains("only-31"),
                "the secret is in the message: {error}"
            );
        }
    }

    #[test]
    fn without_vapid_key_nobody_is_woken() {
        let knocks = |variables: &[(&str, &str)]| with(variables).ok().map(|it| it.knocks());
        let key = (
            "VAPID_KEY",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        );
        assert_eq!(knocks(&[("WAKE_ALL", "true")]), Some(Knocks::Off));
        assert_eq!(knocks(&[key]), Some(Knocks::Normal));
        assert_eq!(knocks(&[key, ("WAKE_ALL", "false")]), Some(Knocks::Normal));
        assert_eq!(knocks(&[key, ("WAKE_ALL", "1")]), Some(Knocks::All));
        let error = with(&[("WAKE_ALL", "maybe")])
            .err()
            .expect("no truth value");
        assert!(error.contains("WAKE_ALL"), "{error}");
    }

    #[test]
    fn webhooks_are_https_unless_the_operator_says_otherwise() {
        let is_local = |variables: &[(&str, &str)]| with(variables).ok().map(|it| it.is_local);
        assert_eq!(is_local(&[]), Some(false));
        assert_eq!(is_local(&[("WEBHOOK_ALLOW_HTTP", "true")]), Some(true));
        let error = with(&[("WEBHOOK_ALLOW_HTTP", "on")]).err();
        assert!(error.is_some_and(|error| error.contains("WEBHOOK_ALLOW_HTTP")));
    }

    #[test]
    fn failures_are_listed_unless_they_are_off() {
        let listed =
            |variables: &[(&str, &str)]| with(variables).ok().map(|it| it.records_failures);
        assert_eq!(listed(&[]), Some(true));
        assert_eq!(listed(&[("FAILURES", "on")]), Some(true));
        assert_eq!(listed(&[("FAILURES", "off")]), Some(false));
        let error = with(&[("FAILURES", "no")]).err().expect("neither");
        assert!(error.contains("FAILURES"), "{error}");
    }

    #[test]
    fn there_are_events_only_with_a_tag_for_them() {
        assert!(with(&[]).is_ok_and(|config| config.events.is_none()));
        let tag = ("EVENTS_TAG", "ops");
        let config = with(&[tag, ("AWAY_AFTER", "300")]).unwrap_or_else(|error| panic!("{error}"));
        let events = config.events.expect("a tag is set");
        assert_eq!((events.tag.as_str(), events.away_after), ("ops", Some(300)));
        let error = with(&[("EVENTS_TAG", "@ops")]).err().expect("no tag");
        assert!(error.starts_with("EVENTS_TAG is "), "{error}");
    }

    #[test]
    fn the_public_url_is_an_origin() {
        for text in [
            "https://push.example.org",
            "http://127.0.0.1:8787",
            "http://[::1]:80",
        ] {
            let config = with(&[("PUBLIC_URL", text)]).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(config.public_url.as_deref(), Some(text));
        }
        for text in [
            "",
            "push.example.org",
            "https://",
            "https://a.org/",
            "https://a.org/x",
            "wss://a.org",
            "https://A.org",
            "https://a.org?x",
        ] {
            let error = with(&[("PUBLIC_URL", text)]).err().expect(text);
            assert!(error.starts_with("PUBLIC_URL is "), "{error}");
        }
    }
}
