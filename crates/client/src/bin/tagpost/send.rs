//! `tagpost send`: publishes, and says what becomes of the message, a line for each device as it settles.

use std::collections::HashSet;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use clap::CommandFactory;
use clap::error::ErrorKind;
use tagpost_client::{Client, Delivery, DeviceId, Target, Trace};

use crate::advice::Failure;
use crate::arguments::{Arguments, Global, Send};
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// Seconds to wait for a message to settle, at a time.
const PATIENCE: u32 = 30;

pub(crate) async fn run(global: &Global, options: Send) -> Result<Outcome, Failure> {
    let (to, message) = addressed(&options)?;
    let client = Session::open(global)?.device()?;
    let client = client.retry_for(Duration::from_secs(options.retry.into()));
    let (payload, guessed) = payload(message, options.file.as_deref())?;
    let content_type = options.content_type.unwrap_or_else(|| guessed.to_owned());

    let mut publish = client.publish(to).bytes(content_type, payload);
    if let Some(ttl) = options.ttl {
        publish = publish.ttl(ttl);
    }
    if let Some(topic) = options.topic {
        publish = publish.topic(topic);
    }
    if let Some(urgency) = options.urgency {
        publish = publish.urgency(urgency.into());
    }
    if let Some(wait) = options.wait {
        publish = publish.wait(wait);
    }
    if let Some(key) = options.key {
        publish = publish.key(key);
    }
    let spinner = output::spinner("publishing");
    let published = publish.send().await;
    spinner.finish_and_clear();
    let published = published?;

    let mut report = Report::new(if global.json { Form::Json } else { Form::Lines });
    report.show(&published)?;
    let last = if options.follow {
        report.follow(&client, published).await?
    } else {
        published
    };
    report.rest(&last)?;
    Ok(Outcome::of(&last))
}

/// To whom, and the argument that is the message.
fn addressed(options: &Send) -> Result<(Target, Option<&str>), Failure> {
    let tag = options.tag.as_deref();
    match (&options.to_device, tag) {
        (Some(_), Some(_)) if options.message.is_some() => {
            let problem = "a message goes to a TAG or to a device, not to both";
            Arguments::command()
                .error(ErrorKind::ArgumentConflict, problem)
                .exit()
        }
        (Some(_), Some(_)) if options.file.is_some() => {
            let problem = "--file says what the message is already";
            Arguments::command()
                .error(ErrorKind::ArgumentConflict, problem)
                .exit()
        }
        (Some(device), message) => Ok((Target::Device(device.clone()), message)),
        (None, tag) => {
            let tag = tag.unwrap_or_default().parse();
            let tag =
                tag.map_err(|error: tagpost_client::InvalidName| Failure::new(error.to_string()))?;
            Ok((Target::Tag(tag), options.message.as_deref()))
        }
    }
}

/// The payload, and what it looks like.
fn payload(message: Option<&str>, file: Option<&Path>) -> Result<(Vec<u8>, &'static str), Failure> {
    if let Some(path) = file {
        let payload = fs::read(path)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
        let guessed = media_type(path).unwrap_or_else(|| look(&payload));
        return Ok((payload, guessed));
    }
    if let Some(text) = message.filter(|text| *text != "-") {
        return Ok((text.as_bytes().to_vec(), look(text.as_bytes())));
    }
    if io::stdin().is_terminal() {
        output::note("Type the message, and end it with Ctrl-D.");
    }
    let mut payload = Vec::new();
    io::stdin()
        .read_to_end(&mut payload)
        .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
    let guessed = look(&payload);
    Ok((payload, guessed))
}

/// JSON objects and arrays are JSON; other text is text, numbers and quoted words too.
fn look(payload: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(payload) else {
        return BYTES;
    };
    let is_json = text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_json { JSON } else { TEXT }
}

/// The media type of the files that messages are usually made of.
fn media_type(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "json" => JSON,
        "txt" | "log" => TEXT,
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        _ => return None,
    })
}

/// What was said of a message so far.
pub(crate) struct Report {
    form: Form,
    settled: HashSet<DeviceId>,
}

/// How news are told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line for each delivery.
    Lines,
    /// The whole message as JSON.
    Json,
    /// Not at all.
    Silent,
}

impl Report {
    pub(crate) fn new(form: Form) -> Self {
        Self {
            form,
            settled: HashSet::new(),
        }
    }

    /// Says what is new: the deliveries that have settled since; in JSON, the whole message.
    pub(crate) fn show(&mut self, message: &Trace) -> Result<(), Failure> {
        match self.form {
            Form::Lines => {}
            Form::Json => return output::json(message),
            Form::Silent => return Ok(()),
        }
        for delivery in message
            .deliveries
            .iter()
            .filter(|delivery| delivery.state.is_last())
        {
            if self.settled.insert(delivery.device.clone()) {
                output::line(line(message, delivery))?;
            }
        }
        Ok(())
    }

    /// Waits until all is settled.
    pub(crate) async fn follow(
        &mut self,
        client: &Client,
        mut last: Trace,
    ) -> Result<Trace, Failure> {
        while !last.is_settled() {
            let open = last
                .deliveries
                .iter()
                .filter(|delivery| !delivery.state.is_last())
                .count();
            let spinner =
                output::spinner(&format!("waiting for {open} of {}", last.deliveries.len()));
            let next = next(client, &last).await;
            spinner.finish_and_clear();
            let next = next?;
            if next.summary != last.summary {
                self.show(&next)?;
            }
            last = next;
        }
        Ok(last)
    }

    /// Says which deliveries have not settled.
    pub(crate) fn rest(&self, message: &Trace) -> Result<(), Failure> {
        if self.form != Form::Lines {
            return Ok(());
        }
        for delivery in message
            .deliveries
            .iter()
            .filter(|delivery| !delivery.state.is_last())
        {
            output::line(line(message, delivery))?;
        }
        if !message.is_settled() {
            output::note(format!(
                "`tagpost trace {} --follow` shows what becomes of it.",
                message.id
            ));
        }
        Ok(())
    }
}

/// The message as soon as there is something new. The service itself answers when all is settled; with
/// many devices those that settle earlier are worth being told before.
async fn next(client: &Client, last: &Trace) -> Result<Trace, tagpost_client::Error> {
    if last.deliveries.len() == 1 {
        return client.trace_within(last.id, PATIENCE).await;
    }
    client.trace_within(last.id, 1).await
}

fn line(message: &Trace, delivery: &Delivery) -> String {
    let took = if delivery.state.is_last() {
        format!("{} ms", delivery.at - message.accepted_at)
    } else {
        String::new()
    };
    let answer = output::answer(delivery.reply.as_deref(), delivery.reason.as_deref());
    let state = output::state(delivery.state);
    format!(
        "{state} {} {FAINT}{took:>8}{FAINT:#}  {answer}",
        delivery.device
    )
    .trim_end()
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_taken_for_what_it_looks_like() {
        for (payload, expected) in [
            (&b"{\"a\":1}"[..], JSON),
            (b" [1, 2]\n", JSON),
            (b"{not json}", TEXT),
            (b"7", TEXT),
            (b"Dinner!", TEXT),
            (b"", TEXT),
            (b"\xff\xd8", BYTES),
        ] {
            assert_eq!(look(payload), expected, "{payload:?}");
        }
        assert_eq!(media_type(Path::new("a/cat.PNG")), Some("image/png"));
        assert_eq!(media_type(Path::new("a/cat")), None);
    }
}
