//! `tagpost send`: publishes, and says what becomes of the message: its id first, then a line for each device as it
//! settles.
//!
//! Whenever it ends, it has said how to go on: with the id, or, before there is one, with the idempotency key.

use std::collections::{BTreeMap, HashSet};
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use clap::CommandFactory;
use clap::error::ErrorKind;
use tagpost_client::{Client, Delivery, DeviceId, Error, IdempotencyKey, State, Target, Trace};
use tagpost_core::publish::DEFAULT_WAIT;

use crate::advice::Failure;
use crate::arguments::{Arguments, Escalation, Global, Send, target};
use crate::follow::follow;
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;
use crate::signals::interrupted;
use crate::usage;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

pub(crate) async fn run(global: &Global, options: Send) -> Result<Outcome, Failure> {
    let (to, message) = addressed(&options);
    let target = to.clone();
    let client = Session::open(global)?.device()?;
    let client = client.retry_for(Duration::from_secs(options.retry.into()));
    let (payload, guessed) = payload(message, &options)?;
    if options.content_type.is_none() && is_broken_json(&payload) {
        output::note(
            "This looks like JSON but is not valid JSON, so it is sent as text. --type sets another type.",
        );
    }
    let content_type = options.content_type.unwrap_or_else(|| guessed.to_owned());

    let key = match options.key {
        Some(key) => key,
        None => random_key()?,
    };
    let mut publish = client.publish(to).bytes(content_type, payload);
    publish = publish.key(key.clone());
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
    if options.echo {
        publish = publish.echo();
    }
    if let Some(count) = options.acks_needed {
        publish = publish.acks_needed(count);
    }
    for Escalation { to, after } in options.escalate {
        publish = publish.escalate(to, after);
    }
    if let Some(seconds) = options.delay {
        publish = publish.delay(seconds);
    }
    if let Some(at) = options.deliver_at {
        publish = publish.deliver_at(at);
    }
    // One for all that follows: what comes between two waits is not missed.
    let stop = interrupted();
    tokio::pin!(stop);
    let spinner = output::spinner("publishing");
    let wait = Duration::from_secs(options.wait.unwrap_or(DEFAULT_WAIT).into());
    let late = output::late(global, &spinner, wait, options.retry);
    let published = tokio::select! {
        published = publish.send() => published.map_err(|error| refused(error, &target, &key)),
        never = late => match never {},
        () = &mut stop => Err(Failure::new("ended before the service answered").advise(again(&key))),
    };
    spinner.finish_and_clear();
    report(global, &client, published?, options.follow, stop).await
}

/// Says what became of a message that was published just now; if it is followed, until every delivery is settled or
/// `stop` ends.
pub(crate) async fn report(
    global: &Global,
    client: &Client,
    published: Trace,
    is_followed: bool,
    stop: impl Future<Output = ()>,
) -> Result<Outcome, Failure> {
    let mut report = Report::new(global);
    report.begin(&published)?;
    report.show(&published)?;
    let id = published.id;
    let last = if is_followed {
        match follow(client, published, stop, |message| report.show(message)).await {
            Ok(last) => last,
            // It is published, which the exit code of an error would deny.
            Err(failure) => {
                let on = format!(
                    "It is published; `tagpost trace {id} --follow` shows what becomes of it."
                );
                failure.advise_as_well(on).tell(global.json);
                return Ok(Outcome::Open);
            }
        }
    } else {
        published
    };
    report.rest(&last)?;
    Ok(Outcome::of(&last))
}

/// 128 random bits. The command makes its own key, and so can tell it.
fn random_key() -> Result<IdempotencyKey, Failure> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|error| Failure::new(format!("the system has no random numbers: {error}")))?;
    let key = format!("{:032x}", u128::from_be_bytes(bits));
    key.parse::<IdempotencyKey>()
        .map_err(|error| Failure::new(error.to_string()))
}

/// A failure of which it is not known whether the message was published says how to find out. A tag that no device has
/// may be a device's name without its `@`.
fn refused(error: Error, to: &Target, key: &IdempotencyKey) -> Failure {
    let advice = match (&error, to) {
        (Error::Unreachable { .. } | Error::NotUnderstood { .. }, _) => again(key),
        (Error::Refused(problem), Target::Tag(tag)) if problem.code == "unknown_tag" => {
            format!("If {tag} is a device, its address is @{tag}.")
        }
        _ => return error.into(),
    };
    Failure::from(error).advise_as_well(advice)
}

fn again(key: &IdempotencyKey) -> String {
    format!(
        "It may have been published. The same command with --key {key} does not publish it twice."
    )
}

/// To whom, and the argument that is the message.
fn addressed(options: &Send) -> (Target, Option<&str>) {
    let first = options.target.as_deref();
    let to = match (&options.to_device, &options.to) {
        (Some(device), _) => Some(Target::Device(device.clone())),
        (None, expression) => expression.clone().map(Target::Match),
    };
    match (to, first) {
        (Some(_), Some(_)) if options.message.is_some() => wrong(
            ErrorKind::ArgumentConflict,
            "give only one of TARGET, --to-device and --to",
        ),
        (Some(_), Some(_)) if options.file.is_some() => wrong(
            ErrorKind::ArgumentConflict,
            "the message is already given by --file",
        ),
        (Some(to), message) => (to, message),
        (None, first) => match target(first.unwrap_or_default()) {
            Ok(to) => (to, options.message.as_deref()),
            Err(problem) => wrong(ErrorKind::ValueValidation, &problem.to_string()),
        },
    }
}

/// Exits as clap does for a wrong command line.
fn wrong(kind: ErrorKind, problem: &str) -> ! {
    let mut command = Arguments::command();
    command.build();
    match command.find_subcommand_mut("send") {
        Some(send) => usage::end(&send.error(kind, problem)),
        None => usage::end(&command.error(kind, problem)),
    }
}

/// The payload, and what it looks like. An empty one is more often a mistake than meant: a variable that is not set, or
/// an input that is closed.
fn payload(message: Option<&str>, options: &Send) -> Result<(Vec<u8>, &'static str), Failure> {
    let (payload, guessed) = read(message, options)?;
    if payload.is_empty() && !options.empty {
        return Err(Failure::new("the message is empty")
            .advise("Give a message, a --file or standard input; or --empty, if that is meant."));
    }
    Ok((payload, guessed))
}

fn read(message: Option<&str>, options: &Send) -> Result<(Vec<u8>, &'static str), Failure> {
    if let Some(path) = options.file.as_deref() {
        let payload = fs::read(path)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
        let guessed = media_type(path).unwrap_or_else(|| look(&payload));
        return Ok((payload, guessed));
    }
    if let Some(text) = message.filter(|text| *text != "-") {
        return Ok((text.as_bytes().to_vec(), look(text.as_bytes())));
    }
    if io::stdin().is_terminal() {
        if options.empty {
            return Ok((Vec::new(), TEXT));
        }
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

/// Text that begins as JSON does, and does not go on like it.
fn is_broken_json(payload: &[u8]) -> bool {
    let begins = payload.trim_ascii_start().starts_with(b"{")
        || payload.trim_ascii_start().starts_with(b"[");
    begins && look(payload) == TEXT
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
pub(crate) struct Report<'a> {
    global: &'a Global,
    settled: HashSet<DeviceId>,
    /// How many are in which state; without what a trace has besides, an answer is not told twice.
    summary: Option<BTreeMap<State, u64>>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(global: &'a Global) -> Self {
        Self {
            global,
            settled: HashSet::new(),
            summary: None,
        }
    }

    /// Says which message it is. In JSON, each object does.
    pub(crate) fn begin(&self, message: &Trace) -> Result<(), Failure> {
        if self.global.json {
            return Ok(());
        }
        output::line(message.id.to_string())
    }

    /// Says what is new: the deliveries that have settled since; in JSON, the whole message.
    pub(crate) fn show(&mut self, message: &Trace) -> Result<(), Failure> {
        if self.global.json {
            if self.summary.as_ref() != Some(&message.summary) {
                self.summary = Some(message.summary.clone());
                output::json(message)?;
            }
            return Ok(());
        }
        let width = width(message);
        for delivery in &message.deliveries {
            if delivery.state.is_terminal() && self.settled.insert(delivery.device.clone()) {
                output::line(line(message, delivery, width))?;
            }
        }
        Ok(())
    }

    /// Says which deliveries have not settled.
    pub(crate) fn rest(&self, message: &Trace) -> Result<(), Failure> {
        if self.global.json || message.is_settled() {
            return Ok(());
        }
        if let Some(state) = message.state {
            output::line(state.as_str())?;
        }
        let width = width(message);
        let deliveries = message.deliveries.iter();
        for delivery in deliveries.filter(|delivery| !delivery.state.is_terminal()) {
            output::line(line(message, delivery, width))?;
        }
        let id = message.id;
        output::note(format!(
            "`tagpost trace {id} --follow` shows what becomes of it; `tagpost cancel {id}` takes it back."
        ));
        Ok(())
    }
}

fn width(message: &Trace) -> usize {
    let deliveries = message.deliveries.iter();
    output::width(deliveries.map(|delivery| delivery.device.as_str()))
}

fn line(message: &Trace, delivery: &Delivery, width: usize) -> String {
    let state = output::state(delivery.state);
    let device = delivery.device.as_str();
    if !delivery.state.is_terminal() {
        return format!("{state} {device}");
    }
    let took = output::span(delivery.at - message.accepted_at);
    let answer = output::answer(delivery.reply.as_deref(), delivery.reason.as_deref());
    format!("{state} {device:<width$}  {FAINT}{took:>9}{FAINT:#}  {answer}")
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
        for (payload, expected) in [
            (&b"{\"a\":"[..], true),
            (b" [1, 2", true),
            (b"{\"a\":1}", false),
            (b"Dinner {soon}", false),
            (b"", false),
        ] {
            assert_eq!(is_broken_json(payload), expected, "{payload:?}");
        }
        assert_eq!(media_type(Path::new("a/cat.PNG")), Some("image/png"));
        assert_eq!(media_type(Path::new("a/cat")), None);
    }
}
