//! A command of the user's, run for a message: the payload goes in, the answer comes out.
//!
//! It ends when the command does, even if that left something running in the background, and no later than the time
//! limit. Meanwhile the message is in progress, so that the service does not send it again. The command's environment
//! contains none of the service's credentials: its input comes from other devices, and its output goes back to them.

use std::convert::Infallible;
use std::env;
use std::ffi::OsStr;
use std::future::pending;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tagpost_client::{AnswerError, Message, Target, Withdrawal};
use tagpost_core::protocol::tagpost_v1::MAX_REASON;
use tagpost_core::secrets::SECRETS;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::group::Group;
use crate::output;

/// How long a command that was told to end may take to do so.
const GRACE: Duration = Duration::from_secs(2);
/// How long the rest of the output is read once the command has ended. What it printed itself has arrived by then;
/// only a process that it left running can still print.
const REST: Duration = Duration::from_millis(200);
/// For how many seconds a message is in progress if this program ends without an answer.
const PROGRESS: u32 = 60;
/// How much of the output is kept: far more than a reply may have.
const MAX_PRINTED: usize = 65_536;

/// A command, and how long it may take. It works on one message at a time.
#[derive(Debug)]
pub(crate) struct Exec {
    command: String,
    service: Service,
    limit: Duration,
    /// What runs now. It stays here if nobody waits for the answer any more.
    running: Mutex<Option<Group>>,
}

/// What a command that calls `tagpost` needs to speak to the same service as the same device.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) url: String,
    /// The name of the profile. The credentials in it are not passed on.
    pub(crate) profile: String,
}

/// How a message was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Acknowledged,
    Rejected,
    /// The message was withdrawn meanwhile, and the command ended.
    Withdrawn(Withdrawal),
}

/// What a command left.
struct Ended {
    status: ExitStatus,
    printed: Vec<u8>,
}

impl Exec {
    pub(crate) fn new(command: String, service: Service, limit: Duration) -> Self {
        Self {
            command,
            service,
            limit,
            running: Mutex::new(None),
        }
    }

    /// Ends what still runs after [`Exec::answer`] was given up.
    pub(crate) async fn end(&self) {
        if let Some(mut group) = self.running.lock().await.take() {
            group.end(GRACE).await;
        }
    }

    /// Runs the command for a message, and answers the message with what came of it. If the message is withdrawn
    /// meanwhile, the command is ended.
    pub(crate) async fn answer(&self, message: &Message) -> Result<Answered, AnswerError> {
        let working = message.working(PROGRESS, "")?;
        let ended = tokio::select! {
            ended = self.run(message) => ended,
            why = message.withdrawn() => {
                self.end().await;
                return Ok(Answered::Withdrawn(why));
            }
        };
        drop(working);
        let reason = match ended {
            Ok(ended) if ended.status.success() => return acknowledge(message, &ended.printed),
            Ok(ended) => reason(&ended),
            Err(reason) => reason,
        };
        let reason = shortened(&reason);
        message.nack(&reason)?;
        told(message, "rejected", &reason);
        Ok(Answered::Rejected)
    }

    async fn run(&self, message: &Message) -> Result<Ended, String> {
        let payload = message.bytes().map_err(|error| error.to_string())?;
        let mut shell = shell(&self.command);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        describe(message, &self.service, &mut shell);
        let group = Group::start(&mut shell)
            .map_err(|error| format!("the command cannot be run: {error}"))?;
        let mut running = self.running.lock().await;
        let group = running.insert(group);
        let (input, mut output) = group.pipes();
        let mut printed = Vec::new();
        let ended = tokio::select! {
            ended = timeout(self.limit, group.wait()) => ended,
            never = feed(input, &payload) => match never {},
            never = async { read(output.as_mut(), &mut printed).await; pending().await } => match never {},
        };
        let Ok(status) = ended else {
            group.end(GRACE).await;
            *running = None;
            let limit = self.limit.as_secs();
            return Err(format!("the command did not end within {limit} s"));
        };
        *running = None;
        let status = status.map_err(|error| format!("the command was lost: {error}"))?;
        let _ = timeout(REST, read(output.as_mut(), &mut printed)).await;
        Ok(Ended { status, printed })
    }
}

/// Gives the command the payload. A command need not read what it is given.
async fn feed(input: Option<impl AsyncWrite + Unpin>, payload: &[u8]) -> Infallible {
    if let Some(mut input) = input {
        let _ = input.write_all(payload).await;
    }
    pending().await
}

/// Reads the output until no process can write to it any more. Cancel safe.
async fn read(output: Option<&mut (impl AsyncRead + Unpin)>, printed: &mut Vec<u8>) {
    let Some(output) = output else { return };
    let mut buffer = [0; 4_096];
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        let room = MAX_PRINTED.saturating_sub(printed.len());
        let kept = buffer.get(..length.min(room));
        printed.extend_from_slice(kept.unwrap_or_default());
    }
}

/// Sets the environment: the message, where the service is, and nothing else of this command's own.
fn describe(message: &Message, service: &Service, shell: &mut Command) {
    for (name, _) in env::vars_os().filter(|(name, _)| is_own(name)) {
        shell.env_remove(name);
    }
    shell
        .env("TAGPOST_URL", &service.url)
        .env("TAGPOST_PROFILE", &service.profile)
        .env("TAGPOST_ID", message.id.to_string())
        .env("TAGPOST_FROM", message.from.as_str())
        .env("TAGPOST_CONTENT_TYPE", &message.content_type)
        .env("TAGPOST_SENT_AT", message.sent_at.to_string())
        .env("TAGPOST_URGENCY", message.urgency.as_str())
        .env("TAGPOST_ATTEMPT", message.attempt.to_string());
    if let Some(topic) = &message.topic {
        shell.env("TAGPOST_TOPIC", topic.as_str());
    }
    match &message.to {
        Target::Tag(tag) => _ = shell.env("TAGPOST_TAG", tag.as_str()),
        Target::Match(expression) => _ = shell.env("TAGPOST_MATCH", expression.as_str()),
        Target::Device(_) => {}
    }
}

/// Whether a variable is one of this command's: its flags and credentials, or a secret of the service.
fn is_own(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    SECRETS.contains(&name.as_str()) || name.starts_with("TAGPOST_")
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

/// Acknowledges with what the command printed. Its work is done, so a reply that cannot be sent is left out
/// rather than the acknowledgement.
fn acknowledge(message: &Message, printed: &[u8]) -> Result<Answered, AnswerError> {
    let text = match std::str::from_utf8(printed) {
        Ok(text) => text.trim(),
        // A reply is JSON: bytes that are no text would not arrive as they are.
        Err(_) => {
            message.ack()?;
            let why = format!(
                "without a reply: the {} bytes printed are not text",
                printed.len()
            );
            told(message, "acknowledged", &why);
            return Ok(Answered::Acknowledged);
        }
    };
    if text.is_empty() {
        message.ack()?;
        told(message, "acknowledged", "");
        return Ok(Answered::Acknowledged);
    }
    match reply(message, text) {
        Err(error @ (AnswerError::ReplyTooLong(_) | AnswerError::ReplyTooDeep)) => {
            message.ack()?;
            told(
                message,
                "acknowledged",
                &format!("without a reply: {error}"),
            );
            Ok(Answered::Acknowledged)
        }
        Err(error) => Err(error),
        Ok(answered) => {
            told(message, "acknowledged", text);
            Ok(answered)
        }
    }
}

/// Says how a message was answered.
fn told(message: &Message, how: &str, with: &str) {
    let with = output::visible(&output::on_one_line(with));
    output::note(format!("{how} {}  {with}", message.id).trim_end());
}

/// Acknowledges with this text: as JSON if it is JSON, else as a string.
pub(crate) fn reply(message: &Message, text: &str) -> Result<Answered, AnswerError> {
    match serde_json::from_str::<&tagpost_client::RawValue>(text) {
        Ok(json) => message.reply(json),
        Err(_) => message.reply(text),
    }?;
    Ok(Answered::Acknowledged)
}

/// What the command printed, or else how it ended.
fn reason(ended: &Ended) -> String {
    let text = String::from_utf8_lossy(&ended.printed);
    match text.trim() {
        "" => ended.status.to_string(),
        text => text.to_owned(),
    }
}

/// As much of a text as a reason may have, cut between two characters.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        let text = format!("no more tea: {}", "\u{1F375}".repeat(300));
        let cut = shortened(&text);
        assert!(cut.chars().count() == MAX_REASON && text.starts_with(&cut));
    }

    #[test]
    fn credentials_and_flags_are_kept_from_the_command_and_the_rest_is_not() {
        for name in [
            "TAGPOST_TOKEN",
            "TAGPOST_TOKEN_FILE",
            "TAGPOST_ADMIN_KEY",
            "TAGPOST_KEY",
            "tagpost_token",
            "TAGPOST_SOMETHING_NEW",
            "TOKEN_KEY",
            "ADMIN_KEY",
            "TOKEN_KEY_OLD",
            "ADMIN_KEY_OLD",
            "VIEWER_KEY",
            "PUSH_KEY",
            "PUSH_KEY_OLD",
            "VAPID_KEY",
        ] {
            assert!(is_own(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "HOME", "MY_TOKEN_KEYRING"] {
            assert!(!is_own(OsStr::new(name)), "{name}");
        }
    }

    #[tokio::test]
    async fn no_more_is_kept_of_an_output_than_a_reply_could_need() {
        let mut printed = Vec::new();
        read(Some(&mut &vec![b'x'; 10 * MAX_PRINTED][..]), &mut printed).await;
        assert_eq!(printed.len(), MAX_PRINTED);
    }
}
