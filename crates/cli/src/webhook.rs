//! `tagpost webhook`: a device that is an HTTPS address, and checking what is posted there.
//!
//! A secret goes to standard output alone, since standard error may end up in a log.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::json;
use tagpost_client::{
    DeviceId, Events, PostError, Secret, Try, TryOf, WebhookSetting, WebhookStatus, WebhookTried,
    same_secret,
};

use crate::advice::Failure;
use crate::arguments::{Global, Webhook};
use crate::clock;
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;

/// How old a request may be, in seconds: what the libraries of Standard Webhooks allow.
const TOLERANCE: u64 = 300;

pub(crate) async fn run(global: &Global, command: Webhook) -> Result<Outcome, Failure> {
    match command {
        Webhook::Set {
            device,
            address,
            max_in_flight,
            timeout,
            events,
        } => {
            let events: Vec<_> = events.into_iter().map(Events::from).collect();
            let events = (!events.is_empty()).then_some(events);
            let setting = WebhookSetting {
                url: address,
                max_in_flight,
                timeout,
                events,
            };
            set(global, &device, &setting).await?;
        }
        Webhook::Show { device } => {
            let webhook = Session::open(global)?.either()?.webhook(&device).await?;
            output::object(global, &webhook, describe)?;
        }
        Webhook::Rotate { device } => {
            let client = Session::open(global)?.either()?;
            let secret = client.rotate_webhook(&device).await?;
            output::object(global, &json!({ "secret": secret }), |_| secret.reveal())?;
        }
        Webhook::Test { device } => {
            let tried = Session::open(global)?
                .either()?
                .test_webhook(&device)
                .await?;
            output::object(global, &tried, outcome)?;
            let is_good = matches!(
                tried,
                WebhookTried::Answered {
                    status: 200..=299,
                    ..
                }
            );
            return Ok(if is_good {
                Outcome::Done
            } else {
                Outcome::Failed
            });
        }
        Webhook::Rm { device } => {
            let client = Session::open(global)?.either()?;
            client.remove_webhook(&device).await?;
            let done = json!({ "device": device, "removed": true });
            output::object(global, &done, |_| {
                format!("{device} has no webhook any more.")
            })?;
        }
        Webhook::Verify {
            secret_file,
            any_age,
        } => verify(&secret_file, any_age)?,
    }
    Ok(Outcome::Done)
}

/// The secret alone goes to standard output, so that it can be put where it belongs.
async fn set(global: &Global, device: &DeviceId, setting: &WebhookSetting) -> Result<(), Failure> {
    let client = Session::open(global)?.either()?;
    let answer = client.set_webhook(device, setting).await?;
    if global.json {
        return output::json(&answer);
    }
    match &answer.secret {
        Some(secret) => {
            output::line(secret.reveal())?;
            output::note(format!(
                "Whoever has this secret can write requests that look like those of the service: keep it as you keep a \
                 password. It is not shown again; `tagpost webhook rotate {device}` makes another."
            ));
            Ok(())
        }
        None => output::line(describe(&answer.webhook)),
    }
}

fn describe(webhook: &WebhookStatus) -> String {
    let WebhookStatus {
        url,
        max_in_flight,
        timeout,
        events,
        disabled,
        tries,
    } = webhook;
    let events: Vec<&str> = events.iter().copied().map(posted).collect();
    let events = events.join(" and ");
    let disabled = disabled.map_or(String::new(), |disabled| {
        let (status, age) = (disabled.status, output::age(disabled.at));
        format!("  disabled {age}: it answered {status}")
    });
    let url = url.as_str();
    let tries: String = tries.iter().map(describe_try).collect();
    format!(
        "{url}  {FAINT}{events}, {max_in_flight} at a time, {timeout} s to answer{FAINT:#}{disabled}{tries}"
    )
}

fn posted(event: Events) -> &'static str {
    match event {
        Events::Message => "messages",
        Events::Receipt => "receipts",
    }
}

/// A line of its own.
fn describe_try(tried: &Try) -> String {
    let of = match (tried.of, tried.id) {
        (TryOf::Message, Some(id)) => format!("message {id}"),
        (TryOf::Message, None) => "message".to_owned(),
        (TryOf::Receipts, _) => "receipts".to_owned(),
        (TryOf::Test, _) => "test".to_owned(),
    };
    let outcome = match (tried.status, tried.error) {
        (Some(status), _) => status.to_string(),
        (None, error) => format!("no answer: {}", error.map_or("", PostError::name)),
    };
    let (age, ms) = (output::age(tried.at), tried.ms);
    format!("\n  {FAINT}{age}{FAINT:#}  {of}  {outcome} after {ms} ms")
}

fn outcome(tried: &WebhookTried) -> String {
    match tried {
        WebhookTried::Answered { status, ms } => format!("{status} after {ms} ms"),
        WebhookTried::Failed { error } => format!("no answer: {}", error.name()),
    }
}

/// A request as it is read: the three headers, whatever others there are, and the body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request<'a> {
    id: &'a str,
    seconds: &'a str,
    signatures: &'a str,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads lines up to an empty one, and what follows them.
    fn read(text: &'a [u8]) -> Self {
        let mut request = Self::default();
        let mut rest = text;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let line = str::from_utf8(line).unwrap_or_default().trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "webhook-id" => request.id = value.trim(),
                "webhook-timestamp" => request.seconds = value.trim(),
                "webhook-signature" => request.signatures = value.trim(),
                _ => {}
            }
        }
        Self {
            body: rest,
            ..request
        }
    }

    /// Checks the signature, and the time if `now` is given.
    fn check(&self, secret: &Secret, now: Option<i64>) -> Result<(), &'static str> {
        let seconds: i64 = self
            .seconds
            .parse()
            .map_err(|_| "it has no webhook-timestamp in seconds")?;
        if self.id.is_empty() {
            return Err("it has no webhook-id");
        }
        let wanted = secret.sign(self.id, seconds, self.body);
        let mut signatures = self.signatures.split(' ');
        if !signatures.any(|it| same_secret(it.as_bytes(), wanted.as_bytes())) {
            return Err("no signature matches the secret");
        }
        match now {
            Some(now) if now.abs_diff(seconds) > TOLERANCE => {
                Err("it is more than five minutes from now")
            }
            _ => Ok(()),
        }
    }
}

fn verify(secret_file: &Path, any_age: bool) -> Result<(), Failure> {
    let shown = secret_file.display();
    let secret = fs::read_to_string(secret_file)
        .map_err(|error| Failure::new(format!("cannot read {shown}: {error}")))?;
    let secret = Secret::try_from(secret.trim().to_owned())
        .map_err(|error| Failure::new(format!("{shown}: {error}")))?;
    let mut text = Vec::new();
    io::stdin()
        .read_to_end(&mut text)
        .map_err(|error| Failure::new(format!("cannot read the request: {error}")))?;
    let request = Request::read(&text);
    let now = i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX);
    request
        .check(&secret, (!any_age).then_some(now))
        .map_err(|why| Failure::new(format!("the request is not valid: {why}")))?;
    let mut output = io::stdout().lock();
    output.write_all(request.body)?;
    Ok(output.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"POST /hook HTTP/1.1\r\nWebhook-Id: msg_p5jXN8AQM9LWM0D4loKWxJek\r\n\
        webhook-timestamp: 1614265330\r\nwebhook-signature: v1,AAAA \
        v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\r\n\r\n{\"test\": 2432232314}";

    fn secret(text: &str) -> Secret {
        Secret::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_request_is_checked_against_the_secret_and_the_time() {
        let request = Request::read(REQUEST);
        assert_eq!(request.body, b"{\"test\": 2432232314}");
        let right = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(request.check(&right, None), Ok(()));
        assert_eq!(request.check(&right, Some(1_614_265_630)), Ok(()));
        let late = request.check(&right, Some(1_614_265_631));
        assert_eq!(late, Err("it is more than five minutes from now"));
        let signature = right.sign("x", i64::MIN, b"");
        let distant = Request {
            id: "x",
            seconds: "-9223372036854775808",
            signatures: &signature,
            body: b"",
        };
        assert_eq!(distant.check(&right, Some(1_614_265_330)), late);
        let wrong = secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let refused = Err("no signature matches the secret");
        assert_eq!(request.check(&wrong, None), refused);
        let changed = Request {
            body: b"{}",
            ..Request::read(REQUEST)
        };
        assert_eq!(changed.check(&right, None), refused);
        let empty = Request::read(b"");
        assert!(empty.check(&right, None).is_err());
    }
}
