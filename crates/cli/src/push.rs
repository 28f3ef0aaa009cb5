//! `tagpost push`: the URLs with which browsers and phones connect, and the channels that they hold.
//!
//! A push URL is a credential: it goes to standard output alone, since standard error may end up in a log.

use std::io::{self, IsTerminal};

use serde_json::json;
use tagpost_client::{Channel, ChannelStatus, DeviceId, Error};

use crate::advice::Failure;
use crate::arguments::{Global, Push};
use crate::output::{self, FAINT, Outcome};
use crate::qr;
use crate::session::Session;

pub(crate) async fn run(global: &Global, command: Push) -> Result<Outcome, Failure> {
    match command {
        Push::Url { device, expires_in } => url(global, &device, expires_in).await?,
        Push::Channels { device } => channels(global, &device).await?,
        Push::Revoke {
            device,
            channels,
            all,
        } => revoke(global, &device, &channels, all).await?,
    }
    Ok(Outcome::Done)
}

/// In a pipe, the URL alone goes to standard output, so that it can be put where it belongs.
async fn url(global: &Global, device: &DeviceId, expires_in: Option<u32>) -> Result<(), Failure> {
    let client = Session::open(global)?.either()?;
    let made = client.push_url(device, expires_in).await;
    let made = made.map_err(no_push_key)?;
    output::object(global, &made, |made| made.push_url.clone())?;
    if global.json {
        return Ok(());
    }
    if io::stdout().is_terminal() {
        output::line(settings(&made.push_url))?;
    } else {
        output::note(
            "Firefox: in about:config, set dom.push.serverURL to it.\n\
             Sunup: set the server to it, with https: in place of wss:, or http: in place of ws:.",
        );
    }
    output::note(format!(
        "Whoever has this URL receives as {device}: keep it as you keep a token. It is for one browser profile or \
         one phone. `tagpost device revoke {device}` ends it, with all tokens and push URLs of {device}."
    ));
    Ok(())
}

/// What to paste into a browser or a phone, and the latter as a QR code.
fn settings(url: &str) -> String {
    let server = over_http(url);
    let mut prefs = format!("  dom.push.serverURL  {url}");
    if url.starts_with("ws:") {
        prefs += "\n  dom.push.testing.allowInsecureServerURL  true";
    }
    let picture = qr::draw(&server).map_or(String::new(), |picture| format!("\n\n{picture}"));
    format!("\nFirefox, in about:config:\n{prefs}\n\nSunup, as the server:\n  {server}{picture}\n")
}

/// The same URL as distributors of UnifiedPush take it: `https:` in place of `wss:`.
fn over_http(url: &str) -> String {
    match url.strip_prefix("ws") {
        Some(rest) => format!("http{rest}"),
        None => url.to_owned(),
    }
}

async fn channels(global: &Global, device: &DeviceId) -> Result<(), Failure> {
    let client = Session::open(global)?.either()?;
    let channels = client.channels(device).await.map_err(no_push_key)?;
    if channels.is_empty() && !global.json {
        output::note(format!(
            "{device} has no channels: no page or app has subscribed."
        ));
    }
    for channel in &channels {
        output::object(global, channel, line)?;
    }
    Ok(())
}

fn line(status: &ChannelStatus) -> String {
    let age = output::age(status.since);
    let bound = if status.restricted {
        ", bound to one sender's key"
    } else {
        ""
    };
    format!(
        "{}  {FAINT}registered {age}{bound}{FAINT:#}",
        status.channel
    )
}

async fn revoke(
    global: &Global,
    device: &DeviceId,
    channels: &[Channel],
    all: bool,
) -> Result<(), Failure> {
    let client = Session::open(global)?.either()?;
    if all {
        client.remove_channels(device).await.map_err(no_push_key)?;
        let done = json!({ "device": device, "all_channels": true, "revoked": true });
        return output::object(global, &done, |_| {
            format!("All channels of {device} are revoked.")
        });
    }
    // The variable of --all may say no, which the rules of the command line take for a choice.
    if channels.is_empty() {
        return Err(Failure::new("no channel was given")
            .advise("`tagpost push channels DEVICE` lists them; --all removes all."));
    }
    for channel in channels {
        let removed = client.remove_channel(device, *channel).await;
        removed.map_err(no_push_key)?;
        let done = json!({ "device": device, "channel": channel, "revoked": true });
        output::object(global, &done, |_| {
            format!("The channel {channel} of {device} is revoked.")
        })?;
    }
    Ok(())
}

/// A service without `PUSH_KEY` serves nothing of Web Push.
fn no_push_key(error: Error) -> Failure {
    match &error {
        Error::Refused(problem) if problem.code == "not_found" => {
            Failure::new("the service has no PUSH_KEY, and so no Web Push").advise(
                "Set it with `openssl rand -hex 32 | npx wrangler secret put PUSH_KEY`, on your own machine in `secrets` of the --state directory; see docs/web-push.md.",
            )
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secure_url_is_pasted_as_it_is_and_a_phone_gets_it_with_https() {
        let text = settings("wss://push.example.org/push/abc");
        let expected = "Firefox, in about:config:\n  dom.push.serverURL  wss://push.example.org/push/abc\n\n\
                        Sunup, as the server:\n  https://push.example.org/push/abc\n";
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("allowInsecure"), "{text}");
        let picture = qr::draw("https://push.example.org/push/abc").unwrap();
        assert!(text.contains(&picture), "{text}");
    }

    #[test]
    fn firefox_needs_a_second_setting_for_a_url_without_tls() {
        let text = settings("ws://127.0.0.1:8787/push/abc");
        let expected = "  dom.push.serverURL  ws://127.0.0.1:8787/push/abc\n  \
                        dom.push.testing.allowInsecureServerURL  true\n\n\
                        Sunup, as the server:\n  http://127.0.0.1:8787/push/abc\n";
        assert!(text.contains(expected), "{text}");
    }
}
